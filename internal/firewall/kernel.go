package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"hakeep/internal/cpus"
)

// kernel is the nftables of this machine, or a fake of it.
type kernel interface {
	// read returns our table (nil if absent), or of it what is in the scope if
	// that is given, and the generation of the ruleset it was read at.
	read(*scope) (*table, uint32, error)
	// apply commits the steps in one transaction. Its error may be about
	// the answer only; read tells.
	apply([]op) error
	// generation is the number of the last transaction of anybody.
	generation() (uint32, error)
	// watch sends changes of our table until the context ends.
	watch(context.Context, chan<- change) error
	close() error
}

var (
	_ kernel = (*netfilter)(nil)

	// errUnsupported: this kernel has no nftables.
	errUnsupported = errors.New("nftables not supported by the kernel")
	// errRestless: somebody else's transactions kept us from a consistent
	// read.
	errRestless = errors.New("ruleset keeps changing while it is read")
)

// scope names sets and chains.
type scope struct {
	sets, chains []string
	// elems limits what is read of a set to these elements.
	elems map[string][]nftables.SetElement
}

// answerTimeout bounds a wait for the kernel, which answers at once unless an
// answer was lost; tableTimeout the wait for what takes it time: to write or read
// the tables of 2,277 services with 37,205 servers takes seconds on a machine with
// ten times more to do than it has processors for.
const (
	answerTimeout = 5 * time.Second
	tableTimeout  = 30 * time.Second
)

// socketBuffer holds the transaction and its answers: 65,536 map elements are
// about 3 MB, 37,205 servers in 2,277 services with their counters 12 MB. It is a
// bound, not memory that is set aside.
const socketBuffer = 64 << 20

// netfilter speaks to the kernel. Its sockets are opened once, so they belong
// to the network namespace of the thread that opened them.
type netfilter struct {
	table *nftables.Table

	mu    sync.Mutex
	raw   *netlink.Conn  // the socket below conn
	conn  *nftables.Conn // nil until it could be opened; reads only
	setID uint32

	events *netlink.Conn // nil if the kernel has none
}

func newNetfilter(name string) *netfilter {
	n := &netfilter{table: &nftables.Table{Name: name, Family: nftables.TableFamilyINet}}
	_ = n.open() // the first use tries again and reports
	n.events = openEvents()
	return n
}

func (n *netfilter) open() error {
	if n.conn != nil {
		return nil
	}
	var raw *netlink.Conn
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		raw = c
		_ = c.SetReadBuffer(socketBuffer)
		_ = c.SetWriteBuffer(socketBuffer)
		return nil
	}))
	if err != nil {
		return unsupported(fmt.Errorf("open nftables: %w", err))
	}
	n.conn, n.raw = conn, raw
	return nil
}

// unsupported marks errors that mean that there is no nftables.
func unsupported(err error) error {
	for _, e := range []error{unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT, unix.EOPNOTSUPP} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", errUnsupported, err)
		}
	}
	return err
}

// exchange runs fn with the socket ready, and leaves it without answers that
// nobody waits for.
func (n *netfilter) exchange(timeout time.Duration, fn func() error) error {
	if err := n.open(); err != nil {
		return err
	}
	if err := n.raw.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	err := fn()
	if err != nil {
		n.drain()
	}
	return err
}

// long is exchange for what may keep the kernel busy.
func (n *netfilter) long(fn func() error) error {
	return cpus.Work(func() error { return n.exchange(tableTimeout, fn) })
}

func (n *netfilter) drain() {
	for range 1 << 16 {
		if n.raw.SetReadDeadline(time.Now().Add(20*time.Millisecond)) != nil {
			return
		}
		_, err := n.raw.Receive()
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, os.ErrClosed) {
			return
		}
	}
}

func (n *netfilter) generation() (gen uint32, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	err = n.exchange(answerTimeout, func() error {
		gen, err = n.readGeneration()
		return err
	})
	return gen, err
}

func (n *netfilter) readGeneration() (uint32, error) {
	msgs, err := n.raw.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN),
			Flags: netlink.Request,
		},
		Data: make([]byte, nfgenLen),
	})
	if errors.Is(err, unix.EINVAL) {
		// nfnetlink does not know the subsystem.
		return 0, fmt.Errorf("%w: %w", errUnsupported, err)
	}
	if err != nil {
		return 0, unsupported(fmt.Errorf("read nftables generation: %w", err))
	}
	for _, m := range msgs {
		if g, ok := parseGeneration(m); ok {
			return g.gen, nil
		}
	}
	return 0, errors.New("read nftables generation: no answer")
}

func (n *netfilter) read(part *scope) (t *table, gen uint32, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for range 8 {
		err = n.long(func() error {
			before, err := n.readGeneration()
			if err != nil {
				return err
			}
			t, err = n.readTable(part)
			after, errGen := n.readGeneration()
			if errGen != nil || after != before {
				// What was read, and its error, mean nothing.
				return errRestless
			}
			gen = after
			return err
		})
		if !errors.Is(err, errRestless) {
			break
		}
	}
	if err != nil {
		return nil, 0, err
	}
	return t, gen, nil
}

func (n *netfilter) readTable(part *scope) (*table, error) {
	kt, err := n.conn.ListTableOfFamily(n.table.Name, n.table.Family)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read table %s: %w", n.table.Name, err)
	}
	t := &table{sets: map[string]*setState{}, chains: map[string]*chainState{}}
	if kt.Flags != 0 {
		t.foreign = "table flags"
	}
	if err := n.readSets(t, part); err != nil {
		return nil, fmt.Errorf("read sets of table %s: %w", n.table.Name, err)
	}
	if err := n.readChains(t, part); err != nil {
		return nil, fmt.Errorf("read chains of table %s: %w", n.table.Name, err)
	}
	return t, nil
}

// listSets reads the definitions of all sets, or of those in the scope that exist.
func (n *netfilter) listSets(part *scope) ([]*nftables.Set, error) {
	if part == nil {
		return n.conn.GetSets(n.table)
	}
	var sets []*nftables.Set
	for _, name := range part.sets {
		s, err := n.conn.GetSetByName(n.table, name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		sets = append(sets, s)
	}
	return sets, nil
}

func (n *netfilter) readSets(t *table, part *scope) error {
	sets, err := n.listSets(part)
	if err != nil {
		return err
	}
	for _, s := range sets {
		if s.Anonymous || s.Dynamic != s.HasTimeout || s.Timeout != 0 || s.Constant {
			t.foreign = "set " + s.Name
			continue
		}
		st := &setState{
			def: Set{
				Name: s.Name, Key: s.KeyType, Interval: s.Interval, Concat: s.Concatenation,
				Dynamic: s.Dynamic, Size: s.Size,
			},
			elems: map[string]nftables.SetElement{},
		}
		if s.IsMap {
			st.def.Data = s.DataType
			if s.DataType.GetNFTMagic() == 0 {
				// The library puts the type of a verdict map into KeyType.
				st.def.Data = nftables.TypeVerdict
			}
		}
		if s.Dynamic {
			t.sets[s.Name] = st
			continue
		}
		elems, err := n.elements(s, part)
		if err != nil {
			return fmt.Errorf("elements of %s: %w", s.Name, err)
		}
		for _, e := range elems {
			if st.def.isVerdictMap() && !e.IntervalEnd {
				if e.VerdictData, err = parseVerdict(e.Val); err != nil {
					return fmt.Errorf("elements of %s: %w", s.Name, err)
				}
				e.Val = nil
			}
			st.elems[elementID(e)] = e
		}
		t.sets[s.Name] = st
	}
	return nil
}

// elements reads the elements of a set, or those that the scope limits it to.
func (n *netfilter) elements(s *nftables.Set, part *scope) ([]nftables.SetElement, error) {
	if part == nil || part.elems[s.Name] == nil {
		return n.conn.GetSetElements(s)
	}
	var found []nftables.SetElement
	for _, e := range part.elems[s.Name] {
		got, err := n.element(s.Name, e)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, got)
	}
	return found, nil
}

// parseVerdict decodes the verdict of a map's element, which the library
// leaves as attributes.
func parseVerdict(b []byte) (*expr.Verdict, error) {
	ad, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return nil, err
	}
	ad.ByteOrder = binary.BigEndian
	var v expr.Verdict
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_VERDICT_CODE:
			v.Kind = expr.VerdictKind(int32(ad.Uint32()))
		case unix.NFTA_VERDICT_CHAIN:
			v.Chain = ad.String()
		}
	}
	return &v, ad.Err()
}

// listChains reads the definitions of all chains, or of those in the scope that
// exist.
func (n *netfilter) listChains(part *scope) ([]*nftables.Chain, error) {
	if part == nil {
		return n.conn.ListChainsOfTableFamily(n.table.Family)
	}
	var chains []*nftables.Chain
	for _, name := range part.chains {
		there, err := n.chainExists(name)
		if err != nil {
			return nil, err
		}
		if !there {
			continue
		}
		c, err := n.conn.ListChain(n.table, name)
		if err != nil {
			return nil, err
		}
		chains = append(chains, c)
	}
	return chains, nil
}

func (n *netfilter) readChains(t *table, part *scope) error {
	chains, err := n.listChains(part)
	if err != nil {
		return err
	}
	tags, err := n.readTags(part)
	if err != nil {
		return err
	}
	for _, c := range chains {
		if c.Table == nil || c.Table.Name != n.table.Name {
			continue
		}
		st := &chainState{def: Chain{Name: c.Name, Type: c.Type}}
		if c.Hooknum != nil && c.Priority != nil {
			st.def.Hook, st.def.Priority = *c.Hooknum, *c.Priority
		}
		if c.Policy != nil && *c.Policy != nftables.ChainPolicyAccept {
			t.foreign = "policy of chain " + c.Name
		}
		for _, tag := range tags[c.Name] {
			if !strings.Contains(tag, tagMark) {
				t.foreign = "rule in chain " + c.Name
			}
			st.tags = append(st.tags, tag)
		}
		t.chains[c.Name] = st
	}
	return nil
}

func (n *netfilter) apply(ops []op) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.commit(ops)
}

// commit sends one transaction. In a container, where the socket's buffer
// cannot be made large, one that does not fit is divided; the order of steps
// is right for that too, but others see the states between.
func (n *netfilter) commit(ops []op) error {
	err := n.send(ops)
	if !errors.Is(err, unix.EMSGSIZE) || len(ops) < 2 {
		return err
	}
	half := len(ops) / 2
	if err := n.commit(ops[:half]); err != nil {
		return err
	}
	return n.commit(ops[half:])
}

func (n *netfilter) send(ops []op) error {
	return n.long(func() error {
		msgs, err := n.transaction(ops)
		if err != nil {
			return err
		}
		if msgs, err = n.raw.SendMessages(msgs); err != nil {
			return unsupported(fmt.Errorf("change table %s: %w", n.table.Name, err))
		}
		last := msgs[len(msgs)-2].Header.Sequence
		for {
			answers, err := n.raw.Receive()
			if err != nil {
				return unsupported(fmt.Errorf("change table %s: %w", n.table.Name, err))
			}
			for _, m := range answers {
				if m.Header.Sequence == last {
					return nil
				}
			}
		}
	})
}

func (n *netfilter) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var err error
	if n.conn != nil {
		err = n.conn.CloseLasting()
		n.conn, n.raw = nil, nil
	}
	if n.events != nil {
		err = errors.Join(err, n.events.Close())
	}
	return err
}

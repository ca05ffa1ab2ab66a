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
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// kernel is the nftables of this machine, or a fake of it.
type kernel interface {
	// read returns our table (nil if absent) and the generation of the
	// ruleset it was read at.
	read() (*table, uint32, error)
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

// answerTimeout bounds a wait for the kernel, which answers at once unless an
// answer was lost.
const answerTimeout = 5 * time.Second

// socketBuffer holds the transaction and its answers: 65,536 map elements are
// about 3 MB.
const socketBuffer = 16 << 20

// netfilter speaks to the kernel. Its sockets are opened once, so they belong
// to the network namespace of the thread that opened them.
type netfilter struct {
	table *nftables.Table

	mu   sync.Mutex
	raw  *netlink.Conn  // the socket below conn
	conn *nftables.Conn // nil until it could be opened

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
func (n *netfilter) exchange(fn func() error) error {
	if err := n.open(); err != nil {
		return err
	}
	if err := n.raw.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	err := fn()
	if err != nil {
		n.drain()
	}
	return err
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
	err = n.exchange(func() error {
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

func (n *netfilter) read() (t *table, gen uint32, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for range 8 {
		err = n.exchange(func() error {
			before, err := n.readGeneration()
			if err != nil {
				return err
			}
			t, err = n.readTable()
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

func (n *netfilter) readTable() (*table, error) {
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
	if err := n.readSets(t); err != nil {
		return nil, fmt.Errorf("read sets of table %s: %w", n.table.Name, err)
	}
	if err := n.readChains(t); err != nil {
		return nil, fmt.Errorf("read chains of table %s: %w", n.table.Name, err)
	}
	return t, nil
}

func (n *netfilter) readSets(t *table) error {
	sets, err := n.conn.GetSets(n.table)
	if err != nil {
		return err
	}
	for _, s := range sets {
		if s.Anonymous || s.Dynamic || s.HasTimeout || s.Constant {
			t.foreign = "set " + s.Name
			continue
		}
		st := &setState{
			def:   Set{Name: s.Name, Key: s.KeyType, Interval: s.Interval, Concat: s.Concatenation},
			elems: map[string]nftables.SetElement{},
		}
		if s.IsMap {
			st.def.Data = s.DataType
			if s.DataType.GetNFTMagic() == 0 {
				// The library puts the type of a verdict map into KeyType.
				st.def.Data = nftables.TypeVerdict
			}
		}
		elems, err := n.conn.GetSetElements(s)
		if err != nil {
			return fmt.Errorf("elements of %s: %w", s.Name, err)
		}
		for _, e := range elems {
			if st.def.isVerdictMap() {
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

func (n *netfilter) readChains(t *table) error {
	chains, err := n.conn.ListChainsOfTableFamily(n.table.Family)
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
		rules, err := n.conn.GetRules(n.table, c)
		if err != nil {
			return fmt.Errorf("rules of %s: %w", c.Name, err)
		}
		for _, r := range rules {
			tag, _ := userdata.GetString(r.UserData, userdata.TypeComment)
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
	return n.exchange(func() error {
		for _, o := range ops {
			if err := n.queue(o); err != nil {
				return fmt.Errorf("%v: %w", o, err)
			}
		}
		if err := n.conn.Flush(); err != nil {
			return unsupported(fmt.Errorf("change table %s: %w", n.table.Name, err))
		}
		return nil
	})
}

// queue adds a step to the transaction.
func (n *netfilter) queue(o op) error {
	var chain *nftables.Chain
	if o.chain != nil {
		chain = &nftables.Chain{Table: n.table, Name: o.chain.def.Name}
		if d := &o.chain.def; d.Type != "" && o.kind == opAddChain {
			accept := nftables.ChainPolicyAccept
			chain.Type, chain.Hooknum, chain.Priority, chain.Policy = d.Type, &d.Hook, &d.Priority, &accept
		}
	}
	switch o.kind {
	case opAddTable:
		n.conn.AddTable(n.table)
	case opDelTable:
		n.conn.DelTable(n.table)
	case opFlushChain:
		n.conn.FlushChain(chain)
	case opDelChain:
		n.conn.DelChain(chain)
	case opAddChain:
		n.conn.AddChain(chain)
	case opDelSet:
		n.conn.DelSet(o.set.def.kernelSet(n.table))
	case opAddSet:
		return n.conn.AddSet(o.set.def.kernelSet(n.table), nil)
	case opDelElements:
		return n.conn.SetDeleteElements(o.set.def.kernelSet(n.table), keysOf(o.elems))
	case opAddElements:
		return n.conn.SetAddElements(o.set.def.kernelSet(n.table), o.elems)
	case opAddRule:
		n.conn.AddRule(&nftables.Rule{
			Table: n.table, Chain: chain, Exprs: o.rule.Exprs,
			UserData: userdata.AppendString(nil, userdata.TypeComment, o.tag),
		})
	default:
		panic("firewall: unknown step " + o.kind.String())
	}
	return nil
}

// keysOf strips what a deletion does not need.
func keysOf(elems []nftables.SetElement) []nftables.SetElement {
	out := make([]nftables.SetElement, len(elems))
	for i, e := range elems {
		out[i] = nftables.SetElement{Key: e.Key, KeyEnd: e.KeyEnd, IntervalEnd: e.IntervalEnd}
	}
	return out
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

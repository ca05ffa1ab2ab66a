package hostcheck

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

const (
	// protocol is VRRP's (RFC 9568, 5.1.1.4 and 5.1.2.4).
	protocol = 112
	// maxDepth bounds jumps from chain to chain; the kernel allows 16.
	maxDepth = 16
	// conntrackNew is the state of a multicast advert, to which nobody answers,
	// and of a unicast one from the only master (NF_CT_STATE_BIT(IP_CT_NEW)).
	conntrackNew = 8
)

// packet is an advert as far as it is known beforehand: from and to somebody
// over an interface.
type packet struct {
	link string
	ipv6 bool
	out  bool
	// dst is the multicast group; not valid means that it is some address.
	dst netip.Addr
}

// rule is the expressions of an nftables rule.
type rule = []expr.Any

// table is an nftables table as far as it is judged.
type table struct {
	name, family string
	base         []baseChain
	chains       map[string][]rule
	// contains looks a key up in a set of the table; known is false where that
	// cannot be said.
	contains func(set string, key []byte) (found, known bool)
}

// baseChain is a chain that packets begin at.
type baseChain struct {
	name  string
	hook  nftables.ChainHook
	drops bool // by its policy
}

// verdict is what happens to a packet.
type verdict uint8

const (
	next    verdict = iota + 1 // the rules say nothing
	accept                     // goes on to the next table
	drop                       // is lost
	unclear                    // depends on what is not known here
)

// judge tells of each base chain that a packet passes and that drops it, or may.
func (t *table) judge(p packet, tell func(chain string, how verdict)) {
	if t.family == "ip" && p.ipv6 || t.family == "ip6" && !p.ipv6 {
		return
	}
	hooks := []nftables.ChainHook{unix.NF_INET_PRE_ROUTING, unix.NF_INET_LOCAL_IN}
	if p.out {
		hooks = []nftables.ChainHook{unix.NF_INET_LOCAL_OUT, unix.NF_INET_POST_ROUTING}
	}
	for _, b := range t.base {
		if !slices.Contains(hooks, b.hook) {
			continue
		}
		if v := t.run(b, p); v == drop || v == unclear {
			tell(b.name, v)
		}
	}
}

// run follows a packet through a base chain. Conditions on what is not known,
// such as the source address, are taken for not met. Where the packet is lost
// then, a rule that names the protocol and accepts under such a condition is
// trusted: who wrote it knew the peers. One that accepts something else leaves
// it unclear.
func (t *table) run(b baseChain, p packet) verdict {
	w := &walk{t: t, p: p}
	v := w.chain(b.name, path{certain: true}, 0)
	if v == next && b.drops {
		v = drop
	}
	switch {
	case v != drop, w.namedAccept:
		return accept
	case w.otherAccept:
		return unclear
	}
	return drop
}

// walk is one packet's way through a table.
type walk struct {
	t *table
	p packet
	// namedAccept and otherAccept say that there are rules that would accept the
	// packet under conditions that are not known, with and without a condition on
	// the protocol that it meets.
	namedAccept, otherAccept bool
}

// path is how a chain was come to.
type path struct {
	certain bool // all conditions on the way are met
	named   bool // one of them was on the protocol
}

func (w *walk) chain(name string, from path, depth int) verdict {
	if depth > maxDepth {
		return next
	}
	for _, r := range w.t.chains[name] {
		m := w.match(r)
		if m.result == no {
			continue
		}
		here := path{certain: from.certain && m.result == yes, named: from.named || m.named}
		v, ends := w.act(m.verdict, here, depth)
		// In a chain that was come to by chance, what ends every packet ends the
		// walk through it as well.
		if ends && m.result == yes {
			return v
		}
	}
	return next
}

// act carries out what a rule says; ends is false where the packet goes on to
// the next rule.
func (w *walk) act(v *expr.Verdict, here path, depth int) (result verdict, ends bool) {
	if v == nil {
		return next, false
	}
	switch v.Kind {
	case expr.VerdictAccept, expr.VerdictStop:
		if !here.certain {
			w.namedAccept = w.namedAccept || here.named
			w.otherAccept = w.otherAccept || !here.named
		}
		return accept, true
	case expr.VerdictDrop:
		return drop, true
	case expr.VerdictQueue, expr.VerdictStolen:
		w.otherAccept = true // another program decides
		return drop, true
	case expr.VerdictReturn:
		return next, true
	case expr.VerdictJump:
		got := w.chain(v.Chain, here, depth+1)
		return got, got != next
	case expr.VerdictGoto:
		return w.chain(v.Chain, here, depth+1), true
	}
	return next, false
}

// met says whether a condition is met.
type met uint8

const (
	no met = iota + 1
	maybe
	yes
)

// matched is what a rule says about the packet.
type matched struct {
	result  met
	named   bool // a condition on the protocol is met
	verdict *expr.Verdict
}

// match evaluates a rule.
func (w *walk) match(r rule) matched {
	e := &evaluation{w: w, registers: map[uint32]value{}, out: matched{result: yes}}
	for _, x := range r {
		if e.step(x); e.out.result == no {
			break
		}
	}
	return e.out
}

// value is what a register holds; a register that is not there is not known.
type value struct {
	bytes    []byte
	protocol bool // it is the packet's protocol
}

type evaluation struct {
	w         *walk
	registers map[uint32]value
	out       matched
}

// require adds a condition.
func (e *evaluation) require(m met, named bool) {
	e.out.result = min(e.out.result, m)
	e.out.named = e.out.named || named && m == yes
}

func truth(b bool) met {
	if b {
		return yes
	}
	return no
}

// step evaluates one expression.
func (e *evaluation) step(x expr.Any) {
	switch x := x.(type) {
	case *expr.Meta:
		if x.SourceRegister {
			return // sets a mark
		}
		e.load(x.Register, e.meta(x.Key))
	case *expr.Payload:
		if x.OperationType == expr.PayloadWrite {
			return
		}
		e.load(x.DestRegister, e.payload(x))
	case *expr.Ct:
		if x.SourceRegister {
			return
		}
		v := value{}
		if x.Key == expr.CtKeySTATE {
			v.bytes = binary.NativeEndian.AppendUint32(nil, conntrackNew)
		}
		e.load(x.Register, v)
	case *expr.Immediate:
		e.load(x.Register, value{bytes: x.Data})
	case *expr.Bitwise:
		e.load(x.DestRegister, bitwise(e.registers[x.SourceRegister], x))
	case *expr.Cmp:
		v := e.registers[x.Register]
		e.require(compare(v.bytes, x), v.protocol && x.Op == expr.CmpOpEq)
	case *expr.Range:
		e.require(maybe, false)
	case *expr.Lookup:
		e.lookup(x)
	case *expr.Verdict:
		e.out.verdict = x
	case *expr.Reject:
		e.out.verdict = &expr.Verdict{Kind: expr.VerdictDrop}
	case *expr.Target:
		if x.Name == "REJECT" {
			e.out.verdict = &expr.Verdict{Kind: expr.VerdictDrop}
		}
	case *expr.Match, *expr.Limit, *expr.Quota, *expr.Connlimit:
		e.require(maybe, false)
	case *expr.Counter, *expr.Log, *expr.Notrack, *expr.Objref:
	default:
		clear(e.registers) // it may have written to any
	}
}

// load sets a register; a value without bytes makes it unknown.
func (e *evaluation) load(register uint32, v value) {
	if v.bytes == nil {
		delete(e.registers, register)
		return
	}
	e.registers[register] = v
}

// meta is what is known about a packet beside its bytes.
func (e *evaluation) meta(key expr.MetaKey) value {
	p := e.w.p
	link := func(mine bool) value {
		name := make([]byte, unix.IFNAMSIZ)
		if mine {
			copy(name, p.link)
		}
		return value{bytes: name}
	}
	switch key {
	case expr.MetaKeyL4PROTO:
		return value{bytes: []byte{protocol}, protocol: true}
	case expr.MetaKeyNFPROTO:
		if p.ipv6 {
			return value{bytes: []byte{unix.NFPROTO_IPV6}}
		}
		return value{bytes: []byte{unix.NFPROTO_IPV4}}
	case expr.MetaKeyPROTOCOL:
		ethertype := uint16(unix.ETH_P_IP)
		if p.ipv6 {
			ethertype = unix.ETH_P_IPV6
		}
		return value{bytes: binary.BigEndian.AppendUint16(nil, ethertype)}
	case expr.MetaKeyIIFNAME:
		return link(!p.out)
	case expr.MetaKeyOIFNAME:
		return link(p.out)
	}
	return value{}
}

// Where the network header has what is known (RFC 791, 3.1; RFC 8200, 3).
const (
	ipv4Protocol, ipv4Destination = 9, 16
	ipv6NextHeader, ipv6Dest      = 6, 24
)

// payload is what is known of a packet's bytes.
func (e *evaluation) payload(x *expr.Payload) value {
	p := e.w.p
	if x.Base != expr.PayloadBaseNetworkHeader {
		return value{}
	}
	proto, dst := uint32(ipv4Protocol), uint32(ipv4Destination)
	if p.ipv6 {
		proto, dst = ipv6NextHeader, ipv6Dest
	}
	switch {
	case x.Offset == proto && x.Len == 1:
		return value{bytes: []byte{protocol}, protocol: true}
	case x.Offset == dst && p.dst.IsValid() && int(x.Len) <= p.dst.BitLen()/8:
		return value{bytes: p.dst.AsSlice()[:x.Len]}
	}
	return value{}
}

// bitwise masks a value.
func bitwise(v value, x *expr.Bitwise) value {
	if v.bytes == nil || len(x.Mask) != len(v.bytes) || len(x.Xor) != len(v.bytes) {
		return value{}
	}
	out := make([]byte, len(v.bytes))
	for i := range out {
		out[i] = v.bytes[i]&x.Mask[i] ^ x.Xor[i]
	}
	return value{bytes: out, protocol: v.protocol}
}

// compare evaluates a comparison. A shorter one compares the beginning: that is
// how interfaces are matched by eth*.
func compare(v []byte, x *expr.Cmp) met {
	if v == nil || len(x.Data) > len(v) {
		return maybe
	}
	c := bytes.Compare(v[:len(x.Data)], x.Data)
	switch x.Op {
	case expr.CmpOpEq:
		return truth(c == 0)
	case expr.CmpOpNeq:
		return truth(c != 0)
	case expr.CmpOpLt:
		return truth(c < 0)
	case expr.CmpOpLte:
		return truth(c <= 0)
	case expr.CmpOpGt:
		return truth(c > 0)
	case expr.CmpOpGte:
		return truth(c >= 0)
	}
	return maybe
}

// lookup evaluates a set. What a verdict map says is not looked at: one that
// has the protocol is trusted, as a rule that names it.
func (e *evaluation) lookup(x *expr.Lookup) {
	v := e.registers[x.SourceRegister]
	if v.bytes == nil {
		e.require(maybe, false)
		return
	}
	found, known := e.w.t.contains(x.SetName, v.bytes)
	switch {
	case !known:
		e.require(maybe, false)
	case x.IsDestRegSet:
		e.require(truth(found), v.protocol)
		if found {
			e.w.namedAccept = e.w.namedAccept || v.protocol
			e.w.otherAccept = e.w.otherAccept || !v.protocol
		}
		e.out.result = min(e.out.result, maybe)
	default:
		e.require(truth(found != x.Invert), v.protocol && !x.Invert)
	}
}

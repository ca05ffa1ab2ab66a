package nft

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"hakeep/internal/firewall"
	"hakeep/lvs"
)

// hashSeed is the seed of the kernel's jhash. It is the same on every router, and
// not 0, which would let the kernel choose one.
const hashSeed = 0x68616b65

// persistenceSize bounds the clients that are remembered for one server; more are
// balanced like clients without persistence. It is what the kernel's connection tracking
// holds by default (nf_conntrack_max on machines with 4 GB and more).
const persistenceSize = 262144

// slotSet is a service's map from slots to servers.
type slotSet struct {
	set    firewall.Set
	ranges bool
	mod    uint32
}

// service is one service on its way to the kernel.
type service struct {
	*lvs.Service
	fam    *family
	name   string   // of its chain
	slots  *slotSet // nil without a server that takes connections
	size   uint32   // of the Maglev table
	sorted []lvs.Server
	// live are the servers that take connections, sorted, with their weights.
	live []lvs.Endpoint
	wts  []int
}

// baseName names what belongs to a service, of characters that the nft command
// reads.
func baseName(id lvs.ID) string {
	return fmt.Sprintf("%v_%s_%d", id.Protocol, strings.ReplaceAll(id.Addr.String(), ":", "-"), id.Port)
}

func newService(s *lvs.Service, fam *family) *service {
	out := &service{Service: s, fam: fam, name: "lb_" + baseName(s.ID)}
	out.sorted = sortedServers(s.Servers)
	for _, srv := range out.sorted {
		if srv.Weight > 0 {
			out.live = append(out.live, srv.Endpoint)
			out.wts = append(out.wts, srv.Weight)
		}
	}
	return out
}

// fill makes the map of slots. Maps of another kind have other names: a set's
// definition cannot be changed.
func (s *service) fill(name string) {
	if len(s.live) == 0 {
		return
	}
	out := &slotSet{set: firewall.Set{Key: nftables.TypeMark, Data: s.fam.endpointType(), HostOrder: true}}
	s.slots = out
	element := func(key []byte, i int) nftables.SetElement {
		return nftables.SetElement{Key: key, Val: endpointKey(s.live[i])}
	}
	if s.Attr.Persistence > 0 {
		out.set.Data = nftables.TypeVerdict
		element = func(key []byte, i int) nftables.SetElement {
			return nftables.SetElement{Key: key, VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: s.serverName(i)}}
		}
	}
	if s.Attr.Scheduler == mh {
		out.mod = s.size
		out.set.Name = fmt.Sprintf("%s_mh%d", name, out.mod)
		out.set.Size = out.mod
		for slot, i := range maglev(s.live, s.wts, out.mod) {
			out.set.Elements = append(out.set.Elements, element(hostKey(uint32(slot)), i))
		}
		return
	}
	weights := s.wts
	if s.Attr.Scheduler == rr {
		weights = equalWeights(len(s.live))
	}
	t := divide(weights, s.Attr.Scheduler == rr || s.Attr.Scheduler == wrr)
	out.mod = t.modulus
	if t.single() {
		out.set.Name = name + "_slots"
		for _, p := range t.pieces {
			out.set.Elements = append(out.set.Elements, element(hostKey(p.first), p.server))
		}
		return
	}
	out.ranges = true
	out.set.Key, out.set.Interval, out.set.HostOrder = nftables.TypeInteger, true, false
	for _, p := range t.pieces {
		out.set.Elements = append(out.set.Elements,
			element(rangeKey(p.first), p.server),
			nftables.SetElement{Key: rangeKey(p.last + 1), IntervalEnd: true})
	}
	// Ranges are replaced as a whole, so their name follows from what is in them:
	// kernels differ in which halves of ranges they let be exchanged.
	out.set.Name = name + "_ranges_" + s.digest()
}

// Registers of a service's rules: what is hashed, the slot and then the server.
const (
	regHashed = r0
	regServer = r0 + 8
)

// slot chooses a slot and loads it into the register.
func (s *service) slot(reg uint32) exprs {
	var out exprs
	switch s.Attr.Scheduler {
	case rr, wrr:
		out = exprs{&expr.Numgen{Register: reg, Modulus: s.slots.mod, Type: unix.NFT_NG_INCREMENTAL}}
	case random:
		out = exprs{&expr.Numgen{Register: reg, Modulus: s.slots.mod, Type: unix.NFT_NG_RANDOM}}
	default:
		length := s.fam.addrLen
		out = exprs{s.fam.loadAddr(s.fam.saddr, regHashed)}
		if s.Attr.Flags&lvs.Sched2 != 0 {
			out = append(out, loadPort(0, regHashed+s.fam.regs))
			length += 4
		}
		out = append(out, &expr.Hash{
			SourceRegister: regHashed, DestRegister: reg, Length: length,
			Modulus: s.slots.mod, Seed: hashSeed, Type: expr.HashTypeJenkins,
		})
	}
	if s.slots.ranges {
		out = append(out, &expr.Byteorder{SourceRegister: reg, DestRegister: reg, Op: expr.ByteorderHton, Len: 4, Size: 4})
	}
	return out
}

func (s *service) dnat() exprs { return exprs{s.fam.nat(expr.NATTypeDestNAT, regServer)} }

// chains are the service's chain, for the first packets of its connections, and
// those that it needs.
func (s *service) chains() []firewall.Chain {
	if s.Attr.Persistence > 0 {
		return s.persistent()
	}
	pick := append(s.slot(regServer), lookup(s.slots.set.Name, regServer, regServer))
	return []firewall.Chain{{Name: s.name, Rules: []firewall.Rule{rule(s.Attr.Scheduler, pick, s.dnat())}}}
}

// serverName names the chain of a server, and the set of the clients that it is
// remembered for.
func (s *service) serverName(i int) string {
	e := s.live[i]
	return fmt.Sprintf("%s_to_%s_%d", s.name, strings.ReplaceAll(e.Addr.String(), ":", "-"), e.Port)
}

// clientSets are the sets of clients that the rules fill, one for each server that
// takes connections: with the set goes what is remembered of a server that does
// not.
func (s *service) clientSets() (sets []firewall.Set) {
	for i := range s.live {
		sets = append(sets, firewall.Set{Name: s.serverName(i), Key: s.fam.addrType, Dynamic: true, Size: persistenceSize})
	}
	return sets
}

// persistent are the chains of persistence_timeout. A client that is in the set of
// a server goes there; others are scheduled. A server's chain remembers the client,
// or remembers it anew, and sends it there, also if there is no room for it.
//
// One map from clients to servers would need one rule instead of one for each
// server, but what it says could not be checked against the servers that are up in
// any way that nft can list.
func (s *service) persistent() []firewall.Chain {
	client := exprs{s.fam.loadAddr(s.fam.saddr, r0)}
	if bits := int(s.Attr.PersistenceBits); bits > 0 && bits < s.ID.Addr.BitLen() {
		client = append(client, &expr.Bitwise{
			SourceRegister: r0, DestRegister: r0, Len: s.fam.addrLen,
			Mask: mask(bits, int(s.fam.addrLen)), Xor: make([]byte, s.fam.addrLen),
		})
	}
	dispatch := firewall.Chain{Name: s.name}
	var chains []firewall.Chain
	for i, e := range s.live {
		name := s.serverName(i)
		dispatch.Rules = append(dispatch.Rules,
			rule("known client", s.fam.match(), client, exprs{inSet(name), &expr.Verdict{Kind: expr.VerdictGoto, Chain: name}}))
		remember := exprs{&expr.Dynset{SrcRegKey: r0, SetName: name, Operation: unix.NFT_DYNSET_OP_UPDATE, Timeout: s.Attr.Persistence}}
		dnat := append(exprs{
			&expr.Immediate{Register: regServer, Data: e.Addr.AsSlice()},
			&expr.Immediate{Register: regServer + s.fam.regs, Data: port(e.Port)},
		}, s.dnat()...)
		chains = append(chains, firewall.Chain{Name: name, Rules: []firewall.Rule{
			rule("remember client", s.fam.match(), client, remember), rule("server", dnat),
		}})
	}
	dispatch.Rules = append(dispatch.Rules, rule(s.Attr.Scheduler, s.slot(r0), exprs{verdictMap(s.slots.set.Name)}))
	return append(chains, dispatch)
}

// mask is a netmask of so many bits.
func mask(bits, length int) []byte {
	b := make([]byte, length)
	for i := range b {
		b[i] = 0xff
	}
	a, _ := netip.AddrFromSlice(b)
	p, err := a.Prefix(bits)
	if err != nil {
		panic("nft: " + err.Error())
	}
	return p.Addr().AsSlice()
}

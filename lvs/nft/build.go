package nft

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"hakeep/internal/firewall"
	"hakeep/lvs"
)

// Tables is a set of services for the kernel.
type Tables struct {
	// Contribution is what internal/firewall has to keep. It is the same for the
	// same services, whatever their order.
	Contribution firewall.Contribution
	// Notes are things that an operator should know, sorted by service.
	Notes []Note

	digests map[lvs.ID]string
}

// Note is a remark about a service, or about all if ID is zero.
type Note struct {
	ID   lvs.ID
	Text string
}

// String is the note with its service.
func (n Note) String() string {
	if n.ID == (lvs.ID{}) {
		return n.Text
	}
	return n.ID.String() + ": " + n.Text
}

// Digest identifies how the service's connections are distributed: two routers on
// which it is the same send a client to the same server, if the scheduler is mh or
// sh and there is no persistence. "" if the service is not known.
func (t *Tables) Digest(id lvs.ID) string { return t.digests[id] }

// Build turns services into sets and chains. The error says everything that
// [Refuse] refuses, and services that are there twice.
func Build(services []lvs.Service) (*Tables, error) {
	sorted := make([]*lvs.Service, len(services))
	for i := range services {
		sorted[i] = &services[i]
	}
	slices.SortFunc(sorted, func(a, b *lvs.Service) int { return a.ID.Compare(b.ID) })
	var errs []error
	for i, s := range sorted {
		if i > 0 && s.ID == sorted[i-1].ID {
			errs = append(errs, fmt.Errorf("%v: service twice", s.ID))
		}
		errs = append(errs, Refuse(s))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	b := &builder{tables: &Tables{digests: make(map[lvs.ID]string, len(services))}, shared: map[string]*service{}}
	fams := families()
	for _, s := range sorted {
		fam := fams[0]
		if s.ID.Family == lvs.IPv6 {
			fam = fams[1]
		}
		b.services = append(b.services, newService(s, fam))
	}
	if len(b.services) > 0 {
		b.build(fams)
	}
	return b.tables, nil
}

// builder collects the sets and chains.
type builder struct {
	tables   *Tables
	services []*service
	// shared are services by what their maps follow from: the services of one
	// virtual server have the same servers, and one map.
	shared map[string]*service
}

func (b *builder) set(s firewall.Set) {
	c := &b.tables.Contribution
	c.Sets = append(c.Sets, s)
}

func (b *builder) chain(c firewall.Chain) {
	b.tables.Contribution.Chains = append(b.tables.Contribution.Chains, c)
}

func (b *builder) note(id lvs.ID, format string, args ...any) {
	b.tables.Notes = append(b.tables.Notes, Note{id, fmt.Sprintf(format, args...)})
}

func (b *builder) build(fams [2]*family) {
	if sizeTables(b.services) {
		b.note(lvs.ID{}, "the tables of mh are smaller than they should be, and shares less exact: all together they would have more than %d slots", maxSlots)
	}
	for _, s := range b.services {
		b.tables.digests[s.ID] = s.digest()
		b.addService(s)
	}
	dispatch := firewall.Chain{Name: "lb"}
	refuse := firewall.Chain{Name: "lb_input", Type: nftables.ChainTypeFilter, Hook: *nftables.ChainHookInput, Priority: refusePriority}
	post := firewall.Chain{
		Name: "lb_postrouting", Type: nftables.ChainTypeNAT,
		Hook: *nftables.ChainHookPostrouting, Priority: *nftables.ChainPriorityNATSource,
	}
	count := firewall.Chain{
		Name: "lb_count", Type: nftables.ChainTypeFilter,
		Hook: *nftables.ChainHookPostrouting, Priority: *nftables.ChainPriorityNATSource + 1,
		Rules: []firewall.Rule{rule("not balanced", status(statusDNAT|statusSNAT, false), exprs{&expr.Verdict{Kind: expr.VerdictAccept}})},
	}
	elsewhere := firewall.Chain{
		Name: "lb_elsewhere", Type: nftables.ChainTypeFilter,
		Hook: *nftables.ChainHookPrerouting, Priority: *nftables.ChainPriorityRaw,
	}
	for _, fam := range fams {
		mine := slices.Collect(func(yield func(*service) bool) {
			for _, s := range b.services {
				if s.fam == fam && !yield(s) {
					return
				}
			}
		})
		if len(mine) == 0 {
			continue
		}
		dispatch.Rules = append(dispatch.Rules, b.dispatch(fam, mine))
		elsewhere.Rules = append(elsewhere.Rules, b.elsewhere(fam, mine))
		refuse.Rules = append(refuse.Rules, b.refuse(fam, mine)...)
		post.Rules = append(post.Rules, b.countConnections(fam)...)
		post.Rules = append(post.Rules, b.masquerade(fam, mine)...)
		post.Rules = append(post.Rules, b.pickUp(fam, mine)...)
		count.Rules = append(count.Rules, b.countPackets(fam, mine)...)
	}
	local := rule("address of this host", exprs{
		&expr.Fib{Register: r0, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: r0, Data: hostKey(unix.RTN_LOCAL)},
		&expr.Verdict{Kind: expr.VerdictJump, Chain: dispatch.Name},
	})
	for name, hook := range map[string]*nftables.ChainHook{"lb_prerouting": nftables.ChainHookPrerouting, "lb_output": nftables.ChainHookOutput} {
		b.chain(firewall.Chain{
			Name: name, Type: nftables.ChainTypeNAT, Hook: *hook,
			Priority: *nftables.ChainPriorityNATDest, Rules: []firewall.Rule{local},
		})
	}
	b.chain(dispatch)
	b.chain(elsewhere)
	b.chain(post)
	b.chain(count)
	if len(refuse.Rules) > 0 {
		b.chain(refuse)
	}
	slices.SortFunc(b.tables.Notes, func(x, y Note) int { return x.ID.Compare(y.ID) })
	sortContribution(&b.tables.Contribution)
}

// addService adds the service's chains and sets.
func (b *builder) addService(s *service) {
	if len(s.live) == 0 {
		b.note(s.ID, "no server takes connections; clients are refused")
		return
	}
	key := s.shareKey()
	if first := b.shared[key]; first != nil {
		s.slots = first.slots
	} else {
		b.shared[key] = s
		s.fill(s.name)
		b.set(s.slots.set)
	}
	if s.Attr.Persistence > 0 {
		for _, set := range s.clientSets() {
			b.set(set)
		}
	}
	for _, c := range s.chains() {
		b.chain(c)
	}
}

// dispatch is the rule that finds the service of a packet.
func (b *builder) dispatch(f *family, services []*service) firewall.Rule {
	set := firewall.Set{Name: "lb_services" + f.suffix, Key: f.serviceType(), Data: nftables.TypeVerdict, Concat: true}
	for _, s := range services {
		if s.slots != nil {
			set.Elements = append(set.Elements, nftables.SetElement{
				Key:         serviceKey(s.ID.Addr, s.ID.Protocol, s.ID.Port),
				VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: s.name},
			})
		}
	}
	b.set(set)
	return rule("service", f.match(), f.loadService(false), exprs{verdictMap(set.Name)})
}

// elsewhere keeps connection tracking from a client's first packet to a service whose
// address is on another router, which it is forwarded to. What connection tracking
// has seen once is not balanced later: if the address came here before the client
// repeated its SYN, the kernel would refuse the connection, since nobody listens.
func (b *builder) elsewhere(f *family, services []*service) firewall.Rule {
	set := firewall.Set{Name: "lb_elsewhere" + f.suffix, Key: f.serviceType(), Concat: true}
	for _, s := range services {
		set.Elements = append(set.Elements, nftables.SetElement{Key: serviceKey(s.ID.Addr, s.ID.Protocol, s.ID.Port)})
	}
	b.set(set)
	begins := exprs{
		&expr.Payload{DestRegister: r0, Base: expr.PayloadBaseTransportHeader, Offset: tcpFlagsOffset, Len: 1},
		&expr.Bitwise{SourceRegister: r0, DestRegister: r0, Len: 1, Mask: []byte{tcpSYN | tcpRST | tcpACK}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: r0, Data: []byte{tcpSYN}},
	}
	notHere := exprs{
		&expr.Fib{Register: r0, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: r0, Data: hostKey(unix.RTN_LOCAL)},
		&expr.Notrack{},
	}
	return rule("address of another host", f.match(), protocol(lvs.TCP, expr.CmpOpEq), begins, f.loadService(false), exprs{inSet(set.Name)}, notHere)
}

// refusePriority is before the chains of no_accept and of priority filter: the
// answer to a client is this back end's business.
const refusePriority = firewall.DefaultPriority - 1

// refuse answers clients of services without a server: a reset for TCP, "port
// unreachable" for others. IPVS sends the latter for all; a reset is what ends a
// TCP client's attempt at once everywhere. Connections that are going on are not
// touched, their packets do not come to the input hook.
func (b *builder) refuse(f *family, services []*service) []firewall.Rule {
	set := firewall.Set{Name: "lb_refused" + f.suffix, Key: f.serviceType(), Concat: true}
	for _, s := range services {
		if s.slots == nil {
			set.Elements = append(set.Elements, nftables.SetElement{Key: serviceKey(s.ID.Addr, s.ID.Protocol, s.ID.Port)})
		}
	}
	b.set(set)
	match := slices.Concat(f.match(), f.loadService(false), exprs{inSet(set.Name)})
	return []firewall.Rule{
		rule("no server", match, protocol(lvs.TCP, expr.CmpOpEq), exprs{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}),
		rule("no server", match, protocol(lvs.TCP, expr.CmpOpNeq),
			exprs{&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_PORT_UNREACH}}),
	}
}

// masquerade gives connections of services with Masquerade a source address of
// this router.
func (b *builder) masquerade(f *family, services []*service) []firewall.Rule {
	set := firewall.Set{Name: "lb_masquerade" + f.suffix, Key: f.serviceType(), Concat: true}
	for _, s := range services {
		if s.Masquerade {
			set.Elements = append(set.Elements, nftables.SetElement{Key: serviceKey(s.ID.Addr, s.ID.Protocol, s.ID.Port)})
		}
	}
	if len(set.Elements) == 0 {
		return nil
	}
	b.set(set)
	return []firewall.Rule{rule("masquerade", f.match(), status(statusDNAT, true), f.loadPair(false), exprs{inSet(set.Name), &expr.Masq{}})}
}

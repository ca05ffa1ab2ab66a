package nft

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"hakeep/internal/firewall"
	"hakeep/internal/takeover"
	"hakeep/lvs"
)

// Host is what connections need of the kernel, beside the rules.
type Host struct {
	// Loose: net.netfilter.nf_conntrack_tcp_loose is not 0 (the kernel's default is
	// 1), so that connections are picked up in the middle.
	Loose bool
	// Liberal: net.netfilter.nf_conntrack_tcp_be_liberal is not 0 (the kernel's
	// default is 0), so that what a router remembers of a connection that was
	// elsewhere meanwhile does not make it refuse the connection.
	Liberal bool
	// Forward4 and Forward6: packets are forwarded.
	Forward4, Forward6 bool
}

// ReadHost reads the settings of the calling thread's network namespace.
func ReadHost() (Host, error) {
	var h Host
	for _, s := range []struct {
		name string
		to   *bool
	}{
		{"netfilter/nf_conntrack_tcp_loose", &h.Loose},
		{"netfilter/nf_conntrack_tcp_be_liberal", &h.Liberal},
		{"ipv4/ip_forward", &h.Forward4},
		{"ipv6/conf/all/forwarding", &h.Forward6},
	} {
		b, err := os.ReadFile("/proc/sys/net/" + s.name)
		if os.IsNotExist(err) {
			// No connection tracking yet, or no IPv6: the former is loaded, with its
			// default, by the rules.
			*s.to = s.to == &h.Loose
			continue
		}
		if err != nil {
			return Host{}, fmt.Errorf("read settings of the kernel: %w", err)
		}
		*s.to = strings.TrimSpace(string(b)) != "0"
	}
	return h, nil
}

// Problems says why balancing cannot work on the host, for the families of the
// services.
func (h Host) Problems(services []lvs.Service) []string {
	var v4, v6 bool
	for i := range services {
		v4 = v4 || services[i].ID.Family == lvs.IPv4
		v6 = v6 || services[i].ID.Family == lvs.IPv6
	}
	var out []string
	if v4 && !h.Forward4 {
		out = append(out, "net.ipv4.ip_forward is 0: nothing is forwarded to servers")
	}
	if v6 && !h.Forward6 {
		out = append(out, "net.ipv6.conf.all.forwarding is 0: nothing is forwarded to servers")
	}
	return out
}

// Survival says for each service why its established connections do not go on
// when another router takes the address over; a service with no reason is not in
// the result. That both routers agree about the servers is not looked at: compare
// [Tables.Digest]. That the other router's settings are the same is assumed.
func Survival(services []lvs.Service, h Host) map[lvs.ID][]string {
	out := map[lvs.ID][]string{}
	rule := make([]takeover.Service, len(services))
	for i := range services {
		rule[i] = takeoverOf(&services[i])
	}
	users := takeover.UsersOf(rule)
	for i := range services {
		s := &services[i]
		reasons := users.Reasons(&rule[i])
		if s.ID.Protocol == lvs.TCP && !h.Loose {
			reasons = append(reasons, "net.netfilter.nf_conntrack_tcp_loose is 0: a connection is not picked up in the middle")
		}
		if s.ID.Protocol == lvs.TCP && !h.Liberal {
			reasons = append(reasons, "net.netfilter.nf_conntrack_tcp_be_liberal is 0: connections go over to another router, but not back to one that had them before; on both: sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1")
		}
		if len(reasons) > 0 {
			out[s.ID] = reasons
		}
	}
	return out
}

// takeoverOf is a service in the form that the rule takes.
func takeoverOf(s *lvs.Service) takeover.Service {
	servers := make([]netip.AddrPort, len(s.Servers))
	for i := range s.Servers {
		e := s.Servers[i].Endpoint
		servers[i] = netip.AddrPortFrom(e.Addr, e.Port)
	}
	return takeover.Service{
		Name: s.Name, Protocol: uint8(s.ID.Protocol), Scheduler: s.Attr.Scheduler,
		Masquerade: s.Masquerade, Persistent: s.Attr.Persistence > 0, Servers: servers,
	}
}

// pickUp are the rules for packets of servers of which connection tracking knows
// nothing: the connection began on another router. Their source becomes the
// service's address and port, so that client and server go on, and what the client
// sends is recognized as the answer. A SYN is a connection of the server's own, a
// reset ends one and needs no entry. UDP has neither: a server that sends from a
// service's port is taken for one that answers.
//
// Where packets do not tell the service (see [Survival]) there is no rule. The
// scheduler does not matter here: with rr, what the server sends first goes on.
func (b *builder) pickUp(f *family, services []*service) []firewall.Rule {
	total := 0
	all := make([]takeover.Service, len(services)) // a server's family is that of its services
	for i, s := range services {
		all[i] = takeoverOf(s.Service)
		total += len(s.Servers)
	}
	users := takeover.UsersOf(all)
	set := firewall.Set{
		Name: "lb_pickup" + f.suffix, Key: f.serviceType(), Data: f.endpointType(), Concat: true,
		Elements: make([]nftables.SetElement, 0, total),
	}
	for n, s := range services {
		if !all[n].PicksUp() {
			continue
		}
		for i := range s.sorted {
			srv := &s.sorted[i]
			if users.Alone(all[n].Protocol, netip.AddrPortFrom(srv.Endpoint.Addr, srv.Endpoint.Port)) {
				set.Elements = append(set.Elements, nftables.SetElement{
					Key: serviceKey(srv.Endpoint.Addr, s.ID.Protocol, srv.Endpoint.Port),
					Val: endpointKey(lvs.Endpoint{Addr: s.ID.Addr, Port: s.ID.Port}),
				})
			}
		}
	}
	if len(set.Elements) == 0 {
		return nil
	}
	b.set(set)
	goingOn := exprs{
		&expr.Payload{DestRegister: r0, Base: expr.PayloadBaseTransportHeader, Offset: tcpFlagsOffset, Len: 1},
		&expr.Bitwise{SourceRegister: r0, DestRegister: r0, Len: 1, Mask: []byte{tcpSYN | tcpRST}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: r0, Data: []byte{0}},
	}
	rest := append(f.loadService(true), lookup(set.Name, r0, regServer), f.nat(expr.NATTypeSourceNAT, regServer))
	return []firewall.Rule{
		rule("pick up", f.match(), protocol(lvs.TCP, expr.CmpOpEq), goingOn, rest),
		rule("pick up", f.match(), protocol(lvs.UDP, expr.CmpOpEq), rest),
	}
}

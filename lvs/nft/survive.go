package nft

import (
	"fmt"
	"os"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"hakeep/internal/firewall"
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
	users := make(map[user]int)
	for i := range services {
		countUsers(users, &services[i])
	}
	for i := range services {
		s := &services[i]
		reasons := surviveAttr(s)
		if s.ID.Protocol == lvs.TCP && !h.Loose {
			reasons = append(reasons, "net.netfilter.nf_conntrack_tcp_loose is 0: a connection is not picked up in the middle")
		}
		if s.ID.Protocol == lvs.TCP && !h.Liberal {
			reasons = append(reasons, "net.netfilter.nf_conntrack_tcp_be_liberal is 0: connections go over to another router, but not back to one that had them before; on both: sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1")
		}
		for _, srv := range s.Servers {
			if n := users[userKey(s.ID, srv.Endpoint)]; n > 1 {
				reasons = append(reasons, fmt.Sprintf("server %v is in %d services: its packets do not tell which one a client asked", srv.Endpoint, n))
				break
			}
		}
		if len(reasons) > 0 {
			out[s.ID] = reasons
		}
	}
	return out
}

func surviveAttr(s *lvs.Service) (reasons []string) {
	if s.Attr.Scheduler != mh && s.Attr.Scheduler != sh {
		reasons = append(reasons, fmt.Sprintf("scheduler %s: another router would choose another server; mh and sh choose the same", s.Attr.Scheduler))
	}
	if s.Attr.Persistence > 0 {
		reasons = append(reasons, "persistence_timeout: which client has which server is known to one router only")
	}
	if s.Masquerade {
		reasons = append(reasons, "masquerade: the server's side of a connection is an address and port of one router")
	}
	if s.ID.Protocol == lvs.SCTP {
		reasons = append(reasons, "protocol sctp: the kernel does not pick up associations in the middle")
	}
	return reasons
}

// user is a server as packets show it.
type user struct {
	protocol lvs.Protocol
	endpoint lvs.Endpoint
}

func userKey(id lvs.ID, e lvs.Endpoint) user { return user{id.Protocol, e} }

// countUsers adds a service to the number of services of each server.
func countUsers(users map[user]int, s *lvs.Service) {
	for i := range s.Servers {
		users[userKey(s.ID, s.Servers[i].Endpoint)]++
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
	for _, s := range services {
		total += len(s.Servers)
	}
	users := make(map[user]int, total)
	for _, s := range services { // a server's family is that of its services
		countUsers(users, s.Service)
	}
	set := firewall.Set{
		Name: "lb_pickup" + f.suffix, Key: f.serviceType(), Data: f.endpointType(), Concat: true,
		Elements: make([]nftables.SetElement, 0, total),
	}
	for _, s := range services {
		if s.Masquerade || s.ID.Protocol == lvs.SCTP {
			continue
		}
		for i := range s.sorted {
			if srv := &s.sorted[i]; users[userKey(s.ID, srv.Endpoint)] == 1 {
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

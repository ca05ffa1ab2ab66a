// Package takeover owns the rule by which connections of a balanced service go on when
// another router takes its address over, without having been told of them, with the
// nftables back end. Package config warns by it, package lvs/nft shows it in the status
// and makes rules by it. It is pure.
//
// Two routers with the same tables choose the same server for a client. The second one
// knows a connection again by packets from the server's address and port, so that
// these have to belong to one service, and it must be the client that the server talks
// to. What the host has to be set to is not looked at here.
package takeover

import (
	"fmt"
	"net/netip"
)

// ipprotoSCTP is IPPROTO_SCTP (IANA, "Protocol Numbers").
const ipprotoSCTP = 132

// Service is what the rule needs of a service.
type Service struct {
	// Name is that of its virtual server, for texts.
	Name string
	// Protocol is its number in IP.
	Protocol uint8
	// Scheduler is the name of IPVS's module, or random.
	Scheduler              string
	Masquerade, Persistent bool
	// Servers are the addresses and ports that packets of servers come from.
	Servers []netip.AddrPort
}

// Hashes reports whether a scheduler chooses the same server on another router.
func Hashes(scheduler string) bool { return scheduler == "mh" || scheduler == "sh" }

// PicksUp reports whether a router can know connections of the service again that
// began elsewhere, by the packets of servers that no other service has.
func (s *Service) PicksUp() bool { return !s.Masquerade && s.Protocol != ipprotoSCTP }

// server is a server as packets show it.
type server struct {
	protocol uint8
	at       netip.AddrPort
}

// Users counts the services of servers.
type Users struct {
	count map[server]int
	// first and second are names of virtual servers, where they differ.
	first, second map[server]string
}

// UsersOf counts the services of all servers.
func UsersOf(services []Service) *Users {
	total := 0
	for i := range services {
		total += len(services[i].Servers)
	}
	u := &Users{count: make(map[server]int, total), first: make(map[server]string, total), second: map[server]string{}}
	for i := range services {
		s := &services[i]
		for _, at := range s.Servers {
			k := server{s.Protocol, at}
			u.count[k]++
			switch first, there := u.first[k]; {
			case !there:
				u.first[k] = s.Name
			case first != s.Name && u.second[k] == "":
				u.second[k] = s.Name
			}
		}
	}
	return u
}

// Alone reports whether a server is one of a single service.
func (u *Users) Alone(protocol uint8, at netip.AddrPort) bool {
	return u.count[server{protocol, at}] == 1
}

// Reasons says why connections of the service, one of those that were counted, do
// not go on; none if they do.
func (u *Users) Reasons(s *Service) (reasons []string) {
	if !Hashes(s.Scheduler) {
		reasons = append(reasons, fmt.Sprintf("scheduler %s: another router would choose another server; mh and sh choose the same", s.Scheduler))
	}
	if s.Persistent {
		reasons = append(reasons, "persistence_timeout: which client has which server is known to one router only")
	}
	if s.Masquerade {
		reasons = append(reasons, "masquerade: servers see this router, and another one cannot know which client they mean")
	}
	if s.Protocol == ipprotoSCTP {
		reasons = append(reasons, "protocol sctp: the kernel does not pick up associations in the middle")
	}
	for _, at := range s.Servers {
		if k := (server{s.Protocol, at}); u.count[k] > 1 {
			return append(reasons, u.shared(k, s.Name))
		}
	}
	return reasons
}

// shared is about a server of several services.
func (u *Users) shared(k server, name string) string {
	other := u.second[k]
	if other == name {
		other = u.first[k]
	}
	if other == "" || other == name {
		return fmt.Sprintf("server %v is that of %d addresses of the group: its packets do not tell which of them a client asked", k.at, u.count[k])
	}
	return fmt.Sprintf("server %v is also one of %s: its packets do not tell which of the two a client asked", k.at, other)
}

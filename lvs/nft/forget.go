package nft

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hakeep/internal/cpus"
	"hakeep/lvs"
)

// Pair is a server of a service.
type Pair struct {
	ID     lvs.ID
	Server lvs.Endpoint
}

// Gone are the servers that the services had before and have no more, with those of
// services that are gone. One that stays with weight 0 is not among them.
func Gone(before, after []lvs.Service) []Pair {
	there := make(map[Pair]bool)
	for i := range after {
		for _, s := range after[i].Servers {
			there[Pair{after[i].ID, s.Endpoint}] = true
		}
	}
	var gone []Pair
	for i := range before {
		for _, s := range before[i].Servers {
			if p := (Pair{before[i].ID, s.Endpoint}); !there[p] {
				gone = append(gone, p)
			}
		}
	}
	return gone
}

// Conntrack is the kernel's table of connections, in the network namespace of the
// thread that opened it.
type Conntrack struct{ handle *netlink.Handle }

// OpenConntrack prepares it; it changes nothing.
func OpenConntrack() (*Conntrack, error) {
	h, err := netlink.NewHandle(unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open connection tracking: %w", err)
	}
	return &Conntrack{h}, nil
}

// Close lets go of the kernel.
func (c *Conntrack) Close() { c.handle.Close() }

// Forget removes the connections of servers, and returns how many there were: what
// their clients send next is balanced anew. It reads the whole table, since the
// kernel cannot look connections up by their servers.
func (c *Conntrack) Forget(pairs []Pair) (int, error) {
	var families [2]ofPairs // IPv4 and IPv6
	for _, p := range pairs {
		i := 0
		if p.ID.Family == lvs.IPv6 {
			i = 1
		}
		if families[i] == nil {
			families[i] = ofPairs{}
		}
		families[i][p] = true
	}
	total := uint(0)
	err := cpus.Work(func() error {
		for i, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
			if families[i] == nil {
				continue
			}
			n, err := c.handle.ConntrackDeleteFilters(netlink.ConntrackTable, family, families[i])
			for range 2 { // connections that come and go meanwhile may hide others
				if !errors.Is(err, netlink.ErrDumpInterrupted) {
					break
				}
				var more uint
				more, err = c.handle.ConntrackDeleteFilters(netlink.ConntrackTable, family, families[i])
				n += more
			}
			total += n
			if err != nil {
				return fmt.Errorf("forget connections of servers: %w", err)
			}
		}
		return nil
	})
	return int(total), err
}

// ofPairs are the connections of servers of services of one family.
type ofPairs map[Pair]bool

var _ netlink.CustomConntrackFilter = ofPairs{}

// MatchConntrackFlow finds connections that began here, from client to service, and
// those that were picked up, from server to client.
func (o ofPairs) MatchConntrackFlow(f *netlink.ConntrackFlow) bool {
	return o[pairOf(f.Forward.Protocol, f.Forward.DstIP, f.Forward.DstPort, f.Reverse.SrcIP, f.Reverse.SrcPort)] ||
		o[pairOf(f.Forward.Protocol, f.Reverse.DstIP, f.Reverse.DstPort, f.Forward.SrcIP, f.Forward.SrcPort)]
}

func pairOf(protocol uint8, service net.IP, servicePort uint16, server net.IP, serverPort uint16) Pair {
	at, _ := netip.AddrFromSlice(service)
	to, _ := netip.AddrFromSlice(server)
	at, to = at.Unmap(), to.Unmap()
	return Pair{
		lvs.ID{Protocol: lvs.Protocol(protocol), Addr: at, Port: servicePort, Family: lvs.FamilyOf(at)},
		lvs.Endpoint{Addr: to, Port: serverPort},
	}
}

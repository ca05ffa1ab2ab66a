package netif

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// membershipsPerSocket keeps below net.core.optmem_max, which bounds how many
// groups one socket may join: 20 kB on old kernels, about 100 bytes each.
const membershipsPerSocket = 64

// Membership is a multicast group on an interface.
type Membership struct {
	Index int
	Group netip.Addr
}

// SolicitedNode returns the multicast group that neighbours ask for an IPv6
// address (RFC 4291, 2.7.1).
func SolicitedNode(a netip.Addr) netip.Addr {
	b := a.As16()
	g := netip.MustParseAddr("ff02::1:ff00:0").As16()
	copy(g[13:], b[13:])
	return netip.AddrFrom16(g)
}

// Groups holds memberships of IPv6 multicast groups. A backup is a member of
// the solicited-node groups of its virtual addresses: when it takes over, the
// kernel joins them only some milliseconds after it has the address, and a
// switch with MLD snooping learns of it up to a second later; until then
// neighbours that ask get no answer. It belongs to one thread.
type Groups struct {
	joined  map[Membership]int // the socket that joined
	members map[int]int        // memberships of a socket
}

// NewGroups returns a set without memberships.
func NewGroups() *Groups {
	return &Groups{joined: map[Membership]int{}, members: map[int]int{}}
}

// Sync joins and leaves as want says. A membership that cannot be had is left
// out, and tried again by the next Sync; the errors are joined.
func (g *Groups) Sync(want []Membership) error {
	wanted := make(map[Membership]bool, len(want))
	for _, m := range want {
		wanted[m] = true
	}
	for m, fd := range g.joined {
		if !wanted[m] {
			g.leave(m, fd)
		}
	}
	var errs []error
	for _, m := range want {
		if _, done := g.joined[m]; done {
			continue
		}
		if err := g.join(m); err != nil && !errors.Is(err, unix.ENODEV) {
			errs = append(errs, fmt.Errorf("join %s on interface %d: %w", m.Group, m.Index, err))
		}
	}
	return errors.Join(errs...)
}

// Forget drops the memberships on an interface that was deleted: another one
// may get its index.
func (g *Groups) Forget(index int) {
	for m, fd := range g.joined {
		if m.Index == index {
			g.leave(m, fd)
		}
	}
}

func (g *Groups) join(m Membership) error {
	fd, err := g.socket()
	if err != nil {
		return err
	}
	req := &unix.IPv6Mreq{Multiaddr: m.Group.As16(), Interface: uint32(m.Index)}
	if err := unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, req); err != nil && err != unix.EADDRINUSE {
		return err
	}
	g.joined[m] = fd
	g.members[fd]++
	return nil
}

func (g *Groups) leave(m Membership, fd int) {
	req := &unix.IPv6Mreq{Multiaddr: m.Group.As16(), Interface: uint32(m.Index)}
	_ = unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_LEAVE_GROUP, req) // gone with its interface
	delete(g.joined, m)
	g.members[fd]--
	if g.members[fd] == 0 {
		delete(g.members, fd)
		_ = unix.Close(fd)
	}
}

// socket returns one with room for another membership.
func (g *Groups) socket() (int, error) {
	for fd, n := range g.members {
		if n < membershipsPerSocket {
			return fd, nil
		}
	}
	// It is never bound and receives nothing.
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, fmt.Errorf("open socket: %w", err)
	}
	return fd, nil
}

// Close leaves all groups.
func (g *Groups) Close() {
	for m, fd := range g.joined {
		g.leave(m, fd)
	}
}

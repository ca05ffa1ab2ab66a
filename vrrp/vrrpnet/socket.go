package vrrpnet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"hakeep/vrrp"
)

// recvBuffer is asked for each receive socket; the kernel doubles it. The
// default keeps 256 adverts, and the 1,000 of one burst take 1.3 MB.
const recvBuffer = 4 << 20

// socketKey is what a receive socket is for.
type socketKey struct {
	family vrrp.Family
	link   int
}

// socket is a raw socket that receives.
type socket struct {
	socketKey
	fd     int
	wanted addrSet // destinations
	// joined has the descriptor that holds the membership of each group: fd, or
	// one of more when the kernel's limit per socket was reached.
	joined map[netip.Addr]int
	more   []int
	drops  uint32 // as last read from the kernel
	buffer int    // size of the receive buffer
}

// openSocket returns a socket that is bound and has received nothing. Its
// filter still drops everything.
func openSocket(k socketKey) (_ *socket, err error) {
	domain := unix.AF_INET
	if k.family == vrrp.IPv6 {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil, fmt.Errorf("open raw socket: %w", err)
	}
	s := &socket{socketKey: k, fd: fd, joined: map[netip.Addr]int{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err := attach(fd, dropAll()); err != nil {
		return nil, err
	}
	if k.link != 0 {
		if err := bindTo(fd, k.link); err != nil {
			return nil, err
		}
	}
	if err := s.setOptions(); err != nil {
		return nil, err
	}
	return s, nil
}

// setOptions asks for what decode needs to know, and for a large buffer.
func (s *socket) setOptions() error {
	options := []option{{"SO_RXQ_OVFL", unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1, false}}
	switch {
	case s.family == vrrp.IPv6:
		options = append(options,
			option{"IPV6_RECVPKTINFO", unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1, false},
			option{"IPV6_RECVHOPLIMIT", unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1, false})
	case s.link == 0: // all else is in the IP header
		options = append(options, option{"IP_PKTINFO", unix.IPPROTO_IP, unix.IP_PKTINFO, 1, false})
	}
	if err := setAll(s.fd, options); err != nil {
		return err
	}
	s.buffer = setBuffer(s.fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, recvBuffer)
	return nil
}

// setBuffer makes a buffer as large as is permitted and returns its size.
func setBuffer(fd, force, polite, size int) int {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) != nil {
		// Not privileged over the host: the kernel cuts it to its maximum.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, polite, size)
	}
	got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, polite)
	if err != nil {
		return 0
	}
	return got
}

// bindTo binds the socket to an interface.
func bindTo(fd, link int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, link)
	if errors.Is(err, unix.ENOPROTOOPT) { // Linux before 5.0
		var name string
		if name, err = linkName(fd, link); err == nil {
			err = unix.BindToDevice(fd, name)
		}
	}
	if err != nil {
		return fmt.Errorf("bind to interface %d: %w", link, err)
	}
	return nil
}

// linkName asks the namespace of socket fd for the name of an interface.
func linkName(fd, link int) (string, error) {
	ifr, err := unix.NewIfreq("")
	if err != nil {
		return "", fmt.Errorf("build request: %w", err)
	}
	ifr.SetUint32(uint32(link))
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFNAME, ifr); err != nil {
		return "", fmt.Errorf("name of interface %d: %w", link, err)
	}
	return ifr.Name(), nil
}

// join makes the socket receive a group. Being a member is success.
func (s *socket) join(group netip.Addr) error {
	if _, ok := s.joined[group]; ok {
		return nil
	}
	fd := s.fd
	if len(s.more) > 0 {
		fd = s.more[len(s.more)-1]
	}
	err := s.membership(fd, group, true)
	if errors.Is(err, unix.ENOBUFS) {
		// net.ipv4.igmp_max_memberships (20) is per socket, and a membership
		// counts for the interface, whoever holds it.
		if fd, err = s.holder(); err == nil {
			err = s.membership(fd, group, true)
		}
	}
	if err != nil && !errors.Is(err, unix.EADDRINUSE) {
		return fmt.Errorf("join %v on interface %d: %w", group, s.link, err)
	}
	s.joined[group] = fd
	return nil
}

// holder opens a socket that only holds memberships. It is not bound, so it
// receives nothing.
func (s *socket) holder() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open socket for memberships: %w", err)
	}
	s.more = append(s.more, fd)
	return fd, nil
}

// leave ends a membership. An error would mean that it is gone already, with
// the interface.
func (s *socket) leave(group netip.Addr) {
	_ = s.membership(s.joined[group], group, false)
	delete(s.joined, group)
}

func (s *socket) membership(fd int, group netip.Addr, member bool) error {
	if s.family == vrrp.IPv4 {
		opt := unix.IP_DROP_MEMBERSHIP
		if member {
			opt = unix.IP_ADD_MEMBERSHIP
		}
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, opt, &unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(s.link)})
	}
	opt := unix.IPV6_LEAVE_GROUP
	if member {
		opt = unix.IPV6_JOIN_GROUP
	}
	return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, opt, &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(s.link)})
}

// settle throws away what a new socket received, and lost, before its filter
// dropped everything.
func (s *socket) settle() {
	drain(s.fd)
	s.drops, _ = socketDrops(s.fd)
}

// want makes dsts, sorted and without duplicates, what the socket passes on.
// Without a change it does nothing.
func (s *socket) want(dsts []netip.Addr) error {
	if slices.Equal(s.wanted.list, dsts) {
		return nil
	}
	if err := attach(s.fd, destinationFilter(s.family, dsts)); err != nil {
		return err
	}
	s.wanted = newAddrSet(dsts)
	return nil
}

func (s *socket) close() {
	_ = unix.Close(s.fd)
	for _, fd := range s.more {
		_ = unix.Close(fd)
	}
}

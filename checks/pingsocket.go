package checks

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// pingBuffer is the receive buffer: replies to a burst of some thousand.
	pingBuffer = 1 << 20
	// solRaw and icmpFilter are from linux/icmp.h; x/sys has no names for them.
	solRaw, icmpFilter = 255, 1
)

// pingSocket sends echo requests of one family and reads the replies.
type pingSocket struct {
	v6   bool
	raw  bool // a raw socket; else a datagram one
	file *os.File
	conn syscall.RawConn
}

// openPing opens a datagram socket for ICMP, which needs no privilege where
// net.ipv4.ping_group_range allows it, or else a raw one, which needs
// CAP_NET_RAW.
func openPing(key pingKey) (*pingSocket, error) {
	v6 := key.v6
	s := &pingSocket{v6: v6}
	family, proto := unix.AF_INET, unix.IPPROTO_ICMP
	if v6 {
		family, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	const flags = unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|flags, proto)
	if err != nil {
		s.raw = true
		if fd, err = unix.Socket(family, unix.SOCK_RAW|flags, proto); err != nil {
			return nil, fmt.Errorf("open ICMP socket: %w (needs CAP_NET_RAW, or net.ipv4.ping_group_range)", err)
		}
	}
	if err := s.setup(fd); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("open ICMP socket: %w", err)
	}
	if key.mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(key.mark)); err != nil {
			_ = unix.Close(fd)
			return nil, fmt.Errorf("set mark of ICMP socket: %w (needs CAP_NET_ADMIN)", err)
		}
	}
	s.file = os.NewFile(uintptr(fd), "icmp")
	if s.conn, err = s.file.SyscallConn(); err != nil {
		_ = s.file.Close()
		return nil, fmt.Errorf("open ICMP socket: %w", err)
	}
	return s, nil
}

func (s *pingSocket) setup(fd int) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, pingBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, pingBuffer)
	}
	switch {
	case !s.raw:
		return nil
	case !s.v6:
		// A set bit blocks a type.
		return unix.SetsockoptInt(fd, solRaw, icmpFilter, int(^uint32(1<<echoReply4)))
	}
	var f unix.ICMPv6Filter
	for i := range f.Data {
		f.Data[i] = ^uint32(0)
	}
	f.Data[echoReply6/32] &^= 1 << (echoReply6 % 32)
	return unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &f)
}

// send sends one message. It does not wait.
func (s *pingSocket) send(m []byte, to, source netip.Addr, ifname string) error {
	var sendErr error
	err := s.conn.Control(func(fd uintptr) {
		ifindex := 0
		if ifname != "" {
			if ifindex, sendErr = linkIndex(int(fd), ifname); sendErr != nil {
				return
			}
		}
		sa, err := sockaddr(int(fd), to)
		if err != nil {
			sendErr = err
			return
		}
		_, sendErr = unix.SendmsgN(int(fd), m, s.control(source, ifindex), sa, unix.MSG_DONTWAIT)
	})
	if err == nil {
		err = sendErr
	}
	if err != nil {
		return fmt.Errorf("send to %s: %w", to, err)
	}
	return nil
}

// control says by which address and interface a packet goes, if that is said.
func (s *pingSocket) control(source netip.Addr, ifindex int) []byte {
	switch {
	case !source.IsValid() && ifindex == 0:
		return nil
	case s.v6:
		info := unix.Inet6Pktinfo{Ifindex: uint32(ifindex)}
		if source.IsValid() {
			info.Addr = source.As16()
		}
		return unix.PktInfo6(&info)
	}
	info := unix.Inet4Pktinfo{Ifindex: int32(ifindex)}
	if source.IsValid() {
		info.Spec_dst = source.As4()
	}
	return unix.PktInfo4(&info)
}

func sockaddr(fd int, a netip.Addr) (unix.Sockaddr, error) {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4()}, nil
	}
	sa := &unix.SockaddrInet6{Addr: a.As16()}
	if zone := a.Zone(); zone != "" {
		index, err := strconv.Atoi(zone)
		if err != nil {
			index, err = linkIndex(fd, zone)
		}
		if err != nil {
			return nil, err
		}
		sa.ZoneId = uint32(index)
	}
	return sa, nil
}

// linkIndex asks the kernel for the index of one interface, which does not list
// them all.
func linkIndex(fd int, name string) (int, error) {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return 0, fmt.Errorf("interface %s: %w", name, err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req); err != nil {
		return 0, fmt.Errorf("interface %s: %w", name, err)
	}
	return int(req.Uint32()), nil
}

// receive waits for a message and says who sent it. It ends with an error when
// the socket is closed; what is none of our replies has ok false.
func (s *pingSocket) receive(buf []byte) (e echo, from netip.Addr, ok bool, err error) {
	var n int
	var sa unix.Sockaddr
	var readErr error
	err = s.conn.Read(func(fd uintptr) bool {
		n, sa, readErr = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
		return !errors.Is(readErr, unix.EAGAIN)
	})
	if err != nil {
		return echo{}, netip.Addr{}, false, err
	}
	if readErr != nil {
		return echo{}, netip.Addr{}, false, nil // of an earlier packet, such as host unreachable
	}
	m := buf[:n]
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		from = netip.AddrFrom4(sa.Addr)
		if s.raw {
			m = skipIPv4(m)
		}
	case *unix.SockaddrInet6:
		from = netip.AddrFrom16(sa.Addr)
	default:
		return echo{}, netip.Addr{}, false, nil
	}
	e, ok = parseEcho(m, s.v6)
	return e, from, ok, nil
}

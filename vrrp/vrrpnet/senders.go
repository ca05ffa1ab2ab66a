package vrrpnet

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	// sendBuffer is asked for each sending socket; the kernel doubles it. The
	// socket is shared by all interfaces: it must hold what one whose
	// transmission is stuck keeps in its queue (1,000 packets by default).
	sendBuffer = 4 << 20
	// priority is TC_PRIO_CONTROL of linux/pkt_sched.h: first in pfifo_fast and
	// the like.
	priority = 7
)

// option is one setsockopt with an integer. An optional one may be unknown to
// the kernel.
type option struct {
	name         string
	level, n, to int
	optional     bool
}

func setAll(fd int, options []option) error {
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.n, o.to); err != nil && !o.optional {
			return fmt.Errorf("set %s: %w", o.name, err)
		}
	}
	return nil
}

func openSender(domain, proto int, what string, options []option) (int, error) {
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return -1, fmt.Errorf("open %s socket to send by: %w", what, err)
	}
	if err := setAll(fd, options); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("%s socket to send by: %w", what, err)
	}
	// After IP_TOS, which sets a priority of its own.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY, priority)
	setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, sendBuffer)
	return fd, nil
}

// openIPv4 opens the socket for IPv4. IPPROTO_RAW means that we write the
// header and that nothing is received (raw(7)).
func openIPv4() (int, error) {
	return openSender(unix.AF_INET, unix.IPPROTO_RAW, "raw IPv4", []option{
		{"IP_HDRINCL", unix.IPPROTO_IP, unix.IP_HDRINCL, 1, false},
		{"IP_MULTICAST_LOOP", unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0, false},
		{"IP_TOS", unix.IPPROTO_IP, unix.IP_TOS, tos, false}, // for policy routing; the header has its own
	})
}

// openIPv6 opens the socket for IPv6. There the kernel writes the header and
// checks that the source is ours and not tentative. Unlike IPPROTO_RAW the
// protocol of its header is the socket's, so it would receive: it must not.
func openIPv6() (int, error) {
	fd, err := openSender(unix.AF_INET6, protocol, "raw IPv6", []option{
		{"IPV6_MULTICAST_LOOP", unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0, false},
		{"IPV6_MULTICAST_HOPS", unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, maxTTL, false},
		{"IPV6_TCLASS", unix.IPPROTO_IPV6, unix.IPV6_TCLASS, tos, false},
	})
	if err != nil {
		return -1, err
	}
	if err := attach(fd, dropAll()); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("raw IPv6 socket to send by: %w", err)
	}
	deafen(fd)
	drain(fd)
	return fd, nil
}

// deafen binds the socket to ::1 and keeps groups of other sockets away from
// it, so that the kernel does not copy each advert received for its filter to
// drop. Where that is refused the filter does its work.
func deafen(fd int) {
	loopback := netip.IPv6Loopback().As16()
	_ = setAll(fd, []option{
		{"IPV6_MULTICAST_ALL", unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0, true},
		{"IPV6_FREEBIND", unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1, true}, // lo may be down
	})
	_ = unix.Bind(fd, &unix.SockaddrInet6{Addr: loopback})
	// It would also lift the check of source addresses.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 0)
}

// openFrame opens the packet socket. Protocol 0 receives nothing (packet(7)).
func openFrame() (int, error) { return openSender(unix.AF_PACKET, 0, "packet", nil) }

// drain throws away what a socket received before its filter dropped
// everything. That filter is in force, so it ends; the bound is for a kernel
// that thinks otherwise.
func drain(fd int) {
	for range 1 << 16 {
		_, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EAGAIN {
			return
		}
	}
}

package lab

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// RawPacket is an IPv4 packet that a test sends as it likes.
type RawPacket struct {
	Dst     netip.Addr
	TTL     int // 1 to 255
	Payload []byte
}

// SendIPv4 sends packets of an IP protocol from the namespace, evenly spread over
// a time. Multicast leaves by the interface that has the address src.
func (n *Namespace) SendIPv4(protocol int, src netip.Addr, packets []RawPacket, over time.Duration) error {
	return n.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
		if err != nil {
			return fmt.Errorf("open raw socket: %w", err)
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptInet4Addr(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, src.As4()); err != nil {
			return fmt.Errorf("send multicast from %v: %w", src, err)
		}
		for _, p := range packets {
			opt := unix.IP_TTL
			if p.Dst.IsMulticast() {
				opt = unix.IP_MULTICAST_TTL
			}
			if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, opt, p.TTL); err != nil {
				return fmt.Errorf("set TTL %d: %w", p.TTL, err)
			}
			if err := unix.Sendto(fd, p.Payload, 0, &unix.SockaddrInet4{Addr: p.Dst.As4()}); err != nil {
				return fmt.Errorf("send to %v: %w", p.Dst, err)
			}
			time.Sleep(over / time.Duration(len(packets)))
		}
		return nil
	})
}

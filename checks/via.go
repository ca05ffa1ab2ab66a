package checks

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Via says by which way a check connects. The zero value leaves that to the
// kernel.
type Via struct {
	// Source is the local address (keepalived: bindto).
	Source netip.Addr
	// SourcePort is the local port, 0 for any (keepalived: bind_port).
	SourcePort uint16
	// Interface is the name of the interface (keepalived: bind_if).
	Interface string
	// Mark is the firewall mark of the packets, 0 for none (keepalived: fwmark). It
	// needs CAP_NET_ADMIN.
	Mark uint32
}

// dial connects. network is "tcp" or "udp".
func (v Via) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1, Control: v.control}
	if v.Source.IsValid() {
		if strings.HasPrefix(network, "udp") {
			d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(v.Source, 0))
		} else {
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(v.Source, 0))
		}
	}
	return d.DialContext(ctx, network, address)
}

// control sets the options of a socket before it connects.
func (v Via) control(_, _ string, conn syscall.RawConn) error {
	var sockErr error
	err := conn.Control(func(fd uintptr) {
		if v.Interface != "" {
			if err := unix.BindToDevice(int(fd), v.Interface); err != nil {
				sockErr = fmt.Errorf("bind to interface %s: %w", v.Interface, err)
				return
			}
		}
		if v.Mark != 0 {
			if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(v.Mark)); err != nil {
				sockErr = fmt.Errorf("set mark: %w", err)
			}
		}
	})
	if err != nil {
		return err
	}
	return sockErr
}

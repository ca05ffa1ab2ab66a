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

// dial connects. network is "tcp" or "udp". A TCP connection is closed by a reset,
// so that it leaves nothing in the connection tables on the way, least of all in
// this host's own: 10,000 checks a second would fill it.
func (v Via) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1, Control: v.control}
	if v.Source.IsValid() || v.SourcePort != 0 {
		// Without an address the port is that of any address, of the peer's family.
		source := v.Source.Unmap().AsSlice()
		if strings.HasPrefix(network, "udp") {
			d.LocalAddr = &net.UDPAddr{IP: source, Port: int(v.SourcePort), Zone: v.Source.Zone()}
		} else {
			d.LocalAddr = &net.TCPAddr{IP: source, Port: int(v.SourcePort), Zone: v.Source.Zone()}
		}
	}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	return conn, nil
}

// control sets the options of a socket before it connects.
func (v Via) control(_, _ string, conn syscall.RawConn) error {
	var optErr error
	if err := conn.Control(func(fd uintptr) { optErr = v.options(int(fd)) }); err != nil {
		return err
	}
	return optErr
}

// options sets what a socket has to have before it binds and connects.
func (v Via) options(fd int) error {
	if v.Interface != "" {
		if err := unix.BindToDevice(fd, v.Interface); err != nil {
			return fmt.Errorf("bind to interface %s: %w", v.Interface, err)
		}
	}
	if v.SourcePort != 0 { // checks may share it, and the one before be fresh
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return fmt.Errorf("share local port: %w", err)
		}
	}
	if v.Mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(v.Mark)); err != nil {
			return fmt.Errorf("set mark: %w", err)
		}
	}
	return nil
}

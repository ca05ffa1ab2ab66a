package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"hakeep/internal/lab"
)

// service is the virtual server that the routers with hakeep balance: an address
// of V4.
var service = netip.MustParseAddrPort("192.0.2.12:80")

// server is a real server, which says its name to everybody.
type server struct {
	name     string
	addr     netip.AddrPort
	ns       *lab.Namespace
	listener net.Listener
}

// start opens the port, if it is closed.
func (s *server) start() error {
	if s.listener != nil {
		return nil
	}
	return s.ns.Do(func() error {
		l, err := net.Listen("tcp", s.addr.String())
		if err == nil {
			s.listener = l
			go s.serve(l)
		}
		return err
	})
}

func (s *server) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, s.name)
		conn.Close()
	}
}

// die closes the port. Two faults at once may choose the same server.
func (s *server) die() {
	if s.listener != nil {
		s.listener.Close()
		s.listener = nil
	}
}

// addServers makes two real servers beside the routers.
func (w *world) addServers() error {
	for i, name := range []string{"s1", "s2"} {
		s := &server{name: name, addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 201 + byte(i)}), 8080)}
		var err error
		if s.ns, err = lab.NewNamespace(name); err != nil {
			return err
		}
		w.servers = append(w.servers, s)
		if _, err := w.lan.Attach(s.ns, "eth0", netip.PrefixFrom(s.addr.Addr(), 24)); err != nil {
			return err
		}
		if err := s.start(); err != nil {
			return err
		}
	}
	return nil
}

// balancing is the service as configuration. Masquerading lets the servers be on
// the same link as the clients.
func (w *world) balancing() string {
	text := fmt.Sprintf("\n[[virtual_server]]\naddress = %q\nprotocol = \"TCP\"\nlvs_sched = \"rr\"\nlvs_method = \"NAT\"\nmasquerade = true\ndelay_loop = \"200ms\"\n", service)
	for _, s := range w.servers {
		text += fmt.Sprintf("  [[virtual_server.real_server]]\n  address = %q\n    [virtual_server.real_server.TCP_CHECK]\n    connect_timeout = \"500ms\"\n    retry = 1\n    delay_before_retry = \"100ms\"\n", s.addr)
	}
	return text
}

// balanced says what is wrong with the service: each of several connections has to
// reach a server.
func (w *world) balanced() error {
	var conns []net.Conn
	err := w.client.Do(func() error {
		for range 4 {
			conn, err := net.DialTimeout("tcp", service.String(), time.Second)
			if err != nil {
				return err
			}
			conns = append(conns, conn)
		}
		return nil
	})
	for _, conn := range conns {
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		b, readErr := io.ReadAll(conn)
		conn.Close()
		if err == nil && (readErr != nil || len(b) == 0) {
			err = errors.Join(errors.New("no server answered"), readErr)
		}
	}
	if err != nil {
		return fmt.Errorf("the service at %v: %w", service, err)
	}
	return nil
}

// serverDies is a real server that refuses connections for a while.
func serverDies(ctx context.Context, w *world, _ *router) (func() error, error) {
	s := w.servers[w.rnd.IntN(len(w.servers))]
	for _, other := range w.servers {
		if other.listener == nil { // of another fault: one has to be left
			s = other
		}
	}
	s.die()
	deadline := time.Now().Add(patience)
	for {
		err := w.balanced()
		if err == nil || w.elsewhere() {
			return s.start, nil
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return s.start, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// elsewhere reports whether a router that balances nothing has the service's address:
// of those with hakeep the last one may have another fault in this round.
func (w *world) elsewhere() bool {
	for _, r := range w.routers {
		if !r.isKeepalived || r.out {
			continue
		}
		addrs, err := r.ns.Addrs("eth0")
		if err == nil && slices.ContainsFunc(addrs, func(a netip.Prefix) bool { return a.Addr() == service.Addr() }) {
			return true
		}
	}
	return false
}

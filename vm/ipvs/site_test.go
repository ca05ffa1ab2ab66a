//go:build vm

package ipvs

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	"hakeep/lvs"
	"hakeep/lvs/ipvs"
)

// patience is how long a test waits for an event before it fails. It is much longer
// than anything takes, even where the processor is emulated.
const patience = 60 * time.Second

// The virtual address and its port, the same at the director and, but for NAT, at the
// servers.
var (
	vip4 = netip.MustParseAddr("192.0.2.10")
	vip6 = netip.MustParseAddr("2001:db8::10")
)

const port = 80

// site is a client, a director and two servers. Behind NAT the servers have a link of
// their own, else all are on one, so that answers do not pass the director:
//
//	           client   director   s1    s2
//	front   ====+==========+=======+=====+====   192.0.2.0/24, 2001:db8::/64
//
//	           client   director
//	front   ====+==========+====
//	back             ======+=======+=====+====   10.0.0.0/24, fd00::/64
//	                               s1    s2
//
// The last part of an address is 1 at the director, 21 and 22 at the servers, 100 at
// the client.
type site struct {
	nat              bool
	client, director *lab.Namespace
	servers          []*server
	ipvs             *ipvs.Client
	// toServers is the director's interface to them.
	toServers string
}

type server struct {
	*lab.Namespace
	addr4, addr6 netip.Addr
}

func (s *server) addr(family lvs.Family) netip.Addr {
	if family == lvs.IPv6 {
		return s.addr6
	}
	return s.addr4
}

func vip(family lvs.Family) netip.Addr {
	if family == lvs.IPv6 {
		return vip6
	}
	return vip4
}

// newSite makes the hosts and moves the test into the director's namespace.
func newSite(t *testing.T, nat bool) *site {
	t.Helper()
	s := &site{nat: nat, client: nstest.Host(t, "client"), toServers: "eth0"}
	front := nstest.LAN(t)
	s.director = nstest.Enter(t)
	for _, conf := range []string{"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"} {
		if err := s.director.Sysctl(conf, "1"); err != nil {
			t.Fatal(err)
		}
	}
	nstest.Attach(t, front, s.client, "eth0", "192.0.2.100/24", "2001:db8::100/64")
	nstest.Attach(t, front, s.director, "eth0", "192.0.2.1/24", "2001:db8::1/64", vip4.String()+"/32")
	// Deprecated, as hakeep adds it: else the kernel may take it for the source of
	// tunnels, and a server does not take packets that come from an address of its own.
	nstest.Run(t, s.director, "ip", "addr", "add", vip6.String()+"/128", "dev", "eth0", "nodad", "preferred_lft", "0")
	back, prefix4, prefix6 := front, "192.0.2.", "2001:db8::"
	if nat {
		back, prefix4, prefix6, s.toServers = nstest.LAN(t), "10.0.0.", "fd00::", "eth1"
		nstest.Attach(t, back, s.director, "eth1", "10.0.0.1/24", "fd00::1/64")
	}
	for _, number := range []string{"21", "22"} {
		srv := &server{nstest.Host(t, "s"+number), netip.MustParseAddr(prefix4 + number), netip.MustParseAddr(prefix6 + number)}
		s.servers = append(s.servers, srv)
		// The servers have the virtual address, and do not say so.
		for _, kv := range [][2]string{{"net.ipv4.conf.all.arp_ignore", "1"}, {"net.ipv4.conf.all.arp_announce", "2"}} {
			if err := srv.Sysctl(kv[0], kv[1]); err != nil {
				t.Fatal(err)
			}
		}
		nstest.Attach(t, back, srv.Namespace, "eth0", srv.addr4.String()+"/24", srv.addr6.String()+"/64")
		if nat {
			nstest.Run(t, srv.Namespace, "ip", "route", "add", "default", "via", "10.0.0.1")
			nstest.Run(t, srv.Namespace, "ip", "-6", "route", "add", "default", "via", "fd00::1")
		} else {
			nstest.Run(t, srv.Namespace, "ip", "addr", "add", vip4.String()+"/32", "dev", "lo")
			nstest.Run(t, srv.Namespace, "ip", "addr", "add", vip6.String()+"/128", "dev", "lo", "nodad")
		}
		srv.serve(t)
	}
	c, err := ipvs.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	s.ipvs = c
	return s
}

// serve answers every line, by TCP, and every datagram with the server's name.
func (s *server) serve(t *testing.T) {
	t.Helper()
	var listener net.Listener
	err := s.Do(func() (err error) {
		listener, err = net.Listen("tcp", ":"+strconv.Itoa(port))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				lines := bufio.NewScanner(conn)
				for lines.Scan() {
					if _, err := fmt.Fprintln(conn, s.Name()); err != nil {
						return
					}
				}
			}()
		}
	}()
	for _, addr := range []netip.Addr{s.addr4, s.addr6} {
		var packets net.PacketConn
		err := s.Do(func() (err error) {
			packets, err = net.ListenPacket("udp", netip.AddrPortFrom(addr, port).String())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { packets.Close() })
		go func() {
			buf := make([]byte, 100)
			for {
				_, from, err := packets.ReadFrom(buf)
				if err != nil {
					return
				}
				_, _ = packets.WriteTo([]byte(s.Name()), from)
			}
		}()
	}
}

// conn is a connection from the client to the virtual address.
type conn struct {
	net.Conn
	lines *bufio.Reader
}

// dial connects; the error tells how.
func (s *site) dial(t *testing.T, network string, addr netip.Addr) (*conn, error) {
	t.Helper()
	c := &conn{}
	err := s.client.Do(func() (err error) {
		c.Conn, err = net.DialTimeout(network, netip.AddrPortFrom(addr, port).String(), 5*time.Second)
		return err
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { c.Close() })
	c.lines = bufio.NewReader(c.Conn)
	return c, nil
}

// ask sends a line and returns the name in the answer.
func (c *conn) ask(wait time.Duration) (string, error) {
	if err := c.SetDeadline(time.Now().Add(wait)); err != nil {
		return "", err
	}
	if _, err := c.Write([]byte("who\n")); err != nil {
		return "", err
	}
	if c.RemoteAddr().Network() == "udp" {
		buf := make([]byte, 100)
		n, err := c.Read(buf)
		return string(buf[:n]), err
	}
	line, err := c.lines.ReadString('\n')
	return strings.TrimSpace(line), err
}

// answers makes n connections and counts who answers.
func (s *site) answers(t *testing.T, network string, addr netip.Addr, n int) map[string]int {
	t.Helper()
	got := map[string]int{}
	for i := range n {
		c, err := s.dial(t, network, addr)
		if err != nil {
			t.Fatalf("connection %d to %v: %v", i, addr, err)
		}
		name, err := c.ask(5 * time.Second)
		if err != nil {
			t.Fatalf("connection %d to %v: %v", i, addr, err)
		}
		got[name]++
		c.Close()
	}
	return got
}

// service is one with rr and both servers with the given weights; a negative one
// leaves the server out.
func (s *site) service(p lvs.Protocol, family lvs.Family, forward lvs.Forward, weights ...int) lvs.Service {
	svc := lvs.Service{ID: lvs.ID{Protocol: p, Addr: vip(family), Port: port, Family: family}, Attr: lvs.Attr{Scheduler: "rr"}}
	for i, w := range weights {
		if w >= 0 {
			svc.Servers = append(svc.Servers, lvs.Server{
				Endpoint: lvs.Endpoint{Addr: s.servers[i].addr(family), Port: port}, Forward: forward, Weight: w,
			})
		}
	}
	return svc
}

// set makes the services the only ones.
func (s *site) set(t *testing.T, services ...lvs.Service) {
	t.Helper()
	if _, err := s.ipvs.Reconcile(t.Context(), services, func(lvs.ID) bool { return true }, nil); err != nil {
		t.Fatal(err)
	}
}

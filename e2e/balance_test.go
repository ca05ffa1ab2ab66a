package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	schema "hakeep/internal/status"
)

// site is two routers between clients and servers:
//
//	   client                                  s1       s2   …
//	     |.100         a             b          |.11     |.12
//	=====+=============+=============+====      |        |
//	   192.0.2.0/24  |.1|          |.2|         |        |
//	                 ===+============+==========+========+====
//	                   10.0.0.0/24
//
// The virtual addresses are 192.0.2.10 and, as the servers' gateway, 10.0.0.254.
type site struct {
	*pair
	inner          *lab.LAN
	innerA, innerB *lab.Port
	servers        []*server
}

const gateway = "10.0.0.254"

// server answers on 10.0.0.1N:8080: it says its number, then returns what it gets.
type server struct {
	n    int
	ns   *lab.Namespace
	port *lab.Port

	mu       sync.Mutex // guards what follows
	listener net.Listener
	conns    map[net.Conn]bool
	accepted int
}

func newSite(t *testing.T, servers int) *site {
	t.Helper()
	s := &site{pair: newPair(t), inner: nstest.LAN(t)}
	s.innerA = nstest.Attach(t, s.inner, s.a, "eth1", "10.0.0.1/24")
	s.innerB = nstest.Attach(t, s.inner, s.b, "eth1", "10.0.0.2/24")
	for _, ns := range []*lab.Namespace{s.a, s.b} {
		if err := ns.Sysctl("net.ipv4.ip_forward", "1"); err != nil {
			t.Fatal(err)
		}
		// Connections come back to a router that had them before only with it.
		if err := ns.Sysctl("net.netfilter.nf_conntrack_tcp_be_liberal", "1"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range servers {
		srv := &server{n: i + 1, ns: nstest.Host(t, fmt.Sprint("s", i+1)), conns: map[net.Conn]bool{}}
		srv.port = nstest.Attach(t, s.inner, srv.ns, "eth0", srv.addr()+"/24")
		if err := srv.ns.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr(gateway)); err != nil {
			t.Fatal(err)
		}
		srv.listen(t)
		t.Cleanup(srv.close)
		s.servers = append(s.servers, srv)
	}
	return s
}

func (s *server) addr() string { return fmt.Sprintf("10.0.0.%d", 10+s.n) }

// listen begins to answer.
func (s *server) listen(t *testing.T) {
	t.Helper()
	var l net.Listener
	if err := s.ns.Do(func() (err error) {
		l, err = net.Listen("tcp4", ":8080")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.listener = l
	s.mu.Unlock()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[c] = true
			s.accepted++
			s.mu.Unlock()
			go s.serve(c)
		}
	}()
}

func (s *server) serve(c net.Conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	if _, err := fmt.Fprintln(c, s.n); err != nil {
		return
	}
	_, _ = io.Copy(c, c)
}

// refuse closes the port; connections stay.
func (s *server) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener.Close()
}

func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener.Close()
	for c := range s.conns {
		c.Close()
	}
}

// ask connects to the virtual address and returns the connection and the number of
// the server that answers.
func (s *site) ask(t *testing.T, timeout time.Duration) (net.Conn, int, error) {
	t.Helper()
	var c net.Conn
	err := s.client.Do(func() (err error) {
		d := net.Dialer{Timeout: timeout}
		c, err = d.Dial("tcp4", vip4+":80")
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return nil, 0, err
	}
	line := make([]byte, 2)
	if _, err := io.ReadFull(c, line); err != nil {
		c.Close()
		return nil, 0, err
	}
	return c, int(line[0] - '0'), c.SetReadDeadline(time.Time{})
}

// spread connects n times and counts by server; -1 are failures.
func (s *site) spread(t *testing.T, n int) map[int]int {
	t.Helper()
	got := map[int]int{}
	for range n {
		c, number, err := s.ask(t, time.Second)
		if err != nil {
			got[-1]++
			continue
		}
		c.Close()
		got[number]++
	}
	return got
}

// awaitSpread waits until new connections are spread like this, but for one more
// or less: that depends on where the counter of rr stands.
func (s *site) awaitSpread(t *testing.T, n int, want map[int]int) {
	t.Helper()
	nstest.Eventually(t, patience, func() error {
		got := s.spread(t, n)
		for number := -1; number <= len(s.servers); number++ {
			if d := got[number] - want[number]; d < -1 || d > 1 || want[number] == 0 && d != 0 {
				return fmt.Errorf("connections by server: %v, want %v", got, want)
			}
		}
		return nil
	})
}

// echo sends something and expects it back.
func echo(c net.Conn, timeout time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	const text = "still there?"
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	buf := make([]byte, len(text))
	if _, err := io.ReadFull(c, buf); err != nil {
		return err
	}
	if string(buf) != text {
		return fmt.Errorf("got %q back", buf)
	}
	return nil
}

// config is a router with the virtual server. service is what is said in it before
// the real servers, check what is said in each of these.
func (s *site) config(priority int, service, check string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `[global_defs]
script_user = "root"
lvs_backend = "nftables"

[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
priority = %d
advert_int = "100ms"
virtual_ipaddress = ["%s/24", { address = "%s/24", dev = "eth1" }]

[[virtual_server]]
address = "%s:80"
protocol = "TCP"
%s
`, priority, vip4, gateway, vip4, service)
	for _, srv := range s.servers {
		fmt.Fprintf(&b, "  [[virtual_server.real_server]]\n  address = \"%s:8080\"\n%s\n", srv.addr(), check)
	}
	return b.String()
}

// balancing is what a daemon says of load balancing.
func balancing(t *testing.T, h *lab.Hakeep) *schema.Balancing {
	t.Helper()
	return &statusOf(t, h).Balancing
}

// statusOf is a daemon's status.
func statusOf(t *testing.T, h *lab.Hakeep) *schema.Document {
	t.Helper()
	out, errs, code, err := h.CLI(nstest.Context(t, patience), "status", "--json")
	if err != nil || code > 1 {
		t.Fatalf("status: exit code %d, %v, %s", code, err, errs)
	}
	var doc schema.Document
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	return &doc
}

// hand runs hakeep server.
func hand(t *testing.T, h *lab.Hakeep, args ...string) string {
	t.Helper()
	out, errs, code, err := h.CLI(nstest.Context(t, patience), append([]string{"server"}, args...)...)
	if err != nil || code != 0 {
		t.Fatalf("server %v: exit code %d, %v, %s", args, code, err, errs)
	}
	return out
}

// TestBalanceServerDies: a server whose machine is gone is out within what its
// checker promises, and gets no new connection afterwards.
func TestBalanceServerDies(t *testing.T) {
	s := newSite(t, 3)
	h := nstest.Hakeep(t, s.a, s.config(150, `lvs_sched = "rr"
delay_loop = "200ms"
connect_timeout = "300ms"
retry = 1
delay_before_retry = "100ms"`, "    [virtual_server.real_server.TCP_CHECK]"))
	awaitState(t, h, "MASTER")
	s.awaitSpread(t, 30, map[int]int{1: 10, 2: 10, 3: 10})
	// The first attempt decides alone: only a server that has passed has retries.
	nstest.Eventually(t, patience, func() error {
		for _, rs := range balancing(t, h).VirtualServers[0].Servers {
			if rs.Checks[0].Runs < 2 {
				return errors.New("not checked twice yet")
			}
		}
		return nil
	})

	const promised = 200*time.Millisecond + 2*300*time.Millisecond + 100*time.Millisecond
	at := time.Now()
	if err := s.servers[1].port.Cut(); err != nil {
		t.Fatal(err)
	}
	line, err := h.WaitLog(nstest.Context(t, patience), "real server is down")
	if err != nil {
		t.Fatal(err)
	}
	took := line.At.Sub(at)
	if took > promised+100*time.Millisecond {
		t.Errorf("out after %v, promised are %v", took, promised)
	}
	t.Logf("out after %v, promised are %v", took, promised)
	if rs := balancing(t, h).VirtualServers[0].Servers[1]; rs.Up || !strings.Contains(rs.Reason, "TCP_CHECK 10.0.0.12:8080: ") {
		t.Errorf("status says %+v", rs)
	}
	// Where the counter of rr stands decides who gets one more.
	if got := s.spread(t, 40); got[2] != 0 || got[-1] != 0 || got[1] < 19 || got[3] < 19 {
		t.Errorf("connections after it was out: %v", got)
	}

	if err := s.servers[1].port.Restore(); err != nil {
		t.Fatal(err)
	}
	s.awaitSpread(t, 30, map[int]int{1: 10, 2: 10, 3: 10})
	v := &balancing(t, h).VirtualServers[0]
	total := uint64(0)
	for _, rs := range v.Servers {
		total += rs.Counters.Connections
	}
	if c := v.Services[0].Counters; c.Connections < 100 || c.InBytes == 0 || c.OutBytes == 0 || total > c.Connections {
		t.Errorf("counters of the service %+v, connections of all servers %d", c, total)
	}
}

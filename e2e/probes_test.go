package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// serveProbes answers by HTTP on port 8081 and by UDP on port 8082.
func (s *server) serveProbes(t *testing.T) {
	t.Helper()
	var l net.Listener
	var p net.PacketConn
	if err := s.ns.Do(func() (err error) {
		if l, err = net.Listen("tcp", ":8081"); err == nil {
			p, err = net.ListenPacket("udp4", ":8082")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); p.Close() })
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Repeat("page ", 10_000)) // in several packets
		}))
	}()
	go func() {
		buf := make([]byte, 64)
		for {
			n, from, err := p.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = p.WriteTo(buf[:n], from)
		}
	}()
}

// tracked are the lines of connection tracking.
func tracked(t *testing.T, ns *lab.Namespace) []string {
	t.Helper()
	return strings.Split(strings.TrimSpace(nstest.Run(t, ns, "cat", "/proc/net/nf_conntrack")), "\n")
}

// TestProbesUntracked: with checker_untracked_mark no probe leaves an entry in
// connection tracking, but for one that goes to a virtual address and so through NAT,
// which works as before; without it they do.
func TestProbesUntracked(t *testing.T) {
	s := newSite(t, 2)
	for i, ns := range []*lab.Namespace{s.a, s.b, s.servers[0].ns, s.servers[1].ns} {
		link := "eth1"
		if i > 1 {
			link = "eth0"
		}
		nstest.Run(t, ns, "ip", "addr", "add", fmt.Sprintf("fd00::%d/64", i+1), "dev", link, "nodad")
	}
	for _, srv := range s.servers {
		srv.serveProbes(t)
	}
	const check = `    [virtual_server.real_server.TCP_CHECK]
    [virtual_server.real_server.PING_CHECK]
    [[virtual_server.real_server.HTTP_GET]]
    connect_port = 8081
    url = [{ path = "/", status_code = 200 }]
    [[virtual_server.real_server.HTTP_GET]]
    connect_ip = "fd00::3"
    connect_port = 8081
    url = [{ path = "/", status_code = 200 }]
    [virtual_server.real_server.UDP_CHECK]
    connect_port = 8082
    payload = "0a0b"
    require_reply = true`
	const service = "lvs_sched = \"rr\"\ndelay_loop = \"100ms\""
	// A server that is checked through the virtual address of another service.
	const nat = `
[[virtual_server]]
address = "192.0.2.10:81"
protocol = "TCP"
lvs_sched = "rr"
delay_loop = "100ms"
  [[virtual_server.real_server]]
  address = "10.0.0.11:8080"
  alpha = true
    [virtual_server.real_server.TCP_CHECK]
    connect_ip = "192.0.2.10"
    connect_port = 80
`
	plain := s.config(150, service, check) + nat
	a := nstest.Hakeep(t, s.a, strings.Replace(plain, "[global_defs]", "[global_defs]\nchecker_untracked_mark = 4096", 1))
	awaitState(t, a, "MASTER")
	b := nstest.Hakeep(t, s.b, s.config(100, service, check))
	for _, h := range []*lab.Hakeep{a, b} {
		nstest.Eventually(t, patience, func() error {
			for _, vs := range balancing(t, h).VirtualServers {
				for _, rs := range vs.Servers {
					for _, c := range rs.Checks {
						if !rs.Up || c.Runs < 5 {
							return fmt.Errorf("%s is up: %v, %s done %d times", rs.Address, rs.Up, c.Name, c.Runs)
						}
					}
				}
			}
			return nil
		})
	}
	var through, others []string
	for _, line := range tracked(t, s.a) {
		switch {
		case strings.Contains(line, "dst=192.0.2.10 ") && strings.Contains(line, "dport=80 "):
			through = append(through, line)
		case strings.Contains(line, "10.0.0.1"), strings.Contains(line, "fd00:0000"):
			others = append(others, line)
		}
	}
	if len(through) == 0 {
		t.Error("the probe of the virtual address is not tracked")
	}
	if len(others) > 0 {
		t.Errorf("%d probes are tracked:\n%s", len(others), strings.Join(others[:min(5, len(others))], "\n"))
	}
	all := strings.Join(tracked(t, s.b), "\n")
	for _, want := range []string{"dport=8080 ", "dport=8081 ", "dport=8082 ", "icmp", "ipv6"} {
		if !strings.Contains(all, want) {
			t.Errorf("without the mark %q is missing in\n%s", want, all)
		}
	}
	// Taken away again, the rules are gone.
	if err := a.WriteConfig(plain); err != nil {
		t.Fatal(err)
	}
	if _, text, code, err := a.CLI(nstest.Context(t, patience), "reload"); err != nil || code != 0 {
		t.Fatal(errors.New(text), err)
	}
	if text := nstest.Run(t, s.a, "nft", "list", "ruleset"); strings.Contains(text, "lb_probes") {
		t.Errorf("still there:\n%s", text)
	}
}

// TestServerGoneForgotten: clients of UDP that keep sending from one port go on at
// another server when theirs is taken out; TCP connections stay, or end at once with
// lvs_expire_nodest_conn. A drained server keeps its clients.
func TestServerGoneForgotten(t *testing.T) {
	s := newSite(t, 2)
	for _, srv := range s.servers {
		srv.serveProbes(t)
	}
	const udp = `
[[virtual_server]]
address = "192.0.2.10:53"
protocol = "UDP"
lvs_sched = "rr"
  [[virtual_server.real_server]]
  address = "10.0.0.11:8082"
  [[virtual_server.real_server]]
  address = "10.0.0.12:8082"
`
	conf := s.config(150, `lvs_sched = "rr"`, "") + udp
	h := nstest.Hakeep(t, s.a, conf)
	awaitState(t, h, "MASTER")
	var c net.Conn
	if err := s.client.Do(func() (err error) {
		c, err = net.Dial("udp4", "192.0.2.10:53")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	port := fmt.Sprintf("sport=%d ", c.LocalAddr().(*net.UDPAddr).Port)
	// with sends something and finds out which server it is with.
	with := func() string {
		t.Helper()
		if err := echo(c, patience); err != nil {
			t.Fatal(err)
		}
		for _, line := range tracked(t, s.a) {
			if _, reply, found := strings.Cut(line, "dport=53 "); found && strings.Contains(line, port) {
				for _, srv := range s.servers {
					if strings.Contains(reply, "src="+srv.addr()+" ") {
						return srv.addr()
					}
				}
			}
		}
		t.Fatal("the client is not tracked")
		return ""
	}
	first := with()
	other := map[string]string{"10.0.0.11": "10.0.0.12", "10.0.0.12": "10.0.0.11"}[first]
	hand(t, h, "drain", "192.0.2.10:53", first+":8082")
	if got := with(); got != first {
		t.Errorf("after drain the client is with %s, before with %s", got, first)
	}
	hand(t, h, "disable", "192.0.2.10:53", first+":8082")
	if got := with(); got != other {
		t.Errorf("after disable the client is with %s, want %s", got, other)
	}

	tcp, number, err := s.ask(t, patience)
	if err != nil {
		t.Fatal(err)
	}
	server := s.servers[number-1].addr() + ":8080"
	hand(t, h, "disable", "192.0.2.10:80", server)
	if err := echo(tcp, patience); err != nil {
		t.Errorf("the connection of a server that is disabled: %v", err)
	}
	hand(t, h, "enable", "192.0.2.10:80", server)
	if err := h.WriteConfig(strings.Replace(conf, "[global_defs]", "[global_defs]\nlvs_expire_nodest_conn = true", 1)); err != nil {
		t.Fatal(err)
	}
	if _, text, code, err := h.CLI(nstest.Context(t, patience), "reload"); err != nil || code != 0 {
		t.Fatal(text, err)
	}
	if err := echo(tcp, patience); err != nil {
		t.Errorf("the connection after the reload: %v", err)
	}
	hand(t, h, "disable", "192.0.2.10:80", server)
	if err := echo(tcp, patience); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("with lvs_expire_nodest_conn: %v, want a reset", err)
	}
}

package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// TestBalanceTakeover: connections go on through the other router, when the
// master's machine is gone and when it is stopped, without synchronisation.
func TestBalanceTakeover(t *testing.T) {
	const connections = 200
	for _, planned := range []bool{false, true} {
		t.Run(fmt.Sprintf("planned=%v", planned), func(t *testing.T) {
			s := newSite(t, 4)
			s.backends(t)
			check := "    [virtual_server.real_server.TCP_CHECK]"
			service := "lvs_sched = \"mh\"\nmh-port = true\ndelay_loop = \"1s\""
			onA := nstest.Hakeep(t, s.a, s.config(150, service, check))
			awaitState(t, onA, "MASTER")
			onB := nstest.Hakeep(t, s.b, s.config(100, service, check))
			awaitState(t, onB, "BACKUP")
			if a, b := balancing(t, onA), balancing(t, onB); a.Digest == "" || a.Digest != b.Digest {
				t.Fatalf("tables %q and %q", a.Digest, b.Digest)
			}
			if v := balancing(t, onA).VirtualServers[0]; len(v.Breaks) > 0 {
				t.Fatalf("a takeover breaks connections: %v", v.Breaks)
			}
			flows, err := lab.StartFlows(s.client, netip.MustParseAddrPort(vip4+":80"), connections, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(flows.Stop)
			if all := flows.Survivors(time.Now(), patience); all.Alive() != connections {
				t.Fatalf("before anything happened: %v", all)
			}
			probe := nstest.Probe(t, s.client, vip4)
			if err := probe.AwaitAnswers(nstest.Context(t, patience), 200); err != nil {
				t.Fatal(err)
			}
			flows.Mark()
			at := probe.Mark("takeover")
			s.takeOver(t, onA, planned)
			awaitState(t, onB, "MASTER")
			if err := probe.AwaitAnswers(nstest.Context(t, patience), 200); err != nil {
				t.Fatal(err)
			}
			all := flows.Survivors(time.Now(), patience)
			outage := time.Duration(0)
			for _, o := range probe.Stop().Since(at) {
				outage = max(outage, o.Duration())
			}
			t.Logf("%v; outage of pings %v", all, outage.Round(time.Millisecond))
			if all.Alive() != connections {
				t.Errorf("%v", all)
			}
		})
	}
}

// backends puts servers that can serve [lab.Flows] in the place of those that are there.
func (s *site) backends(t *testing.T) {
	t.Helper()
	for _, srv := range s.servers {
		srv.close()
		if _, err := lab.StartBackend(srv.ns, netip.MustParseAddrPort(srv.addr()+":8080")); err != nil {
			t.Fatal(err)
		}
	}
}

// takeOver ends router a: its machine is gone, or it is stopped.
func (s *site) takeOver(t *testing.T, onA *lab.Hakeep, planned bool) {
	t.Helper()
	if planned {
		if err := onA.Stop(nstest.Context(t, patience)); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, p := range []*lab.Port{s.portA, s.innerA} {
		if err := p.Cut(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBalanceQuorum: the sorry server takes over when the quorum is lost and gives
// back when it is gained, each at its own threshold; FIFO lines are keepalived's.
func TestBalanceQuorum(t *testing.T) {
	s := newSite(t, 5)
	sorry := s.servers[4]
	s.servers = s.servers[:4]
	h := nstest.Hakeep(t, s.a, s.config(150, fmt.Sprintf(`lvs_sched = "rr"
delay_loop = "50ms"
retry = 1
delay_before_retry = "10ms"
quorum = 3
hysteresis = 1
sorry_server = "%s:8080"`, sorry.addr()), "    [virtual_server.real_server.TCP_CHECK]"))
	awaitState(t, h, "MASTER")
	all := func(n int, numbers ...int) map[int]int {
		want := map[int]int{}
		for _, i := range numbers {
			want[i] = n / len(numbers)
		}
		return want
	}
	s.servers = append(s.servers, sorry)
	s.awaitSpread(t, 12, all(12, 1, 2, 3, 4)) // 4 >= 3 + 1
	s.servers[0].refuse()
	s.awaitSpread(t, 12, all(12, 2, 3, 4))
	s.servers[1].refuse()
	s.awaitSpread(t, 12, all(12, 3, 4)) // 2 is not less than 3 - 1
	s.servers[2].refuse()
	s.awaitSpread(t, 12, all(12, 5))
	if v := balancing(t, h).VirtualServers[0]; v.Up || !v.Sorry.InUse || v.Weight != 1 {
		t.Errorf("status says %+v", v)
	}
	s.servers[0].listen(t)
	s.servers[1].listen(t)
	nstest.Eventually(t, patience, func() error {
		if v := balancing(t, h).VirtualServers[0]; v.Weight != 3 {
			return fmt.Errorf("weight %d", v.Weight)
		}
		return nil
	})
	s.awaitSpread(t, 12, all(12, 5)) // 3 < 3 + 1
	s.servers[2].listen(t)
	s.awaitSpread(t, 12, all(12, 1, 2, 3, 4))
}

// TestBalanceDrainAndReload: a drained server keeps its connections and gets no
// new ones; a reload that changes one server leaves all others alone.
func TestBalanceDrainAndReload(t *testing.T) {
	s := newSite(t, 3)
	service, check := "lvs_sched = \"rr\"\ndelay_loop = \"1s\"", "    [virtual_server.real_server.TCP_CHECK]"
	h := nstest.Hakeep(t, s.a, s.config(150, service, check))
	awaitState(t, h, "MASTER")
	s.awaitSpread(t, 12, map[int]int{1: 4, 2: 4, 3: 4})
	var conns []net.Conn
	for range 12 {
		c, _, err := s.ask(t, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	work := func(when string) {
		t.Helper()
		for _, c := range conns {
			if err := echo(c, 5*time.Second); err != nil {
				t.Errorf("%s: a connection does not go on: %v", when, err)
			}
		}
	}
	work("before")
	out := hand(t, h, "drain", vip4+":80", s.servers[0].addr()+":8080")
	if want := "10.0.0.11:8080 of 192.0.2.10:80/tcp: up, weight 0 (configured 1), drained by hand\n"; out != want {
		t.Errorf("printed %q, want %q", out, want)
	}
	s.awaitSpread(t, 12, map[int]int{2: 6, 3: 6})
	work("drained")

	// Server 3 goes, the drain stays.
	before := balancing(t, h).VirtualServers[0].Servers[1].Checks[0].Runs
	s.servers = s.servers[:2]
	if err := h.WriteConfig(s.config(150, service, check)); err != nil {
		t.Fatal(err)
	}
	text, errs, code, err := h.CLI(nstest.Context(t, patience), "reload")
	if err != nil || code != 0 || !strings.Contains(text, "192.0.2.10:80/tcp") {
		t.Fatalf("reload: exit code %d, %v, %s%s", code, err, text, errs)
	}
	s.awaitSpread(t, 12, map[int]int{2: 12})
	work("reloaded")
	if rs := balancing(t, h).VirtualServers[0].Servers; !rs[0].Drained || rs[1].Checks[0].Runs < before {
		t.Errorf("after the reload %+v", rs)
	}
	hand(t, h, "enable", vip4+":80", s.servers[0].addr()+":8080")
	s.awaitSpread(t, 12, map[int]int{1: 6, 2: 6})
	if err := h.Stop(nstest.Context(t, patience)); err != nil {
		t.Fatal(err)
	}
	if left := nstest.Run(t, s.a, "nft", "list", "ruleset"); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

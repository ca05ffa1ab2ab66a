package nft

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/firewall"
	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	"hakeep/lvs"
)

// site is a client, a director and many servers in one namespace.
//
//	client .100     director .1, VIPs        servers 10.0.0.1…
//	  |                |         |.255.254       |
//	==+================+== left ==+==============+== right
//	192.0.2.0/24, 2001:db8::/64   10.0.0.0/16, fd00::/64
//
// The client has all of 198.18.0.0/16 and 2001:db8:1::/64 to ask from.
type site struct {
	client, director, servers *lab.Namespace
	fw                        *firewall.Firewall
	backend                   *lab.Backend
	asked                     int
}

func forward(t *testing.T, ns *lab.Namespace) {
	t.Helper()
	for _, key := range []string{"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"} {
		if err := ns.Sysctl(key, "1"); err != nil {
			t.Fatal(err)
		}
	}
}

func route(t *testing.T, ns *lab.Namespace, dst, via string) {
	t.Helper()
	if err := ns.AddRoute(netip.MustParsePrefix(dst), netip.MustParseAddr(via)); err != nil {
		t.Fatal(err)
	}
}

// sources lets a namespace use whole networks as its own addresses.
func sources(t *testing.T, ns *lab.Namespace) {
	t.Helper()
	nstest.Run(t, ns, "ip", "route", "add", "local", "198.18.0.0/16", "dev", "lo")
	nstest.Run(t, ns, "ip", "-6", "route", "add", "local", "2001:db8:1::/64", "dev", "lo")
	if err := ns.Sysctl("net.ipv6.ip_nonlocal_bind", "1"); err != nil {
		t.Fatal(err)
	}
}

func newSite(t *testing.T, servers int) *site {
	t.Helper()
	s := &site{client: nstest.Host(t, "client"), director: nstest.Host(t, "director"), servers: nstest.Host(t, "servers")}
	left, right := nstest.LAN(t), nstest.LAN(t)
	nstest.Attach(t, left, s.client, "eth0", "192.0.2.100/24", "2001:db8::100/64")
	nstest.Attach(t, left, s.director, "eth0", "192.0.2.1/24", "2001:db8::1/64", "192.0.2.10/32", "192.0.2.11/32", "2001:db8::10/128")
	nstest.Attach(t, right, s.director, "eth1", "10.0.255.254/16", "fd00::ffff/64")
	serverSide(t, s.servers, right, servers)
	s.backend = s.serve(t, servers)
	forward(t, s.director)
	sources(t, s.client)
	route(t, s.director, "198.18.0.0/16", "192.0.2.100")
	route(t, s.director, "2001:db8:1::/64", "2001:db8::100")
	route(t, s.servers, "0.0.0.0/0", "10.0.255.254")
	route(t, s.servers, "::/0", "fd00::ffff")
	s.fw = openIn(t, s.director)
	return s
}

// serverSide gives a namespace the addresses of n servers of each family.
func serverSide(t *testing.T, ns *lab.Namespace, lan *lab.LAN, n int) {
	t.Helper()
	var addrs []string
	a4, a6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")
	for range n {
		addrs = append(addrs, a4.String()+"/16", a6.String()+"/64")
		a4, a6 = a4.Next(), a6.Next()
	}
	nstest.Attach(t, lan, ns, "eth0", addrs...)
}

func (s *site) serve(t *testing.T, n int) *lab.Backend {
	t.Helper()
	var at []netip.AddrPort
	a4, a6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")
	for range n {
		at = append(at, netip.AddrPortFrom(a4, 80), netip.AddrPortFrom(a6, 80))
		a4, a6 = a4.Next(), a6.Next()
	}
	b, err := lab.StartBackend(s.servers, at...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ask asks n times and counts the answers by server.
func (s *site) ask(t *testing.T, n int, question func(i int) lab.Question) map[netip.Addr]int {
	t.Helper()
	got := map[netip.Addr]int{}
	for _, a := range s.answers(t, n, question) {
		got[a.Server.Addr()]++
	}
	return got
}

func (s *site) answers(t *testing.T, n int, question func(i int) lab.Question) []lab.Answer {
	t.Helper()
	questions := make([]lab.Question, n)
	for i := range questions {
		questions[i] = question(i)
	}
	answers, err := s.client.Ask(questions...)
	if err != nil {
		t.Fatal(err)
	}
	return answers
}

// to asks each time from a port that was not used before: what connection tracking
// remembers of a port goes to the same server again.
func (s *site) to(vip string, udp bool) func(int) lab.Question {
	target := netip.MustParseAddrPort(vip)
	return func(int) lab.Question {
		s.asked++
		addr := clientAddr(target, 0xff00+s.asked/50_000)
		return lab.Question{Target: target, UDP: udp, Source: netip.AddrPortFrom(addr, uint16(10_000+s.asked%50_000))}
	}
}

// clientAddr is the client's address number i, of the target's family.
func clientAddr(target netip.AddrPort, i int) netip.Addr {
	i++ // an IPv6 network's first address is that of all its routers
	if target.Addr().Is4() {
		return netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
	}
	b := netip.MustParseAddr("2001:db8:1::").As16()
	b[14], b[15] = byte(i>>8), byte(i)
	return netip.AddrFrom16(b)
}

// from asks from another address each time, always the same for the same i.
func from(vip string) func(int) lab.Question {
	target := netip.MustParseAddrPort(vip)
	return func(i int) lab.Question {
		return lab.Question{Target: target, Source: netip.AddrPortFrom(clientAddr(target, i), 0)}
	}
}

func server4(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}) }

const vip = "192.0.2.10:80"

func TestTrafficRoundRobinIsExact(t *testing.T) {
	s := newSite(t, 5)
	total := uint64(0)
	for _, c := range []struct {
		scheduler string
		weights   []int
		want      []int
	}{
		{"rr", []int{1, 1, 1, 1, 1}, []int{2000, 2000, 2000, 2000, 2000}},
		{"wrr", []int{5, 1, 0, 3, 1}, []int{5000, 1000, 0, 3000, 1000}},
		// Ranges of slots; 1,000 is one turn.
		{"wrr", []int{401, 299, 150, 149, 1}, []int{401, 299, 150, 149, 1}},
	} {
		load(t, s.fw, newTest(lvs.TCP, vip, c.scheduler, "10.0.0.1", c.weights...))
		n := 0
		for _, want := range c.want {
			n += want
		}
		total += uint64(n)
		got := s.ask(t, n, s.to(vip, false))
		for i, want := range c.want {
			if got[server4(i)] != want {
				t.Errorf("%s %v: server %d has %d connections, want %d", c.scheduler, c.weights, i, got[server4(i)], want)
			}
		}
	}
	// The service and its servers were the same all the time, so their counters went
	// on.
	s.checkCounters(t, total)
}

// checkCounters compares the counters with themselves and with what is known of
// the traffic.
func (s *site) checkCounters(t *testing.T, connections uint64) {
	t.Helper()
	counts, err := ReadCounters(s.fw)
	if err != nil || len(counts) != 1 {
		t.Fatalf("%v, %v", counts, err)
	}
	c, sum := counts[0], Counts{}
	for _, srv := range c.Servers {
		sum.Connections += srv.Connections
		sum.InPackets += srv.InPackets
		sum.OutPackets += srv.OutPackets
		sum.InBytes += srv.InBytes
		sum.OutBytes += srv.OutBytes
	}
	if sum != c.Counts {
		t.Errorf("servers together have %+v, the service %+v", sum, c.Counts)
	}
	// SYN, ACK, RST and perhaps one more ACK; SYN and ACK, greeting.
	if c.Connections != connections || c.InPackets < 3*connections || c.InPackets > 5*connections ||
		c.OutPackets < 2*connections || c.OutPackets > 4*connections || c.OutBytes < 100*connections {
		t.Errorf("counted %+v for %d connections", c.Counts, connections)
	}
}

// chiSquare is the statistic of observed numbers against shares.
func chiSquare(observed []int, shares []float64) float64 {
	n, total, x := 0, 0.0, 0.0
	for i := range observed {
		n += observed[i]
		total += shares[i]
	}
	for i, o := range observed {
		want := float64(n) * shares[i] / total
		x += (float64(o) - want) * (float64(o) - want) / want
	}
	return x
}

// chiSquareLimit is exceeded with probability 0.001, by Wilson and Hilferty's
// approximation (within 1 % from 3 degrees of freedom on).
func chiSquareLimit(degrees int) float64 {
	const z = 3.0902 // normal, 0.001
	k := float64(degrees)
	return k * math.Pow(1-2/(9*k)+z*math.Sqrt(2/(9*k)), 3)
}

func TestTrafficRandom(t *testing.T) {
	s := newSite(t, 5)
	weights := []int{1, 2, 3, 4, 5}
	load(t, s.fw, newTest(lvs.TCP, vip, "random", "10.0.0.1", weights...))
	got := s.ask(t, 10_000, s.to(vip, false))
	observed, shares := make([]int, 5), make([]float64, 5)
	for i := range weights {
		observed[i], shares[i] = got[server4(i)], float64(weights[i])
	}
	if x := chiSquare(observed, shares); x > chiSquareLimit(4) {
		t.Errorf("%v for weights %v: chi-square %.1f, want at most %.1f", observed, weights, x, chiSquareLimit(4))
	}
}

// A thousand clients: the same server each time, shares as the slots say; with
// -port, their connections are spread.
func TestTrafficSourceHash(t *testing.T) {
	s := newSite(t, 50)
	const n = 1000
	for _, c := range []struct {
		scheduler, vip, first string
	}{{"sh", vip, "10.0.0.1"}, {"mh", vip, "10.0.0.1"}, {"mh", "[2001:db8::10]:80", "fd00::1"}} {
		weights := make([]int, 50)
		for i := range weights {
			weights[i] = 1 + i%3
		}
		svc := newTest(lvs.TCP, c.vip, c.scheduler, c.first, weights...)
		load(t, s.fw, svc)
		first, again := s.answers(t, n, from(c.vip)), s.answers(t, n, from(c.vip))
		observed := map[netip.Addr]int{}
		for i := range first {
			if first[i].Server != again[i].Server {
				t.Fatalf("%s: client %v had %v and then %v", c.scheduler, first[i].Client, first[i].Server, again[i].Server)
			}
			observed[first[i].Server.Addr()]++
		}
		var o []int
		shares := make([]float64, 50)
		for i := range weights {
			o, shares[i] = append(o, observed[svc.Servers[i].Endpoint.Addr]), float64(weights[i])
		}
		if c.scheduler == mh {
			size := maglevSize(50, 0)
			for i, slots := range countSlots(maglev(endpointsOf(svc), weights, size), 50) {
				shares[i] = float64(slots)
			}
		}
		if x := chiSquare(o, shares); x > chiSquareLimit(49) {
			t.Errorf("%s: %v: chi-square %.1f, want at most %.1f", c.scheduler, o, x, chiSquareLimit(49))
		}
	}
	svc := newTest(lvs.TCP, vip, "mh", "10.0.0.1", equalWeights(50)...)
	svc.Attr.Flags = lvs.MHPort
	load(t, s.fw, svc)
	one := from(vip)(1)
	if got := s.ask(t, 200, func(int) lab.Question { return one }); len(got) < 30 {
		t.Errorf("mh-port: 200 connections of one client have %d servers of 50", len(got))
	}
}

func endpointsOf(s lvs.Service) (out []lvs.Endpoint) {
	for _, srv := range s.Servers {
		out = append(out, srv.Endpoint)
	}
	return out
}

// A server of 50 goes: clients of others stay but for 3 %, and nobody is sent to
// it. The map is changed in one transaction, by its changed slots.
func TestTrafficMaglevRemoval(t *testing.T) {
	s := newSite(t, 50)
	const n = 1000
	svc := newTest(lvs.TCP, vip, "mh", "10.0.0.1", equalWeights(50)...)
	svc.Configured = 50
	load(t, s.fw, svc)
	before := s.answers(t, n, from(vip))
	gone := svc.Servers[17].Endpoint
	svc.Servers = append(svc.Servers[:17:17], svc.Servers[18:]...)
	load(t, s.fw, svc)
	moved, others := 0, 0
	for i, a := range s.answers(t, n, from(vip)) {
		if a.Server.Addr() == gone.Addr {
			t.Fatalf("client %v was sent to the server that is gone", a.Client)
		}
		if before[i].Server.Addr() == gone.Addr {
			continue
		}
		others++
		if a.Server != before[i].Server {
			moved++
		}
	}
	t.Logf("%d of %d clients of other servers moved", moved, others)
	if float64(moved) > 0.03*float64(others) {
		t.Errorf("%d of %d clients of other servers moved, want at most 3 %%", moved, others)
	}
}

// Weight 0 takes no new connections and keeps those it has; a service without any
// server refuses; UDP and TCP; IPv6.
func TestTrafficDrainAndRefuse(t *testing.T) {
	s := newSite(t, 2)
	load(t, s.fw, newTest(lvs.TCP, vip, "rr", "10.0.0.1", 1, 1))
	var flows []*lab.Flow
	for range 2 {
		flows = append(flows, startFlow(t, s.client, netip.Addr{}, vip, lab.PingPong))
	}
	if flows[0].Answer().Server == flows[1].Answer().Server {
		t.Fatal("both connections have one server")
	}
	load(t, s.fw, newTest(lvs.TCP, vip, "rr", "10.0.0.1", 0, 1))
	if got := s.ask(t, 20, s.to(vip, false)); got[server4(1)] != 20 {
		t.Errorf("with the first drained: %v", got)
	}
	goOn(t, flows)
	tables := load(t, s.fw, newTest(lvs.TCP, vip, "rr", "10.0.0.1", 0, 0),
		newTest(lvs.UDP, vip, "rr", "10.0.0.1", 0), newTest(lvs.TCP, "[2001:db8::10]:80", "rr", "fd00::1", 0))
	if len(tables.Notes) != 3 {
		t.Errorf("notes: %v", tables.Notes)
	}
	for _, q := range []lab.Question{{Target: netip.MustParseAddrPort(vip)}, {Target: netip.MustParseAddrPort(vip), UDP: true}, {Target: netip.MustParseAddrPort("[2001:db8::10]:80")}} {
		began := time.Now()
		_, err := s.client.Ask(q)
		if took := time.Since(began); !errors.Is(err, unix.ECONNREFUSED) || took > time.Second {
			t.Errorf("%+v: %v after %v, want a refusal at once", q, err, took)
		}
	}
	goOn(t, flows)
}

func startFlow(t *testing.T, ns *lab.Namespace, source netip.Addr, target string, kind lab.FlowKind) *lab.Flow {
	t.Helper()
	f, err := lab.StartFlow(ns, netip.MustParseAddrPort(target), lab.FlowOptions{Kind: kind, Source: source})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Stop() })
	return f
}

// goOn waits until data arrives on all flows again.
func goOn(t *testing.T, flows []*lab.Flow) {
	t.Helper()
	for _, f := range flows {
		before := f.Result().Steps
		nstest.Eventually(t, 5*time.Second, func() error {
			r := f.Result()
			if r.Err != nil {
				t.Fatalf("%v: %v", f, r.Err)
			}
			if r.Steps < before+2 {
				return fmt.Errorf("%v stands still", f)
			}
			return nil
		})
	}
}

func TestTrafficUDPAndIPv6(t *testing.T) {
	s := newSite(t, 4)
	const vip6 = "[2001:db8::10]:80"
	load(t, s.fw,
		newTest(lvs.UDP, vip, "wrr", "10.0.0.1", 1, 2, 3, 4), newTest(lvs.UDP, vip6, "wrr", "fd00::1", 4, 3, 2, 1),
		newTest(lvs.TCP, vip6, "rr", "fd00::1", 1, 1, 1, 1))
	for _, c := range []struct {
		name     string
		question func(int) lab.Question
		first    string
		want     []int
	}{
		{"udp", s.to(vip, true), "10.0.0.1", []int{100, 200, 300, 400}},
		{"udp, IPv6", s.to(vip6, true), "fd00::1", []int{400, 300, 200, 100}},
		{"tcp, IPv6", s.to(vip6, false), "fd00::1", []int{250, 250, 250, 250}},
	} {
		got := s.ask(t, 1000, c.question)
		a := netip.MustParseAddr(c.first)
		for _, want := range c.want {
			if got[a] != want {
				t.Errorf("%s: server %v has %d, want %d", c.name, a, got[a], want)
			}
			a = a.Next()
		}
	}
}

// Without masquerade the server sees the client; with it, the director: replies
// come back without a route.
func TestTrafficMasquerade(t *testing.T) {
	s := newSite(t, 2)
	svc := newTest(lvs.TCP, vip, "rr", "10.0.0.1", 1, 1)
	load(t, s.fw, svc)
	if got := s.answers(t, 1, from(vip))[0].Client.Addr(); got != clientAddr(netip.MustParseAddrPort(vip), 0) {
		t.Errorf("server saw %v, want the client", got)
	}
	nstest.Run(t, s.servers, "ip", "route", "del", "default")
	svc.Masquerade = true
	load(t, s.fw, svc)
	if got := s.answers(t, 1, s.to(vip, false))[0].Client.Addr(); got.String() != "10.0.255.254" {
		t.Errorf("server saw %v, want the director", got)
	}
	// IPVS, too, serves clients on the director itself.
	answers, err := s.director.Ask(lab.Question{Target: netip.MustParseAddrPort(vip)})
	if err != nil || answers[0].Server.Addr() == (netip.Addr{}) {
		t.Errorf("from the director: %v %v", answers, err)
	}
}

// A client stays with its server, also when others come and go and with its
// neighbours of the granularity; not with a server that takes no connections, and
// not for longer than the timeout.
func TestTrafficPersistence(t *testing.T) {
	s := newSite(t, 3)
	const client = 0x0105 // 198.18.1.6
	svc := newTest(lvs.TCP, vip, "rr", "10.0.0.1", 1, 1, 1)
	svc.Attr.Persistence, svc.Attr.PersistenceBits = 3*time.Second, 24
	load(t, s.fw, svc)
	same := func(int) lab.Question { return from(vip)(client) }
	got := s.ask(t, 50, same)
	if len(got) != 1 {
		t.Fatalf("one client has %v", got)
	}
	var mine netip.Addr
	for a := range got {
		mine = a
	}
	if got := s.ask(t, 20, func(i int) lab.Question { return from(vip)(client + i) }); got[mine] != 20 {
		t.Errorf("its neighbours have %v, want %v", got, mine)
	}
	if got := s.ask(t, 30, func(i int) lab.Question { return from(vip)((i + 2) << 8) }); len(got) != 3 {
		t.Errorf("clients of other networks have %v, want all servers", got)
	}
	change := func(fn func(*lvs.Server)) {
		for i := range svc.Servers {
			fn(&svc.Servers[i])
		}
		load(t, s.fw, svc)
	}
	change(func(srv *lvs.Server) {
		if srv.Endpoint.Addr != mine {
			srv.Weight = 5
		}
	})
	if got := s.ask(t, 20, same); got[mine] != 20 {
		t.Errorf("after others' weights changed: %v, want %v", got, mine)
	}
	change(func(srv *lvs.Server) {
		if srv.Endpoint.Addr == mine {
			srv.Weight = 0
		}
	})
	got = s.ask(t, 20, same)
	if got[mine] != 0 || len(got) != 1 {
		t.Errorf("with its server drained: %v, want one other", got)
	}
	remembered := func() bool { return strings.Contains(nstest.Run(t, s.director, "nft", "list", "ruleset"), "expires") }
	if !remembered() {
		t.Error("no client is remembered")
	}
	nstest.Eventually(t, 10*time.Second, func() error {
		if remembered() {
			return errors.New("clients are still remembered")
		}
		return nil
	})
}

// Another program flushes the ruleset: it is put back, and balances again.
func TestTrafficFlushedRuleset(t *testing.T) {
	s := newSite(t, 2)
	load(t, s.fw, newTest(lvs.TCP, vip, "mh", "10.0.0.1", 1, 1))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.fw.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	want := s.answers(t, 20, from(vip))
	nstest.Run(t, s.director, "nft", "flush", "ruleset")
	nstest.Eventually(t, 2*time.Second, func() error {
		if got := s.fw.Stats().Restored; got != 1 {
			return fmt.Errorf("put back %d times", got)
		}
		return nil
	})
	for i, a := range s.answers(t, 20, from(vip)) {
		if a.Server != want[i].Server {
			t.Errorf("client %v had %v and has %v", a.Client, want[i].Server, a.Server)
		}
	}
}

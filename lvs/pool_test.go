package lvs

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(i int) Endpoint { return Endpoint{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 8080} }

// web is a virtual server with n servers of weight 1, each with a check "cN".
func web(n int, change func(*VirtualServer)) VirtualServer {
	id := ID{Protocol: TCP, Addr: netip.MustParseAddr("192.0.2.10"), Port: 80, Family: IPv4}
	v := VirtualServer{Name: id.String(), IDs: []ID{id}, Attr: Attr{Scheduler: "rr"}, Quorum: 1}
	for i := 1; i <= n; i++ {
		v.Servers = append(v.Servers, RealServer{
			Server: Server{Endpoint: at(i), Forward: Forward{Method: NAT}, Weight: 1}, Checks: []string{fmt.Sprint("c", i)},
		})
	}
	if change != nil {
		change(&v)
	}
	return v
}

func sorryAt(i int) *Server {
	return &Server{Endpoint: at(i), Forward: Forward{Method: NAT}, Weight: 1}
}

// said is events as text: "+1" for a server that came up, "-Q" for a quorum lost.
func said(events []Event) string {
	var out []string
	for _, e := range events {
		sign := "-"
		if e.Kind.Up() {
			sign = "+"
		}
		what := "Q"
		switch e.Kind {
		case ServerUp, ServerDown:
			what = fmt.Sprint(e.Server.Addr.As4()[3])
		case CheckUp, CheckDown:
			what = e.Check
		}
		out = append(out, sign+what)
	}
	return strings.Join(out, " ")
}

// has is the servers of the first service as text: "1 2*0" for weights 1 and 0.
func has(p *Pool) string {
	var out []string
	for _, s := range p.Services()[0].Servers {
		text := fmt.Sprint(s.Endpoint.Addr.As4()[3])
		if s.Weight != 1 {
			text += fmt.Sprint("*", s.Weight)
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

// TestPoolStories plays sequences of outcomes. A step "-c1" is a failed check,
// "+c1" one that passes; "c1=5" sets a weight and "c1~5" adds to it; "d1" drains,
// "x1" disables, "w1" gives weight 7, "e1" takes all of it back; "reload" loads the same
// configuration again.
func TestPoolStories(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		servers int
		change  func(*VirtualServer)
		config  Config
		start   string // what is told and what there is at the start
		steps   [][3]string
	}{
		"a server goes and comes": {servers: 2, start: "+Q: 1 2", steps: [][3]string{
			{"-c1", "-1", "2"}, {"-c1", "", "2"}, {"+c1", "+1", "1 2"}, {"-c1", "-1", "2"}, {"-c2", "-2 -Q", ""}, {"+c1", "+1 +Q", "1"},
		}},
		"rs_init_notifies": {servers: 2, config: Config{InitNotifies: true}, start: "+1 +2 +Q: 1 2"},
		"alpha": {servers: 2, change: func(v *VirtualServer) { v.Servers[0].Alpha, v.Servers[1].Alpha = true, true }, start: ": ", steps: [][3]string{
			{"-c1", "", ""}, {"+c2", "+2 +Q", "2"}, {"+c1", "+1", "1 2"}, {"reload", "", "1 2"},
		}},
		"alpha with a sorry server": {servers: 1, change: func(v *VirtualServer) { v.Servers[0].Alpha, v.Sorry = true, sorryAt(9) }, start: "-Q: 9", steps: [][3]string{
			{"+c1", "+1 +Q", "1"},
		}},
		"inhibit": {servers: 2, change: func(v *VirtualServer) { v.Servers[0].Inhibit = true }, start: "+Q: 1 2", steps: [][3]string{
			{"-c1", "-1", "1*0 2"}, {"+c1", "+1", "1 2"},
		}},
		"sorry server": {servers: 3, change: func(v *VirtualServer) { v.Quorum, v.Sorry = 2, sorryAt(9) }, start: "+Q: 1 2 3", steps: [][3]string{
			{"-c1", "-1", "2 3"}, {"-c2", "-2 -Q", "9"}, {"-c3", "-3", "9"}, {"+c2", "+2", "9"}, {"+c3", "+3 +Q", "2 3"},
		}},
		"sorry server and inhibit": {
			servers: 2, change: func(v *VirtualServer) { v.Sorry, v.SorryInhibit, v.Servers[0].Inhibit = sorryAt(9), true, true }, start: "+Q: 1 2 9*0",
			steps: [][3]string{{"-c2", "-2", "1 9*0"}, {"-c1", "-1 -Q", "1*0 9"}, {"+c2", "+2 +Q", "1*0 2 9*0"}},
		},
		"sorry server that is a server too": {servers: 2, change: func(v *VirtualServer) { v.Quorum, v.Sorry = 2, sorryAt(1) }, start: "+Q: 1 2", steps: [][3]string{
			{"-c2", "-2 -Q", "1"}, {"-c1", "-1", "1"}, {"+c2", "+2", "1"},
		}},
		"quorum without sorry server": {servers: 3, change: func(v *VirtualServer) { v.Quorum = 3 }, start: "+Q: 1 2 3", steps: [][3]string{
			{"-c1", "-1 -Q", "2 3"}, {"-c2", "-2", "3"},
		}},
		"hysteresis": {servers: 5, change: func(v *VirtualServer) { v.Quorum, v.Hysteresis = 3, 1 }, start: "+Q: 1 2 3 4 5", steps: [][3]string{
			{"-c1", "-1", "2 3 4 5"}, {"-c2", "-2", "3 4 5"}, {"-c3", "-3", "4 5"}, {"-c4", "-4 -Q", "5"},
			{"+c4", "+4", "4 5"}, {"+c3", "+3", "3 4 5"}, {"+c2", "+2 +Q", "2 3 4 5"},
		}},
		"weight of a check": {servers: 2, start: "+Q: 1 2", steps: [][3]string{
			{"c1=5", "", "1*5 2"}, {"c1~2", "", "1*3 2"}, {"c1=0", "", "1*0 2"}, {"c1~-9", "", "1*0 2"}, {"c1~99999", "", "1*65535 2"}, {"+c1", "", "1 2"},
			{"-c2", "-2", "1"}, {"c1=0", "-Q", "1*0"}, {"c1=1", "+Q", "1"},
		}},
		"by hand": {servers: 2, start: "+Q: 1 2", steps: [][3]string{
			{"d1", "", "1*0 2"}, {"reload", "", "1*0 2"}, {"x2", "-2 -Q", "1*0"}, {"-c2", "-c2", "1*0"}, {"e2", "", "1*0"}, {"+c2", "+2 +Q", "1*0 2"},
			{"w1", "", "1*7 2"}, {"c1=3", "", "1*7 2"}, {"e1", "", "1*3 2"},
		}},
		"two checks": {servers: 2, change: func(v *VirtualServer) { v.Servers[0].Checks = []string{"c1", "c3"} }, start: "+Q: 1 2", steps: [][3]string{
			{"-c1", "-1", "2"}, {"-c3", "-c3", "2"}, {"+c1", "+c1", "2"}, {"+c3", "+1", "1 2"},
		}},
		"failed stays failed": {servers: 2, start: "+Q: 1 2", steps: [][3]string{
			{"-c1", "-1", "2"}, {"reload", "", "2"}, {"+c1", "+1", "1 2"},
		}},
		"weight 0": {servers: 1, change: func(v *VirtualServer) { v.Servers[0].Weight = 0 }, start: ": 1*0"},
		"failed before the start": {servers: 2, config: Config{Failed: map[string]bool{"c2": true}}, start: "+Q: 1", steps: [][3]string{
			{"+c2", "+2", "1 2"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.config.Virtual = []VirtualServer{web(c.servers, c.change)}
			var p Pool
			first := p.Configure(t0, c.config)
			if got := said(first) + ": " + has(&p); got != c.start {
				t.Fatalf("at the start %q, want %q", got, c.start)
			}
			for i, s := range c.steps {
				events := play(t, &p, s[0], c.config)
				if got := said(events); got != s[1] || has(&p) != s[2] {
					t.Errorf("step %d, %s: told %q with servers %q, want %q with %q", i+1, s[0], got, has(&p), s[1], s[2])
				}
			}
		})
	}
}

// play does a step; see TestPoolStories.
func play(t *testing.T, p *Pool, step string, c Config) []Event {
	t.Helper()
	var n, value int
	name := c.Virtual[0].Name
	hand := func(h Hand) []Event {
		n = int(step[1] - '0')
		events, err := p.Set(t0, name, at(n), h)
		if err != nil {
			t.Fatal(err)
		}
		return events
	}
	switch {
	case step == "reload":
		return p.Configure(t0, c)
	case step[0] == '-', step[0] == '+':
		return p.Report(t0, step[1:], Outcome{Up: step[0] == '+'})
	case step[0] == 'd':
		return hand(Hand{Drained: true})
	case step[0] == 'x':
		return hand(Hand{Disabled: true})
	case step[0] == 'w':
		return hand(Hand{Weighted: true, Weight: 7})
	case step[0] == 'e':
		return hand(Hand{})
	}
	o := Outcome{Up: true, Dynamic: SetWeight}
	if i := strings.IndexByte(step, '~'); i > 0 {
		o.Dynamic = AddWeight
	}
	if _, err := fmt.Sscanf(step[3:], "%d", &value); err != nil {
		t.Fatal(err)
	}
	o.Value = value
	return p.Report(t0, step[:2], o)
}

func TestPoolReload(t *testing.T) {
	t.Parallel()
	other := web(1, func(v *VirtualServer) { v.Name, v.Omega = "fwmark:7", true; v.IDs = []ID{{Mark: 7, Family: IPv4}} })
	p := &Pool{}
	p.Configure(t0, Config{Virtual: []VirtualServer{web(3, nil), other}})
	p.Report(t0, "c2", Outcome{Reason: "connect: refused"})
	if _, err := p.Set(t0, "192.0.2.10:80/tcp", at(3), Hand{Drained: true}); err != nil {
		t.Fatal(err)
	}

	// Order, an attribute and the check of server 2 change, server 1 goes, 4 comes.
	next := web(4, func(v *VirtualServer) {
		v.Servers = v.Servers[1:]
		slices.Reverse(v.Servers)
		v.Attr.Scheduler = "wrr"
		v.Servers[2].Checks = []string{"another"}
	})
	events := p.Configure(t0.Add(time.Hour), Config{Virtual: []VirtualServer{next, other}})
	if got := said(events); got != "-1" || !events[0].Removed {
		t.Errorf("told %q, want that server 1 is gone", got)
	}
	if got := has(p); got != "3*0 4" {
		t.Errorf("servers %q: 2 failed and has a new check, 3 is drained, 4 is new", got)
	}
	if o := p.Checks()["another"]; o.Up {
		t.Error("the new check of a failed server starts as passed")
	}
	if st := p.Snapshot()[0].Servers[2]; st.Config.Endpoint != at(2) || !st.Since.Equal(t0) || st.Alive {
		t.Errorf("server 2 is %+v, want down since the start", st)
	}
	if got := said(p.Report(t0, "another", Outcome{Up: true})); got != "+2" {
		t.Errorf("told %q when the new check passes", got)
	}
	if got := said(p.Report(t0, "c1", Outcome{})); got != "-1 -Q" {
		t.Errorf("told %q: the mark's server uses c1 still", got)
	}
	p.Report(t0, "c1", Outcome{Up: true})

	events = p.Stop()
	if got := said(events); got != "-1 -Q" || events[0].Virtual != "fwmark:7" || !events[0].Stop {
		t.Errorf("told %q at the stop, want it of the virtual server with omega only", got)
	}
	if got := said(p.Configure(t0, Config{Virtual: []VirtualServer{next}})); got != "-1 -Q" {
		t.Errorf("told %q when a virtual server is removed", got)
	}
}

func TestPoolGroupAndPorts(t *testing.T) {
	t.Parallel()
	v := web(2, func(v *VirtualServer) {
		v.Name = "group:G"
		second := v.IDs[0]
		second.Port = 443
		v.IDs = append(v.IDs, second, ID{Mark: 3, Family: IPv4})
		v.Servers[1].Endpoint.Port = 0
	})
	p := &Pool{}
	p.Configure(t0, Config{Virtual: []VirtualServer{v}})
	var got []string
	for _, s := range p.Services() {
		got = append(got, fmt.Sprint(s.ID, " ", s.Servers[0].Endpoint, " ", s.Servers[1].Endpoint))
	}
	want := []string{
		"192.0.2.10:80/tcp 10.0.0.1:8080 10.0.0.2:80", "192.0.2.10:443/tcp 10.0.0.1:8080 10.0.0.2:443", "fwmark:3 10.0.0.1:8080 10.0.0.2:0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("services %q, want %q", got, want)
	}
	for _, e := range []Endpoint{{at(2).Addr, 80}, {at(2).Addr, 0}, at(1)} {
		if _, err := p.Hand("group:G", e); err != nil {
			t.Errorf("%v: %v", e, err)
		}
	}
	if _, err := p.Hand("group:G", Endpoint{at(1).Addr, 9}); err != ErrUnknownServer {
		t.Errorf("a port that no server has: %v", err)
	}
	if _, err := p.Hand("group:H", at(1)); err != ErrUnknownService {
		t.Errorf("a group that is not there: %v", err)
	}
}

func TestPoolSuspends(t *testing.T) {
	t.Parallel()
	v := web(2, func(v *VirtualServer) { v.Suspend = true })
	p := &Pool{}
	p.Configure(t0, Config{Virtual: []VirtualServer{v}})
	if n := len(p.Checks()); n != 0 {
		t.Errorf("%d checks run although the address is not known to be here", n)
	}
	if got := has(p); got != "1 2" {
		t.Errorf("servers %q while suspended, want both", got)
	}
	if !p.SetLocal(func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.10") }) || len(p.Checks()) != 2 {
		t.Errorf("checks %v when the address is here", p.Checks())
	}
	p.Report(t0, "c1", Outcome{})
	if !p.SetLocal(func(netip.Addr) bool { return false }) || len(p.Checks()) != 0 || has(p) != "2" {
		t.Errorf("checks %v, servers %q when it is gone again: what failed stays failed", p.Checks(), has(p))
	}
	if p.SetLocal(func(netip.Addr) bool { return false }) {
		t.Error("a change without a change")
	}
}

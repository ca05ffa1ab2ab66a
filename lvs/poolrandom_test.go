package lvs

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// reference is what the rules say, computed anew each time, beside a Pool.
type reference struct {
	up     map[string]bool // of virtual servers
	checks map[string]Outcome
	hands  map[string]map[Endpoint]Hand
	alive  map[string]map[Endpoint]bool // by what was told
}

// drawVirtual draws a virtual server out of a small world, so that reloads meet
// the same servers and checks again.
func drawVirtual(t *rapid.T, n int) VirtualServer {
	id := ID{Protocol: TCP, Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), Port: 80, Family: IPv4}
	v := VirtualServer{
		Name: id.String(), IDs: []ID{id}, Attr: Attr{Scheduler: "wrr"},
		Quorum: rapid.IntRange(1, 5).Draw(t, "quorum"), Omega: rapid.Bool().Draw(t, "omega"),
	}
	v.Hysteresis = rapid.IntRange(0, v.Quorum-1).Draw(t, "hysteresis")
	for _, i := range rapid.Permutation([]int{1, 2, 3, 4}).Draw(t, "servers")[:rapid.IntRange(1, 4).Draw(t, "n")] {
		rs := RealServer{
			Server:  Server{Endpoint: at(i), Forward: Forward{Method: NAT}, Weight: rapid.IntRange(0, 4).Draw(t, "weight")},
			Inhibit: rapid.Bool().Draw(t, "inhibit"), Alpha: rapid.Bool().Draw(t, "alpha"),
		}
		for _, c := range rapid.SliceOfNDistinct(rapid.IntRange(0, 1), 0, 2, rapid.ID).Draw(t, "checks") {
			rs.Checks = append(rs.Checks, fmt.Sprintf("c%d.%d", i, c))
		}
		v.Servers = append(v.Servers, rs)
	}
	if rapid.Bool().Draw(t, "sorry") {
		v.Sorry = sorryAt(rapid.SampledFrom([]int{1, 9}).Draw(t, "at"))
		v.SorryInhibit = rapid.Bool().Draw(t, "sorry_inhibit")
	}
	return v
}

func drawConfig(t *rapid.T) Config {
	var c Config
	for n := range rapid.IntRange(1, 3).Draw(t, "services") {
		c.Virtual = append(c.Virtual, drawVirtual(t, n+1))
	}
	return c
}

// TestPoolAnyState drives a Pool through outcomes, hands and reloads in any order,
// and holds what it wants and tells against the rules.
func TestPoolAnyState(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := &Pool{}
		r := &reference{up: map[string]bool{}, checks: map[string]Outcome{}, hands: map[string]map[Endpoint]Hand{}, alive: map[string]map[Endpoint]bool{}}
		var c Config
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			var events []Event
			switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
			case c.Virtual == nil || what == 0:
				c = drawConfig(t)
				events = p.Configure(t0, c)
				r.reload(t, p, c, events)
				if again := p.Configure(t0, c); len(again) > 0 {
					t.Fatalf("the same configuration again tells %+v", again)
				}
				continue
			case what < 7:
				o := Outcome{Up: rapid.Bool().Draw(t, "up"), Dynamic: Dynamic(rapid.IntRange(0, 2).Draw(t, "dynamic")), Value: rapid.IntRange(-3, 6).Draw(t, "value")}
				n := fmt.Sprintf("c%d.%d", rapid.IntRange(1, 4).Draw(t, "server"), rapid.IntRange(0, 1).Draw(t, "check"))
				events = p.Report(t0, n, o)
				if _, ok := p.Checks()[n]; ok {
					r.checks[n] = o
				}
			default:
				v := rapid.SampledFrom(c.Virtual).Draw(t, "vs")
				e := rapid.SampledFrom(v.Servers).Draw(t, "rs").Endpoint
				h := Hand{Disabled: rapid.Bool().Draw(t, "x"), Drained: rapid.Bool().Draw(t, "d"), Weighted: rapid.Bool().Draw(t, "w"), Weight: 2}
				var err error
				if events, err = p.Set(t0, v.Name, e, h); err != nil {
					t.Fatal(err)
				}
				r.hands[v.Name][e] = h
			}
			r.hear(t, events)
			r.compare(t, p, c)
		}
	})
}

// reload takes over what a configuration keeps. The outcomes that new checks start
// with are the Pool's choice, within bounds that TestPoolReload and TestPoolStories set.
func (r *reference) reload(t *rapid.T, p *Pool, c Config, events []Event) {
	old := r.hands
	r.hands = map[string]map[Endpoint]Hand{}
	told := r.alive
	for _, v := range c.Virtual {
		r.hands[v.Name] = map[Endpoint]Hand{}
		for _, s := range v.Servers {
			if h, ok := old[v.Name][s.Endpoint]; ok {
				r.hands[v.Name][s.Endpoint] = h
			}
		}
	}
	fresh := p.Checks()
	for n, o := range fresh {
		if was, ok := r.checks[n]; ok && was != o {
			t.Fatalf("check %s was %+v and is %+v after a reload", n, was, o)
		}
	}
	r.checks = fresh
	r.hear(t, events)
	// Servers that start as alive are not told of without rs_init_notifies; those
	// of services that are gone must have been told down.
	for name, servers := range told {
		kept := slices.IndexFunc(c.Virtual, func(v VirtualServer) bool { return v.Name == name })
		for e, alive := range servers {
			if alive && (kept < 0 || !slices.ContainsFunc(c.Virtual[kept].Servers, func(s RealServer) bool { return s.Endpoint == e })) {
				t.Fatalf("%s of %s is gone, and nobody was told", e, name)
			}
		}
		if kept < 0 {
			if r.up[name] {
				t.Fatalf("%s is gone with its quorum, and nobody was told", name)
			}
			delete(r.alive, name)
			delete(r.up, name)
		}
	}
	for _, v := range c.Virtual {
		if r.alive[v.Name] == nil {
			r.alive[v.Name] = map[Endpoint]bool{}
		}
		for _, s := range v.Servers {
			if _, ok := r.alive[v.Name][s.Endpoint]; !ok {
				r.alive[v.Name][s.Endpoint] = r.isAlive(v, s)
			}
		}
		for e := range r.alive[v.Name] {
			if !slices.ContainsFunc(v.Servers, func(s RealServer) bool { return s.Endpoint == e }) {
				delete(r.alive[v.Name], e)
			}
		}
	}
	r.compare(t, p, c)
}

// hear takes over what was told. Nothing is told twice.
func (r *reference) hear(t *rapid.T, events []Event) {
	for _, e := range events {
		switch e.Kind {
		case CheckUp, CheckDown:
			if r.checks[e.Check].Up != e.Kind.Up() {
				t.Fatalf("the check has not turned: %+v", e)
			}
		case ServerUp, ServerDown:
			if r.alive[e.Virtual][e.Server] == e.Kind.Up() {
				t.Fatalf("told again: %+v", e)
			}
			r.alive[e.Virtual][e.Server] = e.Kind.Up()
		default:
			if r.up[e.Virtual] == e.Kind.Up() && !e.Init {
				t.Fatalf("told again: %+v", e)
			}
			r.up[e.Virtual] = e.Kind.Up()
		}
	}
}

func (r *reference) isAlive(v VirtualServer, s RealServer) bool {
	for _, n := range s.Checks {
		if !r.checks[n].Up {
			return false
		}
	}
	return !r.hands[v.Name][s.Endpoint].Disabled
}

func (r *reference) weight(v VirtualServer, s RealServer) int {
	h := r.hands[v.Name][s.Endpoint]
	w := s.Weight
	for _, n := range s.Checks {
		switch o := r.checks[n]; o.Dynamic {
		case SetWeight:
			w += o.Value - s.Weight
		case AddWeight:
			w += o.Value
		}
	}
	if h.Weighted {
		w = h.Weight
	}
	if h.Drained {
		w = 0
	}
	return min(max(w, 0), 65535)
}

// compare holds the Pool against the rules.
func (r *reference) compare(t *rapid.T, p *Pool, c Config) {
	services := p.Services()
	if len(services) != len(c.Virtual) {
		t.Fatalf("%d services of %d", len(services), len(c.Virtual))
	}
	for i, v := range c.Virtual {
		want := map[Endpoint]Server{}
		sum := 0
		sorry := v.Sorry != nil && !r.up[v.Name]
		for _, s := range v.Servers {
			alive := r.isAlive(v, s)
			if alive != r.alive[v.Name][s.Endpoint] {
				t.Fatalf("%s of %s is alive: %v, but the last that was told is the opposite", s.Endpoint, v.Name, alive)
			}
			k := s.Server
			k.Weight = r.weight(v, s)
			if alive {
				sum += k.Weight
			}
			if !alive || sorry {
				k.Weight = 0
			}
			if alive && !sorry || s.Inhibit {
				want[s.Endpoint] = k
			}
		}
		if up := r.up[v.Name]; up && (sum == 0 || sum < v.Quorum-v.Hysteresis) || !up && sum >= v.Quorum+v.Hysteresis {
			t.Fatalf("%s: up is %v with weight %d, quorum %d, hysteresis %d", v.Name, up, sum, v.Quorum, v.Hysteresis)
		}
		if v.Sorry != nil {
			switch _, also := want[v.Sorry.Endpoint]; {
			case sorry:
				want[v.Sorry.Endpoint] = *v.Sorry
			case v.SorryInhibit && !also:
				k := *v.Sorry
				k.Weight = 0
				want[k.Endpoint] = k
			}
		}
		got := map[Endpoint]Server{}
		for _, s := range services[i].Servers {
			got[s.Endpoint] = s
		}
		if len(got) != len(services[i].Servers) || !slices.IsSortedFunc(services[i].Servers, byEndpoint) {
			t.Fatalf("servers are not sorted or not different: %+v", services[i].Servers)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s has %+v, want %+v", v.Name, got, want)
		}
	}
}

package sim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// World is a simulated network in virtual time. It is not safe for concurrent
// use, and the same spec, seed and calls give the same run.
type World struct {
	now     time.Duration
	queue   queue
	rng     *rand.Rand
	bounds  Bounds
	net     network
	hosts   []*Host
	clients []*client
	mon     *monitor
	trace   *Trace
	stats   Stats
}

// Stats count what a run consisted of.
type Stats struct {
	Simulated   time.Duration
	Runs        int
	Adverts     int // handed to a router
	Announces   int // frames
	Asks        int
	Lost        int // frames that the network lost or cut
	Transitions int
	Faults      map[FaultKind]int
	Settled     int // times that the state after a quiet time was examined
	Singles     int // single faults examined
	Caches      int // neighbour entries examined
	Excused     int // neighbour entries that nobody could have known to be wrong
}

// add adds o to s.
func (s *Stats) add(o *Stats) {
	s.Simulated += o.Simulated
	s.Runs += o.Runs
	s.Adverts += o.Adverts
	s.Announces += o.Announces
	s.Asks += o.Asks
	s.Lost += o.Lost
	s.Transitions += o.Transitions
	s.Settled += o.Settled
	s.Singles += o.Singles
	s.Caches += o.Caches
	s.Excused += o.Excused
	if s.Faults == nil {
		s.Faults = make(map[FaultKind]int)
	}
	for k, n := range o.Faults {
		s.Faults[k] += n
	}
}

// faults is the number of all faults.
func (s *Stats) faults() int {
	n := 0
	for _, k := range s.Faults {
		n += k
	}
	return n
}

// NewWorld builds the network of spec; nothing runs yet. With trace not nil
// everything that happens is written there.
func NewWorld(spec *Spec, seed uint64, trace *Trace) *World {
	w := &World{
		rng: rand.New(rand.NewPCG(seed, 0x68616b656570)), bounds: spec.Bounds, trace: trace,
		stats: Stats{Faults: make(map[FaultKind]int)}, net: network{last: make(map[[2]node]time.Duration)},
	}
	w.mon = newMonitor(w)
	for i := range spec.Hosts {
		w.addHost(&spec.Hosts[i])
	}
	for i := range spec.Clients {
		w.addClient(&spec.Clients[i])
	}
	return w
}

func (w *World) addHost(spec *HostSpec) *Host {
	h := &Host{w: w, index: len(w.hosts), spec: spec, config: spec.Instances, clock: clock{spec.ClockBase, spec.ClockPPM}}
	for i, name := range spec.Ports {
		h.ports = append(h.ports, port{name: name, index: i + 2, up: true, mac: hostMAC(h.index, i), own: ownAddrs(spec)})
	}
	w.hosts = append(w.hosts, h)
	return h
}

func ownAddrs(spec *HostSpec) []netip.Addr {
	var own []netip.Addr
	for _, a := range [...]netip.Addr{spec.Addr4, spec.Addr6} {
		if a.IsValid() {
			own = append(own, a)
		}
	}
	return own
}

func (w *World) addClient(spec *ClientSpec) *client {
	c := &client{w: w, index: len(w.clients), spec: spec, cache: make(map[netip.Addr]*neighbour)}
	w.clients = append(w.clients, c)
	return c
}

// maxSpin is how much may happen in one moment before it is taken for a loop
// without end.
const maxSpin = 100_000

// Run lets d pass. It returns the first violation of an invariant.
func (w *World) Run(d time.Duration) error {
	end := w.now + d
	for spin := 0; w.mon.violation == nil && len(w.queue.items) > 0 && w.queue.items[0].at <= end; {
		h := w.queue.pop()
		if spin++; h.at != w.now {
			spin = 0
		}
		if spin > maxSpin {
			w.mon.fail(InvDeadline, nil, "time stands still")
		}
		w.now = h.at
		h.do()
	}
	if w.mon.violation != nil {
		return w.mon.violation
	}
	w.now = end
	return nil
}

// at plans something for a moment that is not over.
func (w *World) at(t time.Duration, do func()) { w.queue.push(max(t, w.now), do) }

// within is a random time from lo to hi.
func (w *World) within(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(w.rng.Int64N(int64(hi-lo)+1))
}

// log writes one line of a plane.
func (w *World) log(p Plane, format string, args ...any) {
	if w.trace != nil {
		w.trace.add(w.now, p, fmt.Sprintf(format, args...))
	}
}

// Start starts every host at once.
func (w *World) Start() {
	for _, h := range w.hosts {
		h.boot()
	}
}

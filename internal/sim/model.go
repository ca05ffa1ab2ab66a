package sim

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hakeep/vrrp"
)

// Model is a network of a few routers with one instance each, small enough to
// look at every state that it can get into.
//
// Its state is that of the routers, with every time relative to now, and the
// adverts that are on their way. Nothing takes time but waiting: when no advert
// is on its way and no timer is due, time jumps to the next deadline. What
// happens in one moment happens in every order. Each fault may happen
// everywhere as long as some are left; whoever is down, asleep or cut off may
// come back at every moment at which something else happens, and every half
// interval. Nobody sleeps longer than a master down time and three intervals.
// The kernel may have the addresses that it was given at any moment before time
// passes on.
type Model struct {
	Name    string
	Routers []*vrrp.Params
	// Reloads are what the routers are configured with by a reload, nil for no
	// reload; the next reload brings the first configuration back.
	Reloads []*vrrp.Params
	// Faults is how many faults may happen, of the Kinds: FaultDrop (one advert
	// to one router), FaultPower, FaultKill, FaultLeave, FaultStandby, FaultStall,
	// FaultPause, FaultPort, FaultReload.
	Faults int
	Kinds  []FaultKind
	// MaxStates and MaxDepth end the search before it is complete, 0 for never.
	MaxStates, MaxDepth int
}

// ModelResult is what a search has seen.
type ModelResult struct {
	States, Steps, Depth int
	// Quiet is how many of the states had been quiet for so long that all had to
	// be settled.
	Quiet int
	// Complete is set when there was no state left to look at.
	Complete bool
}

func (r *ModelResult) String() string {
	how := "complete"
	if !r.Complete {
		how = "stopped at the limit"
	}
	return fmt.Sprintf("%d states, %d steps, %d of them deep, %d quiet states, %s", r.States, r.Steps, r.Depth, r.Quiet, how)
}

// modelHost is one router of a state.
type modelHost struct {
	r      *vrrp.Router // nil when it is off
	asleep power        // powerOn, stalled or paused
	cut    bool         // its link is down
	second bool         // it has the configuration of Reloads
	socket []modelAdvert
	sent   time.Duration // its last advert; the Router knows it too
	dozed  time.Duration // when it fell asleep
	woke   time.Duration // when it ran again
	heard  time.Duration // when it last heard a better master, or one that leaves

	installing, has bool // its addresses are on their way into the kernel, or there
	held            bool // in standby

	mark time.Duration // until when it may go on as master after it was killed
}

// modelAdvert is a packet, by its number in search.payloads, and its sender.
type modelAdvert struct {
	from    int8
	payload int32
}

// modelState is one state. It is not changed after it was made.
type modelState struct {
	now    time.Duration
	hosts  []modelHost
	wire   [][]modelAdvert // on the way to each host, in order for each sender
	faults int
	calm   time.Duration // when the last fault began or ended
	owner  int           // who announced the addresses last
	knows  bool          // a master has heard of owner since, and must heal
	moving bool          // a planned move is going on, and nothing else has happened but the loss of one advert
	missed bool          // that loss
	killed int           // one more than the master that was killed in a quiet state, and nothing else has happened

	index, depth int
}

// search is a walk through the states of a model.
type search struct {
	m        *Model
	payloads [][]byte
	numbers  map[string]int32
	seen     map[[2]uint64]struct{}
	queue    []*modelState
	parents  []modelStep
	settle   time.Duration
	tick     time.Duration
	longest  time.Duration // that a router sleeps
	result   ModelResult
	err      error
	key      []byte
}

// modelStep is how a state came about: what happened to router i, with router
// from, at which time.
type modelStep struct {
	at      time.Duration
	parent  int32
	op      modelOp
	i, from int8
}

type modelOp uint8

const (
	opStart modelOp = iota + 1
	opPass
	opHear
	opLose
	opTimer
	opBoot
	opWake
	opJoin
	opPower
	opLeave
	opStall
	opPause
	opCut
	opReload
	opInstall
	opHold
	opRelease
	opKill
)

func (m *modelStep) String() string {
	text := [...]string{
		opStart: "all start", opPass: "time passes", opHear: "%d hears %d", opLose: "%[2]d's advert to %[1]d is lost", opTimer: "timer of %d",
		opBoot: "%d starts", opWake: "%d runs again", opJoin: "link of %d comes up", opPower: "%d loses its power", opLeave: "%d leaves",
		opStall: "%d is stalled", opPause: "%d is paused", opCut: "link of %d goes down", opReload: "%d reloads",
		opInstall: "%d has its addresses", opHold: "%d is put into standby", opRelease: "%d is resumed",
		opKill: "%d is killed",
	}[m.op]
	switch strings.Count(text, "%") {
	case 1:
		text = fmt.Sprintf(text, m.i)
	case 2:
		text = fmt.Sprintf(text, m.i, m.from)
	}
	return moment(m.at) + " " + text
}

// Search looks at all states, breadth first, so that the way to a violation is
// as short as possible.
func (m *Model) Search() (ModelResult, error) {
	s := &search{m: m, numbers: make(map[string]int32), seen: make(map[[2]uint64]struct{}), tick: m.Routers[0].Interval / 2}
	var wait, preempt time.Duration
	for _, p := range slices.Concat(m.Routers, m.Reloads) {
		if p != nil {
			wait = max(wait, masterDown(p, 1, p.Interval))
			preempt = max(preempt, p.PreemptDelay)
		}
	}
	s.settle, s.longest = preempt+3*wait, wait+3*m.Routers[0].Interval
	first := &modelState{now: time.Hour, faults: m.Faults, owner: -1, calm: time.Hour}
	first.hosts = make([]modelHost, len(m.Routers))
	first.wire = make([][]modelAdvert, len(m.Routers))
	for i := range first.hosts {
		s.boot(first, i)
	}
	s.add(first, modelStep{parent: -1, op: opStart})
	for len(s.queue) > 0 && s.err == nil {
		if m.MaxStates > 0 && s.result.States >= m.MaxStates {
			return s.result, nil
		}
		st := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		s.result.Depth = max(s.result.Depth, st.depth)
		if m.MaxDepth == 0 || st.depth < m.MaxDepth {
			s.expand(st)
		}
	}
	s.result.Complete = s.err == nil && m.MaxDepth == 0
	return s.result, s.err
}

// clone copies what a step may change.
func (st *modelState) clone() *modelState {
	c := *st
	c.hosts = slices.Clone(st.hosts)
	c.wire = make([][]modelAdvert, len(st.wire))
	for i := range st.wire {
		c.wire[i] = slices.Clone(st.wire[i])
	}
	return &c
}

// add notes a state that was reached.
func (s *search) add(st *modelState, by modelStep) {
	s.result.Steps++
	if s.err != nil {
		s.err = fmt.Errorf("%w\nthe way there:\n%s", s.err, s.way(by))
		return
	}
	k := s.keyOf(st)
	if _, known := s.seen[k]; known {
		return
	}
	s.seen[k] = struct{}{}
	st.index = len(s.parents)
	s.parents = append(s.parents, by)
	s.result.States++
	if s.quiet(st); s.err != nil {
		s.err = fmt.Errorf("%w\nthe way there:\n%s", s.err, s.way(by))
		return
	}
	s.queue = append(s.queue, st)
}

// way is how a state was reached.
func (s *search) way(last modelStep) string {
	lines := []string{last.String()}
	for i := last.parent; i >= 0; i = s.parents[i].parent {
		lines = append(lines, s.parents[i].String())
	}
	slices.Reverse(lines)
	return "  " + strings.Join(lines, "\n  ")
}

// keyOf is the fingerprint of a state.
func (s *search) keyOf(st *modelState) [2]uint64 {
	b := s.key[:0]
	b = append(b, byte(st.faults), byte(st.owner+1), byte(boolTime(st.knows)|boolTime(st.moving)<<1|boolTime(st.missed)<<2|time.Duration(st.killed)<<3))
	b = binary.BigEndian.AppendUint64(b, uint64(min(st.now-st.calm, s.settle)))
	gone := false
	for i := range st.hosts {
		h := &st.hosts[i]
		b = append(b, byte(h.asleep), byte(boolTime(h.cut)|boolTime(h.second)<<1|boolTime(h.installing)<<2|boolTime(h.has)<<3|boolTime(h.held)<<4))
		if h.asleep != powerOn {
			b = binary.BigEndian.AppendUint64(b, uint64(st.now-h.dozed))
		}
		if h.r == nil && h.has {
			b = binary.BigEndian.AppendUint64(b, uint64(max(h.mark-st.now, 0)))
		}
		gone = gone || h.r == nil || h.cut || h.asleep != powerOn
		if h.r != nil {
			b = h.r.Fingerprint(append(b, 1), st.now)
		}
		b = appendAdverts(b, h.socket)
		for from := range st.hosts {
			for _, a := range st.wire[i] {
				if int(a.from) == from {
					b = binary.BigEndian.AppendUint32(b, uint32(a.payload)+1)
				}
			}
			b = append(b, 0xff)
		}
	}
	if gone {
		b = binary.BigEndian.AppendUint64(b, uint64(st.now%s.tick))
	}
	s.key = b
	return hash128(b)
}

func appendAdverts(b []byte, list []modelAdvert) []byte {
	for _, a := range list {
		b = binary.BigEndian.AppendUint32(append(b, byte(a.from)), uint32(a.payload))
	}
	return append(b, 0xff)
}

// hash128 is FNV-1a, twice with different offsets: two of ten million states
// share one with a probability of 10^-24.
func hash128(b []byte) [2]uint64 {
	const prime = 1099511628211
	x, y := uint64(14695981039346656037), uint64(0x9e3779b97f4a7c15)
	for _, c := range b {
		x = (x ^ uint64(c)) * prime
		y = (y ^ uint64(c)) * 0xff51afd7ed558ccd
		y ^= y >> 33
	}
	return [2]uint64{x, y}
}

// addr is the address of a router; a later one has a higher address.
func (s *search) addr(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}) }

func (s *search) params(h *modelHost, i int) *vrrp.Params {
	if h.second {
		return s.m.Reloads[i]
	}
	return s.m.Routers[i]
}

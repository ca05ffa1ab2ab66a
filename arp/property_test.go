package arp

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// owed is the plainest statement of what a schedule owes, without queues,
// turns and pacing: the reference that the schedule is compared with.
type owed struct {
	left, rounds int
	second       time.Duration
}

type refKey struct {
	id   uint32
	addr netip.Addr
	link int
}

type refInstance struct {
	set          Settings
	refresh      time.Duration
	provoked     bool
	provokedNext time.Duration
	gap          time.Duration
}

type reference struct {
	instances map[uint32]*refInstance
	owed      map[refKey]*owed
}

func (r *reference) of(id uint32) []*owed {
	var out []*owed
	for k, o := range r.owed {
		if k.id == id {
			out = append(out, o)
		}
	}
	return out
}

func (r *reference) configure(now time.Duration, in *refInstance, set Settings) {
	if set.Refresh != in.set.Refresh {
		in.refresh = now + set.Refresh
	}
	in.set = set
}

func (o *owed) burst(now time.Duration, rounds int, delay time.Duration) {
	if rounds == 0 {
		return
	}
	o.left = max(o.left, rounds)
	if delay > 0 {
		o.second, o.rounds = max(o.second, now+delay), max(o.rounds, rounds)
	}
}

func (r *reference) begin(now time.Duration, id uint32, cause Cause, set Settings, list []Target) {
	in := r.instances[id]
	if in == nil {
		in = &refInstance{}
		r.instances[id] = in
	}
	r.configure(now, in, set)
	if cause == CauseLowerPriority && in.provoked {
		return
	}
	for _, t := range list {
		k := refKey{id, t.Addr, t.Link}
		if r.owed[k] == nil {
			r.owed[k] = &owed{}
		}
		switch cause {
		case CauseMaster, CauseAdded:
			r.owed[k].burst(now, max(1, set.Repeat), set.Delay)
		case CauseRefresh:
			r.owed[k].burst(now, max(1, set.RefreshRepeat), 0)
		}
	}
	if cause == CauseLowerPriority && set.LowerPrioRepeat > 0 {
		if in.provoked = now < in.provokedNext; !in.provoked {
			r.provoke(now, id)
		}
	}
	for _, o := range r.of(id) {
		if len(list) == 0 && cause == CauseMaster {
			o.burst(now, max(1, set.Repeat), set.Delay)
		}
		if len(list) == 0 && cause == CauseRefresh {
			o.burst(now, max(1, set.RefreshRepeat), 0)
		}
	}
}

func (r *reference) provoke(now time.Duration, id uint32) {
	in := r.instances[id]
	switch last := in.provokedNext - in.gap; {
	case in.gap == 0 || now-last >= provokedQuiet:
		in.gap = provokedGapMin
	default:
		in.gap = min(in.gap*2, provokedGapMax)
	}
	in.provoked, in.provokedNext = false, now+in.gap
	for _, o := range r.of(id) {
		o.burst(now, in.set.LowerPrioRepeat, in.set.LowerPrioDelay)
	}
}

// advance does what the time brings about.
func (r *reference) advance(now time.Duration) {
	for id, in := range r.instances {
		list := r.of(id)
		for _, o := range list {
			if o.rounds > 0 && o.second <= now {
				o.left, o.rounds, o.second = max(o.left, o.rounds), 0, 0
			}
		}
		if len(list) == 0 {
			continue // a refresh or a burst put off waits for addresses
		}
		if in.provoked && in.provokedNext <= now {
			r.provoke(now, id)
		}
		if in.set.Refresh > 0 && in.refresh <= now {
			for _, o := range list {
				o.burst(now, in.set.RefreshRepeat, 0)
			}
			for in.refresh <= now {
				in.refresh += in.set.Refresh
			}
		}
	}
}

func drawSettings(rt *rapid.T, interval time.Duration) Settings {
	ms := func(label string, of ...int) time.Duration {
		return time.Duration(rapid.SampledFrom(of).Draw(rt, label)) * time.Millisecond
	}
	return Settings{
		Repeat: rapid.IntRange(0, 3).Draw(rt, "repeat"), Delay: ms("delay", 0, 50, 200),
		Refresh: ms("refresh", 0, 70, 300), RefreshRepeat: rapid.IntRange(0, 2).Draw(rt, "refreshRepeat"),
		LowerPrioRepeat: rapid.IntRange(0, 3).Draw(rt, "lowerRepeat"), LowerPrioDelay: ms("lowerDelay", 0, 60, 150),
		Interval: interval, NAInterval: 2 * interval,
	}
}

func drawTargets(rt *rapid.T) []Target {
	draw := rapid.Custom(func(rt *rapid.T) Target {
		t := target(rapid.IntRange(1, 5).Draw(rt, "address"))
		if rapid.Bool().Draw(rt, "v6") {
			t = target6(int(t.Addr.AsSlice()[3]))
		}
		t.Link = rapid.IntRange(1, 2).Draw(rt, "link")
		t.Group = uint32(rapid.IntRange(0, 1).Draw(rt, "group"))
		return t
	})
	return rapid.SliceOfN(draw, 0, 6).Draw(rt, "targets")
}

// world is a schedule, what it is fed with, and the reference.
type world struct {
	s        *Schedule
	ref      reference
	now      time.Duration
	interval time.Duration
}

func newWorld(interval time.Duration) *world {
	return &world{
		s: NewSchedule(), interval: interval,
		ref: reference{instances: map[uint32]*refInstance{}, owed: map[refKey]*owed{}},
	}
}

// feed does one random thing to the schedule and to the reference.
func (w *world) feed(rt *rapid.T) {
	id := uint32(rapid.IntRange(1, 3).Draw(rt, "id"))
	switch rapid.IntRange(0, 9).Draw(rt, "what") {
	case 0:
		w.s.Stop(id)
		delete(w.ref.instances, id)
		maps.DeleteFunc(w.ref.owed, func(k refKey, _ *owed) bool { return k.id == id })
	case 1:
		addr := target(rapid.IntRange(1, 5).Draw(rt, "address")).Addr
		w.s.StopAddr(id, addr)
		maps.DeleteFunc(w.ref.owed, func(k refKey, _ *owed) bool { return k.id == id && k.addr == addr })
	case 2:
		set := drawSettings(rt, w.interval)
		w.s.Configure(w.now, id, set)
		if in := w.ref.instances[id]; in != nil {
			w.ref.configure(w.now, in, set)
		}
	default:
		cause := rapid.SampledFrom([]Cause{CauseMaster, CauseLowerPriority, CauseRefresh, CauseAdded}).Draw(rt, "cause")
		set, list := drawSettings(rt, w.interval), drawTargets(rt)
		w.s.Begin(w.now, id, cause, set, list)
		w.ref.begin(w.now, id, cause, set, list)
	}
}

// Without pacing, what is handed out is what the reference owes, at every
// moment and after whatever calls; and Next is never late.
func TestScheduleOwesWhatTheReferenceOwes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(0)
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			w.feed(rt)
			audit(rt, w.s)
			if rapid.Bool().Draw(rt, "goOn") {
				w.now += time.Duration(rapid.IntRange(0, 250).Draw(rt, "ms")) * time.Millisecond
			}
			w.ref.advance(w.now)
			want := map[netip.Addr]int{}
			for k, o := range w.ref.owed {
				if o.left > 0 {
					want[k.addr] += o.left
					o.left = 0
				}
			}
			if at, ok := w.s.Next(); len(want) > 0 && (!ok || at > w.now) {
				rt.Fatalf("at %v next is %v %v, but announcements are due: %v", w.now, at, ok, want)
			}
			got := map[netip.Addr]int{}
			w.s.Due(w.now, 1000, func(t Target) { got[t.Addr]++ })
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				rt.Fatalf("at %v (-want +got):\n%s", w.now, diff)
			}
			audit(rt, w.s)
			if at, ok := w.s.Next(); ok && at <= w.now {
				rt.Fatalf("at %v, with everything handed out, next is %v", w.now, at)
			}
		}
	})
}

// With pacing and small calls of Due: the gaps hold on every budget whatever is
// fed in, what is outstanding is bounded, nothing of what was stopped leaves,
// and everything owed leaves in the end.
func TestRatesHoldWhateverBegins(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(time.Duration(rapid.IntRange(1, 40).Draw(rt, "interval")) * time.Millisecond)
		groupGap := time.Duration(rapid.IntRange(1, 40).Draw(rt, "groupInterval")) * time.Millisecond
		w.s.SetGroups([]Group{{ID: 1, Interval: groupGap, NAInterval: 3 * groupGap}})
		last := map[laneKey]time.Duration{}
		due := func() {
			w.ref.advance(w.now)
			limit := rapid.IntRange(1, 4).Draw(rt, "limit")
			n := w.s.Due(w.now, limit, func(t Target) {
				known := slices.ContainsFunc([]uint32{1, 2, 3}, func(id uint32) bool {
					return w.ref.owed[refKey{id, t.Addr, t.Link}] != nil
				})
				if !known {
					rt.Fatalf("at %v %v leaves, which no instance has", w.now, t)
				}
				k := keyOf(t)
				gap := w.interval
				if t.Group != 0 {
					gap = groupGap
				}
				if t.Addr.Is6() {
					gap *= map[bool]time.Duration{false: 2, true: 3}[t.Group != 0]
				}
				if before, ok := last[k]; ok && w.now-before < gap {
					rt.Fatalf("at %v %v leaves %v after the one before it, want %v", w.now, t, w.now-before, gap)
				}
				last[k] = w.now
			})
			if n > limit {
				rt.Fatalf("%d announcements, at most %d were wanted", n, limit)
			}
			audit(rt, w.s)
			if bound := 3 * len(w.ref.owed); w.s.Pending() > bound {
				rt.Fatalf("%d announcements pile up, want no more than %d", w.s.Pending(), bound)
			}
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			for range rapid.IntRange(1, 3).Draw(rt, "calls") {
				w.feed(rt)
			}
			due()
			if at, ok := w.s.Next(); ok && rapid.Bool().Draw(rt, "toNext") {
				w.now = max(w.now, at)
			} else {
				w.now += time.Duration(rapid.IntRange(0, 50).Draw(rt, "ms")) * time.Millisecond
			}
		}
		for id := range w.ref.instances { // no refreshes, then it must come to an end
			w.s.Configure(w.now, id, Settings{Interval: w.interval, NAInterval: 2 * w.interval})
		}
		for range 2000 {
			at, ok := w.s.Next()
			if !ok {
				return
			}
			w.now = max(w.now, at)
			due()
		}
		rt.Fatalf("not finished: %d left", w.s.Pending())
	})
}

// A clone and its original do the same with the same calls.
func TestCloneDoesTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rapid.SampledFrom([]time.Duration{0, 10 * time.Millisecond}).Draw(rt, "interval"))
		for range rapid.IntRange(1, 10).Draw(rt, "steps") {
			w.feed(rt)
			w.s.Due(w.now, 3, func(Target) {})
			w.now += 20 * time.Millisecond
		}
		c := w.s.Clone()
		play := func(s *Schedule) []string {
			var out []string
			now := w.now
			for range 30 {
				at, ok := s.Next()
				out = append(out, fmt.Sprint(at, ok))
				now = max(now, min(at, now+time.Second))
				s.Due(now, 2, func(t Target) { out = append(out, fmt.Sprint(now, t)) })
			}
			audit(rt, s)
			return out
		}
		first, second := play(c), play(w.s)
		if diff := cmp.Diff(first, second); diff != "" {
			rt.Fatalf("clone and original differ:\n%s", diff)
		}
	})
}

// The steady path, as the elector runs it, takes no memory: refreshes, provoked
// bursts, second bursts, taking over and giving up again.
func TestScheduleDoesNotAllocate(t *testing.T) {
	s := NewSchedule()
	set := DefaultSettings()
	set.Refresh, set.Interval = time.Second, time.Millisecond
	list := append(targets(0, 100), target6(1), on(2, target6(2)))
	now := time.Duration(0)
	n := 0
	emit := func(Target) { n++ }
	s.Begin(now, 1, CauseMaster, set, list)
	round := func() {
		s.Begin(now, 2, CauseMaster, set, list)
		s.Begin(now, 1, CauseLowerPriority, set, list)
		for range 400 {
			s.Due(now, Batch, emit)
			s.Next()
			now += 2 * time.Millisecond
		}
		s.Stop(2)
	}
	for range 8 { // maps reach their size
		round()
	}
	if allocs := testing.AllocsPerRun(10, round); allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
	if n == 0 {
		t.Error("nothing was announced")
	}
}

package vrrp

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// TestTimers are the formulas of RFC 9568, 6.1 and RFC 3768, 6.1, worked out by
// hand in nanoseconds.
func TestTimers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v          Version
		priority   uint8
		interval   time.Duration
		adverts    int
		skew, down time.Duration
	}{
		{V3, 254, 10 * ms, 3, 78125, 30*ms + 78125},
		{V3, 253, 10 * ms, 3, 117187, 30*ms + 117187}, // 117,187.5
		{V3, 200, 10 * ms, 3, 2187500, 32187500},
		{V3, 100, 10 * ms, 3, 6093750, 36093750},
		{V3, 1, 10 * ms, 3, 9960937, 39960937},
		{V3, 254, 100 * ms, 3, 781250, 300781250},
		{V3, 100, 100 * ms, 3, 60937500, 360937500},
		{V3, 100, second, 3, 609375000, 3609375000},
		{V3, 255, second, 3, second / 256, 3*second + second/256},
		{V3, 1, second, 3, 255 * second / 256, 3*second + 255*second/256},
		{V3, 100, 40950 * ms, 3, 24953906250, 147803906250},
		{V3, 100, second, 1, 609375000, 1609375000},
		{V3, 100, second, 100, 609375000, 100609375000},
		// Version 2: the skew does not depend on the interval.
		{V2, 100, second, 3, 609375000, 3609375000},
		{V2, 100, 10 * second, 3, 609375000, 30609375000},
		{V2, 255, 255 * second, 3, 3906250, 765*second + 3906250},
		{V2, 1, second, 2, 996093750, 2996093750},
	} {
		t.Run(fmt.Sprintf("v%v priority %d at %v, %d adverts", c.v, c.priority, c.interval, c.adverts), func(t *testing.T) {
			t.Parallel()
			if got := SkewTime(c.v, c.priority, c.interval); got != c.skew {
				t.Errorf("skew %v, want %v", got, c.skew)
			}
			if got := MasterDownInterval(c.v, c.priority, c.interval, c.adverts); got != c.down {
				t.Errorf("master down %v, want %v", got, c.down)
			}
		})
	}
}

// TestSkewsAreAllDifferent: at 10 ms in whole centiseconds they would all be 0,
// and all backups would take over together.
func TestSkewsAreAllDifferent(t *testing.T) {
	t.Parallel()
	for priority := 1; priority < 255; priority++ {
		better := SkewTime(V3, uint8(priority+1), 10*ms)
		if gap := SkewTime(V3, uint8(priority), 10*ms) - better; gap < 39*time.Microsecond {
			t.Errorf("priority %d is only %v behind the next", priority, gap)
		}
	}
}

// thousand is a router with 1,000 instances of different timers.
func thousand(t testing.TB) *host {
	var params []*Params
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		p := testParams(uint8(1 + random.IntN(254)))
		p.Name, p.VRID = fmt.Sprint("VI_", i), uint8(1+i%255)
		p.Group = netip.AddrFrom4([4]byte{224, 0, 0, byte(18 + i/255)})
		p.Interval = time.Duration(1+random.IntN(400)) * 10 * ms
		p.Addrs = []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}
		params = append(params, p)
	}
	return newHost(t, params...)
}

// earliest is the next deadline, found without the heap.
func earliest(r *Router) time.Duration {
	first := Forever
	for i := range r.instances {
		first = min(first, r.instances[i].deadline())
	}
	return first
}

// TestHeap drives 1,000 instances by adverts and timeouts and compares the next
// deadline with the least of all.
func TestHeap(t *testing.T) {
	t.Parallel()
	h := thousand(t)
	random := rand.New(rand.NewPCG(3, 4))
	masters := 0
	for range 6000 {
		d, ok := h.r.NextDeadline()
		if want := earliest(h.r); !ok || d != want {
			t.Fatalf("at %v the next deadline is %v, want %v", h.now, d, want)
		}
		which := random.IntN(1000)
		id := h.r.instances[which].id
		switch random.IntN(8) {
		case 0, 1:
			h.hearFrom(h.now, h.r.instances[which].p, higherAddr, uint8(random.IntN(256)))
			continue
		case 2: // from here to fault and back: the deadline moves both ways
			h.step(h.now, Tracked{ID: id, Weight: random.IntN(100) - 50, Fault: random.IntN(2) == 0})
			continue
		case 3:
			h.step(h.now, AddressTaken{id})
			continue
		}
		h.now = max(h.now, d) // a better priority may make a timer end in the past
		for _, a := range h.r.Step(h.now, Timeout{}) {
			if a.Kind == Transition && a.To == Master {
				masters++
			}
		}
	}
	if masters < 150 {
		t.Errorf("only %d take-overs: the test does not test much", masters)
	}
}

// TestEqualDeadlinesActInTheOrderOfTheConfiguration, so that the same input
// gives the same output.
func TestEqualDeadlinesActInTheOrderOfTheConfiguration(t *testing.T) {
	t.Parallel()
	var params []*Params
	for i := range 50 {
		params = append(params, with(testParams(100), func(p *Params) {
			p.Name, p.VRID = fmt.Sprint(i), uint8(i+1)
		}))
	}
	h := newHost(t, params...)
	var ids []ID
	for _, a := range h.r.Step(down100, Timeout{}) {
		if a.Kind == Transition {
			ids = append(ids, a.ID)
		}
	}
	if len(ids) != 50 || !slices.IsSorted(ids) {
		t.Fatalf("instances acted in the order %v", ids)
	}
}

// TestTimeoutLimit bounds how many act; the rest stays due.
func TestTimeoutLimit(t *testing.T) {
	t.Parallel()
	a := with(testParams(100), func(p *Params) { p.Name = "A" })
	b := with(testParams(100), func(p *Params) { p.Name, p.VRID = "B", 52 })
	h := newHost(t, a, b)
	if h.r.TakeoverDue(down100 - 1) {
		t.Error("a take-over is due too soon")
	}
	if !h.r.TakeoverDue(down100) {
		t.Error("no take-over is due")
	}
	h.expect(h.step(down100, Timeout{Limit: 1}), tookOver(100, Backup, CauseMasterTimeout))
	if !h.r.TakeoverDue(down100) {
		t.Error("the other take-over is not due")
	}
	if d, _ := h.r.NextDeadline(); d != down100 {
		t.Errorf("next deadline %v, want %v", d, down100)
	}
	h.step(down100, Timeout{Limit: 1})
	if h.r.TakeoverDue(down100 + second) {
		t.Error("an advert that is due was taken for a take-over")
	}
	// Both adverts are due at one moment. Held back once, they stay apart.
	h.expect(h.step(down100+second, Timeout{Limit: 1}), "send 100")
	h.expect(h.step(down100+second+ms, Timeout{Limit: 1, Paced: true}), "#2 send 100")
	h.expect(h.until(down100+2*second), "send 100")
	h.expect(h.until(down100+2*second+ms), "#2 send 100")
}

// TestDueLooksEverywhere: whether a take-over or an advert is due is found below others
// that are due.
func TestDueLooksEverywhere(t *testing.T) {
	t.Parallel()
	h := thousand(t)
	for range 500 {
		d, _ := h.r.NextDeadline()
		for _, now := range []time.Duration{d, d + 20*ms, d + second} {
			takeover, advert := false, Forever
			for i := range h.r.instances {
				in := &h.r.instances[i]
				takeover = takeover || in.state == Backup && in.deadline() <= now
				if in.state == Master && in.timer <= now && !in.unsure(now) {
					advert = min(advert, in.timer)
				}
			}
			if got := h.r.TakeoverDue(now); got != takeover {
				t.Fatalf("at %v: a take-over is due: %v, want %v", now, got, takeover)
			}
			if got, ok := h.r.AdvertDue(now); got != advert || ok != (advert != Forever) {
				t.Fatalf("at %v: an advert is due since %v, %v, want %v", now, got, ok, advert)
			}
		}
		h.r.Step(d, Timeout{})
		h.now = d
	}
}

// TestTimeoutForAdverts lets masters advertise although a backup is due, which goes on
// waiting.
func TestTimeoutForAdverts(t *testing.T) {
	t.Parallel()
	a := with(testParams(100), func(p *Params) { p.Name = "A" })
	b := with(testParams(100), func(p *Params) { p.Name, p.VRID = "B", 52 })
	c := with(testParams(100), func(p *Params) { p.Name, p.VRID = "C", 53 })
	h := newHost(t, a, b, c)
	only := func(limit int) Timeout { return Timeout{Limit: limit, Adverts: true} }
	h.expect(h.step(down100, only(0)), "")
	if due, ok := h.r.AdvertDue(down100); ok {
		t.Errorf("an advert of a backup is due since %v", due)
	}
	h.step(down100, Timeout{Limit: 2})
	at := down100 + second
	if _, ok := h.r.AdvertDue(at - 1); ok {
		t.Error("an advert is due too soon")
	}
	if due, ok := h.r.AdvertDue(at + ms); !ok || due != at {
		t.Errorf("an advert is due since %v (%v), want %v", due, ok, at)
	}
	h.expect(h.step(at+ms, only(1)), "send 100")
	h.expect(h.step(at+ms, only(1)), "#2 send 100")
	h.expect(h.step(at+ms, only(0)), "")
	if !h.r.TakeoverDue(at + ms) {
		t.Error("the backup has stopped waiting")
	}
	if h.step(at+second+ms, Timeout{Limit: 1}); h.r.TakeoverDue(at + second + ms) {
		t.Error("the backup, which is so late that it listens first, has not done so")
	}
	// The beat of the others is what it was.
	h.expect(h.step(at+second+ms, only(0)), "send 100, #2 send 100")
	at += 2 * second
	if due, ok := h.r.AdvertDue(at); !ok || due != at {
		t.Errorf("the next adverts are due at %v (%v)", due, ok)
	}
	// So late that another router must have taken over, which this one cannot hear.
	for range 2 {
		if due, ok := h.r.AdvertDue(at + 4*second); ok {
			t.Errorf("an advert is due since %v, although it is too late for it", due)
		}
		h.expect(h.step(at+4*second, only(0)), "")
		if h.step(at+4*second, Timeout{}); !h.r.instances[0].graced {
			t.Error("the master does not listen")
		}
		at += 8 * second // listening, and its time is over
	}
}

// TestTimersOfAMaster: lateness does not add up, and what was missed during a
// long stall is not made good.
func TestTimersOfAMaster(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams(100))
	start := h.now
	h.expect(h.step(start+second+300*ms, Timeout{}), "send 100")
	h.expectState(Master, CauseMasterTimeout, start+2*second)
	h.expect(h.step(start+2*second, Timeout{}), "send 100")
	// One interval late to the nanosecond: the missed advert is not made good.
	h.expect(h.step(start+4*second, Timeout{}), "send 100")
	h.expectState(Master, CauseMasterTimeout, start+5*second)
	h.expect(h.step(start+5*second, Timeout{}), "send 100")
	h.expectState(Master, CauseMasterTimeout, start+6*second)
	h.expect(h.step(start+5*second, Timeout{}), "")
	// Late, but not so late that another one must have taken over.
	h.expect(h.step(start+7500*ms, Timeout{}), "send 100")
}

func TestNoDeadline(t *testing.T) {
	t.Parallel()
	if _, ok := NewRouter().NextDeadline(); ok {
		t.Error("a router without instances awaits something")
	}
	h := newHost(t, testParams(100))
	h.link(0, false, ownAddr)
	if d, ok := h.r.NextDeadline(); ok {
		t.Errorf("a faulty instance awaits %v", d)
	}
	h.expect(h.step(100*second, Timeout{}), "")
}

// TestSteadyStateAllocatesNothing: the elector runs with the collector off.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	master, backup := newMaster(t, testParams(100)), newHost(t, testParams(100))
	master2, backup6 := newMaster(t, testParams2(100)), newHost(t, testParams6(100))
	zero := func(name string, f func()) {
		t.Helper()
		f()
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	better := packet(testParams(100), higherAddr, 200, nil)
	zero("an advert heard by a backup", func() { backup.r.Step(second, better) })
	better6 := packet(testParams6(100), higherAddr6, 200, nil)
	zero("an IPv6 advert heard by a backup", func() { backup6.r.Step(second, better6) })
	odd := packet(testParams(100), higherAddr, 200, func(a *Advert) { a.Addrs, a.Form = ips("192.0.2.9"), ChecksumPlain })
	zero("an odd advert heard by a backup", func() { backup.r.Step(second, odd) })
	bad := broken(testParams(100), ladder()[0])
	zero("a discarded packet", func() { backup.r.Step(second, bad) })
	worse := packet(testParams(100), lowerAddr, 50, nil)
	zero("a worse advert heard by a master", func() { master.r.Step(master.now, worse) })
	zero("a master's advert", func() { advertOnce(t, master) })
	zero("a version 2 master's advert", func() { advertOnce(t, master2) })
	var states [4]InstanceState
	zero("a snapshot", func() { master.r.Snapshot(states[:0]) })
}

// advertOnce lets the next advert of a master leave.
func advertOnce(t *testing.T, h *host) {
	for range 3 { // at most the end of an announcement's delay comes before
		h.now, _ = h.r.NextDeadline()
		for _, a := range h.r.Step(h.now, Timeout{}) {
			if a.Kind == SendAdvert {
				return
			}
		}
	}
	t.Fatal("nothing to send")
}

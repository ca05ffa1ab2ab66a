package vrrp

import (
	"testing"
	"time"
)

// What internal/sim found, each as small as it can be.

// TestReloadKeepsTheFollowedInterval also when a lower master was heard since:
// a reload of something else must not make the wait longer.
func TestReloadKeepsTheFollowedInterval(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams(100))
	h.step(second, packet(testParams(100), lowerAddr, 200, func(a *Advert) { a.Interval = 100 * ms }))
	h.hear(second+50*ms, lowerAddr, 50)
	h.reload(second+60*ms, with(testParams(100), func(p *Params) { p.HigherPrioSendAdvert = true }))
	h.expectState(Backup, CauseStartup, second+300*ms+skew100/10)
}

// TestLingerWithTwoWinners: two backups that take over at once answer each other
// before either has the addresses. That is no second advert of the winner.
func TestLingerWithTwoWinners(t *testing.T) {
	t.Parallel()
	p := planned(150)
	r, start := plannedMaster(t, p)
	r.Step(start, Shutdown{})
	for _, step := range []struct {
		at   time.Duration
		src  string
		gone bool
	}{
		{200 * ms, lowerAddr, false},
		{200*ms + 50*time.Microsecond, higherAddr, false},
		{200*ms + 300*time.Microsecond, higherAddr, false}, // its answer to the other
		{210 * ms, lowerAddr, false},                       // its last word
		{220 * ms, higherAddr, false},
		{225 * ms, higherAddr, true},
	} {
		if got := has(hearOn(r, start+step.at, p, 2, step.src, 100), Remove); got != step.gone {
			t.Errorf("after %v: removed %v", step.at, got)
		}
	}
}

// TestStandbyWithinTheStartupDelay holds an owner back too.
func TestStandbyWithinTheStartupDelay(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	p := with(testParams(OwnerPriority), func(p *Params) { p.StartMaster = true })
	h.step(0, Reconfigure{Start: 10 * second, Instances: []*Params{p}})
	h.step(second, Standby{ID: 1, On: true})
	h.expect(h.until(100*second), "INIT>BACKUP startup")
}

// TestLateMasterLeaves without claiming to be master once more.
func TestLateMasterLeaves(t *testing.T) {
	t.Parallel()
	r, now := plannedMaster(t, planned(150))
	for _, a := range r.Step(now+60*second, Shutdown{}) {
		if a.Kind == SendAdvert && a.Priority != 0 {
			t.Errorf("sent priority %d", a.Priority)
		}
	}
}

// TestTakeIsReconsidered when the priority falls while the addresses are being
// put in place.
func TestTakeIsReconsidered(t *testing.T) {
	t.Parallel()
	for name, fall := range map[string]Event{
		"tracking": Tracked{ID: 1, Weight: -150},
		"reload":   Reconfigure{Instances: []*Params{planned(50)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := planned(200)
			r := started(p)
			hearOn(r, 0, p, 2, "192.0.2.9", 100)
			now, _ := r.NextDeadline()
			r.Step(now, Timeout{})
			if a := r.Step(now+ms, fall); !has(a, Remove) || state(r).State != Backup {
				t.Errorf("%v, %v", kinds(a), state(r).State)
			}
			if a := r.Step(now+2*ms, Installed{ID: 1}); len(a) != 0 {
				t.Errorf("went on: %v", kinds(a))
			}
			if d, _ := r.NextDeadline(); d != now+ms+3*second+(256-50)*second/256 {
				t.Errorf("waits until %v", d-now)
			}
		})
	}
}

// TestTakeEndsTheLinger: the addresses that a router keeps for its successor are
// not removed any more when it takes them back.
func TestTakeEndsTheLinger(t *testing.T) {
	t.Parallel()
	p := with(planned(200), func(p *Params) { p.Interval, p.LeaveInterval = 10*ms, 0 })
	r, now := plannedMaster(t, p)
	r.Step(now, Tracked{ID: 1, Fault: true})
	r.Step(now+ms, Tracked{ID: 1})
	hearOn(r, now+2*ms, p, 2, "192.0.2.9", 100)
	for at := now + 2*ms; at < now+2*second; at += ms {
		if a := r.Step(at, Timeout{}); has(a, Remove) {
			t.Fatalf("removed after %v, state %v", at-now, state(r).State)
		}
	}
	if state(r).State != Master {
		t.Errorf("state %v", state(r).State)
	}
}

// TestLateMasterIsToldOfItsAddresses and does not take that for an occasion to
// go on.
func TestLateMasterIsToldOfItsAddresses(t *testing.T) {
	t.Parallel()
	r := started(planned(150))
	now, _ := r.NextDeadline()
	r.Step(now, Timeout{})
	if a := r.Step(now+60*second, Installed{ID: 1}); len(a) != 0 {
		t.Errorf("%v", kinds(a))
	}
}

// TestLateMasterIsSilent: what it had planned to announce would draw the
// neighbours away from the router that has taken over. It announces again when it
// goes on, also when that is because the other one leaves.
func TestLateMasterIsSilent(t *testing.T) {
	t.Parallel()
	woken := func(t *testing.T) (*Router, *Params, time.Duration) {
		p := planned(150)
		r, now := plannedMaster(t, p)
		now += 60 * second
		a := r.Step(now, Timeout{})
		if k := kinds(a); k[len(k)-1] != Linger {
			t.Fatalf("%v", k)
		}
		return r, p, now
	}
	t.Run("nobody is there", func(t *testing.T) {
		t.Parallel()
		r, _, now := woken(t)
		for at := now; at < now+1500*ms; at += ms {
			if a := r.Step(at, Timeout{}); len(a) != 0 {
				t.Fatalf("after %v: %v", at-now, kinds(a))
			}
		}
		if a := r.Step(now+1500*ms, Timeout{}); !has(a, SendAdvert) || !has(a, Announce) {
			t.Errorf("%v", kinds(a))
		}
	})
	t.Run("a longer interval does not end it", func(t *testing.T) {
		t.Parallel()
		r, p, now := woken(t)
		longer := with(p, func(p *Params) { p.Interval = 40 * second })
		if a := r.Step(now+ms, Reconfigure{Instances: []*Params{longer}}); has(a, SendAdvert) {
			t.Errorf("%v", kinds(a))
		}
		if a := r.Step(now+2*ms, Installed{ID: 1}); len(a) != 0 {
			t.Errorf("%v", kinds(a))
		}
		if hearOn(r, now+3*ms, longer, 2, "192.0.2.9", 100); state(r).State != Backup {
			t.Errorf("%v", state(r).State)
		}
	})
	t.Run("the other one leaves", func(t *testing.T) {
		t.Parallel()
		r, p, now := woken(t)
		if a := hearOn(r, now+ms, p, 2, "192.0.2.9", 0); !has(a, SendAdvert) || !has(a, Announce) {
			t.Errorf("%v", kinds(a))
		}
	})
}

// TestStandbyOfAMemberThatWants to be master holds the group back, although the
// member's own timer had ended before.
func TestStandbyOfAMemberThatWants(t *testing.T) {
	t.Parallel()
	a := with(testParams(200), func(p *Params) { p.SyncGroup = "G" })
	b := with(testParams(100), func(p *Params) { p.SyncGroup, p.Name, p.VRID, p.Addrs = "G", "VI_2", 52, ips("192.0.2.11") })
	h := newHost(t, a, b)
	h.until(down200 + 100*ms) // VI_1 wants
	h.step(down200+100*ms, Standby{ID: 1, On: true})
	h.until(100 * second)
	for _, s := range h.r.Snapshot(nil) {
		if s.State == Master {
			t.Errorf("%s is master, standby %v", s.Name, s.Standby)
		}
	}
}

// TestTakeThatIsLostTakesTheGroupBack: one member is about to take over in a
// planned way while the others are master already, and hears a better master.
func TestTakeThatIsLostTakesTheGroupBack(t *testing.T) {
	t.Parallel()
	a := with(planned(200), func(p *Params) { p.SyncGroup = "G" })
	b := with(planned(200), func(p *Params) { p.SyncGroup, p.Name, p.VRID, p.Addrs = "G", "VI_2", 52, ips("192.0.2.11") })
	h := newHost(t, a, b)
	h.hear(ms, lowerAddr, 100) // VI_1 only
	h.until(down200)
	if s := h.r.Snapshot(nil); s[0].State != Backup || s[1].State != Master {
		t.Fatalf("%v and %v", s[0].State, s[1].State)
	}
	h.hear(down200+ms, higherAddr, 200)
	if s := h.r.Snapshot(nil); s[0].State != Backup || s[1].State != Backup {
		t.Errorf("%v and %v", s[0].State, s[1].State)
	}
}

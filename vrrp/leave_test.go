package vrrp

import (
	"net/netip"
	"testing"
	"time"
)

func planned(priority uint8) *Params {
	return with(testParams(priority), func(p *Params) {
		p.PlannedMoves, p.LeaveInterval = true, 300*ms
	})
}

// plannedMaster is a master that nobody took over from, its take-over told.
func plannedMaster(t *testing.T, p *Params) (*Router, time.Duration) {
	t.Helper()
	r := started(p)
	now, _ := r.NextDeadline()
	r.Step(now, Timeout{})
	r.Step(now, Installed{ID: 1})
	if state(r).State != Master {
		t.Fatal("not master")
	}
	return r, now + 10*ms
}

func kinds(actions []Action) (k []ActionKind) {
	for _, a := range actions {
		k = append(k, a.Kind)
	}
	return k
}

func has(actions []Action, k ActionKind) bool {
	for _, a := range actions {
		if a.Kind == k {
			return true
		}
	}
	return false
}

// TestLeaveTeachesAShortInterval: first the backups are made quick, then told.
func TestLeaveTeachesAShortInterval(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		p     *Params
		first bool
	}{
		{"version 3", planned(150), true},
		{"an interval that is short already", with(planned(150), func(p *Params) { p.Interval = 200 * ms }), false},
		{"version 2", with(planned(150), func(p *Params) { p.Version, p.Auth = V2, AuthNone }), false},
		{"without fast_leave", testParams(150), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, now := plannedMaster(t, c.p)
			var sent []Action
			for _, a := range r.Step(now, Shutdown{}) {
				if a.Kind == SendAdvert {
					sent = append(sent, a)
				}
			}
			if c.first {
				if len(sent) != 2 || sent[0].Priority != 150 || sent[0].Interval != 300*ms {
					t.Fatalf("sent %v", sent)
				}
				var advert Advert
				sent[0].Packets(nil, func(o *Outgoing) { advert.Parse(o.Payload, o.Src, o.Dst, V3) })
				if advert.Interval != 300*ms {
					t.Errorf("on the wire %v", advert.Interval)
				}
				sent = sent[1:]
			}
			if len(sent) != 1 || sent[0].Priority != 0 || sent[0].Interval != 0 {
				t.Errorf("sent %v", sent)
			}
		})
	}
}

// TestLinger: the addresses stay until the winner's second advert, 100 ms after
// its first, or the bound.
func TestLinger(t *testing.T) {
	t.Parallel()
	bound := MasterDownInterval(V3, 1, 300*ms, DefaultDownAdverts) + 100*ms // as if the goodbye was lost
	for _, c := range []struct {
		name   string
		winner []time.Duration
		want   time.Duration
	}{
		{"nobody takes over", nil, bound},
		{"one advert", []time.Duration{100 * ms}, 200 * ms},
		{"two adverts", []time.Duration{100 * ms, 110 * ms}, 110 * ms},
		{"two late ones", []time.Duration{390 * ms, 440 * ms}, 440 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := planned(150)
			r, start := plannedMaster(t, p)
			actions := r.Step(start, Shutdown{})
			if !has(actions, Linger) || has(actions, Remove) || !r.Leaving() {
				t.Fatalf("actions %v", kinds(actions))
			}
			for now := start; now < start+2*second; now += ms / 2 {
				var actions []Action
				for _, w := range c.winner {
					if now == start+w {
						actions = append(actions, hearOn(r, now, p, 2, "192.0.2.9", 100)...)
					}
				}
				actions = append(actions, r.Step(now, Timeout{})...)
				if !has(actions, Remove) {
					continue
				}
				if got := now - start; got < c.want || got > c.want+ms {
					t.Errorf("removed after %v, want %v", got, c.want)
				}
				if r.Leaving() {
					t.Error("still leaving")
				}
				return
			}
			t.Error("never removed")
		})
	}
}

// TestLingerOfARemovedInstance: it is forgotten only when its addresses are
// gone, and does not come back.
func TestLingerOfARemovedInstance(t *testing.T) {
	t.Parallel()
	p := planned(150)
	r, now := plannedMaster(t, p)
	other := with(planned(100), func(q *Params) { q.Name, q.VRID, q.Addrs = "VI_2", 52, ips("192.0.2.11") })
	actions := r.Step(now, Reconfigure{Instances: []*Params{other}})
	if has(actions, Deleted) || has(actions, Remove) {
		t.Fatalf("actions %v", kinds(actions))
	}
	if s := r.Snapshot(nil); len(s) != 2 || s[0].Name != "VI_2" || !s[1].Gone || !s[1].Lingering {
		t.Fatalf("snapshot %+v", s)
	}
	hearOn(r, now+10*ms, p, 2, "192.0.2.9", 100)
	actions = hearOn(r, now+20*ms, p, 2, "192.0.2.9", 100)
	if !has(actions, Remove) || !has(actions, Deleted) {
		t.Errorf("actions %v", kinds(actions))
	}
	if s := r.Snapshot(nil); len(s) != 1 {
		t.Errorf("snapshot %+v", s)
	}
	if a := hearOn(r, now+30*ms, p, 2, "192.0.2.9", 100); len(a) != 1 || a[0].Reason != ReasonVRID {
		t.Errorf("still there: %v", a)
	}
	// One that comes back while it lingers begins anew, and the rest of the old
	// one ends.
	r, now = plannedMaster(t, p)
	r.Step(now, Reconfigure{Instances: []*Params{other}})
	actions = r.Step(now+ms, Reconfigure{Instances: []*Params{other, p}})
	if !has(actions, Deleted) || !has(actions, Added) {
		t.Errorf("actions %v", kinds(actions))
	}
	if s := r.Snapshot(nil); len(s) != 2 || s[1].State != Backup || s[1].Lingering {
		t.Errorf("snapshot %+v", s)
	}
}

// TestPlannedTake: a better router has its addresses in place and announced
// before its first advert, and announces again after it.
func TestPlannedTake(t *testing.T) {
	t.Parallel()
	p := planned(200)
	r := started(p)
	for now := time.Duration(0); now < 3*second; now += second {
		hearOn(r, now, p, 2, "192.0.2.9", 100)
	}
	now, _ := r.NextDeadline()
	actions := r.Step(now, Timeout{})
	if k := kinds(actions); len(k) != 2 || k[0] != Install || k[1] != Announce || state(r).State != Backup {
		t.Fatalf("%v, %v", k, state(r).State)
	}
	actions = r.Step(now+5*ms, Installed{ID: 1})
	if k := kinds(actions); len(k) != 3 || k[0] != SendAdvert || k[1] != Transition || k[2] != Announce {
		t.Fatalf("%v", k)
	}
	if s := state(r); s.State != Master || s.Cause != CauseLowerPriority {
		t.Errorf("%v because of %v", s.State, s.Cause)
	}
	// Announced again at 150 ms and at 1 s.
	var again []time.Duration
	for at := now + 5*ms; at < now+3*second; at += ms {
		if has(r.Step(at, Timeout{}), AnnounceAgain) {
			again = append(again, at-now-5*ms)
		}
	}
	if len(again) != 2 || again[0] != 150*ms || again[1] != second {
		t.Errorf("announced again at %v", again)
	}
}

func TestPlannedTakeIsGivenUp(t *testing.T) {
	t.Parallel()
	taking := func(t *testing.T) (*Router, *Params, time.Duration) {
		p := planned(200)
		r := started(p)
		hearOn(r, 0, p, 2, "192.0.2.9", 100)
		now, _ := r.NextDeadline()
		r.Step(now, Timeout{})
		return r, p, now
	}
	t.Run("a better one comes", func(t *testing.T) {
		t.Parallel()
		r, p, now := taking(t)
		if a := hearOn(r, now+ms, p, 2, "192.0.2.8", 250); !has(a, Remove) || state(r).State != Backup {
			t.Errorf("%v, %v", kinds(a), state(r).State)
		}
		if a := r.Step(now+2*ms, Installed{ID: 1}); len(a) != 0 {
			t.Errorf("went on: %v", kinds(a))
		}
	})
	t.Run("the old master leaves", func(t *testing.T) {
		t.Parallel()
		r, p, now := taking(t)
		if a := hearOn(r, now+ms, p, 2, "192.0.2.9", 0); !has(a, SendAdvert) || state(r).State != Master {
			t.Errorf("%v, %v", kinds(a), state(r).State)
		}
	})
	t.Run("the addresses do not come", func(t *testing.T) {
		t.Parallel()
		r, _, now := taking(t)
		if d, _ := r.NextDeadline(); d != now+takeLimit {
			t.Errorf("deadline %v", d-now)
		}
		if a := r.Step(now+takeLimit, Timeout{}); !has(a, SendAdvert) || state(r).State != Master {
			t.Errorf("%v, %v", kinds(a), state(r).State)
		}
	})
	t.Run("the link fails", func(t *testing.T) {
		t.Parallel()
		r, _, now := taking(t)
		a := r.Step(now+ms, LinkGone{"eth0"})
		if !has(a, Remove) || has(a, SendAdvert) || state(r).State != Fault {
			t.Errorf("%v, %v", kinds(a), state(r).State)
		}
	})
	t.Run("with duplicate address detection", func(t *testing.T) {
		t.Parallel()
		p := with(planned(200), func(p *Params) { p.BreakBeforeMake = true })
		r := started(p)
		hearOn(r, 0, p, 2, "192.0.2.9", 100)
		now, _ := r.NextDeadline()
		if a := r.Step(now, Timeout{}); a[0].Kind != SendAdvert || state(r).State != Master {
			t.Errorf("%v", kinds(a))
		}
		if a := r.Step(now+ms, Shutdown{}); !has(a, Remove) || has(a, Linger) {
			t.Errorf("%v", kinds(a))
		}
	})
}

// TestWinnerAdvertisesAgain: a winner of a priority 0 advert tells once more
// when its addresses are out.
func TestWinnerAdvertisesAgain(t *testing.T) {
	t.Parallel()
	p := planned(100)
	r := started(p)
	hearOn(r, 0, p, 2, "192.0.2.9", 200)
	hearOn(r, second, p, 2, "192.0.2.9", 0)
	now, _ := r.NextDeadline()
	if a := r.Step(now, Timeout{}); a[0].Kind != SendAdvert {
		t.Fatalf("%v", kinds(a))
	}
	if a := r.Step(now+3*ms, Installed{ID: 1}); len(a) != 1 || a[0].Kind != SendAdvert {
		t.Errorf("%v", kinds(a))
	}
	if a := r.Step(now+4*ms, Installed{ID: 1}); len(a) != 0 {
		t.Errorf("twice: %v", kinds(a))
	}
}

// TestStandby: a master leaves in a planned way and stays back, whatever
// happens; resumed it takes part again.
func TestStandby(t *testing.T) {
	t.Parallel()
	p := planned(150)
	r, now := plannedMaster(t, p)
	a := r.Step(now, Standby{ID: 1, On: true})
	if !has(a, Linger) || state(r).State != Backup || state(r).Cause != CauseStandby || !state(r).Standby {
		t.Fatalf("%v, %+v", kinds(a), state(r))
	}
	hearOn(r, now+10*ms, p, 2, "192.0.2.9", 100)
	hearOn(r, now+20*ms, p, 2, "192.0.2.9", 100)
	hearOn(r, now+30*ms, p, 2, "192.0.2.9", 0)
	for range 10 {
		d, ok := r.NextDeadline()
		if !ok {
			break
		}
		r.Step(d, Timeout{})
	}
	if s := state(r); s.State != Backup || s.Deadline != Forever {
		t.Errorf("%+v", s)
	}
	r.Step(now+10*second, Reconfigure{Instances: []*Params{with(p, func(p *Params) { p.Priority = 160 })}})
	if s := state(r); s.State != Backup || !s.Standby || s.Deadline != Forever {
		t.Errorf("after a reload: %+v", s)
	}
	r.Step(now+20*second, Standby{ID: 1})
	d, _ := r.NextDeadline()
	r.Step(d, Timeout{})
	if state(r).State != Master {
		t.Errorf("not master after resume: %+v", state(r))
	}
}

// TestLeaveByTracking: a script that fails is a planned move, a dead link is not.
func TestLeaveByTracking(t *testing.T) {
	t.Parallel()
	r, now := plannedMaster(t, planned(150))
	if a := r.Step(now, Tracked{ID: 1, Fault: true}); !has(a, Linger) || has(a, Remove) {
		t.Errorf("%v", kinds(a))
	}
	r, now = plannedMaster(t, planned(150))
	if a := r.Step(now, LinkGone{"eth0"}); has(a, Linger) || !has(a, Remove) {
		t.Errorf("%v", kinds(a))
	}
}

// TestStandbyFromTheStart: an owner that is held back does not even begin as
// master, and takes part when it is let go.
func TestStandbyFromTheStart(t *testing.T) {
	t.Parallel()
	p := with(planned(OwnerPriority), func(p *Params) { p.StartMaster = true })
	r := NewRouter()
	r.Step(0, LinkChanged{Link{Name: "eth0", Index: 2, Up: true, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}})
	r.Step(0, Reconfigure{Instances: []*Params{p}, Standby: []string{p.Name}})
	if s := state(r); s.State != Backup || !s.Standby || s.Deadline != Forever {
		t.Fatalf("state %+v", s)
	}
	r.Step(second, Standby{ID: 1})
	now, ok := r.NextDeadline()
	if r.Step(now, Timeout{}); !ok || state(r).State != Master {
		t.Errorf("after the standby: %+v", state(r))
	}
}

// TestLingerAfter: a winner needs longer for many IPv6 addresses, whose kernel serves
// them one by one; the wait is bounded.
func TestLingerAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		family          Family
		addrs, excluded int
		want            time.Duration
	}{
		{IPv4, 1, 0, 100 * ms},
		{IPv4, 200, 800, 100 * ms},
		{IPv6, 2, 0, 101 * ms},
		{IPv6, 150, 50, 200 * ms},
		{IPv6, 200, 4000, 600 * ms},
	} {
		p := &Params{Family: c.family, Addrs: make([]netip.Addr, c.addrs), Excluded: make([]netip.Addr, c.excluded)}
		if got := lingerAfter(p); got != c.want {
			t.Errorf("%v, %d addresses and %d excluded: %v, want %v", c.family, c.addrs, c.excluded, got, c.want)
		}
	}
}

// TestLingerAfterLosing: who hears a better master keeps the addresses until that
// one has them, and no longer.
func TestLingerAfterLosing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		p     *Params
		again time.Duration // the winner's second advert; 0 for none
		until time.Duration // 0: dropped at once
	}{
		{"second advert", planned(150), 50 * ms, 50 * ms},
		{"one advert", planned(150), 0, lingerAfterFirst},
		{"without fast_leave", testParams(150), 0, 0},
		{"DAD", with(planned(150), func(p *Params) { p.BreakBeforeMake = true }), 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, now := plannedMaster(t, c.p)
			a := hearOn(r, now, c.p, 2, higherAddr, 200)
			if state(r).State != Backup || has(a, Remove) != (c.until == 0) || has(a, Linger) == (c.until == 0) {
				t.Fatalf("state %v, %v", state(r).State, kinds(a))
			}
			if c.until == 0 {
				return
			}
			if c.again != 0 {
				a = hearOn(r, now+c.again, c.p, 2, higherAddr, 200)
			} else if d, _ := r.NextDeadline(); d == now+c.until {
				a = r.Step(d, Timeout{})
			}
			if !has(a, Remove) || r.Leaving() {
				t.Errorf("kept longer than %v", c.until)
			}
		})
	}
}

// TestWinnerAnnounced: when the winner has announced the addresses they are given up,
// whether its advert or its announcements are heard first; announcements alone, of
// whoever else has the addresses, change nothing.
func TestWinnerAnnounced(t *testing.T) {
	t.Parallel()
	r, now := plannedMaster(t, planned(150))
	if a := r.Step(now, WinnerAnnounced{ID: 1}); len(a) > 0 || state(r).State != Master {
		t.Errorf("as a master: %v, %v", state(r).State, kinds(a))
	}
	r.Step(now, Standby{ID: 1, On: true})
	if a := r.Step(now+ms, WinnerAnnounced{ID: 1}); has(a, Remove) || !r.Leaving() {
		t.Errorf("without an advert: %v", kinds(a))
	}
	if a := hearOn(r, now+2*ms, planned(100), 2, higherAddr, 100); !has(a, Remove) || r.Leaving() {
		t.Errorf("the advert after the announcements: %v", kinds(a))
	}
	if a := r.Step(now+3*ms, WinnerAnnounced{ID: 1}); len(a) > 0 {
		t.Errorf("once more: %v", kinds(a))
	}

	r, now = plannedMaster(t, planned(150))
	if a := hearOn(r, now, planned(150), 2, higherAddr, 200); !has(a, Linger) || has(a, Remove) {
		t.Fatalf("a better one: %v", kinds(a))
	}
	if a := r.Step(now+ms, WinnerAnnounced{ID: 1}); !has(a, Remove) || r.Leaving() {
		t.Errorf("the announcements after the advert: %v", kinds(a))
	}

	r, now = plannedMaster(t, planned(150))
	r.Step(now, Shutdown{})
	hearOn(r, now+ms, planned(100), 2, higherAddr, 100)
	if a := r.Step(now+2*ms, WinnerAnnounced{ID: 1}); !has(a, Remove) || r.Leaving() {
		t.Errorf("after an orderly stop: %v", kinds(a))
	}
}

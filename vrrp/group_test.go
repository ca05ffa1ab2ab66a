package vrrp

import (
	"testing"
	"time"
)

// twoLinks are two instances on eth0 and eth1 in one sync group.
func twoLinks(priority uint8) (a, b *Params) {
	a = with(testParams(priority), func(p *Params) { p.SyncGroup = "G" })
	b = with(testParams(priority), func(p *Params) {
		p.Name, p.Link, p.VRID, p.SyncGroup = "VI_2", "eth1", 52, "G"
		p.Addrs = ips("198.51.100.10")
	})
	return a, b
}

// newGroup is a host with both links up.
func newGroup(t *testing.T, priority uint8) (*Router, *Params, *Params) {
	t.Helper()
	a, b := twoLinks(priority)
	r := NewRouter()
	r.Step(0, LinkChanged{Link{Name: "eth0", Index: 2, Up: true, Addrs: ips("192.0.2.5")}})
	r.Step(0, LinkChanged{Link{Name: "eth1", Index: 3, Up: true, Addrs: ips("198.51.100.5")}})
	r.Step(0, Reconfigure{Instances: []*Params{a, b}})
	return r, a, b
}

// hearOn steps an advert for p that came on a link.
func hearOn(r *Router, now time.Duration, p *Params, link int, src string, priority uint8) []Action {
	from := ip(src)
	a := Advert{Version: p.Version, VRID: p.VRID, Priority: priority, Interval: p.Interval, Addrs: p.Addrs, Form: p.Form}
	return r.Step(now, &AdvertReceived{Link: link, Src: from, Dst: p.Group, TTL: 255, Payload: a.Append(nil, from, p.Group)})
}

func states(r *Router) (s [2]State) {
	for i, is := range r.Snapshot(nil) {
		s[i] = is.State
	}
	return s
}

// groupStates are the GroupTransitions in actions.
func groupStates(actions []Action) (s []State) {
	for _, a := range actions {
		if a.Kind == GroupTransition {
			s = append(s, a.To)
		}
	}
	return s
}

func TestGroupIsMasterTogether(t *testing.T) {
	t.Parallel()
	r, a, _ := newGroup(t, 100)
	// The master of eth0 is well, that of eth1 silent: the group has to wait.
	now := time.Duration(0)
	for ; now < 10*second; now += second {
		hearOn(r, now, a, 2, "192.0.2.9", 200)
		r.Step(now, Timeout{})
		if states(r) != [2]State{Backup, Backup} {
			t.Fatalf("%v at %v", states(r), now)
		}
	}
	// Now eth0's dies as well: both take over at its master down time, and the
	// group tells of it once.
	var told []State
	for ; now < 30*second && states(r) != [2]State{Master, Master}; now += 10 * ms {
		told = append(told, groupStates(r.Step(now, Timeout{}))...)
		if s := states(r); s[0] != s[1] {
			t.Fatalf("%v at %v", s, now)
		}
	}
	if want := 9*second + down100 + 10*ms; now > want+10*ms {
		t.Errorf("took over at %v, want %v", now, want)
	}
	if len(told) != 1 || told[0] != Master {
		t.Errorf("group told %v", told)
	}
}

// until steps timeouts until both are master.
func bothMaster(t *testing.T, r *Router) time.Duration {
	t.Helper()
	for range 100 {
		d, ok := r.NextDeadline()
		if !ok {
			break
		}
		r.Step(d, Timeout{})
		if states(r) == [2]State{Master, Master} {
			return d
		}
	}
	t.Fatalf("states %v", states(r))
	return 0
}

func TestGroupLosesTogether(t *testing.T) {
	t.Parallel()
	r, a, _ := newGroup(t, 100)
	now := bothMaster(t, r) + ms
	actions := hearOn(r, now, a, 2, "192.0.2.9", 200)
	if states(r) != [2]State{Backup, Backup} {
		t.Fatalf("states %v", states(r))
	}
	for _, x := range actions {
		if x.Kind == SendAdvert {
			t.Errorf("sent priority %d: a sibling that is pulled says nothing", x.Priority)
		}
	}
	if got := groupStates(actions); len(got) != 1 || got[0] != Backup {
		t.Errorf("group told %v", got)
	}
}

func TestGroupFaultsTogether(t *testing.T) {
	t.Parallel()
	r, _, _ := newGroup(t, 100)
	now := bothMaster(t, r) + ms
	actions := r.Step(now, LinkChanged{Link{Name: "eth1", Index: 3, Up: false, Addrs: ips("198.51.100.5")}})
	if states(r) != [2]State{Fault, Fault} {
		t.Fatalf("states %v", states(r))
	}
	left := 0
	for _, x := range actions {
		if x.Kind == SendAdvert && x.Priority == 0 {
			left++
		}
	}
	if left != 2 {
		t.Errorf("%d adverts with priority 0, want 2", left)
	}
	if got := groupStates(actions); len(got) != 1 || got[0] != Fault {
		t.Errorf("group told %v", got)
	}
	if s := r.Snapshot(nil)[0]; s.Faults.Names()[0] != "sync-group" || s.Cause != CauseGroup {
		t.Errorf("sibling: %v because of %v", s.Faults.Names(), s.Cause)
	}
	r.Step(now+second, LinkChanged{Link{Name: "eth1", Index: 3, Up: true, Addrs: ips("198.51.100.5")}})
	if states(r) != [2]State{Backup, Backup} {
		t.Fatalf("states %v", states(r))
	}
	bothMaster(t, r)
}

// TestGroupMembersChange: a member that a reload adds or removes moves none of
// the others.
func TestGroupMembersChange(t *testing.T) {
	t.Parallel()
	a, b := twoLinks(100)
	r := NewRouter()
	r.Step(0, LinkChanged{Link{Name: "eth0", Index: 2, Up: true, Addrs: ips("192.0.2.5")}})
	r.Step(0, LinkChanged{Link{Name: "eth1", Index: 3, Up: true, Addrs: ips("198.51.100.5")}})
	r.Step(0, Reconfigure{Instances: []*Params{a}})
	now, _ := r.NextDeadline()
	r.Step(now, Timeout{})
	if r.Snapshot(nil)[0].State != Master {
		t.Fatal("not master")
	}
	for _, x := range r.Step(now+ms, Reconfigure{Instances: []*Params{a, b}}) {
		if x.Kind == Transition && x.ID == 1 {
			t.Errorf("the old member moved: %+v", x)
		}
	}
	bothMaster(t, r)
	now += 10 * second
	for _, x := range r.Step(now, Reconfigure{Instances: []*Params{a}}) {
		if x.Kind == Transition && x.ID == 1 {
			t.Errorf("the old member moved: %+v", x)
		}
	}
	// One that is in fault only because of the other is well when it leaves.
	r.Step(now+ms, Reconfigure{Instances: []*Params{a, b}})
	r.Step(now+2*ms, LinkGone{"eth1"})
	if states(r) != [2]State{Fault, Fault} {
		t.Fatalf("states %v", states(r))
	}
	r.Step(now+3*ms, Reconfigure{Instances: []*Params{with(a, func(p *Params) { p.SyncGroup = "" }), b}})
	if states(r) != [2]State{Backup, Fault} {
		t.Errorf("states %v", states(r))
	}
}

// started is a router with one instance on a link that is up.
func started(p *Params) *Router {
	r := NewRouter()
	r.Step(0, LinkChanged{Link{Name: "eth0", Index: 2, Up: true, Addrs: ips("192.0.2.5")}})
	r.Step(0, Reconfigure{Instances: []*Params{p}})
	return r
}

func state(r *Router) InstanceState { return r.Snapshot(nil)[0] }

func TestTracking(t *testing.T) {
	t.Parallel()
	r := started(testParams(100))
	hearOn(r, 0, testParams(100), 2, "192.0.2.2", 200)
	if a := r.Step(second, Tracked{ID: 1, Weight: 50}); len(a) != 1 || a[0].Kind != PriorityChanged || a[0].Priority != 150 {
		t.Errorf("actions %v", a)
	}
	if d, _ := r.NextDeadline(); d != MasterDownInterval(V3, 150, second, 3) {
		t.Errorf("deadline %v: the timer moves by the difference of the skews", d)
	}
	for _, c := range []struct {
		base   uint8
		weight int
		want   uint8
	}{{100, -253, 1}, {100, 253, 254}, {255, -100, 255}, {200, -50, 150}} {
		r := started(testParams(c.base))
		r.Step(second, Tracked{ID: 1, Weight: c.weight})
		if got := state(r).Priority; got != c.want {
			t.Errorf("%d%+d = %d, want %d", c.base, c.weight, got, c.want)
		}
	}
	r = started(testParams(100))
	r.Step(second, Tracked{ID: 1, Fault: true})
	if s := state(r); s.State != Fault || s.Cause != CauseTracking {
		t.Errorf("%v because of %v", s.State, s.Cause)
	}
	r.Step(2*second, Tracked{ID: 1})
	if s := state(r); s.State != Backup || s.Cause != CauseTrackingOver {
		t.Errorf("%v because of %v", s.State, s.Cause)
	}
}

// TestAwaitTracking: what is tracked with weight 0 has to be known before the
// instance takes part.
func TestAwaitTracking(t *testing.T) {
	t.Parallel()
	p := with(testParams(100), func(p *Params) { p.AwaitTracking = true })
	r := started(p)
	r.Step(100*second, Timeout{})
	if s := state(r); s.State != Init {
		t.Fatalf("state %v", s.State)
	}
	r.Step(100*second, Tracked{ID: 1})
	if s := state(r); s.State != Backup {
		t.Fatalf("state %v", s.State)
	}
	// A reload does not hold it back again, nor does one that ends the waiting.
	r.Step(101*second, Reconfigure{Instances: []*Params{with(p, func(p *Params) { p.Priority = 120 })}})
	if s := state(r); s.State != Backup {
		t.Fatalf("state %v", s.State)
	}
	r = started(p)
	r.Step(second, Reconfigure{Instances: []*Params{testParams(100)}})
	if s := state(r); s.State != Backup {
		t.Fatalf("state %v", s.State)
	}
}

func TestTrackInterface(t *testing.T) {
	t.Parallel()
	up, down := LinkChanged{Link{Name: "eth1", Index: 3, Up: true}}, LinkChanged{Link{Name: "eth1", Index: 3}}
	for _, c := range []struct {
		name         string
		track        TrackLink
		whenUp, down uint8 // 0: FAULT
	}{
		{"fault", TrackLink{Name: "eth1"}, 100, 0},
		{"fault reversed", TrackLink{Name: "eth1", Reverse: true}, 0, 100},
		{"positive", TrackLink{Name: "eth1", Weight: 20}, 120, 100},
		{"negative", TrackLink{Name: "eth1", Weight: -20}, 100, 80},
		{"positive reversed", TrackLink{Name: "eth1", Weight: 20, Reverse: true}, 80, 100},
		{"negative reversed", TrackLink{Name: "eth1", Weight: -20, Reverse: true}, 100, 120},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := started(with(testParams(100), func(p *Params) { p.TrackLinks = []TrackLink{c.track} }))
			for _, s := range []struct {
				ev   Event
				want uint8
			}{{up, c.whenUp}, {down, c.down}, {LinkGone{"eth1"}, c.down}, {up, c.whenUp}} {
				r.Step(second, s.ev)
				got := state(r)
				if s.want == 0 && got.State != Fault || s.want != 0 && (got.State == Fault || got.Priority != s.want) {
					t.Errorf("after %v: %v, priority %d, want %d", s.ev, got.State, got.Priority, s.want)
				}
			}
		})
	}
}

// TestGroupHealsTogether: after a partition the loser gives up the whole group when
// it hears the better master of one member, so that member alone hears it. The
// neighbours of the others' addresses have to be told too.
func TestGroupHealsTogether(t *testing.T) {
	t.Parallel()
	r, a, _ := newGroup(t, 200)
	now := time.Duration(0)
	for ; states(r) != [2]State{Master, Master}; now += 100 * ms {
		r.Step(now, Timeout{})
	}
	for range 100 { // what is left of the start
		now += 100 * ms
		r.Step(now, Timeout{})
	}
	for _, step := range []struct {
		after       time.Duration
		heard, rest int // how often each is announced
	}{{0, 1, 1}, {100 * ms, 0, 0}, {second, 1, 1}} {
		now += step.after
		told := map[ActionKind]int{}
		actions := append(hearOn(r, now, a, 2, "192.0.2.9", 100), r.Step(now, Timeout{})...)
		for _, act := range actions {
			if act.Kind == AnnounceLower && act.ID == r.instances[0].id || act.Kind == AnnounceGroup && act.ID == r.instances[1].id {
				told[act.Kind]++
			}
		}
		if told[AnnounceLower] != step.heard || told[AnnounceGroup] != step.rest {
			t.Errorf("after %v: announced %v, want %d and %d", step.after, told, step.heard, step.rest)
		}
	}
	if states(r) != [2]State{Master, Master} {
		t.Errorf("states %v", states(r))
	}
}

package arp

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// said is one announcement that a schedule handed out.
type said struct {
	at time.Duration
	t  Target
}

// run plays a schedule as the elector does, calling Due when Next says so with
// at most limit a call and, when more is due, again after pause. It stops before
// the time until.
func run(t testing.TB, s *Schedule, from, until time.Duration, limit int, pause time.Duration) []said {
	t.Helper()
	var out []said
	now := from
	for calls := 0; ; calls++ {
		at, ok := s.Next()
		if at = max(at, now); !ok || at >= until {
			return out
		}
		if calls > 1_000_000 {
			t.Fatalf("at %v: still due at %v after a million calls", now, at)
		}
		now = at
		n := s.Due(now, limit, func(target Target) { out = append(out, said{now, target}) })
		if n == limit {
			now += pause
		}
	}
}

// all plays a schedule without limits.
func all(t testing.TB, s *Schedule, from, until time.Duration) []said {
	t.Helper()
	return run(t, s, from, until, 1<<30, 0)
}

// text shows announcements as "time:last byte of the address", with the link
// where it is not 1.
func text(out []said) []string {
	lines := []string{}
	for _, o := range out {
		b := o.t.Addr.AsSlice()
		line := fmt.Sprintf("%v:%d", o.at, b[len(b)-1])
		if o.t.Link != 1 {
			line += fmt.Sprintf("@%d", o.t.Link)
		}
		lines = append(lines, line)
	}
	return lines
}

// target returns the n-th IPv4 target on link 1.
func target(n int) Target {
	return Target{Addr: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), Link: 1, MAC: macA}
}

func target6(n int) Target {
	a := [16]byte{0x20, 1, 0xd, 0xb8, 14: byte(n >> 8), 15: byte(n)}
	return Target{Addr: netip.AddrFrom16(a), Link: 1, MAC: macA, Router: true}
}

func targets(first, n int) []Target {
	var out []Target
	for i := range n {
		out = append(out, target(first+i))
	}
	return out
}

func on(link int, t Target) Target { t.Link = link; return t }

func equal(t *testing.T, s *Schedule, got []said, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, text(got)); diff != "" {
		t.Errorf("announcements (-want +got):\n%s", diff)
	}
	audit(t, s)
}

func TestDefaultSettings(t *testing.T) {
	t.Parallel()
	want := Settings{5, 5 * time.Second, 0, 1, 5, 5 * time.Second, 0, 0}
	if got := DefaultSettings(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestCauseString(t *testing.T) {
	t.Parallel()
	for c, want := range map[Cause]string{
		CauseMaster: "master", CauseLowerPriority: "lower-priority", CauseRefresh: "refresh",
		CauseAdded: "added", 0: "cause(0)", 9: "cause(9)",
	} {
		if got := c.String(); got != want {
			t.Errorf("%d: got %q, want %q", c, got, want)
		}
	}
}

// One instance, one or more Begins, everything sent at once.
func TestBursts(t *testing.T) {
	t.Parallel()
	const s, ms = time.Second, time.Millisecond
	small := Settings{Repeat: 2, Delay: 5 * s, RefreshRepeat: 1, LowerPrioRepeat: 3, LowerPrioDelay: 4 * s}
	with := func(change func(*Settings)) Settings { set := small; change(&set); return set }
	type step struct {
		at      time.Duration
		cause   Cause // 0: see stop
		set     Settings
		targets []Target
		stop    int // address to stop, 0: the instance
	}
	for _, tc := range []struct {
		name  string
		steps []step
		until time.Duration
		want  []string
	}{
		{"master with defaults", []step{{at: s, cause: CauseMaster, set: DefaultSettings(), targets: targets(1, 2)}}, 60 * s, []string{
			"1s:1", "1s:2", "1s:1", "1s:2", "1s:1", "1s:2", "1s:1", "1s:2", "1s:1", "1s:2",
			"6s:1", "6s:2", "6s:1", "6s:2", "6s:1", "6s:2", "6s:1", "6s:2", "6s:1", "6s:2",
		}},
		{"rounds, not one address after the other", []step{{0, CauseMaster, small, targets(1, 3), 0}}, 60 * s, []string{
			"0s:1", "0s:2", "0s:3", "0s:1", "0s:2", "0s:3", "5s:1", "5s:2", "5s:3", "5s:1", "5s:2", "5s:3",
		}},
		{"no second burst", []step{{0, CauseMaster, with(func(s *Settings) { s.Delay = 0 }), targets(1, 1), 0}}, 60 * s, []string{
			"0s:1", "0s:1",
		}},
		{"repeat 0 counts as 1", []step{{0, CauseMaster, with(func(s *Settings) { s.Repeat = 0 }), targets(1, 1), 0}}, 60 * s, []string{
			"0s:1", "5s:1",
		}},
		{"zero settings", []step{{0, CauseMaster, Settings{}, targets(1, 1), 0}}, 60 * s, []string{"0s:1"}},
		{"no addresses", []step{{0, CauseMaster, small, nil, 0}}, 60 * s, nil},
		{"invalid targets", []step{{0, CauseMaster, small, []Target{{Link: 1}, on(0, target(1)), on(-1, target(2))}, 0}}, 60 * s, nil},
		{"mapped addresses and zones are one address", []step{{0, CauseMaster, with(func(s *Settings) { s.Delay = 0 }), []Target{
			{Addr: netip.MustParseAddr("10.0.0.1"), Link: 1}, {Addr: netip.MustParseAddr("::ffff:10.0.0.1"), Link: 1},
			{Addr: netip.MustParseAddr("fe80::2"), Link: 1}, {Addr: netip.MustParseAddr("fe80::2%eth0"), Link: 1},
		}, 0}}, 60 * s, []string{"0s:1", "0s:2", "0s:1", "0s:2"}},
		{"one address on two links", []step{{0, CauseMaster, small, []Target{target(1), on(2, target(1))}, 0}, {at: s, stop: 1}}, 60 * s, []string{
			"0s:1", "0s:1@2", "0s:1", "0s:1@2",
		}},
		{"lower priority heard", []step{
			{0, CauseMaster, with(func(s *Settings) { s.Delay = 0 }), targets(1, 2), 0},
			{10 * s, CauseLowerPriority, small, nil, 0},
		}, 60 * s, []string{
			"0s:1", "0s:2", "0s:1", "0s:2",
			"10s:1", "10s:2", "10s:1", "10s:2", "10s:1", "10s:2", "14s:1", "14s:2", "14s:1", "14s:2", "14s:1", "14s:2",
		}},
		{"lower priority concerns all addresses", []step{
			{0, CauseMaster, with(func(s *Settings) { s.Delay, s.Repeat = 0, 1 }), targets(1, 2), 0},
			{10 * s, CauseLowerPriority, with(func(s *Settings) { s.LowerPrioDelay, s.LowerPrioRepeat = 0, 1 }), targets(2, 2), 0},
		}, 60 * s, []string{"0s:1", "0s:2", "10s:1", "10s:2", "10s:3"}},
		{"lower priority switched off", []step{
			{0, CauseMaster, with(func(s *Settings) { s.Delay = 0 }), targets(1, 1), 0},
			{10 * s, CauseLowerPriority, with(func(s *Settings) { s.LowerPrioRepeat = 0 }), nil, 0},
		}, 60 * s, []string{"0s:1", "0s:1"}},
		{"lower priority before the second burst moves it", []step{
			{0, CauseMaster, small, targets(1, 1), 0},
			{3 * s, CauseLowerPriority, small, nil, 0},
		}, 60 * s, []string{"0s:1", "0s:1", "3s:1", "3s:1", "3s:1", "7s:1", "7s:1", "7s:1"}},
		{"the later of two second bursts counts", []step{
			{0, CauseMaster, small, targets(1, 1), 0},
			{500 * ms, CauseLowerPriority, with(func(s *Settings) { s.LowerPrioDelay, s.LowerPrioRepeat = time.Second, 1 }), nil, 0},
		}, 60 * s, []string{"0s:1", "0s:1", "500ms:1", "5s:1", "5s:1"}},
		{"added", []step{
			{0, CauseMaster, with(func(s *Settings) { s.Delay = 0 }), targets(1, 2), 0},
			{10 * s, CauseAdded, small, targets(7, 1), 0},
		}, 60 * s, []string{"0s:1", "0s:2", "0s:1", "0s:2", "10s:7", "10s:7", "15s:7", "15s:7"}},
		{"put back", []step{
			{0, CauseMaster, with(func(s *Settings) { s.Delay = 0 }), targets(1, 2), 0},
			{10 * s, CauseAdded, small, targets(2, 1), 0},
		}, 60 * s, []string{"0s:1", "0s:2", "0s:1", "0s:2", "10s:2", "10s:2", "15s:2", "15s:2"}},
		{"nothing added", []step{
			{0, CauseMaster, with(func(s *Settings) { s.Delay = 0 }), targets(1, 1), 0},
			{10 * s, CauseAdded, small, nil, 0},
		}, 60 * s, []string{"0s:1", "0s:1"}},
		{"master again without targets", []step{
			{0, CauseMaster, with(func(s *Settings) { s.Delay = 0 }), targets(1, 2), 0},
			{10 * s, CauseMaster, with(func(s *Settings) { s.Delay = 0 }), nil, 0},
		}, 60 * s, []string{"0s:1", "0s:2", "0s:1", "0s:2", "10s:1", "10s:2", "10s:1", "10s:2"}},
		{"a refresh out of turn", []step{
			{0, CauseMaster, with(func(s *Settings) { s.Delay = 0 }), targets(1, 2), 0},
			{150 * ms, CauseRefresh, with(func(s *Settings) { s.RefreshRepeat = 0 }), nil, 0},
			{1 * s, CauseRefresh, small, targets(2, 1), 0},
		}, 60 * s, []string{"0s:1", "0s:2", "0s:1", "0s:2", "150ms:1", "150ms:2", "1s:2"}},
		{"refresh", []step{
			{0, CauseMaster, with(func(s *Settings) { s.Refresh, s.Delay = 20*time.Second, 0 }), targets(1, 2), 0},
		}, 61 * s, []string{
			"0s:1", "0s:2", "0s:1", "0s:2", "20s:1", "20s:2", "40s:1", "40s:2", "1m0s:1", "1m0s:2",
		}},
		{"refresh with more rounds", []step{
			{0, CauseMaster, with(func(s *Settings) { s.Refresh, s.Delay, s.RefreshRepeat = 20*time.Second, 0, 2 }), targets(1, 2), 0},
		}, 21 * s, []string{"0s:1", "0s:2", "0s:1", "0s:2", "20s:1", "20s:2", "20s:1", "20s:2"}},
		{"refresh without rounds", []step{
			{0, CauseMaster, with(func(s *Settings) { s.Refresh, s.Delay, s.RefreshRepeat = 20*time.Second, 0, 0 }), targets(1, 1), 0},
		}, 61 * s, []string{"0s:1", "0s:1"}},
		{"the phase of refreshes survives", []step{
			{0, CauseMaster, with(func(s *Settings) { s.Refresh, s.Delay = 20*time.Second, 0 }), targets(1, 1), 0},
			{15 * s, CauseAdded, with(func(s *Settings) { s.Refresh, s.Delay = 20*time.Second, 0 }), targets(2, 1), 0},
		}, 41 * s, []string{"0s:1", "0s:1", "15s:2", "15s:2", "20s:1", "20s:2", "40s:1", "40s:2"}},
		{"another period starts anew", []step{
			{0, CauseMaster, with(func(s *Settings) { s.Refresh, s.Delay = 20*time.Second, 0 }), targets(1, 1), 0},
			{15 * s, CauseAdded, with(func(s *Settings) { s.Refresh, s.Delay = 30*time.Second, 0 }), nil, 0},
		}, 80 * s, []string{"0s:1", "0s:1", "45s:1", "1m15s:1"}},
		{"stop before the second burst", []step{
			{0, CauseMaster, small, targets(1, 1), 0}, {at: s},
		}, 60 * s, []string{"0s:1", "0s:1"}},
		{"stop ends refreshes", []step{
			{0, CauseMaster, with(func(s *Settings) { s.Refresh = 2 * time.Second }), targets(1, 1), 0}, {at: 3 * s},
		}, 60 * s, []string{"0s:1", "0s:1", "2s:1"}},
		{"stop of one address", []step{
			{0, CauseMaster, small, targets(1, 3), 0}, {at: s, stop: 2},
		}, 60 * s, []string{
			"0s:1", "0s:2", "0s:3", "0s:1", "0s:2", "0s:3", "5s:1", "5s:3", "5s:1", "5s:3",
		}},
		{"stop of the last address and a new one", []step{
			{0, CauseMaster, with(func(s *Settings) { s.Refresh = 2 * time.Second }), targets(1, 1), 0}, {at: s, stop: 1},
			{9 * s, CauseAdded, with(func(s *Settings) { s.Refresh, s.Delay = 2*time.Second, 0 }), targets(2, 1), 0},
		}, 13 * s, []string{"0s:1", "0s:1", "9s:2", "9s:2", "10s:2", "12s:2"}},
		{"stop of an unknown address", []step{
			{0, CauseMaster, small, targets(1, 1), 0}, {at: s, stop: 2},
		}, 60 * s, []string{"0s:1", "0s:1", "5s:1", "5s:1"}},
		{"master, backup, master", []step{
			{0, CauseMaster, small, targets(1, 1), 0}, {at: s},
			{2 * s, CauseMaster, small, targets(2, 1), 0},
		}, 60 * s, []string{"0s:1", "0s:1", "2s:2", "2s:2", "7s:2", "7s:2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := NewSchedule()
			var got []said
			var now time.Duration
			for _, st := range tc.steps {
				got = append(got, all(t, s, now, st.at)...)
				now = st.at
				switch {
				case st.cause != 0:
					s.Begin(now, 7, st.cause, st.set, st.targets)
				case st.stop != 0:
					s.StopAddr(7, target(st.stop).Addr)
				default:
					s.Stop(7)
				}
				audit(t, s)
			}
			got = append(got, all(t, s, now, tc.until)...)
			equal(t, s, got, tc.want...)
		})
	}
}

func TestUnknownInstance(t *testing.T) {
	t.Parallel()
	s := NewSchedule()
	s.Stop(1)
	s.StopAddr(1, target(1).Addr)
	s.Configure(0, 1, Settings{Refresh: time.Second})
	if at, ok := s.Next(); ok {
		t.Errorf("due at %v, want nothing", at)
	}
	s.Begin(0, 1, CauseMaster, Settings{}, targets(1, 1))
	s.StopAddr(1, netip.Addr{})
	s.StopAddr(1, target(2).Addr)
	equal(t, s, all(t, s, 0, time.Second), "0s:1")
}

func TestUnknownCausePanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	NewSchedule().Begin(0, 1, 0, DefaultSettings(), nil)
}

func TestNext(t *testing.T) {
	t.Parallel()
	s := NewSchedule()
	want := func(want time.Duration, wantOK bool) {
		t.Helper()
		if at, ok := s.Next(); ok != wantOK || ok && at != want {
			t.Fatalf("next %v %v, want %v %v", at, ok, want, wantOK)
		}
	}
	want(0, false)
	s.Begin(time.Second, 1, CauseMaster, Settings{Repeat: 2, Delay: 3 * time.Second}, targets(1, 2))
	want(time.Second, true)
	if n := s.Due(time.Second, 3, func(Target) {}); n != 3 || s.Pending() != 1 {
		t.Fatalf("%d were due, %d left, want 3 and 1", n, s.Pending())
	}
	want(time.Second, true) // one is left over
	if n := s.Due(1100*time.Millisecond, 3, func(Target) {}); n != 1 {
		t.Fatalf("%d were due, want 1", n)
	}
	want(4*time.Second, true)
	if n := s.Due(3*time.Second, 3, func(Target) {}); n != 0 {
		t.Fatalf("%d were due early", n)
	}
	want(4*time.Second, true)
	if n := s.Due(4*time.Second, 0, func(Target) {}); n != 0 {
		t.Fatalf("%d were due, though none was wanted", n)
	}
	want(4*time.Second, true)
	s.Stop(1)
	want(0, false)
}

// A time that goes back is taken for the latest one.
func TestTimeGoesBack(t *testing.T) {
	t.Parallel()
	s := NewSchedule()
	set := Settings{Repeat: 2, Interval: time.Second}
	s.Begin(10*time.Second, 1, CauseMaster, set, targets(1, 1))
	s.Due(10*time.Second, 1, func(Target) {})
	s.Begin(0, 2, CauseMaster, set, targets(2, 1))
	equal(t, s, all(t, s, 0, time.Minute), "11s:2", "12s:1", "13s:2")
}

// What was slept through is not made up for, and the phase is kept.
func TestRefreshAfterSleep(t *testing.T) {
	t.Parallel()
	s := NewSchedule()
	s.Begin(0, 1, CauseMaster, Settings{Refresh: 10 * time.Second, RefreshRepeat: 1}, targets(1, 1))
	got := all(t, s, 0, time.Second)
	got = append(got, all(t, s, 57*time.Second, 71*time.Second)...)
	equal(t, s, got, "0s:1", "57s:1", "1m0s:1", "1m10s:1")
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	s := NewSchedule()
	set := Settings{Repeat: 1, RefreshRepeat: 1}
	s.Begin(0, 1, CauseMaster, set, targets(1, 2))
	got := all(t, s, 0, time.Second)
	set.Refresh = 10 * time.Second
	s.Configure(time.Second, 1, set)
	got = append(got, all(t, s, time.Second, 12*time.Second)...)
	set.RefreshRepeat = 2 // the phase stays
	s.Configure(15*time.Second, 1, set)
	got = append(got, all(t, s, 15*time.Second, 22*time.Second)...)
	set.Refresh = 0
	s.Configure(25*time.Second, 1, set)
	got = append(got, all(t, s, 25*time.Second, time.Hour)...)
	equal(t, s, got, "0s:1", "0s:2", "11s:1", "11s:2", "21s:1", "21s:2", "21s:1", "21s:2")
}

// A known address gets the hardware address and flag of the latest Begin, also
// in announcements that were owed before.
func TestTargetChanges(t *testing.T) {
	t.Parallel()
	s := NewSchedule()
	set := Settings{Repeat: 2, Delay: time.Second}
	s.Begin(0, 1, CauseMaster, set, []Target{target6(1)})
	s.Due(0, 1, func(Target) {})
	changed := target6(1)
	changed.MAC, changed.Router = macB, false
	s.Begin(0, 1, CauseAdded, set, []Target{changed})
	for _, o := range all(t, s, 0, time.Minute) {
		if o.t != changed {
			t.Errorf("at %v: %+v, want %+v", o.at, o.t, changed)
		}
	}
	audit(t, s)
}

func TestCloneSharesNothing(t *testing.T) {
	t.Parallel()
	set := DefaultSettings()
	set.Refresh, set.Interval = 7*time.Second, 30*time.Millisecond
	build := func() *Schedule {
		s := NewSchedule()
		s.SetGroups([]Group{{ID: 3, Interval: time.Second}})
		s.Begin(0, 1, CauseMaster, set, append(targets(1, 4), target6(5), on(2, target(1))))
		s.Begin(0, 2, CauseMaster, set, targets(9, 2))
		s.Due(0, 3, func(Target) {})
		return s
	}
	s := build()
	c := s.Clone()
	all(t, c, 0, time.Minute)
	c.Begin(time.Minute, 3, CauseMaster, set, targets(20, 50))
	c.Stop(1)
	c.SetGroups([]Group{{ID: 3, Interval: time.Hour}})
	audit(t, c)
	got, want := all(t, s, 0, time.Minute), all(t, build(), 0, time.Minute)
	if diff := cmp.Diff(text(want), text(got)); diff != "" {
		t.Errorf("the original after changes of its clone (-want +got):\n%s", diff)
	}
	audit(t, s)
}

// positions returns at which places the announcements of an address stand.
func positions(out []said, addr netip.Addr) []int {
	var places []int
	for i, o := range out {
		if o.t.Addr == addr {
			places = append(places, i)
		}
	}
	return places
}

// Every address once before any address twice: also for many instances with
// one address, and for one with many.
func TestFirstBeforeAgain(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ instances, addresses int }{{1, 1000}, {1000, 1}, {10, 100}} {
		t.Run(fmt.Sprintf("%dx%d", tc.instances, tc.addresses), func(t *testing.T) {
			t.Parallel()
			s := NewSchedule()
			for i := range tc.instances {
				s.Begin(0, uint32(i), CauseMaster, DefaultSettings(), targets(i*tc.addresses, tc.addresses))
			}
			out := run(t, s, 0, 4*time.Second, 64, time.Millisecond)
			n := tc.instances * tc.addresses
			if len(out) != 5*n {
				t.Fatalf("%d announcements, want %d", len(out), 5*n)
			}
			seen := map[netip.Addr]bool{}
			for _, o := range out[:n] {
				seen[o.t.Addr] = true
			}
			if len(seen) != n {
				t.Errorf("%d addresses in the first %d announcements", len(seen), n)
			}
			if last := out[n-1].at; last > time.Duration(n/64+1)*time.Millisecond {
				t.Errorf("the last address was announced after %v", last)
			}
			audit(t, s)
		})
	}
}

// An instance with many addresses, wherever it is in its burst, does not hold
// back another instance's first announcement.
func TestInstancesTakeTurns(t *testing.T) {
	t.Parallel()
	for _, already := range []int{0, 10, 1500} {
		s := NewSchedule()
		s.Begin(0, 1, CauseMaster, DefaultSettings(), targets(0, 1000))
		s.Due(0, already, func(Target) {})
		s.Begin(0, 2, CauseMaster, DefaultSettings(), targets(5000, 3))
		s.Begin(0, 3, CauseMaster, DefaultSettings(), targets(6000, 1))
		out := all(t, s, 0, time.Second)
		for _, tc := range []struct{ address, first, last int }{
			{5000, 2, 20 + 3000}, {5001, 5, 20 + 3000}, {5002, 8, 20 + 3000}, {6000, 3, 20 + 3000},
		} {
			places := positions(out, target(tc.address).Addr)
			if len(places) != 5 || places[0] > tc.first || places[4] > tc.last {
				t.Errorf("after %d: address %d announced at places %v, want the first up to %d and the last of 5 up to %d",
					already, tc.address, places, tc.first, tc.last)
			}
		}
		audit(t, s)
	}
}

// A refresh of many addresses does not hold back a new master.
func TestRefreshYieldsToFirst(t *testing.T) {
	t.Parallel()
	s := NewSchedule()
	set := Settings{Repeat: 1, Refresh: 10 * time.Second, RefreshRepeat: 1}
	s.Begin(0, 1, CauseMaster, set, targets(0, 1000))
	all(t, s, 0, time.Second)
	s.Due(10*time.Second, 10, func(Target) {})
	s.Begin(10*time.Second, 2, CauseMaster, set, targets(5000, 20))
	out := all(t, s, 10*time.Second, 11*time.Second)
	if len(out) != 990+20 {
		t.Fatalf("%d announcements, want 1010", len(out))
	}
	for i, o := range out[:20] {
		if o.t != target(5000+i) {
			t.Errorf("place %d: %v, want the new master's address %d", i, o.t.Addr, i)
		}
	}
	if slices.ContainsFunc(out[20:], func(o said) bool { return o.t.Addr == target(5000).Addr }) {
		t.Error("announced twice")
	}
}

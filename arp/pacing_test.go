package arp

import (
	"testing"
	"time"
)

// gaps fails unless the announcements of each lane, as key tells them apart,
// are at least gap apart.
func gaps(t testing.TB, out []said, gap time.Duration, key func(Target) any) {
	t.Helper()
	last := map[any]time.Duration{}
	for _, o := range out {
		k := key(o.t)
		if before, ok := last[k]; ok && o.at-before < gap {
			t.Fatalf("%v announced at %v, %v after the one before on %v; want %v", o.t.Addr, o.at, o.at-before, k, gap)
		}
		last[k] = o.at
	}
}

func TestPacing(t *testing.T) {
	t.Parallel()
	s := NewSchedule()
	set := Settings{Repeat: 2, Interval: time.Second, NAInterval: 3 * time.Second}
	s.Begin(0, 1, CauseMaster, set, []Target{
		target(1), target(2), target6(3), target6(4), on(2, target(1)),
	})
	s.Begin(0, 2, CauseMaster, set, []Target{target(5)})
	// Links and families have budgets of their own; on link 1 the instances
	// take turns, and first announcements come before repetitions.
	equal(t, s, all(t, s, 0, time.Hour),
		"0s:1", "0s:3", "0s:1@2",
		"1s:5", "1s:1@2",
		"2s:2", "3s:4", "3s:1",
		"4s:5", "5s:2", "6s:3", "9s:4",
	)
}

// One link that must wait does not keep another from sending.
func TestPacingHoldsBackNoOtherLink(t *testing.T) {
	t.Parallel()
	s := NewSchedule()
	slow, fast := Settings{Repeat: 5, Interval: time.Minute}, Settings{Repeat: 5}
	s.Begin(0, 1, CauseMaster, slow, targets(0, 100))
	s.Begin(0, 2, CauseMaster, fast, []Target{on(2, target(200)), on(2, target(201))})
	out := all(t, s, 0, time.Second)
	if len(out) != 1+10 {
		t.Errorf("%d announcements in the first second, want 11", len(out))
	}
	audit(t, s)
}

// Stop and Begin, new addresses and new instances do not get round the pacing.
func TestPacingOutlivesStop(t *testing.T) {
	t.Parallel()
	s := NewSchedule()
	set := Settings{Repeat: 5, Interval: time.Second}
	var out []said
	for i := range 100 {
		now := time.Duration(i) * 30 * time.Millisecond
		s.Begin(now, uint32(i%3), CauseMaster, set, targets(i, 2))
		out = append(out, all(t, s, now, now+20*time.Millisecond)...)
		s.Stop(uint32(i % 3))
		audit(t, s)
	}
	gaps(t, out, time.Second, func(t Target) any { return t.Link })
	if len(out) != 3 {
		t.Errorf("%d announcements in 3 s, want 3", len(out))
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	grouped := func(group uint32, t Target) Target { t.Group = group; return t }
	s := NewSchedule()
	s.SetGroups([]Group{{ID: 7, Interval: 2 * time.Second, NAInterval: time.Second}, {ID: 8}})
	set := Settings{Repeat: 1, Interval: 5 * time.Second, NAInterval: 5 * time.Second}
	s.Begin(0, 1, CauseMaster, set, []Target{
		// The links of group 7 share its budget,
		grouped(7, target(1)), grouped(7, on(2, target(2))), grouped(7, on(3, target(3))),
		grouped(7, target6(4)), grouped(7, on(2, target6(5))),
		// group 8 is not paced,
		grouped(8, on(4, target(6))), grouped(8, on(5, target(7))),
		// group 9 has no interval of its own,
		grouped(9, on(6, target(8))), grouped(9, on(7, target(9))),
		// and the last two have their own budgets.
		on(8, target(10)), on(9, target(11)),
	})
	got := all(t, s, 0, time.Hour)
	equal(t, s, got,
		"0s:1", "0s:4", "0s:6@4", "0s:8@6", "0s:10@8", "0s:11@9", "0s:7@5",
		"1s:5@2", "2s:2@2", "4s:3@3", "5s:9@7",
	)

	// Other groups hold for what is known already.
	s.SetGroups([]Group{{ID: 7, Interval: time.Second}})
	s.Begin(time.Hour, 1, CauseRefresh, set, nil)
	equal(t, s, all(t, s, time.Hour, 2*time.Hour),
		"1h0m0s:1", "1h0m0s:4", "1h0m0s:6@4", "1h0m0s:8@6", "1h0m0s:10@8", "1h0m0s:11@9", "1h0m0s:5@2",
		"1h0m1s:2@2", "1h0m2s:3@3", "1h0m5s:7@5", "1h0m5s:9@7",
	)
}

// A target that is given another group while it is waiting draws on that
// budget, and owes what it owed.
func TestGroupChanges(t *testing.T) {
	t.Parallel()
	s := NewSchedule()
	set := Settings{Repeat: 2, Interval: time.Second}
	s.Begin(0, 1, CauseMaster, set, targets(1, 2))
	got := all(t, s, 0, 500*time.Millisecond)
	moved := target(2)
	moved.Group = 4
	s.Begin(500*time.Millisecond, 1, CauseRefresh, set, []Target{moved})
	audit(t, s)
	got = append(got, all(t, s, 500*time.Millisecond, time.Hour)...)
	equal(t, s, got, "0s:1", "500ms:2", "1s:1", "1.5s:2")
}

// Interface indices come and go; the schedule does not grow with them.
func TestLanesAreReused(t *testing.T) {
	t.Parallel()
	s := NewSchedule()
	for i := range 1000 {
		now := time.Duration(i) * time.Second
		s.Begin(now, 1, CauseMaster, Settings{Interval: 100 * time.Millisecond}, []Target{on(i+1, target(1))})
		all(t, s, now, now+time.Second)
		s.Stop(1)
		audit(t, s)
	}
	if n := len(s.byLane); n > 2 {
		t.Errorf("%d lanes are remembered, want no more than 2", n)
	}
	if n := len(s.lanes.items) + len(s.flows.items) + len(s.entries.items) + len(s.instances.items); n > 16 {
		t.Errorf("%d records, want no more than 16", n)
	}
}

// While a master of lower priority is heard at every millisecond, its
// announcements are answered at once at first and about once a second in the
// end; when it falls silent the last word is ours, twice.
func TestProvokedBurstsAreBounded(t *testing.T) {
	t.Parallel()
	s := NewSchedule()
	set := Settings{Repeat: 1, LowerPrioRepeat: 2, LowerPrioDelay: 5 * time.Second}
	s.Begin(0, 1, CauseMaster, set, targets(1, 3))
	out := all(t, s, 0, time.Second)
	const end = 60 * time.Second
	for now := time.Second; now < end; now += time.Millisecond {
		s.Begin(now, 1, CauseLowerPriority, set, targets(1, 3))
		out = append(out, all(t, s, now, now+time.Millisecond)...)
		if s.Pending() > 6 {
			t.Fatalf("at %v: %d announcements pile up", now, s.Pending())
		}
	}
	out = append(out, all(t, s, end, time.Hour)...)
	var starts []time.Duration
	for _, at := range positionsInTime(out, target(1)) {
		if len(starts) == 0 || starts[len(starts)-1] != at {
			starts = append(starts, at)
		}
	}
	const ms = time.Millisecond
	want := []time.Duration{0, 1000 * ms, 1100 * ms, 1300 * ms, 1700 * ms, 2500 * ms, 3500 * ms, 4500 * ms}
	for i, at := range want {
		if starts[i] != at {
			t.Errorf("burst %d began at %v, want %v", i, starts[i], at)
		}
	}
	last, second := starts[len(starts)-2], starts[len(starts)-1]
	if len(starts) != 1+7+56+1 || last < end-ms || second != last+5*time.Second {
		t.Errorf("%d bursts, the last two at %v and %v", len(starts), last, second)
	}
	audit(t, s)
}

// After two quiet seconds the first burst is at once again.
func TestProvokedBurstsRecover(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	s := NewSchedule()
	set := Settings{LowerPrioRepeat: 1}
	s.Begin(0, 1, CauseMaster, set, targets(1, 1))
	got := all(t, s, 0, 10*ms)
	for _, at := range []time.Duration{1000 * ms, 1010 * ms, 1020 * ms, 3100 * ms, 3110 * ms} {
		s.Begin(at, 1, CauseLowerPriority, set, nil)
		got = append(got, all(t, s, at, at+5*ms)...)
		if at == 1020*ms {
			got = append(got, all(t, s, at, 3*time.Second)...)
		}
	}
	got = append(got, all(t, s, 3115*ms, time.Hour)...)
	equal(t, s, got, "0s:1", "1s:1", "1.1s:1", "3.1s:1", "3.2s:1")
}

// What was put off ends with the instance, and does not need its settings to
// stay as they were.
func TestProvokedBurstPutOff(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, tc := range []struct {
		name   string
		change func(s *Schedule, set Settings)
		want   []string
	}{
		{"nothing happens", func(*Schedule, Settings) {}, []string{"0s:1", "0s:1", "100ms:1"}},
		{"stop", func(s *Schedule, _ Settings) { s.Stop(1) }, []string{"0s:1", "0s:1"}},
		{"address removed", func(s *Schedule, _ Settings) { s.StopAddr(1, target(1).Addr) }, []string{"0s:1", "0s:1"}},
		{"address replaced", func(s *Schedule, set Settings) {
			s.StopAddr(1, target(1).Addr)
			s.Begin(50*ms, 1, CauseAdded, set, targets(2, 1))
		}, []string{"0s:1", "0s:1", "50ms:2", "100ms:2"}},
		{"switched off", func(s *Schedule, set Settings) {
			set.LowerPrioRepeat = 0
			s.Configure(50*ms, 1, set)
		}, []string{"0s:1", "0s:1"}},
		{"refresh switched on by a call that is put off", func(s *Schedule, set Settings) {
			set.Refresh, set.RefreshRepeat = 10*time.Minute, 1
			s.Begin(50*ms, 1, CauseLowerPriority, set, nil)
		}, []string{"0s:1", "0s:1", "100ms:1", "10m0.05s:1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := NewSchedule()
			set := Settings{Repeat: 1, LowerPrioRepeat: 1}
			s.Begin(0, 1, CauseMaster, set, targets(1, 1))
			got := all(t, s, 0, ms)
			s.Begin(0, 1, CauseLowerPriority, set, nil)
			got = append(got, all(t, s, 0, ms)...)
			s.Begin(10*ms, 1, CauseLowerPriority, set, nil)
			got = append(got, all(t, s, 10*ms, 50*ms)...)
			tc.change(s, set)
			got = append(got, all(t, s, 50*ms, 15*time.Minute)...)
			equal(t, s, got, tc.want...)
		})
	}
}

// positionsInTime returns when a target was announced.
func positionsInTime(out []said, t Target) []time.Duration {
	var times []time.Duration
	for _, o := range out {
		if o.t == t {
			times = append(times, o.at)
		}
	}
	return times
}

package vrrp

import (
	"fmt"
	"testing"
	"time"
)

func TestStart(t *testing.T) {
	t.Parallel()
	const added = "added VI_1, source 192.0.2.5@2, "
	for _, c := range []struct {
		name     string
		p        *Params
		want     string
		state    State
		deadline time.Duration
	}{
		{"state BACKUP", testParams(100), added + "INIT>BACKUP startup", Backup, down100},
		{
			"state MASTER",
			with(testParams(100), func(p *Params) { p.StartMaster = true }),
			added + "INIT>BACKUP startup", Backup, second + second/256,
		},
		{
			"state MASTER, version 2 at 5 s",
			with(testParams2(100), func(p *Params) { p.StartMaster, p.Interval = true, 5*second }),
			added + "INIT>BACKUP startup", Backup, 5*second + second/256,
		},
		{
			"owner with state MASTER",
			with(testParams(255), func(p *Params) { p.StartMaster = true }),
			added + tookOver(255, Init, CauseStartup), Master, second,
		},
		{"owner with state BACKUP", testParams(255), added + "INIT>BACKUP startup", Backup, 3*second + second/256},
		{
			"down_timer_adverts",
			with(testParams(100), func(p *Params) { p.DownAdverts = 10 }),
			added + "INIT>BACKUP startup", Backup, 10*second + skew100,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.expect(h.reload(0, c.p), c.want)
			h.expectState(c.state, CauseStartup, c.deadline)
		})
	}
}

func TestStartMasterGivesWayToABetterOne(t *testing.T) {
	t.Parallel()
	p := with(testParams(100), func(p *Params) { p.StartMaster = true })
	for _, c := range []struct {
		priority uint8
		want     string
	}{
		{200, ""},
		{100, ""},
		{50, tookOver(100, Backup, CauseStartup)},
	} {
		h := newHost(t, p)
		h.hear(500*ms, lowerAddr, c.priority)
		h.expect(h.until(second+second/256), c.want)
	}
}

func TestStartupDelay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		p     *Params
		start time.Duration
		want  string
	}{
		{"in the future", testParams(100), 10 * second, ""},
		{"now", testParams(100), second, "INIT>BACKUP startup"},
		{"in the past", testParams(100), 0, "INIT>BACKUP startup"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			want := "added VI_1, source 192.0.2.5@2"
			if c.want != "" {
				want += ", " + c.want
			}
			h.expect(h.step(second, Reconfigure{Start: c.start, Instances: []*Params{c.p}}), want)
		})
	}
	t.Run("owner", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		p := with(testParams(255), func(p *Params) { p.StartMaster = true })
		h.step(0, Reconfigure{Start: 10 * second, Instances: []*Params{p}})
		h.expect(h.until(10*second), tookOver(255, Init, CauseStartup))
	})
	t.Run("fault meanwhile", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		h.step(0, Reconfigure{Start: 10 * second, Instances: []*Params{testParams(100)}})
		h.expect(h.link(second, false, ownAddr), "")
		h.expect(h.step(second, Tracked{ID: 1, Weight: 5}), "")
		h.expect(h.until(10*second), "INIT>FAULT interface-down")
	})
}

// TestTakeoverCauses are the ways from Backup to Master.
func TestTakeoverCauses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		p     *Params
		hear  func(h *host)
		at    time.Duration
		cause Cause
	}{
		{"never heard anybody", testParams(100), func(*host) {}, down100, CauseMasterTimeout},
		{"silence", testParams(100), func(h *host) { h.hear(second, lowerAddr, 200) }, second + down100, CauseMasterTimeout},
		{"silence of an equal one", testParams(100), func(h *host) { h.hear(second, higherAddr, 100) }, second + down100, CauseMasterTimeout},
		{"leave", testParams(100), func(h *host) {
			h.hear(second, lowerAddr, 200)
			h.hear(2*second, lowerAddr, 0)
		}, 2*second + skew100, CauseMasterLeft},
		{"lower priority", testParams(100), func(h *host) {
			h.hear(second, lowerAddr, 50)
			h.hear(2*second, lowerAddr, 50)
			h.hear(3*second, lowerAddr, 50)
		}, down100, CauseLowerPriority},
		{"owner", testParams(255), func(h *host) { h.hear(second, lowerAddr, 254) }, 3*second + second/256, CauseOwner},
		{"owner despite nopreempt", with(testParams(255), func(p *Params) { p.Nopreempt = true }), func(h *host) {
			h.hear(second, lowerAddr, 254)
		}, 3*second + second/256, CauseOwner},
		{"silence after a lower one that a better one replaced", testParams(100), func(h *host) {
			h.hear(second, lowerAddr, 50)
			h.hear(2*second, higherAddr, 200)
		}, 2*second + down100, CauseMasterTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, c.p)
			c.hear(h)
			h.expect(h.until(c.at-1), "")
			h.expect(h.until(c.at), tookOver(c.p.Priority, Backup, c.cause))
		})
	}
}

func TestNopreempt(t *testing.T) {
	t.Parallel()
	h := newHost(t, with(testParams(100), func(p *Params) { p.Nopreempt = true }))
	for now := second; now < 60*second; now += second {
		h.until(now)
		h.expect(h.hear(now, lowerAddr, 1), "accepted 1")
	}
	h.expect(h.until(59*second+down100), tookOver(100, Backup, CauseMasterTimeout))
}

// TestPreemptDelay counts from the first advert of a lower priority; the
// take-over then comes within one master down time.
func TestPreemptDelay(t *testing.T) {
	t.Parallel()
	delayed := func(priority uint8) *host {
		return newHost(t, with(testParams(priority), func(p *Params) { p.PreemptDelay = 10 * second }))
	}
	t.Run("waits, then pre-empts", func(t *testing.T) {
		t.Parallel()
		h := delayed(100)
		for now := second; now <= 20*second; now += second {
			if got := h.until(now); got != "" {
				// First heard at 1 s, last followed at 10 s.
				h.expect(got, tookOver(100, Backup, CausePreemptDelay))
				if since := h.state().Since; since != 10*second+down100 {
					t.Fatalf("pre-empted at %v", since)
				}
				return
			}
			h.hear(now, lowerAddr, 50)
		}
		t.Fatal("never pre-empted")
	})
	t.Run("a dead master is not waited for", func(t *testing.T) {
		t.Parallel()
		h := delayed(100)
		h.hear(second, lowerAddr, 50)
		h.expect(h.until(second+down100), tookOver(100, Backup, CauseMasterTimeout))
	})
	t.Run("a leaving master is not waited for", func(t *testing.T) {
		t.Parallel()
		h := delayed(100)
		h.hear(second, lowerAddr, 50)
		h.hear(2*second, lowerAddr, 0)
		h.expect(h.until(2*second+skew100), tookOver(100, Backup, CauseMasterLeft))
	})
	t.Run("a better master ends the delay, the next lower one begins it anew", func(t *testing.T) {
		t.Parallel()
		h := delayed(100)
		h.hear(second, lowerAddr, 50)
		h.hear(2*second, higherAddr, 200)
		for now := 3 * second; now <= 12*second; now += second {
			h.expect(h.until(now), "")
			h.hear(now, lowerAddr, 50)
		}
		h.hear(13*second, lowerAddr, 50) // the delay is over: ignored from now on
		h.expect(h.until(12*second+down100), tookOver(100, Backup, CausePreemptDelay))
	})
	t.Run("owner", func(t *testing.T) {
		t.Parallel()
		h := delayed(255)
		h.hear(second, lowerAddr, 50)
		h.hear(4*second, lowerAddr, 50)
		h.expect(h.until(7*second), "")
	})
	t.Run("reload without it", func(t *testing.T) {
		t.Parallel()
		h := delayed(100)
		h.hear(second, lowerAddr, 50)
		h.reload(second, testParams(100))
		h.hear(2*second, lowerAddr, 50)
		h.expect(h.until(second+down100), tookOver(100, Backup, CauseLowerPriority))
	})
}

// TestLearnedInterval is Active_Adver_Interval (RFC 9568, 6.1).
func TestLearnedInterval(t *testing.T) {
	t.Parallel()
	quick := func(a *Advert) { a.Interval = 10 * ms }
	t.Run("followed", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, testParams(100))
		h.step(second, packet(testParams(100), lowerAddr, 200, quick))
		h.expectState(Backup, CauseStartup, second+30*ms+156*10*ms/256)
		if got := h.state().Interval; got != 10*ms {
			t.Errorf("interval %v", got)
		}
	})
	t.Run("not from one that is ignored", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, testParams(100))
		h.step(second, packet(testParams(100), lowerAddr, 50, quick))
		h.expectState(Backup, CauseStartup, down100)
	})
	t.Run("not from a priority 0 advert", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, testParams(100))
		h.step(second, packet(testParams(100), lowerAddr, 0, quick))
		h.expectState(Backup, CauseStartup, second+skew100)
	})
	t.Run("quick leave: the interval of the last advert before", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, testParams(100))
		h.hear(second, lowerAddr, 200)
		h.step(2*second, packet(testParams(100), lowerAddr, 200, quick))
		h.hear(2*second, lowerAddr, 0)
		h.expectState(Backup, CauseStartup, 2*second+156*10*ms/256)
	})
	t.Run("a new master advertises at its own", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, testParams(100))
		h.step(second, packet(testParams(100), lowerAddr, 200, quick))
		h.until(1100 * ms)
		h.expectState(Master, CauseMasterTimeout, h.state().Since+second)
		if got := h.state().Interval; got != second {
			t.Errorf("interval %v", got)
		}
	})
	t.Run("version 2 has one interval for all", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, testParams2(100))
		h.expect(h.step(second, packet(testParams2(100), lowerAddr, 200, func(a *Advert) { a.Interval = 2 * second })), "discarded interval-mismatch")
		h.expectState(Backup, CauseStartup, down100)
	})
}

// TestLateBackup is a machine that was paused: the master is well, but its
// adverts were lost. It listens for an interval and a half first, once.
func TestLateBackup(t *testing.T) {
	t.Parallel()
	awake := second + down100
	paused := func(t *testing.T) *host {
		h := newHost(t, testParams(100))
		h.hear(second, lowerAddr, 200)
		return h
	}
	t.Run("less than one interval late", func(t *testing.T) {
		t.Parallel()
		h := paused(t)
		h.expect(h.step(awake+second, Timeout{}), tookOver(100, Backup, CauseMasterTimeout))
	})
	t.Run("the master is still there", func(t *testing.T) {
		t.Parallel()
		h := paused(t)
		h.expect(h.step(awake+60*second, Timeout{}), "")
		h.expectState(Backup, CauseStartup, awake+61*second+500*ms)
		h.hear(awake+60*second+500*ms, lowerAddr, 200)
		h.expectState(Backup, CauseStartup, awake+60*second+500*ms+down100)
	})
	t.Run("the master is gone", func(t *testing.T) {
		t.Parallel()
		h := paused(t)
		h.step(awake+60*second, Timeout{})
		h.expect(h.step(awake+61*second+500*ms, Timeout{}), tookOver(100, Backup, CauseMasterTimeout))
	})
	t.Run("late again without having heard anybody", func(t *testing.T) {
		t.Parallel()
		h := paused(t)
		h.step(awake+60*second, Timeout{})
		h.expect(h.step(awake+90*second, Timeout{}), tookOver(100, Backup, CauseMasterTimeout))
	})
	t.Run("late again after having heard the master", func(t *testing.T) {
		t.Parallel()
		h := paused(t)
		h.step(awake+60*second, Timeout{})
		h.hear(awake+61*second, lowerAddr, 200)
		h.expect(h.step(awake+120*second, Timeout{}), "")
	})
	t.Run("after the master left", func(t *testing.T) {
		t.Parallel()
		h := paused(t)
		h.hear(2*second, lowerAddr, 0)
		h.expect(h.step(60*second, Timeout{}), "")
		h.expect(h.step(61*second+500*ms, Timeout{}), tookOver(100, Backup, CauseMasterLeft))
	})
	t.Run("late once more while the master leaves", func(t *testing.T) {
		t.Parallel()
		h := paused(t)
		h.step(awake+60*second, Timeout{})
		h.hear(awake+60*second, lowerAddr, 0)
		h.expect(h.step(awake+90*second, Timeout{}), "")
	})
	t.Run("a reload does not end the listening", func(t *testing.T) {
		t.Parallel()
		h := paused(t)
		h.step(awake+60*second, Timeout{})
		h.reload(awake+60*second, testParams(101))
		// One step of priority is worth 1/256 of the interval.
		h.expectState(Backup, CauseStartup, awake+61*second+500*ms-second/256)
	})
	t.Run("at 10 ms", func(t *testing.T) {
		t.Parallel()
		p := with(testParams(100), func(p *Params) { p.Interval = 10 * ms })
		h := newHost(t, p)
		due, _ := h.r.NextDeadline()
		h.expect(h.step(due+10*ms+1, Timeout{}), "")
		h.expectState(Backup, CauseStartup, due+25*ms+1)
	})
}

// TestBackupFollowsAnEqualOne: the tie-break by address is for masters only
// (RFC 9568, 6.4.2).
func TestBackupFollowsAnEqualOne(t *testing.T) {
	t.Parallel()
	for _, src := range []string{lowerAddr, higherAddr} {
		t.Run(src, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, testParams(100))
			h.hear(second, src, 100)
			h.expectState(Backup, CauseStartup, second+down100)
			if s := h.state(); s.Master != ip(src) || s.MasterPriority != 100 {
				t.Errorf("follows %v with %d", s.Master, s.MasterPriority)
			}
		})
	}
}

// TestSnapshotNamesTheMaster also when its priority is lower and it is only
// waited out.
func TestSnapshotNamesTheMaster(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams(100))
	if h.state().Master.IsValid() {
		t.Error("a master before any was heard")
	}
	for i, priority := range []uint8{200, 50} {
		h.hear(time.Duration(i)*second, lowerAddr, priority)
		if s := h.state(); s.Master != ip(lowerAddr) || s.MasterPriority != priority {
			t.Errorf("priority %d: got %v with %d", priority, s.Master, s.MasterPriority)
		}
	}
	h.until(20 * second)
	if s := h.state(); s.State != Master || s.Master.IsValid() {
		t.Errorf("%v still follows %v", s.State, s.Master)
	}
}

// TestBetterPriorityIsSooner takes every pair of neighbours at 10 ms.
func TestBetterPriorityIsSooner(t *testing.T) {
	t.Parallel()
	var last time.Duration = Forever
	for priority := 1; priority <= 255; priority++ {
		h := newHost(t, with(testParams(uint8(priority)), func(p *Params) { p.Interval = 10 * ms }))
		d, _ := h.r.NextDeadline()
		if d >= last {
			t.Fatal(fmt.Sprint("priority ", priority, " is not sooner than the one below"))
		}
		last = d
	}
}

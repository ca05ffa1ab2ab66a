package vrrp

import (
	"testing"
	"time"
)

func owner() *Params { return with(testParams(255), func(p *Params) { p.StartMaster = true }) }

func TestMasterAdvertises(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams(100))
	start := h.now
	for i := 1; i <= 10; i++ {
		at := start + time.Duration(i)*second
		h.expect(h.until(at-1), "")
		h.expect(h.until(at), "send 100")
	}
}

// TestMasterHears is RFC 9568, 6.4.3, with keepalived's switches.
func TestMasterHears(t *testing.T) {
	t.Parallel()
	plain := func(*Params) {}
	ask := func(p *Params) { p.HigherPrioSendAdvert = true }
	mute := func(p *Params) { p.LowerPrioNoAdvert = true }
	for _, c := range []struct {
		name     string
		change   func(*Params)
		src      string
		priority uint8
		want     string
	}{
		{"higher", plain, lowerAddr, 101, "accepted 101, remove, MASTER>BACKUP higher-priority-backup"},
		{"higher, higher_prio_send_advert", ask, lowerAddr, 101, "accepted 101, send 100, remove, MASTER>BACKUP higher-priority-backup"},
		{"owner", plain, lowerAddr, 255, "accepted 255, remove, MASTER>BACKUP higher-priority-backup"},
		{"equal from higher address", plain, higherAddr, 100, "noted equal-priority, accepted 100, remove, MASTER>BACKUP higher-priority-backup"},
		{"equal from higher address, higher_prio_send_advert", ask, higherAddr, 100, "noted equal-priority, accepted 100, send 100, remove, MASTER>BACKUP higher-priority-backup"},
		{"equal from lower address", plain, lowerAddr, 100, "noted equal-priority, accepted 100, send 100, announce-lower"},
		{"equal from lower address, lower_prio_no_advert", mute, lowerAddr, 100, "noted equal-priority, accepted 100, announce-lower"},
		{"lower", plain, higherAddr, 99, "accepted 99, send 100, announce-lower"},
		{"lower, lower_prio_no_advert", mute, higherAddr, 99, "accepted 99, announce-lower"},
		{"lower, nopreempt counts for backups only", func(p *Params) { p.Nopreempt = true }, lowerAddr, 99, "accepted 99, send 100, announce-lower"},
		{"higher, nopreempt counts for backups only", func(p *Params) { p.Nopreempt = true }, lowerAddr, 101, "accepted 101, remove, MASTER>BACKUP higher-priority-backup"},
		{"leaving", plain, higherAddr, 0, "accepted 0, send 100, announce-lower"},
		{"leaving, lower_prio_no_advert", mute, higherAddr, 0, "accepted 0, send 100, announce-lower"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newMaster(t, with(testParams(100), c.change))
			h.expect(h.hear(h.now+ms, c.src, c.priority), c.want)
		})
	}
}

// TestTieBreakIsUnsigned compares addresses as numbers in network order.
func TestTieBreakIsUnsigned(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		own, other string
		gives      bool
	}{
		{"9.0.0.1", "10.0.0.1", true},
		{"10.0.0.1", "9.0.0.1", false},
		{"127.0.0.1", "128.0.0.1", true},
		{"192.0.2.9", "192.0.2.10", true},
		{"192.0.2.255", "192.0.3.0", true},
		{"fe80::9", "fe80::a", true},
		{"fe80::8000:0:0:0", "fe80::7fff:0:0:0", false},
		{"fe80::1", "fe80::f000:0:0:1", true},
	} {
		t.Run(c.own+" "+c.other, func(t *testing.T) {
			t.Parallel()
			p := testParams(100)
			if ip(c.own).Is6() {
				p = testParams6(100)
			}
			h := newHost(t, p)
			h.link(0, true, c.own)
			h.until(4 * second)
			h.hear(4*second, c.other, 100)
			if gave := h.state().State == Backup; gave != c.gives {
				t.Errorf("gave way: %v, want %v", gave, c.gives)
			}
		})
	}
}

// TestLoserLearns the interval of the winner and waits for its silence.
func TestLoserLearns(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams(100))
	now := h.now + ms
	h.step(now, packet(testParams(100), lowerAddr, 200, func(a *Advert) { a.Interval = 100 * ms }))
	h.expectState(Backup, CauseHigherPriority, now+300*ms+156*100*ms/256)
	if s := h.state(); s.Master != ip(lowerAddr) || s.MasterPriority != 200 || s.Interval != 100*ms {
		t.Errorf("follows %v with %d at %v", s.Master, s.MasterPriority, s.Interval)
	}
}

// flood lets a master hear an advert each millisecond, between its deadlines,
// and counts what it does.
func flood(h *host, src string, priority uint8, length time.Duration) map[string]int {
	counts := map[string]int{}
	step := func(now time.Duration, ev Event) {
		for _, a := range h.r.Step(now, ev) {
			counts[a.Kind.String()]++
		}
	}
	h.until(h.now + ms/3)
	for end := h.now + length; h.now < end; h.now += ms {
		for d, _ := h.r.NextDeadline(); d <= h.now; d, _ = h.r.NextDeadline() {
			step(d, Timeout{})
		}
		step(h.now, packet(h.r.instances[0].p, src, priority, nil))
	}
	return counts
}

// TestFlood bounds what peers can provoke: two answers and one announcement
// an interval, however much they send.
func TestFlood(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		src            string
		priority       uint8
		send, announce int
	}{
		{"lower", lowerAddr, 50, 20, 10},
		{"equal", lowerAddr, 100, 20, 10},
		{"leaving", lowerAddr, 0, 20, 10},
		{"own address", ownAddr, 100, 10, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newMaster(t, testParams(100))
			got := flood(h, c.src, c.priority, 10*second)
			if got["send-advert"] < c.send-1 || got["send-advert"] > c.send+1 {
				t.Errorf("%d adverts in 10 s, want %d", got["send-advert"], c.send)
			}
			if got["announce-lower"] < c.announce-1 || got["announce-lower"] > c.announce+1 {
				t.Errorf("%d announcements in 10 s, want %d", got["announce-lower"], c.announce)
			}
			if h.state().State != Master {
				t.Errorf("now %v", h.state().State)
			}
		})
	}
	t.Run("lower at 10 ms", func(t *testing.T) {
		t.Parallel()
		h := newMaster(t, with(testParams(100), func(p *Params) { p.Interval = 10 * ms }))
		got := flood(h, lowerAddr, 50, second)
		if n := got["announce-lower"]; n < 9 || n > 11 {
			t.Errorf("%d announcements in 1 s, want 10: never more often than each 100 ms", n)
		}
		if n := got["send-advert"]; n < 198 || n > 202 {
			t.Errorf("%d adverts in 1 s, want 200", n)
		}
	})
}

// TestAnswers: the first is at once and starts the interval anew, the next one
// waits for half an interval.
func TestAnswers(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams(100))
	t0 := h.now + 100*ms
	h.expect(h.hear(t0, lowerAddr, 50), "accepted 50, send 100, announce-lower")
	h.expectState(Master, CauseMasterTimeout, t0+second)
	h.expect(h.hear(t0+ms, lowerAddr, 50), "accepted 50")
	h.expectState(Master, CauseMasterTimeout, t0+500*ms)
	h.expect(h.until(t0+500*ms), "send 100")
	h.expect(h.hear(t0+501*ms, lowerAddr, 50), "accepted 50")
	h.expect(h.until(t0+second), "announce-lower, send 100")
	h.expect(h.until(t0+2*second-1), "")
	h.expect(h.hear(t0+2*second-1, lowerAddr, 0), "accepted 0, send 100")
}

// TestAnnouncementIsPutOff to the end of the bound, once, and only while
// master.
func TestAnnouncementIsPutOff(t *testing.T) {
	t.Parallel()
	mute := with(testParams(100), func(p *Params) { p.LowerPrioNoAdvert = true })
	heard := func(t *testing.T) (*host, time.Duration) {
		h := newMaster(t, mute)
		t0 := h.now + 100*ms
		h.expect(h.hear(t0, lowerAddr, 50), "accepted 50, announce-lower")
		h.expect(h.hear(t0+10*ms, lowerAddr, 50), "accepted 50")
		h.expect(h.hear(t0+20*ms, lowerAddr, 50), "accepted 50")
		return h, t0
	}
	t.Run("done", func(t *testing.T) {
		t.Parallel()
		h, t0 := heard(t)
		h.expect(h.until(t0+second), "send 100, announce-lower")
		h.expect(h.until(t0+2*second), "send 100")
	})
	t.Run("not after the end of mastership", func(t *testing.T) {
		t.Parallel()
		h, t0 := heard(t)
		h.hear(t0+30*ms, lowerAddr, 200)
		h.expect(h.until(t0+3*second), "")
	})
	t.Run("not after a fault", func(t *testing.T) {
		t.Parallel()
		h, t0 := heard(t)
		h.link(t0+30*ms, false, ownAddr)
		h.expect(h.until(t0+10*second), "")
	})
}

// TestLateMaster was not running while another one took over. It steps back
// only when it hears that one.
func TestLateMaster(t *testing.T) {
	t.Parallel()
	// Even priority 254 must have taken over by then.
	bound := 3*second + 2*second/256
	late := func(t *testing.T) (*host, time.Duration) {
		h := newMaster(t, testParams(100))
		return h, h.now
	}
	t.Run("hears a lower one in time", func(t *testing.T) {
		t.Parallel()
		h, sent := late(t)
		h.expect(h.hear(sent+bound, lowerAddr, 50), "accepted 50, send 100, announce-lower")
	})
	t.Run("hears a lower one too late", func(t *testing.T) {
		t.Parallel()
		h, sent := late(t)
		h.expect(h.hear(sent+bound+1, lowerAddr, 50), "accepted 50, remove, MASTER>BACKUP late")
		// It pre-empts like any backup, after the full master down time.
		h.expectState(Backup, CauseLate, sent+bound+1+down100)
		h.expect(h.until(sent+bound+1+down100), tookOver(100, Backup, CauseLowerPriority))
	})
	t.Run("hears a lower one too late, nopreempt", func(t *testing.T) {
		t.Parallel()
		p := with(testParams(100), func(p *Params) { p.Nopreempt = true })
		h := newMaster(t, p)
		now := h.now + bound + 1
		h.expect(h.hear(now, lowerAddr, 50), "accepted 50, remove, MASTER>BACKUP late")
		h.hear(now+second, lowerAddr, 50)
		h.expectState(Backup, CauseLate, now+second+down100)
	})
	t.Run("hears a higher one too late", func(t *testing.T) {
		t.Parallel()
		h, sent := late(t)
		h.expect(h.hear(sent+bound+1, lowerAddr, 200), "accepted 200, remove, MASTER>BACKUP late")
		h.expectState(Backup, CauseLate, sent+bound+1+down100)
	})
	t.Run("hears a leave", func(t *testing.T) {
		t.Parallel()
		h, sent := late(t)
		h.expect(h.hear(sent+bound+1, lowerAddr, 0), "accepted 0, send 100, announce-lower")
	})
	t.Run("hears nobody", func(t *testing.T) {
		t.Parallel()
		h, sent := late(t)
		h.expect(h.step(sent+60*second, Timeout{}), "linger")
		h.expectState(Master, CauseMasterTimeout, sent+61*second+500*ms)
		h.expect(h.step(sent+61*second+500*ms, Timeout{}), "send 100, announce")
		h.expectState(Master, CauseMasterTimeout, sent+62*second+500*ms)
	})
	t.Run("hears another one while it listens", func(t *testing.T) {
		t.Parallel()
		h, sent := late(t)
		h.expect(h.step(sent+60*second, Timeout{}), "linger")
		h.expect(h.hear(sent+60*second+500*ms, lowerAddr, 50), "accepted 50, remove, MASTER>BACKUP late")
	})
	t.Run("a reload does not end the listening", func(t *testing.T) {
		t.Parallel()
		p := testParams(100)
		for _, at := range []time.Duration{60 * second, 60*second + 500*ms} {
			h, sent := late(t)
			if at > 60*second {
				h.step(sent+60*second, Timeout{})
			}
			h.expect(h.reload(sent+at, with(p, func(p *Params) { p.Priority = 120 })), "linger, install")
			h.expectState(Master, CauseMasterTimeout, sent+at+second+500*ms)
		}
	})
}

// TestTwoOwners: by the RFC the lower address gives way.
func TestTwoOwners(t *testing.T) {
	t.Parallel()
	t.Run("lower address", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, owner())
		h.expect(h.hear(ms, higherAddr, 255), "noted two-owners, accepted 255, remove, MASTER>BACKUP higher-priority-backup")
		h.expect(h.hear(second, higherAddr, 255), "noted two-owners, accepted 255")
		if p := h.state().Priority; p != 255 {
			t.Errorf("priority %d", p)
		}
	})
	t.Run("higher address", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, owner())
		h.expect(h.hear(ms, lowerAddr, 255), "noted two-owners, accepted 255, send 255, announce-lower")
		h.expect(h.until(20*second-1+ms), "send 255, send 255, send 255, send 255, send 255, send 255, send 255, send 255, send 255, send 255, "+
			"send 255, send 255, send 255, send 255, send 255, send 255, send 255, send 255, send 255")
	})
}

// TestRogueOwner is an owner that ignores adverts and therefore never gives
// way: the one with the higher address does, until the other is gone.
func TestRogueOwner(t *testing.T) {
	t.Parallel()
	rogue := func(t *testing.T) *host {
		h := newHost(t, owner())
		for now := 100 * ms; now < 10*second; now += second {
			h.until(now)
			h.hear(now, lowerAddr, 255)
			if h.state().State == Backup {
				break
			}
		}
		return h
	}
	t.Run("gives way after two adverts of its own", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, owner())
		h.expect(h.hear(500*ms, lowerAddr, 255), "noted two-owners, accepted 255, send 255, announce-lower")
		h.expect(h.until(1500*ms), "send 255")
		h.expect(h.hear(1500*ms, lowerAddr, 255), "noted two-owners, accepted 255, send 255, announce-lower")
		h.expect(h.hear(1800*ms, lowerAddr, 255), "noted two-owners, accepted 255")
		h.expect(h.until(2*second), "send 255")
		h.expect(h.hear(2100*ms, lowerAddr, 255), "noted two-owners, accepted 255, remove, MASTER>BACKUP higher-priority-backup")
		if p, q := h.state().Priority, h.r.Priority(1); p != 254 || q != 254 {
			t.Errorf("priority %d and %d, want 254", p, q)
		}
	})
	t.Run("not before 1.2 of the longer interval", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, owner())
		slow := packet(owner(), lowerAddr, 255, func(a *Advert) { a.Interval = 10 * second })
		h.step(500*ms, slow)
		for now := 2 * second; now < 12*second; now += second {
			h.until(now)
			h.step(now, slow)
			if h.state().State != Master {
				t.Fatalf("gave way at %v", now)
			}
		}
		h.until(12500 * ms)
		h.step(12500*ms, slow)
		if h.state().State != Backup {
			t.Fatal("did not give way")
		}
	})
	t.Run("comes back as owner when the other is gone", func(t *testing.T) {
		t.Parallel()
		h := rogue(t)
		if h.state().State != Backup {
			t.Fatal("never gave way")
		}
		h.expect(h.until(h.now+3*second+2*second/256), tookOver(255, Backup, CauseMasterTimeout))
	})
	t.Run("follows the other as long as it is there", func(t *testing.T) {
		t.Parallel()
		h := rogue(t)
		for range 20 {
			h.expect(h.hear(h.now+second, lowerAddr, 255), "accepted 255")
		}
	})
	t.Run("another owner that starts now and then is not a rogue", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, owner())
		for now := 500 * ms; now < 1000*second; now += 100 * second {
			h.until(now)
			h.expect(h.hear(now, lowerAddr, 255), "noted two-owners, accepted 255, send 255, announce-lower")
		}
	})
}

// TestShutdown: only a master says that it leaves, and nothing moves after.
func TestShutdown(t *testing.T) {
	t.Parallel()
	later := func(t *testing.T, h *host) {
		t.Helper()
		now := h.now
		h.expectState(Init, h.state().Cause, Forever)
		h.expect(h.until(now+100*second), "")
		h.expect(h.hear(h.now, lowerAddr, 50), "discarded startup")
		h.expect(h.link(h.now, false, ownAddr), "")
		h.expect(h.link(h.now, true, higherAddr), "")
		h.expect(h.link(h.now, true, ownAddr), "")
		h.expect(h.step(h.now, AddressTaken{1}), "")
		h.expect(h.step(h.now, Tracked{ID: 1, Weight: 10}), "")
		if d, ok := h.r.NextDeadline(); ok {
			t.Errorf("a stopped router awaits %v", d)
		}
		h.expect(h.reload(h.now, h.r.instances[0].p), "")
		h.expect(h.step(h.now, Shutdown{}), "")
	}
	t.Run("master", func(t *testing.T) {
		t.Parallel()
		h := newMaster(t, testParams(100))
		h.expect(h.step(h.now+ms, Shutdown{}), "send 0, remove, MASTER>INIT shutdown")
		later(t, h)
	})
	t.Run("backup", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, testParams(100))
		h.expect(h.step(ms, Shutdown{}), "BACKUP>INIT shutdown")
		later(t, h)
	})
	t.Run("fault", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, testParams(100))
		h.link(0, false, ownAddr)
		h.expect(h.step(ms, Shutdown{}), "FAULT>INIT shutdown")
		later(t, h)
	})
	t.Run("taken address", func(t *testing.T) {
		t.Parallel()
		h := newMaster(t, testParams(100))
		h.step(h.now, AddressTaken{1})
		h.expect(h.step(h.now+ms, Shutdown{}), "FAULT>INIT shutdown")
		later(t, h)
	})
	t.Run("startup delay", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		h.step(0, Reconfigure{Start: 10 * second, Instances: []*Params{testParams(100)}})
		h.expect(h.step(ms, Shutdown{}), "")
		later(t, h)
	})
	t.Run("what a reload adds later does not start", func(t *testing.T) {
		t.Parallel()
		h := newMaster(t, testParams(100))
		h.step(h.now, Shutdown{})
		other := with(owner(), func(p *Params) { p.Name, p.VRID = "VI_2", 52 })
		h.expect(h.reload(h.now, testParams(100), other), "#2 added VI_2, #2 source 192.0.2.5@2")
		h.expect(h.until(h.now+100*second), "")
	})
}

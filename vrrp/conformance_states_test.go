package vrrp

import (
	"strings"
	"testing"
	"time"
)

func TestRFC9568_6_4_1_OwnerStartsAsActive(t *testing.T) {
	t.Parallel()
	for _, p := range []*Params{owner(), with(testParams6(255), func(p *Params) { p.StartMaster = true })} {
		h := newHost(t)
		got := h.reload(second, p)
		if !strings.HasSuffix(got, tookOver(255, Init, CauseStartup)) {
			t.Errorf("%v: %s", p.Family, got)
		}
		h.expectState(Master, CauseStartup, 2*second)
	}
}

func TestRFC9568_6_4_1_OthersStartAsBackup(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.expect(h.reload(second, testParams(254)), "added VI_1, source 192.0.2.5@2, INIT>BACKUP startup")
	h.expectState(Backup, CauseStartup, second+3*second+2*second/256)
	if got := h.state().Interval; got != second {
		t.Errorf("Active_Adver_Interval %v, want the own interval", got)
	}
}

// neverInstalled fails when the addresses are on a host that is not master:
// what is not there, the kernel neither resolves nor accepts.
func neverInstalled(t *testing.T, p *Params, src string) {
	t.Helper()
	h := newHost(t, p)
	installed := false
	check := func(now time.Duration, ev Event) {
		for _, a := range h.r.Step(now, ev) {
			switch a.Kind {
			case Install, Announce, AnnounceLower:
				installed = true
			case Remove:
				installed = false
			}
		}
		if s := h.state().State; installed != (s == Master) {
			t.Fatalf("at %v in %v the addresses are installed: %v", now, s, installed)
		}
	}
	link := func(up bool) Event {
		return LinkChanged{Link{Name: "eth0", Index: eth0, Up: up, Addrs: ips(ownAddr, ownAddr6)}}
	}
	check(second, packet(p, src, 200, nil))
	check(10*second, Timeout{})
	check(11*second, Timeout{}) // master
	check(11*second, packet(p, src, 50, nil))
	check(12*second, packet(p, src, 200, nil)) // backup
	check(20*second, Timeout{})
	check(21*second, Timeout{})       // master
	check(22*second, link(false))     // fault
	check(23*second, link(true))      // backup
	check(30*second, Timeout{})       // grace
	check(31*second, Timeout{})       // master
	check(32*second, AddressTaken{1}) // fault
	check(63*second, Timeout{})       // backup
	check(80*second, Timeout{})       // grace
	check(81*second, Timeout{})       // master
	check(82*second, Shutdown{})      // stopped
	check(83*second, packet(p, src, 0, nil))
	if s := h.state(); s.State != Init || s.Cause != CauseShutdown {
		t.Errorf("ends in %v because of %v", s.State, s.Cause)
	}
}

func TestRFC9568_6_4_2_NoAddressesIPv4(t *testing.T) {
	t.Parallel()
	neverInstalled(t, testParams(100), lowerAddr)
}

func TestRFC9568_6_4_2_NoAddressesIPv6(t *testing.T) {
	t.Parallel()
	neverInstalled(t, testParams6(100), lowerAddr6)
}

func TestRFC9568_6_4_2_Shutdown(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams(100))
	h.expect(h.step(second, Shutdown{}), "BACKUP>INIT shutdown")
	h.expectState(Init, CauseShutdown, Forever) // the timer is cancelled
	h.expect(h.until(100*second), "")
}

func TestRFC9568_6_4_2_TimerFires(t *testing.T) {
	t.Parallel()
	for _, p := range []*Params{testParams(100), testParams6(100)} {
		h := newHost(t, p)
		h.step(0, packet(p, map[Family]string{IPv4: lowerAddr, IPv6: lowerAddr6}[p.Family], 200, func(a *Advert) { a.Interval = 2 * second }))
		fires := 6*second + 156*2*second/256
		h.expect(h.until(fires-1), "")
		h.expect(h.until(fires), tookOver(100, Backup, CauseMasterTimeout))
		h.expectState(Master, CauseMasterTimeout, fires+second) // its own interval
	}
}

func TestRFC9568_6_4_2_PriorityZero(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams(100))
	h.hear(second, lowerAddr, 200)
	h.expect(h.hear(2*second, lowerAddr, 0), "accepted 0")
	h.expectState(Backup, CauseStartup, 2*second+skew100)
	h.hear(2*second, lowerAddr, 200) // it stayed after all
	h.expectState(Backup, CauseStartup, 2*second+down100)
}

func TestRFC9568_6_4_2_Follows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		nopreempt bool
		priority  uint8
		src       string
		follows   bool
	}{
		{"higher", false, 101, lowerAddr, true},
		{"owner", false, 255, lowerAddr, true},
		{"equal, whatever its address", false, 100, lowerAddr, true},
		{"equal, higher address", false, 100, higherAddr, true},
		{"lower, Preempt_Mode false", true, 99, lowerAddr, true},
		{"lowest, Preempt_Mode false", true, 1, lowerAddr, true},
		{"lower", false, 99, higherAddr, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := with(testParams(100), func(p *Params) { p.Nopreempt = c.nopreempt })
			h := newHost(t, p)
			h.step(second, packet(p, c.src, c.priority, func(a *Advert) { a.Interval = 2 * second }))
			interval, deadline := second, down100
			if c.follows {
				interval, deadline = 2*second, second+6*second+156*2*second/256
			}
			h.expectState(Backup, CauseStartup, deadline)
			if got := h.state().Interval; got != interval {
				t.Errorf("Active_Adver_Interval %v, want %v", got, interval)
			}
		})
	}
}

func TestRFC9568_6_4_2_DiscardsLower(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams(100))
	for now := 100 * ms; now < 3*second; now += 100 * ms {
		h.expect(h.hear(now, lowerAddr, 99), "accepted 99")
		h.expectState(Backup, CauseStartup, down100)
	}
	h.expect(h.until(down100), tookOver(100, Backup, CauseLowerPriority))
}

func TestRFC9568_6_4_3_Shutdown(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams(100))
	h.expect(h.step(h.now+300*ms, Shutdown{}), "send 0, remove, MASTER>INIT shutdown")
	h.expectState(Init, CauseShutdown, Forever)
	h.expect(h.until(h.now+100*second), "")
}

func TestRFC9568_6_4_3_AdverTimer(t *testing.T) {
	t.Parallel()
	h := newMaster(t, with(testParams(100), func(p *Params) { p.Interval = 250 * ms }))
	for range 10 {
		next := h.now + 250*ms
		h.expect(h.until(next-1), "")
		h.expect(h.until(next), "send 100")
	}
}

func TestRFC9568_6_4_3_PriorityZero(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams(100))
	now := h.now + 700*ms
	h.expect(h.hear(now, lowerAddr, 0), "accepted 0, send 100, announce-lower")
	h.expectState(Master, CauseMasterTimeout, now+second)
}

func TestRFC9568_6_4_3_GivesWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		src      string
		priority uint8
		gives    bool
	}{
		{"higher priority, lower address", lowerAddr, 101, true},
		{"higher priority, higher address", higherAddr, 101, true},
		{"equal priority, higher address", higherAddr, 100, true},
		{"equal priority, lower address", lowerAddr, 100, false},
		{"lower priority, higher address", higherAddr, 99, false},
		{"lower priority, lower address", lowerAddr, 99, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newMaster(t, testParams(100))
			now := h.now + ms
			h.step(now, packet(h.r.instances[0].p, c.src, c.priority, func(a *Advert) { a.Interval = 2 * second }))
			if !c.gives {
				h.expectState(Master, CauseMasterTimeout, now+second)
				return
			}
			h.expectState(Backup, CauseHigherPriority, now+6*second+156*2*second/256)
			if got := h.state().Interval; got != 2*second {
				t.Errorf("Active_Adver_Interval %v", got)
			}
		})
	}
}

func TestRFC9568_6_4_3_AssertsItself(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams(100))
	h.expect(h.hear(h.now+100*ms, lowerAddr, 99), "accepted 99, send 100, announce-lower")
	h.expect(h.hear(h.now+600*ms, lowerAddr, 100), "noted equal-priority, accepted 100, send 100")
	// At once, but not without bound: see TestFlood.
	h.expect(h.hear(h.now+ms, lowerAddr, 99), "accepted 99")
	h.expect(h.until(h.now+500*ms), "announce-lower, send 100")
}

func TestRFC9568_7_1_LadderOfVersion3(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*AdvertReceived)
		want   string
	}{
		{"nothing is wrong", func(*AdvertReceived) {}, "accepted 200"},
		{"version 2", patched(func(b []byte) { b[0] = 0x21 }), "discarded version"},
		{"version 4", patched(func(b []byte) { b[0] = 0x41 }), "discarded version"},
		{"type 2", patched(func(b []byte) { b[0] = 0x32 }), "discarded type"},
		{"not even a header", func(d *AdvertReceived) { d.Payload = d.Payload[:7] }, "discarded length"},
		{"no address", func(d *AdvertReceived) { d.Payload = d.Payload[:8] }, "discarded length"},
		{"half an address", func(d *AdvertReceived) { d.Payload = d.Payload[:10] }, "discarded length"},
		{"one address more than counted", patched(func(b []byte) { b[3] = 0 }), "discarded length"},
		{"one address less than counted", patched(func(b []byte) { b[3] = 2 }), "discarded length"},
		{"checksum", func(d *AdvertReceived) { d.Payload[2]++ }, "discarded checksum"},
		{"interval 0", patched(func(b []byte) { b[4], b[5] = 0xf0, 0 }), "discarded interval"},
		{"vrid not configured", patched(func(b []byte) { b[1]++ }), "#0 discarded vrid"},
		{"vrid configured on another interface", func(d *AdvertReceived) { d.Link++ }, "#0 discarded vrid"},
	} {
		if got := deliver(t, testParams(100), c.change); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// TestRFC9568_7_1_DiscardsTell: whatever is discarded changes nothing and is
// told with its reason, sender and interface, so that the outside can log it
// with a limit of rate and count it.
func TestRFC9568_7_1_DiscardsTell(t *testing.T) {
	t.Parallel()
	for _, r := range ladder() {
		h := newHost(t, secret(100))
		before := h.state()
		d := broken(h.r.instances[0].p, r)
		got := h.r.Step(second, d)
		want := Action{Kind: Discarded, ID: r.found, Reason: r.reason, Src: d.Src, Link: eth0}
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %+v, want %+v", r.name, got, want)
		}
		if after := h.state(); after.Deadline != before.Deadline || after.Master != before.Master {
			t.Errorf("%s: changed %+v to %+v", r.name, before, after)
		}
	}
}

func TestRFC9568_7_1_OwnerHears(t *testing.T) {
	t.Parallel()
	// Erratum 8298: told and processed. The one with the lower address gives way.
	for src, want := range map[string]string{
		lowerAddr:  "noted two-owners, accepted 255, send 255, announce-lower",
		higherAddr: "noted two-owners, accepted 255, remove, MASTER>BACKUP higher-priority-backup",
	} {
		h := newHost(t, owner())
		h.expect(h.hear(ms, src, 255), want)
	}
	// The published text, by owner_ignore_adverts.
	h := newHost(t, with(owner(), func(p *Params) { p.OwnerIgnoreAdverts = true }))
	h.expect(h.hear(ms, higherAddr, 255), "discarded owner-ignores")
}

func TestRFC9568_7_1_OtherInterval(t *testing.T) {
	t.Parallel()
	for interval, want := range map[time.Duration]string{
		second: "accepted 200", 10 * ms: "noted interval-differs, accepted 200", 2 * second: "noted interval-differs, accepted 200",
	} {
		h := newHost(t, testParams(100))
		h.expect(h.step(0, packet(testParams(100), lowerAddr, 200, func(a *Advert) { a.Interval = interval })), want)
	}
}

func TestRFC9568_7_1_OtherAddresses(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"192.0.2.10": "accepted 200", "192.0.2.11": "noted address-list, accepted 200",
		"192.0.2.10 192.0.2.11": "noted address-list, accepted 200",
	} {
		h := newHost(t, testParams(100))
		h.expect(h.step(0, packet(testParams(100), lowerAddr, 200, func(a *Advert) { a.Addrs = ips(strings.Fields(list)...) })), want)
	}
}

func TestRFC9568_7_2_Fields(t *testing.T) {
	t.Parallel()
	p := with(testParams(77), func(p *Params) {
		p.VRID, p.Interval, p.Addrs = 9, 1230*ms, ips("192.0.2.11", "192.0.2.10")
	})
	o := sentBy(newMaster(t, p))
	var a Advert
	if r := a.Parse(o.Payload, o.Src, o.Dst, V3); r != ReasonNone {
		t.Fatalf("the receiver says %v", r)
	}
	if a.VRID != 9 || a.Priority != 77 || a.Interval != 1230*ms || len(a.Addrs) != 2 ||
		a.Addrs[0] != ip("192.0.2.11") || a.Addrs[1] != ip("192.0.2.10") {
		t.Errorf("sent %+v", a)
	}
}

// TestRFC9568_8_1_2_InstallBeforeAnnounce: announcements wait until the
// addresses are there, whoever becomes master and why.
func TestRFC9568_8_1_2_InstallBeforeAnnounce(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.step(0, Reconfigure{Start: second, Instances: []*Params{owner()}})
	h.expect(h.until(second), tookOver(255, Init, CauseStartup))
	h.link(2*second, false, ownAddr)
	h.link(2*second, true, ownAddr)
	h.expect(h.until(4*second), tookOver(255, Backup, CauseMasterTimeout))
}

func TestRFC9568_8_3_2_SeveralOwners(t *testing.T) {
	t.Parallel()
	h := newHost(t, owner())
	h.expect(h.hear(ms, lowerAddr, 254), "accepted 254, send 255, announce-lower")
	h.expect(h.hear(2*ms, lowerAddr, 255), "noted two-owners, accepted 255")
}

// TestRFC9568_8_3_2_Priorities: each step of priority gives the better backup
// the time to be heard; 39 microseconds at 10 ms, 3.9 ms at one second.
func TestRFC9568_8_3_2_Priorities(t *testing.T) {
	t.Parallel()
	for _, interval := range []time.Duration{10 * ms, second} {
		better := newHost(t, with(testParams(101), func(p *Params) { p.Interval = interval }))
		worse := newHost(t, with(testParams(100), func(p *Params) { p.Interval = interval }))
		if gap := worse.state().Deadline - better.state().Deadline; gap != interval*156/256-interval*155/256 || gap <= 0 {
			t.Errorf("%v apart at %v", gap, interval)
		}
		better.until(better.state().Deadline)
		worse.hear(better.now, lowerAddr, 101)
		worse.expect(worse.until(better.now+2*interval), "")
	}
}

func TestRFC9568_8_3_2_SamePriority(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams(100))
	h.expect(h.hear(h.now+ms, lowerAddr, 99), "accepted 99, send 100, announce-lower")
	h.expect(h.hear(h.now+ms, lowerAddr, 100), "noted equal-priority, accepted 100")
}

func TestRFC9568_8_4_2_OneVersion(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams(100))
	h.expect(h.hearFrom(0, testParams2(100), lowerAddr, 200), "discarded version")
	h = newHost(t, testParams2(100))
	h.expect(h.hearFrom(0, testParams(100), lowerAddr, 200), "discarded version")
}

package vrrp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFaults enters and leaves each fault from Backup and from Master. Who
// leaves a fault waits the full master down time.
func TestFaults(t *testing.T) {
	t.Parallel()
	const src = "source 192.0.2.5@2"
	for _, c := range []struct {
		name         string
		p            *Params
		begin, end   func(h *host, now time.Duration) string
		fault        string
		enter, leave Cause
		// told is what comes before the transitions.
		toldIn, toldOut string
	}{
		{
			name: "link down", p: testParams(100), fault: "interface-down",
			begin: func(h *host, now time.Duration) string { return h.link(now, false, ownAddr) },
			end:   func(h *host, now time.Duration) string { return h.link(now, true, ownAddr) },
			enter: CauseInterfaceDown, leave: CauseInterfaceUp,
		},
		{
			name: "link gone", p: testParams(100), fault: "interface-missing no-primary-ip-address",
			begin: func(h *host, now time.Duration) string { return h.step(now, LinkGone{"eth0"}) },
			end:   func(h *host, now time.Duration) string { return h.link(now, true, ownAddr) },
			enter: CauseInterfaceDown, leave: CauseInterfaceUp,
			toldIn: "source invalid IP@0, ", toldOut: src + ", ",
		},
		{
			name: "link gone, with dont_track_primary", fault: "interface-missing no-primary-ip-address",
			p:     with(testParams(100), func(p *Params) { p.DontTrackPrimary = true }),
			begin: func(h *host, now time.Duration) string { return h.step(now, LinkGone{"eth0"}) },
			end:   func(h *host, now time.Duration) string { return h.link(now, false, ownAddr) },
			enter: CauseInterfaceDown, leave: CauseInterfaceUp,
			toldIn: "source invalid IP@0, ", toldOut: src + ", ",
		},
		{
			name: "no address", p: testParams(100), fault: "no-primary-ip-address",
			begin: func(h *host, now time.Duration) string { return h.link(now, true, ownAddr6) },
			end:   func(h *host, now time.Duration) string { return h.link(now, true, ownAddr) },
			enter: CauseNoAddress, leave: CauseAddress,
			toldIn: "source invalid IP@2, ", toldOut: src + ", ",
		},
		{
			name: "no link-local address", p: testParams6(100), fault: "no-primary-ip-address",
			begin: func(h *host, now time.Duration) string { return h.link(now, true, ownAddr, "2001:db8::5") },
			end:   func(h *host, now time.Duration) string { return h.link(now, true, ownAddr, "2001:db8::5", "fe80::5") },
			enter: CauseNoAddress, leave: CauseAddress,
			toldIn: "source invalid IP@2, ", toldOut: "source fe80::5@2, ",
		},
		{
			name: "unicast source gone", p: testUnicast(100), fault: "no-primary-ip-address",
			begin: func(h *host, now time.Duration) string { return h.link(now, true, "192.0.2.6") },
			end:   func(h *host, now time.Duration) string { return h.link(now, true, ownAddr) },
			enter: CauseNoAddress, leave: CauseAddress,
			toldIn: "source invalid IP@2, ", toldOut: src + ", ",
		},
		{
			name: "tracked source gone", fault: "no-primary-ip-address",
			p:     with(testParams(100), func(p *Params) { p.Source, p.TrackSource = ip(ownAddr), true }),
			begin: func(h *host, now time.Duration) string { return h.link(now, true, "192.0.2.6") },
			end:   func(h *host, now time.Duration) string { return h.link(now, true, ownAddr) },
			enter: CauseNoAddress, leave: CauseAddress,
			toldIn: "source invalid IP@2, ", toldOut: src + ", ",
		},
		{
			name: "no peers", p: testUnicast(100), fault: "no-unicast-peers",
			begin: func(h *host, now time.Duration) string {
				return h.reload(now, with(testUnicast(100), func(p *Params) { p.Peers = nil }))
			},
			end:   func(h *host, now time.Duration) string { return h.reload(now, testUnicast(100)) },
			enter: CauseNoPeers, leave: CauseReconfigured,
		},
		{
			name: "address taken", p: testParams(100), fault: "address-taken",
			begin: func(h *host, now time.Duration) string { return h.step(now, AddressTaken{1}) },
			end:   func(h *host, now time.Duration) string { return h.until(now) },
			enter: CauseAddressTaken, leave: CauseAddressQuiet,
		},
	} {
		out := func(h *host, now time.Duration) {
			h.t.Helper()
			if s := h.state(); strings.Join(s.Faults.Names(), " ") != c.fault || s.Master.IsValid() {
				h.t.Errorf("faults %v, follows %v", s.Faults.Names(), s.Master)
			}
			h.expect(c.end(h, now), fmt.Sprintf("%sFAULT>BACKUP %v", c.toldOut, c.leave))
			h.expectState(Backup, c.leave, now+down100)
			h.expect(h.until(now+down100), tookOver(100, Backup, CauseMasterTimeout))
		}
		t.Run(c.name+", backup", func(t *testing.T) {
			t.Parallel()
			h := newHost(t, c.p)
			h.step(ms, packet(c.p, map[bool]string{false: lowerAddr, true: lowerAddr6}[c.p.Family == IPv6], 200, nil))
			h.expect(c.begin(h, second), fmt.Sprintf("%sBACKUP>FAULT %v", c.toldIn, c.enter))
			out(h, 31*second)
		})
		t.Run(c.name+", master", func(t *testing.T) {
			t.Parallel()
			h := newMaster(t, c.p)
			now := h.now + ms
			h.expect(c.begin(h, now), fmt.Sprintf("%ssend 0, remove, MASTER>FAULT %v", c.toldIn, c.enter))
			out(h, now+30*second)
		})
		if c.name == "address taken" {
			continue // only what was installed can be taken
		}
		t.Run(c.name+", from the start", func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			c.begin(h, 0) // for the configuration: replaced by what follows
			if c.enter != CauseNoPeers {
				h.reload(0, c.p)
			}
			if s := h.state(); s.State != Fault || s.Cause != c.enter || s.Deadline != Forever {
				t.Errorf("started in %v because of %v", s.State, s.Cause)
			}
		})
	}
}

// TestFaultEndsWhenAllHaveEnded, however they overlap.
func TestFaultEndsWhenAllHaveEnded(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams(100))
	now := h.now
	h.expect(h.link(now, false, ownAddr), "send 0, remove, MASTER>FAULT interface-down")
	h.expect(h.step(now, AddressTaken{1}), "")
	h.expect(h.link(now+second, false), "source invalid IP@2")
	h.expect(h.link(now+2*second, true), "")
	h.expect(h.link(now+3*second, true, ownAddr), "source 192.0.2.5@2")
	if names := h.state().Faults.Names(); !slices.Equal(names, []string{"address-taken"}) {
		t.Errorf("faults %v", names)
	}
	h.expect(h.until(now+30*second), "FAULT>BACKUP address-quiet")
}

// TestAddressTakenAgain counts the quiet time anew.
func TestAddressTakenAgain(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams(100))
	now := h.now
	h.step(now, AddressTaken{1})
	h.expectState(Fault, CauseAddressTaken, now+30*second)
	h.expect(h.step(now+20*second, AddressTaken{1}), "")
	h.expectState(Fault, CauseAddressTaken, now+50*second)
	h.expect(h.until(now+50*second-1), "")
	h.expect(h.until(now+50*second), "FAULT>BACKUP address-quiet")
	h.expect(h.step(h.now, AddressTaken{99}), "")
}

func TestDontTrackPrimary(t *testing.T) {
	t.Parallel()
	h := newMaster(t, with(testParams(100), func(p *Params) { p.DontTrackPrimary = true }))
	h.expect(h.link(h.now, false, ownAddr), "")
	h.expectState(Master, CauseMasterTimeout, h.now+second)
}

// TestOwnerLeavesFault: with state MASTER it waits one interval only.
func TestOwnerLeavesFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		p    *Params
		wait time.Duration
	}{
		{"owner with state MASTER", owner(), second + second/256},
		{"owner with state BACKUP", testParams(255), 3*second + second/256},
		{"state MASTER below 255", with(testParams(100), func(p *Params) { p.StartMaster = true }), down100},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newMaster(t, c.p)
			h.link(h.now, false, ownAddr)
			h.expect(h.link(h.now+second, true, ownAddr), "FAULT>BACKUP interface-up")
			h.expectState(Backup, CauseInterfaceUp, h.now+c.wait)
		})
	}
}

// TestFaultForgets what was learned from the master before.
func TestFaultForgets(t *testing.T) {
	t.Parallel()
	h := newHost(t, with(testParams(100), func(p *Params) { p.PreemptDelay = 5 * second }))
	h.step(ms, packet(testParams(100), lowerAddr, 50, func(a *Advert) { a.Interval = 10 * ms }))
	h.link(10*ms, false, ownAddr)
	h.link(20*ms, true, ownAddr)
	h.expectState(Backup, CauseInterfaceUp, 20*ms+down100)
	// The delay before pre-empting starts again with the next advert.
	h.hear(10*second/4, lowerAddr, 50)
	h.hear(6*second, lowerAddr, 50)
	h.expectState(Backup, CauseInterfaceUp, 6*second+down100)
}

// TestSource is the address that adverts leave from.
func TestSource(t *testing.T) {
	t.Parallel()
	source := func(s string) func(*Params) { return func(p *Params) { p.Source = ip(s) } }
	owned := func(p *Params) { p.Priority, p.Addrs = 255, ips(ownAddr) }
	elsewhere := with(testParams(255), func(p *Params) { p.Name, p.VRID, p.Addrs = "OWNER", 52, ips(ownAddr) })
	for _, c := range []struct {
		name  string
		p     *Params
		addrs []string
		also  []*Params
		want  string
	}{
		{"the first", testParams(100), []string{ownAddr, higherAddr}, nil, ownAddr},
		{"the first of the family", testParams(100), []string{ownAddr6, ownAddr}, nil, ownAddr},
		{"not a virtual one", testParams(100), []string{"192.0.2.10", ownAddr}, nil, ownAddr},
		{"not an excluded virtual one", with(testParams(100), func(p *Params) { p.Excluded = ips(ownAddr) }), []string{ownAddr, higherAddr}, nil, higherAddr},
		{
			"not a virtual one of another instance", testParams(100), []string{ownAddr, higherAddr},
			[]*Params{with(testParams(50), func(p *Params) { p.Name, p.VRID, p.Addrs = "OTHER", 52, ips(ownAddr) })}, higherAddr,
		},
		{"only a virtual one", testParams(100), []string{"192.0.2.10"}, nil, ""},
		{"none", testParams(100), nil, nil, ""},
		{"owner: rather not its virtual one", with(testParams(100), owned), []string{ownAddr, higherAddr}, nil, higherAddr},
		{"owner: its virtual one", with(testParams(100), owned), []string{ownAddr}, nil, ownAddr},
		// Two routers that back each other up (RFC 9568, 4.2).
		{"beside an owner of the address", testParams(100), []string{ownAddr}, []*Params{elsewhere}, ownAddr},
		{"beside an owner and another that has the address too", testParams(100), []string{ownAddr}, []*Params{elsewhere, with(testParams(1), func(p *Params) {
			p.Name, p.VRID, p.Excluded = "OTHER", 53, ips(ownAddr)
		})}, ownAddr},
		{"beside an owner of an address that is not there", testParams(100), []string{"192.0.2.10"}, []*Params{elsewhere}, ""},
		{"link-local", testParams6(100), []string{"2001:db8::5", ownAddr6, ownAddr}, nil, ownAddr6},
		{"link-local that is not virtual", testParams6(100), []string{"fe80::10", ownAddr6}, nil, ownAddr6},
		{"no link-local", testParams6(100), []string{"2001:db8::5"}, nil, ""},
		{"configured", with(testParams(100), source(higherAddr)), []string{ownAddr}, nil, higherAddr},
		{"configured and tracked, there", with(testParams(100), func(p *Params) { p.Source, p.TrackSource = ip(higherAddr), true }), []string{ownAddr, higherAddr}, nil, higherAddr},
		{"configured and tracked, missing", with(testParams(100), func(p *Params) { p.Source, p.TrackSource = ip(higherAddr), true }), []string{ownAddr}, nil, ""},
		{"unicast, there", testUnicast(100), []string{ownAddr}, nil, ownAddr},
		{"unicast, missing", testUnicast(100), []string{higherAddr}, nil, ""},
		{"unicast, on another link", with(testUnicast(100), source("198.51.100.1")), []string{ownAddr}, nil, "198.51.100.1"},
		{"unicast without interface, on another link", with(testUnicast(100), func(p *Params) { p.Source, p.Link = ip("198.51.100.1"), "" }), []string{ownAddr}, nil, "198.51.100.1"},
		{"unicast, link-local", with(testUnicast(100), func(p *Params) { p.Family, p.Source = IPv6, ip(ownAddr6) }), []string{ownAddr6}, nil, ownAddr6},
		{"unicast, link-local of another link", with(testUnicast(100), func(p *Params) { p.Family, p.Source = IPv6, ip("fe80::77") }), []string{ownAddr6}, nil, ""},
		{"unicast, link-local without interface", with(testUnicast(100), func(p *Params) { p.Family, p.Source, p.Link = IPv6, ip("fe80::77"), "" }), []string{ownAddr6}, nil, ""},
		{"unicast, global IPv6 of another link", with(testUnicast(100), func(p *Params) { p.Family, p.Source = IPv6, ip("2001:db8::77") }), []string{ownAddr6}, nil, "2001:db8::77"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := &host{t: t, r: NewRouter()}
			h.step(0, LinkChanged{Link{Name: "eth1", Index: 3, Up: true, Addrs: ips("198.51.100.1", "fe80::77", "2001:db8::77")}})
			h.link(0, true, c.addrs...)
			h.reload(0, append([]*Params{c.p}, c.also...)...)
			var want netip.Addr
			state := Fault
			if c.want != "" {
				want, state = ip(c.want), Backup
			}
			if c.p.StartMaster && c.want != "" {
				state = Master
			}
			s := h.state()
			if s.Source != want || s.State != state {
				t.Errorf("got %v in %v, want %v in %v", s.Source, s.State, want, state)
			}
		})
	}
}

// TestSourceChanges while the instance runs: it goes on with the next address.
func TestSourceChanges(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams(100))
	h.expect(h.link(h.now, true, ownAddr, higherAddr), "")
	h.expect(h.link(h.now, true, higherAddr), "source 192.0.2.9@2")
	h.expectState(Master, CauseMasterTimeout, h.now+second)
	got := h.r.Step(h.now+second, Timeout{})
	if len(got) != 1 || got[0].Src != ip(higherAddr) {
		t.Errorf("got %+v", got)
	}
	// The same name may come back as another interface.
	h.expect(h.step(h.now+second, LinkChanged{Link{Name: "eth0", Index: 7, Up: true, Addrs: ips(higherAddr)}}), "source 192.0.2.9@7")
	// A virtual address that a reload brings is none to send from any more.
	h.link(h.now, true, ownAddr, higherAddr)
	h.expect(h.reload(h.now, testParams(100), with(testParams(1), func(p *Params) {
		p.Name, p.VRID, p.Addrs = "VI_2", 52, ips(ownAddr)
	})), "source 192.0.2.9@2, #2 added VI_2, #2 source 192.0.2.9@2, #2 INIT>BACKUP startup")
}

func TestOtherLinksDoNotMatter(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams(100))
	h.expect(h.step(ms, LinkChanged{Link{Name: "eth1", Index: 3, Up: false}}), "")
	h.expect(h.step(ms, LinkGone{"eth1"}), "")
	h.expectState(Backup, CauseStartup, down100)
}

func TestNames(t *testing.T) {
	t.Parallel()
	for c := CauseStartup; c < numCauses; c++ {
		if c.String() == "" || c.String() == "unknown" {
			t.Errorf("cause %d has no name", c)
		}
	}
	for s, want := range map[fmt.Stringer]string{
		Init: "INIT", Backup: "BACKUP", Master: "MASTER", Fault: "FAULT", State(0): "unknown", State(9): "unknown",
		Cause(0): "unknown", numCauses: "unknown", ActionKind(0): "unknown", SourceChanged: "source-changed",
		SourceChanged + 1: "unknown",
	} {
		if got := s.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := Faults(0).Names(); got != nil {
		t.Errorf("no fault is called %v", got)
	}
	if Faults(0).beginCause() != CauseReconfigured || Faults(0).overCause() != CauseReconfigured {
		t.Error("no fault has a cause")
	}
}

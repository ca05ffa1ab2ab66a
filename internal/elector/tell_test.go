package elector

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"hakeep/arp"
	"hakeep/internal/acd"
	"hakeep/internal/netif"
	"hakeep/internal/wire"
	"hakeep/vrrp"
)

func newSlot(t *testing.T) *desiredSlot {
	t.Helper()
	s, err := newDesiredSlot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Close(s.bell.fd); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestTellDesired: where instances take over the address thread is told of theirs
// alone; where anything goes, of all.
func TestTellDesired(t *testing.T) {
	t.Parallel()
	slot := newSlot(t)
	l := newLoop(clock{}, nil, nil, nil, newJournal(), slot)
	key := func(n byte) netif.Addr {
		return netif.Addr{Link: "eth0", Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 24)}
	}
	for id := range vrrp.ID(3) {
		l.members[id] = &member{inst: &wire.Instance{Addresses: []netif.Addr{key(byte(id))}}, installed: map[netif.Key]arp.Target{}}
	}
	routed := &member{inst: &wire.Instance{Addresses: []netif.Addr{key(9)}, Routes: []netif.Route{{}}}, installed: map[netif.Key]arp.Target{}}
	l.members[9] = routed
	act := func(kind vrrp.ActionKind, ids ...vrrp.ID) {
		var list []vrrp.Action
		for _, id := range ids {
			list = append(list, vrrp.Action{Kind: kind, ID: id})
		}
		l.act(0, list)
	}
	check := func(name string, whole bool, want ...netif.Addr) {
		t.Helper()
		l.tellAdded()
		l.tellDesired()
		desired, added, _, _ := slot.take()
		if (desired != nil) != whole {
			t.Errorf("%s: all desired addresses are told: %v", name, desired != nil)
		}
		if !whole && !cmp.Equal(added, want, cmpopts.EquateComparable(netif.Addr{})) {
			t.Errorf("%s: added %v, want %v", name, added, want)
		}
	}
	act(vrrp.Install, 0, 1)
	check("two take over", false, key(0), key(1))
	check("nothing", false)
	act(vrrp.Install, 2)
	act(vrrp.Remove, 0)
	check("one takes over, one gives up", true)
	act(vrrp.Install, 9)
	check("one with routes", true)
	l.stopping = true
	act(vrrp.Install, 0)
	check("while stopping", true)
}

// TestSlotAdds: what is added while all that is desired waits belongs to it, and what
// is desired later takes the place of what was added before.
func TestSlotAdds(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	a := func(n byte) netif.Addr {
		return netif.Addr{Link: "eth0", Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 24)}
	}
	s.add([]netif.Addr{a(1)})
	if s.waiting() {
		t.Error("added addresses end the work on others")
	}
	s.put(desiredAddrs{addrs: []netif.Addr{a(2)}})
	s.add([]netif.Addr{a(3)})
	desired, added, _, _ := s.take()
	if len(added) > 0 || !cmp.Equal(desired.addrs, []netif.Addr{a(2), a(3)}, cmpopts.EquateComparable(netif.Addr{})) {
		t.Errorf("desired %v, added %v", desired.addrs, added)
	}
	s.add([]netif.Addr{a(4)})
	s.add([]netif.Addr{a(5)})
	if desired, added, _, _ = s.take(); desired != nil || len(added) != 2 {
		t.Errorf("desired %v, added %v", desired, added)
	}
}

// TestGuardIsGathered: many changes of what is ours are told at once, soon.
func TestGuardIsGathered(t *testing.T) {
	t.Parallel()
	c, err := newClock()
	if err != nil {
		t.Fatal(err)
	}
	l := newLoop(c, nil, nil, nil, newJournal(), newSlot(t))
	told := 0
	l.guard = func([]acd.Address) { told++ }
	for range 100 {
		l.guardLater()
		l.tellGuarded()
	}
	if at := l.timeout(l.nextDue()); told > 0 || at < 0 || at > guardGap {
		t.Errorf("told %d times, the loop wakes up in %v", told, at)
	}
	l.guardNext = l.clock.now()
	l.tellGuarded()
	if l.tellGuarded(); told != 1 || l.timeout(l.nextDue()) >= 0 {
		t.Errorf("told %d times, the loop wakes up in %v", told, l.timeout(l.nextDue()))
	}
}

// TestJournalSignals: put tells nobody, signal once.
func TestJournalSignals(t *testing.T) {
	t.Parallel()
	j := newJournal()
	j.put(wire.Event{Text: "a"})
	j.put(wire.Event{Text: "b"})
	if len(j.wake) != 0 {
		t.Error("put has told of an event")
	}
	j.signal()
	if len(j.wake) != 1 {
		t.Fatal("signal has not")
	}
	<-j.wake
	if j.signal(); len(j.wake) != 0 {
		t.Error("there is nothing new")
	}
	if got := j.after(0, 9); len(got) != 2 || got[1].Text != "b" {
		t.Errorf("events %v", got)
	}
}

// TestVigil: a backup is awake a little before it would take over, and a master that
// is about to advertise is not.
func TestVigil(t *testing.T) {
	t.Parallel()
	c, err := newClock()
	if err != nil {
		t.Fatal(err)
	}
	l := newLoop(c, nil, nil, nil, newJournal(), newSlot(t))
	p := testConfig(100).Instances[0].Params
	p.Interval = 100 * time.Second
	start := l.clock.now()
	l.router.Step(start, vrrp.LinkChanged{Link: vrrp.Link{Name: "eth0", Index: 1, Up: true, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.2")}}})
	l.router.Step(start, vrrp.Reconfigure{Start: start, Instances: []*vrrp.Params{&p}})
	// The clock goes on between two readings: the least of several differences counts.
	early := func() time.Duration {
		at, ok := l.router.NextDeadline()
		if !ok {
			t.Fatal("no deadline")
		}
		least := time.Hour
		for range 1000 {
			least = min(least, at-l.clock.now()-l.timeout(l.nextDue()))
		}
		return least.Round(vigil / 10)
	}
	if got := early(); got != vigil {
		t.Errorf("a backup wakes up %v before it would take over, want %v", got, vigil)
	}
	at, _ := l.router.NextDeadline()
	l.router.Step(at, vrrp.Timeout{})
	if s := l.router.Snapshot(nil); s[0].State != vrrp.Master {
		t.Fatalf("state %v", s[0].State)
	}
	if got := early(); got != 0 {
		t.Errorf("a master wakes up %v early", got)
	}
}

package elector

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"hakeep/arp"
	"hakeep/internal/netif"
	"hakeep/internal/wire"
	"hakeep/vrrp"
	"hakeep/vrrp/vrrpnet"
)

// countSyncs has no network, and counts how often sockets are looked through.
type countSyncs struct {
	oneDatagram
	syncs int
	err   error
}

func (s *countSyncs) Sync([]vrrpnet.Endpoint) error { s.syncs++; return s.err }

// severalInstances is a configuration of instances of these names, each with an
// address and a VRID after its name. Those in changed have another priority.
func severalInstances(digest, names, changed string) *wire.Config {
	c := &wire.Config{Digest: digest}
	for _, name := range names {
		addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(name)})
		in := &wire.Instance{
			Params: vrrp.Params{
				Name: string(name), Family: vrrp.IPv4, Version: vrrp.V3, VRID: uint8(name), Link: "eth0", Group: netip.MustParseAddr("224.0.0.18"),
				Priority: 100, Interval: time.Second, DownAdverts: 3, Addrs: []netip.Addr{addr}, Form: vrrp.ChecksumPseudo,
			},
			Addresses: []netif.Addr{{Prefix: netip.PrefixFrom(addr, 32), Link: "eth0"}},
			Announce:  arp.DefaultSettings(), TTL: 255,
		}
		if slices.Contains([]rune(changed), name) {
			in.Params.Priority = 150
		}
		c.Instances = append(c.Instances, in)
	}
	return c
}

// copied is a configuration as the other side of a socket reads it.
func copied(t *testing.T, c *wire.Config) *wire.Config {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	d := new(wire.Config)
	if err := json.Unmarshal(text, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// quietLoop is a loop on no network, with one link.
func quietLoop(t *testing.T, s sockets) *loop {
	t.Helper()
	c, err := newClock()
	if err != nil {
		t.Fatal(err)
	}
	box, err := newInbox()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(box.bell.fd) })
	l := newLoop(c, s, nil, box, newJournal(), newSlot(t))
	l.router.Step(0, vrrp.LinkChanged{Link: vrrp.Link{Name: "eth0", Index: 1, Up: true, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.2")}}})
	return l
}

// TestReconfigureByParts: a loop that is given what differs, and shares the rest with
// the configuration before, does what one does that is given all of it anew.
func TestReconfigureByParts(t *testing.T) {
	t.Parallel()
	parts, whole := quietLoop(t, &countSyncs{}), quietLoop(t, &countSyncs{})
	state := func(l *loop) (out []string) {
		for _, s := range l.router.Snapshot(nil) {
			m := l.members[s.ID]
			if m == nil {
				t.Fatalf("%s is no member", s.Name)
			}
			p := l.router.Params(s.ID)
			if p != &m.inst.Params {
				t.Errorf("%s: the Router and the loop know different parameters", s.Name)
			}
			out = append(out, fmt.Sprint(s.ID, s.Name, s.Priority, m.inst.Params.Priority, l.byKey[m.inst.Addresses[0].Key()]))
		}
		return append(out, fmt.Sprint(len(l.members), len(l.byKey)))
	}
	inForce := &wire.Config{}
	now := time.Second
	for i, step := range []struct{ names, changed string }{
		{"abcde", ""}, {"abcde", "c"}, {"abcde", "c"}, {"bcde", ""}, {"abcdef", "f"}, {"fedcba", "f"}, {"ab", "b"}, {"bax", "x"}, {"", ""}, {"a", ""},
	} {
		next := severalInstances(fmt.Sprint(i), step.names, step.changed)
		part, err := copied(t, next.Since(inForce)).On(parts.config)
		if err != nil {
			t.Fatal(err)
		}
		inForce = next
		now += time.Second
		got, want := parts.reconfigure(now, part), whole.reconfigure(now, copied(t, next))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("step %d: applied (-whole +parts):\n%s", i, diff)
		}
		if diff := cmp.Diff(state(whole), state(parts)); diff != "" {
			t.Errorf("step %d: state (-whole +parts):\n%s", i, diff)
		}
		if n := len(step.names); len(got.Added)+len(got.Kept) != n {
			t.Errorf("step %d: added %v, kept %v of %d", i, got.Added, got.Kept, n)
		}
	}
}

// TestReconfigureLeavesAlone: what a configuration does not change, it does not touch:
// the sockets, unless some were missing, and the marks.
func TestReconfigureLeavesAlone(t *testing.T) {
	t.Parallel()
	s := &countSyncs{}
	l := quietLoop(t, s)
	dir := memoryDir(t)
	var err error
	if l.marks, _, err = openMarks(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.marks.unmap)
	file := func() os.FileInfo {
		t.Helper()
		st, err := os.Stat(l.marks.path)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	reconfigure := func(digest, names, changed string) (syncs int, sameMarks bool) {
		t.Helper()
		before, marks := s.syncs, file()
		l.reconfigure(time.Second, severalInstances(digest, names, changed))
		return s.syncs - before, os.SameFile(marks, file())
	}
	l.reconfigure(time.Second, severalInstances("1", "abc", ""))
	if syncs, same := reconfigure("2", "abc", "b"); syncs != 0 || !same {
		t.Errorf("a priority: %d looks at the sockets, same marks: %v", syncs, same)
	}
	if syncs, same := reconfigure("3", "abd", "b"); syncs == 0 || same || l.marks.slots != 3 {
		t.Errorf("another instance: %d looks at the sockets, same marks: %v, %d", syncs, same, l.marks.slots)
	}
	s.err = fmt.Errorf("no socket")
	l.reconfigure(time.Second, severalInstances("4", "abde", "b"))
	if syncs, same := reconfigure("5", "abde", ""); syncs == 0 || !same {
		t.Errorf("after sockets were missing: %d looks at them, same marks: %v", syncs, same)
	}
}

// TestReadyIsNotLeft: an instance whose addresses were all announced by the end of a
// turn is told to the Router in the next one, which begins at once.
func TestReadyIsNotLeft(t *testing.T) {
	t.Parallel()
	l := quietLoop(t, &countSyncs{})
	if wait := l.timeout(l.nextDue()); wait >= 0 {
		t.Fatalf("with nothing to do it sleeps %v", wait)
	}
	l.ready = append(l.ready, 1)
	if wait := l.timeout(l.nextDue()); wait != 0 {
		t.Errorf("with an instance that is ready it sleeps %v", wait)
	}
}

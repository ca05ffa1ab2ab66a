package elector

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"hakeep/arp"
	"hakeep/internal/lab"
	"hakeep/internal/netif"
	"hakeep/internal/nstest"
	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// twoMasters is a configuration of two instances with addresses each, which are
// announced every 100 ms.
func twoMasters(digest string, first, second []string) *wire.Config {
	c := testConfig(200)
	c.Digest = digest
	c.Instances = append(c.Instances, testConfig(200).Instances...)
	for i, list := range [][]string{first, second} {
		in := c.Instances[i]
		in.Params.Name, in.Params.VRID, in.Params.PlannedMoves = fmt.Sprintf("VI_%d", i+1), uint8(51+i), true
		in.Params.Addrs, in.Addresses = nil, nil
		for _, text := range list {
			p := netip.MustParsePrefix(text + "/24")
			in.Params.Addrs = append(in.Params.Addrs, p.Addr())
			in.Addresses = append(in.Addresses, netif.Addr{Prefix: p, Link: "eth0"})
		}
		in.Announce = arp.Settings{Repeat: 1, Refresh: 100 * time.Millisecond, RefreshRepeat: 1}
	}
	return c
}

// TestReloadMovesAddress: an address that a reload moves from one master to
// another stays in the kernel, and from then on is the other one's: in its
// status, and in its announcements, which go on. One that a reload removes is
// announced no more, as another host may have it now.
func TestReloadMovesAddress(t *testing.T) {
	nstest.Require(t)
	lan := nstest.LAN(t)
	host, client := nstest.Host(t, "a"), nstest.Host(t, "client")
	nstest.Attach(t, lan, host, "eth0", "192.0.2.1/24")
	nstest.Attach(t, lan, client, "eth0", "192.0.2.100/24")
	capture := nstest.Capture(t, client, "eth0", lab.FilterARP)
	e := startElector(t, host)
	apply := func(c *wire.Config) {
		t.Helper()
		e.send(&wire.Message{Config: c})
		e.receive(func(r *wire.Message) bool { return r.Applied != nil && r.Applied.Digest == c.Digest })
	}
	owns := func(lists ...[]string) {
		t.Helper()
		nstest.Eventually(t, 10*time.Second, func() error {
			for i, in := range e.snapshot().Instances {
				var got []string
				for _, p := range in.Installed {
					got = append(got, p.Addr().String())
				}
				if in.State != "MASTER" || !slices.Equal(got, lists[i]) || len(in.Missing) > 0 {
					return fmt.Errorf("%s is %s with %v, without %v; want MASTER with %v", in.Name, in.State, got, in.Missing, lists[i])
				}
			}
			return nil
		})
	}
	announced := func(after time.Time, addr string) time.Time {
		t.Helper()
		f, err := capture.WaitAfter(nstest.Context(t, 10*time.Second), after, func(f lab.Frame) bool { return announces(f, addr) })
		if err != nil {
			t.Fatalf("%s is not announced: %v", addr, err)
		}
		return f.Time
	}

	apply(twoMasters("before", []string{"192.0.2.10", "192.0.2.11"}, []string{"192.0.2.20"}))
	owns([]string{"192.0.2.10", "192.0.2.11"}, []string{"192.0.2.20"})

	apply(twoMasters("moved", []string{"192.0.2.10"}, []string{"192.0.2.20", "192.0.2.11"}))
	owns([]string{"192.0.2.10"}, []string{"192.0.2.20", "192.0.2.11"})

	// VI_1 leaves; only VI_2 can announce it now, again and again.
	e.send(&wire.Message{Standby: &wire.Standby{Instances: []string{"VI_1"}, On: true}})
	nstest.Eventually(t, 10*time.Second, func() error {
		if in := e.snapshot().Instances[0]; in.State == "MASTER" || len(in.Installed) > 0 {
			return fmt.Errorf("VI_1 is %s with %v", in.State, in.Installed)
		}
		return nil
	})
	at := time.Now()
	for range 3 {
		at = announced(at, "192.0.2.11")
	}

	apply(twoMasters("removed", []string{"192.0.2.10"}, []string{"192.0.2.20"}))
	removed := time.Now()
	at = removed
	for range 5 {
		at = announced(at, "192.0.2.20")
	}
	for _, f := range capture.Frames() {
		if f.Time.After(removed) && announces(f, "192.0.2.11") {
			t.Fatalf("192.0.2.11 is announced %v after the reload that removed it", f.Time.Sub(removed))
		}
	}
}

// announces reports whether a frame is a gratuitous ARP for addr.
func announces(f lab.Frame, addr string) bool {
	got, _, ok := arp.ParseGratuitous(f.Data)
	return ok && got.String() == addr
}

// TestSilentMember: an address that gets into the kernel, or back into it, while
// its instance may not be the master any more is announced when it is clear that
// it is, and not before.
func TestSilentMember(t *testing.T) {
	t.Parallel()
	const now, id = time.Second, vrrp.ID(1)
	l := newLoop(clock{}, nil, nil, nil, newJournal(), nil)
	in := testConfig(100).Instances[0]
	l.members[id] = &member{inst: in, installed: map[netif.Key]arp.Target{}}
	key := in.Addresses[0].Key()
	l.byKey[key] = id
	installed := addrsMsg{results: []addrResult{{kind: addrInstalled, key: key, target: arp.Target{Addr: key.Prefix.Addr(), Link: 2}}}}
	for _, step := range []struct {
		do   vrrp.ActionKind
		want bool
	}{{vrrp.Install, true}, {vrrp.Linger, false}, {vrrp.Announce, true}, {vrrp.Linger, false}, {vrrp.Remove, false}, {vrrp.Install, true}} {
		l.act(now, []vrrp.Action{{Kind: step.do, ID: id}})
		l.addressResults(now, installed)
		if got := l.sched.Pending() > 0; got != step.want {
			t.Fatalf("after %v: announcements wait: %v, want %v", step.do, got, step.want)
		}
	}
}

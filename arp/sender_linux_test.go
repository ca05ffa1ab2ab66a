package arp_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hakeep/arp"
	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

var (
	oldMAC = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x0d}
	newMAC = [6]byte{0x00, 0x00, 0x5e, 0x00, 0x01, 0x33}
	vip4   = netip.MustParseAddr("192.0.2.10")
	vip6   = netip.MustParseAddr("2001:db8::10")
)

// network is the test's own namespace, which sends, and a client:
//
//	  sender (test)        client
//	    |.1                  |.100      192.0.2.0/24, 2001:db8::/64
//	====+====================+====== LAN
type network struct {
	sender, client *lab.Namespace
	lan            *lab.LAN
	link           int // of the sender
	neighbourLink  int // of the client
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{sender: nstest.Enter(t), client: nstest.Host(t, "client"), lan: nstest.LAN(t)}
	nstest.Attach(t, n.lan, n.sender, "eth0", "192.0.2.1/24", "2001:db8::1/64")
	nstest.Attach(t, n.lan, n.client, "eth0", "192.0.2.100/24", "2001:db8::100/64")
	n.link, n.neighbourLink = index(t, n.sender, "eth0"), index(t, n.client, "eth0")
	return n
}

func index(t *testing.T, ns *lab.Namespace, name string) int {
	t.Helper()
	link, err := ns.Netlink().LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return link.Attrs().Index
}

func newSender(t *testing.T) *arp.Sender {
	t.Helper()
	s, err := arp.NewSender()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// flush sends the targets and checks what came of them.
func flush(t *testing.T, s *arp.Sender, wantSent, wantDropped int, list ...arp.Target) {
	t.Helper()
	before := s.Dropped()
	for _, target := range list {
		if !s.Queue(target) {
			t.Fatalf("no room for %v", target)
		}
	}
	sent, err := s.Flush()
	dropped := int(s.Dropped() - before)
	if err != nil || sent != wantSent || dropped != wantDropped {
		t.Fatalf("sent %d, dropped %d (%v), want %d and %d", sent, dropped, err, wantSent, wantDropped)
	}
	if s.Room() != arp.Batch {
		t.Fatalf("room for %d after Flush, want %d", s.Room(), arp.Batch)
	}
}

// A neighbour's cache holds the address at the old master; after one
// announcement it holds it at ours. Nothing in the client is set up for it: an
// entry that exists is updated whatever arp_accept says.
func TestNeighbourCacheIsUpdated(t *testing.T) {
	for _, tc := range []struct {
		name   string
		addr   netip.Addr
		router bool
	}{{"gratuitous ARP", vip4, false}, {"advertisement", vip6, false}, {"advertisement of a router", vip6, true}} {
		for _, state := range []int{unix.NUD_STALE, unix.NUD_REACHABLE} {
			t.Run(fmt.Sprintf("%s, state %#x", tc.name, state), func(t *testing.T) {
				n := newNetwork(t)
				family := netlink.FAMILY_V4
				if tc.addr.Is6() {
					family = netlink.FAMILY_V6
				}
				err := n.client.Netlink().NeighSet(&netlink.Neigh{
					LinkIndex: n.neighbourLink, Family: family, State: state, IP: tc.addr.AsSlice(), HardwareAddr: oldMAC,
				})
				if err != nil {
					t.Fatal(err)
				}
				s := newSender(t)
				flush(t, s, 1, 0, arp.Target{Addr: tc.addr, Link: n.link, MAC: newMAC, Router: tc.router})

				nstest.Eventually(t, 5*time.Second, func() error {
					list, err := n.client.Netlink().NeighList(n.neighbourLink, family)
					if err != nil {
						return err
					}
					for _, entry := range list {
						if !entry.IP.Equal(net.IP(tc.addr.AsSlice())) {
							continue
						}
						if got := entry.HardwareAddr.String(); got != net.HardwareAddr(newMAC[:]).String() {
							return fmt.Errorf("the client has %v at %s", tc.addr, got)
						}
						if router := entry.Flags&netlink.NTF_ROUTER != 0; router != tc.router {
							return fmt.Errorf("the client calls it a router: %v", router)
						}
						return nil
					}
					return errors.New("the client has no entry")
				})
			})
		}
	}
}

// keepalived's own announcements, taken from the wire, are ours byte for byte.
func TestFramesAreThoseOfKeepalived(t *testing.T) {
	n := newNetwork(t)
	nstest.RequireTool(t, "keepalived")
	capture := nstest.Capture(t, n.client, "eth0", lab.FilterARP|lab.FilterND)
	nstest.Keepalived(t, n.sender, `
vrrp_instance four {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 255
    advert_int 1
    virtual_ipaddress { 192.0.2.10/24 }
}
vrrp_instance six {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 255
    advert_int 1
    virtual_ipaddress {
        fe80::10/64
        2001:db8::10/64
    }
}
`, "--vrrp")
	link, err := n.sender.Netlink().LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	mac := [6]byte(link.Attrs().HardwareAddr)
	ctx := nstest.Context(t, 20*time.Second)

	frame, err := capture.Wait(ctx, func(f lab.Frame) bool {
		addr, _, ok := arp.ParseGratuitous(f.Data)
		return ok && addr == vip4
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(frame.Data, arp.AppendGratuitous(nil, mac, vip4)); diff != "" {
		t.Errorf("gratuitous ARP (-keepalived +hakeep):\n%s", diff)
	}
	frame, err = capture.Wait(ctx, func(f lab.Frame) bool {
		addr, _, _, ok := arp.ParseUnsolicitedNA(f.Data)
		return ok && addr == vip6
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(frame.Data, arp.AppendUnsolicitedNA(nil, mac, vip6, false)); diff != "" {
		t.Errorf("neighbour advertisement (-keepalived +hakeep):\n%s", diff)
	}
}

// Frames leave in order and whole batches at a time, on several links.
func TestBatch(t *testing.T) {
	n := newNetwork(t)
	nstest.Attach(t, n.lan, n.sender, "eth1")
	other := index(t, n.sender, "eth1")
	capture := nstest.Capture(t, n.client, "eth0", lab.FilterARP|lab.FilterND)
	s := newSender(t)
	type announced struct {
		Addr   netip.Addr
		MAC    [6]byte
		Router bool
	}
	var want []announced
	addr4, addr6 := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8:1::1")
	for i := 0; s.Room() > 0; i++ {
		target := arp.Target{Addr: addr4, Link: n.link, MAC: [6]byte{2, 0, 0, 0, 1, byte(i)}}
		if i%3 == 0 {
			target.Addr, target.Router = addr6, i%2 == 0
			addr6 = addr6.Next()
		} else {
			addr4 = addr4.Next()
		}
		if i%5 == 0 {
			target.Link = other
		}
		if !s.Queue(target) {
			t.Fatalf("frame %d finds no room", i)
		}
		want = append(want, announced{target.Addr, target.MAC, target.Router})
	}
	if len(want) != arp.Batch {
		t.Errorf("%d frames in a batch, want %d", len(want), arp.Batch)
	}
	if s.Queue(arp.Target{Addr: vip4, Link: n.link}) {
		t.Error("the full batch took one more")
	}
	flush(t, s, arp.Batch, 0)

	var got []announced
	nstest.Eventually(t, 5*time.Second, func() error {
		got = got[:0]
		for _, f := range capture.Frames() {
			if addr, mac, ok := arp.ParseGratuitous(f.Data); ok {
				got = append(got, announced{addr, mac, false})
			}
			if addr, mac, router, ok := arp.ParseUnsolicitedNA(f.Data); ok {
				got = append(got, announced{addr, mac, router})
			}
		}
		if len(got) < len(want) {
			return fmt.Errorf("%d of %d frames have come", len(got), len(want))
		}
		return nil
	})
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("frames (-queued +received):\n%s", diff)
	}
	flush(t, s, 0, 0) // nothing is left over
}

// A link that is down, gone or congested costs its own frames only.
func TestOneLinkDoesNotStopTheOthers(t *testing.T) {
	n := newNetwork(t)
	nstest.Attach(t, n.lan, n.sender, "eth1")
	down := index(t, n.sender, "eth1")
	link, err := n.sender.Netlink().LinkByIndex(down)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.sender.Netlink().LinkSetDown(link); err != nil {
		t.Fatal(err)
	}
	const gone = 4711
	capture := nstest.Capture(t, n.client, "eth0", lab.FilterARP)
	s := newSender(t)
	good := func(i byte) arp.Target {
		return arp.Target{Addr: netip.AddrFrom4([4]byte{192, 0, 2, i}), Link: n.link, MAC: newMAC}
	}
	bad := func(link int) arp.Target { return arp.Target{Addr: vip4, Link: link, MAC: newMAC} }
	flush(t, s, 3, 5,
		bad(down), good(1), bad(gone), bad(down), good(2), good(3), bad(down), bad(gone))
	flush(t, s, 0, 3, bad(down), bad(down), bad(gone))
	// What cannot be announced at all never gets as far as the kernel.
	flush(t, s, 1, 3, arp.Target{Link: n.link}, bad(0), bad(-1), good(4))
	for i := byte(1); i <= 4; i++ {
		_, err := capture.Wait(nstest.Context(t, 5*time.Second), func(f lab.Frame) bool {
			addr, _, ok := arp.ParseGratuitous(f.Data)
			return ok && addr == good(i).Addr
		})
		if err != nil {
			t.Errorf("frame %d: %v", i, err)
		}
	}
}

// A link whose queue does not drain fills its own queue, not the socket's
// buffer, which is everybody's.
func TestCongestedLink(t *testing.T) {
	n := newNetwork(t)
	nstest.Attach(t, n.lan, n.sender, "eth1")
	slow := index(t, n.sender, "eth1")
	out, err := n.sender.Run("tc", "qdisc", "replace", "dev", "eth1", "root", "tbf",
		"rate", "8bit", "burst", "1600", "limit", "60000")
	if err != nil {
		nstest.SkipOrFail(t, "needs tc and a token bucket queue: %v: %s", err, out)
	}
	s := newSender(t)
	var lost uint64
	for range 100 {
		for s.Room() > 1 {
			s.Queue(arp.Target{Addr: vip4, Link: slow, MAC: newMAC})
		}
		s.Queue(arp.Target{Addr: vip4, Link: n.link, MAC: newMAC})
		before := s.Dropped()
		sent, err := s.Flush()
		if err != nil {
			t.Fatal(err)
		}
		if sent < 1 || sent+int(s.Dropped()-before) != arp.Batch {
			t.Fatalf("sent %d, dropped %d of %d", sent, s.Dropped()-before, arp.Batch)
		}
		lost = s.Dropped()
	}
	if lost == 0 {
		t.Error("the slow link lost nothing: it was not congested")
	}
	capture := nstest.Capture(t, n.client, "eth0", lab.FilterARP)
	s.Queue(arp.Target{Addr: netip.MustParseAddr("192.0.2.77"), Link: n.link, MAC: newMAC})
	if sent, err := s.Flush(); sent != 1 || err != nil {
		t.Fatalf("sent %d (%v) on the other link, want 1", sent, err)
	}
	_, err = capture.Wait(nstest.Context(t, 5*time.Second), func(f lab.Frame) bool {
		addr, _, ok := arp.ParseGratuitous(f.Data)
		return ok && addr == netip.MustParseAddr("192.0.2.77")
	})
	if err != nil {
		t.Error(err)
	}
}

func TestClose(t *testing.T) {
	nstest.Enter(t)
	s := newSender(t)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	s.Queue(arp.Target{Addr: vip4, Link: 1})
	if sent, err := s.Flush(); sent != 0 || !errors.Is(err, unix.EBADF) || s.Dropped() != 1 {
		t.Errorf("after Close: sent %d, error %v, dropped %d", sent, err, s.Dropped())
	}
}

// The whole way from the schedule to the kernel takes no memory, also when
// frames are refused.
func TestSteadyPathDoesNotAllocate(t *testing.T) {
	n := newNetwork(t)
	nstest.Attach(t, n.lan, n.sender, "eth1")
	down := index(t, n.sender, "eth1")
	link, err := n.sender.Netlink().LinkByIndex(down)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.sender.Netlink().LinkSetDown(link); err != nil {
		t.Fatal(err)
	}
	s := newSender(t)
	schedule := arp.NewSchedule()
	set := arp.DefaultSettings()
	set.Refresh, set.RefreshRepeat = time.Second, 3
	schedule.Begin(0, 1, arp.CauseMaster, set, []arp.Target{
		{Addr: vip4, Link: n.link, MAC: newMAC}, {Addr: vip6, Link: n.link, MAC: newMAC}, {Addr: vip4, Link: down, MAC: newMAC},
	})
	now, sent := time.Duration(0), 0
	emit := func(target arp.Target) { s.Queue(target) }
	round := func() {
		now += 100 * time.Millisecond
		schedule.Begin(now, 1, arp.CauseLowerPriority, set, nil)
		schedule.Due(now, s.Room(), emit)
		got, err := s.Flush()
		if err != nil {
			t.Fatal(err)
		}
		sent += got
	}
	for range 10 {
		round()
	}
	if allocs := testing.AllocsPerRun(100, round); allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
	if sent == 0 || s.Dropped() == 0 {
		t.Errorf("sent %d and dropped %d: the test tests nothing", sent, s.Dropped())
	}
}

package vrrpnet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	"hakeep/vrrp"
)

// floodBurst is how many packets flood sends at a time.
const floodBurst = 8

// flood sends packets again and again from host h until the function that it returns
// is called. h must not be used meanwhile.
func flood(t *testing.T, h *host, next func(i int) Packet) (stop func() (sent int)) {
	t.Helper()
	quit, done := make(chan struct{}), make(chan int)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		i := 0
		defer func() { done <- i }()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			for range floodBurst {
				p := next(i)
				h.Queue(&p)
				i++
			}
			if _, err := h.Flush(); err != nil {
				t.Errorf("packet %d: %v", i, err)
				return
			}
		}
	}()
	return func() int {
		close(quit)
		return <-done
	}
}

// Packets of other interfaces, of other groups and of the time before Sync are
// never received, however the opening of the socket and their arrival
// interleave.
//
//	a (eth0) ---- switch ---- (eth0) b
//	a (eth1) ---- switch ---- (eth1) b, foreign
func TestOpenReceivesNothingForeign(t *testing.T) {
	a, b := pair(t)
	foreign := nstest.LAN(t)
	nstest.Attach(t, foreign, a.ns, "eth1")
	nstest.Attach(t, foreign, b.ns, "eth1")
	// A member on both interfaces, so that the packets reach the IP layer.
	member := newHost(t, "member")
	if err := member.Close(); err != nil {
		t.Fatal(err)
	}
	b.in(func() (err error) {
		member.Net, err = Open()
		return err
	})
	b.in(func() error {
		return member.Sync([]Endpoint{
			{Family: vrrp.IPv4, Link: b.link("eth0"), Group: other4},
			{Family: vrrp.IPv4, Link: b.link("eth1"), Group: group4},
			{Family: vrrp.IPv6, Link: b.link("eth0"), Group: other6},
			{Family: vrrp.IPv6, Link: b.link("eth1"), Group: group6},
		})
	})
	if err := a.ns.AddAddr("eth1", netip.MustParsePrefix("fe80::a/64")); err != nil {
		t.Fatal(err)
	}
	wrong := []Packet{
		{Link: a.link("eth1"), Src: a4, Dst: group4, Payload: []byte("foreign link")},
		{Link: a.link("eth0"), Src: a4, Dst: other4, Payload: []byte("foreign group")},
		{Link: a.link("eth1"), Src: a6, Dst: group6, Payload: []byte("foreign link")},
		{Link: a.link("eth0"), Src: a6, Dst: other6, Payload: []byte("foreign group")},
	}
	stop := flood(t, a, func(i int) Packet { return wrong[i%len(wrong)] })
	lb := b.link("eth0")
	b.in(func() error {
		for range 300 {
			if err := b.Sync([]Endpoint{{Family: vrrp.IPv4, Link: lb, Group: group4}, {Family: vrrp.IPv6, Link: lb, Group: group6}}); err != nil {
				return err
			}
			if _, _, err := b.RecvReady(100, func(d *Datagram) { t.Errorf("received %q", d.Payload) }); err != nil {
				return err
			}
			if err := b.Sync(nil); err != nil {
				return err
			}
		}
		return nil
	})
	if sent := stop(); sent < 100 {
		t.Errorf("only %d foreign packets were sent", sent)
	}
	if st := b.Stats(); st.Foreign != 0 {
		t.Errorf("%d foreign packets passed the filter", st.Foreign)
	}
	if got := len(member.recv(1)); got == 0 {
		t.Error("the foreign packets did not arrive at all")
	}
}

// What slipped into a socket before its filter is drained, and what was lost
// then was no loss.
func TestDrain(t *testing.T) {
	for _, tt := range []struct {
		domain int
		p      Packet
	}{
		{unix.AF_INET, Packet{Src: a4, Dst: b4}},
		{unix.AF_INET6, Packet{Src: ga, Dst: gb}},
	} {
		a, b := pair(t)
		var fd int
		b.in(func() (err error) {
			fd, err = unix.Socket(tt.domain, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
			return err
		})
		defer unix.Close(fd)
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil { // the least there is
			t.Fatal(err)
		}
		for range 10 {
			a.send(tt.p)
		}
		queued := func() error {
			_, _, err := unix.Recvfrom(fd, make([]byte, 64), unix.MSG_PEEK)
			return err
		}
		nstest.Eventually(t, 5*time.Second, queued)
		if err := attach(fd, dropAll()); err != nil {
			t.Fatal(err)
		}
		s := &socket{fd: fd}
		s.settle()
		if s.drops == 0 {
			t.Error("nothing was lost")
		}
		a.send(tt.p)
		if err := queued(); !errors.Is(err, unix.EAGAIN) {
			t.Errorf("after drain: %v", err)
		}
	}
}

// A reload must not lose an advert: while they come in, Sync runs again and
// again, unchanged and with endpoints that come and go.
func TestSyncLosesNothing(t *testing.T) {
	for _, f := range []vrrp.Family{vrrp.IPv4, vrrp.IPv6} {
		t.Run(f.String(), func(t *testing.T) {
			a, b := pair(t)
			la, lb := a.link("eth0"), b.link("eth0")
			nstest.Attach(t, nstest.LAN(t), b.ns, "eth1", "198.51.100.1/24", "fe80::1/64")
			base := []Endpoint{{Family: vrrp.IPv4, Link: lb, Group: group4}, {Family: vrrp.IPv6, Link: lb, Group: group6}}
			more := slices.Concat(base, everything(lb, b4, b6, gb), []Endpoint{
				{Family: vrrp.IPv4, Link: lb, Group: other4}, {Family: vrrp.IPv6, Link: lb, Group: other6},
				{Family: vrrp.IPv4, Link: b.link("eth1"), Group: group4}, {Family: vrrp.IPv6, Link: b.link("eth1"), Group: group6},
				{Family: vrrp.IPv4, Local: b4}, {Family: vrrp.IPv6, Local: gb},
			})
			b.sync(base...)
			fds := slices.Clone(b.FDs())
			p := Packet{Link: la, Src: a4, Dst: group4}
			if f == vrrp.IPv6 {
				p.Src, p.Dst = a6, group6
			}
			stop := flood(t, a, func(i int) Packet {
				p.Payload = sequence(i)
				return p
			})
			next := 0
			take := func(d *Datagram) {
				got, err := sequenceOf(d.Payload)
				if err != nil || got != next {
					t.Errorf("received %d, %v; want %d", got, err, next)
				}
				next = got + 1
			}
			b.in(func() error {
				for i := range 300 {
					if err := b.Sync([][]Endpoint{base, more, more, base}[i%4]); err != nil {
						return err
					}
					if _, _, err := b.RecvReady(1000, take); err != nil {
						return err
					}
					if i%4 == 0 || i%4 == 3 {
						if !slices.Equal(b.FDs(), fds) {
							return fmt.Errorf("descriptors %v, were %v", b.FDs(), fds)
						}
					}
				}
				return nil
			})
			sent := stop()
			for next < sent && !t.Failed() {
				for i := range b.recv(sent - next) {
					_ = i
					next++
				}
			}
			if sent < 100 || next != sent || b.Stats().KernelDrops != 0 {
				t.Errorf("received %d of %d; %+v", next, sent, b.Stats())
			}
		})
	}
}

// A Sync that changes nothing touches nothing: the descriptors, the kernel's
// memberships and the filters stay. The filter is exchanged behind Sync's back
// to see that it is not attached again.
func TestSyncUnchanged(t *testing.T) {
	a, b := pair(t)
	want := everything(b.link("eth0"), b4, b6, gb)
	b.sync(want...)
	fds, members := slices.Clone(b.FDs()), memberships(t, b.ns)
	if n := strings.Count(members, "\n"); n != 2 {
		t.Fatalf("%d memberships, want 2:\n%s", n, members)
	}
	for _, fd := range fds {
		if err := attach(fd, dropAll()); err != nil {
			t.Fatal(err)
		}
	}
	slices.Reverse(want)
	b.sync(append(want, want...)...)
	if !slices.Equal(b.FDs(), fds) {
		t.Errorf("descriptors %v, were %v", b.FDs(), fds)
	}
	if now := memberships(t, b.ns); now != members {
		t.Errorf("memberships\n%s\nwere\n%s", now, members)
	}
	hello := func(what string) {
		a.send(Packet{Link: a.link("eth0"), Src: a4, Dst: group4, Payload: []byte(what)})
		a.send(Packet{Link: a.link("eth0"), Src: a6, Dst: group6, Payload: []byte(what)})
	}
	hello("to the test's filter")
	b.sync(append(want, Endpoint{Family: vrrp.IPv4, Link: b.link("eth0"), Group: other4},
		Endpoint{Family: vrrp.IPv6, Link: b.link("eth0"), Group: other6})...)
	hello("to a new filter")
	b.expect("to a new filter", "to a new filter")
}

// memberships are the kernel's lines about VRRP groups and those of
// TestManyGroups, with the number of members. (Solicited-node groups come and
// go with the addresses, later.)
func memberships(t *testing.T, ns *lab.Namespace) string {
	t.Helper()
	out, err := ns.Run("ip", "maddress", "show")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 1 && (strings.HasPrefix(f[1], "224.0.0.1") && f[1] != "224.0.0.1" || f[1] == group6.String()) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// More groups on one interface than net.ipv4.igmp_max_memberships (20) allows
// one socket, and after leaving them only the one that stays.
func TestManyGroups(t *testing.T) {
	a, b := pair(t)
	la, lb := a.link("eth0"), b.link("eth0")
	for _, f := range []vrrp.Family{vrrp.IPv4, vrrp.IPv6} {
		var ends []Endpoint
		for i := range byte(50) {
			g := netip.AddrFrom4([4]byte{224, 0, 0, 100 + i})
			if f == vrrp.IPv6 {
				g = netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 100 + i})
			}
			ends = append(ends, Endpoint{Family: f, Link: lb, Group: g})
		}
		src := a4
		if f == vrrp.IPv6 {
			src = a6
		}
		blast := func() {
			for _, e := range ends {
				a.Queue(&Packet{Link: la, Src: src, Dst: e.Group, Payload: []byte(e.Group.String())})
			}
			if n, err := a.Flush(); n != len(ends) || err != nil {
				t.Fatalf("sent %d, %v", n, err)
			}
		}
		b.sync(ends...)
		blast()
		for i, d := range b.recv(len(ends)) {
			if d.Dst != ends[i].Group || string(d.Payload) != d.Dst.String() {
				t.Errorf("datagram %d is %v", i, d)
			}
		}
		b.sync(ends[30])
		blast()
		b.expect(ends[30].Group.String())
		if left := memberships(t, b.ns); f == vrrp.IPv4 && strings.Count(left, "\n") != 1 {
			t.Errorf("memberships that are left:\n%s", left)
		}
	}
}

// More destinations than the filter lists: they all arrive, and nothing else.
func TestManyDestinations(t *testing.T) {
	a, b := pair(t)
	var ends []Endpoint
	addr := func(i int) netip.Addr {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(i >> 8), 15: byte(i)})
	}
	for i := range maxFiltered + 20 {
		if err := b.ns.AddAddr("eth0", netip.PrefixFrom(addr(i+1000), 64)); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, Endpoint{Family: vrrp.IPv6, Local: addr(i + 1000)})
	}
	for _, count := range []int{len(ends), 5} {
		b.sync(ends[:count]...)
		before := b.Stats()
		for i := range ends {
			a.send(Packet{Src: ga, Dst: ends[i].Local, Payload: sequence(i)})
			a.send(Packet{Src: ga, Dst: gb, Payload: sequence(9999)})
		}
		// Neighbour discovery may change the order.
		seen := map[netip.Addr]int{}
		for _, d := range b.recv(count) {
			got, err := sequenceOf(d.Payload)
			if err != nil || got >= count || d.Dst != ends[got].Local {
				t.Errorf("received %d, %v, to %v", got, err, d.Dst)
			}
			seen[d.Dst]++
		}
		if len(seen) != count {
			t.Errorf("%d destinations received, want %d", len(seen), count)
		}
		foreign := b.Stats().Foreign - before.Foreign
		if count > maxFiltered && foreign == 0 || count < maxFiltered && foreign != 0 {
			t.Errorf("%d destinations: %d foreign packets passed the filter", count, foreign)
		}
	}
}

// Unicast without interface: only unicast, from any interface, which is told.
// What a socket of the interface takes as well is handed on once.
func TestUnbound(t *testing.T) {
	a, b := pair(t)
	la, lb := a.link("eth0"), b.link("eth0")
	unbound := []Endpoint{{Family: vrrp.IPv4, Local: b4}, {Family: vrrp.IPv6, Local: gb}}
	// Another program on the host is a member of the groups.
	other := newHost(t, "other")
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	b.in(func() (err error) {
		if other.Net, err = Open(); err != nil {
			return err
		}
		return other.Sync(everything(lb, b4, b6, gb))
	})
	blast := func() {
		a.send(Packet{Link: la, Src: a4, Dst: group4, Payload: []byte("multicast 4")})
		a.send(Packet{Link: la, Src: a6, Dst: group6, Payload: []byte("multicast 6")})
		a.send(Packet{Src: a4, Dst: b4, Payload: []byte("unicast 4")})
		a.send(Packet{Src: ga, Dst: gb, Payload: []byte("unicast 6")})
	}
	for _, tt := range []struct {
		name string
		ends []Endpoint
		want []string
	}{
		{"alone", unbound, []string{"unicast 4", "unicast 6"}},
		{"beside an interface", slices.Concat(unbound, everything(lb, b4, b6, gb)),
			[]string{"multicast 4", "multicast 6", "unicast 4", "unicast 6"}},
	} {
		b.sync(tt.ends...)
		blast()
		var got []string
		for _, d := range b.recv(len(tt.want)) {
			got = append(got, string(d.Payload))
			if d.Link != lb || d.TTL != 255 {
				t.Errorf("%s: %q came by link %d with TTL %d", tt.name, d.Payload, d.Link, d.TTL)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: received %q, want %q", tt.name, got, tt.want)
		}
		if n, _, err := b.RecvReady(100, func(d *Datagram) { t.Errorf("%s: also %q", tt.name, d.Payload) }); n != 0 || err != nil {
			t.Errorf("%s: %d more, %v", tt.name, n, err)
		}
		if st := b.Stats(); st.Foreign != 0 {
			t.Errorf("%s: %d foreign packets passed the filter", tt.name, st.Foreign)
		}
	}
}

// Errors name their endpoint and keep the others from nothing.
func TestSyncErrors(t *testing.T) {
	a, b := pair(t)
	lb := b.link("eth0")
	bad := []Endpoint{
		{Link: lb, Group: group4},
		{Family: vrrp.IPv4, Link: lb},
		{Family: vrrp.IPv4, Link: -1, Group: group4},
		{Family: vrrp.IPv4, Link: lb, Group: group6},
		{Family: vrrp.IPv4, Link: lb, Group: b4},
		{Family: vrrp.IPv4, Group: group4},
		{Family: vrrp.IPv6, Link: lb, Local: b4},
		{Family: vrrp.IPv6, Link: lb, Local: group6},
		{Family: vrrp.IPv4, Link: lb, Local: netip.IPv4Unspecified()},
	}
	gone := Endpoint{Family: vrrp.IPv4, Link: 9999, Group: group4} // no error
	var err error
	b.in(func() error {
		err = b.Sync(slices.Concat(bad, []Endpoint{gone}, everything(lb, b4, b6, gb)))
		return nil
	})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("error %v", err)
	}
	var got []Endpoint
	for _, e := range joined.Unwrap() {
		var ee *EndpointError
		if !errors.As(e, &ee) || ee.Err == nil || !strings.Contains(e.Error(), ee.Err.Error()) {
			t.Fatalf("error %#v", e)
		}
		got = append(got, ee.Endpoint)
	}
	if !slices.Equal(got, bad) {
		t.Errorf("errors for %v, want %v", got, bad)
	}
	a.send(Packet{Link: a.link("eth0"), Src: a6, Dst: group6, Payload: []byte("works")})
	b.expect("works")
}

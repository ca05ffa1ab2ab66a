package nft

import (
	"net/netip"
	"slices"
	"testing"

	"hakeep/internal/lab"
	"hakeep/lvs"
)

func TestGone(t *testing.T) {
	t.Parallel()
	before := []lvs.Service{newTest(lvs.UDP, vip, "rr", "10.0.0.1", 1, 1, 1), newTest(lvs.TCP, vip, "rr", "10.0.0.1", 1)}
	after := []lvs.Service{newTest(lvs.UDP, vip, "rr", "10.0.0.2", 0, 1, 1)} // one with weight 0 is there
	want := []Pair{
		{before[0].ID, lvs.Endpoint{Addr: netip.MustParseAddr("10.0.0.1"), Port: 80}},
		{before[1].ID, lvs.Endpoint{Addr: netip.MustParseAddr("10.0.0.1"), Port: 80}},
	}
	if got := Gone(before, after); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Gone(nil, after); got != nil {
		t.Errorf("gone of nothing: %v", got)
	}
}

// TestTrafficForget: a client that keeps sending from one port stays with a server
// that is gone, until its connection is forgotten; then it is balanced anew. Other
// connections are not touched.
func TestTrafficForget(t *testing.T) {
	s := newSite(t, 2)
	var conns *Conntrack
	if err := s.director.Do(func() (err error) {
		conns, err = OpenConntrack()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer conns.Close()
	for _, c := range []struct{ vip, first string }{{vip, "10.0.0.1"}, {"[2001:db8::10]:80", "fd00::1"}} {
		target := netip.MustParseAddrPort(c.vip)
		both := newTest(lvs.UDP, c.vip, "rr", c.first, 1, 1)
		load(t, s.fw, both)
		asks := func(port uint16) netip.Addr {
			return s.answers(t, 1, func(int) lab.Question {
				return lab.Question{Target: target, UDP: true, Source: netip.AddrPortFrom(clientAddr(target, 1), port)}
			})[0].Server.Addr()
		}
		gone, stays := uint16(5001), uint16(5002)
		if asks(gone) == asks(stays) {
			t.Fatal("rr gives two clients one server")
		}
		if asks(gone) != netip.MustParseAddr(c.first) {
			gone, stays = stays, gone
		}
		rest := both
		rest.Servers = both.Servers[1:]
		load(t, s.fw, rest)
		if got := asks(gone); got != netip.MustParseAddr(c.first) {
			t.Errorf("before it is forgotten the client is with %v", got)
		}
		pairs := Gone([]lvs.Service{both}, []lvs.Service{rest})
		if n, err := conns.Forget(pairs); n != 1 || err != nil {
			t.Errorf("%d connections forgotten, %v", n, err)
		}
		second := netip.MustParseAddr(c.first).Next()
		if got := asks(gone); got != second {
			t.Errorf("afterwards it is with %v", got)
		}
		if got := asks(stays); got != second {
			t.Errorf("the other one is with %v", got)
		}
		if n, err := conns.Forget(pairs); n != 0 || err != nil {
			t.Errorf("again: %d connections forgotten, %v", n, err)
		}
	}
}

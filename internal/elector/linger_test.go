package elector

import (
	"net/netip"
	"testing"

	"hakeep/arp"
	"hakeep/internal/netif"
	"hakeep/vrrp"
)

// TestLingers: the last of an instance's announced addresses counts, on its own link;
// what is not announced at all is not waited for.
func TestLingers(t *testing.T) {
	t.Parallel()
	one, two, three := netip.MustParsePrefix("192.0.2.10/24"), netip.MustParsePrefix("2001:db8::10/64"), netip.MustParsePrefix("192.0.2.11/24")
	member := func(targets map[netip.Prefix]arp.Target) *member {
		m := &member{installed: map[netif.Key]arp.Target{}}
		for p, t := range targets {
			m.installed[netif.Key{Prefix: p}] = t
		}
		return m
	}
	var s lingers
	claim := func(link int, p netip.Prefix, want vrrp.ID) {
		t.Helper()
		if id, all := s.claimed(place{link, p.Addr()}); all != (want != 0) || all && id != want {
			t.Errorf("%v on link %d: instance %d %v, want %d", p.Addr(), link, id, all, want)
		}
	}
	claim(2, one, 0)
	s.begin(1, member(map[netip.Prefix]arp.Target{one: {Link: 2}, two: {Link: 3}, three: {}}))
	s.begin(2, member(map[netip.Prefix]arp.Target{three: {Link: 2}}))
	s.begin(3, member(map[netip.Prefix]arp.Target{three: {}}))
	if !s.any.Load() {
		t.Error("nothing to be heard")
	}
	claim(3, one, 0)
	claim(2, one, 0)
	claim(2, one, 0)
	claim(3, two, 1)
	claim(3, two, 0)
	s.end(2)
	claim(2, three, 0)
	if s.any.Load() || len(s.owner)+len(s.waiting) > 0 {
		t.Errorf("left: %v, %v", s.owner, s.waiting)
	}
}

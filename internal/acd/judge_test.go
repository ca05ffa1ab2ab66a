package acd

import (
	"net/netip"
	"testing"
	"time"
)

// TestJudge: what is a conflict, and what is a take-over.
func TestJudge(t *testing.T) {
	t.Parallel()
	vip := netip.MustParseAddr("192.0.2.10")
	ours := []Address{{Link: 2, Addr: vip}}
	type step struct {
		at   time.Duration
		set  *[]Address
		link int // of a claim
		want int // conflicts that are due
	}
	const ms = time.Millisecond
	none := []Address{}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"another host has it all the time", []step{{at: 0, set: &ours}, {at: 5000 * ms, link: 2}, {at: 7999 * ms}, {at: 8000 * ms, want: 1}, {at: 20000 * ms}}},
		{"it is told again when it goes on", []step{{at: 0, set: &ours}, {at: 5000 * ms, link: 2}, {at: 8000 * ms, want: 1}, {at: 8001 * ms, link: 2}, {at: 11001 * ms, want: 1}}},
		{"the master before still answers", []step{{at: 0, set: &ours}, {at: 1999 * ms, link: 2}, {at: 9000 * ms}}},
		{"the next master has it", []step{{at: 0, set: &ours}, {at: 5000 * ms, link: 2}, {at: 6100 * ms, set: &none}, {at: 9000 * ms}}},
		{"it comes back meanwhile", []step{{at: 0, set: &ours}, {at: 5000 * ms, link: 2}, {at: 5500 * ms, set: &none}, {at: 5600 * ms, set: &ours}, {at: 9000 * ms}}},
		{"it stays ours through another set", []step{{at: 0, set: &ours}, {at: 5000 * ms, link: 2}, {at: 5500 * ms, set: &ours}, {at: 8000 * ms, want: 1}}},
		{"on another link", []step{{at: 0, set: &ours}, {at: 5000 * ms, link: 3}, {at: 9000 * ms}}},
		{"not ours", []step{{at: 5000 * ms, link: 2}, {at: 9000 * ms}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := newJudge()
			for _, s := range tt.steps {
				switch {
				case s.set != nil:
					j.set(s.at, *s.set)
				case s.link != 0:
					j.claim(s.at, Conflict{Link: s.link, Addr: vip, MAC: MAC{2}, By: ARP})
				default:
					if got := j.due(s.at); len(got) != s.want {
						t.Errorf("at %v: %d conflicts %v, want %d", s.at, len(got), got, s.want)
					}
				}
			}
			if at, ok := j.next(); ok {
				t.Errorf("something is due at %v", at)
			}
		})
	}
}

// TestJudgeCounts: claims within the time are counted, and the first is kept.
func TestJudgeCounts(t *testing.T) {
	t.Parallel()
	j, vip := newJudge(), netip.MustParseAddr("2001:db8::10")
	j.set(0, []Address{{Link: 2, Addr: vip}})
	for i, by := range []Evidence{Neighbor, ARP, Advert} {
		j.claim(time.Minute+time.Duration(i), Conflict{Link: 2, Addr: vip, MAC: MAC{2, byte(i)}, By: by})
	}
	if at, ok := j.next(); !ok || at != time.Minute+confirm {
		t.Errorf("next is %v, %v", at, ok)
	}
	got := j.due(time.Minute + confirm)
	want := Conflict{Link: 2, Addr: vip, MAC: MAC{2, 0}, By: Neighbor, Count: 3}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

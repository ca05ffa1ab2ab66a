package elector

import (
	"testing"
	"time"

	"hakeep/internal/wire"
	"hakeep/vrrp"
)

func TestLinkDelays(t *testing.T) {
	t.Parallel()
	const second = time.Second
	d := newLinkDelays()
	d.delays = map[string]wire.LinkDelay{"eth0": {Down: 2 * second, Up: 3 * second}}
	link := func(name string, up bool) vrrp.Link { return vrrp.Link{Name: name, Index: 2, Up: up} }
	see := func(now time.Duration, l vrrp.Link, want bool) {
		t.Helper()
		if got := d.changed(now, l).Up; got != want {
			t.Errorf("at %v %s seen up %v, want %v", now, l.Name, got, want)
		}
	}
	see(0, link("eth0", true), true)
	see(0, link("eth1", true), true)
	see(second, link("eth1", false), false) // no delay
	// A short loss goes unnoticed.
	see(2*second, link("eth0", false), true)
	if d.next() != 4*second {
		t.Errorf("next %v", d.next())
	}
	see(3*second, link("eth0", true), true)
	if d.next() != vrrp.Forever || len(d.due(10*second)) != 0 {
		t.Error("a change that was taken back is still held")
	}
	// A long one counts; another change of the link does not begin it anew.
	see(10*second, link("eth0", false), true)
	see(11*second, link("eth0", false), true)
	if l := d.due(12 * second); len(l) != 1 || l[0].Up {
		t.Errorf("due %v", l)
	}
	see(13*second, link("eth0", false), false)
	// So does coming back.
	see(20*second, link("eth0", true), false)
	if l := d.due(22 * second); len(l) != 0 {
		t.Errorf("too early: %v", l)
	}
	if l := d.due(23 * second); len(l) != 1 || !l[0].Up {
		t.Errorf("due %v", l)
	}
	// A link that was deleted and made again counts at once.
	d.gone("eth0")
	see(30*second, link("eth0", false), false)
}

package elector

import (
	"testing"
	"time"

	"hakeep/vrrp"
)

// TestTakeovers: each step counts from the deadline, a take-over that is given up
// counts no further, and one that nobody waited for does not count.
func TestTakeovers(t *testing.T) {
	t.Parallel()
	const us = time.Microsecond
	to := takeovers{running: map[vrrp.ID]takeover{}}
	now := time.Second
	master := func(id vrrp.ID, cause vrrp.Cause, due time.Duration) *vrrp.Action {
		return &vrrp.Action{Kind: vrrp.Transition, ID: id, From: vrrp.Backup, To: vrrp.Master, Cause: cause, Due: due}
	}
	to.transition(now, master(1, vrrp.CauseMasterTimeout, now-10*us))
	to.transition(now, master(2, vrrp.CauseMasterTimeout, now-20*us))
	to.transition(now, master(3, vrrp.CausePreemptDelay, 0))
	now += 30 * us
	to.flushed(now)
	to.sent(now) // what was due then was not theirs
	to.transition(now, &vrrp.Action{Kind: vrrp.Transition, ID: 2, From: vrrp.Master, To: vrrp.Backup})
	now += 100 * us
	to.installed(now, 1)
	now += 60 * us
	to.sent(now)
	now += 60 * us
	to.sent(now)
	s := to.status()
	for _, w := range []struct {
		name  string
		count uint64
		max   time.Duration
		got   uint64
		worst time.Duration
	}{
		{"timer", 2, 20 * us, s.Timer.Count, s.Timer.Max},
		{"advert", 2, 50 * us, s.Advert.Count, s.Advert.Max},
		{"addresses", 1, 140 * us, s.Addresses.Count, s.Addresses.Max},
		{"announced", 1, 200 * us, s.Announced.Count, s.Announced.Max},
	} {
		if w.got != w.count || w.worst != w.max {
			t.Errorf("%s: %d, at most %v; want %d, %v", w.name, w.got, w.worst, w.count, w.max)
		}
	}
	if len(to.running) != 0 {
		t.Errorf("still running: %v", to.running)
	}
}

package elector

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/arp"
	"hakeep/vrrp"
	"hakeep/vrrp/vrrpnet"
)

// countSent has no network, and counts what is to be sent.
type countSent struct {
	oneDatagram
	sent int
}

func (s *countSent) QueuePrepared(*vrrpnet.Prepared) bool { s.sent++; return true }

// relieved is a loop with a relief, and with one instance that waits for its master's
// silence to be over. Its time stands still, but for what a test adds.
func relieved(t *testing.T, s sockets) *loop {
	t.Helper()
	l := quietLoop(t, s)
	l.clock.base = time.Now() // in the bubble
	b, err := newBell()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(b.fd) })
	l.relief = &relief{bell: b}
	l.relief.due.Store(int64(vrrp.Forever))
	if l.relieveTurn(); l.relief.count() != 0 {
		t.Fatal("took a turn although nothing is awaited")
	}
	l.reconfigure(l.clock.now(), testConfig(100))
	return l
}

// wakeLate lets it be some time after what is due next.
func (l *loop) wakeLate(late time.Duration) (due time.Duration) {
	due, _ = l.router.NextDeadline()
	if l.relief != nil {
		l.relief.due.Store(int64(due))
	}
	l.clock.offset += due + late - l.clock.now()
	return due
}

// lateMaster is a master whose second advert is a millisecond late.
func lateMaster(t *testing.T, s sockets) *loop {
	t.Helper()
	l := relieved(t, s)
	l.wakeLate(0)
	l.turn()
	l.wakeLate(time.Millisecond)
	return l
}

func (l *loop) state() vrrp.State { return l.router.Snapshot(nil)[0].State }

// bubble is a test in which no time passes by itself.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

// TestReliefSends: what the loop's thread should have sent is sent by its relief, and
// only that.
func TestReliefSends(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &countSent{}
		l := relieved(t, s)
		l.wakeLate(time.Millisecond)
		if l.relieveTurn(); l.state() != vrrp.Backup || s.sent > 0 {
			t.Fatalf("%v after a turn of the relief: it must not believe that the master is silent", l.state())
		}
		if l.turn(); l.state() != vrrp.Master || s.sent != 1 {
			t.Fatalf("%v, sent %d adverts", l.state(), s.sent)
		}
		l.wakeLate(reliefAfter - 1)
		if l.relieveTurn(); s.sent != 1 {
			t.Fatal("sent an advert that was hardly late")
		}
		due := l.wakeLate(time.Millisecond)
		l.turns.Lock()
		if l.relieveTurn(); s.sent != 1 {
			t.Fatal("took a turn while the loop had its own")
		}
		l.turns.Unlock()
		if l.relieveTurn(); s.sent != 2 || l.relief.count() != 1 || l.nextDue() <= due {
			t.Fatalf("sent %d adverts, took %d turns", s.sent, l.relief.count())
		}
		if l.relieveTurn(); s.sent != 2 || l.relief.count() != 1 {
			t.Fatal("sent the advert twice")
		}
		if got := l.stats.lateness.status(); got.Count != 2 || got.P50 != time.Millisecond || got.Max != time.Millisecond {
			t.Errorf("own account of lateness: %+v", got)
		}
	})
}

// TestReliefLeavesMessages, the end among them, to the loop's thread.
func TestReliefLeavesMessages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &countSent{}
		l := lateMaster(t, s)
		l.inbox.post(quitMsg{})
		if l.relieveTurn(); s.sent != 2 || l.done || len(l.inbox.take(nil)) != 1 {
			t.Errorf("sent %d adverts, ended: %v", s.sent, l.done)
		}
	})
}

// TestReliefHears: the relief reads what has arrived before it lets a master advertise.
func TestReliefHears(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &countSent{}
		l := lateMaster(t, s)
		s.datagram = firstAdvert(t, testConfig(200))
		if l.relieveTurn(); l.state() != vrrp.Backup || s.sent != 1 {
			t.Errorf("%v, sent %d adverts", l.state(), s.sent)
		}
		if got := l.stats.lateness.status(); got.Count != 1 || got.Max != time.Millisecond {
			t.Errorf("own account of lateness, of an advert that was not sent in the end: %+v", got)
		}
	})
}

// TestReliefIsPaced: many adverts that are overdue leave in bursts, like those that are
// in time.
func TestReliefIsPaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &countSent{}
		l := relieved(t, s)
		var names []rune
		for i := range burst + 1 {
			names = append(names, rune('a'+i))
		}
		l.reconfigure(l.clock.now(), severalInstances("many", string(names), ""))
		l.wakeLate(0)
		for n := 0; s.sent < len(names); n++ {
			if n > 10 {
				t.Fatalf("%d of %d are master", s.sent, len(names))
			}
			l.turn()
			l.clock.offset += burstGap
		}
		s.sent = 0
		l.wakeLate(10 * time.Millisecond)
		if more := l.relieveTurn(); !more || s.sent != burst {
			t.Fatalf("sent %d adverts at a time, and there are more: %v", s.sent, more)
		}
		if more := l.relieveTurn(); !more || s.sent != burst {
			t.Fatalf("sent %d adverts without a pause", s.sent)
		}
		l.clock.offset += burstGap
		if more := l.relieveTurn(); more || s.sent != len(names) {
			t.Fatalf("sent %d adverts in two bursts, and there are more: %v", s.sent, more)
		}
	})
}

// countAnnounced counts announcements.
type countAnnounced struct{ queued, flushed int }

func (a *countAnnounced) Room() int             { return 100 }
func (a *countAnnounced) Queue(arp.Target) bool { a.queued++; return true }
func (a *countAnnounced) Flush() (int, error)   { a.flushed = a.queued; return 0, nil }
func (a *countAnnounced) Dropped() uint64       { return 0 }

// TestReliefAnnounces addresses when the loop is late for it.
func TestReliefAnnounces(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := relieved(t, &countSent{})
		sender := &countAnnounced{}
		l.sender = sender
		targets := []arp.Target{{Addr: netip.MustParseAddr("192.0.2.10"), Link: 1}}
		l.sched.Begin(l.clock.now(), 1, arp.CauseAdded, arp.DefaultSettings(), targets)
		at, _ := l.sched.Next()
		l.relief.due.Store(int64(l.nextDue()))
		l.clock.offset += at + reliefAfter - 1 - l.clock.now()
		if l.relieveTurn(); sender.flushed != 0 {
			t.Fatal("announced what was hardly late")
		}
		l.clock.offset++
		if l.relieveTurn(); sender.flushed == 0 || l.relief.count() != 1 {
			t.Fatalf("announced %d times, in %d turns", sender.flushed, l.relief.count())
		}
	})
}

// TestReliefIsTold: the relief sleeps until a deadline is missed, and is woken only if
// another has come much nearer.
func TestReliefIsTold(t *testing.T) {
	t.Parallel()
	b, err := newBell()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(b.fd)
	r := &relief{bell: b}
	rung := func() bool {
		var count [8]byte
		_, err := unix.Read(b.fd, count[:])
		return err == nil
	}
	for _, tt := range []struct {
		due  time.Duration // when the relief goes to sleep
		last time.Duration // when it looked
		want time.Duration // until when it sleeps
		then time.Duration // the next deadline, after that
		rung bool
	}{
		{time.Hour, time.Minute, time.Hour + reliefAfter, time.Hour + time.Second, false},
		{time.Hour, time.Minute, time.Hour + reliefAfter, time.Hour - reliefGap, false},
		{time.Hour, time.Minute, time.Hour + reliefAfter, time.Hour - reliefGap - 1, true},
		{time.Hour, time.Hour, time.Hour + reliefGap, time.Hour, false}, // looked a moment ago
		{vrrp.Forever, time.Hour, vrrp.Forever, time.Hour, true},
		{vrrp.Forever, time.Hour, vrrp.Forever, vrrp.Forever, false},
	} {
		r.due.Store(int64(tt.due))
		if got := r.lookAt(tt.last + reliefGap); got != tt.want {
			t.Errorf("deadline %v, looked at %v: looks at %v, want %v", tt.due, tt.last, got, tt.want)
		}
		if r.expect(tt.then); rung() != tt.rung {
			t.Errorf("deadline %v, looked at %v: is woken for a deadline at %v: %v, want %v", tt.due, tt.last, tt.then, !tt.rung, tt.rung)
		}
	}
}

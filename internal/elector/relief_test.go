package elector

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

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
	l.relief = &relief{bell: b.fd}
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
		if l.relieveTurn(); s.sent != 2 || l.relief.count() != 1 || l.next() <= due {
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
		l := relieved(t, s)
		l.wakeLate(0)
		l.turn()
		l.wakeLate(time.Millisecond)
		l.inbox.post(quitMsg{})
		if l.relieveTurn(); s.sent != 2 || l.done || len(l.inbox.take(nil)) != 1 {
			t.Errorf("sent %d adverts, ended: %v", s.sent, l.done)
		}
	})
}

// TestReliefHears: the relief reads what has arrived before it lets a master advertise,
// and wakes the loop's thread if that would sleep on.
func TestReliefHears(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &countSent{}
		l := relieved(t, s)
		l.wakeLate(0)
		l.turn()
		s.datagram = firstAdvert(t, testConfig(200))
		l.wakeLate(time.Millisecond)
		l.asleep = vrrp.Forever
		if l.relieveTurn(); l.state() != vrrp.Backup || s.sent != 1 {
			t.Errorf("%v, sent %d adverts", l.state(), s.sent)
		}
		if woken := l.inbox.take(nil); len(woken) != 1 {
			t.Errorf("the loop's thread, which would sleep for ever, got %v", woken)
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
	r := &relief{bell: b.fd}
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
		if got := r.next(tt.last); got != tt.want {
			t.Errorf("deadline %v, looked at %v: looks at %v, want %v", tt.due, tt.last, got, tt.want)
		}
		if r.expect(tt.then); rung() != tt.rung {
			t.Errorf("deadline %v, looked at %v: is woken for a deadline at %v: %v, want %v", tt.due, tt.last, tt.then, !tt.rung, tt.rung)
		}
	}
}

package elector

import (
	"testing"
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
// silence to be over since late.
func relieved(t *testing.T, s sockets, late time.Duration) *loop {
	t.Helper()
	l := quietLoop(t, s)
	b, err := newBell()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(b.fd) })
	l.relief = &relief{bell: b.fd}
	cfg := testConfig(100)
	l.reconfigure(l.clock.now()-late-vrrp.MasterDownInterval(vrrp.V3, 100, cfg.Instances[0].Params.Interval, 3), cfg)
	l.relief.due.Store(int64(l.next()))
	return l
}

func (l *loop) state() vrrp.State { return l.router.Snapshot(nil)[0].State }

// TestReliefSends: what the loop's thread should have sent is sent by its relief, and
// only that.
func TestReliefSends(t *testing.T) {
	t.Parallel()
	s := &countSent{}
	l := relieved(t, s, time.Millisecond)
	if l.relieveTurn(); l.state() != vrrp.Backup || s.sent > 0 {
		t.Fatalf("%v after a turn of the relief: it must not believe that the master is silent", l.state())
	}
	if l.turn(); l.state() != vrrp.Master || s.sent != 1 {
		t.Fatalf("%v, sent %d adverts", l.state(), s.sent)
	}
	due, _ := l.router.NextDeadline()
	l.relief.due.Store(int64(due))
	if l.relieveTurn(); s.sent != 1 {
		t.Fatal("sent an advert that was not due")
	}
	l.clock.offset += due - l.clock.now() + time.Millisecond
	l.turns.Lock()
	if l.relieveTurn(); s.sent != 1 {
		t.Fatal("took a turn while the loop had its own")
	}
	l.turns.Unlock()
	if l.relieveTurn(); s.sent != 2 || l.relief.count() != 1 || l.next() <= due {
		t.Fatalf("sent %d adverts, took %d turns", s.sent, l.relief.count())
	}
	if l.relieveTurn(); s.sent != 2 {
		t.Fatal("sent the advert twice")
	}
	if got := l.stats.lateness.status(); got.Count != 2 || got.P50 > 2*time.Minute || got.P50 < time.Millisecond {
		t.Errorf("own account of lateness: %+v", got)
	}
}

// TestReliefWakesTheLoop: the loop's thread is woken if something is due earlier than
// it sleeps, or if it has to end.
func TestReliefWakesTheLoop(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		asleep time.Duration
		msg    any
		wake   bool
	}{
		{"wakes up soon", 0, wakeMsg{}, false},
		{"sleeps on", vrrp.Forever, wakeMsg{}, true},
		{"the end", 0, quitMsg{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := relieved(t, &countSent{}, time.Millisecond)
			l.turn()
			l.clock.offset += 10 * time.Minute
			l.relief.due.Store(int64(l.next()))
			l.asleep = tt.asleep
			l.inbox.post(tt.msg)
			if l.relieveTurn(); l.relief.count() != 1 {
				t.Fatal("the relief took no turn")
			}
			if got := len(l.inbox.take(nil)) > 0; got != tt.wake {
				t.Errorf("the loop's thread is woken: %v, want %v", got, tt.wake)
			}
		})
	}
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

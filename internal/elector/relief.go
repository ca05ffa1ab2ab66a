package elector

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/cpus"
	"hakeep/vrrp"
)

const (
	// reliefAfter is how late the loop's thread is when the relief takes the turn.
	reliefAfter = 200 * time.Microsecond

	// reliefGap is the least time between two looks of the relief: with thousands of
	// adverts a second there is always one that is due soon.
	reliefGap = 500 * time.Microsecond
)

// relief is a second thread for the loop, on a CPU of its own. A real-time thread is
// late where the kernel is busy on its CPU for another process, or where the
// hypervisor has taken the CPU away; it is rare that this happens on two CPUs at once.
// Then the relief does what cannot wait. Whoever takes a turn holds loop.turns.
//
// The relief sends adverts and announcements of masters, and hears what others send. It
// never lets a backup take over from a silent master: what the CPU of the loop has
// received may wait there. Messages wait for the loop as well.
type relief struct {
	bell int // eventfd: due has come nearer than until allows for, or over
	// due is when the loop has to be awake, until when the relief looks.
	due, until atomic.Int64
	over       atomic.Bool
	sent       uint64 // turns in which it had something to do; loop.turns guards it
}

// newRelief returns nil if there is no CPU for it.
func newRelief() (*relief, error) {
	if !cpus.Relieved() {
		return nil, nil
	}
	b, err := newBell()
	if err != nil {
		return nil, err
	}
	r := &relief{bell: b.fd}
	r.due.Store(int64(vrrp.Forever))
	return r, nil
}

// expect is told by the loop, before it sleeps, when it has to be awake again.
func (r *relief) expect(due time.Duration) {
	if r == nil {
		return
	}
	r.due.Store(int64(due))
	if time.Duration(r.until.Load())-due > reliefAfter+reliefGap {
		r.ring()
	}
}

// count is how many turns it took.
func (r *relief) count() uint64 {
	if r == nil {
		return 0
	}
	return r.sent
}

// leave ends it.
func (r *relief) leave() {
	if r != nil {
		r.over.Store(true)
		r.ring()
	}
}

// ring wakes it.
func (r *relief) ring() {
	if r != nil {
		b := bell{fd: r.bell}
		b.strike()
	}
}

// next is when to look after the last look, and lets expect know.
func (r *relief) next(last time.Duration) time.Duration {
	for {
		due := time.Duration(r.due.Load())
		until := vrrp.Forever
		if due != vrrp.Forever {
			until = max(due+reliefAfter, last+reliefGap)
		}
		r.until.Store(int64(until))
		if time.Duration(r.due.Load()) == due { // else expect may have missed until
			return until
		}
	}
}

// late reports whether a moment has passed for longer than is normal.
func (r *relief) late(now, due time.Duration) bool { return now-due >= reliefAfter }

// relieve is the relief's thread.
func (l *loop) relieve() error {
	r := l.relief
	if r == nil {
		return nil
	}
	runtime.LockOSThread() // never unlocked: the thread has a priority of its own
	if err := setFIFO(priorityLoop); err != nil {
		return fmt.Errorf("set priority of the relief thread: %w", err)
	}
	if err := cpus.Relief(); err != nil { // it still helps, if less
		l.log("warn", err.Error())
	}
	fds := []unix.PollFd{{Fd: int32(r.bell), Events: unix.POLLIN}}
	w := waiter{waits: &l.waits}
	var last time.Duration
	for {
		if err := w.wait(fds, l.until(r.next(last))); err != nil {
			return fmt.Errorf("wait for the advert thread to be late: %w", err)
		}
		if r.over.Load() {
			return nil
		}
		if fds[0].Revents != 0 {
			b := bell{fd: r.bell, rung: true}
			b.still()
		}
		last = l.clock.now()
		l.relieveTurn()
	}
}

// relieveTurn does what cannot wait if the loop's own thread should have, and has not.
func (l *loop) relieveTurn() {
	r := l.relief
	if !r.late(l.clock.now(), time.Duration(r.due.Load())) || !l.turns.TryLock() {
		return
	}
	defer l.turns.Unlock()
	now := l.clock.now()
	advert, adverts := l.router.AdvertDue(now)
	adverts = adverts && r.late(now, max(advert, l.advertsNext))
	announce, announces := l.sched.Next()
	announces = announces && r.late(now, max(announce, l.arpNext))
	if l.done || !adverts && !announces {
		return
	}
	l.overdue = 0
	l.drain()
	if adverts {
		l.relieveAdverts()
	}
	l.endTurn()
	r.sent++
	due := l.next()
	r.due.Store(int64(due))
	if due < l.asleep { // and the loop would sleep on
		l.inbox.post(wakeMsg{})
	}
}

// relieveAdverts lets the masters advertise, as timers does.
func (l *loop) relieveAdverts() {
	now := l.clock.now()
	due, ok := l.router.AdvertDue(now)
	if !ok {
		return // an advert that was there has made it a backup
	}
	if !l.paced {
		l.overdue = now - due
	}
	l.act(now, l.router.Step(now, vrrp.Timeout{Limit: burst, Paced: l.paced, Adverts: true}))
	if _, l.paced = l.router.AdvertDue(now); l.paced {
		l.advertsNext = now + burstGap
	}
}

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

// relief is a second thread for the loop, on another CPU. A real-time thread is late
// where the kernel is busy on its CPU for another process, or where the hypervisor has
// taken the CPU away; it is rare that this happens on two CPUs at once. Then the relief
// does what cannot wait. Whoever takes a turn holds loop.turns: a loop that is kept from
// running in the middle of its turn is not relieved.
//
// The relief sends adverts and announcements of masters, and hears what others send. It
// never lets a backup take over from a silent master: what the CPU of the loop has
// received may wait there. Messages wait for the loop as well.
type relief struct {
	bell bell // due has come nearer than look allows for, or over; only the relief stills it
	// due is when the loop has to be awake, look when the relief looks whether it is.
	due, look atomic.Int64
	over      atomic.Bool

	// What follows is guarded by loop.turns.

	turns uint64 // that it took
	// paced is set while adverts are overdue beyond the limit, until advertsNext.
	paced       bool
	advertsNext time.Duration
}

func newRelief() (*relief, error) {
	b, err := newBell()
	if err != nil {
		return nil, err
	}
	r := &relief{bell: b}
	r.due.Store(int64(vrrp.Forever))
	return r, nil
}

// expect is told by the loop, before it sleeps, when it has to be awake again.
func (r *relief) expect(due time.Duration) {
	if r == nil {
		return
	}
	r.due.Store(int64(due))
	if time.Duration(r.look.Load())-due > reliefAfter+reliefGap {
		r.ring()
	}
}

// count is how many turns it took.
func (r *relief) count() uint64 {
	if r == nil {
		return 0
	}
	return r.turns
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
		r.bell.strike()
	}
}

// lookAt is when to look for the next time, and lets expect know.
func (r *relief) lookAt(notBefore time.Duration) time.Duration {
	for {
		due := time.Duration(r.due.Load())
		look := vrrp.Forever
		if due != vrrp.Forever {
			look = max(due+reliefAfter, notBefore)
		}
		r.look.Store(int64(look))
		if time.Duration(r.due.Load()) == due { // else expect may have missed look
			return look
		}
	}
}

// relieve is the relief's thread.
func (l *loop) relieve() error {
	r := l.relief
	if r == nil {
		return nil
	}
	runtime.LockOSThread() // never unlocked: the thread has a priority of its own
	if err := setFIFO(priorityLoop); err != nil {
		l.log("warn", fmt.Sprintf("a thread that sends adverts while the other cannot is missing: set its priority: %v", err))
		return nil
	}
	if err := cpus.Relief(); err != nil { // it still helps, if less
		l.log("warn", err.Error())
	}
	fds := []unix.PollFd{{Fd: int32(r.bell.fd), Events: unix.POLLIN}}
	w := waiter{waits: &l.waits}
	var notBefore time.Duration
	for {
		if err := w.wait(fds, l.timeout(r.lookAt(notBefore))); err != nil {
			return fmt.Errorf("wait for the advert thread to be late: %w", err)
		}
		if fds[0].Revents != 0 {
			r.bell.rung = true
			r.bell.still()
		}
		if r.over.Load() {
			return nil
		}
		notBefore = l.clock.now() + reliefGap
		if more := l.relieveTurn(); more {
			notBefore += burstGap - reliefGap
		}
	}
}

// overdue reports whether something should have been done before.
func overdue(now, due time.Duration) bool { return now-due >= reliefAfter }

// relieveTurn does what cannot wait if the loop's own thread should have, and has not.
// It reports whether there is more of it than is done at a time.
func (l *loop) relieveTurn() (more bool) {
	r := l.relief
	if !overdue(l.clock.now(), time.Duration(r.due.Load())) || !l.turns.TryLock() {
		return false
	}
	defer l.turns.Unlock()
	now := l.clock.now()
	r.paced = r.paced && now < r.advertsNext+reliefGap // else the loop has gone on
	advert, adverts := l.router.AdvertDue(now)
	adverts = adverts && now >= r.advertsNext && (r.paced || overdue(now, max(advert, l.advertsNext)))
	announce, announces := l.sched.Next()
	announces = announces && overdue(now, max(announce, l.arpNext))
	if l.done || !adverts && !announces {
		return r.paced
	}
	l.overdue = 0
	if adverts && !l.paced && !r.paced {
		l.overdue = now - advert
	}
	l.drain()
	if adverts {
		l.relieveAdverts()
	}
	l.endTurn()
	r.turns++
	r.due.Store(int64(l.nextDue()))
	return r.paced || l.arpNext > now
}

// relieveAdverts lets the masters advertise, as timers does.
func (l *loop) relieveAdverts() {
	r, now := l.relief, l.clock.now()
	l.act(now, l.router.Step(now, vrrp.Timeout{Limit: burst, Paced: l.paced || r.paced, Adverts: true}))
	if _, r.paced = l.router.AdvertDue(now); r.paced {
		r.advertsNext = now + burstGap
	}
	if due, ok := l.router.NextDeadline(); !ok || due > now {
		l.paced = false // what the loop has left over is done
	}
}

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
// Whoever takes a turn holds loop.turns.
//
// The relief never takes over from a silent master: what the CPU of the loop has
// received meanwhile may wait there, so that a master seems silent that is not.
type relief struct {
	bell int // eventfd: due has come nearer than until allows for, or over
	due  atomic.Int64
	// until is when the relief looks the next time.
	until atomic.Int64
	over  atomic.Bool
	turns uint64 // that it took; loop.turns guards it
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
	return &relief{bell: b.fd}, nil
}

// expect is told by the loop, before it sleeps, when it has to be awake again.
func (r *relief) expect(due time.Duration) {
	if r == nil {
		return
	}
	r.due.Store(int64(due))
	if due < vrrp.Forever-time.Hour && due+reliefAfter+reliefGap < time.Duration(r.until.Load()) {
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
		b := bell{fd: r.bell}
		b.strike()
	}
}

// next is when to look, if it was not before last.
func (r *relief) next(last time.Duration) time.Duration {
	for {
		due := time.Duration(r.due.Load())
		until := max(due, last+reliefGap-reliefAfter) + reliefAfter
		if due == vrrp.Forever {
			until = vrrp.Forever
		}
		r.until.Store(int64(until))
		if time.Duration(r.due.Load()) == due { // else expect may have missed until
			return until
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
		return fmt.Errorf("set priority of the relief thread: %w", err)
	}
	if err := cpus.Relief(); err != nil { // it still helps, if less
		l.inbox.post(noticeMsg{"warn", err.Error()})
	}
	fds := []unix.PollFd{{Fd: int32(r.bell), Events: unix.POLLIN}}
	var last time.Duration
	for !r.over.Load() {
		if err := l.waits.wait(fds, l.until(r.next(last))); err != nil {
			return fmt.Errorf("wait for the advert thread to be late: %w", err)
		}
		if fds[0].Revents != 0 {
			b := bell{fd: r.bell, rung: true}
			b.still()
		}
		last = l.clock.now()
		l.relieveTurn()
	}
	return nil
}

// relieveTurn takes a turn if the loop's own thread should have taken it, and has not.
func (l *loop) relieveTurn() {
	if l.clock.now() < time.Duration(l.relief.due.Load())+reliefAfter || !l.turns.TryLock() {
		return
	}
	defer l.turns.Unlock()
	now, due := l.clock.now(), l.next()
	if l.done || now < due+reliefAfter || l.router.TakeoverDue(now) {
		return
	}
	l.relieving, l.bind = true, cpus.Relief
	l.turn()
	l.relieving, l.bind = false, cpus.Adverts
	l.relief.turns++
	due = l.next()
	l.relief.due.Store(int64(due))
	if l.done || due < l.asleep { // the loop's thread has to look again
		l.inbox.post(wakeMsg{})
	}
}

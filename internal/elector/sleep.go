package elector

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/vrrp"
)

// sleep waits until what comes next is due, or something comes in. Meanwhile the relief
// may take turns.
func (l *loop) sleep(w *waiter, fds []unix.PollFd, due time.Duration) error {
	l.relief.expect(due)
	l.turns.Unlock()
	defer l.turns.Lock()
	if err := w.wait(fds, l.timeout(due)); err != nil {
		return fmt.Errorf("wait for adverts: %w", err)
	}
	return nil
}

// nextDue is until when the loop may sleep.
func (l *loop) nextDue() time.Duration {
	next := vrrp.Forever
	if at, ok := l.router.NextDeadline(); ok {
		if l.router.TakeoverDue(at) {
			at -= vigil
		}
		next = max(at, l.advertsNext)
	}
	if at, ok := l.sched.Next(); ok {
		next = min(next, max(at, l.arpNext))
	}
	if len(l.ready) > 0 { // announced by the end of the turn
		next = min(next, l.arpNext)
	}
	next = min(next, l.delays.next())
	if l.guardDue {
		next = min(next, l.guardNext)
	}
	return next
}

// timeout is how long it is until a moment, below zero if that never comes.
func (l *loop) timeout(at time.Duration) time.Duration {
	if at == vrrp.Forever {
		return -1
	}
	return max(at-l.clock.now(), 0)
}

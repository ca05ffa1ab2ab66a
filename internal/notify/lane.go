package notify

import (
	"context"
	"slices"
	"time"
)

// job is an event whose scripts are to be run.
type job struct {
	event Event
	state State // the word for scripts
	hooks []hook
	// own are the hooks of an event that brings its own, as servers' do; final says
	// that a stop waits for them.
	own   []hook
	final bool
}

// lane is the queue of one target's scripts. [Manager] owns it.
type lane struct {
	hooks Hooks
	// removed says that the target is not configured any more: the lane ends when
	// it is empty.
	removed bool
	// waiting holds at most one state and one MasterRxLowerPri.
	waiting []job
	// current is the job in work, with the hooks that have not started.
	current job
	running *running

	runs, failures, skipped uint64
	last                    *Outcome
}

// running is a script that runs.
type running struct {
	hook   hook
	state  State
	final  bool
	since  time.Time
	cancel context.CancelCauseFunc
}

// push adds a job and returns those that it makes obsolete, with the hooks that
// will not run.
func (l *lane) push(j job) (obsolete []job) {
	if !j.state.isState() && slices.ContainsFunc(l.waiting, func(w job) bool { return w.state == j.state }) {
		l.skipped++
		return []job{j} // the one that waits will do
	}
	if j.state.isState() {
		obsolete = l.drop(func(w job) bool { return w.state.isState() || j.state != Master })
	}
	l.waiting = append(l.waiting, j)
	return obsolete
}

// cut drops what a stop does not wait for.
func (l *lane) cut() []job {
	return l.drop(func(w job) bool { return !last(w.state) && !w.final })
}

// drop takes away the jobs that match, also what is left of the current one, and
// returns them with their hooks.
func (l *lane) drop(match func(job) bool) []job {
	var gone []job
	if len(l.current.hooks) > 0 && match(l.current) {
		gone = append(gone, l.current)
		l.current.hooks = nil
	}
	l.waiting = slices.DeleteFunc(l.waiting, func(w job) bool {
		if !match(w) {
			return false
		}
		w.hooks = l.hooksOf(&w)
		gone = append(gone, w)
		return true
	})
	l.skipped += uint64(len(gone))
	return gone
}

// next takes the next script to run; ok is false if there is none or one runs.
func (l *lane) next() (h hook, ok bool) {
	if l.running != nil {
		return hook{}, false
	}
	for len(l.current.hooks) == 0 {
		if len(l.waiting) == 0 {
			return hook{}, false
		}
		l.current = l.waiting[0]
		l.waiting = slices.Delete(l.waiting, 0, 1)
		l.current.hooks = l.hooksOf(&l.current)
	}
	h = l.current.hooks[0]
	l.current.hooks = l.current.hooks[1:]
	return h, true
}

// idle reports whether nothing runs or waits.
func (l *lane) idle() bool {
	return l.running == nil && len(l.current.hooks) == 0 && len(l.waiting) == 0
}

// hooksOf are the scripts of a job.
func (l *lane) hooksOf(j *job) []hook {
	if j.own != nil {
		return j.own
	}
	return l.hooks.hooks(j.event, j.state)
}

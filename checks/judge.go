package checks

import "time"

// Judge turns the results of attempts into an outcome. The zero value is not
// ready: see NewJudge. Times are monotonic readings as durations, and never run
// back.
type Judge struct {
	p     Policy
	known bool // there is an outcome
	first bool // with StartUp: no attempt yet
	up    bool
	row   int           // attempts in a row that went against the outcome
	since time.Duration // when the first of them ended
}

// NewJudge begins as the policy's Start says.
func NewJudge(p Policy) Judge {
	j := Judge{p: p.complete()}
	switch j.p.Start {
	case StartUp:
		j.known, j.first, j.up = true, true, true
	case StartDown:
		j.known = true
	}
	return j
}

// Adopt takes a new policy and keeps the outcome.
func (j *Judge) Adopt(p Policy) {
	j.p = p.complete()
	j.row = 0
}

// Restart lets the next attempt decide alone. Until then the outcome stays.
func (j *Judge) Restart() { j.known, j.first, j.row = false, false, 0 }

// Up is the outcome; false before there is one.
func (j *Judge) Up() bool { return j.up }

// Known reports whether there is an outcome, if only by Start.
func (j *Judge) Known() bool { return j.known }

// Row is how many attempts in a row have gone against the outcome.
func (j *Judge) Row() int { return j.row }

// Step takes the result of an attempt that ended at now. It reports whether the
// outcome changed, or is known for the first time, and how long to wait for the
// next attempt; retry says that the wait counts from the end of this attempt, not
// from its start.
func (j *Judge) Step(now time.Duration, ok bool) (changed bool, wait time.Duration, retry bool) {
	wait = j.p.Interval
	switch {
	case !j.known, j.first && !ok:
		j.known, j.first, j.up, j.row = true, false, ok, 0
		return true, wait, false
	case ok == j.up:
		j.first, j.row = false, 0
		return false, wait, false
	}
	if j.row == 0 {
		j.since = now
	}
	j.row++
	need := j.p.Fall
	if ok {
		need = j.p.Rise
	}
	left := j.since + j.p.Dampen - now
	if j.row >= need && left <= 0 {
		j.up, j.row = ok, 0
		return true, wait, false
	}
	if j.up && j.p.RetryDelay > 0 {
		wait, retry = j.p.RetryDelay, true
	}
	if j.row >= need && left < wait { // only time is missing: try when it is over
		wait, retry = max(left, MinInterval), true
	}
	return false, wait, retry
}

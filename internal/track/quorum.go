package track

import "time"

// NoProcess is the greatest number of processes where none is to run (keepalived:
// quorum_max 0).
const NoProcess = -1

// Quorum judges a number of processes: it is well from Min to Max of them. A
// change counts when it has lasted for the delay of its direction; the first
// count counts at once.
type Quorum struct {
	// Min is the least number, Max the greatest; 0 means 1 and without limit. With
	// NoProcess as Max it is well while there is none.
	Min, Max int
	// Gain and Loss are the delays (keepalived: fork_delay, terminate_delay).
	Gain, Loss time.Duration

	known, ok bool
	pending   bool // the number says otherwise than ok, which turns at due
	due       time.Duration
}

// Count takes the number at a moment and reports whether the outcome changed.
// now never runs back.
func (q *Quorum) Count(now time.Duration, n int) (changed bool) {
	changed = q.Tick(now)
	well := n >= max(q.Min, 1) && (q.Max == 0 || n <= q.Max)
	if q.Max == NoProcess {
		well = n == 0
	}
	if !q.known {
		q.known, q.ok = true, well
		return true
	}
	switch {
	case well == q.ok:
		q.pending = false
	case !q.pending:
		q.pending, q.due = true, now+q.delay(well)
	}
	return q.Tick(now) != changed
}

func (q *Quorum) delay(well bool) time.Duration {
	if well {
		return q.Gain
	}
	return q.Loss
}

// Tick lets a change count whose delay is over, and reports whether one did.
func (q *Quorum) Tick(now time.Duration) (changed bool) {
	if !q.pending || now < q.due {
		return false
	}
	q.pending, q.ok = false, !q.ok
	return true
}

// Next is when Tick wants to be called.
func (q *Quorum) Next() (due time.Duration, ok bool) { return q.due, q.pending }

// OK is the outcome, Known whether there was a count.
func (q *Quorum) OK() bool { return q.ok }

// Known reports whether there was a count.
func (q *Quorum) Known() bool { return q.known }

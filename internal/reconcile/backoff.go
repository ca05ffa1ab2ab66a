package reconcile

import "time"

// Backoff is the pause before the next attempt at something that fails: Min
// after the first failure, twice as long after each further one, at most Max.
type Backoff struct {
	// Min is the first pause. It must be positive.
	Min time.Duration
	// Max is the longest pause, at least Min.
	Max time.Duration

	next time.Duration
}

// Fail records a failure and returns how long to wait before the next attempt.
func (b *Backoff) Fail() time.Duration {
	pause := max(b.next, b.Min)
	b.next = min(2*pause, b.Max)
	return pause
}

// Succeed forgets the failures.
func (b *Backoff) Succeed() { b.next = 0 }

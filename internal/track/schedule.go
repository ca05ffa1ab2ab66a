package track

import (
	"math"
	"time"
)

const (
	// startGap keeps the first runs apart. They are not spread over the whole
	// interval, because instances wait for them.
	startGap = 5 * time.Millisecond
	// startWindow is the time in which all of them have started.
	startWindow = time.Second
	// leastGap is the least part of the interval between the first run and the
	// second, whose moments are spread.
	leastGap = 0.1
)

// firstStart is when the i-th of n scripts that start together does so.
func firstStart(i, n int, interval time.Duration) time.Duration {
	gap := min(startGap, startWindow/time.Duration(max(n, 1)))
	return min(time.Duration(i)*gap, interval)
}

// secondGap is the time between the first and the second run; from then on the
// interval is kept. Slots are counted over all scripts: multiples of the golden
// ratio lie far apart however many there are.
func secondGap(slot int, interval time.Duration) time.Duration {
	_, frac := math.Modf(float64(slot) * math.Phi)
	return time.Duration((leastGap + (1-leastGap)*frac) * float64(interval))
}

// following is the tick after one that was due at a moment. Ticks that have
// passed meanwhile (a stopped process, a paused machine) are left out.
func following(due, now time.Time, interval time.Duration) time.Time {
	next := due.Add(interval)
	if late := now.Sub(next); late > 0 {
		next = next.Add((late/interval + 1) * interval)
	}
	return next
}

package firewall

import "time"

// limiter bounds repairs in a fight with another program: burst at once, then
// one an interval. The zero value with burst and interval set is full.
type limiter struct {
	burst    int
	interval time.Duration

	used int
	last time.Duration // when used was last reduced
}

// take reports how long to wait; 0 means go ahead now, and uses one up. now is
// monotonic.
func (l *limiter) take(now time.Duration) (wait time.Duration) {
	if l.used == 0 {
		l.last = now
	}
	if n := int((now - l.last) / l.interval); n > 0 {
		l.used = max(0, l.used-n)
		l.last += time.Duration(n) * l.interval
	}
	if l.used < l.burst {
		l.used++
		return 0
	}
	return l.last + l.interval - now
}

package sim

import "time"

// clock is a host's monotonic clock. It began at another moment than the
// world's and runs ppm parts in a million faster.
type clock struct {
	base time.Duration
	ppm  int64
}

// local is what the clock shows at the world's time t.
func (c clock) local(t time.Duration) time.Duration {
	return c.base + t + t*time.Duration(c.ppm)/1_000_000
}

// world is the first moment of the world at which the clock shows at least l.
func (c clock) world(l time.Duration) time.Duration {
	t := l - c.base
	for range 4 {
		t += l - c.local(t)
	}
	for c.local(t) < l {
		t++
	}
	for t > 0 && c.local(t-1) >= l {
		t--
	}
	return t
}

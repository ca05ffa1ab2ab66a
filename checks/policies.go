package checks

import "time"

// ConnectTimeout is keepalived's default connect_timeout.
const ConnectTimeout = 5 * time.Second

// DefaultPolicy is what a checker of keepalived is done by if only delay_loop is
// configured: its retries (Fall is retry + 1), delay_before_retry, time limit and
// warmup depend on its kind. It starts without alpha.
func DefaultPolicy(t Target, delayLoop time.Duration) Policy {
	p := Policy{
		Interval: delayLoop, Timeout: ConnectTimeout, Rise: 1, Fall: 2, RetryDelay: time.Second,
		Warmup: delayLoop, Start: StartUp,
	}
	switch t.(type) {
	case Get, *Get:
		p.RetryDelay = 3 * time.Second
	case DNS:
		p.Fall, p.RetryDelay = 4, delayLoop
	case Misc:
		p.Fall, p.Timeout = 1, delayLoop
	case File:
		p.Fall, p.Warmup = 1, 0 // the file is watched, nothing is asked
	}
	return p
}

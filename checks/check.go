package checks

import (
	"context"
	"fmt"
	"time"
)

// MinInterval is the shortest time between two attempts of a check.
const MinInterval = 10 * time.Millisecond

// Result says how one attempt went.
type Result struct {
	// OK says that it went well.
	OK bool
	// Detail says in a few words what was found: "connected in 0.4ms", "status 503".
	Detail string
	// Err is what went wrong, if that is an error rather than a finding.
	Err error
	// Weight, if not nil, is the weight that the server shall have from now on
	// (MISC_CHECK with misc_dynamic), 0 to 253; nil is the configured one. Add is what the
	// check adds to the weight of the server (FILE_CHECK), however it came about.
	// Both count only if OK.
	Weight *int
	Add    int
	// Duration is how long the attempt took. The Runner sets it.
	Duration time.Duration
	// final says that the check itself left out time in which the machine stood
	// still.
	final bool
}

// String is the detail, or else the error.
func (r Result) String() string {
	if r.Detail == "" && r.Err != nil {
		return r.Err.Error()
	}
	return r.Detail
}

// Checker does one attempt at a time. Check returns soon after ctx is done, which
// is the time limit of the attempt.
type Checker interface {
	Check(ctx context.Context) Result
}

// stepper is a Checker whose attempts have several parts, one after the other,
// each with the time limit of the Policy.
type stepper interface{ Steps() int }

// Target describes what is checked and how. Two targets are the same if they are
// deeply equal. An error of Checker means that the description is wrong.
type Target interface {
	Checker(p *Pinger) (Checker, error)
}

// Start says what a check counts as before its first attempt.
type Start int

// The ways to start.
const (
	// StartUnknown has no outcome yet: the first attempt decides, whatever Rise and
	// Fall are.
	StartUnknown Start = iota + 1
	// StartUp counts as well; the first attempt decides if it fails (keepalived:
	// the retries of a checker without alpha are used up when it starts).
	StartUp
	// StartDown counts as failed until Rise attempts went well (keepalived: alpha).
	StartDown
)

// String is "unknown", "up" or "down".
func (s Start) String() string {
	switch s {
	case StartUnknown:
		return "unknown"
	case StartUp:
		return "up"
	case StartDown:
		return "down"
	}
	return fmt.Sprintf("Start(%d)", int(s))
}

// Policy says when a check is done, and how its attempts are judged.
type Policy struct {
	// Interval is the time between the starts of attempts, at least MinInterval
	// (keepalived: delay_loop).
	Interval time.Duration
	// Timeout bounds an attempt (keepalived: connect_timeout); 0 means Interval.
	Timeout time.Duration
	// Rise and Fall are how many attempts in a row turn the outcome to up and to
	// down; 0 means 1. Fall is keepalived's retry + 1.
	Rise, Fall int
	// RetryDelay, if not 0, is the time from a failed attempt to the next while the
	// outcome is still up (keepalived: delay_before_retry).
	RetryDelay time.Duration
	// Dampen is how long the attempts must have gone the other way, beside Rise and
	// Fall, before the outcome turns. It does not hold back the first outcome.
	Dampen time.Duration
	// Warmup is the time over which first attempts are spread; 0 means at once.
	Warmup time.Duration
	// Start says what it counts as at first; 0 means StartUnknown.
	Start Start
	// TellFailures makes an Event of every attempt that fails (keepalived:
	// log_all_failures).
	TellFailures bool
}

// complete sets what 0 stands for.
func (p Policy) complete() Policy {
	p.Interval = max(p.Interval, MinInterval)
	if p.Timeout <= 0 {
		p.Timeout = p.Interval
	}
	p.Rise, p.Fall = max(p.Rise, 1), max(p.Fall, 1)
	if p.RetryDelay > 0 {
		p.RetryDelay = max(p.RetryDelay, MinInterval)
	}
	if p.Start == 0 {
		p.Start = StartUnknown
	}
	return p
}

package elector

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// clock reads CLOCK_MONOTONIC as a duration since boot. Deadlines are in this
// time, so that they mean the same in another process (Go's own reading is
// relative to the process).
type clock struct {
	offset time.Duration
	base   time.Time
}

func newClock() (clock, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return clock{}, fmt.Errorf("read monotonic clock: %w", err)
	}
	// Go's time.Since reads the same clock without a system call.
	return clock{offset: time.Duration(ts.Nano()), base: time.Now()}, nil
}

func (c clock) now() time.Duration { return c.offset + time.Since(c.base) }

// wall turns a moment of the monotonic clock into wall-clock time as seen now.
func (c clock) wall(at time.Duration) time.Time { return time.Now().Add(at - c.now()) }

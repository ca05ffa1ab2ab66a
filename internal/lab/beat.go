package lab

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/cpus"
)

// Beat measures how punctual this machine is: a thread that does nothing but
// wake up at fixed times, real-time where that is permitted. What is later than
// it was does not say much about a daemon.
type Beat struct {
	stop chan struct{}
	done chan BeatResult
}

// BeatResult says how late a [Beat] woke up. Beats that it slept through count: each is
// as late as a thread would have been that was to wake up then.
type BeatResult struct {
	Count         int
	P50, P99, Max time.Duration
	// Stalls are the wakeups that were late by stallFrom or more.
	Stalls []Stall
	// Realtime says whether the thread was SCHED_FIFO.
	Realtime bool
}

// Stall is a time in which the thread could not run.
type Stall struct{ From, To time.Time }

// stallFrom is the shortest stall that is told of.
const stallFrom = 3 * time.Millisecond

// Stalled is for how long the thread could not run between the two.
func (r BeatResult) Stalled(from, to time.Time) (sum time.Duration) {
	for _, s := range r.Stalls {
		begin, end := from, to
		if s.From.After(begin) {
			begin = s.From
		}
		if s.To.Before(end) {
			end = s.To
		}
		sum += max(end.Sub(begin), 0)
	}
	return sum
}

// String is all of it in a few words.
func (r BeatResult) String() string {
	return fmt.Sprintf("%d wakeups late by %v (median), %v (99 %%), %v (worst), real-time: %v", r.Count, r.P50, r.P99, r.Max, r.Realtime)
}

// beatPriority is the real-time priority of the thread, that of electors.
const beatPriority = 50

// StartBeat starts to wake up at each interval, which is a millisecond or more.
func StartBeat(interval time.Duration) (*Beat, error) {
	return startBeat(interval, beatPriority, func() error { return nil })
}

// StartBeats starts one on each CPU that this program may use, above the priority of
// electors: they are late only where the machine is.
func StartBeats(interval time.Duration) ([]*Beat, error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return nil, fmt.Errorf("read the CPUs of a thread: %w", err)
	}
	var beats []*Beat
	for cpu := range len(all) * 64 {
		if !all.IsSet(cpu) {
			continue
		}
		b, err := startBeat(interval, beatPriority+1, func() error {
			var one unix.CPUSet
			one.Set(cpu)
			return unix.SchedSetaffinity(0, &one)
		})
		if err != nil {
			for _, b := range beats {
				b.Stop()
			}
			return nil, fmt.Errorf("keep a thread on CPU %d: %w", cpu, err)
		}
		beats = append(beats, b)
	}
	return beats, nil
}

// StartAdvertBeat is [StartBeat] on the CPUs that electors send adverts from.
func StartAdvertBeat(interval time.Duration) (*Beat, error) {
	return startBeat(interval, beatPriority, cpus.Adverts)
}

func startBeat(interval time.Duration, priority uint32, bind func() error) (*Beat, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	b := &Beat{stop: make(chan struct{}), done: make(chan BeatResult, 1)}
	bound := make(chan error, 1)
	go b.run(fd, interval, priority, func() error {
		err := bind()
		bound <- err
		return err
	})
	return b, <-bound
}

// Stop ends it.
func (b *Beat) Stop() BeatResult {
	close(b.stop)
	return <-b.done
}

func (b *Beat) run(fd int, interval time.Duration, priority uint32, bind func() error) {
	runtime.LockOSThread() // and never unlocked: the thread ends with its priority
	defer unix.Close(fd)
	if bind() != nil {
		return
	}
	attr := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: priority}
	res := BeatResult{Realtime: unix.SchedSetAttr(0, attr, 0) == nil}
	late := make([]time.Duration, 0, int(time.Minute/interval))
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	due := time.Duration(now.Nano()) + interval
	buf := make([]byte, 8)
	for {
		spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(due))}
		if unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME, &spec, nil) != nil {
			break
		}
		if _, err := unix.Read(fd, buf); err != nil && err != unix.EINTR {
			break
		}
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
		woke := max(time.Duration(now.Nano()), due)
		if woke-due >= stallFrom {
			at := time.Now().Round(0)
			res.Stalls = append(res.Stalls, Stall{at.Add(due - woke), at})
		}
		for ; due <= woke; due += interval {
			late = append(late, woke-due) // those that were slept through as well
		}
		select {
		case <-b.stop:
			b.done <- summary(res, late)
			return
		default:
		}
	}
	<-b.stop
	b.done <- summary(res, late)
}

func summary(res BeatResult, late []time.Duration) BeatResult {
	slices.Sort(late)
	if n := len(late); n > 0 {
		res.Count, res.P50, res.P99, res.Max = n, late[n/2], late[n*99/100], late[n-1]
	}
	return res
}

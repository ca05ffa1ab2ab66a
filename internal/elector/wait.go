package elector

import (
	"errors"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// restAfter is how long a thread executes Go at most before it lets the runtime have it.
const restAfter = 8 * time.Millisecond

// shortWait is the longest wait of which the Go runtime is not told.
const shortWait = 40 * time.Millisecond

// waits is how the loop's thread and its relief wait.
//
// The runtime takes the context in which a thread executes Go away when the thread is in
// a system call for long, or has not been rescheduled for 10 ms. Then it looks each
// 20 µs, for a millisecond and more, for others to take, which with adverts each 10 ms
// is 5 % of a CPU; and the thread that comes back has to get a context. So the runtime
// is not told of short waits, between which the thread lets itself be rescheduled (rest).
// There are procs contexts, most of which are idle. What has to stop all threads ends
// such a wait by a signal.
type waits struct {
	// keep is whether there are contexts enough.
	keep bool
	wake func() // ends all waits
	told atomic.Bool
	kept atomic.Int32 // threads that wait and keep their context
}

// waiter is a thread that waits.
type waiter struct {
	*waits
	rested time.Time
}

// wait waits for descriptors, like poll(2); a timeout below zero is none. An
// interruption ends it as well.
func (w *waiter) wait(fds []unix.PollFd, timeout time.Duration) error {
	if !w.keep || timeout < 0 || timeout > shortWait || w.told.Load() {
		return poll(fds, timeout)
	}
	if timeout > 0 {
		timeout = max(timeout-w.rest(), 0)
	}
	w.kept.Add(1)
	if w.told.Load() {
		w.kept.Add(-1)
		return poll(fds, timeout)
	}
	ts := unix.NsecToTimespec(int64(timeout))
	_, _, err := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)), uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	w.kept.Add(-1)
	if err != 0 && err != unix.EINTR {
		return err
	}
	return nil
}

// rest lets the runtime reschedule the thread if that was long ago, and returns how long
// it took. The runtime does it each 10 ms anyhow, be it in the middle of a turn; then
// another thread has to run before this one goes on.
func (w *waiter) rest() time.Duration {
	now := time.Now()
	if now.Sub(w.rested) < restAfter {
		return 0
	}
	runtime.Gosched()
	w.rested = time.Now()
	return w.rested.Sub(now)
}

// poll is a wait that the runtime is told of.
func poll(fds []unix.PollFd, timeout time.Duration) error {
	// A relative timeout, as it is computed just before, costs one system call
	// where a timerfd costs three; real-time threads have no timer slack.
	var ts *unix.Timespec
	if timeout >= 0 {
		t := unix.NsecToTimespec(int64(timeout))
		ts = &t
	}
	if _, err := unix.Ppoll(fds, ts, nil); err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	return nil
}

// tell lets the runtime know of every wait, until untell is called. Where there are
// fewer contexts for a time, a thread that was stopped in a wait of its own would queue
// for one behind others; a thread in a system call is not stopped. It reports false if
// a thread does not come out of its wait, as its CPU stands still.
func (w *waits) tell() bool {
	w.told.Store(true)
	if w.kept.Load() > 0 {
		w.wake()
	}
	for n := 0; n < 200 && w.kept.Load() > 0; n++ {
		time.Sleep(100 * time.Microsecond)
	}
	return w.kept.Load() == 0
}

func (w *waits) untell() { w.told.Store(false) }

// Package ppoll waits for descriptors without the Go runtime watching.
//
// A system call keeps its thread's scheduling context (a P) until the runtime's
// monitor thread takes it away, after 10 ms if nobody wants it, and for so long the
// monitor does not sleep: it looks 50 times at 20 µs and then less and less often. A
// thread that waits 100 times a second for 10 ms each, as one with adverts of that interval,
// kept it busy with 5 % of a processor. [Wait] gives the context away before it waits,
// and the monitor sleeps with the rest of the program.
package ppoll

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// short is a wait for which giving the context away, and getting one again, is not
// worth it: some microseconds, and the monitor is woken each time.
const short = time.Millisecond

// Wait is ppoll(2) without a signal mask: it waits until one of the descriptors is
// ready, or for as long as timeout says, without end if that is nil. A signal
// ends it as well; only other errors are returned. What is left of timeout is undefined.
func Wait(fds []unix.PollFd, timeout *unix.Timespec) error {
	if timeout != nil && time.Duration(timeout.Nano()) < short {
		_, err := unix.Ppoll(fds, timeout, nil)
		return ignoreSignal(err)
	}
	if errno := wait(unsafe.SliceData(fds), len(fds), timeout); errno != 0 {
		return ignoreSignal(errno)
	}
	return nil
}

func ignoreSignal(err error) error {
	if err == unix.EINTR {
		return nil
	}
	return err
}

// The runtime keeps these two for others to link to, as gVisor does for the same
// purpose (go.dev/issue/67401).

//go:linkname entersyscallblock runtime.entersyscallblock
func entersyscallblock()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()

// wait must not grow its stack: the runtime finds it by its frame.
//
//go:nosplit
//go:norace
func wait(fds *unix.PollFd, n int, timeout *unix.Timespec) syscall.Errno {
	entersyscallblock()
	_, _, errno := syscall.RawSyscall6(unix.SYS_PPOLL,
		uintptr(unsafe.Pointer(fds)), uintptr(n), uintptr(unsafe.Pointer(timeout)), 0, 0, 0)
	exitsyscall()
	return errno
}

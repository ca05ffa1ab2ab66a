package ppoll

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func event(t *testing.T) int {
	t.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
	})
	return fd
}

func ring(t *testing.T, fd int) {
	t.Helper()
	if _, err := unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		t.Error(err)
	}
}

// TestReady: Wait returns when a descriptor is ready, however long it may wait.
func TestReady(t *testing.T) {
	t.Parallel()
	minute := unix.NsecToTimespec(int64(time.Minute))
	for name, timeout := range map[string]*unix.Timespec{"a minute": &minute, "without end": nil} {
		fds := []unix.PollFd{{Fd: int32(event(t)), Events: unix.POLLIN}, {Fd: int32(event(t)), Events: unix.POLLIN}}
		go ring(t, int(fds[1].Fd))
		if err := Wait(fds, timeout); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if fds[0].Revents != 0 || fds[1].Revents != unix.POLLIN {
			t.Errorf("%s: ready are %v", name, fds)
		}
	}
}

// TestTimeout: it waits for as long as it is told to, and no descriptor is ready then.
func TestTimeout(t *testing.T) {
	t.Parallel()
	fds := []unix.PollFd{{Fd: int32(event(t)), Events: unix.POLLIN}}
	for _, d := range []time.Duration{0, short / 2, 5 * short} {
		ts := unix.NsecToTimespec(int64(d))
		begin := time.Now()
		if err := Wait(fds, &ts); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took < d || fds[0].Revents != 0 {
			t.Errorf("after %v instead of %v: %v", took, d, fds)
		}
	}
}

func TestError(t *testing.T) {
	t.Parallel()
	long, bad := unix.NsecToTimespec(int64(time.Hour)), unix.Timespec{Nsec: -1}
	fds := make([]unix.PollFd, 1<<21) // more than any process may have open
	if err := Wait(fds, &long); err != unix.EINVAL {
		t.Errorf("too many descriptors: %v", err)
	}
	if err := Wait(nil, &bad); err != unix.EINVAL {
		t.Errorf("a timeout that is none: %v", err)
	}
}

// TestOthersRun: threads that wait keep nobody else from running, more of them than
// there are scheduling contexts, and the collector stops and moves what it likes.
func TestOthersRun(t *testing.T) {
	fd := event(t)
	var all sync.WaitGroup
	for range 4 * runtime.GOMAXPROCS(0) {
		all.Go(func() {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if err := Wait(fds, nil); err != nil || fds[0].Revents != unix.POLLIN {
				t.Errorf("%v, %v", fds, err)
			}
		})
	}
	for range 20 {
		runtime.GC()
		runtime.Gosched()
	}
	ring(t, fd)
	all.Wait()
}

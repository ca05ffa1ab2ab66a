package elector

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestWaits: a wait ends by its timeout or by a descriptor, whether the runtime is told
// of it or not.
func TestWaits(t *testing.T) {
	t.Parallel()
	b, err := newBell()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(b.fd)
	fds := []unix.PollFd{{Fd: int32(b.fd), Events: unix.POLLIN}}
	for _, all := range []*waits{{}, {keep: true}} {
		w := waiter{waits: all}
		until := time.Now().Add(2 * time.Millisecond)
		for time.Now().Before(until) { // a signal of the runtime may end it sooner
			if err := w.wait(fds, max(0, time.Until(until))); err != nil || fds[0].Revents != 0 {
				t.Fatalf("keep %v: nothing to wait for: events %#x, %v", w.keep, fds[0].Revents, err)
			}
		}
		b.ring()
		b.strike()
		for _, timeout := range []time.Duration{-1, 0, time.Millisecond, time.Hour} {
			for fds[0].Revents = 0; fds[0].Revents == 0; {
				if err := w.wait(fds, timeout); err != nil {
					t.Fatalf("keep %v, timeout %v: %v", w.keep, timeout, err)
				}
			}
		}
		b.still()
		fds[0].Fd = -1
		if err := w.wait(fds, 0); err != nil {
			t.Errorf("keep %v: a descriptor to be left out: %v", w.keep, err)
		}
		fds[0].Fd = int32(b.fd)
	}
}

// TestTell: once the runtime shall be told of waits, nobody is in one of which it was
// not, until that ends.
func TestTell(t *testing.T) {
	b, err := newBell()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(b.fd)
	w := &waits{keep: true}
	w.wake = func() { b.ring(); b.strike() }
	left := make(chan struct{})
	go func() {
		defer close(left)
		runtime.LockOSThread()
		fds := []unix.PollFd{{Fd: int32(b.fd), Events: unix.POLLIN}}
		thread := waiter{waits: w}
		for fds[0].Revents == 0 && thread.wait(fds, shortWait) == nil {
			// again: a signal or the timeout
		}
	}()
	for w.kept.Load() == 0 {
		runtime.Gosched()
	}
	for !w.tell() {
		w.untell() // a busy machine
	}
	if w.kept.Load() != 0 {
		t.Errorf("%d threads wait and keep their context", w.kept.Load())
	}
	w.wake() // if tell came between two waits
	<-left
	w.untell()
	w.wake = func() { t.Error("wakes where nobody waits") }
	if !w.tell() {
		t.Error("waits for nobody")
	}
	w.kept.Add(1) // whose CPU stands still
	w.wake = func() {}
	if w.tell() {
		t.Error("does not say that a thread did not come")
	}
}

package lab

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs fn on an operating-system thread that nothing else uses and
// waits for it. The thread ends afterwards, so fn may change its namespaces.
//
// The main thread of a process cannot end, and /proc/self shows its
// namespaces; if the scheduler happens to offer that one, it is held until
// fn has run elsewhere.
func onThread(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			fn()
			return
		}
		defer runtime.UnlockOSThread()
		elsewhere := make(chan struct{})
		go func() {
			defer close(elsewhere)
			runtime.LockOSThread()
			fn()
		}()
		<-elsewhere
	}()
	<-done
}

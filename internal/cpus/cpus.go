package cpus

import (
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// split divides the CPUs that a thread may use into the first, which is where
// devices interrupt by default, and the rest. It reports false if there are not two.
func split(allowed *unix.CPUSet) (work, rest unix.CPUSet, ok bool) {
	if allowed.Count() < 2 {
		return work, rest, false
	}
	rest = *allowed
	for cpu := range len(allowed) * 64 {
		if allowed.IsSet(cpu) {
			work.Set(cpu)
			rest.Clear(cpu)
			break
		}
	}
	return work, rest, true
}

// allowed are the CPUs that this program may use. They are those of the thread that
// asks first, which must not have been bound by this package: [Work] and [Adverts]
// ask before they bind theirs.
var allowed = sync.OnceValues(func() (set unix.CPUSet, err error) {
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return set, fmt.Errorf("read the CPUs of a thread: %w", err)
	}
	return set, nil
})

// Work calls fn with its thread bound to the CPU for long work in the kernel, and
// returns fn's error. That the thread could not be bound is no reason not to call it.
func Work(fn func() error) error {
	set, err := allowed()
	if err != nil {
		return fn()
	}
	work, _, ok := split(&set)
	if !ok {
		return fn()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if unix.SchedSetaffinity(0, &work) == nil {
		defer func() { _ = unix.SchedSetaffinity(0, &set) }()
	}
	return fn()
}

// Adverts keeps the calling thread, to which its goroutine has to be locked, off the
// CPU of [Work].
func Adverts() error {
	set, err := allowed()
	if err != nil {
		return err
	}
	if _, rest, ok := split(&set); ok {
		if err := unix.SchedSetaffinity(0, &rest); err != nil {
			return fmt.Errorf("choose the CPUs of a thread: %w", err)
		}
	}
	return nil
}

// Release takes back [Adverts], for an image that is executed by the calling thread.
func Release() error {
	set, err := allowed()
	if err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("choose the CPUs of a thread: %w", err)
	}
	return nil
}

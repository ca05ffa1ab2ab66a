package cpus

import (
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// parts are CPUs for long work in the kernel, for the thread of the adverts, and for its
// relief.
type parts struct{ work, adverts, relief unix.CPUSet }

// split divides the CPUs that a thread may use: the first is for work, as it is where
// devices interrupt by default, the last for the relief, and what is between is for
// adverts. With two or three the relief shares that for work. It reports false if there are
// not two.
func split(allowed *unix.CPUSet) (p parts, ok bool) {
	if allowed.Count() < 2 {
		return p, false
	}
	last := 0
	for cpu := range len(allowed) * 64 {
		if !allowed.IsSet(cpu) {
			continue
		}
		if p.work.Count() == 0 {
			p.work.Set(cpu)
		} else {
			p.adverts.Set(cpu)
		}
		last = cpu
	}
	if p.adverts.Count() < 3 {
		p.relief = p.work
		return p, true
	}
	p.adverts.Clear(last)
	p.relief.Set(last)
	return p, true
}

// allowed are the CPUs that this program may use. They are those of the thread that
// asks first, which must not have been bound by this package: its functions ask before
// they bind theirs.
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
	p, ok := split(&set)
	if !ok {
		return fn()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if unix.SchedSetaffinity(0, &p.work) == nil {
		defer func() { _ = unix.SchedSetaffinity(0, &set) }()
	}
	return fn()
}

// Adverts keeps the calling thread, to which its goroutine has to be locked, off the
// CPUs of [Work] and of [Relief].
func Adverts() error { return bind(func(p *parts) *unix.CPUSet { return &p.adverts }) }

// Relief keeps the calling thread, to which its goroutine has to be locked, on a CPU
// that [Adverts] leaves alone.
func Relief() error { return bind(func(p *parts) *unix.CPUSet { return &p.relief }) }

// Relieved reports whether there are two CPUs, so that one can relieve the other.
func Relieved() bool {
	set, err := allowed()
	if err != nil {
		return false
	}
	_, ok := split(&set)
	return ok
}

func bind(choose func(*parts) *unix.CPUSet) error {
	set, err := allowed()
	if err != nil {
		return err
	}
	if p, ok := split(&set); ok {
		if err := unix.SchedSetaffinity(0, choose(&p)); err != nil {
			return fmt.Errorf("choose the CPUs of a thread: %w", err)
		}
	}
	return nil
}

// Release takes back [Adverts] or [Relief], for an image that is executed by the calling
// thread.
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

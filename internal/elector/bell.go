package elector

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// bell wakes a thread that polls fd beside other descriptors. A channel would take
// two more threads of the Go runtime on the way: one that finds the goroutine, and
// that hands it to the thread it is locked to. Its caller guards it.
type bell struct {
	fd   int // eventfd
	rung bool
}

func newBell() (bell, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return bell{}, fmt.Errorf("open eventfd: %w", err)
	}
	return bell{fd: fd}, nil
}

// ring notes that there is something to take, and reports whether the thread has to
// be told of it by strike, which need not be guarded.
func (b *bell) ring() bool {
	was := b.rung
	b.rung = true
	return !was
}

func (b *bell) strike() {
	one := [8]byte{1}
	_, _ = unix.Write(b.fd, one[:]) // fails only when it is full: awake already
}

// still is called by the thread that takes what is there.
func (b *bell) still() {
	if b.rung {
		var count [8]byte
		_, _ = unix.Read(b.fd, count[:])
		b.rung = false
	}
}

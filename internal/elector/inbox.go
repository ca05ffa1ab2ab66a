package elector

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"hakeep/internal/acd"
	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// inbox is how the other threads reach the loop. Posting never waits; the loop
// is woken through a descriptor that it polls beside its sockets.
type inbox struct {
	fd int // eventfd

	mu     sync.Mutex // guards queue
	queue  []any
	posted bool // fd was written since the last take
}

// What is posted.
type (
	// configMsg is a new configuration; the answer goes to reply.
	configMsg struct {
		config *wire.Config
		reply  chan<- *wire.Applied
	}
	// snapshotMsg asks for the state.
	snapshotMsg struct {
		brief bool // without the instances
		reply chan<- *wire.Snapshot
	}
	// standbyMsg and trackedMsg are main's messages of these names.
	standbyMsg struct{ *wire.Standby }
	trackedMsg struct{ tracked []wire.Tracked }
	// shutdownMsg asks for a planned leave.
	shutdownMsg struct{}
	// quitMsg ends the loop at once, as another thread has failed.
	quitMsg struct{}
	// linksMsg tells of links that changed or vanished.
	linksMsg struct {
		changed []vrrp.Link
		gone    []string // names
		deleted []int    // indices; a renamed link is gone, but not deleted
	}
	// addrsMsg tells what happened to addresses in the kernel.
	addrsMsg struct{ results []addrResult }
	// conflictMsg tells of another host with one of our addresses.
	conflictMsg struct{ conflict acd.Conflict }
	// claimMsg tells that another host says that it has one of our addresses.
	claimMsg place
)

func newInbox() (*inbox, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open eventfd: %w", err)
	}
	return &inbox{fd: fd}, nil
}

func (b *inbox) post(msg any) {
	b.mu.Lock()
	b.queue = append(b.queue, msg)
	wake := !b.posted
	b.posted = true
	b.mu.Unlock()
	if wake {
		one := [8]byte{1}
		_, _ = unix.Write(b.fd, one[:]) // fails only when it is full: awake already
	}
}

// take returns what was posted; spare is reused for the next messages.
func (b *inbox) take(spare []any) []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.posted {
		var count [8]byte
		_, _ = unix.Read(b.fd, count[:])
		b.posted = false
	}
	queue := b.queue
	b.queue = spare[:0]
	return queue
}

package elector

import (
	"sync"

	"hakeep/internal/acd"
	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// inbox is how the other threads reach the loop. Posting never waits; the loop
// is woken through a descriptor that it polls beside its sockets.
type inbox struct {
	mu    sync.Mutex // guards what follows
	bell  bell
	queue []any
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
	// wakeMsg only ends the wait of the loop's thread.
	wakeMsg struct{}
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
	b, err := newBell()
	if err != nil {
		return nil, err
	}
	return &inbox{bell: b}, nil
}

func (b *inbox) post(msg any) {
	b.mu.Lock()
	b.queue = append(b.queue, msg)
	wake := b.bell.ring()
	b.mu.Unlock()
	if wake {
		b.bell.strike()
	}
}

// take returns what was posted; spare is reused for the next messages.
func (b *inbox) take(spare []any) []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bell.still()
	queue := b.queue
	b.queue = spare[:0]
	return queue
}

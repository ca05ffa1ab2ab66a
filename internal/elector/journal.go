package elector

import (
	"sync"
	"time"

	"hakeep/internal/wire"
)

// journalSize is how many events are kept for a main that is slow or away.
const journalSize = 8192

// journal is the bounded list of events that main reads. The loop writes; it
// never waits.
type journal struct {
	mu     sync.Mutex // guards what follows
	events []wire.Event
	first  uint64 // Seq of events[0]
	last   uint64
	unsaid bool          // nobody was told of the last ones
	wake   chan struct{} // has room for one: something is new
}

func newJournal() *journal { return &journal{first: 1, wake: make(chan struct{}, 1)} }

// add puts an event there and tells of it.
func (j *journal) add(ev wire.Event) {
	j.put(ev)
	j.signal()
}

// put is add for one that signal will be called after: to wake another thread for
// each of thousands of transitions would cost more than they do.
func (j *journal) put(ev wire.Event) {
	j.mu.Lock()
	j.last++
	ev.Seq = j.last
	if ev.Time.IsZero() {
		ev.Time = time.Now()
	}
	if len(j.events) == journalSize {
		// The oldest half goes at once: moving the rest is rare.
		j.events = append(j.events[:0], j.events[journalSize/2:]...)
		j.first += journalSize / 2
	}
	j.events = append(j.events, ev)
	j.unsaid = true
	j.mu.Unlock()
}

// signal tells of what is there since the last call.
func (j *journal) signal() {
	j.mu.Lock()
	unsaid := j.unsaid
	j.unsaid = false
	j.mu.Unlock()
	if !unsaid {
		return
	}
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// after returns copies of up to n events after seq. The first one says how many
// were lost before it.
func (j *journal) after(seq uint64, n int) []wire.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	if seq >= j.last {
		return nil
	}
	from := 0
	var lost uint64
	if seq+1 < j.first {
		lost = j.first - seq - 1
	} else {
		from = int(seq + 1 - j.first)
	}
	out := append([]wire.Event(nil), j.events[from:min(from+n, len(j.events))]...)
	if len(out) > 0 {
		out[0].Lost = lost
	}
	return out
}

func (j *journal) lastSeq() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

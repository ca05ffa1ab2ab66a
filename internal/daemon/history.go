package daemon

import (
	"sync"

	"hakeep/internal/status"
)

// historySize is how many events main remembers for `hakeep events`.
const historySize = 4096

// history is the bounded list of events of the elector and of main. Any
// goroutine may add to it.
type history struct {
	mu      sync.Mutex // guards what follows
	ring    []status.Event
	last    uint64 // Seq of the latest; the others follow from it
	changed chan struct{}
}

func newHistory() *history { return &history{changed: make(chan struct{})} }

// add numbers an event and keeps it.
func (h *history) add(ev status.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	ev.Seq = h.last
	if len(h.ring) < historySize {
		h.ring = append(h.ring, ev)
	} else {
		h.ring[(h.last-1)%historySize] = ev
	}
	close(h.changed)
	h.changed = make(chan struct{})
}

// after returns up to n events after the number seq, and a channel that is
// closed by the next one. The first says how many were forgotten before it.
func (h *history) after(seq uint64, n int) ([]status.Event, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := h.last - uint64(len(h.ring)) + 1
	from := seq + 1
	var lost uint64
	if from < first {
		if seq > 0 { // who asks for all does not miss what is forgotten
			lost = first - from
		}
		from = first
	}
	var out []status.Event
	for s := from; s <= h.last && len(out) < n; s++ {
		out = append(out, h.ring[(s-1)%historySize])
	}
	if lost > 0 && len(out) > 0 {
		out[0].Lost += lost
	}
	return out, h.changed
}

package daemon

import (
	"slices"
	"sync"

	"hakeep/internal/wire"
)

// totals is what tracking adds up to for each instance, on its way from the
// trackers to the elector. A new elector is told all of it.
type totals struct {
	wake chan struct{} // has room for one

	mu    sync.Mutex // guards what follows
	all   map[string]wire.Tracked
	dirty map[string]bool
}

func newTotals() *totals {
	return &totals{wake: make(chan struct{}, 1), all: map[string]wire.Tracked{}, dirty: map[string]bool{}}
}

// set takes the total of an instance.
func (t *totals) set(v wire.Tracked) {
	t.mu.Lock()
	if old, known := t.all[v.Instance]; !known || old != v {
		t.all[v.Instance] = v
		t.dirty[v.Instance] = true
	}
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// keep forgets the instances that are not named: one that comes back later is
// tracked anew.
func (t *totals) keep(names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name := range t.all {
		if !slices.Contains(names, name) {
			delete(t.all, name)
			delete(t.dirty, name)
		}
	}
}

// take returns what the elector has to be told: everything, or what is new.
func (t *totals) take(everything bool) (out []wire.Tracked) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, v := range t.all {
		if everything || t.dirty[name] {
			out = append(out, v)
		}
	}
	clear(t.dirty)
	return out
}

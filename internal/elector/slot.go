package elector

import (
	"sync"

	"hakeep/internal/netif"
	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// desiredAddrs is what shall be in the kernel.
type desiredAddrs struct {
	addrs []netif.Addr
	items []desiredItem
	// final says that nothing will be wanted after this: the elector leaves.
	final bool
}

// desiredItem is a route or rule that shall be in the kernel.
type desiredItem struct {
	item netif.Item
	// owners are the instances that want it, or follow it.
	owners []vrrp.ID
}

// desiredSlot is how the loop and the watch thread reach the address thread.
// What is desired is one value, the latest wins; events are a queue.
type desiredSlot struct {
	wake chan struct{} // has room for one

	mu      sync.Mutex // guards what follows
	desired *desiredAddrs
	added   []netif.Addr // desired besides, since
	config  *wire.Config
	events  []netif.Event
}

func newDesiredSlot() *desiredSlot { return &desiredSlot{wake: make(chan struct{}, 1)} }

func (s *desiredSlot) put(d desiredAddrs) {
	s.mu.Lock()
	s.desired, s.added = &d, nil
	s.mu.Unlock()
	s.signal()
}

// add has addresses desired besides the others. The slice is the slot's from now on.
func (s *desiredSlot) add(addrs []netif.Addr) {
	s.mu.Lock()
	if s.desired != nil {
		s.desired.addrs = append(s.desired.addrs, addrs...)
	} else {
		s.added = append(s.added, addrs...)
	}
	s.mu.Unlock()
	s.signal()
}

// own says which configuration the next desired addresses belong to.
func (s *desiredSlot) own(c *wire.Config) {
	s.mu.Lock()
	s.config = c
	s.mu.Unlock()
}

func (s *desiredSlot) event(ev netif.Event) {
	s.mu.Lock()
	s.events = append(s.events, ev)
	s.mu.Unlock()
	s.signal()
}

func (s *desiredSlot) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// waiting reports whether newer desired addresses wait that are not only added.
func (s *desiredSlot) waiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.desired != nil
}

// peek calls f for each event that waits from index from on, and returns how many
// there are. They stay where they are.
func (s *desiredSlot) peek(from int, f func(*netif.Event)) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := min(from, len(s.events)); i < len(s.events); i++ {
		f(&s.events[i])
	}
	return len(s.events)
}

// take returns what came since the last call; desired and config are nil when
// they are unchanged. What is added counts after desired.
func (s *desiredSlot) take() (desired *desiredAddrs, added []netif.Addr, config *wire.Config, events []netif.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	desired, added, config, events = s.desired, s.added, s.config, s.events
	s.desired, s.added, s.config, s.events = nil, nil, nil, nil
	return desired, added, config, events
}

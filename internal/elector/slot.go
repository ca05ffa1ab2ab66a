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
	mu      sync.Mutex // guards what follows
	bell    bell
	desired *desiredAddrs
	added   []netif.Addr // desired besides, since
	config  *wire.Config
	events  []netif.Event
}

func newDesiredSlot() (*desiredSlot, error) {
	b, err := newBell()
	if err != nil {
		return nil, err
	}
	return &desiredSlot{bell: b}, nil
}

func (s *desiredSlot) put(d desiredAddrs) {
	s.mu.Lock()
	s.desired, s.added = &d, nil
	s.unlock()
}

// add has addresses desired besides the others. The slice is the slot's from now on.
func (s *desiredSlot) add(addrs []netif.Addr) {
	s.mu.Lock()
	if s.desired != nil {
		s.desired.addrs = append(s.desired.addrs, addrs...)
	} else {
		s.added = append(s.added, addrs...)
	}
	s.unlock()
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
	s.unlock()
}

// signal wakes the address thread.
func (s *desiredSlot) signal() {
	s.mu.Lock()
	s.unlock()
}

// unlock ends a change and wakes the address thread.
func (s *desiredSlot) unlock() {
	wake := s.bell.ring()
	s.mu.Unlock()
	if wake {
		s.bell.strike()
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
	s.bell.still()
	desired, added, config, events = s.desired, s.added, s.config, s.events
	s.desired, s.added, s.config, s.events = nil, nil, nil, nil
	return desired, added, config, events
}

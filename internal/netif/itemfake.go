package netif

import (
	"fmt"
	"slices"
	"sync"
)

// FakeItems is an ItemBackend in memory that behaves like the kernel where that
// matters: IPv4 routes in one place in an order, removed by the first match of
// what the request says; one IPv6 route in a place; rules as often as
// they are added, removed likewise; IPv4 routes lost without an event when an interface is
// shut down. It is for tests and safe for concurrent use.
type FakeItems struct {
	*Fake

	mu     sync.Mutex
	items  []Item
	events []Event
	ops    []ItemOp
	fail   func(ItemOp) error
}

var _ ItemBackend = (*FakeItems)(nil)

// NewFakeItems returns a FakeItems whose links are those of a Fake.
func NewFakeItems(f *Fake) *FakeItems { return &FakeItems{Fake: f} }

// FailItems makes operations fail for which fn returns an error; nil ends it.
func (f *FakeItems) FailItems(fn func(ItemOp) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fn
}

// ItemEvents returns what happened since it was called last, and forgets it.
func (f *FakeItems) ItemEvents() []Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	events := f.events
	f.events = nil
	return events
}

// ItemOps returns the operations since it was called last, and forgets them.
func (f *FakeItems) ItemOps() []ItemOp {
	f.mu.Lock()
	defer f.mu.Unlock()
	ops := f.ops
	f.ops = nil
	return ops
}

// Items is Kernel's.
func (f *FakeItems) Items(protocols []uint8) ([]Item, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.items), func(it Item) bool {
		return it.Route != nil && !slices.Contains(protocols, it.Protocol())
	}), nil
}

// PutItem adds a route or rule as another program would.
func (f *FakeItems) PutItem(it Item) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.add(ItemOp{Kind: OpAdd, Item: it})
}

// TakeItem removes the first route or rule that equals it, as another program
// would, and reports whether there was one.
func (f *FakeItems) TakeItem(it Item) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.items, it.same)
	if i >= 0 {
		f.remove(i, true)
	}
	return i >= 0
}

// LinkDown shuts an interface down: routes over it are lost, IPv4 ones without
// an event.
func (f *FakeItems) LinkDown(name string) {
	f.SetLink(name, false, false)
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := len(f.items) - 1; i >= 0; i-- {
		if r := f.items[i].Route; r != nil && slices.ContainsFunc(r.NextHops, func(h NextHop) bool { return h.Dev == name }) {
			f.remove(i, !r.is4())
		}
	}
}

// ApplyItems is Kernel's. Done may call the FakeItems.
func (f *FakeItems) ApplyItems(ops []ItemOp, done func(op ItemOp, err error)) error {
	for _, op := range ops {
		f.mu.Lock()
		f.ops = append(f.ops, op)
		err := f.do(op)
		f.mu.Unlock()
		if err != nil {
			err = fmt.Errorf("%s: %w", op, err)
		}
		done(op, err)
	}
	return nil
}

func (f *FakeItems) do(op ItemOp) error {
	if f.fail != nil {
		if err := f.fail(op); err != nil {
			return err
		}
	}
	if op.Kind != OpDelete {
		return f.add(op)
	}
	if i := slices.IndexFunc(f.items, func(it Item) bool { return found(op.Item, it) }); i >= 0 {
		f.remove(i, true)
	}
	return nil
}

// found is whether the kernel's search for the removal of it finds other.
func found(it, other Item) bool {
	switch {
	case it.Route != nil && other.Route != nil && it.Route.is4():
		return it.Route.covers(*other.Route)
	case it.Route != nil:
		return it.same(other)
	case other.Rule == nil:
		return false
	}
	return it.Rule.covers(*other.Rule)
}

func (f *FakeItems) add(op ItemOp) error {
	it := op.Item
	if err := it.Check(); err != nil {
		return err
	}
	if it.Route != nil {
		r := it.Route.normal()
		it = Item{Route: &r}
		for _, h := range r.NextHops {
			if err := f.usable(h.Dev); err != nil {
				return err
			}
		}
	}
	if it.Rule != nil {
		r := it.Rule.Key()
		it = Item{Rule: &r}
	}
	same := func(other Item) bool { return other.key() == it.key() }
	i := slices.IndexFunc(f.items, same)
	switch {
	case i < 0 || it.Rule != nil:
		f.items = append(f.items, it)
	case it.Route.is4():
		if it.Route.Placement == PlaceAlone || slices.ContainsFunc(f.items, it.same) {
			return ErrItemExists
		}
		if it.Route.Placement == PlaceAppend {
			f.items = append(f.items, it)
		} else {
			f.items = slices.Insert(f.items, i, it)
		}
	case op.Kind == OpReplace:
		f.items[i] = it
	default:
		return ErrItemExists
	}
	f.events = append(f.events, Event{Kind: EventItem, Item: it})
	return nil
}

// usable reports whether an interface can carry a route.
func (f *FakeItems) usable(name string) error {
	links, err := f.Links()
	if err != nil || name == "" {
		return err
	}
	i := slices.IndexFunc(links, func(l Link) bool { return l.Name == name })
	switch {
	case i < 0:
		return ErrNoLink
	case !links[i].AdminUp:
		return ErrLinkDown
	}
	return nil
}

func (f *FakeItems) remove(i int, told bool) {
	if told {
		f.events = append(f.events, Event{Kind: EventItemGone, Item: f.items[i]})
	}
	f.items = slices.Delete(f.items, i, i+1)
}

package netif

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// Fake is a Backend in memory that behaves like the kernel where that matters:
// IPv4 addresses of a network in order, with or without promotion; one IPv6
// address whatever its prefix length; IPv6 lost when an interface is shut
// down; everything lost with an interface. What happens is kept as events
// until Events takes them. It is for tests of this package and of others, and
// safe for concurrent use.
type Fake struct {
	// NoMarks makes it a kernel that does not keep marks (before Linux 5.18).
	// Set it before use.
	NoMarks bool
	// NoPromote makes SetPromoteSecondaries fail, as in a container.
	NoPromote bool

	mu      sync.Mutex
	fail    func(Op) error
	next    int
	links   []Link
	addrs   []Installed
	promote map[int]bool
	events  []Event
	ops     []Op
}

var _ Backend = (*Fake)(nil)

// NewFake returns a Fake with interfaces of these names, all up.
func NewFake(links ...string) *Fake {
	f := &Fake{promote: map[int]bool{}, next: 1}
	for _, name := range links {
		f.AddLink(name)
	}
	f.events = nil
	return f
}

// FailWith makes operations fail for which fn returns an error; nil ends it.
func (f *Fake) FailWith(fn func(Op) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fn
}

// Events returns what happened since it was called last, and forgets it.
func (f *Fake) Events() []Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	events := f.events
	f.events = nil
	return events
}

// Ops returns the operations that were applied since it was called last, also
// those that failed, and forgets them.
func (f *Fake) Ops() []Op {
	f.mu.Lock()
	defer f.mu.Unlock()
	ops := f.ops
	f.ops = nil
	return ops
}

// AddLink adds an Ethernet interface that is up and returns its index.
func (f *Fake) AddLink(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	l := Link{
		Index: f.next, Name: name, Up: true, AdminUp: true, MTU: 1500,
		MAC: [6]byte{2, 0, 0, 0, 0, byte(f.next)}, Ethernet: true, Multicast: true,
	}
	f.links = append(f.links, l)
	f.events = append(f.events, Event{Kind: EventLink, Link: l})
	return l.Index
}

// RemoveLink removes an interface with its addresses.
func (f *Fake) RemoveLink(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.find(name)
	if i < 0 {
		return
	}
	l := f.links[i]
	f.links = slices.Delete(f.links, i, i+1)
	delete(f.promote, l.Index)
	// As the kernel: down, its addresses, gone.
	down := l
	down.Up, down.AdminUp = false, false
	f.events = append(f.events, Event{Kind: EventLink, Link: down})
	f.drop(func(in Installed) bool { return in.Index == l.Index })
	f.events = append(f.events, Event{Kind: EventLinkGone, Link: down})
}

// RenameLink renames an interface; its addresses stay on it.
func (f *Fake) RenameLink(from, to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.find(from)
	if i < 0 {
		return
	}
	f.links[i].Name = to
	for j := range f.addrs {
		if in := &f.addrs[j]; in.Index == f.links[i].Index {
			in.Link = to
			if in.Label == from {
				in.Label = to
			}
		}
	}
	f.events = append(f.events, Event{Kind: EventLink, Link: f.links[i]})
}

// SetLink shuts an interface down, where it loses its IPv6 addresses, or
// brings it up, and says whether it has carrier.
func (f *Fake) SetLink(name string, adminUp, carrier bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.find(name)
	if i < 0 {
		return
	}
	l := &f.links[i]
	l.AdminUp, l.Up = adminUp, adminUp && carrier
	f.events = append(f.events, Event{Kind: EventLink, Link: *l})
	if !adminUp {
		f.drop(func(in Installed) bool { return in.Index == l.Index && !in.is4() })
	}
}

// Put adds an address as another program would, with its mark.
func (f *Fake) Put(a Addr, proto uint8) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.add(a, proto)
}

// Take removes an address as another program would, and reports whether it
// was there.
func (f *Fake) Take(k Key) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, in := range f.addrs {
		if in.Key() == k {
			f.remove(in)
			return true
		}
	}
	return false
}

// EndDAD ends duplicate address detection of an address.
func (f *Fake) EndDAD(k Key, duplicate bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.addrs {
		if in := &f.addrs[i]; in.Key() == k && in.Tentative {
			in.Tentative, in.DADFailed = duplicate, duplicate
			f.events = append(f.events, Event{Kind: EventAddr, Addr: *in})
		}
	}
}

// Links returns all interfaces.
func (f *Fake) Links() ([]Link, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.links), nil
}

// Addrs returns all addresses.
func (f *Fake) Addrs() ([]Installed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.addrs), nil
}

// MarksSupported reports whether marks are kept.
func (f *Fake) MarksSupported() bool { return !f.NoMarks }

// SetPromoteSecondaries is Kernel's.
func (f *Fake) SetPromoteSecondaries(link string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.find(link)
	switch {
	case i < 0:
		return fmt.Errorf("promote secondaries on %s: %w", link, ErrNoLink)
	case f.NoPromote:
		return fmt.Errorf("promote secondaries on %s: %w", link, unix.EROFS)
	}
	f.promote[f.links[i].Index] = true
	return nil
}

// Apply is Kernel's. Done may call the Fake.
func (f *Fake) Apply(ops []Op, done func(op Op, err error)) error {
	for _, op := range ops {
		f.mu.Lock()
		err := f.apply(op)
		f.mu.Unlock()
		if err != nil {
			err = fmt.Errorf("%s: %w", op, err)
		}
		done(op, err)
	}
	return nil
}

func (f *Fake) apply(op Op) error {
	f.ops = append(f.ops, op)
	if f.fail != nil {
		if err := f.fail(op); err != nil {
			return err
		}
	}
	old := func(in Installed) bool { return in.place() == op.Old.place() }
	if op.Kind != OpAdd {
		i := slices.IndexFunc(f.addrs, old)
		if op.Kind == OpReplace && i >= 0 && op.Addr.sameFixed(op.Old) {
			secondary := f.addrs[i].Secondary
			f.addrs[i] = f.made(op.Addr, f.addrs[i].Index, op.Proto)
			f.addrs[i].Secondary, f.addrs[i].Tentative = secondary, false
			f.events = append(f.events, Event{Kind: EventAddr, Addr: f.addrs[i]})
			return nil
		}
		if i >= 0 {
			f.remove(f.addrs[i])
		}
		if op.Kind == OpDelete {
			return nil
		}
	}
	err := f.add(op.Addr, op.Proto)
	if errors.Is(err, ErrExists) && !op.Probe {
		i := slices.IndexFunc(f.addrs, func(in Installed) bool { return in.slot() == op.Addr.slot() })
		if op.Addr.same(f.addrs[i]) {
			return nil
		}
	}
	return err
}

func (f *Fake) find(name string) int {
	return slices.IndexFunc(f.links, func(l Link) bool { return l.Name == name })
}

// made is what the kernel makes of an address.
func (f *Fake) made(a Addr, index int, proto uint8) Installed {
	in := Installed{Addr: a, Index: index, Proto: proto, Permanent: true}
	in.Label, in.PreferredLft, in.NoTrack = a.label(), a.preferred(), false
	in.Prefix, in.Peer = netip.PrefixFrom(a.Prefix.Addr(), a.bits()), netip.Prefix{}
	if a.Peer.IsValid() && a.Peer.Addr() != a.Prefix.Addr() {
		in.Peer = a.Peer
	}
	if a.is4() {
		in.DAD, in.Home, in.MngTmpAddr = false, false, false
	} else {
		in.Scope, in.Broadcast, in.Tentative = 0, netip.Addr{}, a.DAD
	}
	if f.NoMarks {
		in.Proto = 0
	}
	return in
}

func (f *Fake) add(a Addr, proto uint8) error {
	if err := a.Check(); err != nil {
		return err
	}
	i := f.find(a.Link)
	if i < 0 {
		return ErrNoLink
	}
	in := f.made(a, f.links[i].Index, proto)
	for _, other := range f.addrs {
		switch {
		case other.place() == in.place():
			return ErrExists
		case in.is4() && other.is4() && other.Index == in.Index && other.network() == in.network():
			if other.Scope != in.Scope {
				return fmt.Errorf("%w (invalid scope value)", unix.EINVAL)
			}
			in.Secondary = true
		}
	}
	f.addrs = append(f.addrs, in)
	f.events = append(f.events, Event{Kind: EventAddr, Addr: in})
	return nil
}

// remove removes an address that is there, and what the kernel removes with it.
func (f *Fake) remove(gone Installed) {
	f.drop(func(in Installed) bool { return in.place() == gone.place() })
	if !gone.is4() || gone.Secondary {
		return
	}
	sibling := func(in Installed) bool {
		return in.is4() && in.Index == gone.Index && in.network() == gone.network()
	}
	if !f.promote[gone.Index] {
		f.drop(sibling)
	} else if i := slices.IndexFunc(f.addrs, sibling); i >= 0 {
		f.addrs[i].Secondary = false
	}
}

func (f *Fake) drop(match func(Installed) bool) {
	kept := f.addrs[:0:0]
	for _, in := range f.addrs {
		if match(in) {
			f.events = append(f.events, Event{Kind: EventAddrGone, Addr: in})
		} else {
			kept = append(kept, in)
		}
	}
	f.addrs = kept
}

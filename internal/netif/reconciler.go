package netif

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"hakeep/internal/reconcile"
)

// Bounds on putting back what others remove.
const (
	// takenLimit and takenWindow: an address that another program removes more
	// often than this is given up (design: at once, bounded).
	takenLimit  = 5
	takenWindow = 10 * time.Second
	// putBackPause is the least time between putting the same address back
	// twice. `ip address flush` looks again after each round, up to ten times
	// within milliseconds: one command must not count as a fight.
	putBackPause = 100 * time.Millisecond
	// retryMin and retryMax pace attempts that the kernel refused.
	retryMin = time.Second
	retryMax = 30 * time.Second
	// maxPasses bounds how often one Sync reads, plans and applies. Two suffice
	// (see converge); the third is for what others do meanwhile.
	maxPasses = 3
)

// Backend is what a Reconciler works on: a Kernel or, in tests, a Fake.
type Backend interface {
	// Links returns all interfaces.
	Links() ([]Link, error)
	// Addrs returns all IPv4 and IPv6 addresses.
	Addrs() ([]Installed, error)
	// Apply works operations off in order; see Kernel.Apply.
	Apply(ops []Op, done func(op Op, err error)) error
	// SetPromoteSecondaries is described at the function of that name.
	SetPromoteSecondaries(link string) error
	// MarksSupported reports whether addresses keep the mark Protocol.
	MarksSupported() bool
}

var _ Backend = (*Kernel)(nil)

// Options says what a Reconciler needs to know of its owner.
type Options struct {
	// Owned reports whether an address may be changed and removed. It is asked
	// about addresses that are there. What the Reconciler put there itself is
	// owned without asking, so a configuration that drops an address need not
	// be remembered.
	Owned func(Installed) bool
	// Report is called with each result as soon as it is known.
	Report func(Result)
	// Warn, if set, is called with what is worth a warning and touches no
	// address, once for each interface.
	Warn func(error)
	// Superseded, if set, is asked between batches of operations whether a
	// newer desired set is waiting. Sync then returns ErrSuperseded, so that a
	// long takeover does not go on after mastership is lost again.
	Superseded func() bool
}

// Reconciler keeps the desired addresses on their interfaces. It decides,
// by what it is told and by what it reads through its Backend; it has no clock
// and no goroutine. It belongs to one thread.
//
// Now is, in all methods, a monotonic reading.
type Reconciler struct {
	k       Backend
	opt     Options
	marks   bool
	wants   []*want
	bySlot  map[slot]*want
	use     map[string]use // by interface, of wants
	leaving map[slot]Addr  // no longer desired, not yet seen to be gone
	links   linkTable
	known   bool           // links has been read
	started bool           // Sync was called
	settled map[int]bool   // interfaces whose promote_secondaries was seen to
	placed  map[place]bool // what we put there and did not see go
	backoff reconcile.Backoff
	retry   time.Duration // when to look again, or never
	waiting bool          // a want may be due some time
}

// never is a time that does not come.
const never time.Duration = math.MinInt64

// use says what is desired on an interface.
type use struct{ v4 bool }

// place is the kernel's identity of an address on a certain interface.
type place struct {
	index int
	addr  netip.Addr
	net   netip.Prefix
}

func (in Installed) place() place {
	s := in.slot()
	return place{in.Index, s.addr, s.net}
}

// status is what is known of a desired address.
type status uint8

const (
	statusAbsent    status = iota // not looked at yet
	statusInstalled               // reported as installed
	statusTentative               // detection is under way
	statusFailed                  // reported as failed, see want.err
	statusTaken                   // given up
	statusReleased                // removed by others, and no_track
)

// want is a desired address and what became of it.
type want struct {
	addr    Addr
	status  status
	err     string // the failure that was reported
	foreign bool
	budget  reconcile.Budget // of putting back
	drift   reconcile.Budget // of changing back
	put     time.Duration    // when it was put back last, or never
	due     time.Duration    // when to put it back, or never
	lost    loss             // how it went that is to be put back
}

// loss is the removal of an address by someone else.
type loss struct {
	index   int  // the interface that it was on
	counted bool // by another program, not with its interface
}

// NewReconciler returns a Reconciler that desires nothing yet. Nothing is read
// or changed before the first Sync.
func NewReconciler(k Backend, opt Options) *Reconciler {
	return &Reconciler{
		k: k, opt: opt, marks: k.MarksSupported(),
		bySlot: map[slot]*want{}, use: map[string]use{}, leaving: map[slot]Addr{}, links: newLinkTable(nil),
		settled: map[int]bool{}, placed: map[place]bool{},
		backoff: reconcile.Backoff{Min: retryMin, Max: retryMax}, retry: never,
	}
}

// SetOwned replaces Options.Owned. It counts from the next look on.
func (r *Reconciler) SetOwned(owned func(Installed) bool) { r.opt.Owned = owned }

// Sync makes desired the set of addresses that are to be there, and brings
// the kernel to it: additions and changes in the given order, removals after
// them, and nothing for an address that is there as desired. Owned addresses
// that are not desired, such as leftovers of a killed process, are removed.
// Before the first Sync nothing is touched, whatever else is called.
//
// Each address whose fate changes is reported. The error is about the Backend
// (or ErrSuperseded); the Reconciler looks again at NextDeadline or at the
// next Sync.
func (r *Reconciler) Sync(now time.Duration, desired []Addr) error {
	r.started = true
	r.setDesired(desired)
	return r.converge(now)
}

// Add is Sync with what is desired already and these addresses besides. Nothing is
// read for it, as long as the kernel takes them: of thousands of take-overs one
// after another each would read what all of them have put there.
func (r *Reconciler) Add(now time.Duration, addrs []Addr) error {
	look := !r.started // leftovers
	r.started = true
	fresh := make([]*want, 0, len(addrs))
	for _, a := range addrs {
		if w := r.desire(a, nil); w != nil {
			fresh = append(fresh, w)
		}
	}
	if len(fresh) == 0 && !look {
		return nil
	}
	if err := r.readLinks(); err != nil {
		r.retryLater(now)
		return err
	}
	ops := make([]Op, 0, len(fresh))
	for _, w := range fresh {
		if r.frozen(w) {
			look = true
			continue
		}
		ops = append(ops, Op{Kind: OpAdd, Addr: w.addr, Proto: Protocol, Probe: true})
	}
	p := &pass{}
	err := r.batches(ops, func(op Op, err error) {
		if err == nil {
			r.applied(p, op, nil)
		} else {
			look = true // it is there, or cannot be
		}
	}, nil)
	switch {
	case err != nil:
		r.retryLater(now)
	case look:
		err = r.converge(now)
	}
	return err
}

// Resync reads everything again and puts right what differs. It is for a slow
// timer, against changes of which there are no events.
func (r *Reconciler) Resync(now time.Duration) error {
	r.known = false
	return r.converge(now)
}

// Thaw makes the next look put back what was given up because others kept
// removing it (ResultTaken), with a new budget. It is for addresses that stay
// desired.
func (r *Reconciler) Thaw() {
	for _, w := range r.wants {
		if w.status == statusTaken {
			w.status = statusAbsent
			w.budget.Reset()
		}
	}
}

// NextDeadline returns when Tick has something to do.
func (r *Reconciler) NextDeadline() (at time.Duration, ok bool) {
	earliest := func(t time.Duration) {
		if t != never && (!ok || t < at) {
			at, ok = t, true
		}
	}
	earliest(r.retry)
	if !r.waiting {
		return at, ok
	}
	r.waiting = false
	for _, w := range r.wants {
		earliest(w.due)
		r.waiting = r.waiting || w.due != never
	}
	return at, ok
}

// Tick does what is due at now: what waits to be put back, and what failed.
func (r *Reconciler) Tick(now time.Duration) error {
	var due []*want
	for _, w := range r.wants {
		if w.due != never && w.due <= now {
			due = append(due, w)
		}
	}
	err := r.putBack(now, due)
	if r.retry != never && r.retry <= now {
		err = errors.Join(err, r.converge(now))
	}
	return err
}

// setDesired takes over a desired set. An address that was desired before
// keeps its history.
func (r *Reconciler) setDesired(desired []Addr) {
	old := r.bySlot
	r.bySlot = make(map[slot]*want, len(desired))
	r.wants = make([]*want, 0, len(desired))
	r.use = make(map[string]use)
	for _, a := range desired {
		r.desire(a, old)
	}
	for s, w := range old {
		if r.bySlot[s] == nil {
			r.leaving[s] = w.addr
		}
	}
}

// desire takes one desired address in, with its history if it has one in old. It
// returns nil if the address cannot be had, or is desired already.
func (r *Reconciler) desire(a Addr, old map[slot]*want) *want {
	if err := a.Check(); err != nil {
		r.opt.Report(Result{Kind: ResultFailed, Addr: a, Err: err})
		return nil
	}
	s := a.slot()
	if first, twice := r.bySlot[s]; twice {
		if first.addr.Key() != a.Key() {
			err := fmt.Errorf("address %s: the same to the kernel as %s: %w", a.Key(), first.addr.Key(), ErrInvalid)
			r.opt.Report(Result{Kind: ResultFailed, Addr: a, Err: err})
		}
		return nil
	}
	w := old[s]
	if w == nil {
		limits := reconcile.Budget{Limit: takenLimit, Window: takenWindow}
		w = &want{addr: a, budget: limits, drift: limits, put: never, due: never}
	}
	was := w.addr
	was.NoTrack = a.NoTrack
	if was != a && w.status != statusTaken && w.status != statusReleased {
		w.status = statusAbsent
	}
	w.addr = a
	r.bySlot[s] = w
	r.wants = append(r.wants, w)
	r.use[a.Link] = use{v4: r.use[a.Link].v4 || a.is4()}
	delete(r.leaving, s)
	return w
}

// owned reports whether an address may be changed or removed.
func (r *Reconciler) owned(in Installed) bool {
	return r.opt.Owned(in) || r.placed[in.place()]
}

// claim remembers that an address in the place of a desired one is ours. Where
// there are no marks it always is.
func (r *Reconciler) claim(in Installed) {
	if in.Proto == Protocol || !r.marks {
		r.placed[in.place()] = true
	}
}

// unmarked reports whether an address of ours has lost its mark, or never had
// it.
func (r *Reconciler) unmarked(in Installed) bool {
	return r.marks && in.Proto != Protocol && r.owned(in)
}

// frozen reports whether a desired address is neither added nor touched: it
// was given up, or its interface is down, where the kernel keeps no IPv6.
func (r *Reconciler) frozen(w *want) bool {
	if w.status == statusTaken || w.status == statusReleased {
		return true
	}
	if w.addr.is4() {
		return false
	}
	link, known := r.links.named(w.addr.Link)
	return known && !link.AdminUp
}

// readLinks reads the interfaces if they are not known, and sees to
// promote_secondaries where IPv4 addresses are desired.
func (r *Reconciler) readLinks() error {
	if !r.known {
		list, err := r.k.Links()
		if err != nil {
			return err
		}
		r.links, r.known = newLinkTable(list), true
	}
	for name, use := range r.use {
		l, known := r.links.named(name)
		if !use.v4 || !known || r.settled[l.Index] {
			continue
		}
		r.settled[l.Index] = true
		if err := r.k.SetPromoteSecondaries(name); err != nil && !errors.Is(err, ErrNoLink) && r.opt.Warn != nil {
			r.opt.Warn(err)
		}
	}
	return nil
}

// linkTable finds links by index and by name.
type linkTable struct {
	byIndex map[int]Link
	byName  map[string]int
}

func newLinkTable(list []Link) linkTable {
	t := linkTable{byIndex: make(map[int]Link, len(list)), byName: make(map[string]int, len(list))}
	for _, l := range list {
		t.set(l)
	}
	return t
}

// set takes a link in and returns what was known of it.
func (t linkTable) set(l Link) (old Link, known bool) {
	old, known = t.remove(l.Index)
	t.byIndex[l.Index], t.byName[l.Name] = l, l.Index
	return old, known
}

func (t linkTable) remove(index int) (old Link, known bool) {
	old, known = t.byIndex[index]
	delete(t.byIndex, index)
	// Another link may have got the name already.
	if known && t.byName[old.Name] == index {
		delete(t.byName, old.Name)
	}
	return old, known
}

func (t linkTable) named(name string) (Link, bool) {
	l, ok := t.byIndex[t.byName[name]]
	return l, ok
}

// installed records and reports that a desired address is there.
func (r *Reconciler) installed(w *want, tentative, foreign, repaired bool) {
	kind, next := ResultInstalled, statusInstalled
	if tentative {
		kind, next = ResultTentative, statusTentative
	}
	if w.status == next && w.foreign == foreign && !repaired {
		return
	}
	w.status, w.foreign, w.err = next, foreign, ""
	r.opt.Report(Result{Kind: kind, Addr: w.addr, Foreign: foreign, Repaired: repaired})
}

// failed records and reports, once for each reason, that a desired address is
// not there.
func (r *Reconciler) failed(w *want, err error) {
	if w.status == statusFailed && w.err == err.Error() {
		return
	}
	w.status, w.err = statusFailed, err.Error()
	r.opt.Report(Result{Kind: ResultFailed, Addr: w.addr, Err: err})
}

// retryLater makes NextDeadline return a time after now, later each time.
func (r *Reconciler) retryLater(now time.Duration) { r.retry = now + r.backoff.Fail() }

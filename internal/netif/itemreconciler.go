package netif

import (
	"fmt"
	"slices"
	"time"

	"hakeep/internal/reconcile"
)

const (
	// itemPause is the least time between two looks at routes and rules that
	// events ask for: many of them come together.
	itemPause = 100 * time.Millisecond
	// maxItemPasses bounds the passes of one look. One does the work, the second
	// reads that it is done; the rest is for what others do meanwhile.
	maxItemPasses = 4
)

// ItemOptions says what an ItemReconciler needs to know of its owner.
type ItemOptions struct {
	// Owned reports whether a route or rule that is there may be removed. What
	// the ItemReconciler put there itself is owned without asking.
	Owned func(Item) bool
	// Report is called with each result as soon as it is known.
	Report func(ItemResult)
}

// ItemReconciler keeps the desired routes and rules in the kernel. It is the
// sibling of [Reconciler], with the same bounds, and like it has no clock and no
// goroutine, and belongs to one thread.
//
// The kernel drops IPv4 routes without a word when their interface is shut down
// or the address they are sent from goes. So events about links and addresses
// make it look too, and what is missing is put back when the kernel takes it.
type ItemReconciler struct {
	k       ItemBackend
	opt     ItemOptions
	wants   []*itemWant
	byText  map[string]*itemWant
	byKey   map[itemKey][]*itemWant // of those that are resolved
	byItem  map[Item]*itemWant      // by resolved
	leaving map[string]*itemWant    // no longer desired, not yet seen to be gone
	went    map[itemKey][]*itemWant // leaving, by place
	links   linkTable
	known   bool // links has been read
	started bool
	looked  time.Duration // when events made it look last, or never
	due     time.Duration // when to look next, or never
	backoff reconcile.Backoff
}

// itemWant is a desired route or rule and what became of it.
type itemWant struct {
	text     string
	item     Item // as desired
	resolved Item // with the VRF's table; of no use if there is none (yet)
	status   status
	err      string
	foreign  bool
	budget   reconcile.Budget
	taken    bool // an event said that another program removed it
}

// NewItemReconciler returns an ItemReconciler that desires nothing yet. Nothing
// is read or changed before the first Sync.
func NewItemReconciler(k ItemBackend, opt ItemOptions) *ItemReconciler {
	return &ItemReconciler{
		k: k, opt: opt, byText: map[string]*itemWant{}, leaving: map[string]*itemWant{}, links: newLinkTable(nil),
		looked: never, due: never, backoff: reconcile.Backoff{Min: retryMin, Max: retryMax},
	}
}

// SetOwned replaces ItemOptions.Owned. It counts from the next look on.
func (r *ItemReconciler) SetOwned(owned func(Item) bool) { r.opt.Owned = owned }

// Withdraw removes the routes and rules that are there by a Sync and not in
// desired, rules before routes, but leaves alone what a Sync with desired would
// change rather than remove. It reads the rules only. Call it before the
// addresses are removed that the routes depend on, and Sync after that.
func (r *ItemReconciler) Withdraw(desired []Item) error {
	stays := make(map[itemKey]bool, len(desired))
	for _, it := range desired {
		stays[it.key()] = true
	}
	known := map[itemKey]bool{}
	var keep []Item
	going := false
	for _, w := range r.wants {
		switch {
		case w.status != statusInstalled || w.foreign:
			continue
		case stays[w.item.key()]:
			keep = append(keep, w.resolved)
		default:
			going = true
		}
		known[w.resolved.key()] = true
	}
	if !going {
		return nil
	}
	there, err := r.believed()
	if err != nil {
		return err
	}
	ours := func(it Item) bool { return known[it.key()] && r.owned(it) }
	return r.k.ApplyItems(PlanItems(keep, there, ours), func(op ItemOp, err error) {
		w := r.byItem[op.Item]
		if w == nil {
			w = r.byText[op.Item.String()]
		}
		if w != nil && op.Kind == OpDelete && err == nil {
			w.status = statusAbsent
		}
	})
}

// Sync makes desired what is to be there and brings the kernel to it. Owned
// routes and rules that are not desired, such as leftovers of a killed process,
// are removed. Each one whose fate changes is reported; the error is about the
// backend, and NextDeadline says when it is tried again.
func (r *ItemReconciler) Sync(now time.Duration, desired []Item) error {
	believe := r.started
	r.started = true
	r.setDesired(desired)
	return r.bring(now, believe)
}

// Resync reads everything again and puts right what differs.
func (r *ItemReconciler) Resync(now time.Duration) error {
	r.known = false
	return r.converge(now)
}

// Thaw is Reconciler.Thaw for routes and rules.
func (r *ItemReconciler) Thaw() {
	for _, w := range r.wants {
		if w.status == statusTaken {
			w.status = statusAbsent
			w.budget.Reset()
		}
	}
}

// NextDeadline returns when Tick has something to do.
func (r *ItemReconciler) NextDeadline() (at time.Duration, ok bool) { return r.due, r.due != never }

// Tick does what is due at now.
func (r *ItemReconciler) Tick(now time.Duration) error {
	if r.due == never || now < r.due {
		return nil
	}
	r.looked = now
	return r.converge(now)
}

// setDesired takes over a desired set. What was desired before keeps its
// history.
func (r *ItemReconciler) setDesired(desired []Item) {
	old := r.byText
	r.byText = make(map[string]*itemWant, len(desired))
	r.wants = make([]*itemWant, 0, len(desired))
	place := make(map[itemKey]string, len(desired))
	for _, it := range desired {
		text := it.String()
		if r.byText[text] != nil {
			continue
		}
		err := it.Check()
		k := it.key()
		if other, twice := place[k]; err == nil && twice && !(it.Route != nil && it.Route.is4()) {
			err = fmt.Errorf("%s: the same to the kernel as %s: %w", text, other, ErrInvalid)
		}
		if err != nil {
			r.opt.Report(ItemResult{Kind: ResultFailed, Item: it, Err: err})
			continue
		}
		place[k] = text
		w := old[text]
		if w == nil {
			w = &itemWant{text: text, budget: reconcile.Budget{Limit: takenLimit, Window: takenWindow}}
		}
		w.item = it
		r.byText[text] = w
		r.wants = append(r.wants, w)
		delete(r.leaving, text)
	}
	for text, w := range old {
		if r.byText[text] == nil && w.status == statusInstalled && !w.foreign {
			r.leaving[text] = w
		} else if r.byText[text] == nil {
			r.opt.Report(ItemResult{Kind: ResultRemoved, Item: w.item, Foreign: w.foreign})
		}
	}
}

// frozen reports whether a desired item is neither added nor touched.
func (w *itemWant) frozen() bool {
	return w.status == statusTaken || w.status == statusReleased
}

// HandleEvents follows what happened and puts right what has to be.
//
//   - A desired route or rule that another program removed is put back at once,
//     the next one after a pause. More than 5 times in 10 seconds: ResultTaken,
//     and it is left alone until it is not desired any more.
//   - What the kernel removes along with an interface or an address is put back
//     when it can be, and not counted.
func (r *ItemReconciler) HandleEvents(now time.Duration, events []Event) error {
	if !r.started {
		return nil
	}
	look := false
	for i := range events {
		look = r.event(&events[i]) || look
	}
	if !look || len(r.wants)+len(r.leaving) == 0 {
		return nil
	}
	if r.looked != never && now < r.looked+itemPause {
		r.sooner(r.looked + itemPause)
		return nil
	}
	r.looked = now
	return r.converge(now)
}

// event follows one event and reports whether to look.
func (r *ItemReconciler) event(ev *Event) (look bool) {
	switch ev.Kind {
	case EventResync:
		r.known = false
		return true
	case EventLink:
		old, known := r.links.set(ev.Link)
		return !known || old.Name != ev.Link.Name || old.AdminUp != ev.Link.AdminUp || old.Up != ev.Link.Up
	case EventLinkGone:
		r.links.remove(ev.Link.Index)
		return true
	case EventAddr:
		return r.incomplete()
	case EventAddrGone:
		return true
	case EventItem:
		for _, w := range r.byKey[ev.Item.key()] {
			if !w.resolved.same(ev.Item) {
				return true // perhaps in the place of ours
			}
		}
	case EventItemGone:
		for _, w := range r.byKey[ev.Item.key()] {
			if w.status == statusInstalled && w.resolved.same(ev.Item) {
				w.taken = r.up(ev.Item)
				look = true
			}
		}
	}
	return look
}

// incomplete reports whether something desired is not there.
func (r *ItemReconciler) incomplete() bool {
	return slices.ContainsFunc(r.wants, func(w *itemWant) bool {
		return w.status != statusInstalled && !w.frozen()
	})
}

// up reports whether the interfaces of a removed item are up: else the kernel
// has removed it.
func (r *ItemReconciler) up(it Item) bool {
	if it.Route == nil {
		return true
	}
	for _, h := range it.Route.NextHops {
		if l, known := r.links.named(h.Dev); !known || !l.AdminUp {
			return false
		}
	}
	return true
}

// sooner makes the next look be at t at the latest.
func (r *ItemReconciler) sooner(t time.Duration) {
	if r.due == never || t < r.due {
		r.due = t
	}
}

// retryLater makes the next look be after now, later each time.
func (r *ItemReconciler) retryLater(now time.Duration) { r.sooner(now + r.backoff.Fail()) }

// failed records and reports, once for each reason, that a desired item is not
// there.
func (r *ItemReconciler) failed(w *itemWant, err error) {
	if w.status == statusFailed && w.err == err.Error() {
		return
	}
	w.status, w.err = statusFailed, err.Error()
	r.opt.Report(ItemResult{Kind: ResultFailed, Item: w.item, Err: err})
}

// installed records and reports that a desired item is there.
func (r *ItemReconciler) installed(w *itemWant, foreign, repaired bool) {
	if w.status == statusInstalled && w.foreign == foreign && !repaired {
		return
	}
	w.status, w.foreign, w.err = statusInstalled, foreign, ""
	r.opt.Report(ItemResult{Kind: ResultInstalled, Item: w.item, Foreign: foreign, Repaired: repaired})
}

// believed is what is there as far as is known without reading routes, which
// takes 25 ms with 200,000 routes of others: too long before a takeover's own.
func (r *ItemReconciler) believed() ([]Item, error) {
	list, err := r.k.Items(nil) // the rules
	for _, w := range r.wants {
		if w.item.Route != nil && w.status == statusInstalled && w.resolved != (Item{}) {
			list = append(list, w.resolved)
		}
	}
	for _, w := range r.leaving {
		if w.item.Route != nil {
			list = append(list, w.resolved)
		}
	}
	return list, err
}

// converge brings the kernel to the desired set, by what it reads.
func (r *ItemReconciler) converge(now time.Duration) error { return r.bring(now, false) }

// bring brings the kernel to the desired set. With believe the first pass goes
// by what is known, before anything is read.
func (r *ItemReconciler) bring(now time.Duration, believe bool) error {
	if !r.started {
		return nil
	}
	r.due = never
	if err := r.readLinks(); err != nil {
		r.retryLater(now)
		return err
	}
	r.resolve()
	var failures map[*itemWant]error
	for pass := range maxItemPasses {
		read := func() ([]Item, error) { return r.k.Items(r.protocols()) }
		if believe = believe && pass == 0; believe {
			read = r.believed
		}
		actual, err := read()
		if err != nil {
			r.retryLater(now)
			return err
		}
		ops := r.takeStock(now, actual)
		if len(ops) == 0 && believe {
			continue
		}
		if len(ops) == 0 {
			failures = nil
			break
		}
		tried := failures
		failures = map[*itemWant]error{}
		progress, err := r.apply(ops, failures)
		if err != nil {
			r.retryLater(now)
			return err
		}
		if !progress && tried != nil {
			break // as before
		}
	}
	return r.conclude(now, failures)
}

// conclude reports what failed in the end and decides about another attempt.
func (r *ItemReconciler) conclude(now time.Duration, failures map[*itemWant]error) error {
	for _, w := range r.wants {
		w.taken = false
		if err := failures[w]; err != nil {
			r.failed(w, err)
		}
	}
	if len(failures)+len(r.leaving) > 0 {
		r.retryLater(now)
	} else {
		r.backoff.Succeed()
	}
	return nil
}

// apply works operations off and reports whether one of them succeeded.
func (r *ItemReconciler) apply(ops []ItemOp, failures map[*itemWant]error) (progress bool, err error) {
	err = r.k.ApplyItems(ops, func(op ItemOp, err error) {
		progress = progress || err == nil
		if op.Kind == OpDelete {
			if err != nil {
				r.opt.Report(ItemResult{Kind: ResultFailed, Item: op.Item, Err: err})
			}
			return
		}
		w := r.byItem[op.Item]
		if w == nil {
			return // one that is there already, see PlanItems
		}
		if err != nil {
			failures[w] = err
			return
		}
		r.installed(w, false, w.status == statusInstalled)
	})
	return progress, err
}

// takeStock compares what is there with what was known, reports, and plans.
func (r *ItemReconciler) takeStock(now time.Duration, actual []Item) []ItemOp {
	at := make(map[itemKey][]Item, len(actual))
	for _, it := range actual {
		at[it.key()] = append(at[it.key()], it)
	}
	var desired []Item
	frozen := map[itemKey]bool{}
	for _, w := range r.wants {
		if w.resolved == (Item{}) {
			continue
		}
		k := w.resolved.key()
		r.compare(now, w, at[k])
		if w.frozen() {
			frozen[k] = true
		} else {
			desired = append(desired, w.resolved)
		}
	}
	r.went = make(map[itemKey][]*itemWant, len(r.leaving))
	for text, w := range r.leaving {
		k := w.resolved.key()
		r.went[k] = append(r.went[k], w)
		if !slices.ContainsFunc(at[k], w.resolved.same) {
			delete(r.leaving, text)
			r.opt.Report(ItemResult{Kind: ResultRemoved, Item: w.item})
		}
	}
	return PlanItems(desired, actual, func(it Item) bool { return !frozen[it.key()] && r.owned(it) })
}

// compare finds a desired item among those in its place.
func (r *ItemReconciler) compare(now time.Duration, w *itemWant, there []Item) {
	switch {
	case w.frozen():
	case slices.ContainsFunc(there, w.resolved.same):
		w.taken = false
		r.installed(w, false, false)
	case w.item.Rule != nil && slices.ContainsFunc(there, w.resolved.equal):
		r.installed(w, true, false)
	case w.status != statusInstalled || !w.taken:
		// Never there, or gone without a word: put (back) if the kernel takes it.
	case w.item.untracked():
		w.status = statusReleased
	case !w.budget.Spend(now):
		w.status = statusTaken
		r.opt.Report(ItemResult{Kind: ResultTaken, Item: w.item})
	default:
		w.taken = false // counted
	}
}

// owned reports whether an actual item may be removed. In the place of a
// desired route that is everything that carries its mark.
func (r *ItemReconciler) owned(it Item) bool {
	for _, w := range r.byKey[it.key()] {
		if w.status == statusInstalled && !w.foreign && w.resolved.same(it) {
			return true
		}
		if it.Route != nil && it.Protocol() == Protocol {
			return true
		}
	}
	gone := func(w *itemWant) bool { return w.resolved.same(it) }
	return slices.ContainsFunc(r.went[it.key()], gone) || r.opt.Owned(it)
}

package netif

import (
	"errors"
	"fmt"
	"time"
)

// HandleEvent is HandleEvents for one event.
func (r *Reconciler) HandleEvent(now time.Duration, ev Event) error {
	return r.HandleEvents(now, []Event{ev})
}

// HandleEvents follows what happened and puts right what has to be, in one go
// for all events, so hand over all that wait.
//
//   - A desired address that another program removed is put back at once, the
//     second time in a row after a pause. More than 5 times in 10 seconds:
//     ResultTaken, and it is left alone until it is not desired any more.
//   - What the kernel removes because an interface goes or is shut down is
//     ResultFailed with ErrNoLink or ErrLinkDown, and is put back when the
//     interface (or another of that name) is there and up again.
//   - Attributes that were changed are changed back, with the same bound.
//
// Events may be old, and may be about what the Reconciler did itself. What
// counts is what the kernel answers: an address that can be added was gone.
func (r *Reconciler) HandleEvents(now time.Duration, events []Event) error {
	if !r.started {
		return nil
	}
	var gone []*want
	look := false
	for _, ev := range events {
		switch ev.Kind {
		case EventResync:
			r.known = false
			look = true
		case EventLink:
			look = r.linkChanged(ev.Link) || look
		case EventLinkGone:
			r.linkGone(ev.Link)
		case EventAddr:
			look = r.addrSeen(now, ev.Addr) || look
		case EventAddrGone:
			if w := r.addrGone(ev.Addr); w != nil {
				gone = append(gone, w)
			}
		}
	}
	err := r.putBack(now, gone)
	if look {
		err = errors.Join(err, r.converge(now))
	}
	return err
}

// linkChanged follows a link and reports whether to look at everything.
func (r *Reconciler) linkChanged(l Link) bool {
	old, known := r.links.set(l)
	if known && old.Name != l.Name {
		// The addresses went with it, but it is not what was configured.
		delete(r.settled, l.Index)
		r.lost(old.Name)
		return true
	}
	if _, used := r.use[l.Name]; !used {
		return false
	}
	if !known || !old.AdminUp && l.AdminUp {
		return true
	}
	for _, w := range r.wants {
		if w.addr.Link == l.Name && (w.status == statusFailed || w.status == statusAbsent) {
			return true
		}
	}
	return false
}

// linkGone forgets a link.
func (r *Reconciler) linkGone(l Link) {
	r.links.remove(l.Index)
	delete(r.settled, l.Index)
	for p := range r.placed {
		if p.index == l.Index {
			delete(r.placed, p)
		}
	}
	r.lost(l.Name)
}

// lost reports the addresses of an interface that is not there any more.
func (r *Reconciler) lost(name string) {
	if _, another := r.links.named(name); another {
		return
	}
	for _, w := range r.wants {
		if w.addr.Link == name && w.status != statusTaken && w.status != statusReleased {
			w.due = never
			r.failed(w, fmt.Errorf("add %s: %w", w.addr.Key(), ErrNoLink))
		}
	}
}

// addrSeen follows an address that appeared or changed, and reports whether to
// look at everything.
func (r *Reconciler) addrSeen(now time.Duration, in Installed) bool {
	w := r.bySlot[in.slot()]
	if w == nil {
		return false
	}
	r.claim(in)
	foreign := !r.owned(in)
	switch {
	case w.status == statusTaken || w.status == statusReleased:
		return false
	case in.DADFailed && w.addr.DAD:
		r.failed(w, fmt.Errorf("add %s: %w", w.addr.Key(), ErrDuplicate))
		return false
	case w.status == statusTentative:
		if !in.Tentative {
			r.installed(w, false, foreign, false)
		}
		return false
	case w.status != statusInstalled:
		return true // perhaps it is there now
	}
	if w.foreign == foreign && (foreign || w.addr.same(in) && !r.unmarked(in)) {
		return false
	}
	return w.drift.Spend(now)
}

// addrGone follows an address that was removed and returns it if it is to be
// put back.
func (r *Reconciler) addrGone(in Installed) *want {
	// If it is ours, put there anew since, an event with the mark follows.
	delete(r.placed, in.place())
	w := r.bySlot[in.slot()]
	if w == nil || w.status == statusTaken || w.status == statusReleased {
		return nil
	}
	l, known := r.links.byIndex[in.Index]
	switch {
	case !known || l.Name != w.addr.Link:
		return nil // of an interface that went or was renamed
	case !l.AdminUp && !w.addr.is4():
		r.failed(w, fmt.Errorf("add %s: %w", w.addr.Key(), ErrLinkDown))
		return nil
	}
	// An interface is shut down before it is removed with its addresses.
	w.lost = loss{index: in.Index, counted: l.AdminUp}
	return w
}

// putBack adds addresses that events said are gone, and counts those that
// were. What was put back a moment ago has to wait.
func (r *Reconciler) putBack(now time.Duration, gone []*want) error {
	var ops []Op
	var check []*want
	seen := map[*want]bool{}
	for _, w := range gone {
		w.due = never
		l, known := r.links.named(w.addr.Link)
		switch {
		case seen[w] || r.frozen(w):
		case !known || l.Index != w.lost.index: // went too; see linkChanged
		case w.put != never && now < w.put+putBackPause:
			w.due, r.waiting = w.put+putBackPause, true
		case w.addr.NoTrack || w.budget.Exhausted(now):
			check = append(check, w)
		default:
			ops = append(ops, Op{Kind: OpAdd, Addr: w.addr, Proto: Protocol, Probe: true})
		}
		seen[w] = true
	}
	if err := r.giveUp(check); err != nil {
		r.retryLater(now)
		return err
	}
	if len(ops) == 0 {
		return nil
	}
	troubled := false
	err := r.k.Apply(ops, func(op Op, err error) { troubled = r.probed(now, op, err) || troubled })
	if err != nil || troubled {
		r.retryLater(now)
	}
	return err
}

// probed takes note of an attempt to put an address back and reports whether
// to try again later.
func (r *Reconciler) probed(now time.Duration, op Op, err error) (again bool) {
	w := r.bySlot[op.Addr.slot()]
	switch {
	case errors.Is(err, ErrExists):
		// The event was old.
	case err == nil:
		if w.lost.counted {
			w.budget.Spend(now)
		}
		w.put = now
		r.place(w)
		r.installed(w, !w.addr.is4() && w.addr.DAD, false, true)
	default:
		r.failed(w, err)
		return !errors.Is(err, ErrNoLink)
	}
	return false
}

// giveUp leaves those addresses alone that are really gone: they are not
// tracked, or were removed too often.
func (r *Reconciler) giveUp(check []*want) error {
	if len(check) == 0 {
		return nil
	}
	actual, err := r.k.Addrs()
	if err != nil {
		return err
	}
	there := make(map[slot]bool, len(actual))
	for _, in := range actual {
		there[in.slot()] = true
	}
	for _, w := range check {
		switch {
		case there[w.addr.slot()]:
		case w.addr.NoTrack:
			w.status = statusReleased
		default:
			w.status = statusTaken
			r.opt.Report(Result{Kind: ResultTaken, Addr: w.addr})
		}
	}
	return nil
}

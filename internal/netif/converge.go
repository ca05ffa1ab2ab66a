package netif

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// pass is one reading, planning and applying.
type pass struct {
	failures map[*want]error
	removed  []Installed // what was deleted, also to be added again
	undo     []Op        // restores what a failed replacement had deleted
	troubled bool        // something has to be tried again later
}

// converge brings the kernel to the desired set.
//
// One pass suffices unless it deletes IPv4 addresses, which may take others of
// their network along: then the next pass adds what vanished. An addition that
// the kernel refuses because of something that the same pass deletes later
// succeeds in the next one too.
func (r *Reconciler) converge(now time.Duration) error {
	if !r.started {
		return nil
	}
	r.retry = never
	if err := r.readLinks(); err != nil {
		r.retryLater(now)
		return err
	}
	var before []Installed
	p := &pass{}
	for n := range maxPasses {
		actual, err := r.k.Addrs()
		if err != nil {
			r.retryLater(now)
			return err
		}
		r.takeStock(actual)
		ops := append(dropped(before, actual, p.removed, r.owned), r.plan(actual)...)
		if len(ops) == 0 {
			p.failures = nil
			break
		}
		p = &pass{failures: map[*want]error{}}
		if err := r.apply(p, ops); err != nil {
			r.retryLater(now)
			return err
		}
		before = actual
		if len(p.removed) == 0 || n == maxPasses-1 {
			break
		}
	}
	return r.conclude(now, p)
}

// conclude reports the failures of the last pass and decides about another
// attempt.
func (r *Reconciler) conclude(now time.Duration, p *pass) error {
	for _, w := range r.wants {
		err := p.failures[w]
		if err == nil {
			if r.frozen(w) && (w.status == statusAbsent || w.status == statusFailed) {
				r.failed(w, fmt.Errorf("add %s: %w", w.addr.Key(), ErrLinkDown))
			}
			continue
		}
		r.failed(w, err)
		// A missing interface is waited for, the rest is tried again.
		p.troubled = p.troubled || !errors.Is(err, ErrNoLink)
	}
	if p.troubled {
		r.retryLater(now)
	} else {
		r.backoff.Succeed()
	}
	return nil
}

// takeStock compares what is there with what was known, and reports.
func (r *Reconciler) takeStock(actual []Installed) {
	here := make(map[place]bool, len(actual))
	there := make(map[slot]Installed, len(actual))
	for _, in := range actual {
		here[in.place()] = true
		there[in.slot()] = in
	}
	for p := range r.placed {
		if !here[p] {
			delete(r.placed, p)
		}
	}
	for s, a := range r.leaving {
		in, still := there[s]
		if still && r.owned(in) {
			continue // about to be deleted
		}
		delete(r.leaving, s)
		r.opt.Report(Result{Kind: ResultRemoved, Addr: a, Foreign: still})
	}
	for _, w := range r.wants {
		in, ok := there[w.addr.slot()]
		if !ok || w.status == statusTaken || w.status == statusReleased {
			continue
		}
		r.claim(in)
		switch foreign := !r.owned(in); {
		case in.DADFailed && (w.addr.DAD || foreign):
			r.failed(w, fmt.Errorf("add %s: %w", w.addr.Key(), ErrDuplicate))
		case w.addr.same(in) || foreign:
			w.due = never
			r.installed(w, in.Tentative && w.addr.DAD, foreign, false)
		}
	}
}

// plan is Plan for what is desired and not frozen, and marks what is ours.
// What is frozen is not removed either.
func (r *Reconciler) plan(actual []Installed) []Op {
	desired := make([]Addr, 0, len(r.wants))
	frozen := map[slot]bool{}
	for _, w := range r.wants {
		if r.frozen(w) {
			frozen[w.addr.slot()] = true
		} else {
			desired = append(desired, w.addr)
		}
	}
	ops := Plan(desired, actual, func(in Installed) bool { return r.owned(in) && !frozen[in.slot()] })
	for _, in := range actual {
		w := r.bySlot[in.slot()]
		if w != nil && !frozen[in.slot()] && w.addr.same(in) && r.unmarked(in) {
			ops = append(ops, Op{Kind: OpReplace, Addr: w.addr, Old: in, Proto: Protocol})
		}
	}
	return ops
}

// dropped returns additions for the addresses of others that the kernel
// dropped along with removed ones of ours: secondary IPv4 addresses of the
// same network (promote_secondaries = 0, which could not be changed).
func dropped(before, after, removed []Installed, owned func(Installed) bool) []Op {
	type network struct {
		index int
		net   netip.Prefix
	}
	lost := map[network]bool{}
	for _, in := range removed {
		if in.is4() && !in.Secondary {
			lost[network{in.Index, in.network()}] = true
		}
	}
	if len(lost) == 0 {
		return nil
	}
	there := make(map[place]bool, len(after))
	for _, in := range after {
		there[in.place()] = true
	}
	var ops []Op
	for _, in := range before {
		if in.Secondary && lost[network{in.Index, in.network()}] && !there[in.place()] && !owned(in) {
			ops = append(ops, Op{Kind: OpAdd, Addr: in.Addr, Proto: in.Proto})
		}
	}
	return ops
}

// apply works operations off, looking up between batches.
func (r *Reconciler) apply(p *pass, ops []Op) error {
	return r.batches(ops, func(op Op, err error) { r.applied(p, op, err) }, func() error {
		if len(p.undo) == 0 {
			return nil
		}
		undo := p.undo
		p.undo = nil
		return r.k.Apply(undo, func(op Op, err error) {
			if err != nil {
				r.opt.Report(Result{Kind: ResultFailed, Addr: op.Addr, Err: fmt.Errorf("restore: %w", err)})
			}
		})
	})
}

// batches works operations off, unless newer ones wait, and calls after, if not
// nil, after each batch.
func (r *Reconciler) batches(ops []Op, done func(Op, error), after func() error) error {
	for batch := range slices.Chunk(ops, batchOps) {
		if r.opt.Superseded != nil && r.opt.Superseded() {
			return ErrSuperseded
		}
		if err := r.k.Apply(batch, done); err != nil {
			return err
		}
		if after == nil {
			continue
		}
		if err := after(); err != nil {
			return err
		}
	}
	return nil
}

// applied takes note of the outcome of one operation.
func (r *Reconciler) applied(p *pass, op Op, err error) {
	if op.Kind == OpDelete {
		r.deleted(p, op, err)
		return
	}
	deleted := op.Kind == OpReplace && !op.Addr.sameFixed(op.Old)
	if deleted {
		p.removed = append(p.removed, op.Old)
	}
	w := r.bySlot[op.Addr.slot()]
	switch {
	case w == nil && err == nil: // another's, see dropped
		r.opt.Report(Result{Kind: ResultInstalled, Addr: op.Addr, Foreign: true, Repaired: true})
	case w == nil:
		r.opt.Report(Result{Kind: ResultFailed, Addr: op.Addr, Foreign: true, Err: err})
	case err == nil:
		r.place(w)
		delete(p.failures, w)
		w.due = never
		// Only an addition restores something that had been reported as there.
		r.installed(w, !w.addr.is4() && w.addr.DAD, false, op.Kind == OpAdd && w.status == statusInstalled)
	default:
		p.failures[w] = err
		if deleted {
			p.undo = append(p.undo, Op{Kind: OpAdd, Addr: op.Old.Addr, Proto: op.Old.Proto})
		}
	}
}

// place remembers that we put a desired address where it is.
func (r *Reconciler) place(w *want) {
	if l, known := r.links.named(w.addr.Link); known {
		in := Installed{Addr: w.addr, Index: l.Index}
		r.placed[in.place()] = true
	}
}

// deleted takes note of the outcome of a removal.
func (r *Reconciler) deleted(p *pass, op Op, err error) {
	s := op.Old.slot()
	a, was := r.leaving[s]
	if !was {
		a = op.Old.Addr // a leftover
	}
	if err != nil {
		p.troubled = true
		r.opt.Report(Result{Kind: ResultFailed, Addr: a, Err: err})
		return
	}
	p.removed = append(p.removed, op.Old)
	delete(r.placed, op.Old.place())
	if w := r.bySlot[s]; w == nil {
		delete(r.leaving, s)
		r.opt.Report(Result{Kind: ResultRemoved, Addr: a})
	}
}

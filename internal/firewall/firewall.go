package firewall

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/nftables"
)

// Options are the settings of a firewall that do not change while it is open.
type Options struct {
	// Table is the table's name; see TableName.
	Table string
	// Logger receives what was repaired and what could not be; nil means
	// nothing is logged.
	Logger *slog.Logger
}

// Stats is what the firewall tells about itself for status and metrics.
type Stats struct {
	// Restored counts how often the table was put back.
	Restored uint64
	// Err is why the table is not as it should be, nil if it is.
	Err error
}

// Firewall keeps the table as it was last set. Its methods may be called from
// any goroutine.
type Firewall struct {
	name   string
	log    *slog.Logger
	kernel kernel

	mu       sync.Mutex // held while the kernel is asked
	known    bool       // Set was called
	wanted   *table     // valid if known
	verified bool       // read back and found equal, at generation gen
	gen      uint32

	statsMu sync.Mutex // apart from mu: status never waits for the kernel
	stats   Stats
}

// Times of Run.
const (
	resyncInterval = time.Minute     // with events, in case one was missed
	retryInterval  = 5 * time.Second // without events, or while the table is not right
	repairBurst    = 10              // repairs at once
	repairInterval = time.Second     // then one in this time

	// Pauses of readSettled, doubled each time: 62 ms together, so that a
	// repair stays within 100 ms.
	settleFirst = 2 * time.Millisecond
	settleLast  = 32 * time.Millisecond
)

// Open prepares the firewall: its sockets belong to the network namespace of
// the calling thread. It changes nothing, and does not fail when the kernel
// has no nftables; Set does when rules are wanted.
func Open(o Options) (*Firewall, error) {
	if o.Table == "" || len(o.Table) > maxName {
		return nil, fmt.Errorf("open firewall: bad table name %q", o.Table)
	}
	return newFirewall(o, newNetfilter(o.Table)), nil
}

func newFirewall(o Options, k kernel) *Firewall {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Firewall{name: o.Table, log: log.With("table", o.Table), kernel: k}
}

// Set makes the table hold the rules, and no others, in one transaction that
// is read back. Without rules the table does not exist afterwards. If the
// rules are those of the last successful Set, the kernel is not asked at all.
//
// After an error the former rules may still be in force; Run tries again. The
// error of wrong rules (two sets of one name) leaves everything as it was.
func (f *Firewall) Set(r Rules) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	wanted, err := buildAfter(r, f.wanted)
	if err != nil {
		return fmt.Errorf("set firewall rules: %w", err)
	}
	if f.known && f.verified && wanted.equal(f.wanted) {
		return nil
	}
	old, verified := f.wanted, f.verified
	f.known, f.wanted, f.verified = true, wanted, false
	if verified && f.amend(old) {
		f.setErr(nil)
		return nil
	}
	if err := f.converge(); err != nil {
		return fmt.Errorf("set firewall rules: %w", err)
	}
	return nil
}

// amend changes the kernel's table from old, which it is known to be equal to, to
// the wanted one, and reads back what it changed, not all of it: one server of
// thousands comes and goes more often than the rest. It reports false when the
// table has to be looked at as a whole. The caller holds the lock.
func (f *Firewall) amend(old *table) bool {
	if old == nil || f.wanted != nil && !refinable(old, f.wanted) {
		return false
	}
	gen, err := f.kernel.generation()
	if err != nil || gen != f.gen {
		return false
	}
	ops := plan(old, f.wanted)
	part := scopeOf(ops, f.wanted)
	if err := f.kernel.apply(ops); err != nil {
		return false
	}
	actual, gen, err := f.readSettled(part)
	// A transaction that was divided, or one of somebody else between, makes it
	// more than one generation (which is never 0).
	if err != nil || gen != f.gen+1 || !actual.equal(f.wanted.within(part)) {
		return false
	}
	f.verified, f.gen = true, gen
	return true
}

// converge makes the kernel's table equal to the wanted one. The caller holds
// the lock.
func (f *Firewall) converge() error {
	err := f.tryConverge()
	f.setErr(err)
	return err
}

func (f *Firewall) tryConverge() error {
	var applied error
	for attempt := range 4 {
		read := f.kernel.read
		if attempt > 0 {
			read = f.readSettled
		}
		actual, gen, err := read(nil)
		if err != nil {
			if f.wanted == nil && errors.Is(err, errUnsupported) {
				f.verified = true
				return nil
			}
			return errors.Join(applied, err)
		}
		if actual.equal(f.wanted) {
			f.verified, f.gen = true, gen
			return nil
		}
		ops := plan(actual, f.wanted)
		if applied != nil || attempt > 1 {
			// Somebody was faster, or a step did not do what it says.
			ops = planReplace(f.wanted)
		}
		applied = f.kernel.apply(ops)
	}
	if applied != nil {
		return applied
	}
	return fmt.Errorf("table %s is not what was written to it", f.name)
}

// readSettled reads the table, again if nothing but elements are missing: the
// kernel leaves some out of a dump while it makes the hash table of a set
// larger, which goes on for milliseconds after they were added.
func (f *Firewall) readSettled(part *scope) (*table, uint32, error) {
	wanted := f.wanted.within(part)
	for pause := settleFirst; ; pause *= 2 {
		actual, gen, err := f.kernel.read(part)
		if err != nil || pause > settleLast || !actual.lacksElements(wanted) {
			return actual, gen, err
		}
		<-time.After(pause)
	}
}

// Elements reads the elements of some sets, with their counters. Sets that are
// not in the table are not in the answer. The kernel may leave elements out
// while a set is being enlarged.
func (f *Firewall) Elements(sets ...string) (map[string][]nftables.SetElement, error) {
	t, _, err := f.kernel.read(&scope{sets: sets})
	if err != nil || t == nil {
		return nil, err
	}
	out := make(map[string][]nftables.SetElement, len(t.sets))
	for name, s := range t.sets {
		out[name] = slices.Collect(maps.Values(s.elems))
	}
	return out, nil
}

// Stats tells how the table is. It does not wait for the kernel.
func (f *Firewall) Stats() Stats {
	f.statsMu.Lock()
	defer f.statsMu.Unlock()
	return f.stats
}

// setErr notes the error, or that there is none, and returns the former.
func (f *Firewall) setErr(err error) (old error) {
	f.statsMu.Lock()
	defer f.statsMu.Unlock()
	old, f.stats.Err = f.stats.Err, err
	return old
}

// Close lets go of the kernel. With remove the table is deleted first. Run
// must have returned.
func (f *Firewall) Close(remove bool) error {
	var err error
	if remove {
		err = f.Set(Rules{})
	}
	return errors.Join(err, f.kernel.close())
}

// Run keeps the table as it was set until the context ends: it is put back at
// once when another program removes or changes it, up to ten times in a row,
// then once a second.
func (f *Firewall) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes := make(chan change)
	watching := true
	wg.Go(func() {
		err := f.kernel.watch(ctx, changes)
		if err != nil && ctx.Err() == nil {
			f.log.Warn("nftables cannot be watched", "err", err)
		}
		close(changes)
	})
	start := time.Now()
	lim := limiter{burst: repairBurst, interval: repairInterval}
	timer := time.NewTimer(retryInterval)
	defer timer.Stop()
	for {
		var by change
		select {
		case <-ctx.Done():
			return nil
		case c, ok := <-changes:
			if !ok {
				changes, watching = nil, false
				continue
			}
			by = c
		case <-timer.C:
		}
		next := f.look(by, func() time.Duration { return lim.take(time.Since(start)) })
		if next == 0 {
			next = resyncInterval
			if !watching {
				next = retryInterval
			}
		}
		timer.Reset(next)
	}
}

// look compares the table with what is wanted and repairs it when allowed
// returns 0. It returns when to look again at the latest, 0 for no hurry.
func (f *Firewall) look(by change, allowed func() time.Duration) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	// Without rules nothing is kept: a table of our name that appears is
	// another daemon's, whose `instance` keyword is missing.
	if !f.known || f.wanted == nil && f.verified {
		return 0
	}
	right, err := f.inspect()
	if err != nil {
		f.fail(f.setErr(err), err)
		return retryInterval
	}
	if right {
		return 0
	}
	if wait := allowed(); wait > 0 {
		return wait
	}
	began := time.Now()
	old := f.Stats().Err
	if err := f.converge(); err != nil {
		f.fail(old, err)
		return retryInterval
	}
	f.statsMu.Lock()
	f.stats.Restored++
	f.statsMu.Unlock()
	f.log.Warn("nftables table put back", "by", by.comm, "thread", by.pid, "took", time.Since(began))
	return 0
}

// inspect reports whether the table is as wanted. While nobody committed
// anything since it was verified, that is one small question.
func (f *Firewall) inspect() (bool, error) {
	gen, err := f.kernel.generation()
	if err != nil {
		return false, err
	}
	if f.verified && gen == f.gen {
		return true, nil
	}
	actual, gen, err := f.readSettled(nil)
	if err != nil {
		return false, err
	}
	f.verified = actual.equal(f.wanted)
	f.gen = gen
	if f.verified {
		f.setErr(nil)
	}
	return f.verified, nil
}

// fail notes an error; it is logged when it is new.
func (f *Firewall) fail(old, err error) {
	if old == nil || old.Error() != err.Error() {
		f.log.Error("nftables table cannot be kept", "err", err)
	}
	f.verified = false
}

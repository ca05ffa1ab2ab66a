package netif

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// bench is a Reconciler over a Fake, with virtual time and a log of results.
type bench struct {
	t   *testing.T
	f   *Fake
	r   *Reconciler
	now time.Duration
	log []string
}

func newBench(t *testing.T, f *Fake) *bench {
	b := &bench{t: t, f: f}
	b.r = NewReconciler(f, Options{
		Owned:  ours,
		Report: func(r Result) { b.log = append(b.log, r.String()) },
		Warn:   func(err error) { b.log = append(b.log, "warning: "+err.Error()) },
	})
	return b
}

func (b *bench) sync(desired ...Addr) {
	b.t.Helper()
	if err := b.r.Sync(b.now, desired); err != nil {
		b.t.Fatal(err)
	}
}

// follow hands over the events that the Fake has.
func (b *bench) follow() {
	b.t.Helper()
	if err := b.r.HandleEvents(b.now, b.f.Events()); err != nil {
		b.t.Fatal(err)
	}
}

// wait goes to the next deadline, following events.
func (b *bench) wait() {
	b.t.Helper()
	at, ok := b.r.NextDeadline()
	if !ok || at < b.now {
		b.t.Fatalf("at %v: deadline %v, %v", b.now, at, ok)
	}
	b.now = at
	if err := b.r.Tick(at); err != nil {
		b.t.Fatal(err)
	}
	b.follow()
}

// take removes an address as another program would.
func (b *bench) take(a Addr) {
	b.t.Helper()
	if !b.f.Take(a.Key()) {
		b.t.Fatalf("at %v: %s is not there", b.now, a.Key())
	}
	b.follow()
}

// expect compares what was reported since the last call.
func (b *bench) expect(want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.log); diff != "" {
		b.t.Errorf("at %v: reported (-want +got):\n%s", b.now, diff)
	}
	b.log = nil
}

// idle fails if there is something to wait for.
func (b *bench) idle() {
	b.t.Helper()
	if at, ok := b.r.NextDeadline(); ok {
		b.t.Errorf("deadline at %v", at)
	}
}

func (b *bench) there(a Addr) bool {
	return slices.ContainsFunc(b.f.addrs, func(in Installed) bool { return in.slot() == a.slot() })
}

func TestSyncReportsEachAddress(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0", "vip1"))
	a, c, six := addr("192.0.2.10/24"), addr("192.0.2.11/24"), on("vip1", addr("2001:db8::1/64"))
	b.sync(a, six)
	b.expect("installed 192.0.2.10/24 dev vip0", "installed 2001:db8::1/64 dev vip1")
	b.follow()
	b.f.Ops()
	b.sync(a, six)
	if ops := b.f.Ops(); len(ops) != 0 {
		t.Errorf("operations for what is there: %v", ops)
	}
	b.expect()
	b.sync(c, six)
	b.expect("installed 192.0.2.11/24 dev vip0", "removed 192.0.2.10/24 dev vip0")
	b.follow()
	b.sync()
	b.follow()
	b.expect("removed 192.0.2.11/24 dev vip0", "removed 2001:db8::1/64 dev vip1")
	b.idle()
	if len(b.f.addrs) != 0 {
		t.Errorf("left: %v", b.f.addrs)
	}
}

// What a killed process left is taken over where it is desired and removed
// where not; another daemon's and the administrator's stay.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	kept, old, other, admin := addr("192.0.2.10/24"), addr("192.0.2.11/24"), addr("192.0.2.12/24"), addr("192.0.2.13/24")
	for _, a := range []Addr{kept, old, other} {
		if err := b.f.Put(a, Protocol); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.f.Put(admin, 0); err != nil {
		t.Fatal(err)
	}
	b.r.SetOwned(func(in Installed) bool { return ours(in) && in.Key() != other.Key() })
	if b.follow(); len(b.f.Ops()) != 0 {
		t.Fatal("operations before the first Sync")
	}
	b.sync(kept)
	b.expect("installed 192.0.2.10/24 dev vip0", "removed 192.0.2.11/24 dev vip0")
	b.sync()
	b.expect("removed 192.0.2.10/24 dev vip0")
	if !b.there(other) || !b.there(admin) {
		t.Errorf("left: %v", b.f.addrs)
	}
}

// A dropped configuration entry is removed although the new predicate does
// not name it.
func TestWhatWePutIsOurs(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	a := addr("192.0.2.10/24")
	b.sync(a)
	b.r.SetOwned(func(Installed) bool { return false })
	b.sync()
	b.expect("installed 192.0.2.10/24 dev vip0", "removed 192.0.2.10/24 dev vip0")
	if b.there(a) {
		t.Error("still there")
	}
}

func TestAdministratorsAddress(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	a := addr("192.0.2.10/24")
	if err := b.f.Put(with(a, func(a *Addr) { a.Label = "vip0:adm" }), 0); err != nil {
		t.Fatal(err)
	}
	b.follow()
	b.sync(a)
	b.expect("installed 192.0.2.10/24 dev vip0 (foreign)")
	b.sync()
	b.expect("removed 192.0.2.10/24 dev vip0 (foreign)")
	if ops := b.f.Ops(); len(ops) != 0 || !b.there(a) {
		t.Errorf("touched by %v", ops)
	}
	// It goes while we are to have it: ours takes its place.
	b.sync(a)
	b.take(a)
	b.expect("installed 192.0.2.10/24 dev vip0 (foreign)", "installed 192.0.2.10/24 dev vip0 (repaired)")
}

func TestPutBackAtOnceThenTaken(t *testing.T) {
	t.Parallel()
	for _, a := range []Addr{addr("192.0.2.10/24"), addr("2001:db8::1/64")} {
		b := newBench(t, NewFake("vip0"))
		b.now = time.Hour
		b.sync(a)
		b.follow()
		key := a.Key().String()
		b.expect("installed " + key)
		for range takenLimit {
			b.take(a)
			if !b.there(a) {
				b.wait() // put back a moment ago
			}
			b.expect("installed " + key + " (repaired)")
		}
		b.take(a)
		b.wait()
		b.expect("taken " + key)
		if b.there(a) || b.now > time.Hour+takenWindow/10 {
			t.Errorf("%s: there %v, at %v", key, b.there(a), b.now)
		}
		// Left alone from then on, also when others are synced.
		b.idle()
		b.sync(a, addr("198.51.100.1/24"))
		b.follow()
		b.expect("installed 198.51.100.1/24 dev vip0")
		// Until it was given up.
		b.sync()
		b.follow()
		b.expect("removed "+key, "removed 198.51.100.1/24 dev vip0")
		b.sync(a)
		b.expect("installed " + key)
	}
}

// Five times in ten seconds may go on for ever.
func TestSlowRemovalsAreRepairedForEver(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	a := addr("192.0.2.10/24")
	b.sync(a)
	for range 100 {
		b.now += takenWindow / takenLimit
		b.follow()
		b.take(a)
		if !b.there(a) {
			t.Fatalf("not put back at %v", b.now)
		}
	}
}

// A flush looks again after each round; it must not become a fight.
func TestFlushIsOneRemoval(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	list := many(50, false)
	b.sync(list...)
	b.follow()
	b.log = nil
	rounds := 0
	for ; len(b.f.addrs) > 0; rounds++ {
		for _, a := range list {
			b.f.Take(a.Key())
		}
		b.follow()
		b.now += time.Millisecond
	}
	if rounds != 2 {
		t.Errorf("flushed in %d rounds", rounds)
	}
	b.wait()
	if len(b.f.addrs) != len(list) {
		t.Errorf("%d addresses after the flush", len(b.f.addrs))
	}
}

func TestNoTrack(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	a := with(addr("192.0.2.10/24"), func(a *Addr) { a.NoTrack = true })
	b.sync(a)
	b.follow()
	b.take(a)
	b.sync(a, addr("198.51.100.1/24"))
	b.expect("installed 192.0.2.10/24 dev vip0", "installed 198.51.100.1/24 dev vip0")
	if b.there(a) {
		t.Error("put back")
	}
	b.sync()
	b.sync(a)
	if !b.there(a) {
		t.Error("not installed when desired anew")
	}
}

// Our own removals, also those of a replacement, are not taken for others'.
func TestOwnRemovals(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	a, six := addr("192.0.2.10/24"), addr("2001:db8::1/64")
	labelled, longer := with(a, func(a *Addr) { a.Label = "vip0:1" }), addr("2001:db8::1/96")
	for range 3 * takenLimit {
		b.sync(a, six)
		b.sync(labelled, longer)
		b.sync()
		b.sync(labelled, longer)
		b.sync(a, six)
		b.log = nil
		b.f.Ops()
		b.follow()
		b.expect()
		for _, op := range b.f.Ops() {
			if !op.Probe {
				t.Fatalf("operation %v for an old event", op)
			}
		}
	}
	b.idle()
}

func TestInterfaceGoesAndComesBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0", "vip1"))
	a, six, elsewhere := addr("192.0.2.10/24"), addr("2001:db8::1/64"), on("vip1", addr("192.0.2.20/24"))
	b.sync(a, six, elsewhere)
	b.follow()
	b.log = nil
	for range 3 * takenLimit {
		b.f.RemoveLink("vip0")
		b.follow()
		b.expect(
			"failed 2001:db8::1/64 dev vip0: add 2001:db8::1/64 dev vip0: interface is down",
			"failed 192.0.2.10/24 dev vip0: add 192.0.2.10/24 dev vip0: no such interface",
			"failed 2001:db8::1/64 dev vip0: add 2001:db8::1/64 dev vip0: no such interface",
		)
		b.idle()
		b.f.AddLink("vip0")
		b.follow()
		b.expect("installed 192.0.2.10/24 dev vip0", "installed 2001:db8::1/64 dev vip0")
		// The same, seen only when it is over.
		b.f.RemoveLink("vip0")
		b.f.AddLink("vip0")
		b.follow()
		b.log = nil
		if !b.there(a) || !b.there(six) {
			t.Fatalf("have %v", b.f.addrs)
		}
	}
	if !b.f.promote[b.f.links[len(b.f.links)-1].Index] {
		t.Error("promote_secondaries not set on the new interface")
	}
}

func TestInterfaceAppearsLater(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake())
	a := addr("192.0.2.10/24")
	b.sync(a)
	b.expect("failed 192.0.2.10/24 dev vip0: add 192.0.2.10/24 dev vip0: no such interface")
	b.sync(a)
	b.expect()
	b.idle()
	b.f.AddLink("vip0")
	b.follow()
	b.expect("installed 192.0.2.10/24 dev vip0")
}

func TestInterfaceDownAndUp(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	a, six := addr("192.0.2.10/24"), addr("2001:db8::1/64")
	b.sync(a, six)
	b.follow()
	b.log = nil
	down := "failed 2001:db8::1/64 dev vip0: add 2001:db8::1/64 dev vip0: interface is down"
	for range 3 * takenLimit {
		b.f.SetLink("vip0", false, true)
		b.follow()
		b.expect(down)
		b.sync(a, six)
		b.expect()
		b.f.SetLink("vip0", true, true)
		b.follow()
		b.expect("installed 2001:db8::1/64 dev vip0")
		b.f.SetLink("vip0", true, false)
		b.f.SetLink("vip0", true, true)
		b.follow()
		b.expect()
	}
	b.f.SetLink("vip0", false, true)
	b.f.Events()
	c := newBench(t, b.f)
	c.sync(a, six)
	c.expect("installed 192.0.2.10/24 dev vip0", down)
	c.idle()
}

// A renamed interface is not the configured one: what we put there goes, and
// whoever has the name gets the addresses.
func TestRename(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0", "vip1"))
	a := addr("192.0.2.10/24")
	b.sync(a)
	b.r.SetOwned(func(in Installed) bool { return ours(in) && in.Key() == a.Key() })
	b.follow()
	b.f.RenameLink("vip0", "lan")
	b.follow()
	b.expect(
		"installed 192.0.2.10/24 dev vip0",
		"failed 192.0.2.10/24 dev vip0: add 192.0.2.10/24 dev vip0: no such interface",
		"removed 192.0.2.10/24 dev lan",
	)
	b.f.RenameLink("vip1", "vip0")
	b.follow()
	b.expect("installed 192.0.2.10/24 dev vip0")
	if len(b.f.addrs) != 1 || b.f.addrs[0].Link != "vip0" {
		t.Errorf("have %v", b.f.addrs)
	}
}

func TestDAD(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	a := with(addr("2001:db8::1/64"), func(a *Addr) { a.DAD = true })
	b.sync(a)
	b.follow()
	b.expect("tentative 2001:db8::1/64 dev vip0")
	b.f.EndDAD(a.Key(), false)
	b.follow()
	b.expect("installed 2001:db8::1/64 dev vip0")
	b.sync()
	b.sync(a)
	b.f.EndDAD(a.Key(), true)
	b.follow()
	b.expect("removed 2001:db8::1/64 dev vip0", "tentative 2001:db8::1/64 dev vip0",
		"failed 2001:db8::1/64 dev vip0: add 2001:db8::1/64 dev vip0: duplicate address detected on the link")
	b.sync(a)
	b.follow()
	b.expect()
}

func TestAttributesAreChangedBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	a := addr("192.0.2.10/24")
	b.sync(a)
	change := func() {
		in := b.f.addrs[0]
		deprecated := with(a, func(a *Addr) { a.PreferredLft = PreferredNever })
		if err := b.f.apply(Op{Kind: OpReplace, Addr: deprecated, Old: in}); err != nil {
			t.Fatal(err)
		}
		b.follow()
	}
	for range takenLimit {
		if change(); b.f.addrs[0].PreferredLft != PreferredForever || b.f.addrs[0].Proto != Protocol {
			t.Fatal("not changed back")
		}
	}
	// Bounded, but the address stays.
	if change(); b.f.addrs[0].PreferredLft != PreferredNever {
		t.Error("changed back without bound")
	}
	b.expect("installed 192.0.2.10/24 dev vip0")
	// Although the mark is lost now, it is ours to remove.
	b.sync()
	b.expect("removed 192.0.2.10/24 dev vip0")
}

// An address that another program removed and set up anew is its own.
func TestRemovedAndSetUpByAnother(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	a := addr("192.0.2.10/24")
	b.sync(a)
	b.f.Take(a.Key())
	if err := b.f.Put(a, 0); err != nil {
		t.Fatal(err)
	}
	b.follow()
	b.sync()
	b.expect("installed 192.0.2.10/24 dev vip0", "installed 192.0.2.10/24 dev vip0 (foreign)", "removed 192.0.2.10/24 dev vip0 (foreign)")
	if !b.there(a) {
		t.Error("removed")
	}
}

// An unmarked address that the owner claims gets the mark.
func TestAdopt(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	a := addr("192.0.2.10/24")
	if err := b.f.Put(a, 18); err != nil {
		t.Fatal(err)
	}
	b.r.SetOwned(func(Installed) bool { return true })
	b.sync(a)
	b.expect("installed 192.0.2.10/24 dev vip0")
	if b.f.addrs[0].Proto != Protocol {
		t.Errorf("mark %d", b.f.addrs[0].Proto)
	}
}

// With promote_secondaries = 0 removing or replacing the primary address takes
// its network's others along: ours and the administrator's come back.
func TestSecondariesThatVanish(t *testing.T) {
	t.Parallel()
	f := NewFake("vip0")
	f.NoPromote = true
	b := newBench(t, f)
	first, second, admin := addr("192.0.2.10/24"), addr("192.0.2.11/24"), addr("192.0.2.13/24")
	b.sync(first, second)
	if err := f.Put(admin, 4); err != nil {
		t.Fatal(err)
	}
	b.follow()
	b.log = b.log[1:] // the warning
	b.sync(second)
	b.follow()
	b.expect(
		"installed 192.0.2.10/24 dev vip0", "installed 192.0.2.11/24 dev vip0",
		"removed 192.0.2.10/24 dev vip0",
		"installed 192.0.2.13/24 dev vip0 (repaired) (foreign)",
		"installed 192.0.2.11/24 dev vip0 (repaired)",
	)
	if !b.there(second) || !b.there(admin) || b.there(first) {
		t.Errorf("have %v", f.addrs)
	}
	for _, in := range f.addrs {
		if in.slot() == admin.slot() && in.Proto != 4 {
			t.Errorf("the administrator's address got mark %d", in.Proto)
		}
	}
	b.idle()
}

func TestPromoteWarning(t *testing.T) {
	t.Parallel()
	f := NewFake("vip0")
	f.NoPromote = true
	b := newBench(t, f)
	a := addr("192.0.2.10/24")
	b.sync(a)
	b.sync()
	b.sync(a)
	if n := strings.Count(strings.Join(b.log, "\n"), "warning:"); n != 1 {
		t.Errorf("%d warnings in %q", n, b.log)
	}
}

func TestFailuresAreRetried(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	a, c := addr("192.0.2.10/24"), addr("192.0.2.11/24")
	b.f.FailWith(func(op Op) error {
		if op.Addr == a {
			return unix.ENOMEM
		}
		return nil
	})
	b.sync(a, c)
	b.expect("installed 192.0.2.11/24 dev vip0", "failed 192.0.2.10/24 dev vip0: add 192.0.2.10/24 dev vip0: cannot allocate memory")
	b.wait()
	b.wait()
	b.expect()
	if want := retryMin + 2*retryMin; b.now != want {
		t.Errorf("second attempt at %v, want %v", b.now, want)
	}
	b.f.FailWith(nil)
	b.wait()
	b.expect("installed 192.0.2.10/24 dev vip0")
	b.idle()
}

func TestFailedRemovalIsRetried(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	a := addr("192.0.2.10/24")
	b.sync(a)
	b.f.FailWith(func(op Op) error { return unix.EPERM })
	b.sync()
	b.f.FailWith(nil)
	b.wait()
	b.expect("installed 192.0.2.10/24 dev vip0",
		"failed 192.0.2.10/24 dev vip0: delete 192.0.2.10/24 dev vip0: operation not permitted",
		"removed 192.0.2.10/24 dev vip0")
}

// A replacement that fails half-way leaves the old address.
func TestFailedReplacement(t *testing.T) {
	t.Parallel()
	f := NewFake("vip0")
	b := newBench(t, f)
	a := addr("192.0.2.10/24")
	labelled := with(a, func(a *Addr) { a.Label = "vip0:1" })
	b.sync(a)
	b.follow()
	failing := &halfway{Fake: f}
	b.r.k = failing
	b.sync(labelled)
	b.expect("installed 192.0.2.10/24 dev vip0", "failed 192.0.2.10/24 dev vip0: replace 192.0.2.10/24 dev vip0: invalid argument")
	if !b.there(a) {
		t.Error("the old address is gone")
	}
}

// halfway does the delete of a replacement and fails its add.
type halfway struct{ *Fake }

func (h *halfway) Apply(ops []Op, done func(Op, error)) error {
	for _, op := range ops {
		if op.Kind != OpReplace {
			if err := h.Fake.Apply([]Op{op}, done); err != nil {
				return err
			}
			continue
		}
		h.Take(op.Old.Key())
		done(op, errors.New(op.String()+": "+unix.EINVAL.Error()))
	}
	return nil
}

func TestSuperseded(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	list := many(5*batchOps, true)
	asked := 0
	b.r.opt.Superseded = func() bool { asked++; return asked == 3 }
	if err := b.r.Sync(0, list); !errors.Is(err, ErrSuperseded) {
		t.Fatalf("Sync = %v", err)
	}
	if got := len(b.f.addrs); got != 2*batchOps {
		t.Errorf("%d addresses when superseded, want %d", got, 2*batchOps)
	}
	b.sync()
	if len(b.f.addrs) != 0 {
		t.Errorf("%d addresses left", len(b.f.addrs))
	}
	if got := len(b.log); got != 4*batchOps+3*batchOps {
		t.Errorf("%d results", got) // each desired one is reported as removed
	}
}

func TestResyncFindsWhatNoEventTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	a := addr("192.0.2.10/24")
	b.sync(a)
	b.f.Take(a.Key())
	b.f.Events()
	if err := b.r.HandleEvent(0, Event{Kind: EventResync}); err != nil {
		t.Fatal(err)
	}
	b.f.Take(a.Key())
	b.f.AddLink("vip1")
	b.f.Events()
	if err := b.r.Resync(0); err != nil {
		t.Fatal(err)
	}
	b.expect("installed 192.0.2.10/24 dev vip0", "installed 192.0.2.10/24 dev vip0 (repaired)", "installed 192.0.2.10/24 dev vip0 (repaired)")
	if _, known := b.r.links.named("vip1"); !known {
		t.Error("links were not read again")
	}
}

func TestWithoutMarks(t *testing.T) {
	t.Parallel()
	f := NewFake("vip0")
	f.NoMarks = true
	b := newBench(t, f)
	a, admin := addr("192.0.2.10/24"), addr("192.0.2.11/24")
	b.r.SetOwned(func(in Installed) bool { return in.Key() == a.Key() })
	if err := f.Put(admin, 0); err != nil {
		t.Fatal(err)
	}
	b.sync(a)
	b.follow()
	b.take(a)
	b.sync()
	b.expect("installed 192.0.2.10/24 dev vip0", "installed 192.0.2.10/24 dev vip0 (repaired)", "removed 192.0.2.10/24 dev vip0")
	if b.there(a) || !b.there(admin) {
		t.Errorf("have %v", f.addrs)
	}
}

func TestDesiredNonsense(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	b.sync(Addr{Link: "vip0"}, addr("2001:db8::1/64"), addr("2001:db8::1/64"), addr("2001:db8::1/96"))
	if len(b.log) != 3 || !strings.HasPrefix(b.log[0], "failed invalid Prefix") ||
		!strings.Contains(b.log[1], "failed 2001:db8::1/96") || b.log[2] != "installed 2001:db8::1/64 dev vip0" {
		t.Errorf("reported %q", b.log)
	}
}

// broken is a Backend whose socket fails.
type broken struct {
	*Fake
	err error
}

func (k *broken) Addrs() ([]Installed, error) {
	if k.err != nil {
		return nil, k.err
	}
	return k.Fake.Addrs()
}

func TestBackendFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, NewFake("vip0"))
	k := &broken{Fake: b.f, err: unix.ENOBUFS}
	b.r.k = k
	if err := b.r.Sync(0, []Addr{addr("192.0.2.10/24")}); !errors.Is(err, unix.ENOBUFS) {
		t.Fatalf("Sync = %v", err)
	}
	k.err = nil
	b.wait()
	b.expect("installed 192.0.2.10/24 dev vip0")
}

// What was given up gets another chance when its owner says so.
func TestThaw(t *testing.T) {
	t.Parallel()
	f := NewFake("vip0")
	var last Result
	r := NewReconciler(f, Options{Owned: ours, Report: func(r Result) { last = r }})
	a := addr("192.0.2.10/24")
	now := time.Duration(0)
	if err := r.Sync(now, []Addr{a}); err != nil {
		t.Fatal(err)
	}
	for range 2 * takenLimit {
		now += time.Second
		f.Take(a.Key())
		if err := r.HandleEvents(now, f.Events()); err != nil {
			t.Fatal(err)
		}
	}
	if last.Kind != ResultTaken {
		t.Fatalf("%v", last)
	}
	r.Thaw()
	if err := r.Resync(now); err != nil || last.Kind != ResultInstalled {
		t.Errorf("%v, %v", last, err)
	}
}

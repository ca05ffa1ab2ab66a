package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/config"
	"hakeep/internal/netif"
	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// bench is a supervisor that runs in a synctest bubble.
type bench struct {
	*testing.T
	sup    *supervisor
	fakes  *fakeElectors
	cancel context.CancelFunc

	mu       sync.Mutex // guards what follows
	notes    []string
	events   []string // "!" before those that were not replayed
	progress progress
}

// inBubble runs a test with a supervisor in virtual time.
func inBubble(t *testing.T, prepare func(*bench), test func(*bench)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, fakes: &fakeElectors{}}
		b.sup = newSupervisor(slog.New(slog.DiscardHandler), b.fakes)
		b.sup.sinceBoot = func() time.Duration { return time.Hour }
		b.sup.note = func(_ slog.Level, text string) { b.mu.Lock(); b.notes = append(b.notes, text); b.mu.Unlock() }
		b.sup.event = func(ev *wire.Event, replayed bool) {
			mark := "!"
			if replayed {
				mark = ""
			}
			b.mu.Lock()
			b.events = append(b.events, mark+ev.Text)
			b.mu.Unlock()
		}
		b.sup.save = func(p progress) error { b.mu.Lock(); b.progress = p; b.mu.Unlock(); return nil }
		if prepare != nil {
			prepare(b)
		}
		ctx, cancel := context.WithCancel(t.Context())
		b.cancel = cancel
		done := make(chan error, 1)
		go func() { done <- b.sup.run(ctx) }()
		test(b)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("supervisor: %v", err)
		}
		b.fakes.end()
	})
}

// goal is a configuration with instances of these names.
func goal(names ...string) *target {
	t := &target{config: &wire.Config{MainTimeout: 10 * time.Second}, global: config.Global{StartupDelay: 30 * time.Second}}
	for i, name := range names {
		t.config.Instances = append(t.config.Instances, &wire.Instance{
			Params:    vrrp.Params{Name: name, VRID: uint8(i + 1)},
			Addresses: []netif.Addr{{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 10)}), 24), Link: "eth0"}},
		})
	}
	t.config.Digest = digest(t.config)
	t.config.Leftovers = keys(t.config)
	return t
}

func (b *bench) apply(t *target) *wire.Applied {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	a, err := b.sup.apply(ctx, t)
	if err != nil {
		b.Fatal(err)
	}
	return a
}

func (b *bench) noted(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.notes, func(n string) bool { return strings.Contains(n, text) })
}

func (b *bench) said() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.notes)
}

func (b *bench) saved() progress {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.progress
}

func (b *bench) heard() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.events)
}

func TestStartsAndConfigures(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		want := goal("VI_1", "VI_2")
		left := netif.Key{Link: "eth9", Prefix: netip.MustParsePrefix("192.0.2.99/24")}
		want.config.Leftovers = union(want.config.Leftovers, []netif.Key{left})
		a := b.apply(want)
		if a.Digest != want.config.Digest || len(a.Added) != 2 {
			b.Errorf("got %+v", a)
		}
		e := b.fakes.latest()
		if got := e.applied(); len(got) != 1 || got[0].StartupDelay <= 29*time.Second || !slices.Equal(got[0].Leftovers, []netif.Key{left}) {
			b.Errorf("got %+v", got)
		}
		if want.config.StartupDelay != 0 {
			b.Error("the caller's configuration was changed")
		}
		snap, err := b.sup.state(b.Context())
		if err != nil || len(snap.Instances) != 2 {
			b.Errorf("got %+v, %v", snap, err)
		}
		// The same again is not sent; another is, with what is left of the delay.
		b.apply(goal("VI_1", "VI_2"))
		time.Sleep(20 * time.Second)
		b.apply(goal("VI_3"))
		got := e.applied()
		if len(got) != 2 || got[1].StartupDelay > 10*time.Second || got[1].StartupDelay < 9*time.Second {
			b.Errorf("got %d configurations, the last %+v", len(got), got[len(got)-1])
		}
	})
}

func TestAttaches(t *testing.T) {
	running := func(digest string) func(*bench) {
		return func(b *bench) {
			e := b.fakes.add(func(e *fakeElector) { e.digest = digest })
			e.events = []wire.Event{{Seq: 1, Text: "one"}, {Seq: 2, Text: "two"}, {Seq: 3, Text: "three"}}
			b.sup.logged = progress{Elector: e.id, Seq: 2}
		}
	}
	t.Run("same configuration", func(t *testing.T) {
		want := goal("VI_1")
		inBubble(t, running(want.config.Digest), func(b *bench) {
			a := b.apply(want)
			if len(a.Kept) != 1 || len(a.Added) != 0 {
				b.Errorf("got %+v", a)
			}
			e := b.fakes.latest()
			synctest.Wait()
			if err := e.emit(wire.Event{Text: "four"}); err != nil {
				b.Fatal(err)
			}
			synctest.Wait()
			if got, want := b.heard(), []string{"one", "two", "!three", "!four"}; !slices.Equal(got, want) {
				b.Errorf("got events %q, want %q", got, want)
			}
			if b.fakes.count() != 0 || len(e.applied()) != 0 || !b.noted("attached") {
				b.Errorf("started %d, sent %d; %q", b.fakes.count(), len(e.applied()), b.said())
			}
			time.Sleep(2 * lookInterval)
			if want := (progress{Elector: e.id, Seq: 4}); b.saved() != want {
				b.Errorf("saved %+v, want %+v", b.saved(), want)
			}
		})
	})
	t.Run("another configuration", func(t *testing.T) {
		inBubble(t, running("older"), func(b *bench) {
			b.apply(goal("VI_1"))
			got := b.fakes.latest().applied()
			if len(got) != 1 || got[0].StartupDelay != 0 {
				b.Errorf("got %d configurations, %q", len(got), b.said())
			}
		})
	})
	t.Run("new elector with the number of an old one", func(t *testing.T) {
		prepare := func(b *bench) { b.sup.logged = progress{Elector: 100, Seq: 50} }
		inBubble(t, prepare, func(b *bench) {
			b.apply(goal("VI_1"))
			e := b.fakes.latest()
			if err := e.emit(wire.Event{Text: "first"}); err != nil || e.id != 100 {
				b.Fatal(e.id, err)
			}
			synctest.Wait()
			if got := b.heard(); !slices.Equal(got, []string{"!first"}) {
				b.Errorf("got %q", got)
			}
		})
	})
}

func TestReplacesAnotherVersion(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(*fakeElector)
		signals []unix.Signal
	}{
		{"leaves when asked", func(e *fakeElector) {}, nil},
		{"hangs up", func(e *fakeElector) { e.dies = true }, nil},
		{"does not leave", func(e *fakeElector) { e.stuck = true }, []unix.Signal{unix.SIGTERM}},
		{"does not even end", func(e *fakeElector) { e.stuck, e.deaf = true, true }, []unix.Signal{unix.SIGTERM, unix.SIGKILL}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := goal("VI_1")
			prepare := func(b *bench) {
				b.fakes.add(func(e *fakeElector) { e.version, e.digest = wire.Version+1, want.config.Digest; tt.prepare(e) })
			}
			inBubble(t, prepare, func(b *bench) {
				b.apply(want)
				old := b.fakes.all[0]
				if b.fakes.count() != 1 || len(b.fakes.latest().applied()) != 1 || old.stops != 1 || !b.noted("speaks version") {
					b.Errorf("started %d, asked to leave %d times, %q", b.fakes.count(), old.stops, b.said())
				}
				if !slices.Equal(old.signals, tt.signals) || !old.wait(0) {
					b.Errorf("got signals %v, want %v", old.signals, tt.signals)
				}
			})
		})
	}
}

// One that accepts and says nothing, as when all its threads hang.
func TestReplacesOneThatDoesNotGreet(t *testing.T) {
	prepare := func(b *bench) { b.fakes.add(func(e *fakeElector) { e.dumb, e.deaf = true, true }) }
	inBubble(t, prepare, func(b *bench) {
		b.apply(goal("VI_1"))
		if b.fakes.count() != 1 || !b.fakes.all[0].wait(0) {
			b.Errorf("%d starts, %q", b.fakes.count(), b.said())
		}
	})
}

func TestRestartsADeadElector(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		want := goal("VI_1")
		b.apply(want)
		time.Sleep(time.Minute)
		for i := range 3 { // each after a stable while: no delay
			died := time.Now()
			b.fakes.latest().end()
			synctest.Wait()
			if got := b.fakes.count(); got != i+2 {
				b.Fatalf("%d starts, want %d", got, i+2)
			}
			if at := b.fakes.startTimes()[i+1]; at.Sub(died) > 50*time.Millisecond {
				b.Errorf("started %v after the end", at.Sub(died))
			}
			time.Sleep(stableAfter + time.Second)
			if got := b.fakes.latest().applied(); len(got) != 1 || got[0].Digest != want.config.Digest {
				b.Errorf("the new one has %d configurations", len(got))
			}
		}
		if b.sup.starts.Load() != 4 || !b.noted("is gone (fake end)") {
			b.Errorf("%d starts, %q", b.sup.starts.Load(), b.said())
		}
	})
}

func TestBacksOff(t *testing.T) {
	prepare := func(b *bench) { b.fakes.refuse = func() (error, bool) { return nil, true } }
	inBubble(t, prepare, func(b *bench) {
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		defer cancel()
		_, err := b.sup.apply(ctx, goal("VI_1"))
		if err == nil || !strings.Contains(err.Error(), "ended at once") {
			b.Errorf("got %v", err)
		}
		starts := b.fakes.startTimes()
		if n := len(starts); n < 10 || n > 25 {
			b.Errorf("%d starts in a minute", n)
		}
		if gap := starts[1].Sub(starts[0]); gap > 0 {
			b.Errorf("second start after %v, want at once", gap)
		}
		for i := 2; i < len(starts); i++ {
			if gap := starts[i].Sub(starts[i-1]); gap > restartMax+time.Second || gap < restartFirst {
				b.Errorf("start %d after %v", i, gap)
			}
		}
		// When it works again, the configuration is not forgotten.
		b.fakes.mu.Lock()
		b.fakes.refuse = nil
		b.fakes.mu.Unlock()
		time.Sleep(restartMax)
		synctest.Wait()
		if _, err := b.sup.state(b.Context()); err != nil {
			b.Error(err)
		}
	})
}

func TestReplacesAHungElector(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.apply(goal("VI_1"))
		time.Sleep(time.Minute)
		hung := b.fakes.latest()
		hung.lock(func() { hung.hold = make(chan struct{}) })
		began := time.Now()
		<-hung.done
		if took := time.Since(began); took > (askEvery+hungLooks+2)*lookInterval {
			b.Errorf("killed after %v", took)
		}
		if !slices.Equal(hung.signals, []unix.Signal{unix.SIGKILL}) {
			b.Errorf("got signals %v", hung.signals)
		}
		time.Sleep(time.Second)
		if _, err := b.sup.state(b.Context()); err != nil || b.fakes.count() != 2 || !b.noted("does not answer") {
			b.Errorf("%v, %d starts, %q", err, b.fakes.count(), b.said())
		}
	})
}

func TestStateIsNeverOlderThanTheQuestion(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.apply(goal("VI_1"))
		e := b.fakes.latest()
		hold := make(chan struct{})
		e.lock(func() { e.hold = hold })
		numbers := make(chan uint64, 3)
		ask := func() {
			go func() {
				s, err := b.sup.state(b.Context())
				if err != nil {
					b.Error(err)
					s = &wire.Snapshot{}
				}
				numbers <- s.Number
			}()
			synctest.Wait()
		}
		ask() // under way
		ask()
		ask() // both wait for the next
		close(hold)
		got := []uint64{<-numbers, <-numbers, <-numbers}
		slices.Sort(got)
		if !slices.Equal(got, []uint64{1, 2, 2}) {
			b.Errorf("got snapshots %v", got)
		}
	})
}

func TestStateOfALostElector(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.apply(goal("VI_1"))
		e := b.fakes.latest()
		e.lock(func() { e.hold = make(chan struct{}) })
		failed := make(chan error, 1)
		go func() { _, err := b.sup.state(b.Context()); failed <- err }()
		synctest.Wait()
		e.end()
		if err := <-failed; err == nil {
			b.Error("no error")
		}
	})
}

func TestShutdown(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.apply(goal("VI_1"))
		if err := b.sup.shutdown(b.Context()); err != nil {
			b.Error(err)
		}
		e := b.fakes.latest()
		if e.stops != 1 || !e.wait(0) || b.fakes.count() != 1 {
			b.Errorf("asked %d times, %d starts", e.stops, b.fakes.count())
		}
		if _, err := b.sup.state(b.Context()); !errors.Is(err, errStopping) {
			b.Errorf("got %v", err)
		}
	})
}

// What a dead elector has left in the kernel is removed by another one.
func TestShutdownCleansUp(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(*fakeElector)
		before  func(*bench)
	}{
		{"dies while leaving", func(e *fakeElector) { e.dies = e.id == 100 }, nil},
		{"does not leave", func(e *fakeElector) { e.stuck = e.id == 100 }, nil},
		{"just died", func(e *fakeElector) {}, func(b *bench) {
			b.fakes.latest().end() // and dies quickly again: the supervisor waits
			synctest.Wait()
			b.fakes.latest().end()
			synctest.Wait()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			prepare := func(b *bench) { b.fakes.prepare = tt.prepare }
			inBubble(t, prepare, func(b *bench) {
				want := goal("VI_1", "VI_2")
				b.apply(want)
				if tt.before != nil {
					tt.before(b)
				}
				if err := b.sup.shutdown(b.Context()); err != nil {
					b.Error(err)
				}
				last := b.fakes.latest()
				got := last.applied()
				if last.id == 100 || len(got) != 1 || len(got[0].Instances) != 0 || !slices.Equal(got[0].Leftovers, want.config.Leftovers) {
					b.Errorf("elector %d has %+v", last.id, got)
				}
				if last.stops != 1 || !last.wait(0) {
					b.Error("it was not asked to leave")
				}
			})
		})
	}
}

// Without a shutdown the elector is left alone: a new main attaches to it.
func TestEndOfMainLeavesTheElector(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.apply(goal("VI_1"))
		b.cancel()
		synctest.Wait()
		e := b.fakes.latest()
		if e.stops != 0 || len(e.signals) != 0 || e.wait(0) {
			b.Errorf("asked %d times, signals %v", e.stops, e.signals)
		}
	})
}

func TestRestartDelay(t *testing.T) {
	t.Parallel()
	want := []time.Duration{0, restartFirst, 2 * restartFirst, 4 * restartFirst}
	for n, w := range want {
		if got := restartDelay(n); got != w {
			t.Errorf("after %d failures %v, want %v", n, got, w)
		}
	}
	if got := restartDelay(1 << 20); got != restartMax {
		t.Errorf("got %v, want %v", got, restartMax)
	}
}

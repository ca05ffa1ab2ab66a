package firewall

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func TestUnchangedSetAsksNothing(t *testing.T) {
	t.Parallel()
	k := &fakeKernel{}
	f := newFirewall(Options{Table: "hakeep"}, k)
	r := Rules{NoAccept: manyAddrs(20)}
	if err := f.Set(r); err != nil {
		t.Fatal(err)
	}
	reads, applied := k.reads, len(k.applied)
	if err := f.Set(r); err != nil {
		t.Fatal(err)
	}
	if k.reads != reads || len(k.applied) != applied {
		t.Errorf("got %d reads and %d transactions more", k.reads-reads, len(k.applied)-applied)
	}
}

// A table of a former process that is right already is left alone, and a
// leftover that is not wanted is removed.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	r := Rules{NoAccept: addrs("192.0.2.1")}
	left, _ := build(r)
	k := &fakeKernel{t: left}
	if err := newFirewall(Options{Table: "hakeep"}, k).Set(r); err != nil || len(k.applied) != 0 {
		t.Errorf("got %v and %v, want nothing done", err, k.applied)
	}
	if err := newFirewall(Options{Table: "hakeep"}, k).Set(Rules{}); err != nil || k.t != nil {
		t.Errorf("got %v and %v, want no table", err, k.t)
	}
}

func TestNoNftables(t *testing.T) {
	t.Parallel()
	k := &fakeKernel{readErr: unsupported(fmt.Errorf("ask: %w", unix.EOPNOTSUPP))}
	f := newFirewall(Options{Table: "hakeep"}, k)
	if err := f.Set(Rules{}); err != nil {
		t.Errorf("got %v, want nothing wanted and nothing missing", err)
	}
	if err := f.Set(Rules{NoAccept: addrs("192.0.2.1")}); !errors.Is(err, errUnsupported) {
		t.Errorf("got %v, want unsupported", err)
	}
	if f.Stats().Err == nil {
		t.Error("stats tell nothing")
	}
}

// Somebody deletes the table between reading and writing: the transaction
// fails, and the next one does not depend on what was read.
func TestRaceWithAnotherProgram(t *testing.T) {
	t.Parallel()
	k := &fakeKernel{}
	f := newFirewall(Options{Table: "hakeep"}, k)
	if err := f.Set(Rules{NoAccept: addrs("192.0.2.1")}); err != nil {
		t.Fatal(err)
	}
	once := true
	k.applyFn = func() error {
		if once {
			once = false
			k.t = nil
		}
		return nil
	}
	if err := f.Set(Rules{NoAccept: addrs("192.0.2.2")}); err != nil {
		t.Fatal(err)
	}
	if want, _ := build(Rules{NoAccept: addrs("192.0.2.2")}); !k.t.equal(want) {
		t.Errorf("got %+v", k.t)
	}
}

func TestPersistentRefusalIsReportedAndRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKernel{applyFn: func() error { return unix.EPERM }, changes: make(chan change)}
		f := newFirewall(Options{Table: "hakeep"}, k)
		r := Rules{NoAccept: addrs("192.0.2.1")}
		if err := f.Set(r); !errors.Is(err, unix.EPERM) {
			t.Errorf("got %v, want EPERM", err)
		}
		run(t, f)
		k.mu.Lock()
		k.applyFn = nil
		k.mu.Unlock()
		time.Sleep(retryInterval + time.Second)
		synctest.Wait()
		if want, _ := build(r); !k.t.equal(want) || f.Stats().Err != nil {
			t.Errorf("got %+v, %v", k.t, f.Stats().Err)
		}
	})
}

// run runs the firewall until the test ends.
func run(t *testing.T, f *Firewall) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestMeddlingIsRepairedAtOnceAndNotForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKernel{changes: make(chan change)}
		f := newFirewall(Options{Table: "hakeep"}, k)
		r := Rules{NoAccept: addrs("192.0.2.1", "2001:db8::1")}
		if err := f.Set(r); err != nil {
			t.Fatal(err)
		}
		run(t, f)
		want, _ := build(r)
		meddlings := []func(*table) *table{
			func(*table) *table { return nil },
			func(t *table) *table { t.foreign = "rule"; return t },
			func(t *table) *table { delete(t.chains, "input"); return t },
			func(t *table) *table { clear(t.sets["no_accept4"].elems); return t },
			func(t *table) *table { t.chains["output"].tags = nil; return t },
		}
		const settled = 70 * time.Millisecond // all pauses of readSettled
		for i := range repairBurst {
			k.changes <- k.meddle(meddlings[i%len(meddlings)])
			time.Sleep(settled)
			synctest.Wait()
			if !k.t.equal(want) {
				t.Fatalf("meddling %d was not repaired: %+v", i, k.t)
			}
		}
		// A fight: one repair a second from here on.
		before := f.Stats().Restored
		for range 50 {
			k.changes <- k.meddle(meddlings[0])
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if n := f.Stats().Restored - before; n < 4 || n > 6 {
			t.Errorf("got %d repairs in 5 s, want 5", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !k.t.equal(want) {
			t.Error("the table is not back after the fight")
		}
	})
}

func TestEventsOfOwnTransactionsCostNoRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKernel{changes: make(chan change)}
		f := newFirewall(Options{Table: "hakeep"}, k)
		if err := f.Set(Rules{NoAccept: addrs("192.0.2.1")}); err != nil {
			t.Fatal(err)
		}
		run(t, f)
		reads := k.reads
		k.changes <- change{gen: k.gen}
		synctest.Wait()
		time.Sleep(5 * resyncInterval)
		synctest.Wait()
		if k.reads != reads {
			t.Errorf("got %d reads more", k.reads-reads)
		}
		// A lost event is found at the next look.
		k.meddle(func(*table) *table { return nil })
		time.Sleep(resyncInterval + time.Second)
		synctest.Wait()
		if k.t == nil {
			t.Error("a missed deletion was not repaired")
		}
		k.meddle(func(*table) *table { return nil })
		k.changes <- change{lost: true}
		synctest.Wait()
		if k.t == nil {
			t.Error("lost events were not followed by a look")
		}
	})
}

// The kernel leaves elements out of a dump while it enlarges a set. That is
// neither a failure nor a reason to write again.
func TestLossyDump(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKernel{changes: make(chan change)}
		f := newFirewall(Options{Table: "hakeep"}, k)
		k.lossy = 4 // the first read finds no table at all
		if err := f.Set(Rules{NoAccept: manyAddrs(100)}); err != nil || len(k.applied) != 1 {
			t.Errorf("got %v and %d transactions, want one", err, len(k.applied))
		}
		run(t, f)
		k.mu.Lock()
		k.lossy = 3
		k.mu.Unlock()
		k.changes <- k.meddle(func(t *table) *table { return t })
		time.Sleep(time.Second)
		synctest.Wait()
		if len(k.applied) != 1 || f.Stats().Restored != 0 {
			t.Errorf("got %d transactions, %d repairs", len(k.applied), f.Stats().Restored)
		}
		// Elements that are really gone come back in time.
		k.changes <- k.meddle(func(t *table) *table { clear(t.sets["no_accept6"].elems); return t })
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if want, _ := build(Rules{NoAccept: manyAddrs(100)}); !k.t.equal(want) || f.Stats().Restored != 1 {
			t.Errorf("got %d repairs within 100 ms", f.Stats().Restored)
		}
	})
}

// Without rules a table of our name is somebody else's affair.
func TestNothingWantedNothingKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKernel{changes: make(chan change)}
		f := newFirewall(Options{Table: "hakeep"}, k)
		if err := f.Set(Rules{}); err != nil {
			t.Fatal(err)
		}
		run(t, f)
		other, _ := build(Rules{NoAccept: addrs("192.0.2.1")})
		k.changes <- k.meddle(func(*table) *table { return other })
		time.Sleep(3 * resyncInterval)
		synctest.Wait()
		if k.t == nil {
			t.Error("removed a table that it does not keep")
		}
	})
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	l := limiter{burst: 3, interval: time.Second}
	steps := []struct {
		now, want time.Duration
	}{
		{10 * time.Second, 0},
		{10 * time.Second, 0},
		{10 * time.Second, 0},
		{10 * time.Second, time.Second},
		{10*time.Second + 400*time.Millisecond, 600 * time.Millisecond},
		{11 * time.Second, 0},
		{11 * time.Second, time.Second},
		{20 * time.Second, 0},
		{20 * time.Second, 0},
		{20 * time.Second, 0},
		{20 * time.Second, time.Second},
	}
	for i, s := range steps {
		if got := l.take(s.now); got != s.want {
			t.Errorf("step %d: got %v, want %v", i, got, s.want)
		}
	}
}

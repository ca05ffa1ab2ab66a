package checks

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// scripted is a target whose attempts a function answers.
type scripted struct{ answer func(context.Context) Result }

func (s *scripted) Checker(*Pinger) (Checker, error) { return s, nil }

func (s *scripted) Check(ctx context.Context) Result { return s.answer(ctx) }

// events runs a runner with one check in virtual time and collects what it tells.
func events(t *testing.T, p Policy, answer func(context.Context) Result) (r *Runner, told func(want ...string)) {
	t.Helper()
	var mu sync.Mutex
	var lines []string
	r = NewRunner(Options{Changed: func(ev Event) {
		mu.Lock()
		defer mu.Unlock()
		weight := "-"
		if ev.Result.Weight != nil {
			weight = fmt.Sprint(*ev.Result.Weight)
		}
		lines = append(lines, fmt.Sprintf("up=%v changed=%v weight=%s add=%d", ev.Up, ev.Changed, weight, ev.Result.Add))
	}})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	if err := r.Apply([]Spec{{Name: "x", Target: &scripted{answer}, Policy: p}}); err != nil {
		t.Fatal(err)
	}
	return r, func(want ...string) {
		t.Helper()
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(lines, want) {
			t.Errorf("told\n  %s\nwant\n  %s", strings.Join(lines, "\n  "), strings.Join(want, "\n  "))
		}
		lines = nil
	}
}

func TestWeights(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		results := make(chan Result, 10)
		last := Result{OK: true}
		_, told := events(t, Policy{Interval: time.Second, Fall: 2, RetryDelay: time.Second, Start: StartUp}, func(context.Context) Result {
			select {
			case last = <-results:
			default:
			}
			return last
		})
		weight := func(n int) *int { return &n }
		next := func(res Result) {
			results <- res
			time.Sleep(time.Second) // virtual
		}
		told()
		next(Result{OK: true, Weight: weight(10)})
		told("up=true changed=false weight=10 add=0")
		next(Result{OK: true, Weight: weight(10)})
		told() // the same
		next(Result{OK: true})
		told("up=true changed=false weight=- add=0") // the configured one again
		next(Result{OK: true, Weight: weight(10), Add: -3})
		told("up=true changed=false weight=10 add=-3")
		next(Result{Weight: weight(99)})
		told() // a failure that does not count yet, and says nothing of weights
		next(Result{})
		told("up=false changed=true weight=- add=0")
		next(Result{OK: true, Weight: weight(20), Add: -3})
		told("up=true changed=true weight=20 add=-3")
	})
}

func TestTellFailures(t *testing.T) {
	t.Parallel()
	for _, tell := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			_, told := events(t, Policy{Interval: time.Second, Fall: 3, RetryDelay: time.Second, Rise: 1, Start: StartUp, TellFailures: tell}, func() func(context.Context) Result {
				n := 0
				return func(context.Context) Result { n++; return Result{OK: n == 1} }
			}())
			time.Sleep(4500 * time.Millisecond) // virtual: attempts at 0, 1, 2, 3, 4
			want := []string{"up=false changed=true weight=- add=0"}
			if tell {
				once := "up=true changed=false weight=- add=0"
				want = []string{once, once, want[0], "up=false changed=false weight=- add=0"}
			}
			told(want...)
		})
	}
}

// TestHurry: an attempt at once; one that is going on is followed by another.
func TestHurry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		var takes atomic.Int64
		r, _ := events(t, Policy{Interval: time.Minute}, func(context.Context) Result {
			n.Add(1)
			time.Sleep(time.Duration(takes.Load())) // virtual
			return Result{OK: true}
		})
		count := func(want int32) {
			t.Helper()
			synctest.Wait()
			if got := n.Load(); got != want {
				t.Errorf("%d attempts, want %d", got, want)
			}
		}
		count(1)
		takes.Store(int64(time.Second))
		r.Hurry("x")
		count(2)
		r.Hurry("x") // while it goes on
		count(2)
		time.Sleep(time.Second) // virtual
		count(3)
		time.Sleep(10 * time.Second) // virtual
		count(3)
		r.Hurry("unknown")
		time.Sleep(time.Minute) // virtual
		count(4)
	})
}

// TestPaused: no attempts, and the outcome stays.
func TestPaused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		target := &scripted{func(context.Context) Result { return Result{OK: n.Add(1) > 1} }}
		r, told := events(t, Policy{Interval: time.Second, Start: StartUp}, target.answer)
		told("up=false changed=true weight=- add=0")
		spec := Spec{Name: "x", Target: r.items["x"].spec.Target, Policy: Policy{Interval: time.Second, Start: StartUp}, Paused: true}
		apply := func() {
			if err := r.Apply([]Spec{spec}); err != nil {
				t.Fatal(err)
			}
		}
		apply()
		time.Sleep(10 * time.Second) // virtual
		told()
		if got := r.Snapshot()[0]; n.Load() != 1 || got.Up || !got.Known {
			t.Errorf("paused after %d attempts as %+v", n.Load(), got)
		}
		spec.Paused = false
		apply()
		told("up=true changed=true weight=- add=0")
	})
}

// several steps: the limit of an attempt is that of all.
type threeSteps struct{ scripted }

func (s *threeSteps) Checker(*Pinger) (Checker, error) { return s, nil }
func (s *threeSteps) Steps() int                       { return 3 }

func TestSteps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var limit atomic.Int64
		r, _ := events(t, Policy{Interval: time.Minute}, func(context.Context) Result { return Result{OK: true} })
		target := &threeSteps{scripted{func(ctx context.Context) Result {
			end, _ := ctx.Deadline()
			limit.Store(int64(time.Until(end)))
			return Result{OK: true}
		}}}
		if err := r.Apply([]Spec{{Name: "y", Target: target, Policy: Policy{Interval: time.Minute, Timeout: time.Second}}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := time.Duration(limit.Load()); got != 3*time.Second {
			t.Errorf("limit %v", got)
		}
	})
}

// TestOwnFault: a host without descriptors finds nobody else dead.
func TestOwnFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fault := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
		r, told := events(t, Policy{Interval: time.Second, Start: StartUp}, func(context.Context) Result { return Result{Err: fault} })
		time.Sleep(3500 * time.Millisecond) // virtual
		told()
		if s := r.Snapshot()[0]; !s.Up || s.Runs != 4 || !strings.Contains(s.Result, "too many open files") {
			t.Errorf("got %+v", s)
		}
	})
}

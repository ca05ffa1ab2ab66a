package checks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fake is a target whose attempts are a function of the world.
type fake struct {
	world *world
	Name  string
	Rev   int // another number is another target
}

func (f fake) Checker(*Pinger) (Checker, error) {
	if f.Name == "wrong" {
		return nil, errors.New("no address")
	}
	return f, nil
}

func (f fake) Check(ctx context.Context) Result { return f.world.check(ctx, f.Name) }

// world is a runner on virtual time.
type world struct {
	t     *testing.T
	r     *Runner
	begin time.Time

	mu      sync.Mutex
	down    map[string]bool
	takes   map[string]time.Duration
	starts  map[string][]time.Duration
	stuck   map[string]time.Duration // how long the limit is overstepped
	running int
	most    int
	lines   []string
}

// newWorld begins inside a synctest bubble, and ends with it.
func newWorld(t *testing.T, limit int) *world {
	t.Helper()
	w := &world{t: t, begin: time.Now(), down: map[string]bool{}, takes: map[string]time.Duration{}, starts: map[string][]time.Duration{}}
	w.r = NewRunner(Options{Limit: limit, Changed: func(ev Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.lines = append(w.lines, fmt.Sprintf("%v %s up=%v %s", time.Since(w.begin), ev.Name, ev.Up, ev.Result))
	}})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return w
}

func (w *world) check(ctx context.Context, name string) Result {
	w.mu.Lock()
	w.starts[name] = append(w.starts[name], time.Since(w.begin))
	w.running++
	w.most = max(w.most, w.running)
	takes, stuck := w.takes[name], w.stuck[name]
	w.mu.Unlock()
	var err error
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		err = ctx.Err()
		time.Sleep(stuck) // virtual
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	if err != nil {
		return Result{Err: err}
	}
	if w.down[name] {
		return Result{Detail: "refused"}
	}
	return Result{OK: true, Detail: "fine"}
}

func (w *world) set(name string, down bool, takes time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down[name], w.takes[name] = down, takes
}

func (w *world) spec(name string, change ...func(*Spec)) Spec {
	s := Spec{Name: name, Target: fake{world: w, Name: name}, Policy: Policy{Interval: time.Second}}
	for _, fn := range change {
		fn(&s)
	}
	return s
}

func (w *world) apply(specs ...Spec) {
	w.t.Helper()
	if err := w.r.Apply(specs); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

// at goes on to a time since the beginning.
func (w *world) at(d time.Duration) {
	time.Sleep(time.Until(w.begin.Add(d))) // virtual
	synctest.Wait()
}

func (w *world) told(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.lines)
	if !slices.Equal(w.lines, want) {
		w.t.Errorf("told\n  %s\nwant\n  %s", strings.Join(w.lines, "\n  "), strings.Join(want, "\n  "))
	}
	w.lines = nil
}

func (w *world) count(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.starts[name])
}

func TestRunner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		w.set("b", true, 100*time.Millisecond)
		w.apply(w.spec("a", func(s *Spec) { s.Policy.Fall = 2 }), w.spec("b"))
		w.at(3500 * time.Millisecond)
		w.told("0s a up=true fine", "100ms b up=false refused")
		if a, b := w.starts["a"], w.starts["b"]; !slices.Equal(a, b) || len(a) != 4 || a[3] != 3*time.Second {
			t.Errorf("starts %v and %v", a, b)
		}
		w.set("a", true, 0)
		w.set("b", false, time.Minute) // beyond its time limit
		w.at(7500 * time.Millisecond)
		w.told("5s a up=false refused")
		w.set("b", false, 0)
		w.at(10 * time.Second)
		if len(w.lines) != 1 || !strings.HasSuffix(w.lines[0], "b up=true fine") {
			t.Errorf("told %q", w.lines)
		}
		st := w.r.Snapshot()
		if len(st) != 2 || st[0].Up || !st[1].Up || st[0].Result != "refused" || st[0].Failures == 0 || st[0].Since != w.begin.Add(5*time.Second) {
			t.Errorf("status %+v", st)
		}
	})
}

// TestKeepalivedsTimes: delay_loop, retry and delay_before_retry.
func TestKeepalivedsTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		w.set("a", false, 0)
		w.apply(w.spec("a", func(s *Spec) {
			s.Policy = Policy{Interval: 6 * time.Second, Timeout: 5 * time.Second, Fall: 3, RetryDelay: time.Second, Start: StartUp}
		}))
		w.at(time.Second)
		w.told() // up already
		w.set("a", true, 500*time.Millisecond)
		w.at(20 * time.Second)
		// 6.0–6.5, then 1 s later, and again; afterwards every 6 s.
		w.told("9.5s a up=false refused")
		want := []time.Duration{0, 6 * time.Second, 7500 * time.Millisecond, 9 * time.Second, 15 * time.Second}
		if !slices.Equal(w.starts["a"], want) {
			t.Errorf("starts %v, want %v", w.starts["a"], want)
		}
	})
}

func TestRunnerReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		a, b, c := w.spec("a"), w.spec("b", func(s *Spec) { s.Policy.Interval = time.Hour }), w.spec("c")
		w.apply(a, b, c)
		w.at(500 * time.Millisecond)
		w.told("0s a up=true fine", "0s b up=true fine", "0s c up=true fine")

		w.apply(a, b, c) // the same
		w.at(900 * time.Millisecond)
		if w.count("a") != 1 {
			t.Error("an unchanged check was done again")
		}

		w.set("b", true, 0)
		b.Policy.Interval = time.Second // need not wait for the hour
		w.apply(a, b, c)
		w.at(1950 * time.Millisecond)
		w.told("1.9s b up=false refused")

		// Another target: the outcome stays until the first attempt.
		w.set("a", true, 200*time.Millisecond)
		a.Target = fake{world: w, Name: "a", Rev: 2}
		a.Policy.Fall = 5
		w.apply(a, b, c)
		if st := w.r.Snapshot(); !st[0].Up {
			t.Error("a changed target lost its outcome")
		}
		w.at(2500 * time.Millisecond)
		w.told("2.15s a up=false refused")

		// Removed while an attempt goes on: it does not count.
		w.set("c", true, 400*time.Millisecond)
		w.at(3100 * time.Millisecond)
		w.apply(a, b)
		n := w.count("c")
		w.at(9 * time.Second)
		w.told()
		if w.count("c") != n || len(w.r.Snapshot()) != 2 {
			t.Error("a removed check is still done")
		}
		if err := w.r.Apply([]Spec{w.spec("x"), w.spec("wrong")}); err == nil || !strings.Contains(err.Error(), "check wrong: no address") {
			t.Errorf("error %v", err)
		}
		if err := w.r.Apply([]Spec{w.spec("x"), w.spec("x")}); err == nil {
			t.Error("two checks of one name were accepted")
		}
		if len(w.r.Snapshot()) != 2 {
			t.Error("a refused change was applied")
		}
	})
}

// TestStall: an attempt that ends long after its limit does not count once, as
// after a pause of the machine, and is repeated at once.
func TestStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		stick := func(d time.Duration) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.stuck = map[string]time.Duration{"a": d}
		}
		stick(5 * time.Second)
		w.set("a", false, time.Hour)
		w.apply(w.spec("a", func(s *Spec) { s.Policy.Timeout = 300 * time.Millisecond; s.Policy.Start = StartUp }))
		w.at(4 * time.Second)
		w.set("a", false, 0)
		stick(0)
		w.at(6 * time.Second)
		w.told() // still up
		if !slices.Equal(w.starts["a"], []time.Duration{0, 5300 * time.Millisecond}) {
			t.Errorf("starts %v", w.starts["a"])
		}
		stick(5 * time.Second)
		w.set("a", false, time.Hour)
		w.at(20 * time.Second)
		if len(w.lines) != 1 || !strings.Contains(w.lines[0], "up=false") {
			t.Errorf("twice in a row: told %q", w.lines)
		}
	})
}

// TestLimit: more attempts than allowed wait, and count as late.
func TestLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10)
		var specs []Spec
		for i := range 100 {
			name := fmt.Sprintf("c%02d", i)
			w.set(name, false, 50*time.Millisecond)
			specs = append(specs, w.spec(name))
		}
		w.apply(specs...)
		w.at(10 * time.Second)
		if w.most != 10 {
			t.Errorf("%d at the same time, want 10", w.most)
		}
		var late uint64
		var worst time.Duration
		for _, s := range w.r.Snapshot() {
			late += s.Late
			worst = max(worst, s.Latest)
			if s.Runs < 9 {
				t.Errorf("%s: %d runs in 10 s", s.Name, s.Runs)
			}
		}
		if late == 0 || worst != 450*time.Millisecond {
			t.Errorf("late %d, worst %v", late, worst)
		}
	})
}

// TestThousands: 5,000 checks each second, spread, none late, nothing left
// behind.
func TestThousands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		var specs []Spec
		for i := range 5000 {
			name := fmt.Sprintf("c%04d", i)
			w.set(name, false, 20*time.Millisecond)
			specs = append(specs, w.spec(name, func(s *Spec) { s.Policy.Warmup = time.Second }))
		}
		w.apply(specs...)
		w.at(5*time.Second + 500*time.Millisecond)
		if w.most > 5000/50*3/2 {
			t.Errorf("%d at the same time: starts are not spread", w.most)
		}
		for _, s := range w.r.Snapshot() {
			if s.Runs < 5 || s.Runs > 6 || s.Late != 0 || !s.Up {
				t.Fatalf("status %+v", s)
			}
		}
	})
}

func BenchmarkRunner(b *testing.B) {
	w := &world{begin: time.Now(), down: map[string]bool{}, takes: map[string]time.Duration{}, starts: map[string][]time.Duration{}}
	done := make(chan struct{}, 1)
	var n int
	r := NewRunner(Options{Changed: func(Event) {
		if n++; n == b.N {
			close(done)
		}
	}})
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.Run(ctx) })
	specs := make([]Spec, b.N)
	for i := range specs {
		specs[i] = w.spec(fmt.Sprint(i), func(s *Spec) { s.Policy.Interval = time.Hour })
	}
	b.ResetTimer()
	if err := r.Apply(specs); err != nil {
		b.Fatal(err)
	}
	<-done
	b.StopTimer()
	cancel()
	wg.Wait()
}

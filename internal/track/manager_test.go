package track

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hakeep/internal/script"
)

// bench is a manager on virtual time whose scripts are functions.
type bench struct {
	t         *testing.T
	m         *Manager
	begin     time.Time
	mu        sync.Mutex
	scripts   map[string]func(ctx context.Context, o script.Options) script.Result
	runs      map[string][]time.Duration // starts, by program
	installed bool                       // the program "missing" exists
	lines     []string                   // what Update was called with
}

// newBench begins inside a synctest bubble, and ends with it.
func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{
		t: t, begin: time.Now(), runs: map[string][]time.Duration{},
		scripts: map[string]func(context.Context, script.Options) script.Result{},
	}
	b.m = New(Options{Logger: slog.New(slog.DiscardHandler), Update: func(instance string, weight int, fault, ready bool) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.lines = append(b.lines, fmt.Sprintf("%v %s %+d fault=%v ready=%v", time.Since(b.begin), instance, weight, fault, ready))
	}})
	b.m.resolve = func(c script.Command, _ string, _ bool) (script.Runnable, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if c.Argv[0] == "missing" && !b.installed {
			return script.Runnable{}, errors.New("not found")
		}
		return script.Runnable{Path: c.Argv[0], Argv: c.Argv}, nil
	}
	b.m.run = func(ctx context.Context, r script.Runnable, o script.Options) script.Result {
		b.mu.Lock()
		b.runs[r.Path] = append(b.runs[r.Path], time.Since(b.begin))
		fn := b.scripts[r.Path]
		b.mu.Unlock()
		if fn == nil {
			return script.Result{}
		}
		return fn(ctx, o)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.m.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return b
}

// exits sets what a program does from now on.
func (b *bench) exits(program string, code int) {
	b.does(program, func(context.Context, script.Options) script.Result { return script.Result{ExitCode: code} })
}

func (b *bench) does(program string, fn func(context.Context, script.Options) script.Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.scripts[program] = fn
}

// hangs until the timeout and then for longer.
func (b *bench) hangs(program string, longer time.Duration) {
	b.does(program, func(ctx context.Context, o script.Options) script.Result {
		begin := time.Now()
		select {
		case <-time.After(o.Timeout):
		case <-ctx.Done():
			return script.Result{ExitCode: -1, Err: ctx.Err()}
		}
		o.Expired()
		time.Sleep(longer) // virtual
		return script.Result{ExitCode: -1, TimedOut: true, Duration: time.Since(begin)}
	})
}

func (b *bench) apply(s Specs) {
	b.t.Helper()
	if err := b.m.Apply(s); err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
}

// at goes on to a time since the beginning.
func (b *bench) at(d time.Duration) {
	time.Sleep(time.Until(b.begin.Add(d))) // virtual
	synctest.Wait()
}

// told compares what Update was called with since the last time.
func (b *bench) told(want ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.lines, want) {
		b.t.Errorf("told\n  %s\nwant\n  %s", strings.Join(b.lines, "\n  "), strings.Join(want, "\n  "))
	}
	b.lines = nil
}

func (b *bench) count(program string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.runs[program])
}

func (b *bench) status(id ID) Status {
	b.t.Helper()
	for _, s := range b.m.Snapshot() {
		if s.Kind == id.Kind && s.Name == id.Name {
			return s
		}
	}
	b.t.Fatalf("no status of %s", id)
	return Status{}
}

func chk(name string, change ...func(*Script)) Script {
	s := Script{Name: name, Command: script.Command{Argv: []string{name}}, Interval: time.Second}
	for _, fn := range change {
		fn(&s)
	}
	return s
}

func tracks(name string, refs ...Ref) Instance { return Instance{name, refs} }

func refTo(name string, weight int) Ref { return Ref{ID: ID{KindScript, name}, Weight: weight} }

func one(s Script, weight int) Specs {
	return Specs{Scripts: []Script{s}, Instances: []Instance{tracks("VI", refTo(s.Name, weight))}}
}

func TestFirstResultThenRiseAndFall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.exits("a", 0)
		b.apply(one(chk("a", func(s *Script) { s.Rise, s.Fall = 2, 3 }), -20))
		b.told("0s VI +0 fault=false ready=true")
		b.at(10 * time.Second)
		if n := b.count("a"); n < 10 || n > 11 {
			t.Errorf("%d runs in 10 s", n)
		}
		b.exits("a", 1)
		b.at(12 * time.Second)
		b.told()
		b.at(13 * time.Second)
		if len(b.lines) != 1 || !strings.HasSuffix(b.lines[0], "VI -20 fault=false ready=true") {
			t.Errorf("after three failures: %q", b.lines)
		}
		if s := b.status(ID{KindScript, "a"}); s.State != StateFailed || s.Result != "exit status 1" || s.Failures < 3 || s.ExitCode != 1 || !slices.Equal(s.Instances, []string{"VI"}) {
			t.Errorf("status %+v", s)
		}
		b.lines = nil
		b.exits("a", 0)
		b.at(16*time.Second + 500*time.Millisecond)
		if len(b.lines) != 1 || !strings.HasSuffix(b.lines[0], "VI +0 fault=false ready=true") {
			t.Errorf("after two successes: %q", b.lines)
		}
	})
}

func TestReadyAfterAllWithWeightZero(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		slow := func(d time.Duration, code int) func(context.Context, script.Options) script.Result {
			return func(context.Context, script.Options) script.Result {
				time.Sleep(d) // virtual
				return script.Result{ExitCode: code}
			}
		}
		b.does("a", slow(100*time.Millisecond, 0))
		b.does("b", slow(300*time.Millisecond, 1))
		b.apply(Specs{Scripts: []Script{chk("a"), chk("b"), chk("c")}, Instances: []Instance{
			tracks("VI_1", refTo("a", 0), refTo("b", 0)), tracks("VI_2", refTo("a", 10)), tracks("VI_3"),
		}})
		b.at(900 * time.Millisecond)
		b.told(
			"0s VI_1 +0 fault=false ready=false", "0s VI_2 +0 fault=false ready=true", "0s VI_3 +0 fault=false ready=true",
			"100ms VI_2 +10 fault=false ready=true", "305ms VI_1 +0 fault=true ready=true",
		)
		if b.count("c") != 0 {
			t.Error("a script that nobody tracks was run")
		}
		if got := b.m.Totals()["VI_1"]; got != (Total{Fault: true, Ready: true}) {
			t.Errorf("totals %+v", got)
		}
	})
}

func TestInitFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.apply(one(chk("a", func(s *Script) { s.Rise, s.InitFail = 2, true }), 0))
		b.told("0s VI +0 fault=true ready=true")
		b.at(2 * time.Second)
		if len(b.lines) != 1 || !strings.HasSuffix(b.lines[0], "VI +0 fault=false ready=true") || b.count("a") < 2 {
			t.Errorf("after two successes: %q", b.lines)
		}
	})
}

// TestTimeout: the failure counts when the time is over; the tick that finds the
// run going on is skipped; the run after it starts in time.
func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.hangs("a", 700*time.Millisecond)
		b.apply(one(chk("a", func(s *Script) { s.Timeout = 500 * time.Millisecond }), 0))
		b.at(10 * time.Second)
		b.told("0s VI +0 fault=false ready=false", "500ms VI +0 fault=true ready=true")
		s := b.status(ID{KindScript, "a"})
		if s.Timeouts == 0 || s.Timeouts != s.Failures || s.Runs != s.Timeouts || s.Skipped == 0 || !strings.HasPrefix(s.Result, "timed out after ") {
			t.Errorf("status %+v", s)
		}
		if n := b.count("a"); n < 5 || n > 6 {
			t.Errorf("%d runs in 10 s, each takes 1.2 s and 2 ticks: %v", n, b.runs["a"])
		}
	})
}

// TestStuck: a run that never ends brings the tracker down after fall intervals.
func TestStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.apply(one(chk("a", func(s *Script) { s.Fall = 3 }), 0))
		b.at(10 * time.Second)
		b.lines = nil
		b.hangs("a", time.Hour)
		b.at(13*time.Second + 100*time.Millisecond)
		b.told()
		b.at(15 * time.Second)
		if len(b.lines) != 1 || !strings.HasSuffix(b.lines[0], "fault=true ready=true") {
			t.Errorf("after three intervals: %q", b.lines)
		}
		if b.count("a") > 12 {
			t.Errorf("runs %v", b.runs["a"])
		}
		b.at(2 * time.Hour) // lets the run end
	})
}

func TestUnresolvable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.apply(one(chk("missing", func(s *Script) { s.Interval = 100 * time.Millisecond }), 0))
		b.at(time.Second)
		b.told("0s VI +0 fault=false ready=false", "0s VI +0 fault=true ready=true")
		if s := b.status(ID{KindScript, "missing"}); s.Error != "not found" || s.Result != "not found" || s.Failures == 0 {
			t.Errorf("status %+v", s)
		}
		b.mu.Lock()
		b.installed = true
		b.mu.Unlock()
		b.at(3 * time.Second)
		if len(b.lines) != 1 || b.status(ID{KindScript, "missing"}).Error != "" {
			t.Errorf("installed later: %q", b.lines)
		}
	})
}

// TestReload: what is unchanged keeps its state, its ticks and its run in
// flight; what changed keeps its outcome.
func TestReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.exits("bad", 1)
		cancelled := 0
		b.does("slow", func(ctx context.Context, _ script.Options) script.Result {
			select {
			case <-ctx.Done():
				cancelled++
				return script.Result{Err: ctx.Err()}
			case <-time.After(5 * time.Second):
				return script.Result{}
			}
		})
		slow := chk("slow", func(s *Script) { s.Interval = 10 * time.Second })
		specs := Specs{
			Scripts:   []Script{chk("good"), chk("bad"), slow},
			Instances: []Instance{tracks("VI", refTo("good", 10), refTo("bad", -20), refTo("slow", 0))},
		}
		b.apply(specs)
		b.at(6 * time.Second)
		b.lines = nil
		starts := b.count("good")

		// Nothing changed.
		b.apply(specs)
		b.at(6*time.Second + 50*time.Millisecond)
		if b.count("good") != starts {
			t.Error("an unchanged script was started again")
		}
		b.told()

		// Rise and fall change while a run is going on: nothing restarts.
		b.at(16 * time.Second)
		changed := specs
		changed.Scripts = slices.Clone(specs.Scripts)
		changed.Scripts[2].Fall = 4
		b.apply(changed)
		b.told()
		if cancelled != 0 {
			t.Error("a run in flight was ended by a change of fall")
		}

		// Another command: the outcome stays until its first result.
		changed.Scripts = slices.Clone(changed.Scripts)
		changed.Scripts[1].Command.Argv = []string{"bad", "other"}
		b.does("bad", func(context.Context, script.Options) script.Result {
			time.Sleep(300 * time.Millisecond) // virtual
			return script.Result{}
		})
		now := time.Since(b.begin)
		b.apply(changed)
		b.told()
		b.at(now + 900*time.Millisecond)
		b.told(fmt.Sprintf("%v VI +10 fault=false ready=true", now+300*time.Millisecond))

		// A new tracker and instance: the old instance does not wait, the new one does.
		b.does("new", func(context.Context, script.Options) script.Result {
			time.Sleep(200 * time.Millisecond) // virtual
			return script.Result{ExitCode: 1}
		})
		changed.Scripts = append(changed.Scripts, chk("new"))
		changed.Instances = []Instance{
			tracks("VI", refTo("good", 10), refTo("bad", -20), refTo("slow", 0), refTo("new", 0)),
			tracks("VI_2", refTo("new", 0)),
		}
		now = time.Since(b.begin)
		b.apply(changed)
		b.at(now + 500*time.Millisecond)
		b.told(fmt.Sprintf("%v VI_2 +0 fault=false ready=false", now),
			fmt.Sprintf("%v VI +10 fault=true ready=true", now+200*time.Millisecond),
			fmt.Sprintf("%v VI_2 +0 fault=true ready=true", now+200*time.Millisecond))

		// Everything goes.
		b.apply(Specs{})
		if len(b.m.Snapshot()) != 0 || len(b.m.Totals()) != 0 {
			t.Error("something is left")
		}
		starts = b.count("good")
		b.at(now + 10*time.Second)
		b.told()
		if b.count("good") != starts {
			t.Error("a removed script was run")
		}
	})
}

// TestReloadWhileItTimesOut: the late end of a removed run changes nothing.
func TestReloadWhileItTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.hangs("a", 2*time.Second)
		b.apply(one(chk("a"), 0))
		b.at(1500 * time.Millisecond)
		b.told("0s VI +0 fault=false ready=false", "1s VI +0 fault=true ready=true")
		b.exits("a", 0)
		b.apply(one(chk("a", func(s *Script) { s.Interval = 2 * time.Second }), 0))
		b.at(20 * time.Second)
		b.told("1.5s VI +0 fault=false ready=true")
	})
}

func TestReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		check := ID{KindCheck, "gw"}
		b.apply(Specs{Checks: []Check{{"gw"}}, Instances: []Instance{tracks("VI", Ref{ID: check}, Ref{ID: check, Weight: 5})}})
		b.m.Report("gw", true, "2 of 2 answered")
		b.m.Report("unknown", false, "")
		b.at(time.Second)
		b.m.Report("gw", false, "no answer")
		synctest.Wait()
		if s := b.status(check); s.State != StateFailed || s.Result != "no answer" || s.Since != b.begin.Add(time.Second) {
			t.Errorf("status %+v", s)
		}
		b.told("0s VI +0 fault=false ready=false", "0s VI +5 fault=false ready=true", "1s VI +0 fault=true ready=true")
	})
}

// TestReportBeforeApply: checks may begin before the trackers, and one that no
// instance tracked for a while is remembered as long as it is there.
func TestReportBeforeApply(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		used := []Instance{tracks("VI", Ref{ID: ID{KindCheck, "gw"}})}
		b.m.Report("gw", false, "no answer")
		b.apply(Specs{Checks: []Check{{"gw"}}, Instances: used})
		b.told("0s VI +0 fault=true ready=true")
		b.apply(Specs{Checks: []Check{{"gw"}}, Instances: []Instance{tracks("VI")}})
		b.told("0s VI +0 fault=false ready=true")
		b.apply(Specs{Checks: []Check{{"gw"}}, Instances: used})
		b.told("0s VI +0 fault=true ready=true")
		b.apply(Specs{})
		b.apply(Specs{Checks: []Check{{"gw"}}, Instances: used})
		b.told("0s VI +0 fault=false ready=false")
	})
}

func TestContradictions(t *testing.T) {
	t.Parallel()
	m := New(Options{Logger: slog.New(slog.DiscardHandler)})
	for name, s := range map[string]Specs{
		"script a: twice":                            {Scripts: []Script{chk("a"), chk("a")}},
		"script a: interval or timeout too short":    {Scripts: []Script{chk("a", func(s *Script) { s.Interval = time.Millisecond })}},
		"file f: path is not absolute":               {Files: []File{{Name: "f", Path: "x"}}},
		"process p: no program":                      {Processes: []Process{{Name: "p"}}},
		"instance VI: twice":                         {Instances: []Instance{tracks("VI"), tracks("VI")}},
		"VI tracks script a, which does not exist":   {Instances: []Instance{tracks("VI", refTo("a", 1))}},
		"VI tracks check gw, which does not exist":   {Instances: []Instance{tracks("VI", Ref{ID: ID{KindCheck, "gw"}})}},
		"instance VI tracks Kind(9) x, which does n": {Instances: []Instance{tracks("VI", Ref{ID: ID{9, "x"}})}},
	} {
		if err := m.Apply(s); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want %q", err, name)
		}
	}
}

// TestRunEndsWithItsScripts: Run returns when the last script has ended.
func TestRunEndsWithItsScripts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := New(Options{Logger: slog.New(slog.DiscardHandler), Update: func(string, int, bool, bool) {}})
		m.resolve = func(script.Command, string, bool) (script.Runnable, error) { return script.Runnable{}, nil }
		m.run = func(ctx context.Context, _ script.Runnable, _ script.Options) script.Result {
			<-ctx.Done()
			time.Sleep(time.Second) // virtual: it takes its time to end
			return script.Result{Err: ctx.Err()}
		}
		if err := m.Apply(one(chk("a"), 0)); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := m.Run(ctx); err != nil || time.Since(begin) != time.Minute+time.Second {
			t.Errorf("ended after %v with %v", time.Since(begin), err)
		}
	})
}

package track

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/script"
)

// real runs a manager of real scripts, files and processes.
type real struct {
	t    testing.TB
	m    *Manager
	mu   sync.Mutex
	last map[string]Total
	log  strings.Builder
}

func newReal(t testing.TB) *real {
	t.Helper()
	r := &real{t: t, last: map[string]Total{}}
	r.m = New(Options{Logger: slog.New(slog.NewTextHandler(&r.log, nil)), Update: func(instance string, weight int, fault, ready bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.last[instance] = Total{weight, fault, ready}
	}})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.m.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return r
}

func (r *real) wants(instance string, want Total) {
	r.t.Helper()
	t, ok := r.t.(*testing.T)
	if !ok {
		return
	}
	eventually(t, 10*time.Second, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if got := r.last[instance]; got != want {
			return fmt.Errorf("%s: %+v, want %+v", instance, got, want)
		}
		return nil
	})
}

// sh writes a shell script and returns the command that runs it as the user of
// the test.
func sh(t testing.TB, text string) script.Command {
	t.Helper()
	path := filepath.Join(t.TempDir(), "check.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return script.Command{Argv: []string{path}, User: fmt.Sprint(os.Geteuid())}
}

// TestEverythingTogether: one instance that tracks one of each, for real.
func TestEverythingTogether(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	dir := t.TempDir()
	path, name := program(t)
	flag := filepath.Join(dir, "flag")
	put(t, flag, "")
	specs := Specs{
		Scripts: []Script{
			{Name: "s", Command: sh(t, "test -e "+flag+" || { echo 'no flag' >&2; exit 3; }"), Interval: 50 * time.Millisecond, Timeout: time.Minute, Fall: 2},
			{Name: "hang", Command: sh(t, "trap '' TERM; while :; do sleep 1; done"), Interval: 200 * time.Millisecond},
			{Name: "nobody", Command: script.Command{Argv: []string{"/bin/true"}, User: "no-such-user"}, Interval: 100 * time.Millisecond},
		},
		Files:     []File{{Name: "f", Path: filepath.Join(dir, "f"), Init: &InitFile{Value: -5}}},
		Processes: []Process{{Name: "p", Argv: []string{name}}},
		Checks:    []Check{{Name: "gw"}},
		Instances: []Instance{
			tracks("VI", refTo("s", 0), Ref{ID: ID{KindFile, "f"}, Weight: 2}, Ref{ID: ID{KindProcess, "p"}, Weight: 100}, Ref{ID: ID{KindCheck, "gw"}, Weight: -1000}),
			tracks("HANG", refTo("hang", 0)), tracks("NOBODY", refTo("nobody", 0)),
		},
	}
	must(t, r.m.Apply(specs))
	r.wants("VI", Total{Weight: -10, Ready: true})
	r.wants("HANG", Total{Fault: true, Ready: true})
	r.wants("NOBODY", Total{Fault: true, Ready: true})
	p := sleeper(t, path, "1000")
	r.m.Report("gw", false, "no answer")
	r.wants("VI", Total{Weight: -10 + 100 - 1000, Ready: true})
	put(t, filepath.Join(dir, "f"), "3\n")
	r.wants("VI", Total{Weight: 6 + 100 - 1000, Ready: true})
	must(t, os.Remove(flag))
	r.wants("VI", Total{Weight: 6 + 100 - 1000, Fault: true, Ready: true})
	must(t, p.Process.Kill())
	r.wants("VI", Total{Weight: 6 - 1000, Fault: true, Ready: true})
	list := r.m.Snapshot()
	if i := slices.IndexFunc(list, func(s Status) bool { return s.Name == "s" }); list[i].ExitCode != 3 || list[i].Stderr != "no flag" || list[i].Result != "exit status 3" || list[i].Duration <= 0 {
		t.Errorf("status %+v", list[i])
	}
	if i := slices.IndexFunc(list, func(s Status) bool { return s.Name == "nobody" }); !strings.Contains(list[i].Error, "user no-such-user does not exist") {
		t.Errorf("status %+v", list[i])
	}
	// Reloads in the midst of it all change nothing.
	for range 20 {
		must(t, r.m.Apply(specs))
	}
	r.wants("VI", Total{Weight: 6 - 1000, Fault: true, Ready: true})
}

// BenchmarkTwoHundredScripts runs 200 scripts at an interval of 1 s and says
// what a second of that costs.
func BenchmarkTwoHundredScripts(b *testing.B) {
	r := newReal(b)
	r.m.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	cmd := sh(b, "exit 0")
	var specs Specs
	var in Instance
	for i := range 200 {
		s := Script{Name: fmt.Sprintf("s%03d", i), Command: cmd, Interval: time.Second}
		specs.Scripts = append(specs.Scripts, s)
		in.Track = append(in.Track, refTo(s.Name, 1))
	}
	specs.Instances = []Instance{in}
	if err := r.m.Apply(specs); err != nil {
		b.Fatal(err)
	}
	usage := func(who int) time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	<-time.After(2 * time.Second) // the start
	self, children, begin := usage(unix.RUSAGE_SELF), usage(unix.RUSAGE_CHILDREN), time.Now()
	for range b.N {
		<-time.After(time.Second)
	}
	took := time.Since(begin).Seconds()
	b.ReportMetric((usage(unix.RUSAGE_SELF)-self).Seconds()/took*100, "own-%cpu")
	b.ReportMetric((usage(unix.RUSAGE_CHILDREN)-children).Seconds()/took*100, "scripts-%cpu")
	var runs, skipped, failed uint64
	for _, s := range r.m.Snapshot() {
		runs, skipped, failed = runs+s.Runs, skipped+s.Skipped, failed+s.Failures
	}
	b.ReportMetric(float64(skipped), "skipped")
	b.ReportMetric(float64(failed), "failed")
	b.ReportMetric(float64(runs), "runs")
}

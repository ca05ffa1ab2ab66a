package notify

import (
	"context"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"hakeep/internal/script"
)

func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// logBuffer collects what is logged.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// fakeRunner records what runs; each command takes the time of its first
// argument that is a duration, and fails when an argument is "fail".
type fakeRunner struct {
	mu      sync.Mutex
	calls   []string
	active  map[string]int
	overlap []string
}

func (f *fakeRunner) run(ctx context.Context, c script.Command, _ Policy, timeout time.Duration) script.Result {
	begin := time.Now()
	line := c.String()
	f.mu.Lock()
	f.calls = append(f.calls, line)
	if f.active == nil {
		f.active = map[string]int{}
	}
	if f.active[c.Argv[0]]++; f.active[c.Argv[0]] > 1 {
		f.overlap = append(f.overlap, line)
	}
	f.mu.Unlock()
	res := script.Result{Started: begin}
	take := time.Duration(0)
	for _, a := range c.Argv {
		if d, err := time.ParseDuration(a); err == nil {
			take = d
		}
		if a == "fail" {
			res.ExitCode = 1
			res.Stderr = "it broke"
		}
	}
	var limit <-chan time.Time
	if timeout > 0 {
		limit = time.After(timeout)
	}
	select {
	case <-time.After(take):
	case <-limit:
		res.TimedOut, res.ExitCode = true, -1
	case <-ctx.Done():
		res.Err, res.ExitCode = context.Cause(ctx), -1
	}
	f.mu.Lock()
	f.active[c.Argv[0]]--
	f.mu.Unlock()
	res.Duration = time.Since(begin)
	return res
}

func (f *fakeRunner) list() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

// noMail is a sender that is never used.
type noMail struct{}

func (noMail) send(context.Context, Mail, *message, []string) sent { return sent{taken: true} }

func command(argv ...string) Command {
	return Command{Command: script.Command{Argv: argv}}
}

func inst(name string) Target { return Target{Instance, name} }
func grp(name string) Target  { return Target{Group, name} }

// started is a Manager that runs until the test ends.
func started(t *testing.T, m *Manager) *Manager {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return m
}

// noLeaks fails the test when goroutines are left at its end. Such a test is not
// parallel.
func noLeaks(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		var now int
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
			if now = runtime.NumGoroutine(); now <= before {
				return
			}
			<-time.After(5 * time.Millisecond)
		}
		buf := make([]byte, 1<<16)
		t.Errorf("goroutines: %d before, %d after\n%s", before, now, buf[:runtime.Stack(buf, true)])
	})
}

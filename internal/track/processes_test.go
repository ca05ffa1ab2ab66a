package track

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/nstest"
)

// counts is what a watcher of processes reports.
type counts struct {
	mu     sync.Mutex
	count  map[string]int
	ok     map[string]bool
	source string
}

func (c *counts) report(p Process, count int, ok bool, source string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count[p.Name], c.ok[p.Name], c.source = count, ok, source
}

func (c *counts) wants(t *testing.T, name string, count int, ok bool, within time.Duration) {
	t.Helper()
	eventually(t, within, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if n, have := c.count[name]; !have || n != count || c.ok[name] != ok {
			return fmt.Errorf("%s: %d processes (ok %v), want %d (%v); by %s", name, n, c.ok[name], count, ok, c.source)
		}
		return nil
	})
}

// watchProcesses runs a watcher until the test ends, with or without events.
func watchProcesses(t *testing.T, events bool, want ...Process) (*procWatcher, *counts) {
	t.Helper()
	c := &counts{count: map[string]int{}, ok: map[string]bool{}}
	w := newProcWatcher(slog.New(slog.DiscardHandler), c.report)
	if !events {
		w.open = func() (*connector, error) { return nil, errors.New("refused") }
	}
	w.set(want)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return w, c
}

// sleeper starts a process with a name of its own.
func sleeper(t *testing.T, path string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		_ = cmd.Wait()
	})
	return cmd
}

// program gives sleep a name that no other process has.
func program(t *testing.T) (path, name string) {
	t.Helper()
	name = fmt.Sprintf("hk%d%s", os.Getpid(), strings.ToLower(t.Name()[len(t.Name())-4:]))
	path = filepath.Join(t.TempDir(), name)
	must(t, os.Symlink("/bin/sleep", path))
	return path, name
}

func TestProcessesByEvents(t *testing.T) {
	t.Parallel()
	if c, err := openConnector(); err != nil {
		if os.Getenv("HAKEEP_E2E") == "strict" {
			t.Fatal(err)
		}
		t.Skip(err)
	} else {
		c.close()
	}
	testProcesses(t, true, scanSlow/5)
}

func TestProcessesByScan(t *testing.T) {
	t.Parallel()
	testProcesses(t, false, 10*scanFast)
}

// TestEndByPidfd: without events, the end of a process is seen at once.
func TestEndByPidfd(t *testing.T) {
	t.Parallel()
	path, name := program(t)
	first := sleeper(t, path, "1000")
	w, c := watchProcesses(t, false)
	w.fast = time.Hour
	w.set([]Process{{Name: "x", Argv: []string{name}}})
	c.wants(t, "x", 1, true, 5*time.Second)
	_ = first.Process.Kill()
	c.wants(t, "x", 0, false, 5*time.Second)
}

func testProcesses(t *testing.T, events bool, soon time.Duration) {
	path, name := program(t)
	first := sleeper(t, path, "1000")
	w, c := watchProcesses(t, events,
		Process{Name: "one", Argv: []string{name}},
		Process{Name: "two", Argv: []string{name}, Quorum: 2, QuorumMax: 2},
		Process{Name: "args", Argv: []string{name, "10"}, Match: MatchInitial},
		Process{Name: "full", Argv: []string{path, "1001"}, FullCommand: true},
		Process{Name: "late", Argv: []string{name}, Quorum: 3, ForkDelay: 300 * time.Millisecond},
	)
	c.wants(t, "one", 1, true, 5*time.Second)
	c.wants(t, "two", 1, false, soon)
	c.wants(t, "args", 1, true, soon)
	c.wants(t, "full", 0, false, soon)
	c.mu.Lock()
	if strings.HasPrefix(c.source, "process events") != events {
		t.Errorf("source %q, want events: %v", c.source, events)
	}
	c.mu.Unlock()
	second := sleeper(t, path, "1001")
	c.wants(t, "one", 2, true, soon)
	c.wants(t, "two", 2, true, soon)
	c.wants(t, "args", 2, true, soon)
	c.wants(t, "full", 1, true, soon)
	// By a fork and an exec of a shell.
	third := sleeper(t, "/bin/sh", "-c", path+" 2000; exit 1")
	c.wants(t, "two", 3, false, soon)
	c.wants(t, "args", 2, true, soon)
	c.wants(t, "late", 3, true, soon+time.Second)

	_ = second.Process.Kill() // a zombie now, which does not count
	c.wants(t, "one", 2, true, soon)
	c.wants(t, "full", 0, false, soon)
	w.set([]Process{{Name: "new", Argv: []string{name}}})
	c.wants(t, "new", 2, true, soon)
	_ = first.Process.Kill()
	c.wants(t, "new", 1, true, soon)
	w.set(nil)
	w.set([]Process{{Name: "again", Argv: []string{name}}})
	c.wants(t, "again", 1, true, soon)
	must(t, unix.Kill(-third.Process.Pid, unix.SIGKILL)) // with the shell's child
	c.wants(t, "again", 0, false, soon)
}

// TestNoAnswer: where the kernel takes the subscription and sends nothing, all
// processes are looked at instead.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	path, name := program(t)
	w, c := watchProcesses(t, true)
	w.open = func() (*connector, error) {
		// A socket that nothing ever comes to.
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
		return &connector{fd: fd, buf: make([]byte, 64)}, err
	}
	w.set([]Process{{Name: "x", Argv: []string{name}}})
	sleeper(t, path, "1000")
	c.wants(t, "x", 1, true, proofTime+10*scanFast)
	eventually(t, proofTime+10*scanFast, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !strings.Contains(c.source, "sends none in this namespace") {
			return fmt.Errorf("source %q", c.source)
		}
		return nil
	})
}

// TestConnectorInNamespace: the kernel refuses process events outside the initial
// network namespace.
func TestConnectorInNamespace(t *testing.T) {
	t.Parallel()
	ns := nstest.New(t)
	if err := ns.Do(func() error {
		c, err := openConnector()
		if err == nil {
			c.close()
		}
		return err
	}); err == nil {
		t.Error("no error: the way without events is not needed any more")
	}
}

// TestManyForks: a storm of processes is followed, lost events or not.
func TestManyForks(t *testing.T) {
	t.Parallel()
	path, name := program(t)
	_, c := watchProcesses(t, true, Process{Name: "x", Argv: []string{name}})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				if err := exec.Command(path, "0.001").Run(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	c.wants(t, "x", 0, false, 5*time.Second)
	sleeper(t, path, "1000")
	c.wants(t, "x", 1, true, 5*time.Second)
}

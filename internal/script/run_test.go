package script

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestRun runs scripts that behave in all the ways that scripts behave in.
func TestRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		timeout    time.Duration
		ok         bool
		says       string // of Result.String
		stderr     string
		within     time.Duration
	}{
		{name: "fine", text: "exit 0", ok: true, says: "exit status 0"},
		{name: "exit 1", text: "exit 1", says: "exit status 1"},
		{name: "exit 255", text: "exit 255", says: "exit status 255"},
		{name: "says why", text: "echo 'no route to the back end' >&2; exit 3", says: "exit status 3", stderr: "no route to the back end"},
		{name: "killed", text: "kill -SEGV $$", says: "killed by SIGSEGV"},
		{name: "hangs", text: "sleep 1000", timeout: 50 * time.Millisecond, says: "timed out", within: KillGrace},
		{name: "hangs, ignores TERM", text: "trap '' TERM; while :; do sleep 1; done", timeout: 50 * time.Millisecond, says: "timed out", within: KillGrace + 2*time.Second},
		{name: "ends with 0 at TERM", text: "exec 2>/dev/null; trap 'exit 0' TERM; while :; do sleep 0.01; done", timeout: 50 * time.Millisecond, says: "timed out", within: KillGrace},
		{name: "forks and keeps the pipe", text: "sleep 30 & echo parent done >&2; exit 0", ok: true, says: "exit status 0", stderr: "parent done", within: 2 * time.Second},
		{name: "forks in a session of its own", text: "setsid sleep 30 & exit 4", says: "exit status 4", within: 2 * time.Second},
		{name: "writes much to stdout", text: "head -c 1000000000 /dev/zero; exit 0", ok: true, says: "exit status 0"},
		{name: "reads stdin", text: "cat; exit 5", says: "exit status 5", within: 2 * time.Second},
		{name: "control characters", text: `printf 'a\033[31mb\000\r\n\377c\n' >&2`, ok: true, says: "exit status 0", stderr: "a�[31mb�\n�c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			if c.timeout == 0 {
				c.timeout = 30 * time.Second
			}
			res := Run(t.Context(), shell(t, c.text), c.timeout)
			if res.OK() != c.ok || !strings.HasPrefix(res.String(), c.says) {
				t.Errorf("got %q (ok %v), want %q (ok %v)", res, res.OK(), c.says, c.ok)
			}
			if res.Stderr != c.stderr {
				t.Errorf("stderr %q, want %q", res.Stderr, c.stderr)
			}
			if took := time.Since(begin); c.within > 0 && took > c.within {
				t.Errorf("took %v, want at most %v", took, c.within)
			}
			if res.Duration <= 0 || res.Started.Before(begin) {
				t.Errorf("started %v, ran %v", res.Started, res.Duration)
			}
		})
	}
}

// TestMuchOutput writes 1 GB to standard error, which is read: memory must not
// grow.
func TestMuchOutput(t *testing.T) {
	r := shell(t, "head -c 1000000000 /dev/zero >&2; echo >&2; echo the end >&2; exit 2")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	res := Run(t.Context(), r, time.Minute)
	runtime.ReadMemStats(&after)
	if res.ExitCode != 2 || res.Stderr != "the end" {
		t.Errorf("got %v, stderr %q", res, res.Stderr)
	}
	if grew := after.TotalAlloc - before.TotalAlloc; grew > 1<<20 {
		t.Errorf("allocated %d bytes", grew)
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	var s strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&s, "line %d\n", i)
	}
	for _, chunk := range []int{1, 7, 100, tailSize - 1, tailSize, tailSize + 1, 1 << 20} {
		var k tail
		for rest := s.String(); rest != ""; {
			n := min(chunk, len(rest))
			k.add([]byte(rest[:n]))
			rest = rest[n:]
		}
		got := k.String()
		if len(got) > tailSize || !strings.HasPrefix(got, "line ") || !strings.HasSuffix(got, "line 2999") {
			t.Errorf("in pieces of %d: %d bytes, %q … %q", chunk, len(got), got[:20], got[len(got)-20:])
		}
	}
}

// TestExpiredIsToldAtOnce: a judge need not wait until the process has ended.
func TestExpiredIsToldAtOnce(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	told := make(chan time.Duration, 10)
	res := RunWith(t.Context(), shell(t, "trap '' TERM; while :; do sleep 1; done"), Options{
		Timeout: 100 * time.Millisecond, Expired: func() { told <- time.Since(begin) },
	})
	if !res.TimedOut || len(told) != 1 {
		t.Fatalf("got %v, told %d times", res, len(told))
	}
	if d := <-told; d < 100*time.Millisecond || d > KillGrace {
		t.Errorf("told after %v", d)
	}
}

// TestTimeoutEndsTheGroup: children that ignore TERM do not survive.
func TestTimeoutEndsTheGroup(t *testing.T) {
	t.Parallel()
	file := filepath.Join(openDir(t), "pid")
	res := Run(t.Context(), shell(t, "(trap '' TERM; echo $$ >"+file+".tmp; sh -c 'echo $PPID' >"+file+"; while :; do sleep 1; done) & wait"), 300*time.Millisecond)
	if !res.TimedOut {
		t.Fatalf("got %v", res)
	}
	pid := readPID(t, file)
	eventually(t, func() error {
		if err := unix.Kill(pid, 0); err == nil && !isZombie(pid) {
			return fmt.Errorf("child %d still runs", pid)
		}
		return nil
	})
}

// TestLeftBehindIsLetAlone: what an orderly hook starts in the background lives
// on, also when it writes to standard error later.
func TestLeftBehindIsLetAlone(t *testing.T) {
	t.Parallel()
	file := filepath.Join(openDir(t), "out")
	res := Run(t.Context(), shell(t, "(sleep 0.3; echo later >&2; echo alive >"+file+") & exit 0"), time.Minute)
	if !res.OK() || res.Duration > 250*time.Millisecond && res.Stderr != "" {
		t.Fatalf("got %v, stderr %q", res, res.Stderr)
	}
	eventually(t, func() error {
		if text, _ := os.ReadFile(file); string(text) != "alive\n" {
			return fmt.Errorf("file holds %q", text)
		}
		return nil
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	reason := errors.New("reload")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(reason) })
	res := Run(ctx, shell(t, "sleep 1000"), time.Minute)
	if !errors.Is(res.Err, reason) || res.TimedOut || res.OK() || res.Duration > KillGrace {
		t.Errorf("got %v after %v", res, res.Duration)
	}
	if res := Run(ctx, shell(t, "exit 0"), 0); res.Err == nil || res.OK() {
		t.Errorf("run with a context that was done before: %v", res)
	}
}

func TestStartErrors(t *testing.T) {
	t.Parallel()
	r := shell(t, "exit 0")
	r.Path += ".gone"
	if res := Run(t.Context(), r, 0); !errors.Is(res.Err, os.ErrNotExist) || res.OK() || res.ExitCode != -1 {
		t.Errorf("missing file: %v", res)
	}
	r = shell(t, "exit 0")
	r.Dir = "/no/such/directory"
	if res := Run(t.Context(), r, 0); res.Err == nil {
		t.Errorf("missing directory: %v", res)
	}
	r = shell(t, "exit 0")
	if err := os.Chmod(r.Path, 0o644); err != nil {
		t.Fatal(err)
	}
	if res := Run(t.Context(), r, 0); !errors.Is(res.Err, unix.EACCES) {
		t.Errorf("not executable: %v", res)
	}
}

// TestWhatAScriptSees: identity, environment, group, priority, descriptors.
func TestWhatAScriptSees(t *testing.T) {
	needRoot(t)
	t.Setenv("LD_PRELOAD_X", "1")
	t.Setenv("LD_LIBRARY_PATH", "/tmp")
	t.Setenv("IFS", "x")
	t.Setenv("NOTIFY_SOCKET", "/run/x")
	t.Setenv("KEPT", "yes")
	// A descriptor that is not close-on-exec, as if inherited.
	leak, err := unix.Open("/dev/null", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leak)
	if _, err := unix.FcntlInt(uintptr(leak), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	dir := openDir(t)
	if err := os.Chmod(dir, 0o1777); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	path := write(t, filepath.Join(dir, "see.sh"), `#!/bin/sh
{
id -u; id -g; id -G; pwd
env | grep -E '^(LD_|IFS|NOTIFY|KEPT|HOME|EXTRA)' | sort
ls /proc/$$/fd | tr '\n' ' '; echo
readlink /proc/$$/fd/0
awk '{print $5 == $1, $18, $19, $41}' /proc/$$/stat
echo "$0 $*"
} >`+out+"\n", 0o755)
	r, err := Resolve(Command{Argv: []string{path, "one two", "$HOME"}, User: "nobody", Group: "4711", Env: []string{"EXTRA=1"}}, "", true)
	if err != nil {
		t.Fatal(err)
	}
	// The calling thread has a nice value, which the script must not have.
	runtime.LockOSThread() // ends with the test's goroutine
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, -5); err != nil {
		t.Fatal(err)
	}
	if res := Run(t.Context(), r, 0); res.ExitCode != 0 || res.Err != nil {
		t.Fatalf("got %v, stderr %q", res, res.Stderr)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	lines := strings.Split(got, "\n")
	if lines[0] != "65534" || lines[1] != "4711" || lines[3] != "/" {
		t.Errorf("identity and directory are %q", lines[:4])
	}
	for _, want := range []string{"\nEXTRA=1\nHOME=/nonexistent\nKEPT=yes\n", "/dev/null\n", "\n1 20 0 0\n", path + " one two $HOME\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	for _, bad := range []string{"LD_", "IFS", "NOTIFY", " " + strconv.Itoa(leak) + " "} {
		if strings.Contains(got, bad) {
			t.Errorf("%q in:\n%s", bad, got)
		}
	}
}

// TestRealTimeIsNotInherited runs a script from a thread under SCHED_FIFO.
func TestRealTimeIsNotInherited(t *testing.T) {
	needRoot(t)
	policy := make(chan string, 1)
	go func() {
		runtime.LockOSThread() // and ends with the goroutine
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
		if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
			policy <- "skip: " + err.Error()
			return
		}
		p := &process{started: make(chan error, 1), ended: make(chan struct{})}
		r := shell(t, `awk '{print $41}' /proc/self/stat >&2`)
		p.runnable = &r
		p.live()
		policy <- p.stderr.tail.String()
	}()
	got := <-policy
	if strings.HasPrefix(got, "skip") {
		skipOrFail(t, got)
	}
	if got != "0" {
		t.Errorf("scheduling policy %q, want 0", got)
	}
}

// TestManyRuns runs many at the same time and leaves nothing behind: no zombies,
// goroutines or descriptors.
func TestManyRuns(t *testing.T) {
	r := shell(t, "exit 7")
	Run(t.Context(), r, 0)
	goroutines, fds := runtime.NumGoroutine(), openFiles(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 4 {
				if res := Run(t.Context(), r, time.Minute); res.ExitCode != 7 {
					t.Errorf("got %v", res)
				}
			}
		})
	}
	wg.Wait()
	eventually(t, func() error {
		if n := runtime.NumGoroutine(); n > goroutines {
			return fmt.Errorf("%d goroutines, %d before", n, goroutines)
		}
		if n := openFiles(t); n > fds {
			return fmt.Errorf("%d descriptors, %d before", n, fds)
		}
		return nil
	})
}

func BenchmarkRun(b *testing.B) {
	r := shell(b, "exit 0")
	for b.Loop() {
		if res := Run(b.Context(), r, 0); !res.OK() {
			b.Fatal(res)
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func readPID(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func isZombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(text), ") Z ")
}

// eventually asks until there is no error, at most 10 s.
func eventually(t *testing.T, fn func() error) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := fn()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-tick.C
	}
}

// TestDaemonDies: a script is terminated when the process that runs it is
// killed.
func TestDaemonDies(t *testing.T) {
	t.Parallel()
	file := filepath.Join(openDir(t), "pid")
	script := shell(t, "echo $$ >"+file+".tmp; mv "+file+".tmp "+file+"; exec sleep 1000")
	daemon := exec.Command(os.Args[0], "-test.run=^TestHelperDaemon$")
	daemon.Env = append(os.Environ(), "HAKEEP_TEST_SCRIPT="+script.Path)
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { _, err := os.Stat(file); return err })
	pid := readPID(t, file)
	if err := daemon.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = daemon.Wait() // killed
	eventually(t, func() error {
		if err := unix.Kill(pid, 0); err == nil && !isZombie(pid) {
			return fmt.Errorf("script %d still runs", pid)
		}
		return nil
	})
}

// TestStall: a machine that stands still while a script runs, and wakes up when
// its time is over, must not count the script as failed.
func TestStall(t *testing.T) {
	t.Parallel()
	file := filepath.Join(openDir(t), "pid")
	script := shell(t, "echo $$ >"+file+".tmp; mv "+file+".tmp "+file+"; sleep 0.5; exit 0")
	daemon := exec.Command(os.Args[0], "-test.run=^TestHelperDaemon$", "-test.v")
	daemon.Env = append(os.Environ(), "HAKEEP_TEST_SCRIPT="+script.Path)
	var out strings.Builder
	daemon.Stdout = &out
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { _, err := os.Stat(file); return err })
	pid := readPID(t, file)
	for _, sig := range []syscall.Signal{unix.SIGSTOP, unix.SIGCONT} {
		for _, to := range []int{-pid, daemon.Process.Pid} {
			if err := unix.Kill(to, sig); err != nil {
				t.Error(err)
			}
		}
		if sig == unix.SIGSTOP {
			<-time.After(helperTimeout + 500*time.Millisecond)
		}
	}
	if err := daemon.Wait(); err != nil || !strings.Contains(out.String(), "result: exit status 0\n") {
		t.Errorf("%v: %s", err, &out)
	}
}

func TestExtension(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for _, c := range []struct{ late, timeout, want time.Duration }{
		{0, s, 0}, {stall - 1, s, 0}, {stall, s, stall}, {s / 2, s, s / 2}, {time.Hour, s, s},
	} {
		if got := extension(c.late, c.timeout); got != c.want {
			t.Errorf("%v late of %v: %v more, want %v", c.late, c.timeout, got, c.want)
		}
	}
}

// helperTimeout is that of the helper's script.
const helperTimeout = 2 * time.Second

// TestHelperDaemon is the daemon of TestDaemonDies and TestStall.
func TestHelperDaemon(t *testing.T) {
	path := os.Getenv("HAKEEP_TEST_SCRIPT")
	if path == "" {
		return // not started by them
	}
	r := Runnable{Path: path, Argv: []string{path}, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), Dir: "/"}
	fmt.Printf("result: %v\n", Run(t.Context(), r, helperTimeout))
}

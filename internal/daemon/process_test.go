package daemon

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// roleVar makes the test binary play another part.
const roleVar = "HAKEEP_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "listen": // an elector, as far as its socket goes
		l, err := net.Listen("unix", filepath.Join(os.Args[1], electorSocket))
		if err != nil {
			os.Exit(1)
		}
		_, _ = os.Stdout.WriteString("listening\n")
		_, _ = l.Accept()
		select {}
	case "reaper": // the first process of a container
		os.Exit(playReaper())
	}
	os.Exit(m.Run())
}

// listener starts a process that listens as an elector does.
func listener(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", dir)
	cmd.Env = append(os.Environ(), roleVar+"=listen")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestDialFindsTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	own := &ownBinary{dir: dir}
	if _, _, err := own.dial(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nobody there: %v", err)
	}
	cmd := listener(t, dir)
	conn, p, err := own.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	defer p.(*stranger).release()
	if p.pid() != cmd.Process.Pid || p.wait(0) || p.wait(10*time.Millisecond) || p.how() != "still running" {
		t.Errorf("got process %d, %s; want %d", p.pid(), p.how(), cmd.Process.Pid)
	}
	if err := p.signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if !p.wait(10*time.Second) || p.how() != "ended" {
		t.Errorf("it is %s", p.how())
	}
	_ = cmd.Wait() // reaped: its number may be used again
	if err := p.signal(unix.SIGKILL); err != nil {
		t.Errorf("signal after the end: %v", err)
	}
	if _, _, err := own.dial(t.Context()); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("stale socket: %v", err)
	}
}

func TestChild(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, done: make(chan struct{})}
	go c.reap()
	if c.pid() != cmd.Process.Pid || c.wait(0) || c.wait(time.Millisecond) || c.how() != "still running" {
		t.Errorf("it is %s", c.how())
	}
	if err := errors.Join(c.signal(unix.SIGTERM)); err != nil {
		t.Fatal(err)
	}
	if !c.wait(10*time.Second) || c.how() != "signal: terminated" {
		t.Errorf("it is %s", c.how())
	}
	if err := c.signal(unix.SIGTERM); err != nil {
		t.Errorf("signal after the end: %v", err)
	}
}

func TestForMain(t *testing.T) {
	t.Parallel()
	env := []string{"PATH=/bin", "NOTIFY_SOCKET=/run/x", "WATCHDOG_USEC=1", "WATCHDOG_PID=1", "LISTEN_FDS=1", "NOTIFY=1", "JOURNAL_STREAM=8:1"}
	if got, want := slices.DeleteFunc(env, forMain), []string{"PATH=/bin", "NOTIFY=1", "JOURNAL_STREAM=8:1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCheckPermission(t *testing.T) {
	t.Parallel()
	err := checkPermission()
	var refusal *PermissionError
	if os.Geteuid() != 0 && !errors.As(err, &refusal) {
		t.Errorf("as user %d: got %v", os.Geteuid(), err)
	}
	if os.Geteuid() == 0 && err != nil && !errors.As(err, &refusal) {
		t.Errorf("as root: got %v", err)
	}
	if refusal != nil && !strings.Contains(refusal.Error(), "CAP_NET_") {
		t.Errorf("does not say what is missing: %v", refusal)
	}
}

// playReaper reaps orphans, and checks that a child of its own keeps its exit
// status. The orphans are those of a shell that does not wait.
func playReaper() int {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 10
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	go func() { _ = reapOrphans(ctx, 20*time.Millisecond) }()
	own := exec.Command("sh", "-c", "sleep 0.3; exit 7")
	if own.Start() != nil {
		return 11
	}
	out, err := exec.Command("sh", "-c", "for i in 1 2 3; do sleep 0.05 & echo $!; done").Output()
	if err != nil {
		return 12
	}
	var exit *exec.ExitError
	if err := own.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		return 13
	}
	for _, field := range strings.Fields(string(out)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return 14
		}
		for unix.Kill(pid, 0) == nil { // until it was reaped
			select {
			case <-ctx.Done():
				return 15
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	return 0
}

func TestReapOrphans(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVar+"=reaper")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

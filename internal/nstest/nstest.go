package nstest

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/lab"
)

// strictEnv is the variable that turns skips into failures when it is
// "strict".
const strictEnv = "HAKEEP_E2E"

// SkipOrFail skips the test, or fails it in a strict run. Use it for every
// skip that depends on the machine.
func SkipOrFail(tb testing.TB, format string, args ...any) {
	tb.Helper()
	reason := fmt.Sprintf(format, args...)
	if os.Getenv(strictEnv) == "strict" {
		tb.Fatalf("%s (not skipped: %s=strict)", reason, strictEnv)
	}
	tb.Skip(reason)
}

// Require skips or fails the test unless the program is root and can make
// network namespaces.
func Require(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() != 0 {
		SkipOrFail(tb, "needs root")
	}
	if err := lab.Supported(); err != nil {
		SkipOrFail(tb, "needs network namespaces: %v", err)
	}
}

// RequireTool skips or fails the test unless a program is installed, and
// returns its path.
func RequireTool(tb testing.TB, name string) string {
	tb.Helper()
	path, err := lab.LookTool(name)
	if err != nil {
		SkipOrFail(tb, "needs %s: %v", name, err)
	}
	return path
}

// New makes a namespace that is closed when the test ends.
func New(tb testing.TB) *lab.Namespace { return Host(tb, "ns") }

// Host is New with a name, which shows in errors.
func Host(tb testing.TB, name string) *lab.Namespace {
	tb.Helper()
	Require(tb)
	ns, err := lab.NewNamespace(name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(ns.Close)
	return ns
}

// LAN makes a switch that is closed when the test ends.
func LAN(tb testing.TB) *lab.LAN {
	tb.Helper()
	Require(tb)
	lan, err := lab.NewLAN("lan")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(lan.Close)
	return lan
}

// Attach connects a host to a switch; addrs are prefixes like
// "192.0.2.1/24".
func Attach(tb testing.TB, lan *lab.LAN, host *lab.Namespace, ifname string, addrs ...string) *lab.Port {
	tb.Helper()
	prefixes := make([]netip.Prefix, len(addrs))
	for i, a := range addrs {
		p, err := netip.ParsePrefix(a)
		if err != nil {
			tb.Fatal(err)
		}
		prefixes[i] = p
	}
	port, err := lan.Attach(host, ifname, prefixes...)
	if err != nil {
		tb.Fatal(err)
	}
	return port
}

// Capture records frames on an interface until the test ends.
func Capture(tb testing.TB, ns *lab.Namespace, ifname string, filter lab.Filter) *lab.Capture {
	tb.Helper()
	c, err := lab.StartCapture(ns, ifname, lab.CaptureOptions{Filter: filter})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// Probe starts a probe with default options. It ends with the test; the test
// calls Stop for the result.
func Probe(tb testing.TB, ns *lab.Namespace, target string) *lab.Probe {
	tb.Helper()
	addr, err := netip.ParseAddr(target)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := lab.StartProbe(ns, addr, lab.ProbeOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.Stop() })
	return p
}

// Keepalived starts a keepalived that is killed when the test ends. Its log
// is shown if the test fails.
func Keepalived(tb testing.TB, ns *lab.Namespace, conf string, args ...string) *lab.Keepalived {
	tb.Helper()
	RequireTool(tb, "keepalived")
	k, err := lab.StartKeepalived(ns, lab.KeepalivedOptions{Conf: conf, Dir: tb.TempDir(), Args: args})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		k.Kill()
		if tb.Failed() {
			tb.Logf("keepalived in %s:\n%s", ns.Name(), k.LogText())
		}
	})
	return k
}

// Hakeep starts a hakeep that is killed when the test ends; args are further
// arguments of `run`. Its log is shown if the test fails.
func Hakeep(tb testing.TB, ns *lab.Namespace, config string, args ...string) *lab.Hakeep {
	tb.Helper()
	return HakeepIn(tb, ns, ShortDir(tb), config, args...)
}

// HakeepIn is Hakeep with the directory of an earlier one.
func HakeepIn(tb testing.TB, ns *lab.Namespace, dir, config string, args ...string) *lab.Hakeep {
	tb.Helper()
	return startHakeep(tb, ns, lab.HakeepOptions{Config: config, Dir: dir, Args: args})
}

func startHakeep(tb testing.TB, ns *lab.Namespace, o lab.HakeepOptions) *lab.Hakeep {
	tb.Helper()
	o.Binary = Binary(tb)
	h, err := lab.StartHakeep(ns, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		h.Kill()
		if tb.Failed() {
			tb.Logf("hakeep in %s:\n%s", ns.Name(), h.LogText())
		}
	})
	return h
}

// HakeepWith starts hakeep with another command than run; the arguments name dir as
// the runtime directory.
func HakeepWith(tb testing.TB, ns *lab.Namespace, dir string, args ...string) *lab.Hakeep {
	tb.Helper()
	return startHakeep(tb, ns, lab.HakeepOptions{Dir: dir, Args: args, Whole: true})
}

// ShortDir is a temporary directory with a path that is short enough for unix
// sockets, which tb.TempDir's is not for long names of tests.
func ShortDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "hk")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Binary is the path of the hakeep under test: HAKEEP_BIN, or else built from
// this tree once for each test program.
func Binary(tb testing.TB) string {
	tb.Helper()
	path, err := binary()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("HAKEEP_BIN"); path != "" {
		return path, nil
	}
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find module: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(out)))
	path := filepath.Join(root, "bin", "hakeep.test")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/hakeep")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build hakeep: %w\n%s", err, out)
	}
	return path, nil
})

// Run runs a program in the namespace and returns its output; a failure ends
// the test.
func Run(tb testing.TB, ns *lab.Namespace, name string, args ...string) string {
	tb.Helper()
	RequireTool(tb, name)
	out, err := ns.Run(name, args...)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// Enter moves the test's goroutine, with its thread, into a new namespace
// until the test and its cleanups have ended. Goroutines and subtests that
// the test starts are not moved.
func Enter(tb testing.TB) *lab.Namespace {
	tb.Helper()
	ns := New(tb)
	runtime.LockOSThread()
	old, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		tb.Fatal(err)
	}
	// Cleanups run last in, first out on the test's goroutine: those of the
	// test still run inside.
	tb.Cleanup(func() {
		defer old.Close()
		if err := unix.Setns(int(old.Fd()), unix.CLONE_NEWNET); err != nil {
			// The thread stays locked and ends with the goroutine.
			tb.Errorf("leave network namespace: %v", err)
			return
		}
		runtime.UnlockOSThread()
	})
	if err := unix.Setns(ns.Fd(), unix.CLONE_NEWNET); err != nil {
		tb.Fatalf("enter network namespace: %v", err)
	}
	return ns
}

// InNewNS runs fn on the test's goroutine inside a new namespace; see Enter.
// fn may call tb.Fatal.
func InNewNS(tb testing.TB, fn func()) {
	tb.Helper()
	Enter(tb)
	fn()
}

// Context is the test's context with a timeout.
func Context(tb testing.TB, timeout time.Duration) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), timeout)
	tb.Cleanup(cancel)
	return ctx
}

// Eventually calls fn until it returns nil, every few milliseconds, and fails
// the test with its last error after the timeout.
func Eventually(tb testing.TB, timeout time.Duration, fn func() error) {
	tb.Helper()
	deadline := time.Now().Add(timeout)
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		err := fn()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("after %v: %v", timeout, err)
		}
		time.Sleep(pause)
	}
}

// SavePcap writes the capture's frames to FILE in the directory named by
// HAKEEP_PCAP, for reading with tcpdump, and does nothing when that is not
// set.
func SavePcap(tb testing.TB, c *lab.Capture, file string) {
	tb.Helper()
	dir := os.Getenv("HAKEEP_PCAP")
	if dir == "" {
		return
	}
	f, err := os.Create(filepath.Join(dir, file))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	if err := lab.WritePcap(f, c.Frames()); err != nil {
		tb.Fatal(err)
	}
}

package packaging

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/control"
	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	"hakeep/internal/status"
)

// The variables by which the test program becomes a container's first process.
const (
	containerRoot = "HAKEEP_TEST_CONTAINER_ROOT"
	containerCaps = "HAKEEP_TEST_CONTAINER_CAPS"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(containerRoot); dir != "" {
		fmt.Fprintln(os.Stderr, becomeContainer(dir, os.Getenv(containerCaps)))
		os.Exit(99)
	}
	os.Exit(m.Run())
}

// becomeContainer does what a container engine does in a new process and mount
// namespace: proc and dev, another root, few capabilities, and then the program
// of the image. It returns only if it cannot.
func becomeContainer(dir, caps string) error {
	runtime.LockOSThread()
	keep, err := strconv.ParseUint(caps, 16, 64)
	if err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", filepath.Join(dir, "proc"), "proc", 0, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	if err := unix.Mount("/dev", filepath.Join(dir, "dev"), "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount dev: %w", err)
	}
	if err := unix.Chroot(dir); err != nil {
		return fmt.Errorf("change root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("change directory: %w", err)
	}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if keep&(1<<c) == 0 {
			// EINVAL: this kernel does not have it.
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
				return fmt.Errorf("drop capability %d: %w", c, err)
			}
		}
	}
	return fmt.Errorf("execute hakeep: %w", unix.Exec("/usr/sbin/hakeep", []string{"/usr/sbin/hakeep", "run"}, nil))
}

// container is a hakeep that is process 1 of a container made from scratch.
type container struct {
	cmd    *exec.Cmd
	dir    string
	stderr bytes.Buffer
}

// startContainer starts one in the network namespace of the calling goroutine;
// dir holds its file system.
func startContainer(t *testing.T, dir, config string, caps ...uint) *container {
	t.Helper()
	c := &container{dir: dir}
	for _, d := range []string{"proc", "dev", "etc", "usr/sbin"} {
		if err := os.MkdirAll(filepath.Join(c.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.ReadFile(nstest.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string][]byte{"usr/sbin/hakeep": program, "etc/hakeep.toml": []byte(config)} {
		if err := os.WriteFile(filepath.Join(c.dir, path), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var keep uint64
	for _, n := range caps {
		keep |= 1 << n
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd = exec.Command(self)
	c.cmd.Env = []string{containerRoot + "=" + c.dir, fmt.Sprintf("%s=%x", containerCaps, keep)}
	c.cmd.Stderr = &c.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("hakeep said:\n%s", c.stderr.String())
		}
	})
	return c
}

// status asks the daemon through the container's file system.
func (c *container) status(t *testing.T) (*status.Document, error) {
	return control.NewClient(filepath.Join(c.dir, "run", "hakeep", control.SocketName)).Status(t.Context())
}

// end waits for the end and returns the exit code, -1 after a signal.
func (c *container) end(t *testing.T) int {
	t.Helper()
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode()
}

const containerConfig = `
[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
advert_int = "50ms"
virtual_ipaddress = ["192.0.2.10/24"]
`

func containerNet(t *testing.T) *lab.Namespace {
	t.Helper()
	ns := nstest.Enter(t)
	nstest.Attach(t, nstest.LAN(t), ns, "eth0", "192.0.2.1/24")
	return ns
}

// hasVIP reports whether the virtual address is in the kernel.
func hasVIP(t *testing.T, ns *lab.Namespace) bool {
	t.Helper()
	return strings.Contains(nstest.Run(t, ns, "ip", "-4", "address", "show", "dev", "eth0"), "192.0.2.10/24")
}

// TestContainer: in an image with nothing but the program, as process 1 and with
// NET_ADMIN and NET_RAW alone, hakeep becomes master, says that it is not
// real-time, and stops in order.
func TestContainer(t *testing.T) {
	ns, dir := containerNet(t), nstest.ShortDir(t)
	c := startContainer(t, dir, containerConfig, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW)
	var d *status.Document
	nstest.Eventually(t, 20*time.Second, func() (err error) {
		if d, err = c.status(t); err != nil {
			return err
		}
		if s := d.Instance("VI_1").State; s != "MASTER" || len(d.Instances[0].Addresses.Installed) == 0 {
			return fmt.Errorf("state %s", s)
		}
		return nil
	})
	if d.Daemon.PID != 1 {
		t.Errorf("main is process %d of its container", d.Daemon.PID)
	}
	if d.Elector.Realtime || !strings.Contains(d.Elector.RealtimeReason, "CAP_SYS_NICE") {
		t.Errorf("real-time: %v, %q", d.Elector.Realtime, d.Elector.RealtimeReason)
	}
	if len(d.Warnings) > 0 {
		t.Errorf("warnings: %q", d.Warnings)
	}
	if !hasVIP(t, ns) {
		t.Error("the address is not there")
	}
	if err := c.cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := c.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if hasVIP(t, ns) {
		t.Error("the address is still there after an orderly stop")
	}
}

// TestContainerKilled: the death of process 1 is the death of the elector, and
// the next start removes what was left, also with another configuration when
// the runtime directory is kept.
func TestContainerKilled(t *testing.T) {
	ns, dir := containerNet(t), nstest.ShortDir(t)
	c := startContainer(t, dir, containerConfig, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW)
	nstest.Eventually(t, 20*time.Second, func() error {
		if d, err := c.status(t); err != nil || len(d.Instances[0].Addresses.Installed) == 0 {
			return fmt.Errorf("not master: %w", err)
		}
		return nil
	})
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.end(t)
	if !hasVIP(t, ns) {
		t.Error("after SIGKILL nobody can have removed the address")
	}
	if _, err := net.Dial("unix", filepath.Join(dir, "run", "hakeep", "elector.sock")); err == nil {
		t.Error("the elector outlives process 1")
	}
	next := startContainer(t, dir, strings.Replace(containerConfig, "192.0.2.10", "192.0.2.20", 1), unix.CAP_NET_ADMIN, unix.CAP_NET_RAW)
	nstest.Eventually(t, 20*time.Second, func() error {
		if d, err := next.status(t); err != nil || len(d.Instances[0].Addresses.Installed) == 0 {
			return fmt.Errorf("not master: %w", err)
		}
		return nil
	})
	if hasVIP(t, ns) {
		t.Error("the address of the former configuration is still there")
	}
}

// TestContainerRefused: without one of the two capabilities it ends with exit
// code 5 and says which.
func TestContainerRefused(t *testing.T) {
	containerNet(t)
	for name, c := range map[string]struct {
		caps []uint
		want string
	}{
		"no NET_ADMIN": {[]uint{unix.CAP_NET_RAW}, "CAP_NET_ADMIN is missing"},
		"no NET_RAW":   {[]uint{unix.CAP_NET_ADMIN}, "CAP_NET_RAW is missing"},
	} {
		p := startContainer(t, nstest.ShortDir(t), containerConfig, c.caps...)
		if code := p.end(t); code != 5 || !strings.Contains(p.stderr.String(), c.want) {
			t.Errorf("%s: exit code %d, %s", name, code, p.stderr.String())
		}
	}
}

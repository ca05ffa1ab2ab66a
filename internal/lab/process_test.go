package lab_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// roleEnv makes this test binary play another program.
const roleEnv = "HAKEEP_LAB_TEST_ROLE"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleEnv) {
	case "":
		os.Exit(m.Run())
	case "ordinary": // an ordinary user: becomes root of a user namespace
		os.Setenv(roleEnv, "inside")
		c := lab.UserNamespaceCommand("/proc/self/exe")
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		err = c.Run()
	case "inside":
		err = pingInUserNamespace()
	case "parent":
		err = startChildAndHang()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func pingInUserNamespace() error {
	if err := lab.Supported(); err != nil {
		return fmt.Errorf("unsupported: %w", err)
	}
	lan, err := lab.NewLAN("lan")
	if err != nil {
		return err
	}
	defer lan.Close()
	var hosts [2]*lab.Namespace
	for i := range hosts {
		if hosts[i], err = lab.NewNamespace("host"); err != nil {
			return err
		}
		defer hosts[i].Close()
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 24)
		if _, err = lan.Attach(hosts[i], "eth0", p); err != nil {
			return err
		}
	}
	c := hosts[0].Command("sh", "-c", "echo > /run/x && cat /sys/class/net/eth0/operstate")
	c.Private = []string{"/run"}
	out, err := c.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "up" {
		return fmt.Errorf("child with private mounts: %q %w", out, err)
	}
	probe, err := lab.StartProbe(hosts[0], netip.MustParseAddr("192.0.2.2"), lab.ProbeOptions{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := probe.AwaitAnswers(ctx, 10); err != nil {
		return err
	}
	if r := probe.Stop(); r.Answered == 0 {
		return fmt.Errorf("no answers: %v", r)
	}
	fmt.Println("works")
	return nil
}

func TestOrdinaryUserGetsALab(t *testing.T) {
	nstest.Require(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The test's own directories are closed to others.
	dir, err := os.MkdirTemp("", "hakeep-lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "lab.test")
	copyFile(t, self, exe)
	c := exec.Command(exe)
	c.Dir = "/"
	c.Env = append(os.Environ(), roleEnv+"=ordinary")
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, Pdeathsig: syscall.SIGKILL}
	out, err := c.CombinedOutput()
	switch {
	case err == nil && strings.Contains(string(out), "works"):
	case strings.Contains(string(out), "unsupported") || strings.Contains(string(out), "fork/exec"):
		nstest.SkipOrFail(t, "user namespaces are not usable here: %s", out)
	default:
		t.Errorf("got %v: %s", err, out)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func startChildAndHang() error {
	ns, err := lab.NewNamespace("a")
	if err != nil {
		return err
	}
	c := ns.Command("sleep", "1000")
	if err := c.Start(); err != nil {
		return err
	}
	// Give the runtime reasons to end idle threads, which must not be the
	// one that the child's life hangs on.
	for range 20 {
		if err := ns.Do(func() error { return nil }); err != nil {
			return err
		}
	}
	fmt.Println(c.Process.Pid)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(b), ") Z ")
}

func TestChildrenDieWithTheProgram(t *testing.T) {
	nstest.Require(t)
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), roleEnv+"=parent")
	c.Stderr = os.Stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if !alive(pid) {
		t.Fatal("the child died while its program lives")
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	nstest.Eventually(t, 5*time.Second, func() error {
		if alive(pid) {
			return fmt.Errorf("child %d survived its program", pid)
		}
		return nil
	})
}

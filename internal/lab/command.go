package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Cmd is an exec.Cmd whose child runs inside a namespace. Use it like
// exec.Cmd: set its fields, then Run, Output, CombinedOutput, or Start and
// Wait.
//
// The child leads a process group of its own and is killed when this program
// dies in any way (Pdeathsig), unless SysProcAttr says otherwise; Close of
// the namespace kills the whole group.
type Cmd struct {
	*exec.Cmd

	// Private names directories on which the child sees an empty tmpfs of
	// its own, for programs with fixed paths like /run. If it is not nil
	// (it may be empty), the child has a mount namespace of its own, with
	// /sys showing the namespace's interfaces.
	Private []string

	ns      *Namespace
	release chan struct{} // closed when the starting thread may end
	wait    sync.Once
	waitErr error

	mu         sync.Mutex
	running    bool
	unregister func()
}

// LookTool finds an executable in PATH and in the directories of system
// tools, which the PATH of ordinary users often lacks.
func LookTool(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	if filepath.Base(name) != name {
		return "", err
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err2 := exec.LookPath(filepath.Join(dir, name)); err2 == nil {
			return path, nil
		}
	}
	return "", err
}

// Command prepares a program to run inside the namespace. It is looked up
// like LookTool does.
func (n *Namespace) Command(name string, args ...string) *Cmd {
	return n.CommandContext(context.Background(), name, args...)
}

// CommandContext is Command with a context that kills the program.
func (n *Namespace) CommandContext(ctx context.Context, name string, args ...string) *Cmd {
	if path, err := LookTool(name); err == nil {
		name = path
	}
	c := exec.CommandContext(ctx, name, args...)
	// Grandchildren may hold the pipes open; give up on them.
	c.WaitDelay = 5 * time.Second
	return &Cmd{Cmd: c, ns: n, release: make(chan struct{})}
}

// Start starts the program. The thread that starts it stays until Wait
// returns, since the kernel sends Pdeathsig when that thread ends.
func (c *Cmd) Start() error {
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	}
	unregister, ok := c.ns.onClose(c.kill)
	if !ok {
		return fmt.Errorf("start %s in %s: %w", c.Path, c.ns.name, os.ErrClosed)
	}
	started := make(chan error)
	go onThread(func() {
		err := c.startHere()
		started <- err
		if err == nil {
			<-c.release
		}
	})
	if err := <-started; err != nil {
		unregister()
		return fmt.Errorf("start in %s: %w", c.ns.name, err)
	}
	c.mu.Lock()
	c.running = true
	c.unregister = unregister
	c.mu.Unlock()
	return nil
}

func (c *Cmd) startHere() error {
	if err := c.ns.enter(); err != nil {
		return err
	}
	if c.Private != nil {
		if err := privateMounts(c.Private); err != nil {
			return err
		}
	}
	return c.Cmd.Start()
}

// privateMounts gives the calling thread a mount namespace of its own.
func privateMounts(dirs []string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare mounts: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	for _, dir := range dirs {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
			return fmt.Errorf("mount tmpfs on %s: %w", dir, err)
		}
	}
	// A container may forbid it; the old view of /sys does little harm.
	_ = unix.Mount("sysfs", "/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	return nil
}

// Wait is exec.Cmd's Wait. It may be called more than once and from several
// goroutines.
func (c *Cmd) Wait() error {
	c.wait.Do(func() {
		c.waitErr = c.Cmd.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.running {
			c.running = false
			c.unregister()
			close(c.release)
		}
	})
	return c.waitErr
}

// Run starts the program and waits for it.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the program and returns its standard output.
func (c *Cmd) Output() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("lab: Stdout already set")
	}
	var out, errOut buffer
	c.Stdout = &out
	if c.Stderr == nil {
		c.Stderr = &errOut
	}
	err := c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		exit.Stderr = errOut.bytes()
	}
	return out.bytes(), err
}

// CombinedOutput runs the program and returns its standard output and
// standard error.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	if c.Stdout != nil || c.Stderr != nil {
		return nil, errors.New("lab: Stdout or Stderr already set")
	}
	var out buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.bytes(), err
}

// Signal sends a signal to the program (not to its group).
func (c *Cmd) Signal(sig os.Signal) error { return c.Process.Signal(sig) }

// Running reports whether the program was started and Wait has not seen its
// end yet.
func (c *Cmd) Running() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running
}

// kill ends the process group and reaps the program.
func (c *Cmd) kill() {
	c.mu.Lock()
	running := c.running
	if running {
		// Not reaped yet: the number cannot belong to somebody else.
		if c.SysProcAttr.Setpgid || c.SysProcAttr.Setsid {
			_ = unix.Kill(-c.Process.Pid, unix.SIGKILL)
		}
		_ = unix.Kill(c.Process.Pid, unix.SIGKILL)
	}
	c.mu.Unlock()
	if running {
		_ = c.Wait()
	}
}

// Run runs a program inside the namespace and returns its output; a failure
// carries the output in the error.
func (n *Namespace) Run(name string, args ...string) (string, error) {
	out, err := n.Command(name, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %q in %s: %w: %s", name, args, n.name, err, out)
	}
	return string(out), nil
}

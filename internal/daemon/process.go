package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// electorSocket is the elector's socket in the runtime directory.
const electorSocket = "elector.sock"

// process is an elector as a process.
type process interface {
	pid() int
	signal(sig unix.Signal) error
	// wait waits for its end, at most for a while, and reports whether it has
	// ended. With 0 it looks.
	wait(d time.Duration) bool
	// how says how it ended, as far as known.
	how() string
}

// electors is where the supervisor finds and starts electors.
type electors interface {
	// dial connects to the one that listens.
	dial(ctx context.Context) (net.Conn, process, error)
	// start starts one. It listens a little later.
	start() (process, error)
}

var (
	_ electors = (*ownBinary)(nil)
	_ process  = (*child)(nil)
	_ process  = (*stranger)(nil)
)

// ownBinary finds and starts electors of this very program.
type ownBinary struct {
	dir      string // runtime directory
	realtime bool
}

// errForeign says that a process of another user listens on the socket.
var errForeign = errors.New("process of another user")

func (b *ownBinary) dial(ctx context.Context) (net.Conn, process, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", filepath.Join(b.dir, electorSocket))
	if err != nil {
		return nil, nil, err
	}
	cred, err := peer(conn.(*net.UnixConn))
	if err == nil && int(cred.Uid) != os.Geteuid() {
		err = fmt.Errorf("%w: %d", errForeign, cred.Uid)
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	p, err := openStranger(int(cred.Pid))
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, p, nil
}

// LiveElector finds the process of the elector that serves a runtime directory; 0
// if there is none, or if this user may not ask. It works without a main.
func LiveElector(ctx context.Context, runtimeDir string) (pid int) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", filepath.Join(runtimeDir, electorSocket))
	if err != nil {
		return 0
	}
	defer conn.Close() // it has not been greeted, and forgets this
	cred, err := peer(conn.(*net.UnixConn))
	if err != nil {
		return 0
	}
	return int(cred.Pid)
}

// peer asks the kernel who is at the other end.
func peer(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return nil, err
	}
	if credErr != nil {
		return nil, fmt.Errorf("find out who listens: %w", credErr)
	}
	return cred, nil
}

// start executes the program that is running, also when its file was replaced
// meanwhile: main and elector are of one version.
func (b *ownBinary) start() (process, error) {
	cmd := exec.Command("/proc/self/exe", "elector", "--runtime-dir", b.dir)
	if !b.realtime {
		cmd.Args = append(cmd.Args, "--realtime=false")
	}
	cmd.Args[0] = "hakeep"
	cmd.Env = slices.DeleteFunc(os.Environ(), forMain)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// A session of its own: Ctrl-C and the end of a terminal are main's business.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start elector: %w", err)
	}
	c := &child{cmd: cmd, done: make(chan struct{})}
	go c.reap()
	return c, nil
}

// forMain reports whether an environment variable is between systemd and main.
func forMain(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	switch name {
	case "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", namespaceMarker:
		return true
	}
	return false
}

// child is an elector that this process started.
type child struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it was reaped
}

// reap waits for the end: it lives as long as the child.
func (c *child) reap() {
	_ = c.cmd.Wait() // how it ended is in ProcessState
	close(c.done)
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) signal(sig unix.Signal) error {
	if err := c.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal elector: %w", err)
	}
	return nil
}

func (c *child) wait(d time.Duration) bool {
	select {
	case <-c.done:
		return true
	default:
	}
	if d <= 0 {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.done:
		return true
	case <-t.C:
		return false
	}
}

func (c *child) how() string {
	if !c.wait(0) {
		return "still running"
	}
	return c.cmd.ProcessState.String()
}

// stranger is an elector that an earlier main started.
type stranger struct {
	id int
	fd int // pidfd: the number may belong to another process later
}

func openStranger(pid int) (*stranger, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("open process %d: %w", pid, err)
	}
	return &stranger{id: pid, fd: fd}, nil
}

func (s *stranger) pid() int { return s.id }

func (s *stranger) signal(sig unix.Signal) error {
	if err := unix.PidfdSendSignal(s.fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal elector: %w", err)
	}
	return nil
}

// wait polls the pidfd, which becomes readable at the end of the process.
func (s *stranger) wait(d time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
	for deadline := time.Now().Add(d); ; {
		n, err := unix.Poll(fds, int(max(time.Until(deadline), 0).Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			if err == nil && n > 0 {
				// After an upgrade it is a child of this process, though of an earlier
				// image. Nobody else waits for it then.
				_ = unix.Waitid(unix.P_PIDFD, s.fd, nil, unix.WEXITED|unix.WNOHANG, nil)
			}
			return err == nil && n > 0
		}
	}
}

func (s *stranger) how() string {
	if !s.wait(0) {
		return "still running"
	}
	return "ended" // only its parent is told how
}

// release lets go of the descriptor.
func (s *stranger) release() { _ = unix.Close(s.fd) }

package script

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// busyRetries and busyPause bound how long a file that is just being written
// (ETXTBSY) is waited for: an upgrade replaces scripts in less.
const (
	busyRetries = 5
	busyPause   = 10 * time.Millisecond
)

// stall is how late a timeout must be noticed to be the machine's fault; timers
// are some milliseconds late on a busy one.
const stall = 50 * time.Millisecond

// Options are what a run may take.
type Options struct {
	// Timeout is how long the command may run; 0 means as long as it wants. Then
	// its process group receives SIGTERM, and [KillGrace] later SIGKILL. Time in
	// which the machine stood still when it was over is not counted.
	Timeout time.Duration
	// Expired, if not nil, is called once when the timeout passes: the end of the
	// processes may take longer.
	Expired func()
}

// Run runs a command once, until it has ended, and says how it went. When ctx is
// done it is ended like one whose time is over, and Err tells. Any number of
// runs may go on at the same time.
//
// A process that the command leaves behind is let alone after an orderly end
// (it is drained of what it writes to standard error for as long as it lives),
// and killed with the group after a timeout.
func Run(ctx context.Context, r Runnable, timeout time.Duration) Result {
	return RunWith(ctx, r, Options{Timeout: timeout})
}

// RunWith is Run with options.
func RunWith(ctx context.Context, r Runnable, o Options) Result {
	if err := ctx.Err(); err != nil {
		return Result{ExitCode: -1, Started: time.Now(), Err: fmt.Errorf("run %s: %w", r.Path, err)}
	}
	p := &process{runnable: &r, started: make(chan error, 1), ended: make(chan struct{})}
	begin := time.Now()
	go p.live()
	if err := <-p.started; err != nil {
		return Result{ExitCode: -1, Started: begin, Duration: time.Since(begin), Err: err}
	}
	res := p.await(ctx, o, begin)
	res.Started, res.Duration = begin, time.Since(begin)
	return res
}

// process is one run. Its thread (live) starts and reaps it; the caller's
// goroutine watches the clock.
type process struct {
	runnable *Runnable
	started  chan error    // receives one value
	ended    chan struct{} // closed when it was reaped

	mu      sync.Mutex
	cmd     *exec.Cmd
	stderr  *stderr
	reaped  bool // its number may belong to another process
	killing bool // the group is to be ended
}

// live starts the process, waits for it and reaps it, on a thread of its own:
// the kernel sends the parent-death signal when the thread that forked ends,
// not the process.
func (p *process) live() {
	runtime.LockOSThread()
	if normalPriority() {
		defer runtime.UnlockOSThread()
	}
	err := p.start()
	p.started <- err
	if err != nil {
		return
	}
	awaitExit(p.cmd.Process.Pid)
	p.mu.Lock()
	if p.killing {
		p.signalLocked(unix.SIGKILL) // what is left of the group
	}
	_ = p.cmd.Wait() // reaps; how it ended is in ProcessState
	p.reaped = true
	p.mu.Unlock()
	p.stderr.finish()
	close(p.ended)
}

func (p *process) start() error {
	r := p.runnable
	if r.Secured {
		if err := checkSecure(r.Path); err != nil {
			return err
		}
	}
	pipe, w, err := newStderr()
	if err != nil {
		return fmt.Errorf("run %s: %w", r.Path, err)
	}
	defer w.Close()
	closeOnExec()
	for try := 0; ; try++ {
		p.cmd = &exec.Cmd{
			Path: r.Path, Args: r.Argv, Env: r.environ(os.Environ()), Dir: r.Dir,
			Stderr: w, SysProcAttr: r.attributes(),
		}
		err = p.cmd.Start()
		if !errors.Is(err, unix.ETXTBSY) || try == busyRetries {
			break
		}
		<-time.After(busyPause) // this goroutine has nothing else to do
	}
	if err != nil {
		pipe.abandon()
		return fmt.Errorf("run %s: %w", r.Path, explain(r, err))
	}
	p.stderr = pipe
	go pipe.read()
	return nil
}

// explain says what the kernel's word means here.
func explain(r *Runnable, err error) error {
	switch {
	case errors.Is(err, unix.EPERM) && r.attributes().Credential != nil:
		return fmt.Errorf("become user %s: %w (needs root, or CAP_SETUID and CAP_SETGID)", r.User, err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("as user %s: %w", r.User, err)
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%w (the file, its interpreter or the directory %s)", err, r.Dir)
	}
	return err
}

// awaitExit waits until a child has ended and leaves it unreaped, so that its
// number still names its group.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// await watches the clock and the context until the process has ended.
func (p *process) await(ctx context.Context, o Options, begin time.Time) Result {
	var expired, kill, lost <-chan time.Time
	deadline := begin.Add(o.Timeout)
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	if o.Timeout > 0 {
		expired = timer.C
	}
	done, cancelled := ctx.Done(), false
	var res Result
	for {
		select {
		case <-p.ended:
			p.fill(&res)
			return res
		case <-expired:
			if more := extension(time.Since(deadline), o.Timeout); more > 0 {
				deadline = time.Now().Add(more)
				timer.Reset(more)
				continue
			}
			expired, res.TimedOut = nil, true
			if o.Expired != nil {
				o.Expired()
			}
			p.terminate()
			kill = time.After(KillGrace)
		case <-done:
			done, expired, cancelled = nil, nil, true
			res.Err = fmt.Errorf("run %s: %w", p.runnable.Path, context.Cause(ctx))
			p.terminate()
			kill = time.After(KillGrace)
		case <-kill:
			kill = nil
			p.signal(unix.SIGKILL)
			if cancelled {
				lost = time.After(KillGrace)
			}
		case <-lost: // live reaps it when the kernel lets it end
			res.ExitCode = -1
			return res
		}
	}
}

// extension is how much longer a command may run whose time was over for late
// when that was noticed: a machine that stood still, or gave this process no time,
// gave the command none either. A paused virtual machine must not wake up to
// scripts that all have failed.
func extension(late, timeout time.Duration) time.Duration {
	if late < stall {
		return 0
	}
	return min(late, timeout)
}

// fill adds how the process ended.
func (p *process) fill(res *Result) {
	res.Stderr = p.stderr.tail.String()
	res.ExitCode = p.cmd.ProcessState.ExitCode()
	if ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		res.Signal = ws.Signal()
	}
}

// terminate asks the group to end, and has the rest of it killed when its first
// process has ended.
func (p *process) terminate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killing = true
	p.signalLocked(unix.SIGTERM)
}

func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signalLocked(sig)
}

// signalLocked signals the group while its number is ours. A group that is gone
// is fine.
func (p *process) signalLocked(sig syscall.Signal) {
	if !p.reaped {
		_ = unix.Kill(-p.cmd.Process.Pid, sig)
	}
}

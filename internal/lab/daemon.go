package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// LogLine is a line of a daemon's log and when it was read.
type LogLine struct {
	At   time.Time
	Text string
}

// daemon is a program that runs in the background and whose log is followed.
type daemon struct {
	name  string
	cmd   *Cmd
	log   io.Writer                                           // receives every line as well, may be nil
	state func(line string) (instance, state string, ok bool) // finds transitions in the log

	mu      sync.Mutex
	lines   []LogLine
	states  map[string]string
	changed chan struct{}

	done chan struct{} // closed when the daemon has ended and its log was read
	err  error         // valid after done
}

// start starts the program and follows its log.
func (d *daemon) start() error {
	d.states, d.changed, d.done = make(map[string]string), make(chan struct{}), make(chan struct{})
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", d.name, err)
	}
	d.cmd.Stdout, d.cmd.Stderr = w, w
	err = d.cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return err
	}
	go d.read(r)
	return nil
}

// read follows the log until the daemon has ended and its processes have
// closed it. A script that outlives the daemon may hold it open: its lines are
// not waited for.
func (d *daemon) read(r *os.File) {
	defer close(d.done)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.err = d.cmd.Wait()
		_ = r.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	}()
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		d.add(LogLine{At: time.Now().Round(0), Text: sc.Text()})
	}
	<-ended
	r.Close()
}

func (d *daemon) add(l LogLine) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, l)
	if instance, state, ok := d.state(l.Text); ok {
		d.states[instance] = state
	}
	if d.log != nil {
		fmt.Fprintln(d.log, l.Text)
	}
	close(d.changed)
	d.changed = make(chan struct{})
}

// Pid is the process id of the program (keepalived: of the parent).
func (d *daemon) Pid() int { return d.cmd.Process.Pid }

// Log is the log so far.
func (d *daemon) Log() []LogLine {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]LogLine(nil), d.lines...)
}

// LogText is the log so far as text.
func (d *daemon) LogText() string {
	var b strings.Builder
	for _, l := range d.Log() {
		b.WriteString(l.Text)
		b.WriteByte('\n')
	}
	return b.String()
}

// WaitLog waits for the first line, logged already or to come, that contains
// text.
func (d *daemon) WaitLog(ctx context.Context, text string) (LogLine, error) {
	i := 0
	var found LogLine
	err := d.await(ctx, fmt.Sprintf("log line %q", text), func() bool {
		for ; i < len(d.lines); i++ {
			if strings.Contains(d.lines[i].Text, text) {
				found = d.lines[i]
				return true
			}
		}
		return false
	})
	return found, err
}

// State is the last state that an instance entered: "MASTER", "BACKUP",
// "FAULT" or "STOP", and "" before the first.
func (d *daemon) State(instance string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.states[instance]
}

// WaitState waits until an instance is in a state.
func (d *daemon) WaitState(ctx context.Context, instance, state string) error {
	return d.await(ctx, instance+" in state "+state, func() bool { return d.states[instance] == state })
}

// await waits until cond, which is called with the lock held, is true.
func (d *daemon) await(ctx context.Context, what string, cond func() bool) error {
	for {
		d.mu.Lock()
		ok, changed := cond(), d.changed
		d.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-d.done:
			// The last lines may have come with the end.
			d.mu.Lock()
			ok = cond()
			d.mu.Unlock()
			if ok {
				return nil
			}
			return fmt.Errorf("await %s: %s has ended (%v)", what, d.name, d.err)
		case <-ctx.Done():
			return fmt.Errorf("await %s of %s: %w", what, d.name, ctx.Err())
		}
	}
}

// Signal sends a signal to the program.
func (d *daemon) Signal(sig os.Signal) error {
	if err := d.cmd.Signal(sig); err != nil {
		return fmt.Errorf("signal %s: %w", d.name, err)
	}
	return nil
}

// Stop asks the daemon to leave in order (SIGTERM) and waits for its end. If
// the context ends first, everything is killed.
func (d *daemon) Stop(ctx context.Context) error {
	if err := d.cmd.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", d.name, err)
	}
	select {
	case <-d.done:
		return nil
	case <-ctx.Done():
		d.kill()
		return fmt.Errorf("stop %s: %w", d.name, ctx.Err())
	}
}

// Done is closed when the program has ended.
func (d *daemon) Done() <-chan struct{} { return d.done }

// kill ends the program and its descendants at once, and waits for their end.
func (d *daemon) kill() {
	killTree(d.cmd)
	<-d.done
}

// killTree stops the program, kills its descendants, and then itself, so
// that none can react to another's death.
func killTree(c *Cmd) {
	c.mu.Lock()
	running := c.running
	if running {
		pid := c.Process.Pid
		_ = unix.Kill(pid, unix.SIGSTOP)
		for _, child := range descendants(pid) {
			_ = unix.Kill(child, unix.SIGKILL)
		}
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	c.mu.Unlock()
	if running {
		c.kill()
	}
}

// descendants lists the processes below pid.
func descendants(pid int) []int {
	var out []int
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	for _, t := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		if err != nil {
			continue
		}
		for _, f := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(f); err == nil {
				out = append(append(out, child), descendants(child)...)
			}
		}
	}
	return out
}

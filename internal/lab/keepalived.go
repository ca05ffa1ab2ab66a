package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// KeepalivedOptions are the settings of a keepalived.
type KeepalivedOptions struct {
	// Conf is the text of keepalived.conf.
	Conf string
	// Dir receives the configuration, pid files and dumps. It must exist
	// and must not be below /run, which the daemon sees as empty.
	Dir string
	// Args are further arguments, like "--vrrp".
	Args []string
	// Binary is the program; empty means keepalived of the system.
	Binary string
	// Log, if set, receives every line as well.
	Log io.Writer
}

// LogLine is a line of a daemon's log and when it was read.
type LogLine struct {
	At   time.Time
	Text string
}

// Keepalived is a running keepalived, with a /run of its own so that several
// share a host.
type Keepalived struct {
	cmd  *Cmd
	opts KeepalivedOptions
	conf string

	mu      sync.Mutex
	lines   []LogLine
	states  map[string]string
	changed chan struct{}

	done chan struct{} // closed when the daemon has ended and its log was read
	err  error         // valid after done
}

// stateLine matches the line that keepalived 2.x logs for a transition.
var stateLine = regexp.MustCompile(`\(([^()]+)\) Entering (MASTER|BACKUP|FAULT|STOP) STATE`)

// StartKeepalived writes the configuration and starts keepalived in the
// foreground inside the namespace. It does not wait for any state. Stop, Kill
// or Close of the namespace end it; it also ends with this program.
func StartKeepalived(ns *Namespace, opts KeepalivedOptions) (*Keepalived, error) {
	if opts.Binary == "" {
		opts.Binary = "keepalived"
	}
	k := &Keepalived{
		opts: opts, conf: filepath.Join(opts.Dir, "keepalived.conf"),
		states: make(map[string]string), changed: make(chan struct{}), done: make(chan struct{}),
	}
	if err := k.writeConf(opts.Conf); err != nil {
		return nil, fmt.Errorf("start keepalived in %s: %w", ns.name, err)
	}
	pid := func(name string) string { return filepath.Join(opts.Dir, name+".pid") }
	args := append([]string{
		"-n", "-l", "-D", "-f", k.conf,
		"-p", pid("keepalived"), "-r", pid("vrrp"), "-c", pid("checkers"), "-b", pid("bfd"),
	}, opts.Args...)
	k.cmd = ns.Command(opts.Binary, args...)
	k.cmd.Private = []string{"/run"}
	k.cmd.Env = append(os.Environ(), "TMPDIR="+opts.Dir)
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start keepalived in %s: %w", ns.name, err)
	}
	k.cmd.Stdout, k.cmd.Stderr = w, w
	err = k.cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	go k.read(r)
	return k, nil
}

func (k *Keepalived) writeConf(text string) error {
	tmp := k.conf + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, k.conf)
}

// read follows the log until the daemon has ended and its processes have
// closed it. A script that outlives the daemon may hold it open: its lines are
// not waited for.
func (k *Keepalived) read(r *os.File) {
	defer close(k.done)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		k.err = k.cmd.Wait()
		_ = r.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	}()
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		k.add(LogLine{At: time.Now().Round(0), Text: sc.Text()})
	}
	<-ended
	r.Close()
}

func (k *Keepalived) add(l LogLine) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lines = append(k.lines, l)
	if m := stateLine.FindStringSubmatch(l.Text); m != nil {
		k.states[m[1]] = m[2]
	}
	if k.opts.Log != nil {
		fmt.Fprintln(k.opts.Log, l.Text)
	}
	close(k.changed)
	k.changed = make(chan struct{})
}

// Pid is the process id of keepalived's parent process.
func (k *Keepalived) Pid() int { return k.cmd.Process.Pid }

// Log is the log so far.
func (k *Keepalived) Log() []LogLine {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]LogLine(nil), k.lines...)
}

// LogText is the log so far as text.
func (k *Keepalived) LogText() string {
	var b strings.Builder
	for _, l := range k.Log() {
		b.WriteString(l.Text)
		b.WriteByte('\n')
	}
	return b.String()
}

// WaitLog waits for the first line, logged already or to come, that contains
// text.
func (k *Keepalived) WaitLog(ctx context.Context, text string) (LogLine, error) {
	i := 0
	var found LogLine
	err := k.await(ctx, fmt.Sprintf("log line %q", text), func() bool {
		for ; i < len(k.lines); i++ {
			if strings.Contains(k.lines[i].Text, text) {
				found = k.lines[i]
				return true
			}
		}
		return false
	})
	return found, err
}

// State is the last state that an instance entered: "MASTER", "BACKUP",
// "FAULT" or "STOP", and "" before the first.
func (k *Keepalived) State(instance string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.states[instance]
}

// WaitState waits until an instance is in a state.
func (k *Keepalived) WaitState(ctx context.Context, instance, state string) error {
	return k.await(ctx, instance+" in state "+state, func() bool { return k.states[instance] == state })
}

// await waits until cond, which is called with the lock held, is true.
func (k *Keepalived) await(ctx context.Context, what string, cond func() bool) error {
	for {
		k.mu.Lock()
		ok, changed := cond(), k.changed
		k.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-k.done:
			// The last lines may have come with the end.
			k.mu.Lock()
			ok = cond()
			k.mu.Unlock()
			if ok {
				return nil
			}
			return fmt.Errorf("await %s: keepalived has ended (%v)", what, k.err)
		case <-ctx.Done():
			return fmt.Errorf("await %s of keepalived: %w", what, ctx.Err())
		}
	}
}

// Reload replaces the configuration and signals a reload; an empty conf
// reloads the same text.
func (k *Keepalived) Reload(conf string) error {
	if conf != "" {
		if err := k.writeConf(conf); err != nil {
			return fmt.Errorf("reload keepalived: %w", err)
		}
	}
	return k.Signal(syscall.SIGHUP)
}

// Signal sends a signal to the parent process.
func (k *Keepalived) Signal(sig os.Signal) error {
	if err := k.cmd.Signal(sig); err != nil {
		return fmt.Errorf("signal keepalived: %w", err)
	}
	return nil
}

// Stop asks keepalived to leave in order (SIGTERM) and waits for its end. If
// the context ends first, everything is killed.
func (k *Keepalived) Stop(ctx context.Context) error {
	if err := k.cmd.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop keepalived: %w", err)
	}
	select {
	case <-k.done:
		return nil
	case <-ctx.Done():
		k.Kill()
		return fmt.Errorf("stop keepalived: %w", ctx.Err())
	}
}

// Kill ends all processes of keepalived at once, as a crash of the host
// would: when only the parent is killed, the children leave in order. It
// returns after their end.
func (k *Keepalived) Kill() {
	killTree(k.cmd)
	<-k.done
}

// Done is closed when keepalived has ended.
func (k *Keepalived) Done() <-chan struct{} { return k.done }

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

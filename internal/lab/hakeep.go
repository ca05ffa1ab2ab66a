package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"golang.org/x/sys/unix"
)

// HakeepOptions are the settings of a hakeep.
type HakeepOptions struct {
	// Config is the text of hakeep.toml.
	Config string
	// Dir receives the configuration and is the runtime directory. It must exist.
	Dir string
	// Binary is the program.
	Binary string
	// Args are further arguments of `run`.
	Args []string
	// Whole says that Args are all arguments, with the command. They have to name
	// Dir as the runtime directory; State reads states from the log, which is not
	// in JSON then.
	Whole bool
	// Log, if set, receives every line as well.
	Log io.Writer
}

// Hakeep is a running hakeep: main and its elector.
type Hakeep struct {
	daemon
	ns   *Namespace
	opts HakeepOptions
}

// StartHakeep writes the configuration and starts `hakeep run` inside the
// namespace. It does not wait for any state. Close, Stop or Kill end it; after
// KillMain a new one may be started with the same directory.
func StartHakeep(ns *Namespace, opts HakeepOptions) (*Hakeep, error) {
	h := &Hakeep{daemon: daemon{name: "hakeep", log: opts.Log, state: hakeepState}, ns: ns, opts: opts}
	if opts.Config != "" {
		if err := writeConf(h.ConfigPath(), opts.Config); err != nil {
			return nil, fmt.Errorf("start hakeep in %s: %w", ns.name, err)
		}
	}
	args := append([]string{"run", "--config", h.ConfigPath(), "--runtime-dir", opts.Dir, "--log-format", "json"}, opts.Args...)
	if opts.Whole {
		args, h.state = opts.Args, hakeepTextState
	}
	h.cmd = ns.Command(opts.Binary, args...)
	if err := h.start(); err != nil {
		return nil, err
	}
	return h, nil
}

// ConfigPath is where the configuration is.
func (h *Hakeep) ConfigPath() string { return filepath.Join(h.opts.Dir, "hakeep.toml") }

// Dir is the runtime directory.
func (h *Hakeep) Dir() string { return h.opts.Dir }

// hakeepState reads a transition from the log.
func hakeepState(line string) (instance, state string, ok bool) {
	var entry struct{ Msg, Instance, To string }
	if json.Unmarshal([]byte(line), &entry) != nil || entry.Msg != "transition" {
		return "", "", false
	}
	return entry.Instance, entry.To, true
}

// textState matches the log line of a transition in the text format.
var textState = regexp.MustCompile(`msg=transition instance=(\S+) .*\bto=(\S+)`)

func hakeepTextState(line string) (instance, state string, ok bool) {
	m := textState.FindStringSubmatch(line)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// WriteConfig replaces the configuration file; the daemon is not told.
func (h *Hakeep) WriteConfig(text string) error { return writeConf(h.ConfigPath(), text) }

// CLI runs a client command of hakeep against this daemon and returns its
// output and exit code.
func (h *Hakeep) CLI(ctx context.Context, args ...string) (stdout, stderr string, code int, err error) {
	args = append(args, "--socket", filepath.Join(h.opts.Dir, "hakeep.sock"))
	cmd := h.ns.CommandContext(ctx, h.opts.Binary, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code, err = exit.ExitCode(), nil
	}
	return out.String(), errs.String(), code, err
}

// ElectorPid is the process id of the elector: whoever listens on its socket.
func (h *Hakeep) ElectorPid() (int, error) {
	conn, err := net.Dial("unix", filepath.Join(h.opts.Dir, "elector.sock"))
	if err != nil {
		return 0, fmt.Errorf("find elector: %w", err)
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("find elector: %w", err)
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, fmt.Errorf("find elector: %w", err)
	}
	if credErr != nil {
		return 0, fmt.Errorf("find elector: %w", credErr)
	}
	return int(cred.Pid), nil
}

// KillMain kills the main process only (SIGKILL) and waits for its end.
func (h *Hakeep) KillMain() {
	_ = unix.Kill(h.Pid(), unix.SIGKILL)
	<-h.done
}

// KillElector kills the elector only (SIGKILL).
func (h *Hakeep) KillElector() error {
	pid, err := h.ElectorPid()
	if err != nil {
		return err
	}
	return unix.Kill(pid, unix.SIGKILL)
}

// Kill kills both processes at once, as a crash of the host would. It returns
// after the end of both.
func (h *Hakeep) Kill() {
	pid, err := h.ElectorPid()
	_ = unix.Kill(h.Pid(), unix.SIGSTOP) // else it could start another elector
	if err == nil {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	_ = unix.Kill(h.Pid(), unix.SIGKILL)
	<-h.done
	for err == nil && unix.Kill(pid, 0) == nil && !zombie(pid) {
		time.Sleep(time.Millisecond)
	}
}

// zombie reports whether a process has ended and only waits to be reaped.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	i := bytes.LastIndexByte(stat, ')')
	return i >= 0 && len(stat) > i+2 && stat[i+2] == 'Z'
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// facilities are the words of -S.
var facilities = map[string]syslog.Priority{
	"daemon": syslog.LOG_DAEMON, "user": syslog.LOG_USER,
	"0": syslog.LOG_LOCAL0, "1": syslog.LOG_LOCAL1, "2": syslog.LOG_LOCAL2, "3": syslog.LOG_LOCAL3,
	"4": syslog.LOG_LOCAL4, "5": syslog.LOG_LOCAL5, "6": syslog.LOG_LOCAL6, "7": syslog.LOG_LOCAL7,
}

// logger writes to syslog, unless -G, to a file with -g and to standard error with
// -l. Where syslog cannot be reached standard error takes its place: a log that
// goes nowhere is of no use. done closes what was opened.
func (k *asKeepalived) logger(stderr io.Writer, level slog.Level) (log *slog.Logger, done func(), err error) {
	facility, ok := facilities[strings.TrimPrefix(k.facility, "local")]
	if !ok {
		return nil, nil, refusedOption(fmt.Sprintf("-S %s: allowed are 0-7, local0-local7, user and daemon", k.facility))
	}
	o := &slog.HandlerOptions{Level: level}
	var all []slog.Handler
	var open []io.Closer
	console := k.console
	if !k.noSyslog {
		w, err := syslog.New(facility|syslog.LOG_INFO, "Keepalived")
		if err != nil {
			console = true
		} else {
			open = append(open, w)
			all = append(all, newSyslogHandler(w, o))
		}
	}
	if k.logFile != "" {
		f, err := os.OpenFile(k.logFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, nil, &codeError{code: keepalivedFatal, err: fmt.Errorf("-g: %w", err)}
		}
		open = append(open, f)
		all = append(all, slog.NewTextHandler(f, o))
	}
	k.toStderr = console
	if console {
		all = append(all, slog.NewTextHandler(stderr, o))
	}
	done = func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
	return slog.New(slog.NewMultiHandler(all...)), done, nil
}

// syslogWriter passes the lines of a text handler on with the priority of the
// record, which is the first word of the line.
type syslogWriter struct{ w *syslog.Writer }

// newSyslogHandler leaves the time out, which syslog has.
func newSyslogHandler(w *syslog.Writer, o *slog.HandlerOptions) slog.Handler {
	own := *o
	own.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	return slog.NewTextHandler(syslogWriter{w}, &own)
}

// Write takes one line.
func (s syslogWriter) Write(line []byte) (int, error) {
	text := string(bytes.TrimSuffix(line, []byte("\n")))
	level, rest, _ := strings.Cut(strings.TrimPrefix(text, "level="), " ")
	write := s.w.Info
	switch {
	case strings.HasPrefix(level, "ERROR"):
		write = s.w.Err
	case strings.HasPrefix(level, "WARN"):
		write = s.w.Warning
	case strings.HasPrefix(level, "DEBUG"):
		write = s.w.Debug
	}
	return len(line), write(rest)
}

// backgroundEnv tells a process that it is the one in the background: it is
// backgroundStart while the parent listens on backgroundFD, and the number of the
// process afterwards, since an upgrade executes the program once more.
const (
	backgroundEnv   = "HAKEEP_BACKGROUND"
	backgroundStart = "start"
)

// inBackground reports whether this process is the one in the background.
func inBackground() bool {
	v := os.Getenv(backgroundEnv)
	return v == backgroundStart || v == strconv.Itoa(os.Getpid())
}

// backgroundFD is that descriptor, the first after the standard ones.
const backgroundFD = 3

// fork starts the daemon in the background, as a session of its own, and returns
// when it is ready or has ended; then with its exit code.
func (k *asKeepalived) fork(cmd *cobra.Command) error {
	r, w, err := os.Pipe()
	if err != nil {
		return &codeError{code: keepalivedSoftware, err: err}
	}
	defer r.Close()
	self, err := os.Executable()
	if err != nil {
		return &codeError{code: keepalivedSoftware, err: err}
	}
	child := exec.Command(self, os.Args[1:]...)
	child.Args[0] = os.Args[0]
	child.Env = append(os.Environ(), backgroundEnv+"="+backgroundStart)
	child.ExtraFiles = []*os.File{w}
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return &codeError{code: keepalivedSoftware, err: fmt.Errorf("go to the background: %w", err)}
	}
	_ = w.Close()
	if n, _ := r.Read(make([]byte, 1)); n == 1 {
		return nil // ready
	}
	var exit *exec.ExitError
	switch err := child.Wait(); {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return silent(exit.ExitCode())
	case err != nil:
		return &codeError{code: keepalivedSoftware, err: fmt.Errorf("in the background: %w", err)}
	}
	return nil // already running: it has said so
}

// tellParent tells the process that has started this one that it is ready, and
// lets go of what was its terminal.
func (k *asKeepalived) tellParent() {
	if os.Getenv(backgroundEnv) != backgroundStart {
		return
	}
	_ = os.Setenv(backgroundEnv, strconv.Itoa(os.Getpid()))
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		last := 2
		if k.toStderr {
			last = 1
		}
		for fd := range last + 1 {
			_ = unix.Dup3(int(null.Fd()), fd, 0)
		}
		_ = null.Close()
	}
	f := os.NewFile(backgroundFD, "parent")
	_, _ = f.Write([]byte{1}) // it may have gone
	_ = f.Close()
}

package script

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

// DefaultUser is the user that commands run as when none is configured. The
// package creates it. keepalived's is keepalived_script, and when that does not
// exist root; here nothing runs then.
const DefaultUser = "hakeep_script"

// KillGrace is the time between SIGTERM and SIGKILL (keepalived: 2 s).
const KillGrace = 2 * time.Second

// Command is a command as it is configured.
type Command struct {
	// Argv are the program and its arguments. A program without a slash is looked
	// up in PATH; one with a slash must be absolute.
	Argv []string
	// User and Group are names or numbers; both may be empty. "USER GROUP" in User
	// is the same as both (keepalived: user USER [GROUP]). Without a group it is
	// the user's.
	User, Group string
	// Env are further variables, NAME=VALUE.
	Env []string
	// Dir is the working directory; empty means "/".
	Dir string
}

// Equal reports whether both are the same command.
func (c Command) Equal(o Command) bool {
	return slices.Equal(c.Argv, o.Argv) && c.User == o.User && c.Group == o.Group &&
		slices.Equal(c.Env, o.Env) && c.Dir == o.Dir
}

// String is the command as an operator would type it.
func (c Command) String() string { return strings.Join(c.Argv, " ") }

// Runnable is a command that can run: what [Resolve] made of a [Command].
type Runnable struct {
	// Path is the file that is executed. Symbolic links in it are followed at each
	// run (keepalived: use_symlink_paths).
	Path string
	// Argv are the arguments, the program's name as it was configured first.
	Argv []string
	// User is the name of the user, UID, GID and Groups are what it stands for.
	User     string
	UID, GID uint32
	Groups   []uint32
	// Home is the home directory of the user.
	Home string
	Env  []string
	Dir  string
	// Notes are things that an operator should know, such as where a program
	// without a path was found.
	Notes []string
	// Secured says that script security is on and applies: every run checks again
	// that nobody but root can change what is executed.
	Secured bool
}

// Result says how a run went.
type Result struct {
	// ExitCode is the exit status, -1 if the command did not start or was ended by
	// a signal.
	ExitCode int
	// Signal is the signal that ended it, 0 if none did.
	Signal syscall.Signal
	// TimedOut says that it did not end in its time.
	TimedOut bool
	// Started is when it was started, Duration how long it ran.
	Started  time.Time
	Duration time.Duration
	// Stderr is the end of what it wrote to standard error, at most 4 KiB in whole
	// lines as far as possible, without control characters.
	Stderr string
	// Err says why the command did not start, or that the run was broken off
	// because its context was done. A command that ran and failed has none.
	Err error
}

// OK reports whether the command ran to its end in time and exited with 0.
func (r Result) OK() bool {
	return r.Err == nil && !r.TimedOut && r.Signal == 0 && r.ExitCode == 0
}

// SignalName is the name of the signal that ended the command, such as SIGKILL;
// empty if none did.
func (r Result) SignalName() string {
	if r.Signal == 0 {
		return ""
	}
	return signalName(r.Signal)
}

// String says how the run went in a few words: "exit status 1", "killed by
// SIGSEGV", "timed out after 1s".
func (r Result) String() string {
	switch {
	case r.Err != nil:
		return r.Err.Error()
	case r.TimedOut:
		return "timed out after " + r.Duration.Round(time.Millisecond).String()
	case r.Signal != 0:
		return "killed by " + r.SignalName()
	}
	return fmt.Sprintf("exit status %d", r.ExitCode)
}

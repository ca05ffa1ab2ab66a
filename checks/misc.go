package checks

import (
	"context"
	"errors"
	"strings"
	"time"

	"hakeep/internal/script"
)

// Misc runs a command (keepalived: MISC_CHECK). It is well with exit status 0.
// The time limit of the Policy is misc_timeout; a command that is over it gets
// SIGTERM, and 2 s later SIGKILL.
type Misc struct {
	Command script.Command
	// Dynamic lets exit status 2 to 255 be well and set the weight of the server to
	// 0 to 253, the status less two (misc_dynamic). With 0 it is the configured one,
	// as keepalived does it (its manual says that it stays as it is).
	Dynamic bool
	// DefaultUser is the configured script_user, "USER" or "USER GROUP", and may be
	// empty; Secure is enable_script_security.
	DefaultUser string
	Secure      bool
}

var _ Target = Misc{}

// Checker makes the check. A command that cannot run is no error here but at each
// attempt: it may be installed later.
func (c Misc) Checker(*Pinger) (Checker, error) {
	if len(c.Command.Argv) == 0 {
		return nil, errors.New("misc: no command")
	}
	return &miscChecker{Misc: c}, nil
}

// miscChecker is a Misc with what it resolved to.
type miscChecker struct {
	Misc
	runnable *script.Runnable // nil until it could be resolved
}

var _ Checker = (*miscChecker)(nil)

// Check runs the command once.
func (c *miscChecker) Check(ctx context.Context) Result {
	if c.runnable == nil {
		r, err := script.Resolve(c.Command, c.DefaultUser, c.Secure)
		if err != nil {
			return Result{Err: err}
		}
		c.runnable = &r
	}
	// The limit is the script's, which does not count time in which the machine stood
	// still; a check that is removed is broken off.
	var o script.Options
	if end, ok := ctx.Deadline(); ok {
		o.Timeout = time.Until(end)
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})
	defer stop()
	return miscResult(script.RunWith(own, *c.runnable, o), c.Dynamic)
}

// miscResult is what a run means.
func miscResult(run script.Result, dynamic bool) Result {
	res := Result{OK: run.OK(), Detail: run.String(), Err: run.Err, final: true}
	if lines := strings.Split(strings.TrimSpace(run.Stderr), "\n"); lines[len(lines)-1] != "" {
		res.Detail += ": " + printable(lines[len(lines)-1])
	}
	if dynamic && run.Err == nil && !run.TimedOut && run.Signal == 0 && run.ExitCode >= 2 {
		weight := run.ExitCode - 2
		res.OK, res.Weight = true, &weight
	}
	return res
}

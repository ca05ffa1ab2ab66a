package notify

import (
	"context"
	"time"

	"hakeep/internal/script"
)

// runner runs commands: the system's, or a test's.
type runner interface {
	run(ctx context.Context, c script.Command, p Policy, timeout time.Duration) script.Result
}

// scripts runs commands as processes. They are resolved at each run, so that a
// program or user that is installed later is found.
type scripts struct{}

var _ runner = scripts{}

func (scripts) run(ctx context.Context, c script.Command, p Policy, timeout time.Duration) script.Result {
	r, err := script.Resolve(c, p.User, p.Secure)
	if err != nil {
		return script.Result{ExitCode: -1, Started: time.Now(), Err: err}
	}
	return script.Run(ctx, r, timeout)
}

package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"hakeep/internal/status"
	"hakeep/internal/version"
)

// Status puts the state of everything together. An elector that does not
// answer is part of it, not an error.
func (d *daemon) Status(ctx context.Context) (*status.Document, error) {
	return d.document(ctx, true)
}

// health is the status without load balancing, which health is not judged by: to
// read the counters of thousands of servers is work for the kernel.
func (d *daemon) health(ctx context.Context) (*status.Document, error) {
	return d.document(ctx, false)
}

func (d *daemon) document(ctx context.Context, balancing bool) (*status.Document, error) {
	cur := d.current.Load()
	in := &status.Input{
		Config: cur.config, Starts: d.supervisor.starts.Load(),
		Daemon: status.Daemon{
			Version: version.String(), PID: os.Getpid(), Started: d.started,
			RouterID: cur.config.Global.RouterID, Name: cur.config.Global.Name,
			ConfigFile: d.opts.ConfigFile, RuntimeDir: d.opts.RuntimeDir,
			ConfigLoaded: cur.loaded, LastReload: cur.last, Reloads: cur.reloads, ReloadsRefused: cur.refused,
		},
	}
	if in.Daemon.RouterID == "" {
		in.Daemon.RouterID = d.host
	}
	bounded, cancel := context.WithTimeoutCause(ctx, statusTimeout, fmt.Errorf("not within %v", statusTimeout))
	defer cancel()
	snap, err := d.supervisor.state(bounded)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		in.Problem = err.Error()
	}
	in.Snapshot, in.Now, in.Standby = snap, time.Now(), d.standbys.all()
	for _, p := range cur.config.CheckOn(d.hostOf(cur.config)) {
		in.Warnings = append(in.Warnings, p.String())
	}
	in.Warnings = append(in.Warnings, cur.problems...)
	if p := d.httpProblem.Load(); p != nil && *p != "" {
		in.Warnings = append(in.Warnings, *p)
	}
	if err := d.firewall.Stats().Err; err != nil {
		in.Warnings = append(in.Warnings, "firewall rules are not in force: "+err.Error())
	}
	if balancing {
		servers, warnings := d.balancer.status(bounded)
		in.Balancing, in.Warnings = servers, append(in.Warnings, warnings...)
	}
	notified := d.notifier.Status()
	in.Tracked, in.Parts, in.Notify = d.tracker.Snapshot(), d.tracker.Parts(), &notified
	return status.Build(in), nil
}

// Reload asks the loop for a reload and waits for its outcome.
func (d *daemon) Reload(ctx context.Context) (*status.Reload, error) {
	reply := make(chan *status.Reload, 1)
	select {
	case d.requests <- reloadRequest{reply}:
	case <-d.stopped:
		return nil, errStopping
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case out := <-reply:
		return out, nil
	case <-d.stopped:
		return nil, errStopping
	case <-ctx.Done():
		return nil, errors.Join(errStopping, ctx.Err())
	}
}

// Events returns what the history has.
func (d *daemon) Events(seq uint64, n int) ([]status.Event, <-chan struct{}) {
	return d.history.after(seq, n)
}

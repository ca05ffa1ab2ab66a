package notify

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"hakeep/internal/reconcile"
	"hakeep/internal/script"
)

const (
	// readerRetryMin and readerRetryMax bound the pauses between starts of the
	// program that reads a FIFO.
	readerRetryMin = time.Second
	readerRetryMax = time.Minute
	// readerStable is how long it has to run for the pauses to start over.
	readerStable = time.Minute
	// readerDetached is how soon a program ends that has put itself into the
	// background.
	readerDetached = time.Second
)

// reader keeps the program running that reads a FIFO (notify_fifo_script): one
// at a time, also over a change of the configuration. Its fields are the FIFO's
// and guarded by its mutex.
type reader struct {
	f    *fifo
	wake chan struct{}

	since    time.Time // zero while it does not run
	cancel   context.CancelFunc
	changed  bool // the command is another one than what runs or ran
	detached bool
	restarts uint64
	last     *script.Result
}

func newReader(f *fifo) *reader { return &reader{f: f, wake: make(chan struct{}, 1)} }

func (r *reader) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// restart ends the program, since another one is wanted. The caller holds the
// FIFO's mutex.
func (r *reader) restart() {
	r.changed, r.detached = true, false
	if r.cancel != nil {
		r.cancel()
	}
	r.poke()
}

// serve starts the program whenever it is wanted and does not run.
func (r *reader) serve(ctx context.Context) {
	retry := reconcile.Backoff{Min: readerRetryMin, Max: readerRetryMax}
	for {
		c, policy, run, ok := r.begin(ctx)
		switch {
		case !ok:
			return
		case run == nil:
			select {
			case <-ctx.Done():
			case <-r.wake:
			}
			continue
		}
		res := r.f.run.run(run, c, policy, 0)
		changed, again := r.end(ctx, res)
		if res.Duration >= readerStable || changed {
			retry.Succeed()
		}
		if !changed && again {
			r.pause(ctx, retry.Fail())
		}
	}
}

// begin says what is to be run; run is nil if nothing is now, ok false if
// nothing will be.
func (r *reader) begin(ctx context.Context) (c script.Command, p Policy, run context.Context, ok bool) {
	f := r.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.leaving || ctx.Err() != nil {
		return c, p, nil, false
	}
	if !f.open || f.cfg.Script.IsZero() || r.detached {
		return c, p, nil, true
	}
	c = f.cfg.Script.Command
	c.Argv = append(slices.Clip(c.Argv), f.cfg.Path)
	if r.last != nil && !r.changed {
		r.restarts++
	}
	r.changed, r.since = false, time.Now()
	run, r.cancel = context.WithCancel(ctx)
	return c, f.policy, run, true
}

// end records how it ended. Changed says that it was made to end for another
// one, again that it is to be started after a pause.
func (r *reader) end(ctx context.Context, res script.Result) (changed, again bool) {
	f := r.f
	f.mu.Lock()
	defer f.mu.Unlock()
	r.cancel()
	same := r.last != nil && r.last.String() == res.String() && res.Duration < readerStable
	r.cancel, r.since, r.last = nil, time.Time{}, &res
	log := f.log.With("command", f.cfg.Script.String(), "duration", res.Duration.Round(time.Millisecond))
	switch {
	case f.leaving || ctx.Err() != nil:
		return false, false
	case r.changed:
		return true, true
	case res.OK() && res.Duration < readerDetached:
		r.detached = true
		log.Warn("reader of notify FIFO ended at once with status 0: if it runs in the background it cannot be watched, and it is not started again")
		return false, false
	}
	level := slog.LevelWarn
	if same { // and it will be so every minute
		level = slog.LevelDebug
	}
	log.Log(ctx, level, "reader of notify FIFO ended, it is started again", "err", res.String(), "stderr", res.Stderr)
	return false, true
}

// pause waits before the next start, less if something changes.
func (r *reader) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			return
		case <-r.wake:
			r.f.mu.Lock()
			over := r.changed || r.f.leaving
			r.f.mu.Unlock()
			if over {
				return
			}
		}
	}
}

// fill completes a status; the caller holds the FIFO's mutex.
func (r *reader) fill(s *FIFOStatus) {
	s.Script = r.f.cfg.Script.String()
	s.ScriptSince, s.ScriptRestarts = r.since, r.restarts
	if r.last != nil {
		s.ScriptLast = r.last.String()
	}
}

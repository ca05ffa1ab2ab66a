package track

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"hakeep/internal/script"
)

// resolveAgain is how long a command that could not be resolved, or started, is
// left alone: its user or file may be installed meanwhile.
const resolveAgain = time.Second

// adoptScript takes the spec of a script that is new or was there before.
func (t *tracker) adoptScript(s Script, fresh bool) {
	old := t.script
	t.script = s
	switch {
	case fresh:
		t.counter = NewCounter(s.Rise, s.Fall)
		if s.InitFail {
			t.counter.Fail()
			t.outcome = Outcome{Known: true}
			t.status.Result = "init_fail"
		}
		return
	case !old.sameCommand(s):
		// The outcome stays until the first result of the new command decides.
		t.counter.Adopt(s.Rise, s.Fall)
		t.counter.Restart()
		t.status = Status{Kind: t.status.Kind, Name: t.status.Name, Since: t.status.Since}
	case old.Rise != s.Rise || old.Fall != s.Fall:
		t.counter.Adopt(s.Rise, s.Fall)
	}
	if !old.sameRun(s) {
		t.stop()
		t.status.Running = false
	}
}

// startScripts starts the goroutine of every script that has none.
func (m *Manager) startScripts(ctx context.Context, wg *sync.WaitGroup) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []*tracker
	for _, t := range m.trackers {
		if t.id.Kind == KindScript && t.cancel == nil {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b *tracker) int { return a.id.compare(b.id) })
	for i, t := range list {
		m.slots++
		r := &scriptRunner{
			m: m, t: t, spec: t.script, slot: m.slots,
			done: make(chan script.Result, 1), expired: make(chan struct{}, 1),
		}
		var own context.Context
		own, t.cancel = context.WithCancel(ctx)
		first := firstStart(i, len(list), r.spec.Interval)
		wg.Go(func() { r.loop(own, first) })
	}
}

// scriptRunner runs one script at its interval. loop owns it.
type scriptRunner struct {
	m       *Manager
	t       *tracker
	spec    Script // t.script when it was started; t's may differ in rise and fall
	slot    int
	done    chan script.Result // of the run that goes on; room for one
	expired chan struct{}      // its time is over; room for one

	runnable *script.Runnable // nil if it must be resolved
	resolved time.Time        // the last attempt to
	err      error            // its error
	running  bool
	began    time.Time // the run
	overdue  bool      // its time is over, and that was counted
	counted  time.Time // when the last result of an overdue run was
}

func (r *scriptRunner) loop(ctx context.Context, first time.Duration) {
	due := time.Now().Add(first)
	timer := time.NewTimer(first)
	defer timer.Stop()
	second := true
	for {
		select {
		case <-ctx.Done():
			if r.running {
				<-r.done // ended by the same context
			}
			return
		case <-timer.C:
			r.tick(ctx)
			if second {
				second = false
				due = due.Add(secondGap(r.slot, r.spec.Interval))
			} else {
				due = following(due, time.Now(), r.spec.Interval)
			}
			timer.Reset(time.Until(due))
		case <-r.expired:
			r.overdue, r.counted = true, time.Now()
			r.report(ctx, r.timedOut())
		case res := <-r.done:
			r.running = false
			select {
			case <-r.expired: // at the same moment: the result says it
			default:
			}
			if !r.overdue {
				r.report(ctx, res)
			} else {
				r.ended(ctx, res)
			}
			r.overdue = false
			if res.Err != nil {
				r.runnable = nil
			}
		}
	}
}

// tick starts a run, unless one is going on. One that is overdue counts as
// failed once an interval: it may never end.
func (r *scriptRunner) tick(ctx context.Context) {
	if r.running {
		r.skip(ctx)
		if r.overdue && time.Since(r.counted) >= r.spec.Interval {
			r.counted = time.Now()
			r.report(ctx, r.timedOut())
		}
		return
	}
	if !r.prepare(ctx) {
		r.report(ctx, script.Result{ExitCode: -1, Err: r.err, Started: time.Now()})
		return
	}
	r.running, r.began = true, time.Now()
	runnable := *r.runnable
	r.m.mu.Lock()
	r.t.status.Running = ctx.Err() == nil
	r.m.mu.Unlock()
	go func() {
		r.done <- r.m.run(ctx, runnable, script.Options{
			Timeout: r.spec.timeout(),
			Expired: func() { r.expired <- struct{}{} },
		})
	}()
}

// timedOut is the result of a run whose time is over and that goes on.
func (r *scriptRunner) timedOut() script.Result {
	return script.Result{ExitCode: -1, TimedOut: true, Started: r.began, Duration: time.Since(r.began)}
}

// prepare resolves the command if that has to be done.
func (r *scriptRunner) prepare(ctx context.Context) bool {
	if r.runnable != nil {
		return true
	}
	if r.err != nil && time.Since(r.resolved) < resolveAgain {
		return false
	}
	runnable, err := r.m.resolve(r.spec.Command, r.spec.DefaultUser, r.spec.Security)
	r.resolved, r.err = time.Now(), err
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if ctx.Err() != nil {
		return err == nil
	}
	r.t.status.Error = ""
	if err != nil {
		r.t.status.Error = err.Error()
		return false
	}
	if !slices.Equal(r.t.status.Notes, runnable.Notes) {
		r.t.status.Notes = runnable.Notes
		for _, note := range runnable.Notes {
			r.m.log.Warn("note on script", "name", r.t.id.Name, "note", note)
		}
	}
	r.runnable = &runnable
	return true
}

// report counts a result.
func (r *scriptRunner) report(ctx context.Context, res script.Result) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if ctx.Err() != nil {
		return // removed or changed meanwhile
	}
	s := &r.t.status
	s.Runs++
	if res.TimedOut {
		s.Timeouts++
	}
	ok := res.OK()
	if !ok {
		s.Failures++
	}
	r.show(res)
	why := s.Result
	if r.t.counter.Result(ok) {
		r.m.set(r.t, Outcome{Known: true, OK: r.t.counter.OK()}, why,
			"command", r.spec.Command.String(), "stderr", lastLine(res.Stderr))
	} else {
		r.m.log.Debug("script ended", "name", r.t.id.Name, "result", why, "duration", res.Duration)
	}
}

// ended shows how a run ended that has been counted already.
func (r *scriptRunner) ended(ctx context.Context, res script.Result) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if ctx.Err() == nil {
		r.show(res)
	}
}

// show keeps a result for the status. The caller holds the mutex.
func (r *scriptRunner) show(res script.Result) {
	s := &r.t.status
	s.Running = r.running
	s.Result, s.ExitCode, s.Signal = res.String(), res.ExitCode, res.SignalName()
	s.Duration, s.LastRun, s.Stderr = res.Duration, res.Started, res.Stderr
}

// skip counts a tick that found the run before going on. The first of a series
// is logged.
func (r *scriptRunner) skip(ctx context.Context) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	s := &r.t.status
	s.Skipped++
	if s.Skipped == 1 {
		r.m.log.Warn("script still runs at its next start", "name", r.t.id.Name, "interval", r.spec.Interval)
	}
}

// lastLine is what fits a log.
func lastLine(text string) string {
	text = strings.TrimRight(text, "\n")
	return text[strings.LastIndexByte(text, '\n')+1:]
}

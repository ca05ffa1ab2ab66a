package notify

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"hakeep/internal/script"
)

// Options are what a [Manager] needs.
type Options struct {
	// Logger is required.
	Logger *slog.Logger
	// Report, if not nil, is called after each script that ran or could not. It must
	// not block and must not call the Manager.
	Report func(Outcome)
}

// Outcome says how a script of a target went.
type Outcome struct {
	Target Target
	// Hook is keepalived's keyword: "notify_master", "notify".
	Hook string
	// State is the state that it was run for.
	State State
	// Command is what was run, as an operator would type it.
	Command string
	Result  script.Result
}

// errStopping is why a script was broken off.
var errStopping = errors.New("hakeep is being stopped")

// Manager sends notifications. Its methods may be called from any goroutine and,
// other than Run and Stop, do not wait.
type Manager struct {
	log    *slog.Logger
	report func(Outcome)
	run    runner
	mail   *mailer
	wake   chan struct{} // one slot: something is to be done
	start  time.Time
	ended  chan struct{} // closed when Run has returned

	mu      sync.Mutex
	spec    Spec
	applied bool
	book    book
	lanes   map[Target]*lane
	servers map[Target]bool // that are configured
	fifos   map[string]*fifo
	phase   phase
	// hurry is when scripts that are not for a stop are broken off.
	hurry time.Time
	// cancel breaks off everything; it is set while Run runs.
	cancel context.CancelFunc
}

// phase is how far the Manager is.
type phase uint8

const (
	fresh phase = iota + 1
	working
	stopping // no more than what is under way
	done
)

// New makes a Manager that knows no targets.
func New(o Options) *Manager {
	return newManager(o, scripts{}, smtpSender{})
}

func newManager(o Options, r runner, s sender) *Manager {
	m := &Manager{
		log: o.Logger, report: o.Report, run: r, start: time.Now(), wake: make(chan struct{}, 1), ended: make(chan struct{}),
		book: make(book), lanes: make(map[Target]*lane), fifos: make(map[string]*fifo), phase: fresh,
	}
	m.mail = newMailer(o.Logger, s, m.kick)
	return m
}

// kick makes Run look what is to be done.
func (m *Manager) kick() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Apply puts a configuration in force. What is the same in both stays as it is:
// scripts that run or wait, FIFOs and the processes that read them, mail that is
// queued. An instance that is gone is told to be deleted, unless it was stopped
// before, or a Deleted event came for it; later events for it are ignored.
func (m *Manager) Apply(s Spec) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.kick()
	again := m.applied
	m.applied = true
	keep := make(map[Target]bool, len(s.Hooks))
	for i := range s.Hooks {
		keep[s.Hooks[i].Target] = true
	}
	for i := range m.spec.Hooks {
		if h := &m.spec.Hooks[i]; !keep[h.Target] {
			m.remove(h)
		}
	}
	for i := range s.Hooks {
		l := m.lanes[s.Hooks[i].Target]
		if l == nil {
			l = &lane{}
			m.lanes[s.Hooks[i].Target] = l
		}
		l.hooks, l.removed = s.Hooks[i], false
	}
	m.servers = make(map[Target]bool, len(s.Servers))
	for _, t := range s.Servers {
		m.servers[t] = true
	}
	for t, l := range m.lanes {
		if t.isServer() {
			l.removed = !m.servers[t]
		}
	}
	s.FIFOs = merge(s.FIFOs)
	m.spec = s
	m.mail.apply(s.Mail)
	m.reconcileFIFOs()
	if again && s.WriteStatesOnReload {
		m.repeatStates()
	}
}

// remove ends a target that is not configured any more, with its old hooks.
func (m *Manager) remove(h *Hooks) {
	if s := m.book.state(h.Target); h.Target.Kind == Instance && s != 0 && s != Stop && s != Deleted {
		m.notify(Event{Target: h.Target, State: Deleted, Priority: m.book.of(h.Target).priority}, h)
	}
	delete(m.book, h.Target)
	m.lanes[h.Target].removed = true
}

// repeatStates writes what is known to the FIFOs: groups, then instances, as at
// start.
func (m *Manager) repeatStates() {
	for _, kind := range []Kind{Group, Instance} {
		for i := range m.spec.Hooks {
			t := m.spec.Hooks[i].Target
			if s := m.book.state(t); t.Kind == kind && s != 0 {
				m.writeLine(Line(t, s, m.book.of(t).priority), vrrpLines)
			}
		}
	}
}

// Notify tells of an event. Events of a target that is not configured, and those
// after Stop has ended, are ignored. At the end of the daemon the instances'
// Stop come first, then those of the groups.
func (m *Manager) Notify(e Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.lanes[e.Target]
	if l == nil || l.removed || m.phase == done {
		m.log.Debug("notification of an unknown target", e.Target.key(), e.Target.Name, "state", e.State.String())
		return
	}
	m.notify(e, &l.hooks)
	m.kick()
}

func (m *Manager) notify(e Event, h *Hooks) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	d := m.book.decide(e, h, m.spec.Mail.NoFaults, time.Since(m.start))
	if d.line {
		m.writeLine(Line(e.Target, d.state, e.Priority), vrrpLines)
	}
	if d.scripts {
		m.push(m.lanes[e.Target], job{event: e, state: d.state})
	}
	if d.mail {
		m.mail.push(compose(m.spec.RouterID, e, d.state))
	}
}

// push queues scripts, and says what will not run.
func (m *Manager) push(l *lane, j job) {
	for _, o := range l.push(j) {
		m.skip(o, j.event.Target, "overtaken by "+j.state.String())
	}
}

// skip says that the scripts of a job do not run, if it has any. Those of
// masters of lower priority are only counted: they come with each advert.
func (m *Manager) skip(j job, t Target, why string) {
	if j.state.isState() && len(j.hooks) > 0 {
		m.log.Info("notify scripts skipped", t.key(), t.Name, "state", j.state.String(), "reason", why)
	}
}

func vrrpLines(f *FIFO) bool { return f.VRRP }
func lvsLines(f *FIFO) bool  { return f.LVS }

func (m *Manager) writeLine(line []byte, wanted func(*FIFO) bool) {
	for i := range m.spec.FIFOs {
		if f := &m.spec.FIFOs[i]; wanted(f) {
			m.fifos[f.Path].push(line)
		}
	}
}

// Run does the work until Stop has ended it. When ctx is done it breaks off
// everything, also scripts, which takes up to twice [script.KillGrace]. It is
// called once; the error says that it was called again.
func (m *Manager) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(ctx)
	m.mu.Lock()
	if m.phase != fresh {
		defer m.mu.Unlock()
		cancel()
		if m.phase == done { // stopped before it began
			return nil
		}
		return errors.New("notify: Run called again")
	}
	m.phase, m.cancel = working, cancel
	m.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { m.mail.run(work) })
	defer func() {
		cancel()
		wg.Wait()
		m.mu.Lock()
		m.phase = done
		m.mu.Unlock()
		close(m.ended)
	}()
	for {
		finished, hurry := m.step(work, &wg)
		if finished {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-m.wake:
		case <-hurry:
		}
	}
}

// step starts what can start. It reports whether a stop has nothing to wait for,
// and when to look again.
func (m *Manager) step(ctx context.Context, wg *sync.WaitGroup) (finished bool, hurry <-chan time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reconcileFIFOs()
	for _, f := range m.fifos {
		f.start(ctx, wg)
	}
	if m.phase == stopping && !time.Now().Before(m.hurry) {
		m.breakOff()
	}
	idle := true
	for t, l := range m.lanes {
		m.startNext(ctx, wg, t, l)
		idle = idle && l.idle()
		if l.removed && l.idle() {
			delete(m.lanes, t)
		}
	}
	if m.phase != stopping {
		return false, nil
	}
	if wait := time.Until(m.hurry); wait > 0 {
		hurry = time.After(wait)
	}
	if !idle || !m.mail.drained() {
		return false, hurry
	}
	for _, f := range m.fifos {
		f.leave()
	}
	return len(m.fifos) == 0, hurry
}

// breakOff ends scripts that are not for a stop, so that those have time.
func (m *Manager) breakOff() {
	for t, l := range m.lanes {
		if r := l.running; r != nil && !last(r.state) && !r.final {
			r.cancel(errStopping)
		}
		for _, o := range l.cut() {
			m.skip(o, t, "hakeep is being stopped")
		}
	}
}

// last reports whether nothing comes after a state.
func last(s State) bool { return s == Stop || s == Deleted }

func (m *Manager) startNext(ctx context.Context, wg *sync.WaitGroup, t Target, l *lane) {
	h, ok := l.next()
	if !ok {
		return
	}
	run, cancel := context.WithCancelCause(ctx)
	r := &running{hook: h, state: l.current.state, final: l.current.final, since: time.Now(), cancel: cancel}
	l.running = r
	policy, timeout := m.spec.Policy, h.command.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	wg.Go(func() {
		defer cancel(nil)
		res := m.run.run(run, h.command.Command, policy, timeout)
		m.finish(l, Outcome{Target: t, Hook: h.name, State: r.state, Command: h.command.String(), Result: res})
	})
}

// finish records how a script went and has the next one started.
func (m *Manager) finish(l *lane, o Outcome) {
	m.mu.Lock()
	before := l.last
	l.running, l.last = nil, &o
	l.runs++
	if !o.Result.OK() {
		l.failures++
	}
	m.mu.Unlock()
	m.kick()
	log := m.log.With(o.Target.key(), o.Target.Name, "state", o.State.String(), "script", o.Hook)
	switch {
	case !o.Result.OK():
		log.Warn("notify script failed", "command", o.Command, "err", o.Result.String(),
			"duration", o.Result.Duration.Round(time.Millisecond), "stderr", o.Result.Stderr)
	case before != nil && !before.Result.OK():
		log.Info("notify script works again", "duration", o.Result.Duration.Round(time.Millisecond))
	default:
		log.Debug("notify script ended", "duration", o.Result.Duration.Round(time.Millisecond))
	}
	if m.report != nil {
		m.report(o)
	}
}

// reconcileFIFOs makes the FIFOs that are wanted, tells those that stay what is
// wanted of them, and lets go of others. A path that is wanted again waits until
// its old reader has ended.
func (m *Manager) reconcileFIFOs() {
	wanted := func(path string) int {
		return slices.IndexFunc(m.spec.FIFOs, func(f FIFO) bool { return f.Path == path })
	}
	for path, f := range m.fifos {
		switch i := wanted(path); {
		case f.ended() && (i < 0 || m.phase == stopping):
			delete(m.fifos, path)
		case f.ended():
			m.fifos[path] = f.successor(m.spec.FIFOs[i])
		case i < 0:
			f.leave()
		case m.phase != stopping:
			f.apply(m.spec.FIFOs[i], m.spec.Policy)
		}
	}
	if m.phase == stopping || m.phase == done {
		return
	}
	for _, f := range m.spec.FIFOs {
		if m.fifos[f.Path] == nil {
			m.fifos[f.Path] = newFIFO(m.log, m.run, m.kick, f, m.spec.Policy)
		}
	}
}

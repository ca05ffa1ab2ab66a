package track

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"hakeep/internal/script"
)

// Options are what a [Manager] needs.
type Options struct {
	// Logger receives outcomes that change, with their reasons.
	Logger *slog.Logger
	// Update is called when the total of an instance changes, and once for every
	// instance that appears; see [Total]. Calls come from one goroutine, one after
	// the other, and only while Run runs. Intermediate totals may be left out.
	Update func(instance string, weight int, fault, ready bool)
}

// Manager watches what instances track. Its methods may be called from any
// goroutine, also before Run.
type Manager struct {
	log    *slog.Logger
	update func(instance string, weight int, fault, ready bool)
	// run and resolve are script's; tests have their own.
	run     func(context.Context, script.Runnable, script.Options) script.Result
	resolve func(script.Command, string, bool) (script.Runnable, error)
	files   *fileWatcher
	procs   *procWatcher
	poke    chan struct{} // room for one: something changed for the loop

	mu        sync.Mutex
	applied   bool // there was a first Apply
	trackers  map[ID]*tracker
	instances map[string]*instance
	reports   map[string]report // the last of each built-in check
	slots     int               // scripts started so far
}

// report is the outcome of a built-in check.
type report struct {
	ok     bool
	detail string
}

// tracker is one tracked object. Manager.mu guards it.
type tracker struct {
	id      ID
	users   []string // instances, sorted
	outcome Outcome
	status  Status

	script  Script
	counter Counter
	// cancel ends the script's goroutine; nil while it has none. Its results count
	// only while it is not cancelled.
	cancel context.CancelFunc

	file    File
	process Process
}

// instance is what an instance tracks. Manager.mu guards it.
type instance struct {
	name   string
	refs   []Ref
	assume bool // was ready before a reload: what that adds counts as well at first
	told   bool // last was delivered
	last   Total
	change bool // the total may differ from last
}

// New makes a manager that watches nothing. It starts nothing: see Run.
func New(o Options) *Manager {
	m := &Manager{
		log: o.Logger, update: o.Update, run: script.RunWith, resolve: script.Resolve,
		poke: make(chan struct{}, 1), trackers: map[ID]*tracker{}, instances: map[string]*instance{}, reports: map[string]report{},
	}
	m.files = newFileWatcher(o.Logger, m.fileRead)
	m.procs = newProcWatcher(o.Logger, m.processesCounted)
	return m
}

// Run watches until ctx is done, and returns nil then, when all scripts have
// ended. It is called once.
func (m *Manager) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.files.run(ctx) })
	g.Go(func() error { return m.procs.run(ctx) })
	g.Go(func() error {
		var scripts sync.WaitGroup
		defer scripts.Wait()
		for {
			m.startScripts(ctx, &scripts)
			m.deliver()
			select {
			case <-ctx.Done():
				return nil
			case <-m.poke:
			}
		}
	})
	if err := g.Wait(); err != nil {
		return fmt.Errorf("watch tracked objects: %w", err)
	}
	return nil
}

// Apply replaces all that is watched. Objects that are the same as before keep
// their state, and a run in flight goes on; of those that changed, see the
// package's text. An error means that the specs contradict themselves, and that
// nothing was changed.
func (m *Manager) Apply(s Specs) error {
	if err := s.validate(); err != nil {
		return fmt.Errorf("track: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	users := map[ID][]string{}
	instances := make(map[string]*instance, len(s.Instances))
	for _, spec := range s.Instances {
		in := m.instances[spec.Name]
		if in == nil {
			in = &instance{name: spec.Name}
		} else {
			in.assume = m.total(in).Ready
		}
		in.refs, in.change = slices.Clone(spec.Track), true
		instances[spec.Name] = in
		for _, ref := range spec.Track {
			if !slices.Contains(users[ref.ID], spec.Name) {
				users[ref.ID] = append(users[ref.ID], spec.Name)
			}
		}
	}
	for _, name := range s.KeepFiles {
		if id := (ID{KindFile, name}); users[id] == nil {
			users[id] = []string{}
		}
	}
	m.instances = instances
	m.adopt(s, users)
	m.applied = true
	m.wake()
	return nil
}

// adopt makes the trackers those of the specs that are used.
func (m *Manager) adopt(s Specs, users map[ID][]string) {
	old := m.trackers
	m.trackers = make(map[ID]*tracker, len(users))
	take := func(id ID) (t *tracker, fresh bool) {
		t = old[id]
		if t == nil {
			fresh = true
			t = &tracker{id: id, status: Status{Kind: id.Kind, Name: id.Name, Since: time.Now()}}
		}
		delete(old, id)
		slices.Sort(users[id])
		t.users = users[id]
		m.trackers[id] = t
		return t, fresh
	}
	for _, c := range s.Scripts {
		if id := (ID{KindScript, c.Name}); users[id] != nil {
			t, fresh := take(id)
			t.adoptScript(c, fresh)
		}
	}
	var files []File
	for _, c := range s.Files {
		if id := (ID{KindFile, c.Name}); users[id] != nil {
			t, _ := take(id)
			t.file = c
			files = append(files, c)
		}
	}
	var procs []Process
	for _, c := range s.Processes {
		if id := (ID{KindProcess, c.Name}); users[id] != nil {
			t, _ := take(id)
			t.process = c
			procs = append(procs, c)
		}
	}
	m.adoptChecks(s.Checks, func(id ID) {
		if users[id] != nil {
			take(id)
		}
	})
	for _, t := range old {
		t.stop()
	}
	m.files.set(files, !m.applied)
	m.procs.set(procs)
}

// adoptChecks makes trackers of the checks that are used. Outcomes that were
// reported before are theirs: only changes are reported.
func (m *Manager) adoptChecks(checks []Check, take func(ID)) {
	reports := map[string]report{}
	for _, c := range checks {
		id := ID{KindCheck, c.Name}
		take(id)
		r, ok := m.reports[c.Name]
		if !ok {
			continue
		}
		reports[c.Name] = r
		if t := m.trackers[id]; t != nil && !t.outcome.Known {
			t.outcome, t.status.Result = Outcome{Known: true, OK: r.ok}, r.detail
		}
	}
	m.reports = reports
}

// stop ends the goroutine of a script. What it reports from now on does not
// count.
func (t *tracker) stop() {
	if t.cancel != nil {
		t.cancel()
		t.cancel = nil
	}
}

// wake lets the loop look. It is called when something changed under the mutex.
func (m *Manager) wake() {
	select {
	case m.poke <- struct{}{}:
	default: // it will look anyway
	}
}

// total adds up for an instance. The caller holds the mutex.
func (m *Manager) total(in *instance) Total {
	return Sum(in.refs, func(id ID) Outcome { return m.trackers[id].outcome }, in.assume)
}

// Totals is what every instance's objects add up to now.
func (m *Manager) Totals() map[string]Total {
	m.mu.Lock()
	defer m.mu.Unlock()
	totals := make(map[string]Total, len(m.instances))
	for name, in := range m.instances {
		totals[name] = m.total(in)
	}
	return totals
}

// deliver calls back for the instances whose total has changed.
func (m *Manager) deliver() {
	type news struct {
		name string
		Total
	}
	var list []news
	m.mu.Lock()
	for name, in := range m.instances {
		if !in.change {
			continue
		}
		in.change = false
		total := m.total(in)
		if in.told && total == in.last {
			continue
		}
		in.told, in.last = true, total
		list = append(list, news{name, total})
	}
	m.mu.Unlock()
	slices.SortFunc(list, func(a, b news) int { return cmp.Compare(a.name, b.name) })
	for _, n := range list {
		m.update(n.name, n.Weight, n.Fault, n.Ready)
	}
}

// set takes a new outcome of a tracker and logs it if it says something new. The
// caller holds the mutex.
func (m *Manager) set(t *tracker, o Outcome, why string, more ...any) {
	if o == t.outcome {
		return
	}
	before := t.outcome
	t.outcome = o
	for _, name := range t.users {
		m.instances[name].change = true
	}
	m.wake()
	if before.Known && before.OK == o.OK && t.id.Kind != KindFile {
		return // another number of processes
	}
	t.status.Since = time.Now()
	more = append([]any{"kind", t.id.Kind.String(), "name", t.id.Name, "reason", why}, more...)
	switch {
	case t.id.Kind == KindFile:
		m.log.Info("tracked file has a new value", append(more, "value", o.Value)...)
	case !o.OK:
		m.log.Warn("tracked object failed", more...)
	case before.Known:
		m.log.Info("tracked object recovered", more...)
	default:
		m.log.Info("tracked object is well", more...)
	}
}

// Report takes the outcome of a built-in check: judged, not the result of a
// single attempt. It may come before the Apply that brings the check.
func (m *Manager) Report(check string, ok bool, detail string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reports[check] = report{ok, detail}
	t := m.trackers[ID{KindCheck, check}]
	if t == nil {
		return
	}
	t.status.Result = detail
	m.set(t, Outcome{Known: true, OK: ok}, detail)
}

// Value is the number in a tracked file, as it was read last; ok is false while
// there is none.
func (m *Manager) Value(name string) (value int64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.trackers[ID{KindFile, name}]
	if t == nil || !t.outcome.Known {
		return 0, false
	}
	return int64(t.outcome.Value), true
}

// fileRead takes what a tracked file holds.
func (m *Manager) fileRead(f File, value int, problem, source string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.trackers[ID{KindFile, f.Name}]
	if t == nil || t.file.Path != f.Path {
		return
	}
	t.status.Runs++
	t.status.Source = source
	t.status.LastRun = time.Now()
	if problem != "" && problem != t.status.Error {
		m.log.Warn("tracked file counts as 0", "name", f.Name, "file", f.Path, "reason", problem)
	}
	t.status.Error = problem
	m.set(t, Outcome{Known: true, OK: value == 0, Value: value}, f.Path)
}

// processesCounted takes a number of processes and the outcome of its quorum.
func (m *Manager) processesCounted(p Process, count int, ok bool, source string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.trackers[ID{KindProcess, p.Name}]
	if t == nil || !t.process.equal(p) {
		return
	}
	t.status.Source = source
	t.status.Result = fmt.Sprintf("%d processes", count)
	m.set(t, Outcome{Known: true, OK: ok, Value: count}, t.status.Result)
}

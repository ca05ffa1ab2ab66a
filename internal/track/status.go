package track

import (
	"fmt"
	"slices"
	"time"
)

// State is what is known of a tracked object.
type State int

// The states.
const (
	// StateInit is before the first result.
	StateInit State = iota + 1
	// StateOK is well: of a file that its number is 0.
	StateOK
	// StateFailed is not.
	StateFailed
)

// String is "init", "ok" or "failed".
func (s State) String() string {
	switch s {
	case StateInit:
		return "init"
	case StateOK:
		return "ok"
	case StateFailed:
		return "failed"
	}
	return fmt.Sprintf("State(%d)", int(s))
}

// Status is a tracked object as an operator sees it.
type Status struct {
	Kind Kind
	Name string
	// State, and since when.
	State State
	Since time.Time
	// Value is the number in a file, or of processes.
	Value int
	// Result is the last result in words; of a script for example "exit status 1"
	// or "timed out after 1s".
	Result string
	// ExitCode and Signal are those of the last run of a script that ended: -1
	// without an exit; SIGKILL or the like, empty without a signal.
	ExitCode int
	Signal   string
	// Duration is how long the last run took, LastRun when it was started (a file
	// was read), Stderr the end of what it wrote to standard error.
	Duration time.Duration
	LastRun  time.Time
	Stderr   string
	// Running says that a run is going on.
	Running bool
	// Runs counts results of scripts and readings of files; Failures those that
	// failed, Timeouts those of them by timeout, and Skipped the ticks at which the
	// run before was still going on.
	Runs, Failures, Timeouts, Skipped uint64
	// Error says why the object cannot be watched as it should, Notes what an
	// operator should know of it.
	Error string
	Notes []string
	// Source says how changes of files and processes are found out.
	Source string
	// Instances are those that track it, sorted.
	Instances []string
}

// Snapshot is the status of everything that is tracked, sorted by kind and name.
func (m *Manager) Snapshot() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]Status, 0, len(m.trackers))
	for _, t := range m.trackers {
		s := t.status
		s.Value = t.outcome.Value
		s.Notes, s.Instances = slices.Clone(s.Notes), slices.Clone(t.users)
		switch {
		case !t.outcome.Known:
			s.State = StateInit
		case t.outcome.OK:
			s.State = StateOK
		default:
			s.State = StateFailed
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Status) int {
		return ID{a.Kind, a.Name}.compare(ID{b.Kind, b.Name})
	})
	return list
}

// Part is what one tracked object has in the [Total] of an instance.
type Part struct {
	Ref Ref
	// Weight is what it adds to the priority now, Fault whether it keeps the
	// instance in FAULT.
	Weight int
	Fault  bool
	// Pending says that there is no result yet. Objects that a reload has added to
	// an instance that was ready count as well until then, and are not pending.
	Pending bool
}

// Parts is what the total of each instance is made of, in the order of the specs.
func (m *Manager) Parts() map[string][]Part {
	m.mu.Lock()
	defer m.mu.Unlock()
	parts := make(map[string][]Part, len(m.instances))
	for name, in := range m.instances {
		for _, ref := range in.refs {
			parts[name] = append(parts[name], share(ref, m.trackers[ref.ID].outcome, in.assume))
		}
	}
	return parts
}

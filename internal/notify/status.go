package notify

import (
	"cmp"
	"slices"
	"time"
)

// Status is what a Manager does and did. Counters start with the process.
type Status struct {
	// Targets are in the order of kind and name.
	Targets []TargetStatus
	// FIFOs are in the order of their paths.
	FIFOs []FIFOStatus
	Mail  MailStatus
}

// TargetStatus tells of the scripts of an instance or group.
type TargetStatus struct {
	Target Target
	// State is the last one that was told, 0 if none was.
	State State
	// Running is the keyword of the script that runs, with the state that it runs
	// for and since when; empty if none does.
	Running      string
	RunningState State
	Since        time.Time
	// Waiting is the number of events whose scripts have not started.
	Waiting int
	// Runs counts scripts that ran or could not, Failures those that did not end
	// with 0 in time, Skipped the events whose scripts were overtaken by newer ones.
	Runs, Failures, Skipped uint64
	// Limited counts the lines about masters of lower priority that were not written
	// because there were too many.
	Limited uint64
	// Last is the script that ended last, nil before the first.
	Last *Outcome
}

// FIFOStatus tells of a FIFO.
type FIFOStatus struct {
	Path string
	Open bool
	// Error says why it cannot be used, empty if it can.
	Error string
	// Waiting lines have no room in the FIFO yet; Written and Dropped are counted.
	Waiting          int
	Written, Dropped uint64
	// Script is the command that reads it, ScriptSince when it was started (zero
	// while it does not run), ScriptLast how it ended the last time.
	Script         string
	ScriptSince    time.Time
	ScriptRestarts uint64
	ScriptLast     string
}

// MailStatus tells of mail.
type MailStatus struct {
	Queued int
	// Sent counts messages that the server took for some recipient, Failed attempts
	// that are repeated, Refused recipients that never get a message, Dropped
	// messages that were given up.
	Sent, Failed, Refused, Dropped uint64
	// LastError is empty when mail can be sent.
	LastError string
}

// Status tells what the Manager does. It does not wait.
func (m *Manager) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Status{Mail: m.mail.snapshot()}
	for t, l := range m.lanes {
		s.Targets = append(s.Targets, m.target(t, l))
	}
	for _, f := range m.fifos {
		s.FIFOs = append(s.FIFOs, f.snapshot())
	}
	slices.SortFunc(s.Targets, func(a, b TargetStatus) int {
		return cmp.Or(cmp.Compare(a.Target.Kind, b.Target.Kind), cmp.Compare(a.Target.Name, b.Target.Name))
	})
	slices.SortFunc(s.FIFOs, func(a, b FIFOStatus) int { return cmp.Compare(a.Path, b.Path) })
	return s
}

func (m *Manager) target(t Target, l *lane) TargetStatus {
	s := TargetStatus{
		Target: t, State: m.book.state(t), Waiting: len(l.waiting),
		Runs: l.runs, Failures: l.failures, Skipped: l.skipped,
	}
	if r := m.book[t]; r != nil {
		s.Limited = r.limited
	}
	if r := l.running; r != nil {
		s.Running, s.RunningState, s.Since = r.hook.name, r.state, r.since
	}
	if l.last != nil {
		last := *l.last
		s.Last = &last
	}
	return s
}

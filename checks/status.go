package checks

import (
	"cmp"
	"slices"
	"time"
)

// Status is a check as an operator sees it.
type Status struct {
	Name string
	// Known says that there is an outcome, Up what it is, Since when.
	Known, Up bool
	Since     time.Time
	// Result is the last attempt's in words, LastRun when it started, Duration how
	// long it took.
	Result   string
	LastRun  time.Time
	Duration time.Duration
	// Row is how many attempts in a row have gone against the outcome.
	Row int
	// Runs counts attempts, Failures those that failed, Late those that started
	// later than their time by more than 10 ms; Latest is the worst of them.
	Runs, Failures, Late uint64
	Latest               time.Duration
}

// begin counts an attempt that starts.
func (s *Status) begin(late time.Duration) {
	if late > lateAfter {
		s.Late++
		s.Latest = max(s.Latest, late)
	}
}

// end keeps how an attempt went.
func (s *Status) end(a *attempt, changed bool) {
	s.Runs++
	if !a.result.OK {
		s.Failures++
	}
	s.Result, s.LastRun, s.Duration = a.result.String(), a.start, a.result.Duration
	if changed {
		s.Since = a.start.Add(a.result.Duration)
	}
}

// Snapshot is the status of every check, sorted by name.
func (r *Runner) Snapshot() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Status, 0, len(r.items))
	for _, it := range r.items {
		s := it.status
		s.Known, s.Up, s.Row = it.judge.Known(), it.judge.Up(), it.judge.Row()
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Status) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

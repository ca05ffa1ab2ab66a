package status

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// fewTracked is up to how many tracked objects, sync groups or targets of notify
// scripts are shown without being asked for, also when they are well.
const fewTracked = 8

// around is what concerns the surroundings of the instances: sync groups, what
// is tracked, who is told.
func (r *renderer) around(details bool) {
	r.groups(details)
	r.tracked(details)
	r.notify(details)
}

// section shows the entries that need a look, and all if they are few; it says
// how many it leaves out.
func (r *renderer) section(title string, details bool, n int, needsLook func(i int) bool, show func(i int)) {
	if n == 0 {
		return
	}
	r.line("\n%s", r.paint(bold, title))
	hidden := 0
	for i := range n {
		if details || n <= fewTracked || needsLook(i) {
			show(i)
		} else {
			hidden++
		}
	}
	switch {
	case hidden == n:
		r.line("  %d, all well", n)
	case hidden > 0:
		r.line("  and %d others, all well", hidden)
	}
}

func (r *renderer) groups(details bool) {
	gs := r.d.Groups
	r.section("sync groups", details, len(gs),
		func(i int) bool { return gs[i].State == "FAULT" || gs[i].State == StateUnknown },
		func(i int) {
			var members []string
			for _, m := range gs[i].Members {
				s := m.Name
				if m.State != gs[i].State {
					s += " " + r.paint(stateColor(m.State), m.State)
				}
				members = append(members, s)
			}
			r.line("  %s %s: %s", gs[i].Name, r.paint(stateColor(gs[i].State), gs[i].State), strings.Join(members, ", "))
		})
}

// tracks lists what an instance tracks.
func (r *renderer) tracks(parts []PriorityPart) string {
	var out []string
	for _, p := range parts {
		s := p.Source
		if p.Kind != "file" || p.State == "init" {
			s += " " + p.State
		}
		switch {
		case p.Fault:
			s = r.paint(red, s+", a fault")
		case p.Weight != 0:
			s += fmt.Sprintf(" %+d", p.Weight)
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func (r *renderer) tracked(details bool) {
	ts := r.d.Tracked
	r.section("tracked", details, len(ts), func(i int) bool { return ts[i].needsLook() }, func(i int) { r.object(&ts[i]) })
}

// needsLook reports whether an operator should see the object. The number in a
// file is neither good nor bad.
func (t *Tracked) needsLook() bool {
	return t.State == "failed" && t.Kind != "file" || t.Error != "" || len(t.Notes) > 0
}

func (r *renderer) object(t *Tracked) {
	var about []string
	add := func(format string, args ...any) { about = append(about, fmt.Sprintf(format, args...)) }
	if !t.Since.IsZero() && t.State != "init" {
		add("since %s (%s)", r.when(t.Since), span(r.d.Time.Sub(t.Since)))
	}
	if t.Result != "" {
		add("%s", t.Result)
	}
	if run := t.Run; run != nil {
		if run.Runs > 0 {
			add("took %s", seconds(run.Duration))
			add("%s", run.counts())
		}
		if run.Running {
			add("running for %s", span(r.d.Time.Sub(run.Last)))
		}
	}
	state := t.State
	switch {
	case t.Kind == "file" && t.Value != nil:
		state = fmt.Sprint(*t.Value)
	case t.State == "failed":
		state = r.paint(red, state)
	case t.State == "init":
		state = r.paint(yellow, "no result yet")
	}
	text := strings.Join(about, ", ")
	if text != "" {
		text = ", " + text
	}
	r.line("  %s %s: %s%s; for %s", t.Kind, t.Name, state, text, strings.Join(t.Instances, " "))
	if t.Error != "" {
		r.line("    %s", r.paint(red, t.Error))
	}
	for _, n := range t.Notes {
		r.line("    %s", r.paint(yellow, n))
	}
	if t.Run != nil && t.State != "ok" {
		r.stderr(t.Run.Stderr)
	}
}

func (run *TrackedRun) counts() string {
	s := times(run.Runs)
	if run.Failures > 0 {
		s += fmt.Sprintf(", %d failed", run.Failures)
	}
	if run.Timeouts > 0 {
		s += fmt.Sprintf(", %d timed out", run.Timeouts)
	}
	if run.Skipped > 0 {
		s += fmt.Sprintf(", %d skipped", run.Skipped)
	}
	return "ran " + s
}

// stderrLines is how much of standard error is shown; the JSON has more.
const stderrLines = 3

func (r *renderer) stderr(text string) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for _, l := range lines[max(0, len(lines)-stderrLines):] {
		if l != "" {
			r.line("    > %s", l)
		}
	}
}

func (r *renderer) notify(details bool) {
	n := &r.d.Notify
	r.section("notify scripts", details, len(n.Targets),
		func(i int) bool { return n.Targets[i].needsLook() }, func(i int) { r.target(&n.Targets[i]) })
	for i := range n.FIFOs {
		if i == 0 {
			r.line("\n%s", r.paint(bold, "FIFOs"))
		}
		r.fifo(&n.FIFOs[i])
	}
	if m := n.Mail; m != nil {
		r.line("\n%s", r.paint(bold, "mail"))
		text := fmt.Sprintf("%d sent, %d queued", m.Sent, m.Queued)
		for _, c := range []struct {
			n    uint64
			what string
		}{{m.Failed, "attempts failed"}, {m.Refused, "recipients refused"}, {m.Dropped, "given up"}} {
			if c.n > 0 {
				text += ", " + r.paint(yellow, fmt.Sprintf("%d %s", c.n, c.what))
			}
		}
		r.line("  %s", text)
		if m.LastError != "" {
			r.line("    %s", r.paint(red, m.LastError))
		}
	}
}

// slowScript is how long a notify script may run until it is worth a look.
const slowScript = 5 * time.Second

func (t *NotifyTarget) needsLook() bool {
	return t.Waiting > 0 || t.Running != "" || t.Last != nil && !t.Last.OK
}

func (r *renderer) target(t *NotifyTarget) {
	var about []string
	add := func(format string, args ...any) { about = append(about, fmt.Sprintf(format, args...)) }
	if t.Running != "" {
		took := r.d.Time.Sub(t.RunningSince)
		text := fmt.Sprintf("%s for %s runs for %s", t.Running, t.RunningState, span(took))
		if took > slowScript {
			text = r.paint(yellow, text)
		}
		add("%s", text)
	}
	if t.Waiting > 0 {
		add("%d waiting", t.Waiting)
	}
	if l := t.Last; l != nil {
		how := l.Result
		if !l.OK {
			how = r.paint(red, how)
		}
		when := ""
		if !l.Started.IsZero() {
			when = " " + r.when(l.Started)
		}
		add("last %s for %s%s: %s, took %s", l.Keyword, l.State, when, how, seconds(l.Duration))
	}
	counted := "ran " + times(t.Runs)
	if t.Failures > 0 {
		counted += fmt.Sprintf(", %d failed", t.Failures)
	}
	if t.Skipped > 0 {
		counted += fmt.Sprintf(", %d overtaken", t.Skipped)
	}
	r.line("  %s %s: %s", t.Kind, t.Name, strings.Join(slices.Concat(about, []string{counted}), ", "))
	if l := t.Last; l != nil && !l.OK {
		r.stderr(l.Stderr)
	}
}

func (r *renderer) fifo(f *NotifyFIFO) {
	state := "open"
	if !f.Open {
		state = r.paint(yellow, "not open")
	}
	text := fmt.Sprintf("%d lines written", f.Written)
	if f.Waiting > 0 {
		text += ", " + r.paint(yellow, fmt.Sprintf("%d waiting", f.Waiting))
	}
	if f.Dropped > 0 {
		text += ", " + r.paint(red, fmt.Sprintf("%d dropped", f.Dropped))
	}
	r.line("  %s: %s, %s", f.Path, state, text)
	if f.Error != "" {
		r.line("    %s", r.paint(red, f.Error))
	}
	if f.Script == "" {
		return
	}
	if f.ScriptSince.IsZero() {
		text = r.paint(red, "not running")
	} else {
		text = "running since " + r.when(f.ScriptSince)
	}
	if f.ScriptRestarts > 0 {
		text += ", restarted " + times(f.ScriptRestarts)
	}
	if f.ScriptLast != "" {
		text += ", ended last with " + f.ScriptLast
	}
	r.line("    %s: %s", f.Script, text)
}

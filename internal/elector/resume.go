package elector

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// mark notes what an advert means for the member's mark, which flush stores when
// the advert has left.
func (l *loop) mark(m *member, a *vrrp.Action) {
	if l.marks == nil {
		return
	}
	if a.Priority == 0 {
		l.unmark(m)
		return
	}
	m.window = time.Duration(a.Params.DownAdverts) * a.Params.Interval
	if !m.marking {
		m.marking = true
		l.marking = append(l.marking, m)
	}
}

// unmark: the member is master no more.
func (l *loop) unmark(m *member) {
	if l.marks != nil {
		m.marking, m.until = false, 0
		l.marks.put(m.slot, 0)
	}
}

// storeMarks stores the marks of those whose adverts have left, at after the time
// at which they were queued.
func (l *loop) storeMarks(at time.Duration) {
	for i, m := range l.marking {
		if m.marking {
			m.marking, m.until = false, at+m.window
			l.marks.put(m.slot, m.until)
		}
		l.marking[i] = nil
	}
	l.marking = l.marking[:0]
}

// layoutMarks follows a change of the instances.
func (l *loop) layoutMarks() {
	if l.marks == nil {
		return
	}
	members := make([]*member, 0, len(l.members))
	change := l.marks.mem == nil || len(l.members) != l.marks.slots
	for _, m := range l.members {
		members = append(members, m)
		change = m.identify() || m.slot == 0 || change
	}
	if !change {
		return
	}
	slices.SortFunc(members, func(a, b *member) int { return cmp.Compare(a.inst.Params.Name, b.inst.Params.Name) })
	if err := l.marks.layout(members); err != nil {
		// Without it hakeep works as ever; only a crash of both processes costs more.
		l.log("error", err.Error())
		l.marks.remove()
		l.marks = nil
	}
}

// resumed are the instances of the first configuration that an earlier process
// was master of, in the loop's time.
func (l *loop) resumed(now time.Duration, c *wire.Config) (list []vrrp.Resumed) {
	if len(l.found) == 0 {
		return nil
	}
	since := sinceBoot()
	for _, in := range c.Instances {
		p := &in.Params
		if until, ok := l.found[identityOf(p)]; ok && since > 0 {
			list = append(list, vrrp.Resumed{Name: p.Name, Until: now + until - since})
		}
	}
	l.found = nil
	return list
}

// tellResumed says who goes on.
func (l *loop) tellResumed(now time.Duration, list []vrrp.Resumed) {
	if len(list) == 0 {
		return
	}
	for _, s := range l.snapshots() {
		for _, r := range list {
			switch {
			case r.Name != s.Name:
			case s.Cause == vrrp.CauseResumed:
				l.log("warn", fmt.Sprintf("%s goes on as master: nobody can have taken over for another %v", s.Name, (r.Until-now).Round(time.Millisecond)))
			case r.Until <= now:
				l.log("info", fmt.Sprintf("%s was master, but others could take over %v ago: it starts anew", s.Name, (now-r.Until).Round(time.Millisecond)))
			default:
				l.log("info", s.Name+" was master, but something speaks against going on: it starts anew")
			}
		}
	}
}

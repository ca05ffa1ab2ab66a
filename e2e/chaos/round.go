package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"hakeep/internal/lab"
	hakeepstatus "hakeep/internal/status"
)

// applied is a fault of this round.
type applied struct {
	fault  *fault
	router *router
	undo   func() error
}

func (a applied) String() string { return a.fault.name + " (" + a.router.name + ")" }

// asked are the virtual routers that the client asks all the time.
var asked = []string{"V4", "V6", "UNI"}

// round breaks something, one thing or several, mends it, and looks.
func (w *world) round(ctx context.Context, r *report) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.rounds++
	if err := w.comeAndGo(ctx, r); err != nil {
		return err
	}
	plan := w.choose()
	beat, err := lab.StartBeat(time.Millisecond)
	if err != nil {
		return err
	}
	var probes []*lab.Probe
	for _, name := range asked {
		p, err := lab.StartProbe(w.client, byName(name).target(), lab.ProbeOptions{Interval: 2 * time.Millisecond, MinOutage: 10 * time.Millisecond})
		if err != nil {
			return err
		}
		defer p.Stop()
		probes = append(probes, p)
	}
	judge := w.beginJudgement(ctx, plan)
	var bad []string
	for i := range plan {
		a := &plan[i]
		r.count(a.fault.name)
		if a.undo, err = a.fault.apply(ctx, w, a.router); err != nil {
			bad = append(bad, fmt.Sprintf("%v: %v", a, err))
		}
		if a.fault.hold > 0 {
			w.pause(ctx, a.fault.hold)
		}
	}
	for i := len(plan) - 1; i >= 0; i-- {
		if undo := plan[i].undo; undo != nil {
			if err := undo(); err != nil {
				bad = append(bad, fmt.Sprintf("end of %v: %v", plan[i], err))
			}
		}
	}
	bad = append(bad, w.settle(ctx)...)
	stall := beat.Stop().Max
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if moved := judge(ctx); stall < excused {
		bad = append(bad, moved...)
	}
	for i, p := range probes {
		res := p.Stop()
		longest := res.Longest().Duration()
		if len(plan) == 1 && plan[0].router == w.best() && w.backups() > 0 {
			r.outage(plan[0].fault.name, longest)
			if limit := allowed(plan[0].fault, byName(asked[i])) + slack + 3*stall; longest > limit {
				bad = append(bad, fmt.Sprintf("no answer of %s for %v, allowed are %v (this machine stood still for %v)\n%v",
					asked[i], longest, limit, stall, res))
			}
		}
	}
	r.stall(stall)
	if len(bad) > 0 {
		r.violate(w, fmt.Sprintf("round %d: %v, this machine stood still for %v", w.rounds, plan, stall), bad)
	}
	r.sample(w.sizes())
	return nil
}

// backups counts the routers that could take over.
func (w *world) backups() (n int) {
	for _, r := range w.routers {
		if !r.out && r != w.best() {
			n++
		}
	}
	return n
}

// slack is what a busy machine may add to an outage: the client, the daemons and
// other work share its processors.
const slack = 150 * time.Millisecond

// excused is how long this machine may stand still until changes of state are its
// fault: backups take over after three intervals, and the least is 300 ms.
const excused = 200 * time.Millisecond

// allowed is how long a client may be without an answer after a single fault of
// the master.
func allowed(f *fault, v *virtual) time.Duration {
	switch f.effect {
	case repaired:
		return 100 * time.Millisecond
	case failover:
		return v.down()
	}
	return 0
}

// comeAndGo takes a router out, or brings one in again, now and then.
func (w *world) comeAndGo(ctx context.Context, r *report) error {
	if w.rnd.IntN(4) != 0 {
		return nil
	}
	ro := w.routers[w.rnd.IntN(len(w.routers))]
	switch {
	case ro.out:
		r.count("comes back")
		if err := w.comeBack(ro); err != nil {
			return err
		}
	case ro.name == watched:
		return nil
	default:
		what, err := w.goAway(ctx, ro)
		if err != nil {
			return err
		}
		r.count(strings.Fields(what)[0] + " for some rounds")
	}
	if bad := w.settle(ctx); len(bad) > 0 {
		r.violate(w, fmt.Sprintf("round %d: %s comes or goes", w.rounds, ro.name), bad)
	}
	return nil
}

// choose picks the faults of a round: mostly one, of the master more often than
// of another, and never two of one router.
func (w *world) choose() (plan []applied) {
	n := []int{1, 1, 2, 3}[w.rnd.IntN(4)]
	used := map[*router]bool{}
	blind, checked := false, false
	for tries := 0; len(plan) < n && tries < 20; tries++ {
		f := &faults[w.rnd.IntN(len(faults))]
		r := w.best()
		if w.rnd.IntN(2) == 0 {
			r = w.routers[w.rnd.IntN(len(w.routers))]
		}
		if used[r] || r.out || f.hakeepOnly && r.isKeepalived || f.restarts && r.name == watched {
			continue
		}
		blind = blind || f.blind
		checked = checked || f.checked
		if blind && checked {
			break
		}
		used[r] = true
		plan = append(plan, applied{fault: f, router: r})
	}
	return plan
}

// pause waits for a part of d.
func (w *world) pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(time.Duration(w.rnd.Int64N(int64(d)))):
	case <-ctx.Done():
	}
}

// beginJudgement notes what the daemons have counted; the function that it returns
// says what a round of nothing but hostile or unnoticed faults has moved.
func (w *world) beginJudgement(ctx context.Context, plan []applied) func(context.Context) []string {
	calm, counted := true, true
	for _, a := range plan {
		calm = calm && a.fault.effect == unnoticed
		counted = counted && a.fault.hostile && !a.fault.uncounted
	}
	if !calm {
		return func(context.Context) []string { return nil }
	}
	best := w.best()
	before, _ := best.status(ctx)
	moves := w.transitions()
	return func(ctx context.Context) (bad []string) {
		for name, n := range w.transitions() {
			if n > moves[name] {
				bad = append(bad, fmt.Sprintf("%s has changed state %d times", name, n-moves[name]))
			}
		}
		if after, err := best.status(ctx); err == nil && before != nil && counted && reasons(after) <= reasons(before) {
			bad = append(bad, fmt.Sprintf("%s has counted nothing of it", best.name))
		}
		return bad
	}
}

// transitions counts changes of state in the logs. A daemon that is started again
// begins a new log, with its first transition.
func (w *world) transitions() map[string]int {
	out := map[string]int{}
	for _, r := range w.routers {
		if r.out {
			continue
		}
		log := ""
		if r.isKeepalived {
			log = r.keepalived.LogText()
		} else {
			log = r.hakeep.LogText()
		}
		out[r.name] = strings.Count(log, `"msg":"transition"`) + strings.Count(log, ") Entering ")
	}
	return out
}

// reasons is the number of packets that were odd.
func reasons(doc *hakeepstatus.Document) (n uint64) {
	for _, in := range doc.Instances {
		for _, c := range in.Counters.Reasons {
			n += c
		}
	}
	for _, l := range doc.Links {
		for _, c := range l.Reasons {
			n += c
		}
	}
	return n
}

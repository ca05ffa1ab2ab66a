package vrrp

import (
	"net/netip"
	"slices"
	"time"
)

// reconfigure replaces the configuration. Instances are matched by what they
// are on the wire first, so that two that swap their names both go on; then by
// name when only their unicast peers changed. Matched ones keep their state,
// the others leave or start.
func (r *Router) reconfigure(now time.Duration, ev Reconfigure) {
	r.vips = make(map[netip.Addr]bool, len(r.vips))
	for _, p := range ev.Instances {
		r.own(p)
	}
	match := matchInstances(r.instances, ev.Instances)
	r.heap = r.heap[:0]
	if inPlace(match, len(r.instances)) { // thousands of which one changes
		r.regroup(ev.Instances)
	} else {
		r.exchange(now, &ev, match)
	}
	resume := r.resumable(now, &ev, match)
	for i := range ev.Instances {
		in := &r.instances[i]
		if match[i] >= 0 {
			in.change(r, now, ev.Instances[i])
			continue
		}
		r.emit(Action{Kind: Added, ID: in.id, Params: in.p})
		if resume[in.p.Name] {
			in.resolve(r, now)
		} else {
			in.begin(r, now, ev.Start)
		}
	}
	for _, g := range r.groups {
		r.spreadFaults(g.name, now)
	}
	r.resume(now, ev.Start, resume)
	r.heapify()
}

// inPlace reports whether all n instances go on where they are, and no other comes.
func inPlace(match []int, n int) bool {
	for i, o := range match {
		if i != o {
			return false
		}
	}
	return len(match) == n
}

// exchange makes the instances those of a new configuration, of which match says
// which go on.
func (r *Router) exchange(now time.Duration, ev *Reconfigure, match []int) {
	old := r.instances
	kept := make([]bool, len(old))
	for _, o := range match {
		if o >= 0 {
			kept[o] = true
		}
	}
	gone := r.removeInstances(now, kept, ev.Instances)
	r.instances = make([]instance, 0, len(ev.Instances)+len(gone))
	for i, p := range ev.Instances {
		if o := match[i]; o >= 0 {
			r.instances = append(r.instances, old[o])
			continue
		}
		r.lastID++
		in := newInstance(r.lastID, p, now)
		in.standby = slices.Contains(ev.Standby, p.Name)
		r.instances = append(r.instances, in)
	}
	r.instances = append(r.instances, gone...)
	r.reindex(ev.Instances)
}

// removeInstances lets those go that are not kept, and returns those that keep
// their addresses until another router has them.
func (r *Router) removeInstances(now time.Duration, kept []bool, next []*Params) (gone []instance) {
	for i := range r.instances {
		in := &r.instances[i]
		if kept[i] {
			continue
		}
		if !in.gone {
			in.stop(r, now, CauseRemoved)
			in.gone = true
			if !in.lingering() {
				r.emit(Action{Kind: Deleted, ID: in.id})
				continue
			}
		}
		if slices.ContainsFunc(next, func(p *Params) bool { return p.key() == in.p.key() }) {
			in.endLinger(r) // another instance is this virtual router now
			continue
		}
		gone = append(gone, *in)
	}
	return gone
}

// matchInstances gives for each new instance the index of the old one that it
// continues, or -1.
func matchInstances(old []instance, next []*Params) []int {
	match := make([]int, len(next))
	used := make([]bool, len(old))
	var rest []int
	for i, p := range next {
		match[i] = -1
		if i < len(old) && old[i].p == p && !old[i].gone { // most stay as they are
			match[i], used[i] = i, true
			continue
		}
		rest = append(rest, i)
	}
	if len(rest) == 0 {
		return match
	}
	byKey := map[key][]int{}
	for i := range old {
		if k := old[i].p.key(); !used[i] && !old[i].gone {
			byKey[k] = append(byKey[k], i)
		}
	}
	find := func(p *Params, same func(*Params) bool) int {
		for _, i := range byKey[p.key()] {
			if !used[i] && same(old[i].p) {
				used[i] = true
				return i
			}
		}
		return -1
	}
	for _, i := range rest {
		match[i] = find(next[i], next[i].sameWire)
	}
	for _, i := range rest {
		if p := next[i]; match[i] < 0 {
			match[i] = find(p, func(o *Params) bool { return o.Name == p.Name })
		}
	}
	return match
}

// reindex rebuilds the tables by which instances are found. params are those of
// the first instances from now on; the others keep theirs.
func (r *Router) reindex(params []*Params) {
	for i := len(params); i < len(r.instances); i++ {
		params = append(params[:i:i], r.instances[i].p)
	}
	r.byID = make(map[ID]int, len(params))
	for i := range r.instances {
		r.byID[r.instances[i].id] = i
	}
	r.regroup(params)
	r.byVRID = make(map[vridKey][]int, len(params))
	for i, p := range params {
		k := vridKey{p.Family, p.VRID}
		r.byVRID[k] = append(r.byVRID[k], i)
	}
}

// begin starts a new instance, after the startup delay if there is one.
func (in *instance) begin(r *Router, now, start time.Duration) {
	in.resolve(r, now)
	switch {
	case r.stopped: // a reload during the orderly stop starts nothing
	case start > now:
		in.wait, in.timer = waitStartup, start
	default:
		in.start(r, now)
	}
}

// change gives a running instance new parameters. What it does not contradict
// goes on: state, timers, what was learned.
func (in *instance) change(r *Router, now time.Duration, p *Params) {
	if in.p.equal(p) {
		in.p = p
		in.resolve(r, now) // the set of virtual addresses may have changed
		return
	}
	unsure := in.unsure(now) // a master has to listen first then, see masterTimeout
	before := in.priority()
	in.p = p
	in.reconsider(r, now, before)
	if !in.followed || p.Version == V2 {
		in.learned = p.Interval // nothing was learned that goes on
	}
	switch {
	case in.wait == waitTracking && !p.AwaitTracking:
		in.start(r, now)
	case in.wait != waitStartup:
		in.rearm()
	}
	if p.SyncGroup == "" {
		in.faults &^= FaultGroup // resolve acts on what is left
	}
	if p.PreemptDelay == 0 {
		in.holdUntil = 0
	}
	in.resolve(r, now)
	if in.state != Master {
		return
	}
	if unsure {
		in.listen(r, now)
	} else {
		// Peers learn the new priority, interval and addresses at once.
		in.advertise(r, now, in.priority())
		in.arm(now, waitAdvert)
	}
	r.emit(Action{Kind: Install, ID: in.id})
}

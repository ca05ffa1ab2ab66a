package vrrp

import "time"

// track takes over what the objects that main watches add up to.
func (in *instance) track(r *Router, now time.Duration, ev Tracked) {
	before := in.priority()
	in.weight, in.tracked = ev.Weight, true
	in.priorityChanged(r, now, before)
	faults := in.faults &^ FaultTracking
	if ev.Fault {
		faults |= FaultTracking
	}
	in.setFaults(r, now, faults)
	if in.wait == waitTracking && in.state == Init {
		in.start(r, now)
	}
}

// trackLinks computes the weight of the tracked interfaces and reports whether
// one with weight 0 is down (keepalived: track_interface).
func (r *Router) trackLinks(in *instance, now time.Duration) (fault bool) {
	before := in.priority()
	in.linkWeight = 0
	for _, t := range in.p.TrackLinks {
		weight, ill, _ := r.TrackedLink(t)
		in.linkWeight += weight
		fault = fault || ill
	}
	in.priorityChanged(r, now, before)
	return fault
}

// TrackedLink is what a tracked interface adds to the priority now, whether it
// is a fault, and whether it is up. One that does not exist is down.
func (r *Router) TrackedLink(t TrackLink) (weight int, fault, up bool) {
	l := r.links[t.Name]
	up = l != nil && l.Up
	if t.Weight == 0 {
		return 0, up == t.Reverse, up
	}
	return TrackedWeight(t.Weight, t.Reverse, up), false, up
}

// TrackedWeight is what a tracked object adds to the priority: a positive weight
// counts while it is well, a negative one while it is not; reverse turns the
// sign around (keepalived).
func TrackedWeight(weight int, reverse, well bool) int {
	if weight > 0 != well {
		return 0
	}
	if reverse {
		return -weight
	}
	return weight
}

// priorityChanged moves a backup's timer by the difference of the skews and
// tells of the new priority. A master just advertises it.
func (in *instance) priorityChanged(r *Router, now time.Duration, before uint8) {
	if in.priority() == before {
		return
	}
	in.reconsider(r, now, before)
	if in.state == Backup {
		in.rearm()
	}
	if in.state != Init {
		r.emit(Action{Kind: PriorityChanged, ID: in.id, Priority: in.priority()})
	}
}

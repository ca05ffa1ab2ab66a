package vrrp

import (
	"net/netip"
	"time"
)

// setFaults replaces the set of faults of the instance itself, and with it
// those of its sync group's other members.
func (in *instance) setFaults(r *Router, now time.Duration, faults Faults) {
	in.applyFaults(r, now, faults&^FaultGroup|in.faults&FaultGroup)
	r.fix(r.byID[in.id])
	r.spreadFaults(in.p.SyncGroup, now)
}

// applyFaults changes the state when the set of faults became empty or is not
// empty any more.
func (in *instance) applyFaults(r *Router, now time.Duration, faults Faults) {
	before := in.faults
	in.faults = faults
	switch {
	case in.state == Init:
	case faults != 0 && in.state != Fault:
		in.toFault(r, now)
	case faults == 0 && in.state == Fault:
		in.leaveFault(r, now, before.overCause())
	}
}

// faultsOfLink are those with which the addresses cannot be served any more.
const faultsOfLink = FaultNoLink | FaultLinkDown | FaultNoAddress | FaultNoPeers | FaultAddressTaken

// toFault gives up taking part. A master says so (keepalived: priority 0 on
// every fault; on a dead link nobody hears it).
func (in *instance) toFault(r *Router, now time.Duration) {
	in.abortTake(r)
	switch {
	case in.state == Master && in.faults&faultsOfLink != 0:
		in.advertise(r, now, 0)
		in.dropMastership(r)
	case in.state == Master:
		in.leave(r, now)
	}
	in.become(r, now, Fault, in.faults.beginCause())
	in.master, in.masterPriority = netip.Addr{}, 0
	in.wait, in.timer = waitNothing, Forever
}

// leaveFault takes part again: as a backup with the full master down time; an
// owner with state MASTER waits one interval (keepalived).
func (in *instance) leaveFault(r *Router, now time.Duration, cause Cause) {
	in.learned = in.p.Interval
	in.toBackup(r, now, cause)
	if in.p.StartMaster && in.p.Priority == OwnerPriority {
		in.arm(now, waitStartMaster)
	}
}

// linkFaults are the faults that follow from the links and the configuration.
func (in *instance) linkFaults(l *Link) Faults {
	var f Faults
	p := in.p
	if p.Link != "" {
		switch {
		case l == nil:
			f |= FaultNoLink
		case !l.Up && !p.DontTrackPrimary:
			f |= FaultLinkDown
		}
	}
	if !in.src.IsValid() {
		f |= FaultNoAddress
	}
	if p.Unicast && len(p.Peers) == 0 {
		f |= FaultNoPeers
	}
	return f
}

// resolve finds link, source address and faults anew after a change of the
// links or of the configuration.
func (in *instance) resolve(r *Router, now time.Duration) {
	p := in.p
	l := r.links[p.Link]
	index := 0
	if l != nil {
		index = l.Index
	}
	src := r.source(p, l)
	changed := index != in.link || src != in.src
	in.link, in.src = index, src
	if changed {
		r.emit(Action{Kind: SourceChanged, ID: in.id, Src: src, Link: index})
	}
	faults := in.linkFaults(l) | in.faults&(FaultAddressTaken|FaultTracking)
	if r.trackLinks(in, now) {
		faults |= FaultTrackedLink
	}
	in.setFaults(r, now, faults)
}

// taken notes that other programs keep removing an address.
func (in *instance) taken(r *Router, now time.Duration) {
	in.takenUntil = now + takenQuiet
	in.setFaults(r, now, in.faults|FaultAddressTaken)
}

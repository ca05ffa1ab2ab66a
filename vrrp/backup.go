package vrrp

import (
	"net/netip"
	"time"
)

// toBackup enters Backup and waits for the master's silence.
func (in *instance) toBackup(r *Router, now time.Duration, cause Cause) {
	if in.state == Master {
		in.dropMastership(r)
	}
	in.follower(r, now, cause)
}

// follower is toBackup when the addresses have been seen to.
func (in *instance) follower(r *Router, now time.Duration, cause Cause) {
	in.become(r, now, Backup, cause)
	in.ignored, in.followed, in.holdUntil = false, false, 0
	in.arm(now, waitMasterDown)
}

// backupAdvert is the reception of an advert in Backup (RFC 9568, 6.4.2).
func (in *instance) backupAdvert(r *Router, now time.Duration, src netip.Addr, a *Advert) {
	switch {
	case in.taking && a.Priority == 0:
		in.toMaster(r, now, CauseMasterLeft) // it is ours already
		return
	case in.taking && a.Priority < in.priority():
		return
	case a.Priority == 0:
		in.ignored = false // nobody to take over from in a planned way
		in.arm(now, waitSkew)
		return
	}
	if a.Priority >= in.priority() || in.p.Nopreempt && !in.owner() {
		taking := in.taking
		in.abortTake(r)
		in.holdUntil = 0
		in.follow(now, src, a)
		if taking { // others of its group may be master already
			r.pullToBackup(in, now)
		}
		return
	}
	if in.p.PreemptDelay > 0 {
		if in.holdUntil == 0 {
			in.holdUntil = now + in.p.PreemptDelay
		}
		if now < in.holdUntil {
			in.follow(now, src, a)
			return
		}
	}
	// The timer runs on: the take-over comes within one master down time.
	in.ignored = true
	in.master, in.masterPriority = src, a.Priority
}

// follow accepts the sender as master: learns its interval and restarts the
// timer.
func (in *instance) follow(now time.Duration, src netip.Addr, a *Advert) {
	in.master, in.masterPriority = src, a.Priority
	in.learned, in.followed = a.Interval, true
	in.ignored, in.wants = false, false
	in.arm(now, waitMasterDown)
}

// backupTimeout takes over, unless the router obviously was not running: a
// paused machine wakes with its timer long expired and an empty socket, though
// the master is well. It listens for an interval and a half more, once.
func (in *instance) backupTimeout(r *Router, now time.Duration) {
	if late := now - in.timer; late > graceInterval(in.learned) && !in.graced && !in.taking {
		in.graced = true
		in.armed += late + listenInterval(in.learned)
		in.rearm()
		return
	}
	in.takeOver(r, now)
}

// takeoverCause is why a backup whose timer ended becomes master.
func (in *instance) takeoverCause() Cause {
	switch {
	case in.wait == waitSkew:
		return CauseMasterLeft
	case in.wait == waitStartMaster && in.cause == CauseStartup: // and not a fault's end
		return CauseStartup
	case in.ignored && in.owner():
		return CauseOwner
	case in.ignored && in.holdUntil != 0:
		return CausePreemptDelay
	case in.ignored:
		return CauseLowerPriority
	}
	return CauseMasterTimeout
}

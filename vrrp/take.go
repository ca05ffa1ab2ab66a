package vrrp

import "time"

// take is the planned take-over from a master that is still heard: addresses
// are in place and announced before the first advert, at which the old master
// drops its own. Other take-overs advertise first, so that other backups wait.
func (in *instance) take(r *Router, now time.Duration) {
	in.taking = true
	in.lingerUntil = Forever // what is still there is wanted again
	in.arm(now, waitTake)
	r.emit(Action{Kind: Install, ID: in.id})
	r.emit(Action{Kind: Announce, ID: in.id})
}

// abortTake gives up a take-over that has not been told of.
func (in *instance) abortTake(r *Router) {
	if in.taking {
		in.taking = false
		r.emit(Action{Kind: Remove, ID: in.id})
	}
}

// reconsider gives a take-over up whose priority has fallen meanwhile: the master
// that is heard may be the better one now.
func (in *instance) reconsider(r *Router, now time.Duration, before uint8) {
	if in.taking && in.priority() < before {
		in.abortTake(r)
		in.arm(now, waitMasterDown)
	}
}

// installed goes on when all addresses are in the kernel.
func (in *instance) installed(r *Router, now time.Duration) {
	switch {
	case in.taking:
		in.toMaster(r, now, in.takeoverCause())
	case in.state == Master && in.advertiseInstalled:
		// Told once more when everything is out.
		in.advertiseInstalled = false
		if in.unsure(now) {
			return // it has to listen first, see masterTimeout
		}
		in.advertise(r, now, in.priority())
		in.arm(now, waitAdvert)
	}
}

// settleAfter lets the addresses be announced again when a loser that lingers is
// gone.
func (in *instance) settleAfter(now time.Duration) {
	if in.p.PlannedMoves {
		in.settle = min(in.settle, now+lingerAfter(in.p)+settleShort)
	}
}

// settleAgain announces the addresses again a moment after the take-over.
func (in *instance) settleAgain(r *Router, now time.Duration) {
	r.emit(Action{Kind: AnnounceAgain, ID: in.id})
	if in.settle < in.since+settleLong {
		in.settle = in.since + settleLong
	} else {
		in.settle = Forever
	}
}

// standBy gives mastership up, or takes part again (hakeep standby, resume).
func (in *instance) standBy(r *Router, now time.Duration, on bool) {
	if in.standby == on {
		return
	}
	in.standby = on
	switch {
	case on && in.state == Master:
		in.leave(r, now)
		in.follower(r, now, CauseStandby)
	case on && in.state == Backup:
		in.abortTake(r)
		in.wants = false
		in.rearm()
	case in.state == Backup:
		in.ignored = false
		in.arm(now, waitMasterDown)
	}
}

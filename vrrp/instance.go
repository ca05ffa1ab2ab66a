package vrrp

import (
	"net/netip"
	"time"
)

// instance is one virtual router. All fields are plain values, so that a
// Router can be copied.
type instance struct {
	id ID
	p  *Params

	state  State
	faults Faults
	since  time.Duration // of the last transition
	cause  Cause         // of the last transition

	// weight is what tracked objects and interfaces add to the priority; tracked
	// is set when those that main watches are known.
	weight, linkWeight int
	tracked            bool
	// wants is set when the timer of a sync group's member has ended while others
	// of the group could not become master.
	wants bool

	// standby is set while an operator holds the instance back.
	standby bool
	// taking is set while the addresses are put in place before the first advert
	// of a planned take-over; advertiseInstalled asks for an advert when the
	// addresses of another one are.
	taking, advertiseInstalled bool
	// settle is when the addresses of a new master are announced again.
	settle time.Duration
	// lingerUntil is when addresses that were given up are removed, Forever if
	// none are kept; winner is who was heard last to take over, and wonAt when it
	// was heard first.
	lingerUntil time.Duration
	winner      netip.Addr
	wonAt       time.Duration
	// drawn is set when somebody else has announced all addresses meanwhile.
	drawn bool
	// gone marks an instance that a reload has removed and that lingers.
	gone bool

	// link and src are where adverts leave; index 0 and an invalid address when
	// there is none.
	link int
	src  netip.Addr

	// timer is the Adver_Timer of a master, the Active_Down_Timer of a backup,
	// the end of the startup delay in Init. armed and wait say how it was set,
	// so that a changed priority or interval moves it rightly.
	timer time.Duration
	armed time.Duration
	wait  waitKind

	// learned is Active_Adver_Interval; followed is set when a master's advert has
	// taught it, and not the configuration.
	learned  time.Duration
	followed bool
	// master and masterPriority are of the last advert that was followed.
	master         netip.Addr
	masterPriority uint8
	// ignored is set when a backup let an advert of lower priority pass while
	// its timer runs: the take-over will be a pre-emption.
	ignored bool
	// holdUntil is the end of preempt_delay; 0 when it does not run.
	holdUntil time.Duration
	// graced is set when a late timeout was put off, once for each arming.
	graced bool

	// sent is when the last advert left, replied when the last one that was an
	// answer did.
	sent, replied time.Duration
	// announced is when the last announcement against a lower master began;
	// reannounce is when a suppressed one is due, Forever for never.
	announced, reannounce time.Duration

	// rogueSince and rogueHeard are when another owner that does not give way was
	// first and last heard, rogueSent how many adverts left in between.
	rogueSince, rogueHeard time.Duration
	rogueSent              int
	// demoted makes an owner advertise 254 until the other owner is gone.
	demoted bool

	// takenUntil is the end of FaultAddressTaken.
	takenUntil time.Duration

	heapAt int // position in the router's heap of deadlines
}

// waitKind says what a timer waits for.
type waitKind uint8

const (
	waitStartup     waitKind = iota + 1 // Init: end of the startup delay
	waitMasterDown                      // Backup: silence of the master
	waitSkew                            // Backup: the master has left
	waitStartMaster                     // Backup: first advert with state MASTER
	waitAdvert                          // Master: next advert
	waitNothing                         // Fault, or stopped
	waitTracking                        // Init: first results of what is tracked
	waitTake                            // Backup: addresses of a planned take-over
)

// newInstance returns an instance that has not started.
func newInstance(id ID, p *Params, now time.Duration) instance {
	return instance{
		id: id, p: p, state: Init, since: now, cause: CauseStartup,
		timer: Forever, wait: waitNothing, learned: p.Interval,
		sent: longAgo, replied: longAgo, announced: longAgo, reannounce: Forever, takenUntil: Forever,
		settle: Forever, lingerUntil: Forever, wonAt: longAgo,
		rogueHeard: longAgo,
	}
}

// priority is the effective priority: the configured one and the weights, from
// 1 to 254. An owner's does not change by tracking (keepalived).
func (in *instance) priority() uint8 {
	if in.p.Priority != OwnerPriority {
		return uint8(min(max(int(in.p.Priority)+in.weight+in.linkWeight, 1), OwnerPriority-1))
	}
	if in.demoted {
		return OwnerPriority - 1
	}
	return OwnerPriority
}

func (in *instance) owner() bool { return in.priority() == OwnerPriority }

// deadline is the next moment at which a Timeout does something.
func (in *instance) deadline() time.Duration {
	return min(in.timer, in.reannounce, in.takenUntil, in.settle, in.lingerUntil)
}

// arm sets the timer for what is awaited from now on.
func (in *instance) arm(now time.Duration, wait waitKind) {
	in.armed, in.wait, in.graced = now, wait, false
	in.rearm()
}

// rearm computes the timer again from when it was armed: after a change of
// priority or interval the remaining time changes by the difference of the
// skews (keepalived does the same).
func (in *instance) rearm() {
	p := in.p
	if in.standby && in.state == Backup {
		in.timer = Forever
		return
	}
	switch in.wait {
	case waitTake:
		in.timer = in.armed + takeLimit
	case waitMasterDown:
		in.timer = in.armed + MasterDownInterval(p.Version, in.priority(), in.learned, p.DownAdverts)
	case waitSkew:
		in.timer = in.armed + SkewTime(p.Version, in.priority(), in.learned)
	case waitStartMaster:
		in.timer = in.armed + startMasterInterval(p.Version, in.learned)
	case waitAdvert:
		in.timer = in.armed + p.Interval
	case waitNothing, waitTracking:
		in.timer = Forever
	}
}

// become changes the state and tells of it. Every transition goes through here.
func (in *instance) become(r *Router, now time.Duration, to State, cause Cause) {
	from := in.state
	if from == to {
		panic("vrrp: transition from " + from.String() + " to itself")
	}
	in.state, in.since, in.cause = to, now, cause
	in.wants = false
	r.moved = true
	r.emit(Action{Kind: Transition, ID: in.id, From: from, To: to, Cause: cause, Due: r.due})
}

// advertise sends an advert with the given priority.
func (in *instance) advertise(r *Router, now time.Duration, priority uint8) {
	in.sent = now
	r.emit(Action{Kind: SendAdvert, ID: in.id, Priority: priority, Params: in.p, Src: in.src, Link: in.link})
}

// start leaves Init when the startup delay is over (RFC 9568, 6.4.1).
func (in *instance) start(r *Router, now time.Duration) {
	in.learned = in.p.Interval
	switch {
	case in.p.AwaitTracking && !in.tracked:
		in.wait, in.timer = waitTracking, Forever
	case in.faults != 0:
		in.toFault(r, now)
	case in.p.StartMaster && in.p.Priority == OwnerPriority && in.p.SyncGroup == "" && !in.standby:
		in.toMaster(r, now, CauseStartup)
	case in.p.StartMaster:
		in.become(r, now, Backup, CauseStartup)
		in.arm(now, waitStartMaster)
	default:
		in.become(r, now, Backup, CauseStartup)
		in.arm(now, waitMasterDown)
	}
}

// stop leaves every state for Init. A master says with priority 0 that it
// leaves (RFC 9568, 6.4.3).
func (in *instance) stop(r *Router, now time.Duration, cause Cause) {
	in.abortTake(r)
	if in.state == Master {
		in.leave(r, now)
	}
	if in.state != Init {
		in.become(r, now, Init, cause)
	}
	in.wait, in.timer = waitNothing, Forever
	in.takenUntil = Forever
}

// timeout acts on what is due.
func (in *instance) timeout(r *Router, now time.Duration, paced bool) {
	if now >= in.takenUntil {
		in.takenUntil = Forever
		in.setFaults(r, now, in.faults&^FaultAddressTaken)
	}
	if now >= in.reannounce {
		in.announceLower(r, now)
	}
	if now >= in.settle {
		in.settleAgain(r, now)
	}
	if now >= in.lingerUntil {
		in.endLinger(r)
	}
	if now < in.timer {
		return
	}
	switch in.state {
	case Init:
		in.timer, in.wait = Forever, waitNothing
		in.start(r, now)
	case Backup:
		in.backupTimeout(r, now)
	case Master:
		in.masterTimeout(r, now, paced)
	}
}

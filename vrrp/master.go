package vrrp

import (
	"net/netip"
	"time"
)

// toMaster takes over (RFC 9568, 6.4.1 and 6.4.2). The advert comes first, so
// that other backups wait while the addresses are installed.
func (in *instance) toMaster(r *Router, now time.Duration, cause Cause) {
	in.learned = in.p.Interval
	in.demoted = false
	in.forgetRogue()
	in.ignored, in.followed, in.holdUntil = false, false, 0
	in.master, in.masterPriority = netip.Addr{}, 0
	in.lingerUntil = Forever
	in.advertise(r, now, in.priority())
	in.become(r, now, Master, cause)
	in.arm(now, waitAdvert)
	if !in.taking {
		r.emit(Action{Kind: Install, ID: in.id})
	}
	r.emit(Action{Kind: Announce, ID: in.id})
	if in.p.PlannedMoves {
		in.advertiseInstalled = !in.taking
		in.settle = now + lingerAfter(in.p) + settleShort
	}
	in.taking = false
}

// dropMastership undoes what toMaster did, except the transition.
func (in *instance) dropMastership(r *Router) {
	in.reannounce, in.settle = Forever, Forever
	in.forgetRogue()
	r.emit(Action{Kind: Remove, ID: in.id})
}

// masterTimeout sends the advert that is due. The next one is due an interval
// after this one was, not after it was sent, so that lateness does not add up;
// after a long stall the missed ones are not made good. See Timeout for paced.
//
// A master that wakes up so late that another one must have taken over listens
// first, as a backup does. Its socket is empty if the whole machine was
// paused, so it cannot know. Then it announces its addresses anew: one with a
// longer interval may give way without having been heard, and the neighbours
// would go on looking for the addresses there.
func (in *instance) masterTimeout(r *Router, now time.Duration, paced bool) {
	due := in.timer
	if in.late(now) && now-due > graceInterval(in.p.Interval) {
		in.listen(r, now)
		return
	}
	if in.rogueSince != 0 {
		in.rogueSent++
	}
	if due < in.armed+in.p.Interval {
		in.replied = now // it is an answer that reply put off
	}
	in.advertise(r, now, in.priority())
	if in.graced {
		r.emit(Action{Kind: Announce, ID: in.id})
	}
	if paced || now-due >= in.p.Interval {
		due = now
	}
	in.arm(due, waitAdvert)
}

// listen puts off the next advert, and all announcements: they would draw the
// neighbours away from the router that has taken over.
func (in *instance) listen(r *Router, now time.Duration) {
	in.arm(now+listenInterval(in.p.Interval)-in.p.Interval, waitAdvert)
	in.graced = true
	in.reannounce, in.settle = Forever, Forever
	r.emit(Action{Kind: Linger, ID: in.id})
}

// masterAdvert is the reception of an advert in Master (RFC 9568, 6.4.3).
func (in *instance) masterAdvert(r *Router, now time.Duration, src netip.Addr, a *Advert) {
	if a.Priority == 0 {
		// The sender was master until now: neighbours may look for the addresses
		// there.
		listens := in.graced
		in.reply(r, now)
		if listens {
			r.emit(Action{Kind: Announce, ID: in.id}) // it had fallen silent
		} else {
			in.heal(r, now)
		}
		return
	}
	if in.unsure(now) {
		// Another router took over while this one was not running. It stays back
		// rather than to tear the addresses away from the new master.
		in.toBackup(r, now, CauseLate)
		in.backupAdvert(r, now, src, a)
		r.pullToBackup(in, now)
		return
	}
	if in.owner() && a.Priority == OwnerPriority && in.rogueOwner(now, a) {
		in.demoted = true
	}
	own := in.priority()
	if a.Priority > own || a.Priority == own && in.src.Less(src) {
		if in.p.HigherPrioSendAdvert {
			in.advertise(r, now, own)
		}
		// The winner may be one that advertises before it has the addresses.
		in.linger(r, now, lingerAfter(in.p))
		in.winner, in.wonAt = src, now
		in.follower(r, now, CauseHigherPriority)
		in.follow(now, src, a)
		r.pullToBackup(in, now)
		return
	}
	if !in.p.LowerPrioNoAdvert {
		in.reply(r, now)
	}
	in.heal(r, now)
}

// reply sends an advert at once, or, when one was sent in answer just now, as
// soon as the bound on answers allows.
func (in *instance) reply(r *Router, now time.Duration) {
	if gap := replyGap(in.p.Interval); in.replied > now-gap {
		in.timer = min(in.timer, in.replied+gap)
		return
	}
	in.replied = now
	in.advertise(r, now, in.priority())
	in.arm(now, waitAdvert)
}

// heal announces the addresses anew, now or as soon as the bound on that allows.
func (in *instance) heal(r *Router, now time.Duration) {
	if gap := announceGap(in.p.Interval); now-in.announced >= gap {
		in.announceLower(r, now)
	} else {
		in.reannounce = in.announced + gap
	}
}

// announceLower heals the neighbours' caches that a master of lower priority
// has spoilt. That one may have been announcing at the same moment, and lingers:
// once it is gone the addresses are announced again.
func (in *instance) announceLower(r *Router, now time.Duration) {
	in.announced, in.reannounce = now, Forever
	in.settleAfter(now)
	r.emit(Action{Kind: AnnounceLower, ID: in.id})
	r.healGroup(in, now)
}

// late reports whether the last advert is so long ago that even the best backup
// must have taken over.
func (in *instance) late(now time.Duration) bool {
	p := in.p
	return now-in.sent > MasterDownInterval(p.Version, OwnerPriority-1, p.Interval, p.DownAdverts)
}

// unsure reports whether another router may be master: this one is late, or
// listens because it was.
func (in *instance) unsure(now time.Duration) bool { return in.late(now) || in.graced }

// rogueOwner reports whether another owner (255) has persisted for two of our
// adverts and 1.2 of the longer interval although it should have given way, as
// an owner that ignores adverts does. Then one must give in (keepalived: the
// one with the higher address advertises 254 until the other is gone). One that
// was silent for as long as a backup waits is gone, and new when it comes back.
func (in *instance) rogueOwner(now time.Duration, a *Advert) bool {
	longer := max(a.Interval, in.p.Interval)
	if now-in.rogueHeard > time.Duration(in.p.DownAdverts)*longer {
		in.rogueSince, in.rogueSent = now, 0
	}
	in.rogueHeard = now
	return in.rogueSent >= 2 && now-in.rogueSince >= longer*6/5
}

// forgetRogue starts the observation of another owner anew.
func (in *instance) forgetRogue() {
	in.rogueSince, in.rogueHeard, in.rogueSent = 0, longAgo, 0
}

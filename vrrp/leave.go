package vrrp

import (
	"net/netip"
	"time"
)

// A planned leave loses nothing. The master first makes the backups quick, with
// an advert of unchanged priority and a short interval that they learn, then
// says with priority 0 that it goes (measured with keepalived as the backup:
// 610 ms become 9). It goes on answering for the addresses until the winner has
// them: that is its linger. RFC 9568 knows only the priority 0 advert.
const (
	// lingerAfterFirst is how long the addresses are kept after the winner's
	// first advert: keepalived advertises before it has them, with 200 addresses
	// by 7 ms.
	lingerAfterFirst = 100 * time.Millisecond
	// lingerIPv6Addr is added for each IPv6 address, up to lingerAfterMost: 200 took
	// 60 ms with a kernel that had nothing else to do, and 130 ms with a busy one.
	lingerIPv6Addr  = 500 * time.Microsecond
	lingerAfterMost = 600 * time.Millisecond
	// lingerApart is the least distance of the winner's second advert from its
	// first. The shortest interval is 10 ms; two winners answer each other within
	// one round trip.
	lingerApart = 5 * time.Millisecond
	// lingerMargin is added to the time within which the slowest backup must
	// have advertised, for its lateness.
	lingerMargin = 100 * time.Millisecond
	// lingerMost bounds the linger for the sake of a lost advert: a router that
	// is alone waits for it at its stop.
	lingerMost = 2 * time.Second
	// settleShort and settleLong are when a new master announces its addresses
	// again, after the linger of whoever left, who may have answered for them
	// meanwhile, and a second after the take-over.
	settleShort = 50 * time.Millisecond
	settleLong  = time.Second
	// takeLimit bounds the wait for the addresses of a planned take: 1,000 IPv6
	// ones take 300 ms.
	takeLimit = time.Second
)

// leave says goodbye, and begins the linger. The caller changes the state. One
// that woke up late does not speak as a master any more: another one must have
// taken over, and would give way.
func (in *instance) leave(r *Router, now time.Duration) {
	p := in.p
	learned := p.Interval
	if p.PlannedMoves && p.Version == V3 && p.LeaveInterval > 0 && p.LeaveInterval < p.Interval && !in.unsure(now) {
		learned = p.LeaveInterval
		in.sent = now
		r.emit(Action{
			Kind: SendAdvert, ID: in.id, Priority: in.priority(), Interval: learned,
			Params: p, Src: in.src, Link: in.link,
		})
	}
	in.advertise(r, now, 0)
	in.linger(r, now, lingerBound(p, learned)+lingerMargin)
}

// lingerBound is when every backup must have taken over. In version 3 it bears
// the loss of either advert: without the first one a backup waits for the skew
// time by the old interval, without the second for the master down time by the
// one it has just learned. It counts only while nobody is heard to take over.
func lingerBound(p *Params, learned time.Duration) time.Duration {
	bound := SkewTime(p.Version, 1, learned)
	if p.Version != V3 {
		return bound
	}
	loss := max(SkewTime(p.Version, 1, p.Interval), MasterDownInterval(p.Version, 1, learned, p.DownAdverts))
	return max(bound, min(loss, lingerMost))
}

// lingerAfter is how long the addresses are kept after the winner's first advert.
func lingerAfter(p *Params) time.Duration {
	if p.Family != IPv6 {
		return lingerAfterFirst
	}
	n := time.Duration(len(p.Addrs) + len(p.Excluded))
	return min(lingerAfterFirst+n*lingerIPv6Addr, lingerAfterMost)
}

// linger gives the addresses up when a winner has them, at the latest after
// bound. Until then nothing is announced any more.
func (in *instance) linger(r *Router, now, bound time.Duration) {
	in.reannounce, in.settle = Forever, Forever
	in.forgetRogue()
	if !in.p.PlannedMoves || in.p.BreakBeforeMake {
		r.emit(Action{Kind: Remove, ID: in.id})
		return
	}
	in.lingerUntil, in.winner, in.wonAt, in.drawn = now+bound, netip.Addr{}, longAgo, false
	r.emit(Action{Kind: Linger, ID: in.id})
}

func (in *instance) lingering() bool { return in.lingerUntil != Forever }

// lingerAdvert notes an advert of whoever takes over. The second one ends the
// linger: then it has the addresses. Two that take over at once are told apart,
// and the answers that they give each other do not count.
func (in *instance) lingerAdvert(r *Router, now time.Duration, src netip.Addr, a *Advert) {
	switch {
	case a.Priority == 0:
	case !in.winner.IsValid():
		in.winner, in.wonAt = src, now
		in.lingerUntil = now + lingerAfter(in.p)
		if in.drawn {
			in.endLinger(r)
		}
	case in.winner != src:
		in.winner, in.wonAt = src, now
	case now-in.wonAt >= lingerApart:
		in.endLinger(r)
	}
}

// winnerAnnounced ends the linger when the winner has drawn the neighbours to it: what
// the kernel here sends from the addresses from then on, such as the ARP request for a
// neighbour that it has not heard of for a while, would draw them back to a router that
// gives the addresses up. keepalived would announce them again after 5 s.
func (in *instance) winnerAnnounced(r *Router) {
	in.drawn = in.lingering()
	if in.drawn && in.winner.IsValid() {
		in.endLinger(r)
	}
}

// endLinger gives the addresses up.
func (in *instance) endLinger(r *Router) {
	if !in.lingering() {
		return
	}
	in.lingerUntil = Forever
	r.emit(Action{Kind: Remove, ID: in.id})
	if in.gone {
		r.emit(Action{Kind: Deleted, ID: in.id})
		r.departed = true
	}
}

// forgetGone drops the instances that a reload removed and whose linger is over.
func (r *Router) forgetGone() {
	r.departed = false
	kept := r.instances[:0:0]
	for i := range r.instances {
		if in := &r.instances[i]; !in.gone || in.lingering() {
			kept = append(kept, *in)
		}
	}
	r.instances = kept
	r.reindex(nil)
	r.heapify()
}

// Leaving reports whether addresses are still kept although nobody is master
// here any more. After a Shutdown the router is done when it is false.
func (r *Router) Leaving() bool {
	for i := range r.instances {
		if r.instances[i].lingering() {
			return true
		}
	}
	return false
}

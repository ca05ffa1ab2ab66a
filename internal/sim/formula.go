package sim

import (
	"time"

	"hakeep/vrrp"
)

// The formulas of the standard once more: what the simulator expects must not
// come from the code that it examines.

// skew is Skew_Time: RFC 9568, 6.1; RFC 3768, 6.1 for version 2.
func skew(p *vrrp.Params, priority uint8, interval time.Duration) time.Duration {
	if p.Version == vrrp.V2 {
		interval = time.Second
	}
	return interval * time.Duration(256-int(priority)) / 256
}

// masterDown is Active_Down_Interval with keepalived's down_timer_adverts.
func masterDown(p *vrrp.Params, priority uint8, interval time.Duration) time.Duration {
	return interval*time.Duration(p.DownAdverts) + skew(p, priority, interval)
}

// firstAdvert is how long an instance with state MASTER waits at the start:
// one interval and the smallest skew (keepalived.md 3.2).
func firstAdvert(p *vrrp.Params) time.Duration {
	return p.Interval + skew(p, vrrp.OwnerPriority, p.Interval)
}

// lowerGap is the least time between two announcements that masters of lower
// priority provoke: an interval, at least 100 ms (pitfalls.md; arp.Schedule).
func lowerGap(p *vrrp.Params) time.Duration { return max(p.Interval, 100*time.Millisecond) }

// answerGap is the time within which a master answers a lower advert, which is
// also the bound on the rate of such answers: half an interval.
func answerGap(p *vrrp.Params) time.Duration { return p.Interval / 2 }

// lateAfter is how old the last advert of a master is at least when it has to
// listen before it goes on.
func lateAfter(p *vrrp.Params) time.Duration {
	return max(masterDown(p, vrrp.OwnerPriority-1, p.Interval), 2*p.Interval)
}

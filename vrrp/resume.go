package vrrp

import "time"

// Resumed is an instance that was master when everything here ended without a
// word, and whose addresses are still in the kernel. It is ours: RFC 9568 knows
// only a start.
type Resumed struct {
	// Name is that of its parameters.
	Name string
	// Until is when the best backup may take over: down_timer_adverts times the
	// interval after the last advert, in the clock that Step is given.
	Until time.Duration
}

// resumeMargin is how long before that moment it is too late to go on: the
// advert has to be there first.
func resumeMargin(interval time.Duration) time.Duration {
	return max(interval/10, 10*time.Millisecond)
}

// resumable are the names of those new instances that may go on as master: in
// time, not held back, and with all of their sync group.
func (r *Router) resumable(now time.Duration, ev *Reconfigure, match []int) map[string]bool {
	if len(ev.Resume) == 0 || r.stopped {
		return nil
	}
	until := make(map[string]time.Duration, len(ev.Resume))
	for _, s := range ev.Resume {
		until[s.Name] = s.Until
	}
	names, broken := map[string]bool{}, map[string]bool{}
	for i, p := range ev.Instances {
		fit := match[i] < 0 && now < until[p.Name]-resumeMargin(p.Interval)
		for _, name := range ev.Standby {
			fit = fit && name != p.Name
		}
		if fit {
			names[p.Name] = true
		} else if p.SyncGroup != "" {
			broken[p.SyncGroup] = true
		}
	}
	for _, p := range ev.Instances {
		if broken[p.SyncGroup] {
			delete(names, p.Name)
		}
	}
	return names
}

// resume lets the instances go on as master of which the faults are known now,
// and starts the others. Another one may have taken over all the same, when
// adverts were lost: the first advert tells it, or its answer tells us, and the
// addresses are announced anew.
//
// A startup delay and the wait for the first results of tracking are for those
// who start: this one was well a moment ago.
func (r *Router) resume(now, start time.Duration, names map[string]bool) {
	for i := range r.instances {
		in := &r.instances[i]
		switch {
		case !names[in.p.Name] || in.state != Init || in.gone:
		case in.faults != 0:
			in.begin(r, now, start)
		default:
			in.toMaster(r, now, CauseResumed)
		}
	}
}

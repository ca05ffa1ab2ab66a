package elector

import (
	"hakeep/internal/netif"
	"hakeep/vrrp"
)

// What the loop tells the others: the Router of addresses that are complete, the
// address thread of what is desired, the conflict watch of what is ours.

// tellInstalled tells the Router of instances whose addresses are complete, and
// announced: at the advert that follows from it a keepalived that gives way drops
// its own at once, and 200 addresses take some milliseconds to announce.
func (l *loop) tellInstalled() {
	for _, id := range l.touched {
		if m := l.members[id]; m != nil && m.install && m.complete() {
			l.takeovers.installed(l.clock.now(), id)
			if l.installing[id] {
				l.ready = append(l.ready, id)
			}
		}
	}
	l.touched = l.touched[:0]
	if len(l.ready) == 0 {
		return
	}
	l.announcements()
	if at, ok := l.sched.Next(); ok && at <= l.clock.now() {
		return // the loop comes back for the rest of them
	}
	ready := l.ready
	l.ready = nil // a step may add to it
	for _, id := range ready {
		if m := l.members[id]; m == nil || !l.installing[id] || !m.complete() {
			continue
		}
		delete(l.installing, id)
		now := l.clock.now()
		l.act(now, l.router.Step(now, vrrp.Installed{ID: id}))
	}
}

// touchInstalling has all that are not known to be complete looked at again.
func (l *loop) touchInstalling() {
	for id := range l.installing {
		l.touched = append(l.touched, id)
	}
}

// tellAdded tells the address thread of addresses that are desired besides the others,
// if nothing else has changed: thousands of instances whose masters are gone take over
// one after another.
func (l *loop) tellAdded() {
	if l.addrsDue || len(l.adding) == 0 {
		return
	}
	l.addrs.add(l.added())
	l.adding = l.adding[:0]
	l.guardLater()
}

// tellDesired hands the address thread all that it shall bring about.
func (l *loop) tellDesired() {
	if !l.addrsDue {
		return
	}
	l.addrs.put(l.desired())
	l.addrsDue, l.adding = false, l.adding[:0]
	l.guardLater()
}

// added are the addresses of the instances that want them from now on.
func (l *loop) added() (addrs []netif.Addr) {
	for _, id := range l.adding {
		if m := l.members[id]; m != nil && m.install {
			addrs = append(addrs, m.inst.Addresses...)
		}
	}
	return addrs
}

// guardLater has the addresses that nobody else may use told soon.
func (l *loop) guardLater() {
	if !l.guardDue {
		l.guardDue, l.guardNext = true, l.clock.now()+guardGap
	}
}

// tellGuarded tells of them when it is time.
func (l *loop) tellGuarded() {
	if l.guardDue && l.clock.now() >= l.guardNext {
		l.guardDue = false
		l.guard(l.guarded())
	}
}

// desired is what the address thread shall bring about.
func (l *loop) desired() desiredAddrs {
	d := desiredAddrs{final: l.stopping && !l.router.Leaving()}
	d.addrs = make([]netif.Addr, 0, len(l.byKey))
	if s := &l.config.Static; !d.final {
		d.addrs = append(d.addrs, s.Addresses...)
		for _, it := range netif.Items(s.Routes, s.Rules) {
			d.items = append(d.items, desiredItem{item: it, owners: l.followers(it.String())})
		}
	}
	for _, s := range l.snapshots() {
		if m := l.members[s.ID]; m != nil && m.install {
			d.addrs = append(d.addrs, m.inst.Addresses...)
			for _, it := range netif.Items(m.inst.Routes, m.inst.Rules) {
				d.items = append(d.items, desiredItem{item: it, owners: []vrrp.ID{s.ID}})
			}
		}
	}
	return d
}

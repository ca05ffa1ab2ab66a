package elector

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"hakeep/arp"
	"hakeep/internal/netif"
	"hakeep/internal/wire"
	"hakeep/vrrp"
	"hakeep/vrrp/vrrpnet"
)

// member is what the loop keeps of one instance beside the Router's state.
type member struct {
	inst *wire.Instance
	// install is whether its addresses shall be in the kernel; installed are
	// those that are, with how to announce them.
	install   bool
	installed map[netif.Key]arp.Target
	// silent is set while they stay there for another master, or until it is clear
	// that there is none: nothing of them is announced.
	silent bool
	// refused are routes and rules that should be in the kernel and are not; nil
	// for none.
	refused map[string]bool
	// packets are the adverts that were sent last, ready to be sent again, and
	// what they were built from.
	packets []*vrrpnet.Prepared
	made    vrrp.Action
	// slot is where the member's mark is, until its value, and window how long it
	// is good for after an advert; marking is set between the queueing of an advert
	// and its leaving.
	slot    int
	until   time.Duration
	known   markKey
	window  time.Duration
	marking bool
	record
}

// complete reports whether all addresses are in the kernel.
func (m *member) complete() bool {
	for i := len(m.inst.Addresses) - 1; i >= 0; i-- { // the last comes last
		if _, ok := m.installed[m.inst.Addresses[i].Key()]; !ok {
			return false
		}
	}
	return true
}

// act carries out actions in their order.
func (l *loop) act(now time.Duration, actions []vrrp.Action) {
	for i := range actions {
		a := &actions[i]
		m := l.members[a.ID]
		switch a.Kind {
		case vrrp.Added:
			l.members[a.ID] = &member{inst: l.instanceOf(a.Params), installed: map[netif.Key]arp.Target{}}
			l.socketsDue = true
			continue
		case vrrp.Discarded:
			l.discarded(now, m, a)
			continue
		case vrrp.GroupTransition:
			l.journal.put(wire.Event{Kind: wire.EventGroup, Level: "info", Group: a.Group, From: a.From.String(), To: a.To.String()})
			continue
		}
		if m == nil {
			continue
		}
		switch a.Kind {
		case vrrp.SendAdvert:
			l.send(m, a)
			m.sent(now, a)
			l.mark(m, a)
		case vrrp.Transition:
			m.transition(now, a)
			l.takeovers.transition(now, a)
			if a.From == vrrp.Master {
				l.unmark(m)
			}
			l.journal.put(wire.Event{
				Kind: wire.EventTransition, Level: "info", Instance: m.inst.Params.Name,
				From: a.From.String(), To: a.To.String(), Cause: a.Cause.String(), Priority: l.priority(a.ID),
			})
		case vrrp.Install:
			m.install = true
			if len(m.inst.Routes)+len(m.inst.Rules) > 0 || l.stopping {
				l.addrsDue = true
			}
			l.adding = append(l.adding, a.ID)
			l.installing[a.ID] = true
			l.touched = append(l.touched, a.ID) // they may be there
		case vrrp.Remove:
			m.install, m.silent = false, false
			l.lingers.end(a.ID)
			l.addrsDue = true
			l.sched.Stop(uint32(a.ID))
			delete(l.installing, a.ID)
		case vrrp.Linger:
			m.silent = true
			l.lingers.begin(a.ID, m)
			l.sched.Stop(uint32(a.ID))
		case vrrp.Announce:
			m.silent = false
			l.lingers.end(a.ID)
			l.announceInstalled(now, a.ID, m, arp.CauseMaster)
		case vrrp.AnnounceAgain:
			l.announceInstalled(now, a.ID, m, arp.CauseRefresh)
		case vrrp.PriorityChanged:
			l.journal.put(wire.Event{
				Kind: wire.EventPriority, Level: "info", Instance: m.inst.Params.Name,
				To: l.router.State(a.ID).String(), Priority: a.Priority,
			})
		case vrrp.AnnounceLower:
			l.sched.Begin(now, uint32(a.ID), arp.CauseLowerPriority, m.inst.Announce, nil)
			if m.mastered != 0 && now-m.mastered < giveWay {
				continue
			}
			l.journal.put(wire.Event{Kind: wire.EventLowerPriority, Level: "warn", Instance: m.inst.Params.Name, Peer: m.lastPeer})
		case vrrp.AnnounceGroup:
			l.sched.Begin(now, uint32(a.ID), arp.CauseLowerPriority, m.inst.Announce, nil)
		case vrrp.Accepted:
			m.accepted(now, a)
		case vrrp.Noted:
			l.noted(now, m, a)
		case vrrp.Deleted:
			delete(l.members, a.ID)
			l.lingers.end(a.ID)
			m.slot = 0
			l.sched.Stop(uint32(a.ID))
			l.socketsDue, l.addrsDue = true, true
		case vrrp.SourceChanged:
			l.socketsDue = true
		}
	}
}

// send queues the packets of one advert. They are built only when something in
// them is new.
func (l *loop) send(m *member, a *vrrp.Action) {
	made := &m.made
	if made.Params != a.Params || made.Priority != a.Priority || made.Src != a.Src || made.Link != a.Link || made.Interval != a.Interval {
		l.prepare(m, a)
	}
	for _, p := range m.packets {
		if !l.sockets.QueuePrepared(p) {
			l.flush()
			l.sockets.QueuePrepared(p)
		}
	}
}

// keepPackets has the packets stay if those of the new configuration are the same:
// a reload of thousands would build them all again, on the thread that sends.
func (m *member) keepPackets(next *wire.Instance) {
	if old := m.made.Params; old != nil && m.inst.TTL == next.TTL && old.SameAdverts(&next.Params) {
		m.made.Params = &next.Params
	}
}

// prepare builds the packets of an advert.
func (l *loop) prepare(m *member, a *vrrp.Action) {
	if len(m.packets) > 0 {
		l.flush() // they may be queued
	}
	m.packets = m.packets[:0]
	m.made = *a
	a.Packets(nil, func(o *vrrp.Outgoing) {
		p, err := vrrpnet.Prepare(&vrrpnet.Packet{
			Link: o.Link, Src: o.Src, Dst: o.Dst, TTL: m.inst.TTL, Payload: slices.Clone(o.Payload),
		})
		if err != nil {
			l.log("error", "prepare advert of "+m.inst.Params.Name+": "+err.Error())
			return
		}
		m.packets = append(m.packets, p)
	})
}

// instanceOf finds the configured instance that params belong to.
func (l *loop) instanceOf(p *vrrp.Params) *wire.Instance {
	if inst := l.byParams[p]; inst != nil {
		return inst
	}
	for _, in := range l.config.Instances {
		if &in.Params == p {
			return in
		}
	}
	panic("elector: parameters of no instance")
}

// priority is the effective priority of an instance.
func (l *loop) priority(id vrrp.ID) uint8 { return l.router.Priority(id) }

// reconfigure puts a configuration in force.
func (l *loop) reconfigure(now time.Duration, c *wire.Config) *wire.Applied {
	old := l.config
	l.config = c
	params := make([]*vrrp.Params, len(c.Instances))
	l.byParams = map[*vrrp.Params]*wire.Instance{}
	for i, in := range c.Instances {
		params[i] = &in.Params
		if i >= len(old.Instances) || old.Instances[i] != in { // most stay as they are
			l.byParams[&in.Params] = in
		}
	}
	resume := l.resumed(now, c)
	actions := l.router.Step(now, vrrp.Reconfigure{Start: now + c.StartupDelay, Instances: params, Standby: c.Standby, Resume: resume})
	former := l.byKey
	l.byKey = make(map[netif.Key]vrrp.ID, len(former))
	for id, m := range l.members { // those that linger; the others overwrite them
		for _, a := range m.inst.Addresses {
			l.byKey[a.Key()] = id
		}
	}
	applied := &wire.Applied{Digest: c.Digest}
	for _, s := range l.snapshots() {
		if s.Gone {
			continue // it keeps what it had
		}
		p := l.router.Params(s.ID)
		m := l.members[s.ID]
		if m == nil {
			applied.Added = append(applied.Added, s.Name)
			for _, a := range l.instanceOf(p).Addresses {
				l.byKey[a.Key()] = s.ID
			}
			continue
		}
		applied.Kept = append(applied.Kept, s.Name)
		if inst := l.byParams[p]; inst != nil {
			m.keepPackets(inst)
			m.inst = inst
			l.sched.Configure(now, uint32(s.ID), inst.Announce)
		}
		for _, a := range m.inst.Addresses {
			l.byKey[a.Key()] = s.ID
		}
	}
	moved := l.takeMoved(former)
	l.act(now, actions)
	l.giveMoved(now, moved)
	l.layoutMarks()
	l.tellResumed(now, resume)
	l.addrs.own(c)
	l.delays.delays = c.LinkDelays
	l.addrsDue = true
	l.touchInstalling()
	applied.Removed = missing(old.Instances, c.Instances)
	applied.Problems = l.syncSockets()
	return applied
}

// missing are the names of before that are not in after.
func missing(before, after []*wire.Instance) (names []string) {
	have := map[string]bool{}
	for i, in := range after {
		if i >= len(before) || before[i] != in {
			have[in.Params.Name] = true
		}
	}
	for i, in := range before {
		if (i >= len(after) || after[i] != in) && !have[in.Params.Name] {
			names = append(names, in.Params.Name)
		}
	}
	return names
}

// snapshot is the state for main.
func (l *loop) snapshot(now time.Duration, brief bool) *wire.Snapshot {
	s := &wire.Snapshot{
		Time: time.Now(), Started: l.started, Realtime: l.rt.granted, RealtimeReason: l.rt.reason,
		Lateness: l.stats.lateness.status(), Takeovers: l.takeovers.status(), Relieved: l.relief.count(), Digest: l.config.Digest,
	}
	net := l.sockets.Stats()
	s.Sockets = wire.SocketStatus{Sent: net.Sent, Received: net.Received, Dropped: net.KernelDrops}
	for _, n := range net.SendErrors {
		s.Sockets.SendErrors += n
	}
	if brief {
		return s
	}
	s.Instances = make([]wire.InstanceStatus, 0, len(l.members))
	for _, is := range l.snapshots() {
		if !is.Gone {
			s.Instances = append(s.Instances, l.instanceStatus(now, &is))
		}
	}
	s.Links = l.stats.linkDiscards(l.links)
	return s
}

func (l *loop) instanceStatus(now time.Duration, is *vrrp.InstanceState) wire.InstanceStatus {
	m := l.members[is.ID]
	p := &m.inst.Params
	st := wire.InstanceStatus{
		Name: is.Name, State: is.State.String(), Since: l.clock.wall(is.Since), Cause: is.Cause.String(),
		Standby: is.Standby, Lingering: is.Lingering,
		Faults: is.Faults.Names(), Priority: is.Priority, Source: is.Source,
		Master: is.Master, MasterPriority: is.MasterPriority, Interval: is.Interval,
		DownInterval: vrrp.MasterDownInterval(p.Version, is.Priority, is.Interval, p.DownAdverts),
		Skew:         vrrp.SkewTime(p.Version, is.Priority, is.Interval),
	}
	for _, a := range m.inst.Addresses {
		if _, ok := m.installed[a.Key()]; ok {
			st.Installed = append(st.Installed, a.Prefix)
		} else if m.install {
			st.Missing = append(st.Missing, a.Prefix)
		}
	}
	for _, t := range p.TrackLinks {
		weight, fault, up := l.router.TrackedLink(t)
		st.Tracked = append(st.Tracked, wire.TrackedLink{Name: t.Name, Up: up, Weight: weight, Fault: fault})
	}
	if len(m.refused) > 0 {
		st.Refused = slices.Sorted(maps.Keys(m.refused))
	}
	m.status(l.clock, now, &st)
	if st.Standby && !m.hears(now, st.Master, st.DownInterval) {
		// It follows nobody by a timer, as it shall not take over.
		st.Master, st.MasterPriority = netip.Addr{}, 0
	}
	return st
}

// standby holds instances back, or lets them go.
func (l *loop) standby(now time.Duration, m standbyMsg) {
	for id, in := range l.members {
		if slices.Contains(m.Instances, in.inst.Params.Name) {
			l.act(now, l.router.Step(now, vrrp.Standby{ID: id, On: m.On}))
		}
	}
}

// tracked hands on what main's trackers have found.
func (l *loop) tracked(now time.Duration, m trackedMsg) {
	ids := make(map[string]vrrp.ID, len(l.members))
	for id, in := range l.members {
		ids[in.inst.Params.Name] = id
	}
	for _, t := range m.tracked {
		if id, ok := ids[t.Instance]; ok {
			l.act(now, l.router.Step(now, vrrp.Tracked{ID: id, Weight: t.Weight, Fault: t.Fault}))
		}
	}
}

package sim

import (
	"fmt"
	"slices"
	"time"

	"hakeep/vrrp"
)

const modelLink = 2

// expand makes every step that is possible in a state.
func (s *search) expand(st *modelState) {
	moment := false // something happens at this moment, so that time stands
	for i := range st.hosts {
		h := &st.hosts[i]
		if h.r == nil || h.asleep != powerOn {
			continue
		}
		for from := range st.hosts {
			at := slices.IndexFunc(st.wire[i], func(a modelAdvert) bool { return int(a.from) == from })
			if at < 0 {
				continue
			}
			moment = true
			s.try(st, opHear, i, from, func(n *modelState) { s.deliver(n, i, at) })
			if st.faults > 0 && slices.Contains(s.m.Kinds, FaultDrop) {
				s.try(st, opLose, i, from, func(n *modelState) {
					moving := st.moving && !st.missed
					s.fault(n)
					n.moving, n.missed = moving, moving
					n.wire[i] = slices.Delete(n.wire[i], at, at+1)
				})
			}
		}
		if d, ok := h.r.NextDeadline(); ok && d <= st.now {
			moment = true
			s.try(st, opTimer, i, 0, func(n *modelState) { s.timeout(n, i) })
		}
	}
	for i := range st.hosts {
		if h := &st.hosts[i]; h.installing && h.r != nil && h.asleep == powerOn {
			moment = true
			s.try(st, opInstall, i, 0, func(n *modelState) { s.installed(n, i) })
		}
		s.comeBack(st, i)
		if st.faults > 0 {
			s.goWrong(st, i)
		}
	}
	if !moment {
		s.pass(st)
	}
}

// try makes one step on a copy.
func (s *search) try(st *modelState, op modelOp, i, from int, step func(*modelState)) {
	if s.err != nil {
		return
	}
	n := st.clone()
	n.depth++
	step(n)
	s.add(n, modelStep{st.now - time.Hour, int32(st.index), op, int8(i), int8(from)})
}

// pass lets time jump to the next deadline, or half an interval on when
// somebody may come back meanwhile.
func (s *search) pass(st *modelState) {
	next := vrrp.Forever
	for i := range st.hosts {
		h := &st.hosts[i]
		if h.asleep != powerOn && st.now-h.dozed >= s.longest {
			return
		}
		if h.r == nil || h.asleep != powerOn || h.cut {
			next = min(next, st.now-st.now%s.tick+s.tick)
		}
		if h.r == nil || h.asleep != powerOn {
			continue
		}
		if d, ok := h.r.NextDeadline(); ok {
			next = min(next, d)
		}
	}
	if next != vrrp.Forever {
		s.try(st, opPass, 0, 0, func(n *modelState) { n.now = next })
	}
}

// goWrong makes each fault that can hit a router.
func (s *search) goWrong(st *modelState, i int) {
	h := &st.hosts[i]
	if h.r == nil || h.asleep != powerOn {
		return
	}
	for _, k := range s.m.Kinds {
		switch k {
		case FaultPower:
			s.try(st, opPower, i, 0, func(n *modelState) { s.fault(n); s.off(n, i) })
		case FaultKill:
			s.try(st, opKill, i, 0, func(n *modelState) {
				alone := n.hosts[i].has && s.undisturbed(st, n)
				s.fault(n)
				s.kill(n, i)
				if alone {
					n.killed = i + 1
				}
			})
		case FaultLeave:
			s.try(st, opLeave, i, 0, func(n *modelState) { s.planned(st, n, i); s.step(n, i, vrrp.Shutdown{}); s.left(n, i) })
		case FaultStandby:
			if !h.held {
				s.try(st, opHold, i, 0, func(n *modelState) {
					s.planned(st, n, i)
					n.hosts[i].held = true
					s.step(n, i, vrrp.Standby{ID: 1, On: true})
				})
			}
		case FaultStall, FaultPause:
			op, how := opStall, stalled
			if k == FaultPause {
				op, how = opPause, paused
			}
			s.try(st, op, i, 0, func(n *modelState) { s.fault(n); s.doze(n, i, how) })
		case FaultPort:
			if !h.cut {
				s.try(st, opCut, i, 0, func(n *modelState) { s.fault(n); s.link(n, i, false) })
			}
		case FaultReload:
			if s.m.Reloads != nil && s.m.Reloads[i] != nil {
				s.try(st, opReload, i, 0, func(n *modelState) {
					s.fault(n)
					n.hosts[i].second = !n.hosts[i].second
					s.step(n, i, vrrp.Reconfigure{Instances: []*vrrp.Params{s.params(&n.hosts[i], i)}})
				})
			}
		}
	}
}

// comeBack ends what has befallen a router.
func (s *search) comeBack(st *modelState, i int) {
	h := &st.hosts[i]
	if h.held && h.asleep == powerOn {
		s.try(st, opRelease, i, 0, func(n *modelState) {
			n.calm, n.hosts[i].held = n.now, false
			s.step(n, i, vrrp.Standby{ID: 1})
		})
	}
	switch {
	case h.r == nil:
		s.try(st, opBoot, i, 0, func(n *modelState) { n.calm = n.now; s.boot(n, i) })
	case h.asleep != powerOn:
		s.try(st, opWake, i, 0, func(n *modelState) { n.calm = n.now; s.wake(n, i) })
	case h.cut:
		s.try(st, opJoin, i, 0, func(n *modelState) { n.calm = n.now; s.link(n, i, true) })
	}
}

func (s *search) fault(n *modelState) {
	n.faults--
	n.calm = n.now
	n.moving, n.missed, n.killed = false, false, 0
}

// planned is the begin of a planned move of router i: if it is master and all was
// quiet, somebody has to have the addresses at every moment from now on.
func (s *search) planned(before, n *modelState, i int) {
	s.fault(n)
	n.moving = n.hosts[i].has && s.undisturbed(before, n)
	for j := range n.hosts {
		n.moving = n.moving && n.hosts[j].r.Params(1).PlannedMoves
	}
}

// undisturbed reports whether all was quiet before n came about, and everybody is
// there.
func (s *search) undisturbed(before, n *modelState) bool {
	for j := range n.hosts {
		if h := &n.hosts[j]; h.r == nil || h.cut || h.asleep != powerOn || len(n.wire[j]) > 0 {
			return false
		}
	}
	return before.now-before.calm >= s.settle && before.faults == s.m.Faults
}

// kill ends a process at once. The kernel keeps the addresses.
func (s *search) kill(n *modelState, i int) {
	h := &n.hosts[i]
	is, p := h.r.Snapshot(nil)[0], h.r.Params(1)
	n.hosts[i] = modelHost{has: h.has, second: h.second}
	if is.State == vrrp.Master {
		n.hosts[i].mark = h.sent + time.Duration(p.DownAdverts)*p.Interval
	}
	n.wire[i] = nil
}

// left ends a process that has said goodbye, as soon as it does not linger.
func (s *search) left(n *modelState, i int) {
	if !n.hosts[i].r.Leaving() {
		s.off(n, i)
	}
}

// installed tells a router that the kernel has its addresses.
func (s *search) installed(n *modelState, i int) {
	h := &n.hosts[i]
	h.installing, h.has = false, true
	sent, master := h.sent, h.r.State(1) == vrrp.Master
	s.step(n, i, vrrp.Installed{ID: 1})
	if master && h.woke > sent && h.woke-sent > lateAfter(h.r.Params(1)) && h.sent == n.now && sent < n.now {
		s.fail(InvLateWaker, "%d tells of its addresses %v after its last advert, and has not listened", i, n.now-sent)
	}
}

// removed takes the addresses of a router out of its kernel.
func (s *search) removed(n *modelState, i int) {
	n.hosts[i].installing, n.hosts[i].has = false, false
	if n.moving && !slices.ContainsFunc(n.hosts, func(h modelHost) bool { return h.has }) {
		s.fail(InvSeamless, "%d gives the addresses up and nobody has them", i)
	}
}

func (s *search) boot(n *modelState, i int) {
	h := &n.hosts[i]
	h.r, h.second, h.cut = vrrp.NewRouter(), false, false
	s.link(n, i, true)
	ev := vrrp.Reconfigure{Instances: []*vrrp.Params{s.params(h, i)}}
	if h.mark != 0 {
		ev.Resume = []vrrp.Resumed{{Name: ev.Instances[0].Name, Until: h.mark}}
	}
	s.step(n, i, ev)
	if h := &n.hosts[i]; h.r.Snapshot(nil)[0].Cause != vrrp.CauseResumed {
		h.has = false // what was left is removed
	} else if h.mark <= n.now {
		s.fail(InvResume, "%d goes on as master %v after another one may have taken over", i, n.now-h.mark)
	}
	n.hosts[i].mark = 0
}

func (s *search) off(n *modelState, i int) {
	n.hosts[i] = modelHost{}
	n.wire[i] = nil
}

// doze stops a process or a machine. What is on its way to it waits in the
// socket, or is lost.
func (s *search) doze(n *modelState, i int, how power) {
	h := &n.hosts[i]
	h.asleep, h.dozed = how, n.now
	if how == stalled {
		h.socket = slices.Clone(n.wire[i])
	}
	n.wire[i] = nil
}

// wake is the first turn of the loop after it could not run: what waits in the
// socket first, then the timers.
func (s *search) wake(n *modelState, i int) {
	h := &n.hosts[i]
	socket := h.socket
	h.asleep, h.socket = powerOn, nil
	before, late := h.r.Snapshot(nil)[0], time.Duration(0)
	if d, ok := h.r.NextDeadline(); ok {
		late = n.now - d
	}
	sent, again := h.sent, h.woke > max(h.sent, h.heard)
	took := h.installing || h.has // a planned take-over had begun
	h.woke = n.now
	for _, a := range socket {
		s.step(n, i, s.received(a))
	}
	if d, ok := h.r.NextDeadline(); ok && d <= n.now {
		s.step(n, i, vrrp.Timeout{})
	}
	after := h.r.Snapshot(nil)[0]
	p := h.r.Params(after.ID)
	if !again && !took && before.State == vrrp.Backup && after.State == vrrp.Master && late > before.Interval {
		s.fail(InvLateWaker, "%d wakes %v late and takes over at once", i, late)
	}
	if !again && before.State == vrrp.Master && after.State == vrrp.Master && len(socket) == 0 && n.now-sent > lateAfter(p) && h.sent == n.now {
		s.fail(InvLateWaker, "%d wakes %v after its last advert and goes on at once", i, n.now-sent)
	}
}

func (s *search) link(n *modelState, i int, up bool) {
	h := &n.hosts[i]
	h.cut = !up
	if h.cut {
		n.wire[i] = nil
	}
	s.step(n, i, vrrp.LinkChanged{Link: vrrp.Link{Name: "eth0", Index: modelLink, Up: up, Addrs: append(ownAddrs(&HostSpec{}), s.addr(i))}})
}

func (s *search) received(a modelAdvert) *vrrp.AdvertReceived {
	return &vrrp.AdvertReceived{Link: modelLink, Src: s.addr(int(a.from)), Dst: s.m.Routers[0].Group, TTL: 255, Payload: s.payloads[a.payload]}
}

func (s *search) deliver(n *modelState, i, at int) {
	a := n.wire[i][at]
	n.wire[i] = slices.Delete(n.wire[i], at, at+1)
	s.step(n, i, s.received(a))
	if n.hosts[i].r.State(1) == vrrp.Init {
		s.left(n, i)
	}
}

func (s *search) timeout(n *modelState, i int) {
	s.step(n, i, vrrp.Timeout{})
	if n.hosts[i].r.State(1) == vrrp.Init {
		s.left(n, i)
		return
	}
	if d, ok := n.hosts[i].r.NextDeadline(); ok && d <= n.now {
		s.fail(InvDeadline, "%d has a deadline %v in the past after its timeout", i, n.now-d)
	}
}

// step steps one router and puts on the wire what it sends.
func (s *search) step(n *modelState, i int, ev vrrp.Event) {
	h := &n.hosts[i]
	before := h.r.Snapshot(nil)
	h.r = h.r.Clone()
	actions := h.r.Step(n.now, ev)
	var sent0, sentOwn int
	var state vrrp.State
	if len(before) > 0 {
		state = before[0].State
	} else {
		state = vrrp.Init
	}
	var accepted *vrrp.Action
	for k := range actions {
		a := &actions[k]
		switch a.Kind {
		case vrrp.Accepted:
			accepted = a
			if a.Priority == 0 || a.Priority >= before[0].Priority {
				h.heard = n.now
			}
		case vrrp.SendAdvert:
			if a.Priority == 0 {
				sent0++
			} else {
				sentOwn++
				h.sent = n.now
			}
			s.broadcast(n, i, a)
		case vrrp.Transition:
			if a.From != state || !legal(a.From, a.To) {
				s.fail(InvTransition, "%d goes from %v to %v while it is %v", i, a.From, a.To, state)
			}
			leaves := a.To != vrrp.Backup || a.Cause == vrrp.CauseStandby
			if a.From == vrrp.Master && leaves != (sent0 > 0) || a.To == vrrp.Master && sentOwn == 0 {
				s.fail(InvTransition, "%d goes from %v to %v after %d adverts and %d of priority 0", i, a.From, a.To, sentOwn, sent0)
			}
			state = a.To
		case vrrp.Install:
			h.installing = true
		case vrrp.Remove:
			s.removed(n, i)
		case vrrp.Announce, vrrp.AnnounceLower, vrrp.AnnounceGroup:
			n.owner, n.knows = i, false
		}
	}
	if n.killed > 0 && n.killed != i+1 && state == vrrp.Master && n.hosts[n.killed-1].r != nil && n.hosts[n.killed-1].r.State(1) == vrrp.Master &&
		n.hosts[n.killed-1].r.Snapshot(nil)[0].Cause == vrrp.CauseResumed {
		s.fail(InvResume, "%d becomes master although %d went on in time", i, n.killed-1)
	}
	if accepted != nil && state == vrrp.Master && n.owner != i && n.owner >= 0 && accepted.Src == s.addr(n.owner) {
		n.knows = true
	}
	if accepted != nil && accepted.From == vrrp.Master && accepted.Priority > 0 {
		s.heard(n, i, before[0], state, accepted)
	}
}

// heard: who hears a better master gives way, who hears a worse one does not.
func (s *search) heard(n *modelState, i int, before vrrp.InstanceState, state vrrp.State, a *vrrp.Action) {
	better := a.Priority > before.Priority || a.Priority == before.Priority && s.addr(i).Less(a.Src)
	if better && state == vrrp.Master {
		s.fail(InvYield, "%d stays master beside %v with %d", i, a.Src, a.Priority)
	}
	p := n.hosts[i].r.Params(before.ID)
	late := n.now-n.hosts[i].sent > masterDown(p, vrrp.OwnerPriority-1, p.Interval)
	if !better && state != vrrp.Master && !late && before.Priority != vrrp.OwnerPriority {
		s.fail(InvYield, "%d gives way to %v with %d", i, a.Src, a.Priority)
	}
}

// broadcast puts an advert on the wire to everybody who can get it.
func (s *search) broadcast(n *modelState, i int, a *vrrp.Action) {
	a.Packets(nil, func(o *vrrp.Outgoing) {
		number, ok := s.numbers[string(o.Payload)]
		if !ok {
			number = int32(len(s.payloads))
			s.payloads = append(s.payloads, slices.Clone(o.Payload))
			s.numbers[string(o.Payload)] = number
		}
		if n.hosts[i].cut {
			return
		}
		for j := range n.hosts {
			h := &n.hosts[j]
			switch {
			case j == i || h.r == nil || h.cut || h.asleep == paused:
			case h.asleep == stalled:
				h.socket = append(slices.Clone(h.socket), modelAdvert{int8(i), number})
			default:
				n.wire[j] = append(n.wire[j], modelAdvert{int8(i), number})
			}
		}
	})
}

// quiet examines a state in which nothing has gone wrong for so long that all
// must be settled.
func (s *search) quiet(st *modelState) {
	if st.now-st.calm < s.settle {
		return
	}
	var master *vrrp.InstanceState
	who := -1
	var all []vrrp.InstanceState
	for i := range st.hosts {
		h := &st.hosts[i]
		if len(st.wire[i]) > 0 || h.asleep != powerOn {
			return
		}
		if h.r == nil || h.cut {
			continue
		}
		if d, ok := h.r.NextDeadline(); ok && d <= st.now {
			return
		}
		is := h.r.Snapshot(nil)[0]
		if is.State == vrrp.Init {
			return // it lingers after its leave
		}
		if h.has != (is.State == vrrp.Master) {
			s.fail(InvAddresses, "%d is %v after a quiet time; it has the addresses: %v", i, is.State, h.has)
		}
		if h.held {
			continue
		}
		all = append(all, is)
		if is.State == vrrp.Master {
			if master != nil {
				s.fail(InvOneMaster, "%d and %d are master after a quiet time", who, i)
			}
			master, who = &is, i
		}
	}
	if len(all) == 0 {
		return
	}
	s.result.Quiet++
	if master == nil {
		s.fail(InvOneMaster, "nobody is master after a quiet time")
		return
	}
	for _, is := range all {
		p := is.Priority
		if p > master.Priority && (!s.nopreempt(is.Name) || p == vrrp.OwnerPriority) {
			s.fail(InvRightMaster, "%s is %v after a quiet time, the master has priority %d", is.Name, is.State, master.Priority)
		}
	}
	if st.owner != who && st.knows {
		s.fail(InvCaches, "neighbours look for the addresses at %d, the master is %d", st.owner, who)
	}
}

// nopreempt reports whether a router, named by its instance, is configured so in
// any configuration.
func (s *search) nopreempt(name string) bool {
	return slices.ContainsFunc(slices.Concat(s.m.Routers, s.m.Reloads), func(p *vrrp.Params) bool { return p != nil && p.Name == name && p.Nopreempt })
}

func (s *search) fail(inv Inv, format string, args ...any) {
	if s.err == nil {
		s.err = &Violation{inv, 0, fmt.Sprintf(format, args...)}
	}
}

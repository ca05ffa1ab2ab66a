package sim

import (
	"slices"
	"time"

	"hakeep/arp"
	"hakeep/vrrp"
)

// bringAbout gives the address thread work.
func (p *process) bringAbout() {
	if p.applying {
		return
	}
	p.applying = true
	w := p.h.w
	w.at(w.now+w.within(w.bounds.MinInstall, w.bounds.Install), func() {
		if p.h.proc != p {
			return
		}
		if p.h.power != powerOn {
			p.applyMissed = true
			return
		}
		p.applying = false
		want := p.desired()
		var there []kernelAddr
		if !p.looked {
			there, p.looked = p.foundThere(want), true
		}
		added, removed := p.h.apply(want)
		p.applied(append(there, added...), removed)
	})
}

// mark notes until when it may go on as master should it die now.
func (p *process) mark(now time.Duration, q *vrrp.Params, master bool) {
	if master {
		p.h.marks[wireKeyOf(q)] = now + time.Duration(q.DownAdverts)*q.Interval
	} else {
		delete(p.h.marks, wireKeyOf(q))
	}
}

// foundThere are those of want that the kernel has already, from the process
// before.
func (p *process) foundThere(want []kernelAddr) (there []kernelAddr) {
	for _, a := range want {
		if m := p.members[p.owner[a.addr]]; m != nil && p.h.kernel.has(a.port, a.addr) {
			if _, known := m.installed[a.addr]; !known {
				there = append(there, a)
			}
		}
	}
	return there
}

// desired are the addresses that shall be in the kernel, sorted.
func (p *process) desired() []kernelAddr {
	var want []kernelAddr
	for _, s := range p.router.Snapshot(nil) {
		m := p.members[s.ID]
		if m == nil || !m.install {
			continue
		}
		port := p.h.port(m.inst.Params.Link)
		for _, a := range m.inst.addrs() {
			want = append(want, kernelAddr{p.h.portAt(port.index), a})
		}
	}
	slices.SortFunc(want, kernelAddr.compare)
	return slices.Compact(want)
}

// applied tells the loop what happened to addresses, and what the watch of the
// links sees of it.
func (p *process) applied(added, removed []kernelAddr) {
	if p.stopping && !p.router.Leaving() {
		p.post(func() {
			p.h.w.mon.gone(p.h)
			p.h.power, p.h.proc = dead, nil
		})
		return
	}
	if len(added)+len(removed) == 0 {
		return
	}
	p.post(func() { p.results(added, removed) })
	for i := range p.h.ports {
		p.h.announcePort(i)
	}
}

// results notes what is installed and announces what is new.
func (p *process) results(added, removed []kernelAddr) {
	now := p.h.local()
	for _, a := range removed {
		if m := p.members[p.owner[a.addr]]; m != nil {
			delete(m.installed, a.addr)
			p.sched.StopAddr(uint32(p.owner[a.addr]), a.addr)
		}
	}
	for _, a := range added {
		id := p.owner[a.addr]
		m := p.members[id]
		if m == nil {
			continue
		}
		port := &p.h.ports[a.port]
		t := arp.Target{Addr: a.addr, Link: port.index, MAC: port.mac}
		m.installed[a.addr] = t
		p.h.w.mon.installed(p, a.addr)
		if m.install && !m.lingers {
			p.sched.Begin(now, uint32(id), arp.CauseAdded, m.inst.Announce, []arp.Target{t})
		}
	}
}

// announceInstalled announces what is in the kernel already.
func (p *process) announceInstalled(now time.Duration, id uint32, m *member, cause arp.Cause) {
	var targets []arp.Target
	for _, a := range m.inst.addrs() {
		if t, ok := m.installed[a]; ok {
			targets = append(targets, t)
		}
	}
	if len(targets) > 0 {
		p.sched.Begin(now, id, cause, m.inst.Announce, targets)
	}
}

// announcements sends what is due of them.
func (p *process) announcements() {
	now := p.h.local()
	if at, ok := p.sched.Next(); !ok || at > now || now < p.arpNext {
		return
	}
	n := p.sched.Due(now, burst, func(t arp.Target) {
		port := &p.h.ports[p.h.portAt(t.Link)]
		if !port.up {
			return
		}
		var raw []byte
		if t.Addr.Is4() {
			raw = arp.AppendGratuitous(nil, t.MAC, t.Addr)
		} else {
			raw = arp.AppendUnsolicitedNA(nil, t.MAC, t.Addr, t.Router)
		}
		p.h.w.stats.Announces++
		p.h.w.log(PlanePackets, "%s announces %v", p.h.spec.Name, t.Addr)
		p.h.w.mon.announced(p, t.Addr)
		p.h.w.transmit(&frame{kind: frameAnnounce, from: p.h.node(), to: nobodySpecial, lan: port.name, addr: t.Addr, payload: raw})
	})
	if n >= burst {
		p.arpNext = now + burstGap
	}
}

package sim

import (
	"net/netip"
	"slices"
	"time"

	"hakeep/vrrp"
)

// announced counts the announcements of an address.
func (m *monitor) announced(p *process, addr netip.Addr) {
	s := p.seats[p.owner[addr]]
	if s == nil {
		m.fail(InvTransition, nil, "%s announces %v, which is none of its addresses", p.h.spec.Name, addr)
		return
	}
	if s.lingers {
		m.fail(InvLinger, s, "announces %v", addr)
	}
	if h := s.host; s.state == vrrp.Master && h.woke > s.sent && s.tooLate() && h.wokeBefore <= s.sent {
		m.fail(InvLateWaker, s, "announces %v before it has listened", addr)
	}
	c := s.count(addr)
	if m.w.now-c.from >= time.Second {
		c.from, c.frames, c.extra = m.w.now, 0, 0
	}
	c.frames++
	set := &p.members[s.id].inst.Announce
	bursts := max(set.Repeat, set.LowerPrioRepeat, set.RefreshRepeat, 1)
	most := bursts * (8 + 2*c.extra)
	if set.Refresh > 0 {
		most += set.RefreshRepeat * int(1+time.Second/set.Refresh)
	}
	if c.frames > most {
		m.fail(InvAnnounceRate, s, "%v was announced %d times within %v", addr, c.frames, m.w.now-c.from)
	}
}

// installed allows for the burst that an installed address gets.
func (m *monitor) installed(p *process, addr netip.Addr) {
	if s := p.seats[p.owner[addr]]; s != nil {
		s.count(addr).extra++
	}
}

func (s *seat) count(addr netip.Addr) *announceCount {
	c := s.announces[addr]
	if c == nil {
		c = &announceCount{from: -time.Second}
		s.announces[addr] = c
	}
	return c
}

// settleTime is how long it may take after the last fault until everything is
// as it should be.
func (m *monitor) settleTime(longest time.Duration) time.Duration {
	var preempt, startup, announce, refresh time.Duration
	adverts := vrrp.DefaultDownAdverts
	for _, h := range m.w.hosts {
		startup = max(startup, h.spec.StartupDelay)
		for _, in := range h.config {
			p := in.Params
			longest = max(longest, p.Interval)
			if p.Version == vrrp.V2 {
				longest = max(longest, time.Second)
			}
			adverts = max(adverts, p.DownAdverts)
			preempt = max(preempt, p.PreemptDelay)
			announce = max(announce, in.Announce.Delay, in.Announce.LowerPrioDelay)
			refresh = max(refresh, in.Announce.Refresh)
		}
	}
	return startup + preempt + 4*time.Duration(adverts+2)*longest + announce + refresh + 500*time.Millisecond
}

// settled examines the state after a quiet time.
func (m *monitor) settled() error {
	m.w.stats.Settled++
	for _, vr := range m.vrs {
		if master := m.settledRouter(vr); master != nil {
			m.settledAddresses(vr, master)
			m.settledCaches(vr, master)
		}
	}
	return m.violation
}

// settledRouter checks the states and returns the only master, nil if there is
// none to expect.
func (m *monitor) settledRouter(vr *virtualRouter) *seat {
	var master *seat
	for _, s := range vr.seats {
		if s.state == vrrp.Init || s.state == vrrp.Fault {
			m.fail(InvOneMaster, s, "is %v after a quiet time", s.state)
		}
		if s.state != vrrp.Master {
			continue
		}
		if master != nil {
			m.fail(InvOneMaster, s, "is master after a quiet time, and so is %s", master.host.spec.Name)
		}
		master = s
		if age := s.host.local() - s.sent; age > s.p.Interval+m.slack(s.host.proc) {
			m.fail(InvPeriod, s, "its last advert is %v old", age)
		}
	}
	if master == nil {
		if i := slices.IndexFunc(vr.seats, func(s *seat) bool { return !s.standby }); i >= 0 {
			m.fail(InvOneMaster, vr.seats[i], "nobody is master after a quiet time")
		}
		return nil
	}
	for _, s := range vr.seats {
		better := s.priority > master.priority || s.priority == vrrp.OwnerPriority && master.priority == vrrp.OwnerPriority && master.src.Less(s.src)
		if better && !s.standby && !m.mixedGroup(s) && !m.mixedGroup(master) && (!s.p.Nopreempt || s.priority == vrrp.OwnerPriority) {
			m.fail(InvRightMaster, s, "is %v with priority %d; the master is %s with %d", s.state, s.priority, master.host.spec.Name, master.priority)
		}
	}
	return master
}

// mixedGroup reports whether the members of the seat's sync group have different
// priorities, so that no host is better as a whole.
func (m *monitor) mixedGroup(s *seat) bool {
	if s.p.SyncGroup == "" {
		return false
	}
	for _, o := range s.host.proc.seats {
		if o.p.SyncGroup == s.p.SyncGroup && (o.priority != s.priority || o.standby != s.standby || o.p.Nopreempt != s.p.Nopreempt) {
			return true
		}
	}
	return false
}

// settledAddresses checks the kernels.
func (m *monitor) settledAddresses(vr *virtualRouter, master *seat) {
	member := master.host.proc.members[master.id]
	for _, a := range member.inst.addrs() {
		if !master.host.kernel.hasAddr(a) {
			m.fail(InvAddresses, master, "the master lacks %v", a)
		}
		if _, ok := member.installed[a]; !ok {
			m.fail(InvAddresses, master, "does not know that it has %v", a)
		}
		for _, s := range vr.seats {
			if s != master && s.host.kernel.hasAddr(a) {
				m.fail(InvAddresses, s, "has %v as %v", a, s.state)
			}
		}
	}
}

// settledCaches checks what clients remember.
func (m *monitor) settledCaches(vr *virtualRouter, master *seat) {
	inst := master.host.proc.members[master.id].inst
	link := master.host.port(inst.Params.Link)
	for _, a := range inst.addrs() {
		if m.leftOver(master.host, a) {
			continue
		}
		for _, c := range m.w.clients {
			n := c.cache[a]
			if n == nil || c.spec.Port != link.name {
				continue
			}
			m.w.stats.Caches++
			if n.mac == link.mac {
				continue
			}
			// With refresh on there is no excuse. Without: the master can only heal
			// what it can know of, with announcements that arrive.
			knew := master.duty+m.w.bounds.MaxDelay >= n.changed
			if inst.Announce.Refresh == 0 && (!knew || n.missed >= master.duty) {
				m.w.stats.Excused++
				continue
			}
			m.fail(InvCaches, master, "%s looks for %v at %s since %s; the master had to announce it at %s", c.spec.Name, a,
				m.w.hosts[n.mac[5]].spec.Name, moment(n.changed), moment(master.duty))
		}
	}
}

// removing examines the removal of an address from a kernel while mastership
// moves in a planned way.
func (m *monitor) removing(h *Host, addr netip.Addr) {
	vr := m.seamless[addr]
	if vr == nil {
		return
	}
	for _, o := range m.w.hosts {
		if o != h && o.kernel.hasAddr(addr) {
			return
		}
	}
	m.fail(InvSeamless, nil, "%s gives %v up and nobody else has it", h.spec.Name, addr)
}

// leftOver reports whether a killed process left the address in another kernel.
func (m *monitor) leftOver(master *Host, a netip.Addr) bool {
	for _, h := range m.w.hosts {
		if h != master && h.kernel.hasAddr(a) {
			return true
		}
	}
	return false
}

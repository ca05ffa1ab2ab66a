package sim

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"time"

	"hakeep/arp"
	"hakeep/vrrp"
)

// The elector's limits, see internal/elector.
const (
	burst         = 16
	burstGap      = 250 * time.Microsecond
	receiveBudget = 4096
)

// process is the elector: the real Router and the real schedule of
// announcements, driven in the elector's order.
type process struct {
	h       *Host
	router  *vrrp.Router
	sched   *arp.Schedule
	members map[vrrp.ID]*member
	// installing are the instances whose addresses are not all in the kernel yet.
	installing []vrrp.ID
	owner      map[netip.Addr]vrrp.ID // which instance an address belongs to
	config     []*Instance
	// found are the marks of the process before, until the first configuration.
	found  map[wireKey]time.Duration
	looked bool // at what the kernel has at first
	socket []received
	inbox  []func()

	wakeAt   time.Duration // world time of the planned turn; negative: none
	wakeTurn int           // counts plans, so that replaced ones are ignored

	paced                bool
	advertsNext, arpNext time.Duration
	addrsDue             bool
	applying             bool // the address thread has work
	applyMissed          bool // and was asleep when it should have done it
	stopping             bool

	// The monitor's: the seats, how many are in groups, and whether a reload has
	// disturbed the groups.
	seats     map[vrrp.ID]*seat
	groups    int
	regrouped bool
}

type received struct {
	link int
	f    *frame
}

// member is what the elector keeps of one instance.
type member struct {
	inst      *Instance
	install   bool
	lingers   bool // the addresses stay, but are another's
	installed map[netip.Addr]arp.Target
	// unclaimed are the addresses that linger and that nobody else has announced yet.
	unclaimed map[netip.Addr]bool
}

func newProcess(h *Host) *process {
	return &process{h: h, router: vrrp.NewRouter(), sched: arp.NewSchedule(), members: make(map[vrrp.ID]*member), wakeAt: -1}
}

// upgrade ends the process in favour of another program. What it returns lets
// that one go on with the state as plain data, as the elector does.
func (h *Host) upgrade() func() {
	if h.power != powerOn || h.proc.stopping {
		return nil
	}
	old := h.proc
	old.turn()
	if h.proc != old || old.stopping {
		return nil
	}
	at, state := h.local(), old.router.Export()
	h.sleep(replaced, false)
	return func() {
		if h.proc != old || h.power != replaced {
			return
		}
		h.power = stalled
		text, err := json.Marshal(state)
		if err == nil {
			state = new(vrrp.RouterState)
			err = json.Unmarshal(text, state)
		}
		if err != nil {
			h.w.mon.fail(InvCodec, nil, "%s: hand the state over: %v", h.spec.Name, err)
			return
		}
		p := newProcess(h)
		p.config, p.owner, p.seats, p.inbox = old.config, old.owner, old.seats, old.inbox
		p.groups, p.regrouped = old.groups, old.regrouped
		h.proc = p
		p.restore(old, state)
		h.resume()
		p.results(slices.DeleteFunc(p.desired(), func(a kernelAddr) bool { return !h.kernel.has(a.port, a.addr) }), nil)
		p.bringAbout()
		p.step(vrrp.Deaf{For: h.local() - at})
	}
}

// restore goes on where the program before has stopped.
func (p *process) restore(old *process, state *vrrp.RouterState) {
	for i := range state.Instances {
		in := &state.Instances[i]
		m := old.members[in.ID]
		in.Params = m.inst.Params
		silent := in.LingerUntil != vrrp.Forever || in.State == vrrp.Master && in.Graced
		p.members[in.ID] = &member{inst: m.inst, install: m.install, lingers: silent, installed: make(map[netip.Addr]arp.Target)}
		if m.install {
			p.installing = append(p.installing, in.ID)
		}
	}
	p.router = vrrp.Restore(state)
}

// post hands a message to the loop.
func (p *process) post(msg func()) {
	p.inbox = append(p.inbox, msg)
	if p.h.power == powerOn {
		p.wake(p.h.w.now + p.h.w.within(0, p.h.w.bounds.Lateness))
	}
}

// wake plans a turn for t unless one is planned before.
func (p *process) wake(t time.Duration) {
	if p.wakeAt >= 0 && p.wakeAt <= t {
		return
	}
	p.wakeTurn++
	turn := p.wakeTurn
	p.wakeAt = t
	p.h.w.at(t, func() {
		if p.wakeTurn == turn && p.h.proc == p && p.h.power == powerOn {
			p.turn()
		}
	})
}

// turn does everything that is due, as the elector's loop does: what came in
// first, then the timers.
func (p *process) turn() {
	p.wakeAt = -1
	p.wakeTurn++
	w := p.h.w
	if w.bounds.Lateness > 0 && chance(w.rng, 25) {
		p.relieve()
	}
	for n := 0; len(p.socket) > 0 && n < receiveBudget; n++ {
		r := p.socket[0]
		p.socket = p.socket[1:]
		p.step(&vrrp.AdvertReceived{Link: r.link, Src: r.f.src, Dst: r.f.dst, TTL: 255, Payload: r.f.payload})
	}
	p.socket = p.socket[:0:0]
	for len(p.inbox) > 0 {
		msg := p.inbox[0]
		p.inbox = p.inbox[1:]
		msg()
		if p.h.proc != p {
			return // the planned leave is complete
		}
	}
	p.tellInstalled()
	p.timers()
	p.tellInstalled() // what a take-over asks for may be there already
	if p.addrsDue {
		p.addrsDue = false
		p.bringAbout()
	}
	p.announcements()
	w.mon.turned(p)
	if next := p.next(); next != vrrp.Forever {
		p.wake(max(w.now, p.h.clock.world(next)) + w.within(0, w.bounds.Lateness))
	}
}

// relieve is what the elector's relief does when the loop is late: masters advertise,
// while what has arrived may wait elsewhere.
func (p *process) relieve() {
	now := p.h.local()
	if _, ok := p.router.AdvertDue(now); !ok || now < p.advertsNext {
		return
	}
	p.step(vrrp.Timeout{Limit: burst, Paced: p.paced, Adverts: true})
	if _, p.paced = p.router.AdvertDue(now); p.paced {
		p.advertsNext = now + burstGap
	}
}

// tellInstalled tells the Router of instances whose addresses are complete.
func (p *process) tellInstalled() {
	for i := 0; i < len(p.installing); i++ {
		id := p.installing[i]
		m := p.members[id]
		if m != nil && m.install && !m.complete() {
			continue
		}
		p.installing = slices.Delete(p.installing, i, i+1)
		i--
		if m != nil && m.install {
			p.step(vrrp.Installed{ID: id})
		}
	}
}

// complete reports whether all addresses are in the kernel.
func (m *member) complete() bool {
	for _, a := range m.inst.addrs() {
		if _, ok := m.installed[a]; !ok {
			return false
		}
	}
	return true
}

// timers lets a bounded number of instances act.
func (p *process) timers() {
	now := p.h.local()
	due, ok := p.router.NextDeadline()
	if !ok || due > now || now < p.advertsNext {
		return
	}
	if p.router.TakeoverDue(now) && len(p.socket) > 0 {
		panic("sim: adverts wait although they were all read")
	}
	p.step(vrrp.Timeout{Limit: burst, Paced: p.paced})
	due, ok = p.router.NextDeadline()
	p.paced = ok && due <= now
	if p.paced {
		p.advertsNext = now + burstGap
	}
}

// next is when the loop has something to do, in the host's time.
func (p *process) next() time.Duration {
	next := vrrp.Forever
	if at, ok := p.router.NextDeadline(); ok {
		next = max(at, p.advertsNext)
	}
	if at, ok := p.sched.Next(); ok {
		next = min(next, max(at, p.arpNext))
	}
	return next
}

// step steps the Router and carries its actions out.
func (p *process) step(ev vrrp.Event) {
	now := p.h.local()
	p.h.w.mon.before(p, ev)
	actions := p.router.Step(now, ev)
	p.h.w.mon.after(p, now, ev, actions)
	for i := range actions {
		p.act(now, &actions[i])
	}
}

func (p *process) act(now time.Duration, a *vrrp.Action) {
	if a.Kind == vrrp.Added {
		p.members[a.ID] = &member{inst: p.instanceOf(a.Params), installed: make(map[netip.Addr]arp.Target)}
		return
	}
	m := p.members[a.ID]
	if m == nil {
		return
	}
	id := uint32(a.ID)
	switch a.Kind {
	case vrrp.SendAdvert:
		p.send(a)
		p.mark(now, m.inst.Params, a.Priority != 0)
	case vrrp.Transition:
		if a.From == vrrp.Master {
			p.mark(now, m.inst.Params, false)
		}
	case vrrp.Install:
		m.install, p.addrsDue = true, true
		if !slices.Contains(p.installing, a.ID) {
			p.installing = append(p.installing, a.ID)
		}
	case vrrp.Remove:
		m.install, m.lingers, p.addrsDue = false, false, true
		m.unclaimed = nil
		p.sched.Stop(id)
		p.installing = slices.DeleteFunc(p.installing, func(o vrrp.ID) bool { return o == a.ID })
	case vrrp.Linger:
		m.lingers = true
		m.unclaimed = make(map[netip.Addr]bool)
		for addr := range m.installed {
			m.unclaimed[addr] = true
		}
		p.sched.Stop(id)
	case vrrp.Announce:
		m.lingers, m.unclaimed = false, nil
		p.announceInstalled(now, id, m, arp.CauseMaster)
	case vrrp.AnnounceAgain:
		p.announceInstalled(now, id, m, arp.CauseRefresh)
	case vrrp.AnnounceLower, vrrp.AnnounceGroup:
		p.sched.Begin(now, id, arp.CauseLowerPriority, m.inst.Announce, nil)
	case vrrp.Deleted:
		delete(p.members, a.ID)
		p.sched.Stop(id)
		p.addrsDue = true
	}
}

func (p *process) send(a *vrrp.Action) {
	a.Packets(nil, func(o *vrrp.Outgoing) {
		i := p.h.portAt(o.Link)
		if i < 0 || i >= len(p.h.ports) || !p.h.ports[i].up {
			return
		}
		port := &p.h.ports[i]
		interval := a.Params.Interval
		if a.Interval != 0 {
			interval = a.Interval
		}
		p.h.w.log(PlanePackets, "%s > %v: vrid %d priority %d every %v", p.h.spec.Name, o.Dst, a.Params.VRID, a.Priority, interval)
		p.h.w.transmit(&frame{
			kind: frameAdvert, from: p.h.node(), to: nobodySpecial, lan: port.name,
			src: o.Src, dst: o.Dst, payload: slices.Clone(o.Payload),
		})
	})
}

func (p *process) instanceOf(params *vrrp.Params) *Instance {
	for _, in := range p.config {
		if in.Params == params {
			return in
		}
	}
	panic("sim: parameters of no instance")
}

// reconfigure puts a configuration in force as the elector does.
func (p *process) reconfigure(config []*Instance) {
	if p.stopping {
		return
	}
	p.config = config
	params := make([]*vrrp.Params, len(config))
	for i, in := range config {
		params[i] = in.Params
	}
	now := p.h.local()
	ev := vrrp.Reconfigure{Start: now + p.h.spec.StartupDelay, Instances: params}
	for _, q := range params {
		if until, ok := p.found[wireKeyOf(q)]; ok {
			ev.Resume = append(ev.Resume, vrrp.Resumed{Name: q.Name, Until: until})
		}
	}
	p.found = nil
	p.h.w.mon.before(p, ev)
	actions := p.router.Step(now, ev)
	p.h.w.mon.after(p, now, ev, actions)
	former := p.owner
	p.owner = make(map[netip.Addr]vrrp.ID)
	snap := p.router.Snapshot(nil)
	for _, s := range slices.Backward(snap) { // those that linger first: the others overwrite them
		if s.Gone {
			for _, a := range p.members[s.ID].inst.addrs() {
				p.owner[a] = s.ID
			}
			continue // it keeps what it had
		}
		inst := p.instanceOf(p.router.Params(s.ID))
		if m := p.members[s.ID]; m != nil {
			m.inst = inst
			p.sched.Configure(now, uint32(s.ID), inst.Announce)
		}
		for _, a := range inst.addrs() {
			p.owner[a] = s.ID
		}
	}
	moved := p.takeMoved(former)
	for i := range actions {
		p.act(now, &actions[i])
	}
	p.giveMoved(now, moved)
	p.addrsDue = true
}

// takeMoved ends what instances had of addresses that are another's now, or
// nobody's, and returns those that are in the kernel.
func (p *process) takeMoved(former map[netip.Addr]vrrp.ID) []arp.Target {
	var moved []arp.Target
	for _, addr := range slices.SortedFunc(maps.Keys(former), netip.Addr.Compare) {
		id := former[addr]
		m := p.members[id]
		if now, ok := p.owner[addr]; m == nil || ok && now == id {
			continue
		}
		p.sched.StopAddr(uint32(id), addr)
		if t, ok := m.installed[addr]; ok {
			delete(m.installed, addr)
			moved = append(moved, t)
		}
	}
	return moved
}

// giveMoved hands them to their new owners.
func (p *process) giveMoved(now time.Duration, moved []arp.Target) {
	for _, t := range moved {
		id := p.owner[t.Addr]
		m := p.members[id]
		if m == nil || p.h.port(m.inst.Params.Link).index != t.Link {
			continue // it has to be installed there first
		}
		m.installed[t.Addr] = t
		if m.install && !m.lingers {
			p.sched.Begin(now, uint32(id), arp.CauseAdded, m.inst.Announce, []arp.Target{t})
		}
	}
}

// shutdown is the planned leave.
func (p *process) shutdown() {
	if p.stopping {
		return
	}
	p.h.w.log(PlaneState, "%s: leaves", p.h.spec.Name)
	p.stopping = true
	p.step(vrrp.Shutdown{})
	p.addrsDue = true
}

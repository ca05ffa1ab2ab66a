package sim

import (
	"net/netip"
	"reflect"
	"slices"
	"time"

	"hakeep/vrrp"
)

// monitor watches a world and compares every step with the invariants.
type monitor struct {
	w         *World
	violation error
	vrs       []*virtualRouter
	pending   int // seats that owe an answer

	active     int           // faults that are going on
	quietSince time.Duration // when the last one began or ended
	still      map[*Host]bool
	isStill    bool // nobody outside of still may change its state

	old []oldInstance // before a reload

	// died are those that were master when their process was killed, until when
	// nobody else may take over, in their host's time.
	died map[*Host]map[wireKey]death

	// allow are the names of invariants that a scenario violates on purpose.
	allow map[string]bool
	// seamless are the addresses that somebody has to have at every moment.
	seamless map[netip.Addr]*virtualRouter
}

// virtualRouter is what several hosts run together.
type virtualRouter struct {
	key   wireKey
	seats []*seat
}

// wireKey is what makes instances on several hosts one virtual router.
type wireKey struct {
	family  vrrp.Family
	vrid    uint8
	link    string
	group   netip.Addr
	unicast bool
}

func wireKeyOf(p *vrrp.Params) wireKey {
	return wireKey{p.Family, p.VRID, p.Link, p.Group, p.Unicast}
}

// seat is one host's part in a virtual router, with what the host should know.
// Times are the host's own unless said otherwise.
type seat struct {
	host *Host
	id   vrrp.ID
	p    *vrrp.Params
	vr   *virtualRouter

	state    vrrp.State
	since    time.Duration // world time
	src      netip.Addr
	priority uint8
	startAt  time.Duration

	// The oracle of the take-over: what it waits for, since when, and with which
	// interval.
	wait    waits
	silence time.Duration
	learned time.Duration
	heard   bool // learned from a master
	wants   bool // the timer has ended, and its sync group makes it wait
	taking  bool // it has the addresses installed before it takes over
	standby bool
	hold    time.Duration
	changed time.Duration // by a reload

	sent      time.Duration
	beat      time.Duration    // where the rhythm of the adverts began, beats ago
	beats     int              // below 1: the rhythm has not begun
	sends     [3]time.Duration // the last ones of this mastership, 0 for none
	answerBy  time.Duration    // an advert is owed, 0 for none
	lowerBy   time.Duration    // an announcement is owed
	lowered   time.Duration    // when the last announcement of that kind was
	healed    time.Duration    // and the last one that another member of the group asked for
	duty      time.Duration    // world time: when it last had to announce
	listens   time.Duration    // world time: until when it listens before it goes on as master
	lingers   bool             // it keeps the addresses of its former mastership
	lingerBy  time.Duration
	announces map[netip.Addr]*announceCount

	step stepFacts
}

type waits uint8

const (
	waitsDown waits = iota + 1
	waitsSkew
	waitsFirst
)

// stepFacts are what one step did to one seat.
type stepFacts struct {
	actions, sent0, sentOwn          int
	install, remove, announce, lower bool
	accepted                         *vrrp.Action
	moved, left, late                bool
	linger, took, released, ran      bool
}

type announceCount struct {
	from   time.Duration // world time
	frames int
	extra  int
}

// oldInstance is an instance before a reload.
type oldInstance struct {
	state vrrp.InstanceState
	p     *vrrp.Params
}

func newMonitor(w *World) *monitor { return &monitor{w: w, still: make(map[*Host]bool)} }

// slack is how late something may happen that the router decides by its own
// clock.
func (m *monitor) slack(p *process) time.Duration {
	return m.w.bounds.Lateness + m.w.bounds.Lateness/500 + time.Duration(1+len(p.members)/burst)*burstGap*boolTime(len(p.members) >= burst) + 2
}

func boolTime(b bool) time.Duration {
	if b {
		return 1
	}
	return 0
}

// begin and end frame a fault.
func (m *monitor) begin() { m.active++; m.quietSince = m.w.now }
func (m *monitor) end()   { m.active--; m.quietSince = m.w.now }

// lost notes that a frame did not arrive.
func (m *monitor) lost(f *frame, to node) {
	if f.kind == frameAnnounce && to >= firstClient {
		if n := m.w.clients[to-firstClient].cache[f.addr]; n != nil {
			n.missed = m.w.now
		}
	}
	if f.kind == frameAdvert && m.w.trace != nil && to < firstClient && int(f.from) < len(m.w.hosts) {
		m.w.log(PlanePackets, "%s > %v: lost on the way to %s", m.w.hosts[f.from].spec.Name, f.dst, m.w.hosts[to].spec.Name)
	}
}

// before is called before a step.
func (m *monitor) before(p *process, ev vrrp.Event) {
	if ev, ok := ev.(vrrp.Standby); ok {
		if s := p.seats[ev.ID]; s != nil {
			ends := s.standby && !ev.On
			s.standby = ev.On
			if ends && s.state == vrrp.Backup {
				s.wait, s.silence = waitsDown, p.h.local()
			}
		}
	}
	if ev, ok := ev.(vrrp.Deaf); ok {
		for _, s := range p.seats {
			s.silence += ev.For
		}
	}
	if _, ok := ev.(vrrp.Reconfigure); ok {
		m.old = m.old[:0]
		for _, s := range p.router.Snapshot(nil) {
			if s.Gone {
				continue
			}
			m.old = append(m.old, oldInstance{s, p.router.Params(s.ID)})
		}
	}
}

// after examines what a step did.
func (m *monitor) after(p *process, now time.Duration, ev vrrp.Event, actions []vrrp.Action) {
	if _, ok := ev.(vrrp.Reconfigure); ok {
		m.renew(p, now)
	}
	var touched [8]*seat
	list := touched[:0]
	for i := range actions {
		a := &actions[i]
		if a.Kind == vrrp.Added {
			m.added(p, now, a, ev)
			continue
		}
		s := p.seats[a.ID]
		if s == nil {
			m.nobody(p, a)
			continue
		}
		if s.step.actions == 0 {
			list = append(list, s)
		}
		s.step.actions++
		m.action(p, s, now, a)
	}
	for _, s := range list {
		m.stepped(p, s, now, ev)
		s.step = stepFacts{}
	}
	switch ev := ev.(type) {
	case vrrp.Reconfigure:
		m.reloaded(p, now, actions)
		p.regrouped = len(m.old) > 0
	case vrrp.Tracked:
		if s := p.seats[ev.ID]; s != nil && ev.Fault && s.state != vrrp.Fault && s.state != vrrp.Init {
			m.fail(InvFault, s, "is %v although a check has failed", s.state)
		}
	case vrrp.LinkChanged:
		for _, s := range p.seats {
			if s.p.Link == ev.Link.Name && (!ev.Link.Up || len(ev.Link.Addrs) == 0) && s.state != vrrp.Fault && s.state != vrrp.Init {
				m.fail(InvFault, s, "is %v although %s is up: %v, with %v", s.state, s.p.Link, ev.Link.Up, ev.Link.Addrs)
			}
		}
	}
	m.grouped(p)
}

// grouped: the members of a sync group stand together.
func (m *monitor) grouped(p *process) {
	if p.groups == 0 {
		return
	}
	count := make(map[string]map[vrrp.State]int)
	uniform := true
	for _, s := range p.seats {
		g := s.p.SyncGroup
		if g == "" || s.state == vrrp.Init || s.standby || s.taking {
			continue
		}
		if count[g] == nil {
			count[g] = make(map[vrrp.State]int)
		}
		count[g][s.state]++
		uniform = uniform && len(count[g]) == 1
	}
	if uniform {
		p.regrouped = false
	} else if !p.regrouped {
		m.fail(InvGroup, nil, "%s has groups in several states: %v", p.h.spec.Name, count)
	}
}

func (m *monitor) added(p *process, now time.Duration, a *vrrp.Action, ev vrrp.Event) {
	s := &seat{
		host: p.h, id: a.ID, p: a.Params, state: vrrp.Init, since: m.w.now, priority: a.Params.Priority,
		startAt: ev.(vrrp.Reconfigure).Start, announces: make(map[netip.Addr]*announceCount),
	}
	k := wireKeyOf(a.Params)
	for _, vr := range m.vrs {
		if vr.key == k {
			s.vr = vr
		}
	}
	if s.vr == nil {
		s.vr = &virtualRouter{key: k}
		m.vrs = append(m.vrs, s.vr)
	}
	s.vr.seats = append(s.vr.seats, s)
	if p.seats == nil {
		p.seats = make(map[vrrp.ID]*seat)
	}
	p.seats[a.ID] = s
	if s.p.SyncGroup != "" {
		p.groups++
	}
}

// nobody takes an action of no instance into account.
func (m *monitor) nobody(p *process, a *vrrp.Action) {
	switch a.Kind {
	case vrrp.Discarded:
		m.discarded(p, a)
	case vrrp.GroupTransition:
		m.w.log(PlaneState, "%s: group %s %v > %v", p.h.spec.Name, a.Group, a.From, a.To)
		m.w.log(PlaneNotify, "%s: GROUP %q %v 0", p.h.spec.Name, a.Group, a.To)
	}
}

// discarded: what our routers send must be well-formed.
func (m *monitor) discarded(p *process, a *vrrp.Action) {
	m.w.log(PlanePackets, "%s discards an advert from %v: %v", p.h.spec.Name, a.Src, a.Reason)
	switch a.Reason {
	case vrrp.ReasonForeign, vrrp.ReasonTTL, vrrp.ReasonType, vrrp.ReasonLength, vrrp.ReasonChecksum, vrrp.ReasonInterval, vrrp.ReasonFamily:
		m.fail(InvCodec, nil, "%s discards an advert from %v: %v", p.h.spec.Name, a.Src, a.Reason)
	}
}

// action takes one action of a step into account.
func (m *monitor) action(p *process, s *seat, now time.Duration, a *vrrp.Action) {
	f := &s.step
	switch a.Kind {
	case vrrp.Accepted:
		f.accepted = a
		f.late = s.state == vrrp.Master && s.host.woke > s.sent && s.tooLate()
		if a.Src == s.src {
			m.fail(InvOwnAdvert, s, "accepts an advert from %v, which is its own address", a.Src)
		}
		s.beats = -2 // the answer, and one that was put off
		if s.state == vrrp.Backup {
			s.hear(now, a)
		}
	case vrrp.Discarded:
		m.discarded(p, a)
	case vrrp.SourceChanged:
		s.src = a.Src
	case vrrp.SendAdvert:
		m.sending(p, s, now, a)
	case vrrp.Transition:
		m.transition(p, s, now, a)
	case vrrp.Install:
		f.install = true
		s.taking = s.taking || s.state == vrrp.Backup
		s.lingers = false
	case vrrp.Remove:
		f.remove = true
		f.released = s.lingers || s.taking
		m.lingered(p, s, now)
		s.lingers, s.taking = false, false
	case vrrp.Linger:
		f.linger, s.lingers, s.lingerBy = true, true, now+s.lingerBound()
	case vrrp.AnnounceAgain:
		for _, c := range s.announces {
			c.extra++
		}
	case vrrp.PriorityChanged:
		s.priority, s.changed = a.Priority, now
	case vrrp.Announce:
		f.announce = true
		if s.lowerBy != 0 {
			s.lowerBy = 0
			m.settleDebt(s)
		}
		for _, c := range s.announces {
			c.extra++
		}
	case vrrp.AnnounceLower:
		m.announcesLower(s, now)
	case vrrp.AnnounceGroup:
		if s.healed != 0 && now-s.healed < lowerGap(s.p) && s.changed < s.healed {
			m.fail(InvAnnounceRate, s, "announces for its group twice within %v", now-s.healed)
		}
		s.healed = now
	case vrrp.Deleted:
		s.vr.seats = slices.DeleteFunc(s.vr.seats, func(o *seat) bool { return o == s })
		delete(p.seats, s.id)
	}
}

// announcesLower takes an announcement against a lower master into account.
func (m *monitor) announcesLower(s *seat, now time.Duration) {
	s.step.lower = true
	if s.lowered != 0 && now-s.lowered < lowerGap(s.p) && s.changed < s.lowered {
		m.fail(InvAnnounceRate, s, "answers lower masters twice within %v", now-s.lowered)
	}
	s.lowered = now
	if s.lowerBy != 0 {
		s.lowerBy = 0
		m.settleDebt(s)
	}
	m.w.log(PlaneNotify, "%s: INSTANCE %q MASTER_RX_LOWER_PRI %d", s.host.spec.Name, s.p.Name, s.priority)
}

// settleDebt is called when one of the two debts of a seat was paid.
func (m *monitor) settleDebt(s *seat) {
	if s.answerBy == 0 && s.lowerBy == 0 {
		m.pending--
	}
}

// owe notes until when a master has to answer.
func (m *monitor) owe(debt *time.Duration, s *seat, by time.Duration) {
	if *debt != 0 {
		return
	}
	if s.answerBy == 0 && s.lowerBy == 0 {
		m.pending++
	}
	*debt = by
}

// forgive drops the debts of a seat that is no master any more.
func (m *monitor) forgive(s *seat) {
	if s.answerBy != 0 || s.lowerBy != 0 {
		m.pending--
	}
	s.answerBy, s.lowerBy = 0, 0
}

// renew gives the seats their new parameters before the actions of a reload are
// looked at.
func (m *monitor) renew(p *process, now time.Duration) {
	for id, s := range p.seats {
		q := p.router.Params(id)
		if q == nil || q == s.p {
			continue
		}
		if !reflect.DeepEqual(q, s.p) {
			s.wants = s.wants || s.p.SyncGroup != "" && s.state == vrrp.Backup && now >= s.earliest()
			if !s.heard || q.Version == vrrp.V2 {
				s.learned = q.Interval
			}
			if q.PreemptDelay == 0 {
				s.hold = 0
			}
			s.priority, s.changed = p.router.Priority(id), now
			if s.listens > m.w.now {
				s.listens = m.w.now + q.Interval*3/2
			}
		}
		s.p = q
	}
}

// reloaded: what stays the same must not move.
func (m *monitor) reloaded(p *process, now time.Duration, actions []vrrp.Action) {
	if len(p.h.ports[0].own) == 0 {
		return // an address that is not virtual any more is all it can send from
	}
	snap := p.router.Snapshot(nil)
	for _, o := range m.old {
		if !o.state.Source.IsValid() {
			continue
		}
		same := slices.ContainsFunc(p.config, func(in *Instance) bool { return reflect.DeepEqual(in.Params, o.p) })
		kept := slices.ContainsFunc(p.config, func(in *Instance) bool { return wireKeyOf(in.Params) == wireKeyOf(o.p) && !o.p.Unicast })
		i := slices.IndexFunc(snap, func(s vrrp.InstanceState) bool { return s.ID == o.state.ID })
		switch {
		case (same || kept) && i < 0:
			m.fail(InvUnchanged, nil, "%s %s: a reload that keeps it makes it anew", p.h.spec.Name, o.p.Name)
		case same && snap[i] != o.state:
			m.fail(InvUnchanged, nil, "%s %s: a reload that does not change it changes %+v to %+v", p.h.spec.Name, o.p.Name, o.state, snap[i])
		case kept && o.state.State != vrrp.Fault && snap[i].State != o.state.State:
			m.fail(InvUnchanged, nil, "%s %s: a reload moves it from %v to %v", p.h.spec.Name, o.p.Name, o.state.State, snap[i].State)
		}
		if same && slices.ContainsFunc(actions, func(a vrrp.Action) bool { return a.ID == o.state.ID }) {
			m.fail(InvUnchanged, nil, "%s %s: a reload that does not change it makes it act", p.h.spec.Name, o.p.Name)
		}
	}
}

package sim

import (
	"time"

	"hakeep/vrrp"
)

// hear is what a backup has to conclude from an advert.
func (s *seat) hear(now time.Duration, a *vrrp.Action) {
	switch {
	case s.taking && a.Priority < s.priority:
		return // it is as good as master
	case a.Priority == 0 && s.p.SyncGroup != "" && now >= s.earliest():
		s.wants = true // to be master already, and waits for the others
		return
	case a.Priority == 0:
		s.wait, s.silence = waitsSkew, now
		return
	case a.Priority >= s.priority, s.p.Nopreempt && s.priority != vrrp.OwnerPriority:
		s.hold = 0
	case s.p.PreemptDelay == 0:
		return
	default:
		if s.hold == 0 {
			s.hold = now + s.p.PreemptDelay
		}
		if now >= s.hold {
			return
		}
	}
	s.wait, s.silence, s.learned, s.heard, s.wants = waitsDown, now, a.Interval, true, false
}

// earliest is when it may take over.
func (s *seat) earliest() time.Duration {
	switch {
	case s.wants:
		return s.silence
	case s.wait == waitsSkew:
		return s.silence + skew(s.p, s.priority, s.learned)
	case s.wait == waitsFirst:
		return s.silence + firstAdvert(s.p)
	}
	return s.silence + masterDown(s.p, s.priority, s.learned)
}

// transition examines a change of state.
func (m *monitor) transition(p *process, s *seat, now time.Duration, a *vrrp.Action) {
	w := m.w
	w.stats.Transitions++
	w.log(PlaneState, "%s: %s %v > %v (%v)", s.host.spec.Name, s.p.Name, a.From, a.To, a.Cause)
	m.notify(s, a.To)
	if a.From != s.state || !legal(a.From, a.To) {
		m.fail(InvTransition, s, "from %v to %v while it was %v", a.From, a.To, s.state)
	}
	if a.Cause == vrrp.CauseResumed {
		m.goesOn(p, s, now)
		s.startAt = now
	}
	if a.From == vrrp.Init && now < s.startAt {
		m.fail(InvStartup, s, "left INIT %v before the end of the startup delay", s.startAt-now)
	}
	if m.isStill && !m.still[s.host] {
		m.fail(InvStill, s, "from %v to %v because of %v", a.From, a.To, a.Cause)
	}
	f := &s.step
	switch {
	case a.To == vrrp.Master && f.sentOwn == 0:
		m.fail(InvTransition, s, "became master without an advert before")
	case a.From == vrrp.Master && a.To == vrrp.Backup && f.sent0 > 0 && a.Cause != vrrp.CauseStandby:
		m.fail(InvTransition, s, "sent priority 0 although it was pre-empted")
	case a.From == vrrp.Master && a.To != vrrp.Backup && f.sent0 == 0:
		m.fail(InvTransition, s, "left for %v without priority 0", a.To)
	}
	if a.To != vrrp.Master {
		s.wants = false
	}
	s.state, s.since, f.moved, f.left = a.To, w.now, true, a.From == vrrp.Master
	switch a.To {
	case vrrp.Master:
		if a.From == vrrp.Backup {
			m.takeover(p, s, now)
		}
		if s.standby {
			m.fail(InvStandby, s, "became master")
		}
		f.took, s.taking, s.lingers = s.taking, false, false
		s.duty, s.heard, s.beats = w.now, false, 0
		s.hold = 0
		s.learned = s.p.Interval
		s.sends = [3]time.Duration{2: now}
	case vrrp.Backup:
		m.forgive(s)
		s.wait, s.silence, s.learned, s.heard, s.hold = waitsDown, now, s.p.Interval, false, 0
		if s.p.StartMaster && (a.From == vrrp.Init || a.From == vrrp.Fault && s.p.Priority == vrrp.OwnerPriority) {
			s.wait = waitsFirst
		}
		if f.accepted != nil {
			s.hear(now, f.accepted)
		}
	default:
		m.forgive(s)
		s.heard = false
	}
}

// goesOn examines a master that goes on after the death of its process.
func (m *monitor) goesOn(p *process, s *seat, now time.Duration) {
	for _, is := range p.router.Snapshot(nil) {
		if is.ID == s.id && is.Faults != 0 {
			m.fail(InvFault, s, "goes on as master with the faults %v", is.Faults.Names())
		}
	}
	d, was := m.died[s.host][s.vr.key]
	switch {
	case !was:
		m.fail(InvResume, s, "goes on as master although it was not when it died")
	case now >= d.until:
		m.fail(InvResume, s, "goes on as master %v after another one may have taken over", now-d.until)
	case s.standby:
		m.fail(InvStandby, s, "goes on as master")
	}
}

// notify is what the operator's scripts and FIFO are told (keepalived.md 4.6).
func (m *monitor) notify(s *seat, to vrrp.State) {
	word := to.String()
	if to == vrrp.Init {
		word = "STOP"
	}
	priority := s.priority
	if p := s.host.proc; p.seats[s.id] == s && p.router.Priority(s.id) != 0 {
		priority = p.router.Priority(s.id)
	}
	m.w.log(PlaneNotify, "%s: INSTANCE %q %s %d", s.host.spec.Name, s.p.Name, word, priority)
}

// takeLimit is how long a planned take-over waits for its addresses.
const takeLimit = time.Second

// lingerBound is how long a former master may keep its addresses: until the
// slowest backup must have advertised, also one that has missed something if that
// is within 2 s, and two times 100 ms; and half a millisecond for each IPv6 address.
func (s *seat) lingerBound() time.Duration {
	wait := s.p.Interval
	if s.p.Version == vrrp.V2 {
		wait = max(wait, time.Second)
	} else {
		// The loss of an advert must not make a hole.
		wait = max(wait, min(time.Duration(s.p.DownAdverts+1)*s.p.Interval, 2*time.Second))
	}
	wait += 200 * time.Millisecond
	if s.p.Family == vrrp.IPv6 {
		wait += time.Duration(len(s.p.Addrs)) * time.Millisecond / 2
	}
	return wait
}

// lingered examines the end of a linger.
func (m *monitor) lingered(p *process, s *seat, now time.Duration) {
	if s.lingers && s.host.woke < s.lingerBy-s.lingerBound() && now > s.lingerBy+2*m.slack(p) {
		m.fail(InvLinger, s, "kept its addresses %v too long", now-s.lingerBy)
	}
}

func legal(from, to vrrp.State) bool {
	switch from {
	case vrrp.Init:
		return to != vrrp.Init
	case vrrp.Backup, vrrp.Master:
		return to != from
	case vrrp.Fault:
		return to == vrrp.Backup || to == vrrp.Init
	}
	return false
}

// takeover compares the moment at which a backup became master with the oracle.
func (m *monitor) takeover(p *process, s *seat, now time.Duration) {
	early := s.earliest()
	if now < early {
		m.fail(InvEarly, s, "took over %v too early", early-now)
		return
	}
	if s.p.SyncGroup != "" {
		return // it also waits for the others
	}
	latest := early + m.slack(p)
	if s.p.PlannedMoves {
		latest += takeLimit // for the addresses
	}
	h := s.host
	if h.woke > s.silence && h.woke > early {
		if h.woke > early+s.learned && now < h.woke+s.learned && h.wokeBefore <= s.silence && !s.taking {
			m.fail(InvLateWaker, s, "its timer ended %v before it ran again, and it took over %v later", h.woke-early, now-h.woke)
			return
		}
		latest += h.woke + 2*s.learned - early
	}
	if s.changed > early {
		// A reload that shortened the wait looks to the router like being late.
		latest = max(latest, latest+s.changed+2*s.learned-early)
	}
	if s.changed > s.silence && h.woke > s.silence {
		// Or made the wait longer after it was put off.
		latest = max(latest, latest+s.changed-s.silence+2*s.learned)
	}
	if now > latest {
		m.fail(InvLate, s, "took over %v too late", now-early)
	}
}

// sending examines an advert that is sent.
func (m *monitor) sending(p *process, s *seat, now time.Duration, a *vrrp.Action) {
	f := &s.step
	if a.Priority == 0 {
		f.sent0++
		if s.state != vrrp.Master {
			m.fail(InvTransition, s, "sent priority 0 as %v", s.state)
		}
		return
	}
	f.sentOwn++
	if _, died := m.died[s.host][s.vr.key]; now < s.startAt && s.state == vrrp.Init && !died {
		m.fail(InvStartup, s, "sent an advert %v before the end of the startup delay", s.startAt-now)
	}
	if s.state == vrrp.Master {
		m.spacing(p, s, now)
		m.overlap(p, s)
		if woke := s.host.woke; s.tooLate() && s.host.wokeBefore <= s.sent && now < woke+s.p.Interval && f.accepted == nil {
			m.fail(InvLateWaker, s, "goes on as master %v after it woke, its last advert being %v old", now-woke, now-s.sent)
		}
	}
	s.sent = now
	if s.answerBy != 0 {
		s.answerBy = 0
		m.settleDebt(s)
	}
}

// tooLate reports whether the master did not run for so long that another one
// must have taken over.
func (s *seat) tooLate() bool {
	return s.host.woke-s.sent > lateAfter(s.p)
}

// spacing: the next advert is not too late.
func (m *monitor) spacing(p *process, s *seat, now time.Duration) {
	ran := s.host.woke < s.sent
	if gap := now - s.sent; ran && gap > s.p.Interval+m.slack(p) {
		m.fail(InvPeriod, s, "its advert came %v after the one before", gap)
	}
	s.step.ran = ran
}

// keepsBeat: lateness does not add up.
func (m *monitor) keepsBeat(p *process, s *seat, now time.Duration) {
	ran := s.step.ran
	if !ran || len(p.members) >= burst || s.changed > s.beat {
		s.beats = 0
	}
	if s.beats < 1 || !ran {
		s.beat = now
		s.beats += int(boolTime(ran))
		return
	}
	if off := now - s.beat - time.Duration(s.beats)*s.p.Interval; off.Abs() > m.slack(p) {
		m.fail(InvDrift, s, "after %d intervals its adverts are %v off the beat", s.beats, off)
	}
	s.beats++
}

// count compares how many adverts a master sends with the bound.
func (m *monitor) count(p *process, s *seat, now time.Duration, ev vrrp.Event) {
	switch ev.(type) {
	case vrrp.Reconfigure, vrrp.Installed:
		s.sends, s.beats = [3]time.Duration{}, 0
		return
	}
	m.keepsBeat(p, s, now)
	if !s.step.ran {
		s.sends = [3]time.Duration{} // one is late, the next one is not
		return
	}
	if first := s.sends[0]; first != 0 && now-first < s.p.Interval-m.slack(p) {
		m.fail(InvRate, s, "four adverts within %v", now-first)
	}
	s.sends = [3]time.Duration{s.sends[1], s.sends[2], now}
}

// overlap: two masters that hear each other do not last.
func (m *monitor) overlap(p *process, s *seat) {
	if m.active > 0 || !m.w.net.perfect() {
		return
	}
	for _, o := range s.vr.seats {
		if o == s || o.state != vrrp.Master || o.host.power != powerOn || sameAddress(s, o) {
			continue
		}
		since := max(s.since, o.since, m.quietSince, s.listens, o.listens)
		bound := max(s.p.Interval, o.p.Interval) + m.w.bounds.MaxDelay + 2*m.slack(p) + 2*m.slack(o.host.proc)
		if s.priority == vrrp.OwnerPriority && o.priority == vrrp.OwnerPriority {
			bound *= 4 // they may need to find out that the other does not give way
		}
		if bound += bound / 1000; m.w.now-since > bound {
			m.fail(InvDouble, s, "master beside %s for %v", o.host.spec.Name, m.w.now-since)
		}
	}
}

// sameAddress: each takes the other's adverts for its own.
func sameAddress(a, b *seat) bool { return a.src == b.src }

// stepped examines one seat after a step.
func (m *monitor) stepped(p *process, s *seat, now time.Duration, ev vrrp.Event) {
	f := &s.step
	if p.seats[s.id] == s {
		s.priority = p.router.Priority(s.id)
	}
	if f.moved {
		master := s.state == vrrp.Master
		if master != (f.install != f.took) || master != f.announce || f.left != (f.remove != f.linger) && !f.released {
			m.fail(InvTransition, s, "became %v with install %v, announce %v, remove %v, linger %v", s.state, f.install, f.announce, f.remove, f.linger)
		}
	} else {
		if f.sentOwn > 0 {
			m.count(p, s, now, ev)
		}
		m.unmoved(s)
	}
	if f.sentOwn > 0 && s.state != vrrp.Master && !f.remove && !f.linger {
		m.fail(InvTransition, s, "sent an advert as %v", s.state)
	}
	if f.lower && s.state != vrrp.Master {
		m.fail(InvTransition, s, "announces as %v", s.state)
	}
	if a := f.accepted; a != nil && a.From == vrrp.Master {
		m.heardAsMaster(p, s, now, a)
	}
}

// unmoved: what belongs to a change of state is not done without one.
func (m *monitor) unmoved(s *seat) {
	// A master that does not know what it missed falls silent, and announces its
	// addresses anew when it goes on.
	f := &s.step
	if f.linger && s.state == vrrp.Master {
		s.lingers, f.linger = false, false
	}
	if f.remove && !f.released || f.linger || f.announce && s.state != vrrp.Master && !s.taking || f.sent0 > 0 {
		m.fail(InvTransition, s, "as %v: remove %v, announce %v, linger %v, %d adverts of priority 0", s.state, f.remove, f.announce, f.linger, f.sent0)
	}
}

// heardAsMaster examines what a master did about an advert.
func (m *monitor) heardAsMaster(p *process, s *seat, now time.Duration, a *vrrp.Action) {
	f := &s.step
	owners := s.p.Priority == vrrp.OwnerPriority && a.Priority == vrrp.OwnerPriority
	if a.Priority == 0 {
		if s.state != vrrp.Master {
			m.fail(InvYield, s, "gave way to priority 0")
		} else if f.sentOwn == 0 {
			m.owe(&s.answerBy, s, now+answerGap(s.p))
		}
		s.duty = m.w.now
		if !f.lower && !f.announce {
			m.owe(&s.lowerBy, s, now+lowerGap(s.p))
		}
		return
	}
	better := a.Priority > s.priority || a.Priority == s.priority && s.src.Less(a.Src)
	switch {
	case better && s.state == vrrp.Master:
		m.fail(InvYield, s, "stays master after an advert of priority %d from %v", a.Priority, a.Src)
	case better, owners:
	case s.state != vrrp.Master:
		if now-s.sent <= masterDown(s.p, vrrp.OwnerPriority-1, s.p.Interval) && m.w.now >= s.listens {
			m.fail(InvYield, s, "gave way to an advert of priority %d from %v", a.Priority, a.Src)
		}
	case f.late:
		m.fail(InvLateWaker, s, "stays master beside %v although it did not run for so long that that one had to take over", a.Src)
	default:
		s.duty = m.w.now
		if f.sentOwn == 0 && !s.p.LowerPrioNoAdvert {
			m.owe(&s.answerBy, s, now+answerGap(s.p))
		}
		if !f.lower && !f.announce {
			m.owe(&s.lowerBy, s, now+lowerGap(s.p))
		}
	}
}

// turned examines a process after a turn of its loop.
func (m *monitor) turned(p *process) {
	now := p.h.local()
	if d, ok := p.router.NextDeadline(); ok && d <= now && !p.paced {
		m.fail(InvDeadline, nil, "%s: the deadline %v is over at %v", p.h.spec.Name, d, now)
	}
	if m.pending == 0 {
		return
	}
	for _, vr := range m.vrs {
		for _, s := range vr.seats {
			if s.host != p.h {
				continue
			}
			slack := m.slack(p)
			if s.answerBy != 0 && now > s.answerBy+slack {
				m.fail(InvAnswer, s, "no advert %v after it was due", now-s.answerBy)
			}
			if s.lowerBy != 0 && now > s.lowerBy+slack {
				m.fail(InvAnswer, s, "no announcement %v after it was due", now-s.lowerBy)
			}
		}
	}
}

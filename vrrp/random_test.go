package vrrp

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model is what any sequence of events must leave true of a router, from the
// outside and from the inside.
type model struct {
	t   *rapid.T
	r   *Router
	now time.Duration
	ids map[ID]*modelInstance
}

// modelInstance is what the actions have said of one instance.
type modelInstance struct {
	state            State
	installed        bool
	kept             bool // Linger was told
	answers          []time.Duration
	announcedAgainst time.Duration
}

// TestAnyEvents steps random events into one router.
func TestAnyEvents(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, r: NewRouter(), now: time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "start")), ids: map[ID]*modelInstance{}}
		m.step(LinkChanged{Link{Name: "eth0", Index: eth0, Up: true, Addrs: ips(ownAddr, ownAddr6)}})
		m.step(Reconfigure{Instances: drawParams(t)})
		t.Repeat(map[string]func(*rapid.T){
			"":         func(*rapid.T) { m.check() },
			"deadline": func(*rapid.T) { m.deadline() },
			"late":     m.late,
			"pass":     m.pass,
			"advert":   m.advert,
			"burst":    m.burst,
			"garbage":  m.garbage,
			"link":     m.link,
			"reload":   m.reload,
			"event":    m.event,
		})
	})
}

// drawParams is a configuration of up to five instances, no two of which are the
// same virtual router.
func drawParams(t *rapid.T) []*Params {
	var list []*Params
	for i := range rapid.IntRange(0, 5).Draw(t, "instances") {
		p := testParams(1)
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			p = testParams6(1)
		case 1:
			p = testParams2(1)
		case 2:
			p = testUnicast(1)
		}
		p.Name, p.VRID = fmt.Sprintf("VI_%d", i+1), uint8(51+i)
		p.Priority = rapid.SampledFrom([]uint8{1, 2, 100, 100, 150, 200, 254, 255}).Draw(t, "priority")
		if p.Version == V3 {
			p.Interval = rapid.SampledFrom([]time.Duration{10 * ms, 100 * ms, second, 40 * second}).Draw(t, "interval")
		}
		p.DownAdverts = rapid.SampledFrom([]int{1, 2, 3, 3, 30}).Draw(t, "adverts")
		p.Nopreempt = rapid.Bool().Draw(t, "nopreempt")
		p.PreemptDelay = rapid.SampledFrom([]time.Duration{0, 0, 3 * second}).Draw(t, "delay")
		p.StartMaster = rapid.Bool().Draw(t, "master")
		p.HigherPrioSendAdvert = rapid.Bool().Draw(t, "higher")
		p.LowerPrioNoAdvert = rapid.Bool().Draw(t, "lower")
		p.OwnerIgnoreAdverts = rapid.Bool().Draw(t, "ignore")
		p.PlannedMoves = rapid.Bool().Draw(t, "planned")
		p.BreakBeforeMake = rapid.IntRange(0, 5).Draw(t, "break") == 0
		p.LeaveInterval = rapid.SampledFrom([]time.Duration{0, 10 * ms, 300 * ms}).Draw(t, "leave")
		p.AwaitTracking = rapid.IntRange(0, 5).Draw(t, "await") == 0
		p.Strict = rapid.IntRange(0, 5).Draw(t, "strict") == 0
		if rapid.Bool().Draw(t, "grouped") {
			p.SyncGroup = rapid.SampledFrom([]string{"G", "H"}).Draw(t, "group")
		}
		if rapid.IntRange(0, 3).Draw(t, "tracks") == 0 {
			p.TrackLinks = []TrackLink{{Name: "eth1", Weight: rapid.SampledFrom([]int{0, -50, 20}).Draw(t, "weight")}}
		}
		list = append(list, p)
	}
	return rapid.Permutation(list).Draw(t, "order")
}

// step steps one event into the router and into a copy: both act alike.
func (m *model) step(ev Event) {
	m.t.Helper()
	twin := m.r.Clone()
	before := m.r.Fingerprint(nil, m.now)
	if !bytes.Equal(before, twin.Fingerprint(nil, m.now)) {
		m.t.Fatal("a copy differs")
	}
	actions := slices.Clone(m.r.Step(m.now, ev))
	if got := twin.Step(m.now, ev); describe(got) != describe(actions) {
		m.t.Fatalf("%T\n does: %s\n a copy: %s", ev, describe(actions), describe(got))
	}
	if !bytes.Equal(m.r.Fingerprint(nil, m.now), twin.Fingerprint(nil, m.now)) {
		m.t.Fatal("a copy differs after the same step")
	}
	for i := range actions {
		m.action(&actions[i], ev)
	}
	if _, ok := ev.(Timeout); ok {
		if d, ok := m.r.NextDeadline(); ok && d <= m.now {
			m.t.Fatalf("the deadline %v is over at %v after a timeout", d, m.now)
		}
	}
}

// action compares one action with those before.
func (m *model) action(a *Action, ev Event) {
	if a.Kind == Added {
		m.ids[a.ID] = &modelInstance{state: Init, announcedAgainst: longAgo}
		return
	}
	in := m.ids[a.ID]
	if in == nil {
		if a.ID != 0 {
			m.t.Fatalf("%v for instance %d, which is not there", a.Kind, a.ID)
		}
		return
	}
	switch a.Kind {
	case Transition:
		if a.From != in.state || a.To == a.From {
			m.t.Fatalf("from %v to %v while in %v", a.From, a.To, in.state)
		}
		if a.To == Init && a.From != Init && a.Cause != CauseShutdown && a.Cause != CauseRemoved {
			m.t.Fatalf("to INIT because of %v", a.Cause)
		}
		if a.From == Fault && a.To == Master {
			m.t.Fatal("from FAULT to MASTER")
		}
		in.state, in.answers = a.To, nil
	case Install:
		in.installed, in.kept = true, false
	case Remove:
		if !in.installed {
			m.t.Fatal("removes what is not installed")
		}
		in.installed, in.kept = false, false
	case Linger:
		if !in.installed {
			m.t.Fatal("keeps what is not installed")
		}
		in.kept = true
	case Announce, AnnounceAgain:
		if !in.installed {
			m.t.Fatal("announces what is not installed")
		}
		in.kept = in.kept && a.Kind == AnnounceAgain
	case AnnounceLower:
		m.announceLower(in, a.ID)
	case SendAdvert:
		m.sent(in, a, ev)
	case Deleted:
		if in.installed || in.state != Init {
			m.t.Fatalf("deleted in %v, installed %v", in.state, in.installed)
		}
		delete(m.ids, a.ID)
	}
}

func (m *model) announceLower(in *modelInstance, id ID) {
	gap := announceGap(m.r.Params(id).Interval)
	if in.state != Master || m.now-in.announcedAgainst < min(gap, minAnnounceGap) {
		m.t.Fatalf("announces in %v, %v after the last time", in.state, m.now-in.announcedAgainst)
	}
	in.announcedAgainst = m.now
}

// sent: only who is master, becomes it or leaves may send, and answers are
// bounded: at most three within an interval.
func (m *model) sent(in *modelInstance, a *Action, ev Event) {
	_, received := ev.(*AdvertReceived)
	switch {
	case in.state == Master:
	case a.Priority != 0 && (in.state == Backup || in.state == Init): // a Transition to Master has to follow
	default:
		m.t.Fatalf("sends priority %d in %v", a.Priority, in.state)
	}
	if !received || in.state != Master || a.Priority == 0 {
		return
	}
	in.answers = append(in.answers, m.now)
	if n := len(in.answers); n > 3 {
		if span := m.now - in.answers[n-4]; span < a.Params.Interval/2 {
			m.t.Fatalf("four answers within %v", span)
		}
	}
}

// check looks inside: the heap and the tables, and what each state implies.
func (m *model) check() {
	r := m.r
	if len(r.heap) != len(r.instances) {
		m.t.Fatalf("%d instances, %d in the heap", len(r.instances), len(r.heap))
	}
	earliest := Forever
	for at, i := range r.heap {
		if r.instances[i].heapAt != at {
			m.t.Fatalf("instance %d is at %d in the heap and thinks at %d", i, at, r.instances[i].heapAt)
		}
		if at > 0 && r.before(at, (at-1)/2) {
			m.t.Fatalf("the heap is out of order at %d", at)
		}
		earliest = min(earliest, r.instances[i].deadline())
	}
	if d, ok := r.NextDeadline(); ok != (earliest != Forever) || ok && d != earliest {
		m.t.Fatalf("next deadline %v, earliest %v", d, earliest)
	}
	for i := range r.instances {
		in := &r.instances[i]
		if j := r.byID[in.id]; j != i {
			m.t.Fatalf("instance %d is found at %d", i, j)
		}
		mi := m.ids[in.id]
		if mi == nil || mi.state != in.state {
			m.t.Fatalf("instance %d: told of %+v, in %v", in.id, mi, in.state)
		}
		if want := in.state == Master || in.taking || in.lingering(); mi.installed != want {
			m.t.Fatalf("instance %d in %v: installed %v, taking %v, lingering %v", in.id, in.state, mi.installed, in.taking, in.lingering())
		}
		if in.faults != 0 && (in.state == Master || in.state == Backup) {
			m.t.Fatalf("instance %d in %v with faults %v", in.id, in.state, in.faults.Names())
		}
		if in.standby && in.state == Master {
			m.t.Fatalf("instance %d is master in standby", in.id)
		}
		if in.state == Backup && in.timer == Forever && !in.standby {
			m.t.Fatalf("instance %d waits for ever", in.id)
		}
	}
}

func (m *model) deadline() {
	if d, ok := m.r.NextDeadline(); ok {
		m.now = max(m.now, d)
		m.step(Timeout{})
	}
}

func (m *model) late(t *rapid.T) {
	d, ok := m.r.NextDeadline()
	if !ok {
		t.Skip("nothing is awaited")
	}
	m.now = max(m.now, d) + time.Duration(rapid.Int64Range(0, int64(100*second)).Draw(t, "late"))
	m.step(Timeout{})
}

// pass lets some time pass, but not a deadline.
func (m *model) pass(t *rapid.T) {
	most := second
	if d, ok := m.r.NextDeadline(); ok {
		most = min(most, d-m.now)
	}
	if most > 0 {
		m.now += time.Duration(rapid.Int64Range(0, int64(most)).Draw(t, "pass"))
	}
}

// received is an advert of some peer for some instance.
func (m *model) received(t *rapid.T) *AdvertReceived {
	if len(m.r.instances) == 0 {
		t.Skip("no instances")
	}
	p := m.r.instances[rapid.IntRange(0, len(m.r.instances)-1).Draw(t, "instance")].p
	src := rapid.SampledFrom([]string{lowerAddr, higherAddr, ownAddr}).Draw(t, "src")
	if p.Family == IPv6 {
		src = rapid.SampledFrom([]string{lowerAddr6, higherAddr6, ownAddr6}).Draw(t, "src")
	}
	return packet(p, src, rapid.SampledFrom([]uint8{0, 1, 50, 100, 100, 150, 200, 254, 255}).Draw(t, "priority"), func(a *Advert) {
		if p.Version == V3 {
			a.Interval = rapid.SampledFrom([]time.Duration{p.Interval, p.Interval, 10 * ms, 40 * second}).Draw(t, "interval")
		}
		if rapid.IntRange(0, 9).Draw(t, "addrs") == 0 {
			a.Addrs = nil
		}
	})
}

func (m *model) advert(t *rapid.T) { m.step(m.received(t)) }

// burst is the same advert again and again.
func (m *model) burst(t *rapid.T) {
	d := m.received(t)
	for range rapid.IntRange(2, 20).Draw(t, "n") {
		m.step(d)
		m.now += ms
		if next, ok := m.r.NextDeadline(); ok && next <= m.now {
			m.step(Timeout{})
		}
	}
}

// garbage is an advert with some bytes changed, or any bytes.
func (m *model) garbage(t *rapid.T) {
	d := m.received(t)
	if rapid.Bool().Draw(t, "any") {
		d.Payload = rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "payload")
	} else {
		at := rapid.IntRange(0, len(d.Payload)-1).Draw(t, "at")
		d.Payload[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "change"))
	}
	d.TTL = rapid.SampledFrom([]int{255, 254, -1, 0}).Draw(t, "ttl")
	d.Link = rapid.SampledFrom([]int{eth0, 3, 0}).Draw(t, "link")
	m.step(d)
}

func (m *model) link(t *rapid.T) {
	name := rapid.SampledFrom([]string{"eth0", "eth0", "eth1"}).Draw(t, "name")
	if rapid.IntRange(0, 5).Draw(t, "gone") == 0 {
		m.step(LinkGone{name})
		return
	}
	l := Link{Name: name, Index: eth0, Up: rapid.IntRange(0, 3).Draw(t, "up") > 0}
	if name == "eth1" {
		l.Index = 3
	}
	for _, a := range ips(ownAddr, ownAddr6, "192.0.2.10", "fe80::10", "192.0.2.77") {
		if rapid.IntRange(0, 3).Draw(t, "has") > 0 {
			l.Addrs = append(l.Addrs, a)
		}
	}
	m.step(LinkChanged{l})
}

func (m *model) reload(t *rapid.T) {
	ev := Reconfigure{Start: m.now + rapid.SampledFrom([]time.Duration{0, 0, second}).Draw(t, "delay"), Instances: drawParams(t)}
	if rapid.IntRange(0, 2).Draw(t, "same") == 0 {
		ev.Instances = nil
		for i := range m.r.instances {
			if in := &m.r.instances[i]; !in.gone {
				ev.Instances = append(ev.Instances, with(in.p, func(p *Params) { p.Peers = slices.Clone(p.Peers) }))
			}
		}
	}
	m.step(ev)
}

// event is one of the events that concern one instance.
func (m *model) event(t *rapid.T) {
	id := ID(rapid.IntRange(0, int(m.r.lastID)+1).Draw(t, "id"))
	switch rapid.IntRange(0, 10).Draw(t, "kind") {
	case 0, 1:
		m.step(AddressTaken{id})
	case 2, 3, 4:
		m.step(Installed{id})
	case 5, 6, 7:
		m.step(Tracked{id, rapid.SampledFrom([]int{0, 0, -100, -300, 100}).Draw(t, "weight"), rapid.IntRange(0, 3).Draw(t, "fault") == 0})
	case 8, 9:
		m.step(Standby{id, rapid.Bool().Draw(t, "on")})
	case 10:
		m.step(Shutdown{})
	}
}

package elector

import (
	"net"
	"net/netip"
	"time"

	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// habit is how often a peer's other interval is heard before it is told of.
const habit = 3

// giveWay is how long after its take-over a master hears the advert of the one that
// gives way to it (higher_prio_send_advert): that is no second master to tell of.
const giveWay = time.Second

// maxPeers bounds the peers that are remembered of an instance.
const maxPeers = 16

// record counts what happens to one instance.
type record struct {
	counters wire.Counters
	reasons  [vrrp.NumReasons]uint64
	noticed  [vrrp.NumReasons]time.Duration // when it was told of; 0 never
	told     [vrrp.NumReasons]uint64        // the count then
	peers    []peer
	lastPeer netip.Addr
	// conflicts are other hosts that use our addresses.
	conflicts []conflict

	mastered time.Duration // when it became master

	// doubles counts the times that another master was heard while this one was
	// master; doubleTime adds up how long they overlapped.
	doubles     uint64
	doubleSince time.Duration
	doubleLast  time.Duration
	doubleTime  time.Duration
}

type peer struct {
	addr     netip.Addr
	priority uint8
	interval time.Duration
	seen     time.Duration
	adverts  uint64
}

// stats counts what concerns no single instance.
type stats struct {
	lateness       histogram
	receiveErrors  uint64
	sendErrors     uint64
	announceErrors uint64
	discards       map[int]*[vrrp.NumReasons]uint64 // by link
	noticed        map[linkReason]time.Duration
}

type linkReason struct {
	link   int
	reason vrrp.Reason
}

func (r *record) sent(now time.Duration, a *vrrp.Action) {
	r.counters.AdvertsSent++
	if a.Priority == 0 {
		r.counters.PriorityZeroSent++
	}
}

func (r *record) transition(now time.Duration, a *vrrp.Action) {
	if a.To == vrrp.Master {
		r.mastered = now
		r.counters.BecameMaster++
	}
	if a.From == vrrp.Master {
		r.counters.ReleasedMaster++
		r.endDouble()
	}
}

// accepted counts an advert and remembers who sent it.
func (r *record) accepted(now time.Duration, a *vrrp.Action) {
	r.counters.AdvertsReceived++
	r.lastPeer = a.Src
	if a.Priority == 0 {
		r.counters.PriorityZeroReceived++
	} else if a.From == vrrp.Master {
		r.double(now, a.Interval)
	}
	oldest := 0
	for i := range r.peers {
		p := &r.peers[i]
		if p.addr == a.Src {
			p.priority, p.interval, p.seen = a.Priority, a.Interval, now
			p.adverts++
			return
		}
		if p.seen < r.peers[oldest].seen {
			oldest = i
		}
	}
	p := peer{addr: a.Src, priority: a.Priority, interval: a.Interval, seen: now, adverts: 1}
	if len(r.peers) < maxPeers {
		r.peers = append(r.peers, p)
	} else {
		r.peers[oldest] = p
	}
}

// double notes another master that is heard while this instance is master. One
// that is silent for three of its intervals begins a new overlap.
func (r *record) double(now time.Duration, interval time.Duration) {
	if r.doubleSince == 0 || now-r.doubleLast > 3*interval {
		r.endDouble()
		r.doubles++
		r.doubleSince = now
	}
	r.doubleLast = now
}

func (r *record) endDouble() {
	if r.doubleSince != 0 {
		r.doubleTime += r.doubleLast - r.doubleSince
		r.doubleSince = 0
	}
}

// status writes what was recorded into a status.
func (r *record) status(c clock, now time.Duration, st *wire.InstanceStatus) {
	st.Counters = r.counters
	st.Counters.Reasons = reasonCounts(&r.reasons)
	for _, p := range r.peers {
		st.Peers = append(st.Peers, wire.Peer{
			Addr: p.addr, Priority: p.priority, Interval: p.interval, LastSeen: c.wall(p.seen), Adverts: p.adverts,
		})
	}
	for _, k := range r.conflicts {
		st.Conflicts = append(st.Conflicts, wire.Conflict{
			Addr: k.addr, MAC: net.HardwareAddr(k.mac[:]).String(), By: k.by.String(), Count: k.count, LastSeen: c.wall(k.seen),
		})
	}
	st.DoubleMaster = r.doubles
	total := r.doubleTime
	if r.doubleSince != 0 {
		total += r.doubleLast - r.doubleSince
	}
	st.DoubleMasterSeconds = total.Seconds()
}

// hears reports whether a master was heard within its down time and has not
// left.
func (r *record) hears(now time.Duration, master netip.Addr, within time.Duration) bool {
	for i := range r.peers {
		if p := &r.peers[i]; p.addr == master {
			return p.priority != 0 && now-p.seen <= within
		}
	}
	return false
}

func reasonCounts(counts *[vrrp.NumReasons]uint64) map[string]uint64 {
	var m map[string]uint64
	for r, n := range counts {
		if n == 0 {
			continue
		}
		if m == nil {
			m = make(map[string]uint64)
		}
		m[vrrp.Reason(r).String()] = n
	}
	return m
}

// discarded counts a packet that was thrown away, and tells of it now and then.
func (l *loop) discarded(now time.Duration, m *member, a *vrrp.Action) {
	if a.Reason == vrrp.ReasonStartup && l.stopping {
		return // that somebody else is master now is what a leaving one waits for
	}
	if m != nil {
		l.notice(now, m, a)
		return
	}
	if l.stats.discards == nil {
		l.stats.discards = map[int]*[vrrp.NumReasons]uint64{}
		l.stats.noticed = map[linkReason]time.Duration{}
	}
	counts := l.stats.discards[a.Link]
	if counts == nil {
		counts = new([vrrp.NumReasons]uint64)
		l.stats.discards[a.Link] = counts
	}
	counts[a.Reason]++
	if a.Reason == vrrp.ReasonVRID && !l.config.LogUnknownVRIDs {
		return
	}
	key := linkReason{a.Link, a.Reason}
	if at, ok := l.stats.noticed[key]; ok && now-at < noticeGap {
		return
	}
	l.stats.noticed[key] = now
	l.journal.add(wire.Event{
		Kind: wire.EventNotice, Level: "warn", Interface: l.links[a.Link],
		Reason: a.Reason.String(), Count: counts[a.Reason], Peer: a.Src,
	})
}

// noted counts something odd in an accepted advert.
func (l *loop) noted(now time.Duration, m *member, a *vrrp.Action) { l.notice(now, m, a) }

// notice counts a reason of an instance and tells of it: what is tolerated
// once, what is discarded at most once a minute while it goes on.
func (l *loop) notice(now time.Duration, m *member, a *vrrp.Action) {
	m.reasons[a.Reason]++
	if a.Reason == vrrp.ReasonIntervalDiffers && m.reasons[a.Reason] < habit {
		return // a master that leaves in a planned way says it once
	}
	at := m.noticed[a.Reason]
	if at != 0 && (!a.Reason.Discards() && a.Kind == vrrp.Noted || now-at < noticeGap) {
		return
	}
	m.noticed[a.Reason] = now
	l.journal.add(wire.Event{
		Kind: wire.EventNotice, Level: "warn", Instance: m.inst.Params.Name, Reason: a.Reason.String(),
		Count: m.reasons[a.Reason] - m.told[a.Reason], Peer: a.Src,
	})
	m.told[a.Reason] = m.reasons[a.Reason]
}

// linkDiscards lists what was discarded without an instance.
func (s *stats) linkDiscards(names map[int]string) []wire.LinkDiscards {
	var out []wire.LinkDiscards
	for link, counts := range s.discards {
		out = append(out, wire.LinkDiscards{Interface: names[link], Reasons: reasonCounts(counts)})
	}
	return out
}

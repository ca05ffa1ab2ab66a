package vrrp

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Fingerprint appends to b a canonical form of the state and returns the longer
// slice. Two routers with the same form behave alike from now on, except for
// the clock: every moment is written as its distance from now. So a search
// through all states (internal/sim) knows one that it has seen before.
//
// Left out is what no decision depends on: when and why the last transition
// was, and what is derived from the rest (the heap, the tables). A moment in
// the past that bounds nothing any more under the present parameters is
// written as long ago; a deadline that passed long ago is as late as one that
// passed four master down times ago.
func (r *Router) Fingerprint(b []byte, now time.Duration) []byte {
	b = append(b, flag(r.stopped))
	b = binary.BigEndian.AppendUint32(b, uint32(r.lastID))
	for _, name := range slices.Sorted(maps.Keys(r.links)) {
		l := r.links[name]
		b = appendString(b, l.Name)
		b = binary.BigEndian.AppendUint32(b, uint32(l.Index))
		b = append(b, flag(l.Up))
		b = appendAddrList(b, l.Addrs)
	}
	b = append(b, 0xff)
	for i := range r.groups {
		g := &r.groups[i]
		b = append(b, byte(g.state))
		b = appendMoment(b, g.healed, now, r.groupGap(g))
	}
	for i := range r.instances {
		b = r.instances[i].fingerprint(b, now)
	}
	return b
}

func (in *instance) fingerprint(b []byte, now time.Duration) []byte {
	p := in.p
	b = binary.BigEndian.AppendUint32(b, uint32(in.id))
	b = p.fingerprint(b)
	b = append(b, byte(in.state), byte(in.faults), byte(in.faults>>8), byte(in.wait), in.masterPriority,
		flag(in.ignored)|flag(in.graced)<<1|flag(in.demoted)<<2|flag(in.holdUntil != 0)<<3|flag(in.rogueSince != 0)<<4|
			flag(in.tracked)<<5|flag(in.wants)<<6|flag(in.followed)<<7,
		flag(in.standby)|flag(in.taking)<<1|flag(in.advertiseInstalled)<<2|flag(in.gone)<<3|flag(in.drawn)<<4)
	b = binary.BigEndian.AppendUint16(b, uint16(in.weight))
	b = binary.BigEndian.AppendUint16(b, uint16(in.linkWeight))
	b = binary.BigEndian.AppendUint32(b, uint32(in.link))
	b = appendAddr(b, in.src)
	b = appendAddr(b, in.master)
	b = appendAddr(b, in.winner)
	b = appendMoment(b, in.wonAt, now, lingerApart)
	b = appendTime(b, in.learned)

	// Lateness beyond four down times makes no difference.
	most := 4 * MasterDownInterval(p.Version, 1, max(in.learned, p.Interval), p.DownAdverts)
	for _, at := range [...]time.Duration{in.timer, in.armed, in.reannounce, in.takenUntil, in.settle, in.lingerUntil} {
		b = appendMoment(b, at, now, most)
	}
	hold, rogue := in.holdUntil, in.rogueSince
	if hold == 0 {
		hold = Forever
	}
	if rogue == 0 {
		rogue = Forever
	}
	b = appendMoment(b, hold, now, 0)
	b = appendMoment(b, rogue, now, 2*max(p.Interval, v3Max*v3Unit))
	b = appendMoment(b, in.rogueHeard, now, time.Duration(p.DownAdverts)*max(p.Interval, v3Max*v3Unit)+1)
	b = append(b, byte(min(in.rogueSent, 2)))
	sent := in.sent
	if in.state != Master {
		sent = longAgo // a new master sends at once
	}
	b = appendMoment(b, sent, now, MasterDownInterval(p.Version, OwnerPriority-1, p.Interval, p.DownAdverts)+1)
	b = appendMoment(b, in.replied, now, replyGap(p.Interval))
	return appendMoment(b, in.announced, now, announceGap(p.Interval))
}

// fingerprint appends every parameter.
func (p *Params) fingerprint(b []byte) []byte {
	b = appendString(b, p.Name)
	b = appendString(b, p.Link)
	b = appendString(b, p.SyncGroup)
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.TrackLinks)))
	for _, t := range p.TrackLinks {
		b = append(binary.BigEndian.AppendUint16(appendString(b, t.Name), uint16(t.Weight)), flag(t.Reverse))
	}
	b = append(b, byte(p.Family), byte(p.Version), p.VRID, p.Priority, byte(p.DownAdverts), byte(p.Auth), byte(p.Form))
	b = append(b, p.Password[:]...)
	b = appendAddr(b, p.Group)
	b = appendAddr(b, p.Source)
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.Peers)))
	for _, q := range p.Peers {
		b = append(appendAddr(b, q.Addr), q.MinTTL, q.MaxTTL)
	}
	b = appendTime(b, p.Interval)
	b = appendTime(b, p.PreemptDelay)
	b = appendTime(b, p.LeaveInterval)
	b = appendAddrList(b, p.Addrs)
	b = appendAddrList(b, p.Excluded)
	return append(b,
		flag(p.Unicast)|flag(p.StartMaster)<<1|flag(p.Nopreempt)<<2|flag(p.HigherPrioSendAdvert)<<3|
			flag(p.LowerPrioNoAdvert)<<4|flag(p.OwnerIgnoreAdverts)<<5|flag(p.CheckUnicastSource)<<6|flag(p.SkipCheckAdvAddr)<<7,
		flag(p.Strict)|flag(p.DontTrackPrimary)<<1|flag(p.TrackSource)<<2|flag(p.AwaitTracking)<<3|flag(p.PlannedMoves)<<4|
			flag(p.BreakBeforeMake)<<5)
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Zone() != "" {
		return appendString(append(b, 1), a.String())
	}
	raw := a.AsSlice()
	return append(append(b, byte(len(raw))), raw...)
}

func appendAddrList(b []byte, list []netip.Addr) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(list)))
	for _, a := range list {
		b = appendAddr(b, a)
	}
	return b
}

func appendTime(b []byte, d time.Duration) []byte { return binary.BigEndian.AppendUint64(b, uint64(d)) }

// appendMoment appends how far at is from now: Forever as it is, the past only
// up to most.
func appendMoment(b []byte, at, now, most time.Duration) []byte {
	if at == Forever {
		return appendTime(b, Forever)
	}
	if at < now && now-at >= most || at < now-Forever/4 {
		return appendTime(b, -most)
	}
	return appendTime(b, at-now)
}

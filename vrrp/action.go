package vrrp

import (
	"net/netip"
	"slices"
	"time"
)

// ActionKind says what an [Action] asks for.
type ActionKind uint8

const (
	// SendAdvert asks to send an advert of Priority: [Router.Outgoing] builds it.
	SendAdvert ActionKind = iota + 1
	// Transition tells of a change from From to To for Cause.
	Transition
	// Install asks for the addresses to be put on the interfaces.
	Install
	// Remove asks for the addresses to be taken off.
	Remove
	// Linger asks to keep the addresses and to announce nothing any more, until
	// Remove or Announce: the winner is not known to have them, or a master that
	// slept does not know whether there is one.
	Linger
	// AnnounceAgain asks for the addresses to be announced once more.
	AnnounceAgain
	// Announce asks for the addresses to be announced as those of a new master.
	Announce
	// AnnounceLower asks for them to be announced because a master of lower
	// priority was heard (garp_lower_prio_*).
	AnnounceLower
	// AnnounceGroup asks for them to be announced in the same way because another
	// member of the sync group heard a master of lower priority.
	AnnounceGroup
	// Accepted tells of an advert that passed all checks.
	Accepted
	// Discarded tells of a packet that failed the check Reason. ID is 0 when no
	// instance is meant by it.
	Discarded
	// Noted tells of something odd in an accepted advert.
	Noted
	// Added tells of an instance that the configuration brought.
	Added
	// Deleted tells of an instance that the configuration has no more. It is the
	// last action of its ID.
	Deleted
	// PriorityChanged tells that the effective priority is Priority now.
	PriorityChanged
	// GroupTransition tells of a change of the sync group Group: Master when all
	// its members are, Fault when one is.
	GroupTransition
	// SourceChanged tells that adverts leave from another address or link now.
	SourceChanged
)

var actionNames = [...]string{
	SendAdvert: "send-advert", Transition: "transition", Install: "install", Remove: "remove", Linger: "linger", AnnounceAgain: "announce-again",
	Announce: "announce", AnnounceLower: "announce-lower", AnnounceGroup: "announce-group", Accepted: "accepted", Discarded: "discarded",
	PriorityChanged: "priority-changed", GroupTransition: "group-transition", Noted: "noted", Added: "added", Deleted: "deleted", SourceChanged: "source-changed",
}

func (k ActionKind) String() string {
	if k > 0 && int(k) < len(actionNames) {
		return actionNames[k]
	}
	return "unknown"
}

// Action is something to be done or told: the output of [Router.Step]. Which
// fields count depends on Kind. It stands on its own: what it says stays true
// when the instance is gone.
type Action struct {
	Kind ActionKind
	ID   ID
	// From, To and Cause are those of a Transition. For Accepted, From is the
	// state that the advert was heard in.
	From, To State
	Cause    Cause
	// Due is the deadline that a Transition follows from, 0 where it has another
	// cause.
	Due time.Duration
	// Reason is why a packet was Discarded, or what was Noted.
	Reason Reason
	// Priority is that of the advert that is sent or was accepted.
	Priority uint8
	// Interval is that of the accepted advert; for SendAdvert, if not 0, the one
	// to be advertised instead of the configured one.
	Interval time.Duration
	// Src is the sender of a received packet, or where an advert leaves from.
	Src netip.Addr
	// Link is the interface index that a Discarded packet came on, or that an
	// advert leaves by.
	Link int
	// Params are the instance's, for SendAdvert and Added.
	Params *Params
	// Group is the name of the sync group of a GroupTransition.
	Group string
}

// Outgoing is a packet to be sent. Payload is valid until the next one.
type Outgoing struct {
	Link     int
	Src, Dst netip.Addr
	Payload  []byte
}

// Packets builds the packets of a SendAdvert action, one for the group or one
// for each unicast peer, and hands each to send. buf is used for the payload.
func (a *Action) Packets(buf []byte, send func(*Outgoing)) {
	p := a.Params
	if !a.Src.IsValid() {
		return // the link lost its address: nothing can be sent
	}
	interval := p.Interval
	if a.Interval != 0 {
		interval = a.Interval
	}
	advert := Advert{
		Version: p.Version, VRID: p.VRID, Priority: a.Priority, Interval: interval,
		Addrs: p.Addrs, Auth: p.Auth, Password: p.Password, Form: p.Form,
	}
	o := Outgoing{Link: a.Link, Src: a.Src}
	if !p.Unicast {
		o.Dst = p.Group
		o.Payload = advert.Append(buf[:0], o.Src, o.Dst)
		send(&o)
		return
	}
	for _, peer := range p.Peers {
		o.Dst = peer.Addr
		o.Payload = advert.Append(buf[:0], o.Src, o.Dst)
		send(&o)
	}
}

// SameAdverts reports whether the packets of a SendAdvert with p are those of one
// with q, all else in the action being equal.
func (p *Params) SameAdverts(q *Params) bool {
	return p == q || p.Version == q.Version && p.VRID == q.VRID && p.Interval == q.Interval &&
		p.Auth == q.Auth && p.Password == q.Password && p.Form == q.Form &&
		p.Unicast == q.Unicast && p.Group == q.Group &&
		slices.Equal(p.Addrs, q.Addrs) &&
		slices.EqualFunc(p.Peers, q.Peers, func(a, b Peer) bool { return a.Addr == b.Addr })
}

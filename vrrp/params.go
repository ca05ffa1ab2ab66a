package vrrp

import (
	"net/netip"
	"reflect"
	"slices"
	"time"
)

// Peer is a configured unicast peer (keepalived: unicast_peer).
type Peer struct {
	Addr netip.Addr
	// MinTTL and MaxTTL bound the TTL or hop limit of what it sends (min_ttl and
	// max_ttl, 0-255).
	MinTTL, MaxTTL uint8
}

// TrackLink is an interface whose state counts for an instance
// (track_interface).
type TrackLink struct {
	Name string
	// Weight is added to the priority while the interface is up, if positive,
	// and while it is down, if negative (-253 to 253); 0 is a fault while it is
	// down. Reverse turns the signs, and up and down, around.
	Weight  int
	Reverse bool
}

// Params is what one instance is configured to do. The router keeps it and
// never changes it; neither may the caller after handing it over.
type Params struct {
	// Name is the operator's name of the instance, unique in a configuration.
	Name    string
	Family  Family
	Version Version
	VRID    uint8
	// Link is the name of the interface; empty for unicast without interface.
	Link string
	// Group is the multicast group; invalid for unicast.
	Group netip.Addr
	// Unicast is set when adverts go to Peers instead of Group.
	Unicast bool
	Peers   []Peer
	// Source is the configured source address (unicast_src_ip, mcast_src_ip);
	// invalid: the first address of the link, or its link-local one for IPv6.
	Source netip.Addr
	// Priority is 1-255; 255 is the address owner.
	Priority uint8
	// StartMaster is keepalived's "state MASTER": first advert after one
	// interval instead of the master down time.
	StartMaster bool
	// Interval is advert_int: version 2 whole seconds up to 255, version 3
	// 10 ms to 40.95 s in steps of 10 ms.
	Interval time.Duration
	// DownAdverts is down_timer_adverts, 1-100.
	DownAdverts int
	// Addrs are the addresses that are advertised (virtual_ipaddress), in the
	// order of the configuration.
	Addrs []netip.Addr
	// Excluded are addresses that come and go with the others but are not
	// advertised (virtual_ipaddress_excluded).
	Excluded []netip.Addr
	Auth     AuthType
	Password [8]byte
	// Form is the checksum form that is sent; both are accepted.
	Form ChecksumForm

	// PlannedMoves makes leaves and take-overs that are planned lose nothing
	// (fast_leave); without it they are those of RFC 9568.
	PlannedMoves bool
	// LeaveInterval is the interval that a leaving master teaches the backups
	// (fast_leave_interval), version 3 only; 0 for none.
	LeaveInterval time.Duration
	// BreakBeforeMake is set when an address wants duplicate address detection:
	// it cannot be on two routers even for a moment.
	BreakBeforeMake bool

	// SyncGroup is the name of the sync group that the instance is in, or empty.
	SyncGroup string
	// TrackLinks are the tracked interfaces.
	TrackLinks []TrackLink
	// AwaitTracking holds the instance back at its start until the first Tracked
	// event: what is tracked with weight 0 has to be known first.
	AwaitTracking bool

	// Nopreempt leaves a master of lower priority alone.
	Nopreempt bool
	// PreemptDelay is the time to wait before pre-empting a master of lower
	// priority, 0-1000 s.
	PreemptDelay time.Duration
	// HigherPrioSendAdvert sends one advert before stepping down.
	HigherPrioSendAdvert bool
	// LowerPrioNoAdvert does not answer an advert of lower priority.
	LowerPrioNoAdvert bool
	// OwnerIgnoreAdverts makes an owner drop incoming adverts.
	OwnerIgnoreAdverts bool
	// CheckUnicastSource drops unicast adverts of unlisted sources.
	CheckUnicastSource bool
	// SkipCheckAdvAddr does not compare the address list of the current master.
	SkipCheckAdvAddr bool
	// Strict discards adverts that RFC 9568 calls wrong and the world sends.
	Strict bool
	// DontTrackPrimary ignores the link state of the own interface.
	DontTrackPrimary bool
	// TrackSource makes the absence of Source a fault also for multicast
	// (track_src_ip); for unicast it always is.
	TrackSource bool
}

// key is the identity of an instance on the wire: two instances with the same
// key would be one virtual router.
type key struct {
	family Family
	vrid   uint8
	link   string
	group  netip.Addr
	source netip.Addr
	uni    bool
}

// key leaves the peers out: see sameWire.
func (p *Params) key() key {
	k := key{family: p.Family, vrid: p.VRID, link: p.Link, group: p.Group, uni: p.Unicast}
	if p.Unicast {
		k.source = p.Source
	}
	return k
}

// sameWire reports whether p and q are the same virtual router to their peers.
// Unicast instances that differ in their peers may share the rest (keepalived
// allows a VRID to be used again for disjoint sets of peers).
func (p *Params) sameWire(q *Params) bool {
	return p.key() == q.key() && slices.EqualFunc(p.Peers, q.Peers, func(a, b Peer) bool { return a.Addr == b.Addr })
}

// equal reports whether p and q configure the same.
func (p *Params) equal(q *Params) bool { return p == q || reflect.DeepEqual(p, q) }

// peer returns the configured peer of this address.
func (p *Params) peer(a netip.Addr) (Peer, bool) {
	for _, q := range p.Peers {
		if q.Addr == a {
			return q, true
		}
	}
	return Peer{}, false
}

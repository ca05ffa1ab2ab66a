package config

import (
	"net/netip"
	"strconv"
	"time"
)

// RouteType is the type of a route by the kernel's number (RTN_… of
// linux/rtnetlink.h).
type RouteType uint8

// The types of routes. The last four need neither a gateway nor an interface.
const (
	RouteUnicast     RouteType = 1
	RouteLocal       RouteType = 2
	RouteBroadcast   RouteType = 3
	RouteMulticast   RouteType = 5
	RouteBlackhole   RouteType = 6
	RouteUnreachable RouteType = 7
	RouteProhibit    RouteType = 8
	RouteThrow       RouteType = 9
)

// String returns keepalived's word for the type.
func (t RouteType) String() string {
	for word, v := range routeTypes() {
		if v == t {
			return word
		}
	}
	return "route type " + strconv.Itoa(int(t))
}

func routeTypes() map[string]RouteType {
	return map[string]RouteType{
		"unicast": RouteUnicast, "local": RouteLocal, "broadcast": RouteBroadcast, "multicast": RouteMulticast,
		"throw": RouteThrow, "unreachable": RouteUnreachable, "prohibit": RouteProhibit, "blackhole": RouteBlackhole,
	}
}

// silent reports whether packets of such a route go nowhere.
func (t RouteType) silent() bool { return t >= RouteBlackhole }

// RoutePref is the preference of an IPv6 route (RFC 4191, 2.1); 0 if it has
// none.
type RoutePref uint8

// The preferences of IPv6 routes.
const (
	PrefLow RoutePref = iota + 1
	PrefMedium
	PrefHigh
)

// String returns low, medium, high or none.
func (p RoutePref) String() string {
	switch p {
	case 0:
		return "none"
	case PrefLow:
		return "low"
	case PrefMedium:
		return "medium"
	case PrefHigh:
		return "high"
	}
	return "route preference " + strconv.Itoa(int(p))
}

// Placement is where a route goes that is like one that is there.
type Placement uint8

// The places. The kernel's default, and keepalived's, is PlacePrepend.
const (
	// PlaceAdd fails if there is such a route (ip route add).
	PlaceAdd Placement = iota + 1
	// PlacePrepend puts it before those (ip route prepend).
	PlacePrepend
	// PlaceAppend puts it behind those (ip route append).
	PlaceAppend
)

// String returns add, prepend or append.
func (p Placement) String() string {
	switch p {
	case PlaceAdd:
		return "add"
	case PlacePrepend:
		return "prepend"
	case PlaceAppend:
		return "append"
	}
	return "placement " + strconv.Itoa(int(p))
}

// Route is one virtual or static route. Names of tables, protocols, scopes and
// realms are already resolved, and defaults are filled in as iproute2 does.
type Route struct {
	// Family is the family of Dst.
	Family Family
	// Type is the kind of route.
	Type RouteType
	// Dst is the destination, without host bits; of length 0 for a default
	// route. It is always valid.
	Dst netip.Prefix
	// Via is the gateway, invalid for none. An IPv4 route may have an IPv6
	// gateway (RTA_VIA), never the other way round.
	Via netip.Addr
	// Dev is the interface, empty if the gateway decides.
	Dev string
	// Src is the preferred source address, invalid for none.
	Src netip.Addr
	// From is the prefix of sources that the route is for, IPv6 only; invalid
	// for all.
	From netip.Prefix
	// Table is the routing table, 1 and above; 0 means that of VRF.
	Table uint32
	// VRF is the virtual routing domain whose table it goes to, or empty.
	VRF string
	// Protocol marks the route: ProtocolHakeep, so that it is known again,
	// unless NoTrack is set and another one is asked for.
	Protocol uint8
	// Scope is the kernel's number: 0 global, 200 site, 253 link, 254 host, 255
	// nowhere; always 0 with IPv6.
	Scope uint8
	// Metric is the kernel's preference, less is better; 0 means the kernel's
	// default (IPv4 0, IPv6 1024).
	Metric uint32
	// TOS selects packets by their type of service, 0 for all; IPv4 only.
	TOS uint8
	// Realms is the realm of the destination, and shifted left by 16 bits that
	// of the source; 0 for none.
	Realms uint32
	// Onlink pretends that Via is on the link.
	Onlink bool
	// Pref is the preference of an IPv6 route.
	Pref RoutePref
	// Expires is when the kernel removes it, in whole seconds; 0 for never.
	// IPv6 only.
	Expires time.Duration
	// Metrics are what connections along the route use.
	Metrics Metrics
	// NextHops are the gateways of a multipath route: none, or all there are
	// instead of Via and Dev.
	NextHops []NextHop
	// Placement is where it goes beside others of its kind.
	Placement Placement
	// NoTrack ignores that another program removes it.
	NoTrack bool
	// TrackGroup is the track group that follows it; empty for virtual routes.
	TrackGroup string
}

// NextHop is one gateway of a multipath route. Values can be compared with ==.
type NextHop struct {
	// Via is the gateway, invalid for none; Dev is the interface, or empty. At
	// least one of them is there.
	Via netip.Addr
	Dev string
	// Weight is the share of the traffic, 1 to 256.
	Weight int
	// Onlink pretends that Via is on the link.
	Onlink bool
	// Realms is as in Route.
	Realms uint32
}

// Metrics are values that connections along a route use; 0, false and empty
// mean the kernel's own (RTAX_… of linux/rtnetlink.h). Values can be compared
// with ==.
type Metrics struct {
	// MTU, HopLimit, AdvMSS, Reordering, Window, Cwnd, SSThresh, InitCwnd and
	// InitRwnd are the kernel's numbers of bytes, hops and packets.
	MTU, HopLimit, AdvMSS, Reordering, Window, Cwnd, SSThresh, InitCwnd, InitRwnd uint32
	// RTT and RTTVar are first estimates of the round trip, RTOMin the least
	// time to a retransmission.
	RTT, RTTVar, RTOMin time.Duration
	// QuickAck, FastOpenNoCookie and ECN are switches.
	QuickAck, FastOpenNoCookie, ECN bool
	// CongCtl is the congestion control algorithm.
	CongCtl string
	// Lock has the bit 1<<RTAX_… for every value that the kernel must not
	// change. RTOMin is always locked, because the kernel ignores it otherwise.
	Lock uint32
}

// Numbers of metrics for Metrics.Lock (RTAX_… of linux/rtnetlink.h).
const (
	axMTU        = 2
	axWindow     = 3
	axRTT        = 4
	axRTTVar     = 5
	axSSThresh   = 6
	axCwnd       = 7
	axAdvMSS     = 8
	axReordering = 9
	axHopLimit   = 10
	axInitCwnd   = 11
	axFeatures   = 12
	axRTOMin     = 13
	axInitRwnd   = 14
	axQuickAck   = 15
	axCongCtl    = 16
	axFastOpen   = 17
)

package netif

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// RouteType is the type of a route (RTN_* of linux/rtnetlink.h, by value). The
// zero value means RouteUnicast.
type RouteType uint8

// The types of routes. Packets of the last four go nowhere: such a route has
// no next hop.
const (
	RouteUnicast     RouteType = unix.RTN_UNICAST
	RouteLocal       RouteType = unix.RTN_LOCAL
	RouteBroadcast   RouteType = unix.RTN_BROADCAST
	RouteMulticast   RouteType = unix.RTN_MULTICAST
	RouteBlackhole   RouteType = unix.RTN_BLACKHOLE
	RouteUnreachable RouteType = unix.RTN_UNREACHABLE
	RouteProhibit    RouteType = unix.RTN_PROHIBIT
	RouteThrow       RouteType = unix.RTN_THROW
)

// String returns iproute2's word.
func (t RouteType) String() string {
	switch t {
	case RouteUnicast:
		return "unicast"
	case RouteLocal:
		return "local"
	case RouteBroadcast:
		return "broadcast"
	case RouteMulticast:
		return "multicast"
	case RouteBlackhole:
		return "blackhole"
	case RouteUnreachable:
		return "unreachable"
	case RouteProhibit:
		return "prohibit"
	case RouteThrow:
		return "throw"
	}
	return fmt.Sprintf("RouteType(%d)", uint8(t))
}

func (t RouteType) silent() bool { return t >= RouteBlackhole && t <= RouteThrow }

// RoutePref is the preference of an IPv6 route (RFC 4191, 2.1). The zero value
// means PrefMedium, the kernel's default.
type RoutePref uint8

// The preferences.
const (
	PrefLow RoutePref = iota + 1
	PrefMedium
	PrefHigh
)

// String returns low, medium or high.
func (p RoutePref) String() string {
	switch p {
	case PrefLow:
		return "low"
	case PrefMedium:
		return "medium"
	case PrefHigh:
		return "high"
	}
	return fmt.Sprintf("RoutePref(%d)", uint8(p))
}

// Placement is where an IPv4 route goes among others with the same Key. The
// zero value means PlacePrepend, keepalived's default. IPv6 knows no places.
type Placement uint8

// The places.
const (
	// PlacePrepend puts a route before the others.
	PlacePrepend Placement = iota + 1
	// PlaceAppend puts it behind them.
	PlaceAppend
	// PlaceAlone fails with ErrExists if there is another.
	PlaceAlone
)

// String returns iproute2's word: prepend, append or add.
func (p Placement) String() string {
	switch p {
	case PlacePrepend:
		return "prepend"
	case PlaceAppend:
		return "append"
	case PlaceAlone:
		return "add"
	}
	return fmt.Sprintf("Placement(%d)", uint8(p))
}

// Metrics are the kernel's RTAX_* (linux/rtnetlink.h) by their numbers, in its
// own units: RTT in 1/8 ms, RTTVAR in 1/4 ms, RTO_MIN in ms. 0 means unset.
// The element RTAX_LOCK has the bit 1<<n for each metric n that is locked.
type Metrics [unix.RTAX_MAX + 1]uint32

// Route is a route as it should be or, with every default filled in, as the
// kernel has it. It says all that keepalived's route lines say, encap aside.
type Route struct {
	// Dst is the destination without host bits, of length 0 for a default
	// route. Its family is the route's.
	Dst netip.Prefix
	// Type is the kind of route.
	Type RouteType
	// Table is the routing table. 0 is that of VRF, or main.
	Table uint32
	// VRF is the virtual routing domain whose table is meant if Table is 0.
	VRF string
	// Metric is the kernel's priority, less is better. 0 is the kernel's
	// default: 0 for IPv4, 1024 for IPv6.
	Metric uint32
	// TOS selects packets, 0 for all; IPv4 only.
	TOS uint8
	// From selects packets by their source; IPv6 only, not valid for all.
	From netip.Prefix
	// Src is the preferred source address, not valid for none.
	Src netip.Addr
	// Scope is one of RT_SCOPE_*; IPv4 only.
	Scope uint8
	// Protocol is the owner's mark (rtm_protocol); 0 means Protocol.
	Protocol uint8
	// Pref is the preference of an IPv6 route.
	Pref RoutePref
	// Expires is after how long the kernel removes it, in whole seconds, 0 for
	// never; IPv6 only. An expired route is not put back.
	Expires time.Duration
	// Realms is the realm of the destination, and shifted left by 16 bits that
	// of the source; IPv4 only.
	Realms uint32
	// NextHops are where packets go: none for types that have none, one, or
	// several for a multipath route.
	NextHops []NextHop
	// Metrics are what connections along the route use, CongCtl the congestion
	// control algorithm (RTAX_CC_ALGO).
	Metrics Metrics
	CongCtl string
	// Placement is where it goes beside others.
	Placement Placement
	// NoTrack says that a removal by another program is accepted.
	NoTrack bool
}

// NextHop is one way of a route. It is comparable.
type NextHop struct {
	// Via is the gateway, not valid for none. An IPv4 route may have an IPv6
	// gateway.
	Via netip.Addr
	// Dev is the interface's name; empty if the gateway says it.
	Dev string
	// Weight is the share of a multipath route's packets, 1 to 256; 0 means 1.
	Weight int
	// Onlink says that Via is on the link, whatever the addresses say.
	Onlink bool
	// Realms is that of a next hop of a multipath route; IPv4 only.
	Realms uint32
}

// RouteKey is the place of a route in the kernel's tables. It is comparable.
// IPv4 keeps several routes in one place and uses the first, IPv6 one.
type RouteKey struct {
	Table  uint32
	Dst    netip.Prefix
	From   netip.Prefix
	TOS    uint8
	Metric uint32
}

// Key returns the place of r. Table is 0 if it is known by the VRF's name only.
func (r Route) Key() RouteKey {
	n := r.normal()
	return RouteKey{Table: n.Table, Dst: n.Dst, From: n.From, TOS: n.TOS, Metric: n.Metric}
}

func (r Route) is4() bool { return r.Dst.Addr().Is4() }

// String returns the route in the manner of ip route. Routes that differ in
// what the kernel keeps have different texts.
func (r Route) String() string {
	n := r.normal()
	var b strings.Builder
	put := func(show bool, format string, args ...any) {
		if show {
			fmt.Fprintf(&b, " "+format, args...)
		}
	}
	if n.Type != RouteUnicast {
		fmt.Fprintf(&b, "%s ", n.Type)
	}
	fmt.Fprintf(&b, "%s", n.Dst)
	put(n.From.IsValid(), "from %s", n.From)
	put(n.TOS != 0, "tos %#x", n.TOS)
	for _, h := range n.NextHops {
		put(len(n.NextHops) > 1, "nexthop")
		put(h.Via.IsValid(), "via %s", h.Via)
		put(h.Dev != "", "dev %s", h.Dev)
		put(len(n.NextHops) > 1, "weight %d", h.Weight)
		put(h.Onlink, "onlink")
		put(h.Realms != 0, "realms %#x", h.Realms)
	}
	put(n.Table == 0, "vrf %s", n.VRF)
	put(n.Table != 0 && n.Table != unix.RT_TABLE_MAIN, "table %d", n.Table)
	put(n.Protocol != Protocol, "proto %d", n.Protocol)
	put(n.Scope != 0, "scope %d", n.Scope)
	put(n.Src.IsValid(), "src %s", n.Src)
	put(n.Realms != 0, "realms %#x", n.Realms)
	put(n.Metric != 0, "metric %d", n.Metric)
	for i, v := range n.Metrics {
		put(v != 0, "%s %d", metricName(i), v)
	}
	put(n.CongCtl != "", "congctl %s", n.CongCtl)
	put(!n.is4() && n.Pref != PrefMedium, "pref %s", n.Pref)
	put(n.Expires != 0, "expires %d", n.Expires/time.Second)
	return b.String()
}

// metricName is iproute2's word for RTAX_*.
func metricName(i int) string {
	names := [...]string{
		unix.RTAX_LOCK: "locks", unix.RTAX_MTU: "mtu", unix.RTAX_WINDOW: "window", unix.RTAX_RTT: "rtt",
		unix.RTAX_RTTVAR: "rttvar", unix.RTAX_SSTHRESH: "ssthresh", unix.RTAX_CWND: "cwnd",
		unix.RTAX_ADVMSS: "advmss", unix.RTAX_REORDERING: "reordering", unix.RTAX_HOPLIMIT: "hoplimit",
		unix.RTAX_INITCWND: "initcwnd", unix.RTAX_FEATURES: "features", unix.RTAX_RTO_MIN: "rto_min",
		unix.RTAX_INITRWND: "initrwnd", unix.RTAX_QUICKACK: "quickack", unix.RTAX_CC_ALGO: "cc",
		unix.RTAX_FASTOPEN_NO_COOKIE: "fastopen_no_cookie",
	}
	return names[i]
}

// normal returns r as the kernel will report it, as far as that is known
// beforehand: interfaces that the kernel chooses are still missing.
func (r Route) normal() Route {
	r.Dst, r.From = r.Dst.Masked(), r.From.Masked()
	r.Type = cmp.Or(r.Type, RouteUnicast)
	r.Protocol = cmp.Or(r.Protocol, Protocol)
	r.Placement = cmp.Or(r.Placement, PlacePrepend)
	if r.Table == 0 && r.VRF == "" {
		r.Table = unix.RT_TABLE_MAIN
	}
	if r.Table != 0 {
		r.VRF = ""
	}
	r.NextHops = slices.Clone(r.NextHops)
	if r.Type.silent() {
		// IPv6 says lo, and forgets the rest.
		r.NextHops, r.Pref, r.Expires = nil, 0, 0
	}
	for i := range r.NextHops {
		r.NextHops[i].Weight = cmp.Or(r.NextHops[i].Weight, 1)
	}
	if len(r.NextHops) == 1 {
		h := &r.NextHops[0]
		r.Realms, h.Realms, h.Weight = cmp.Or(r.Realms, h.Realms), 0, 1
	}
	r.Metrics[0], r.Metrics[unix.RTAX_CC_ALGO] = 0, 0
	// As fs/metrics of the kernel bounds them (net/ipv4/metrics.c).
	r.Metrics[unix.RTAX_MTU] = min(r.Metrics[unix.RTAX_MTU], 65535-15)
	r.Metrics[unix.RTAX_ADVMSS] = min(r.Metrics[unix.RTAX_ADVMSS], 65535-40)
	r.Metrics[unix.RTAX_HOPLIMIT] = min(r.Metrics[unix.RTAX_HOPLIMIT], 255)
	if r.is4() {
		r.From, r.Pref, r.Expires = netip.Prefix{}, 0, 0
		return r
	}
	if r.From.Bits() == 0 {
		r.From = netip.Prefix{}
	}
	r.Metric = cmp.Or(r.Metric, 1024) // IP6_RT_PRIO_USER
	r.Pref = cmp.Or(r.Pref, PrefMedium)
	r.TOS, r.Scope, r.Realms = 0, 0, 0
	for i := range r.NextHops {
		r.NextHops[i].Realms = 0
	}
	// The kernel's order of IPv6 next hops has no meaning.
	slices.SortFunc(r.NextHops, func(a, b NextHop) int {
		return cmp.Or(a.Via.Compare(b.Via), strings.Compare(a.Dev, b.Dev))
	})
	return r
}

// same reports whether got, from the kernel, is as r wants it.
func (r Route) same(got Route) bool {
	a, b := r.normal(), got.normal()
	return a.Key() == b.Key() && a.Protocol == b.Protocol && a.sameWay(b)
}

// sameWay compares what is neither place nor owner. Both are normal, a is what
// is wanted.
func (a Route) sameWay(b Route) bool {
	return a.Type == b.Type && a.Src == b.Src && a.Scope == b.Scope && a.Pref == b.Pref &&
		(a.Expires != 0) == (b.Expires != 0) && a.Realms == b.Realms &&
		a.Metrics == b.Metrics && a.CongCtl == b.CongCtl &&
		slices.EqualFunc(a.NextHops, b.NextHops, NextHop.same)
}

// same reports whether got is as h wants it; the kernel may choose the
// interface.
func (h NextHop) same(got NextHop) bool {
	if h.Dev == "" {
		got.Dev = ""
	}
	return h == got
}

// Check reports why the kernel could not be asked for r, wrapping ErrInvalid.
func (r Route) Check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("route %s: %w: %s", r.Dst, ErrInvalid, fmt.Sprintf(format, args...))
	}
	v4 := r.Dst.Addr().Is4()
	switch {
	case !r.Dst.IsValid() || r.Dst.Addr().Is4In6():
		return bad("no destination")
	case r.Dst != r.Dst.Masked():
		return bad("the destination has host bits")
	case r.Src.IsValid() && r.Src.Is4() != v4, r.From.IsValid() && r.From.Addr().Is4() != v4:
		return bad("source of the other family")
	case r.From.IsValid() && v4:
		return bad("an IPv4 route has no from")
	case len(r.VRF) > maxName:
		return bad("name of VRF %q, want at most %d bytes", r.VRF, maxName)
	case r.Type.silent() && len(r.NextHops) > 0 && (v4 || r.NextHops[0].Via.IsValid()):
		return bad("type %s has no gateway and no interface", r.Type)
	case !r.Type.silent() && len(r.NextHops) == 0:
		return bad("neither gateway nor interface")
	}
	for _, h := range r.NextHops {
		switch {
		case !h.Via.IsValid() && h.Dev == "":
			return bad("neither gateway nor interface")
		case len(h.Dev) > maxName:
			return bad("interface name %q, want at most %d bytes", h.Dev, maxName)
		case h.Via.IsValid() && h.Via.Is4() && !v4, h.Via.Is4In6():
			return bad("gateway %s of the other family", h.Via)
		case h.Weight < 0 || h.Weight > 256:
			return bad("weight %d, want 1 to 256", h.Weight)
		case !v4 && len(r.NextHops) > 1 && !h.Via.IsValid():
			return bad("a next hop of an IPv6 route without gateway")
		}
	}
	return nil
}

// covers reports whether the kernel's IPv4 lookup for the removal of r would
// also find other: what the request does not say matches everything.
func (r Route) covers(other Route) bool {
	a, b := r.normal(), other.normal()
	if a.Key() != b.Key() || a.Protocol != b.Protocol || a.Type != b.Type || a.Scope != b.Scope {
		return false
	}
	if a.Src.IsValid() && a.Src != b.Src || a.CongCtl != "" && a.CongCtl != b.CongCtl || a.Realms != 0 && a.Realms != b.Realms {
		return false
	}
	for i, v := range a.Metrics {
		if v != 0 && v != b.Metrics[i] {
			return false
		}
	}
	if len(a.NextHops) > 1 || len(b.NextHops) > 1 {
		return true // the kernel compares the first one, or as many as both have
	}
	return slices.EqualFunc(a.NextHops, b.NextHops, func(x, y NextHop) bool {
		x.Onlink, y.Onlink = false, false
		if x.Dev == "" || y.Dev == "" {
			x.Dev, y.Dev = "", ""
		}
		return x == y
	})
}

// detail is how much a removal says, for covers.
func (r Route) detail() int {
	n := r.normal()
	d := 0
	for _, v := range n.Metrics {
		if v != 0 {
			d++
		}
	}
	for _, said := range []bool{n.Src.IsValid(), n.CongCtl != "", n.Realms != 0} {
		if said {
			d++
		}
	}
	return d
}

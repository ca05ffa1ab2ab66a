package config

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// setOther sets what does not concern where packets go to.
func (r *routeDraft) setOther(name, value string) {
	switch name {
	case "tos":
		r.TOS = r.tos(value)
	case "pref":
		r.Pref = map[string]RoutePref{"low": PrefLow, "medium": PrefMedium, "high": PrefHigh}[value]
		if r.Pref == 0 {
			r.errorf(`has the pref %s; allowed: "low", "medium" or "high"`, describe(value))
		}
	case "expires":
		if _, err := strconv.ParseUint(value, 10, 32); err == nil {
			value += "s" // keepalived's lines count in seconds
		}
		d, wrong := parseDuration(value)
		if wrong != "" || d%time.Second != 0 || d > (1<<31-1)*time.Second || d == 0 {
			r.errorf("has the expires %s; allowed: whole seconds, 1 or more", describe(value))
		}
		r.Expires = d
	default:
		r.Metrics.set(&r.spot, name, value)
	}
}

// numbers are the metrics that are plain numbers.
func (m *Metrics) numbers(name string) (to *uint32, bit int) {
	switch name {
	case "mtu":
		return &m.MTU, axMTU
	case "hoplimit":
		return &m.HopLimit, axHopLimit
	case "advmss":
		return &m.AdvMSS, axAdvMSS
	case "reordering":
		return &m.Reordering, axReordering
	case "window":
		return &m.Window, axWindow
	case "cwnd":
		return &m.Cwnd, axCwnd
	case "ssthresh":
		return &m.SSThresh, axSSThresh
	case "initcwnd":
		return &m.InitCwnd, axInitCwnd
	case "initrwnd":
		return &m.InitRwnd, axInitRwnd
	}
	return nil, 0
}

// set sets a metric. A value may have the word lock before it.
func (m *Metrics) set(s *spot, name, value string) {
	value, lock := strings.CutPrefix(value, "lock ")
	period := func(to *time.Duration, bit int, unit time.Duration) {
		*to = s.period(name, value, unit)
		m.lock(bit, lock || bit == axRTOMin)
	}
	flag := func(to *bool, bit int) {
		if value != "0" && value != "1" && value != "true" && value != "false" {
			s.errorf("has the %s %s; allowed: 0 or 1", name, describe(value))
		}
		*to = value == "1" || value == "true"
		m.lock(bit, lock)
	}
	if to, bit := m.numbers(name); to != nil {
		most := uint32(1<<32 - 1)
		if bit == axHopLimit {
			most = 255
		}
		*to = s.uint32(name, value, most)
		m.lock(bit, lock)
		return
	}
	switch name {
	case "rtt":
		period(&m.RTT, axRTT, time.Millisecond/8) // the kernel's unit, as in ip route
	case "rttvar":
		period(&m.RTTVar, axRTTVar, time.Millisecond/4)
	case "rto_min":
		period(&m.RTOMin, axRTOMin, time.Millisecond)
	case "quickack":
		flag(&m.QuickAck, axQuickAck)
	case "fastopen_no_cookie":
		flag(&m.FastOpenNoCookie, axFastOpen)
	case "features":
		if m.ECN = value == "ecn"; !m.ECN {
			s.errorf(`has the features %s; allowed: "ecn"`, describe(value))
		}
		m.lock(axFeatures, lock)
	case "congctl":
		const longest = 15 // TCP_CA_NAME_MAX less the final NUL
		if value == "" || len(value) > longest || printable(value) != value || strings.Contains(value, " ") {
			s.errorf("has the congctl %s; allowed: the name of a congestion control algorithm, at most %d characters", describe(value), longest)
		}
		m.CongCtl = value
		m.lock(axCongCtl, lock)
	}
}

func (m *Metrics) lock(bit int, on bool) {
	if on {
		m.Lock |= 1 << bit
	}
}

// period reads a time. A bare number counts in the kernel's unit, as in ip
// route.
func (s *spot) period(name, value string, unit time.Duration) time.Duration {
	const most = time.Hour
	if n, err := strconv.ParseUint(value, 10, 32); err == nil && time.Duration(n) <= most/unit {
		return time.Duration(n) * unit
	}
	d, wrong := parseDuration(strings.ToLower(value))
	if wrong != "" || d > most || d%unit != 0 {
		s.errorf(`has the %s %s; allowed: a number in units of %s, or a time such as "100ms", up to 1h`, name, describe(value), formatDuration(unit))
	}
	return d
}

// finish settles the family, fills in defaults and checks the parts against
// each other. It returns false if the route cannot be used.
func (r *routeDraft) finish() bool {
	if r.failed {
		return false
	}
	r.finishFamily()
	for _, h := range r.hops {
		r.NextHops = append(r.NextHops, h.NextHop)
	}
	r.finishWay()
	r.finishTable()
	r.Protocol = r.mark(r.proto, r.NoTrack)
	r.finishScope()
	if r.Family == FamilyIPv4 {
		if r.From.IsValid() || r.Pref != 0 || r.Expires != 0 {
			r.errorf("has from, pref or expires, which only IPv6 routes have")
		}
	} else if r.TOS != 0 || r.Realms != 0 {
		r.warnf("tos and realms have no effect on an IPv6 route")
		r.TOS, r.Realms = 0, 0
	}
	return !r.failed
}

// finishFamily takes the family from what is said or from the addresses.
func (r *routeDraft) finishFamily() {
	r.Family = r.family
	of := func(a netip.Addr, said Family) {
		if r.Family != 0 || !a.IsValid() {
			return
		}
		r.Family = familyOf(a)
		if said != 0 { // via inet6 belongs to an IPv4 route
			r.Family = FamilyIPv4
		}
	}
	if !isDefault(r.to) {
		r.Dst = r.network("destination", r.to, 0)
		of(r.Dst.Addr(), 0)
	}
	of(r.Via, r.viaFamily)
	of(r.Src, 0)
	of(r.From.Addr(), 0)
	for _, h := range r.hops {
		of(h.Via, h.family)
	}
	if r.Family == 0 {
		r.Family = FamilyIPv4
	}
	if isDefault(r.to) {
		r.Dst = everything(r.Family)
	}
	if r.failed {
		return
	}
	ways := []netip.Addr{r.Via}
	for _, h := range r.hops {
		ways = append(ways, h.Via)
	}
	for _, a := range ways {
		if a.IsValid() && r.Family == FamilyIPv6 && a.Is4() {
			r.errorf("is an IPv6 route with the IPv4 gateway %s", a)
		}
	}
	for _, a := range []netip.Addr{r.Dst.Addr(), r.Src, r.From.Addr()} {
		if a.IsValid() && familyOf(a) != r.Family {
			r.errorf("is an %s route, to which %s does not belong", r.Family, a)
		}
	}
}

// finishWay checks where packets go.
func (r *routeDraft) finishWay() {
	switch {
	case r.Type.silent():
		if r.Via.IsValid() || len(r.NextHops) > 0 || r.Dev != "" && r.Family == FamilyIPv4 {
			r.errorf("is of type %s, which has no gateway and no interface", r.Type)
		}
		return
	case len(r.NextHops) > 0:
		if r.Via.IsValid() || r.Dev != "" || r.Onlink {
			r.errorf("has via, dev or onlink beside nexthop; put them into a nexthop")
		}
		for _, h := range r.NextHops {
			if !h.Via.IsValid() && h.Dev == "" {
				r.errorf("has a nexthop with neither via nor dev")
			}
			if h.Onlink && (h.Dev == "" || !h.Via.IsValid()) {
				r.errorf("has onlink in a nexthop without both via and dev")
			}
		}
	case !r.Via.IsValid() && r.Dev == "":
		r.errorf("has neither via nor dev, so it leads nowhere; add for example dev eth0")
	case r.Onlink && (r.Dev == "" || !r.Via.IsValid()):
		r.errorf("has onlink without both via and dev")
	}
	if r.Via.Is6() && r.Via.IsLinkLocalUnicast() && r.Dev == "" {
		r.errorf("has the link-local gateway %s, which says nothing without dev", r.Via)
	}
}

// finishTable settles the table: the kernel's own for local addresses.
func (r *routeDraft) finishTable() {
	switch {
	case r.table != "" && r.VRF != "":
		r.errorf("has both table and vrf, which says the table")
	case r.table != "":
		r.Table = r.named("table", fileTables, r.table, 1, 1<<32-1)
	case r.VRF != "":
	case r.Type == RouteLocal || r.Type == RouteBroadcast:
		r.Table = tableLocal
	default:
		r.Table = tableMain
	}
}

// finishScope settles the scope as ip route does.
func (r *routeDraft) finishScope() {
	if r.Family == FamilyIPv6 {
		if r.scope != "" {
			r.warnf("scope has no effect on an IPv6 route")
		}
		return
	}
	switch {
	case r.scope != "":
		r.Scope = uint8(r.named("scope", fileScopes, r.scope, 0, 255))
	case r.Type == RouteLocal:
		r.Scope = scopeHost
	case r.Type == RouteBroadcast || r.Type == RouteMulticast,
		r.Type == RouteUnicast && !r.Via.IsValid() && len(r.NextHops) == 0:
		r.Scope = scopeLink
	}
}

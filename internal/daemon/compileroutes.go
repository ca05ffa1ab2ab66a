package daemon

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/config"
	"hakeep/internal/netif"
	"hakeep/internal/wire"
)

// compileStatic translates what is in the kernel from the start to the end.
func compileStatic(cfg *config.Config) wire.Static {
	s := wire.Static{Routes: compileRoutes(cfg.StaticRoutes), Rules: compileRules(cfg.StaticRules)}
	for _, a := range cfg.StaticAddresses {
		s.Addresses = append(s.Addresses, compileAddress(a))
	}
	groups := map[string][]string{}
	for _, g := range cfg.TrackGroups {
		groups[g.Name] = g.Instances
	}
	follow := func(what, group string) {
		if names := groups[group]; len(names) > 0 {
			if s.Followers == nil {
				s.Followers = map[string][]string{}
			}
			s.Followers[what] = names
		}
	}
	for i, a := range cfg.StaticAddresses {
		follow(s.Addresses[i].Key().String(), a.TrackGroup)
	}
	for i, r := range cfg.StaticRoutes {
		follow(netif.Item{Route: &s.Routes[i]}.String(), r.TrackGroup)
	}
	for i, r := range cfg.StaticRules {
		follow(netif.Item{Rule: &s.Rules[i]}.String(), r.TrackGroup)
	}
	return s
}

func compileRoutes(list []config.Route) []netif.Route {
	var out []netif.Route
	for i := range list {
		out = append(out, compileRoute(&list[i]))
	}
	return out
}

func compileRoute(r *config.Route) netif.Route {
	out := netif.Route{
		Dst: r.Dst, Type: netif.RouteType(r.Type), Table: r.Table, VRF: r.VRF, Metric: r.Metric, TOS: r.TOS,
		From: r.From, Src: r.Src, Scope: r.Scope, Protocol: r.Protocol, Pref: routePref(r.Pref), Expires: r.Expires,
		Realms: r.Realms, Metrics: compileMetrics(&r.Metrics), CongCtl: r.Metrics.CongCtl,
		Placement: placement(r.Placement), NoTrack: r.NoTrack,
	}
	if r.Via.IsValid() || r.Dev != "" {
		out.NextHops = []netif.NextHop{{Via: r.Via, Dev: r.Dev, Onlink: r.Onlink}}
	}
	for _, h := range r.NextHops {
		out.NextHops = append(out.NextHops, netif.NextHop{Via: h.Via, Dev: h.Dev, Weight: h.Weight, Onlink: h.Onlink, Realms: h.Realms})
	}
	return out
}

func routePref(p config.RoutePref) netif.RoutePref {
	switch p {
	case config.PrefLow:
		return netif.PrefLow
	case config.PrefHigh:
		return netif.PrefHigh
	}
	return netif.PrefMedium // the kernel's default
}

func placement(p config.Placement) netif.Placement {
	switch p {
	case config.PlaceAdd:
		return netif.PlaceAlone
	case config.PlaceAppend:
		return netif.PlaceAppend
	}
	return netif.PlacePrepend
}

// compileMetrics translates metrics to the kernel's units: RTT in 1/8 ms,
// RTTVAR in 1/4 ms, RTO_MIN in ms.
func compileMetrics(m *config.Metrics) netif.Metrics {
	flag := func(on bool) uint32 {
		if on {
			return 1
		}
		return 0
	}
	return netif.Metrics{
		unix.RTAX_LOCK: m.Lock, unix.RTAX_MTU: m.MTU, unix.RTAX_HOPLIMIT: m.HopLimit, unix.RTAX_ADVMSS: m.AdvMSS,
		unix.RTAX_REORDERING: m.Reordering, unix.RTAX_WINDOW: m.Window, unix.RTAX_CWND: m.Cwnd, unix.RTAX_SSTHRESH: m.SSThresh,
		unix.RTAX_INITCWND: m.InitCwnd, unix.RTAX_INITRWND: m.InitRwnd,
		unix.RTAX_RTT: uint32(m.RTT * 8 / time.Millisecond), unix.RTAX_RTTVAR: uint32(m.RTTVar * 4 / time.Millisecond),
		unix.RTAX_RTO_MIN: uint32(m.RTOMin / time.Millisecond), unix.RTAX_QUICKACK: flag(m.QuickAck),
		unix.RTAX_FASTOPEN_NO_COOKIE: flag(m.FastOpenNoCookie), unix.RTAX_FEATURES: flag(m.ECN) * unix.RTAX_FEATURE_ECN,
	}
}

func compileRules(list []config.Rule) []netif.Rule {
	var out []netif.Rule
	for i := range list {
		out = append(out, compileRule(&list[i]))
	}
	return out
}

func compileRule(r *config.Rule) netif.Rule {
	out := netif.Rule{
		IPv6: r.Family == config.FamilyIPv6, Not: r.Not, From: r.From, To: r.To, IIF: r.IIF, OIF: r.OIF, TOS: r.TOS,
		TunID: r.TunnelID, UIDs: netif.UIDRange{Set: r.UIDs.Set, First: r.UIDs.First, Last: r.UIDs.Last},
		L3mdev: r.L3mdev, IPProto: r.IPProto, SPort: netif.PortRange(r.SPort), DPort: netif.PortRange(r.DPort),
		Priority: r.Priority, Action: netif.RuleAction(r.Action), Table: r.Table, Goto: r.Goto,
		SuppressPrefixLen: limit(r.SuppressPrefixLength), SuppressIfGroup: limit(r.SuppressIfGroup),
		Realms: r.Realms, Protocol: r.Protocol, NoTrack: r.NoTrack,
	}
	if r.FWMask != 0 {
		out.FWMark, out.FWMask = r.FWMark, r.FWMask
	}
	return out
}

func limit(n int) netif.Limit {
	if n == config.Unset {
		return netif.Limit{}
	}
	return netif.Limit{Set: true, Value: uint32(n)}
}

// items identify the routes and rules of a configuration, sorted.
func items(c *wire.Config) wire.LeftItems {
	var left wire.LeftItems
	add := func(routes []netif.Route, rules []netif.Rule) {
		for i := range routes {
			left.Routes = append(left.Routes, routes[i].Key())
		}
		for i := range rules {
			left.Rules = append(left.Rules, rules[i].Key())
		}
	}
	add(c.Static.Routes, c.Static.Rules)
	for i := range c.Instances {
		add(c.Instances[i].Routes, c.Instances[i].Rules)
	}
	return unionItems(left, wire.LeftItems{})
}

// unionItems returns what is in a or b once, sorted.
func unionItems(a, b wire.LeftItems) wire.LeftItems {
	all := wire.LeftItems{Routes: slices.Concat(a.Routes, b.Routes), Rules: slices.Concat(a.Rules, b.Rules)}
	slices.SortFunc(all.Routes, func(x, y netif.RouteKey) int {
		return cmp.Or(
			cmp.Compare(x.Table, y.Table), x.Dst.Compare(y.Dst), strings.Compare(x.From.String(), y.From.String()),
			cmp.Compare(x.TOS, y.TOS), cmp.Compare(x.Metric, y.Metric),
		)
	})
	slices.SortFunc(all.Rules, func(x, y netif.Rule) int { return strings.Compare(x.String(), y.String()) })
	all.Routes, all.Rules = slices.Compact(all.Routes), slices.Compact(all.Rules)
	return all
}

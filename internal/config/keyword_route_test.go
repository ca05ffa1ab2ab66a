package config

import (
	"net/netip"
	"time"
)

// onLink is a route of keepalived's plainest form.
func onLink(dst string) Route {
	p := netip.MustParsePrefix(dst)
	r := Route{
		Family: familyOf(p.Addr()), Type: RouteUnicast, Dst: p, Dev: "eth0", Table: 254, Protocol: 112, Placement: PlacePrepend,
	}
	if r.Family == FamilyIPv4 {
		r.Scope = 253
	}
	return r
}

func routeCases() []keywordCase {
	route := func(key, entry, dst string, f func(r *Route)) keywordCase {
		return keywordCase{key: "route entry/" + key, inst: "virtual_routes = [" + entry + "]", want: sets(func(in *Instance) {
			r := onLink(dst)
			f(&r)
			in.Routes = []Route{r}
		})}
	}
	v4 := func(key, words string, f func(r *Route)) keywordCase {
		return route(key, `"192.0.2.0/24 dev eth0 `+words+`"`, "192.0.2.0/24", f)
	}
	t4 := func(key, parts string, f func(r *Route)) keywordCase {
		return route(key, `{ to = "192.0.2.0/24", dev = "eth0", `+parts+` }`, "192.0.2.0/24", f)
	}
	v6 := func(key, words string, f func(r *Route)) keywordCase {
		return route(key, `"2001:db8::/32 dev eth0 `+words+`"`, "2001:db8::/32", f)
	}
	t6 := func(key, parts string, f func(r *Route)) keywordCase {
		return route(key, `{ to = "2001:db8::/32", dev = "eth0", `+parts+` }`, "2001:db8::/32", f)
	}
	hop := func(key, entry string, f func(h *NextHop)) keywordCase {
		c := route("nexthop", `{ to = "192.0.2.0/24", nexthop = [`+entry+`] }`, "192.0.2.0/24", func(r *Route) {
			h := NextHop{Via: ip("198.51.100.1"), Weight: 1}
			f(&h)
			r.Dev, r.Scope, r.NextHops = "", 0, []NextHop{h}
		})
		if key != "" {
			c.key = "nexthop entry/" + key
		}
		return c
	}
	nothing := func(*Route) {}
	via := func(r *Route) { r.Via, r.Scope = ip("198.51.100.1"), 0 }
	return []keywordCase{
		{key: "vrrp_instance/virtual_routes", inst: `virtual_routes = ["192.0.2.0/24 dev eth0", "192.0.2.0/24 dev eth0"]`, want: sets(func(in *Instance) { in.Routes = []Route{onLink("192.0.2.0/24")} })},
		{key: "/static_routes", root: `static_routes = ["unicast to 192.0.2.0/24 oif eth0"]`, want: func(c *Config, _ *Global, _ *Instance) { c.StaticRoutes = []Route{onLink("192.0.2.0/24")} }},
		v4("to", "", nothing),
		t4("to", "onlink = false", nothing),
		route("to", `"192.0.2.7/24 dev eth0"`, "192.0.2.0/24", nothing),
		route("to", `"192.0.2.7 dev eth0"`, "192.0.2.7/32", nothing),
		route("to", `"default via 198.51.100.1 dev eth0"`, "0.0.0.0/0", via),
		route("to", `"any via fe80::1 dev eth0"`, "::/0", func(r *Route) { r.Via = ip("fe80::1") }),
		route("type", `"blackhole 192.0.2.0/24"`, "192.0.2.0/24", func(r *Route) { r.Type, r.Dev, r.Scope = RouteBlackhole, "", 0 }),
		route("type", `{ to = "192.0.2.0/24", type = "throw" }`, "192.0.2.0/24", func(r *Route) { r.Type, r.Dev, r.Scope = RouteThrow, "", 0 }),
		route("type", `"local 192.0.2.0/24 dev lo"`, "192.0.2.0/24", func(r *Route) { r.Type, r.Dev, r.Scope, r.Table = RouteLocal, "lo", 254, 255 }),
		route("type", `"multicast 224.0.0.0/4 dev eth0"`, "224.0.0.0/4", func(r *Route) { r.Type = RouteMulticast }),
		route("type", `"broadcast 192.0.2.255 dev eth0"`, "192.0.2.255/32", func(r *Route) { r.Type, r.Table = RouteBroadcast, 255 }),
		route("type", `"inet6 unreachable default"`, "::/0", func(r *Route) { r.Type, r.Dev = RouteUnreachable, "" }),
		route("type", `"prohibit 2001:db8::/32"`, "2001:db8::/32", func(r *Route) { r.Type, r.Dev = RouteProhibit, "" }),
		route("family", `{ to = "default", family = "inet6", dev = "eth0" }`, "::/0", nothing),
		route("family", `"inet6 default dev eth0"`, "::/0", nothing),
		v4("via", "via 198.51.100.1", via),
		v4("via", "gw 198.51.100.1", via),
		t4("via", `via = "198.51.100.1"`, via),
		v4("via", "via inet6 2001:db8::1", func(r *Route) { r.Via, r.Scope = ip("2001:db8::1"), 0 }),
		route("via", `"default via inet6 fe80::1 dev eth0"`, "0.0.0.0/0", func(r *Route) { r.Via, r.Scope = ip("fe80::1"), 0 }),
		v6("via", "via fe80::1", func(r *Route) { r.Via = ip("fe80::1") }),
		route("dev", `"192.0.2.0/24 dev eth1"`, "192.0.2.0/24", func(r *Route) { r.Dev = "eth1" }),
		v4("src", "src 192.0.2.9", func(r *Route) { r.Src = ip("192.0.2.9") }),
		t4("src", `src = "192.0.2.9"`, func(r *Route) { r.Src = ip("192.0.2.9") }),
		v6("from", "from 2001:db8:1::/48", func(r *Route) { r.From = netip.MustParsePrefix("2001:db8:1::/48") }),
		t6("from", `from = "default"`, func(r *Route) { r.From = netip.MustParsePrefix("::/0") }),
		v4("table", "table 0x64", func(r *Route) { r.Table = 100 }),
		v4("table", "table local", func(r *Route) { r.Table = 255 }),
		t4("table", "table = 6909", func(r *Route) { r.Table = 6909 }),
		v4("protocol", "no_track protocol static", func(r *Route) { r.NoTrack, r.Protocol = true, 4 }),
		v4("protocol", "proto 99", nothing),
		t4("protocol", `no_track = true, protocol = 99`, func(r *Route) { r.NoTrack, r.Protocol = true, 99 }),
		v4("scope", "scope host", func(r *Route) { r.Scope = 254 }),
		t4("scope", `scope = 17`, func(r *Route) { r.Scope = 17 }),
		v6("scope", "scope link", nothing),
		v4("metric", "metric 100", func(r *Route) { r.Metric = 100 }),
		v4("metric", "priority 4294967295", func(r *Route) { r.Metric = 1<<32 - 1 }),
		t4("metric", "metric = 7", func(r *Route) { r.Metric = 7 }),
		v4("tos", "dsfield 10", func(r *Route) { r.TOS = 0x10 }),
		t4("tos", `tos = "0xff"`, func(r *Route) { r.TOS = 0xff }),
		v4("realms", "realms 10/20", func(r *Route) { r.Realms = 10<<16 | 20 }),
		t4("realms", "realms = 20", func(r *Route) { r.Realms = 20 }),
		v6("realms", "realms 7 tos 1", nothing),
		v4("vrf", "vrf blue", func(r *Route) { r.VRF, r.Table = "blue", 0 }),
		t4("vrf", `vrf = "blue"`, func(r *Route) { r.VRF, r.Table = "blue", 0 }),
		v4("onlink", "via 198.51.100.1 onlink", func(r *Route) { via(r); r.Onlink = true }),
		t4("onlink", `via = "198.51.100.1", onlink = true`, func(r *Route) { via(r); r.Onlink = true }),
		v6("pref", "pref high", func(r *Route) { r.Pref = PrefHigh }),
		t6("pref", `pref = "low"`, func(r *Route) { r.Pref = PrefLow }),
		v6("expires", "expires 60", func(r *Route) { r.Expires = time.Minute }),
		t6("expires", `expires = "60s"`, func(r *Route) { r.Expires = time.Minute }),
		v4("placement", "append", func(r *Route) { r.Placement = PlaceAppend }),
		t4("placement", `placement = "add"`, func(r *Route) { r.Placement = PlaceAdd }),
		v4("no_track", "no_track", func(r *Route) { r.NoTrack = true }),
		t4("no_track", "no_track = true", func(r *Route) { r.NoTrack = true }),
		{key: "route entry/track_group", root: `static_routes = [{ to = "192.0.2.0/24", dev = "eth0", track_group = "T" }]`, inst: groupT, want: func(c *Config, _ *Global, _ *Instance) {
			r := onLink("192.0.2.0/24")
			r.TrackGroup = "T"
			c.StaticRoutes, c.TrackGroups = []Route{r}, []TrackGroup{{Name: "T", Instances: []string{"VI_1"}}}
		}},
		v4("mtu", "mtu 1400", func(r *Route) { r.Metrics.MTU = 1400 }),
		t4("mtu", `mtu = "lock 1400"`, func(r *Route) { r.Metrics.MTU, r.Metrics.Lock = 1400, 1<<2 }),
		v4("hoplimit", "hoplimit lock 64", func(r *Route) { r.Metrics.HopLimit, r.Metrics.Lock = 64, 1<<10 }),
		v4("advmss", "advmss lock 1360", func(r *Route) { r.Metrics.AdvMSS, r.Metrics.Lock = 1360, 1<<8 }),
		v4("rtt", "rtt lock 100", func(r *Route) { r.Metrics.RTT, r.Metrics.Lock = 12500*time.Microsecond, 1<<4 }),
		t4("rtt", `rtt = "100ms"`, func(r *Route) { r.Metrics.RTT = 100 * time.Millisecond }),
		v4("rttvar", "rttvar lock 100", func(r *Route) { r.Metrics.RTTVar, r.Metrics.Lock = 25*time.Millisecond, 1<<5 }),
		v4("rto_min", "rto_min 200ms", func(r *Route) { r.Metrics.RTOMin, r.Metrics.Lock = 200*time.Millisecond, 1<<13 }),
		v4("reordering", "reordering lock 3", func(r *Route) { r.Metrics.Reordering, r.Metrics.Lock = 3, 1<<9 }),
		v4("window", "window lock 4", func(r *Route) { r.Metrics.Window, r.Metrics.Lock = 4, 1<<3 }),
		v4("cwnd", "cwnd lock 5", func(r *Route) { r.Metrics.Cwnd, r.Metrics.Lock = 5, 1<<7 }),
		v4("ssthresh", "ssthresh lock 6", func(r *Route) { r.Metrics.SSThresh, r.Metrics.Lock = 6, 1<<6 }),
		v4("initcwnd", "initcwnd lock 7", func(r *Route) { r.Metrics.InitCwnd, r.Metrics.Lock = 7, 1<<11 }),
		v4("initrwnd", "initrwnd lock 8 mtu lock 9", func(r *Route) { r.Metrics.InitRwnd, r.Metrics.MTU, r.Metrics.Lock = 8, 9, 1<<14|1<<2 }),
		v4("quickack", "quickack 1", func(r *Route) { r.Metrics.QuickAck = true }),
		t4("quickack", "quickack = true", func(r *Route) { r.Metrics.QuickAck = true }),
		v4("fastopen_no_cookie", "fastopen_no_cookie 1", func(r *Route) { r.Metrics.FastOpenNoCookie = true }),
		v4("features", "features ecn", func(r *Route) { r.Metrics.ECN = true }),
		v4("congctl", "congctl lock cubic", func(r *Route) { r.Metrics.CongCtl, r.Metrics.Lock = "cubic", 1<<16 }),
		hop("", `"nexthop via 198.51.100.1"`, func(*NextHop) {}),
		hop("via", `{ via = "inet6 fe80::1", dev = "eth0" }`, func(h *NextHop) { h.Via, h.Dev = ip("fe80::1"), "eth0" }),
		hop("dev", `{ dev = "eth1" }`, func(h *NextHop) { h.Via, h.Dev = netip.Addr{}, "eth1" }),
		hop("weight", `"via 198.51.100.1 weight 256"`, func(h *NextHop) { h.Weight = 256 }),
		hop("weight", `{ via = "198.51.100.1", weight = 2 }`, func(h *NextHop) { h.Weight = 2 }),
		hop("onlink", `{ via = "198.51.100.1", dev = "eth1", onlink = true }`, func(h *NextHop) { h.Dev, h.Onlink = "eth1", true }),
		hop("realms", `{ via = "198.51.100.1", realms = "1/2" }`, func(h *NextHop) { h.Realms = 1<<16 | 2 }),
		// The shape of an example in keepalived's manual.
		route("nexthop", `"192.0.2.0/24 table 6909 nexthop via 198.51.100.1 dev eth0 onlink weight 1 nexthop via 198.51.100.2 dev eth1 weight 2 no_track"`, "192.0.2.0/24", func(r *Route) {
			r.Dev, r.Scope, r.Table, r.NoTrack = "", 0, 6909, true
			r.NextHops = []NextHop{{Via: ip("198.51.100.1"), Dev: "eth0", Weight: 1, Onlink: true}, {Via: ip("198.51.100.2"), Dev: "eth1", Weight: 2}}
		}),
	}
}

func ruleCases() []keywordCase {
	rule := func(key, entry string, f func(r *Rule)) keywordCase {
		return keywordCase{key: "rule entry/" + key, inst: "virtual_rules = [" + entry + "]", want: sets(func(in *Instance) {
			r := Rule{Family: FamilyIPv4, Action: RuleLookup, Table: 100, Priority: 1000, Protocol: 112, SuppressPrefixLength: Unset, SuppressIfGroup: Unset}
			f(&r)
			in.Rules = []Rule{r}
		})}
	}
	line := func(key, words string, f func(r *Rule)) keywordCase {
		return rule(key, `"`+words+` preference 1000 table 100"`, f)
	}
	part := func(key, parts string, f func(r *Rule)) keywordCase {
		return rule(key, `{ `+parts+`, preference = 1000, table = 100 }`, f)
	}
	act := func(words string, f func(r *Rule)) keywordCase {
		return rule("action", words, func(r *Rule) { r.Table = 0; f(r) })
	}
	net := netip.MustParsePrefix
	nothing := func(*Rule) {}
	return []keywordCase{
		{key: "vrrp_instance/virtual_rules", inst: `virtual_rules = ["order 1000 lookup 100", "order 1000 lookup 100"]`, want: line("", "", nothing).want},
		{key: "/static_rules", root: `static_rules = ["table 100"]`, inst: `virtual_rules = ["table 100", "inet6 table 100"]`, want: func(c *Config, _ *Global, in *Instance) {
			r := Rule{Family: FamilyIPv4, Action: RuleLookup, Table: 100, Priority: 16384, Protocol: 112, SuppressPrefixLength: Unset, SuppressIfGroup: Unset}
			c.StaticRules = []Rule{r}
			r.Priority--
			six := r
			six.Family, six.Priority = FamilyIPv6, 16384
			in.Rules = []Rule{r, six}
		}},
		line("family", "inet6", func(r *Rule) { r.Family = FamilyIPv6 }),
		part("family", `family = "inet6"`, func(r *Rule) { r.Family = FamilyIPv6 }),
		line("not", "not from 192.0.2.0/24", func(r *Rule) { r.Not, r.From = true, net("192.0.2.0/24") }),
		part("not", "not = true", func(r *Rule) { r.Not = true }),
		line("from", "from 192.0.2.7/24 to all", func(r *Rule) { r.From = net("192.0.2.0/24") }),
		part("from", `from = "2001:db8::/32"`, func(r *Rule) { r.Family, r.From = FamilyIPv6, net("2001:db8::/32") }),
		line("to", "to 2001:db8::1", func(r *Rule) { r.Family, r.To = FamilyIPv6, net("2001:db8::1/128") }),
		part("to", `to = "192.0.2.0/24"`, func(r *Rule) { r.To = net("192.0.2.0/24") }),
		line("iif", "dev eth0", func(r *Rule) { r.IIF = "eth0" }),
		part("iif", `iif = "eth0"`, func(r *Rule) { r.IIF = "eth0" }),
		line("oif", "oif eth0", func(r *Rule) { r.OIF = "eth0" }),
		line("tos", "dsfield 22", func(r *Rule) { r.TOS = 0x22 }),
		part("tos", `tos = "0x10"`, func(r *Rule) { r.TOS = 0x10 }),
		line("fwmark", "fwmark 24/12", func(r *Rule) { r.FWMark, r.FWMask = 24, 12 }),
		line("fwmark", "fwmark 0", func(r *Rule) { r.FWMask = 1<<32 - 1 }),
		part("fwmark", `fwmark = 0x10`, func(r *Rule) { r.FWMark, r.FWMask = 16, 1<<32-1 }),
		rule("table", `"preference 1000 lookup main"`, func(r *Rule) { r.Table = 254 }),
		rule("table", `{ preference = 1000, table = "default" }`, func(r *Rule) { r.Table = 253 }),
		act(`{ preference = 1000, action = "goto 2000" }`, func(r *Rule) { r.Action, r.Goto = RuleGoto, 2000 }),
		act(`"goto 2000 table 7 preference 1000"`, func(r *Rule) { r.Action, r.Goto = RuleGoto, 2000 }),
		act(`"nop preference 1000"`, func(r *Rule) { r.Action = RuleNop }),
		act(`"preference 1000 blackhole"`, func(r *Rule) { r.Action = RuleBlackhole }),
		act(`{ preference = 1000, action = "unreachable" }`, func(r *Rule) { r.Action = RuleUnreachable }),
		act(`"preference 1000 prohibit"`, func(r *Rule) { r.Action = RuleProhibit }),
		rule("preference", `"priority 4294967295 table 100"`, func(r *Rule) { r.Priority = 1<<32 - 1 }),
		rule("preference", `"table 100"`, func(r *Rule) { r.Priority = 16384 }),
		line("realms", "realms 30/20", func(r *Rule) { r.Realms = 30<<16 | 20 }),
		line("suppress_prefixlength", "sup_pl 0", func(r *Rule) { r.SuppressPrefixLength = 0 }),
		part("suppress_prefixlength", "suppress_prefixlength = 32", func(r *Rule) { r.SuppressPrefixLength = 32 }),
		line("suppress_ifgroup", "sup_group default", func(r *Rule) { r.SuppressIfGroup = 0 }),
		part("suppress_ifgroup", "suppress_ifgroup = 7", func(r *Rule) { r.SuppressIfGroup = 7 }),
		line("tunnel-id", "tunnel-id 18446744073709551615", func(r *Rule) { r.TunnelID = 1<<64 - 1 }),
		part("tunnel-id", "tunnel-id = 7", func(r *Rule) { r.TunnelID = 7 }),
		line("uidrange", "uidrange 1000-1999", func(r *Rule) { r.UIDs = UIDRange{1000, 1999, true} }),
		part("uidrange", "uidrange = 0", func(r *Rule) { r.UIDs = UIDRange{0, 0, true} }),
		rule("l3mdev", `"l3mdev preference 1000"`, func(r *Rule) { r.L3mdev, r.Table = true, 0 }),
		rule("l3mdev", `{ l3mdev = true, preference = 1000 }`, func(r *Rule) { r.L3mdev, r.Table = true, 0 }),
		line("protocol", "protocol 12 no_track", func(r *Rule) { r.NoTrack, r.Protocol = true, 12 }),
		line("protocol", "protocol 12", nothing),
		line("ipproto", "ip_proto UDP", func(r *Rule) { r.IPProto = 17 }),
		part("ipproto", "ipproto = 132", func(r *Rule) { r.IPProto = 132 }),
		line("sport", "sport 10-20", func(r *Rule) { r.SPort = PortRange{10, 20} }),
		line("sport", "sport 10", func(r *Rule) { r.SPort = PortRange{10, 10} }),
		part("dport", `dport = 443`, func(r *Rule) { r.DPort = PortRange{443, 443} }),
		part("no_track", `no_track = true`, func(r *Rule) { r.NoTrack = true }),
		{key: "rule entry/track_group", root: `static_rules = [{ table = 100, preference = 1000, track_group = "T" }]`, inst: groupT, want: func(c *Config, _ *Global, in *Instance) {
			line("", "", func(r *Rule) { r.TrackGroup = "T" }).want(c, nil, in)
			c.StaticRules, in.Rules = in.Rules, nil
			c.TrackGroups = []TrackGroup{{Name: "T", Instances: []string{"VI_1"}}}
		}},
	}
}

func notifyCases() []keywordCase {
	tell := func(key, value string, f func(n *Notify)) keywordCase {
		return keywordCase{key: "vrrp_instance/" + key, inst: key + " = " + value, want: sets(func(in *Instance) { f(&in.Notify) })}
	}
	return []keywordCase{
		tell("notify", `["/x", "a b"]`, func(n *Notify) { n.Any = run("/x", "a b") }),
		tell("notify_master", `"/x 'a b'"`, func(n *Notify) { n.Master = run("/x", "a b") }),
		tell("notify_backup", `"/x"`, func(n *Notify) { n.Backup = run("/x") }),
		tell("notify_fault", `{ command = "/x", user = "1000", timeout = "5s" }`, func(n *Notify) {
			n.Fault = Command{Argv: []string{"/x"}, User: "1000", Timeout: 5 * time.Second}
		}),
		tell("notify_stop", `"x"`, func(n *Notify) { n.Stop = run("x") }),
		tell("notify_deleted", `true`, func(n *Notify) { n.DeletedState = true }),
		tell("notify_deleted", `false`, func(*Notify) {}),
		tell("notify_deleted", `"/x"`, func(n *Notify) { n.Deleted, n.DeletedState = run("/x"), true }),
		tell("notify_master_rx_lower_pri", `"/x"`, func(n *Notify) { n.MasterRxLowerPri = run("/x") }),
		tell("notify_priority_changes", `true`, func(n *Notify) { n.PriorityChanges = true }),
		{key: "vrrp_instance/smtp_alert", inst: "smtp_alert = true", want: sets(func(in *Instance) { in.SMTPAlert = true })},
		{key: "vrrp_instance/smtp_alert", global: "smtp_alert = true", inst: "smtp_alert = false", want: sets(func(*Instance) {})},
	}
}

func globalAroundCases() []keywordCase {
	global := func(key, text string, f func(g *Global)) keywordCase {
		return keywordCase{key: "global_defs/" + key, global: text, want: func(_ *Config, g *Global, _ *Instance) { f(g) }}
	}
	entry := func(key, text string, f func(g *Global)) keywordCase {
		c := global("", text, f)
		c.key = key
		return c
	}
	const nobody = "notify = \"/x\"\n"
	asUser := func(key, text string, f func(g *Global, c *Command)) keywordCase {
		return keywordCase{key: "global_defs/" + key, global: text, inst: nobody, want: func(_ *Config, g *Global, in *Instance) {
			in.Notify.Any = run("/x")
			f(g, &in.Notify.Any)
		}}
	}
	ten := run("/x", "y")
	ten.Timeout = 10 * time.Second
	reader := run("/x")
	reader.Timeout = 0
	pipe := FIFO{Path: "/run/f"}
	withReader := FIFO{Path: "/run/f", Script: reader}
	return []keywordCase{
		global("notification_email", `notification_email = ["a@example.com", "B <b@example.com>"]`, func(g *Global) { g.Mail.To = []string{"a@example.com", "B <b@example.com>"} }),
		global("notification_email_from", `notification_email_from = "a@example.com"`, func(g *Global) { g.Mail.From = "a@example.com" }),
		global("smtp_server", `smtp_server = "mail.example.com 587"`, func(g *Global) { g.Mail.Server, g.Mail.Port = "mail.example.com", 587 }),
		global("smtp_server", `smtp_server = "2001:db8::25"`, func(g *Global) { g.Mail.Server, g.Mail.Port = "2001:db8::25", 25 }),
		entry("smtp_server entry/host", `smtp_server = { host = "192.0.2.25" }`, func(g *Global) { g.Mail.Server, g.Mail.Port = "192.0.2.25", 25 }),
		entry("smtp_server entry/port", `smtp_server = { host = "192.0.2.25", port = 26 }`, func(g *Global) { g.Mail.Server, g.Mail.Port = "192.0.2.25", 26 }),
		global("smtp_helo_name", `smtp_helo_name = "lb1"`, func(g *Global) { g.Mail.Helo = "lb1" }),
		global("state_dump_file", `state_dump_file = "/run/x/a.data"`, func(g *Global) { g.Dumps.State = "/run/x/a.data" }),
		global("stats_dump_file", `stats_dump_file = "/run/x/a.stats"`, func(g *Global) { g.Dumps.Stats = "/run/x/a.stats" }),
		global("json_dump_file", `json_dump_file = "/run/x/a.json"`, func(g *Global) { g.Dumps.JSON = "/run/x/a.json" }),
		global("json_version", `json_version = 2`, func(g *Global) { g.Dumps.JSONVersion = 2 }),
		global("smtp_connect_timeout", `smtp_connect_timeout = "5s"`, func(g *Global) { g.Mail.ConnectTimeout = 5 * time.Second }),
		{key: "global_defs/smtp_alert", global: "smtp_alert = true", want: sets(func(in *Instance) { in.SMTPAlert = true })},
		{key: "global_defs/smtp_alert_vrrp", global: "smtp_alert_vrrp = true", want: sets(func(in *Instance) { in.SMTPAlert = true })},
		{key: "global_defs/smtp_alert_vrrp", global: "smtp_alert = true\nsmtp_alert_vrrp = false", want: sets(func(*Instance) {})},
		global("no_email_faults", `no_email_faults = true`, func(g *Global) { g.Mail.NoFaults = true }),
		global("notify_fifo", `notify_fifo = "/run/f"`, func(g *Global) { g.NotifyFIFO = pipe }),
		global("notify_fifo", `notify_fifo = "/run/../run/f root adm"`, func(g *Global) { g.NotifyFIFO = FIFO{Path: "/run/f", User: "root", Group: "adm"} }),
		global("notify_fifo_script", "notify_fifo = \"/run/f\"\nnotify_fifo_script = \"/x\"", func(g *Global) { g.NotifyFIFO = withReader }),
		global("vrrp_notify_fifo", `vrrp_notify_fifo = "/run/f"`, func(g *Global) { g.VRRPNotifyFIFO = pipe }),
		global("vrrp_notify_fifo_script", "vrrp_notify_fifo = \"/run/f\"\nvrrp_notify_fifo_script = [\"/x\"]", func(g *Global) { g.VRRPNotifyFIFO = withReader }),
		global("lvs_notify_fifo", `lvs_notify_fifo = "/run/f"`, func(g *Global) { g.LVSNotifyFIFO = pipe }),
		global("lvs_notify_fifo_script", "lvs_notify_fifo = \"/run/f\"\nlvs_notify_fifo_script = \"/x\"", func(g *Global) { g.LVSNotifyFIFO = withReader }),
		entry("FIFO entry/path", `notify_fifo = { path = "/run/f" }`, func(g *Global) { g.NotifyFIFO = pipe }),
		entry("FIFO entry/user", `notify_fifo = { path = "/run/f", user = "root" }`, func(g *Global) { g.NotifyFIFO = FIFO{Path: "/run/f", User: "root"} }),
		entry("FIFO entry/group", `notify_fifo = { path = "/run/f", user = "root", group = "adm" }`, func(g *Global) { g.NotifyFIFO = FIFO{Path: "/run/f", User: "root", Group: "adm"} }),
		{key: "global_defs/vrrp_notify_priority_changes", global: "vrrp_notify_priority_changes = true", want: sets(func(in *Instance) { in.Notify.PriorityChanges = true })},
		global("fifo_write_vrrp_states_on_reload", "fifo_write_vrrp_states_on_reload = true", func(g *Global) { g.FIFOWriteStatesOnReload = true }),
		asUser("script_user", `script_user = "haproxy adm"`, func(g *Global, c *Command) {
			g.ScriptUser, g.ScriptGroup, c.User, c.Group = "haproxy", "adm", "haproxy", "adm"
		}),
		asUser("script_user", `script_user = { user = "haproxy", group = ":" }`, func(g *Global, c *Command) { g.ScriptUser, c.User, c.SupplementaryGroups = "haproxy", "haproxy", true }),
		global("umask", `umask = "027"`, func(g *Global) { g.Umask = 0o27 }),
		global("umask", `umask = "0x3f"`, func(g *Global) { g.Umask = 0o77 }),
		global("umask", `umask = "0"`, func(g *Global) { g.Umask = 0 }),
		global("umask", `umask = "IWGRP | IROTH|S_IWOTH"`, func(g *Global) { g.Umask = 0o26 }),
		global("reload_file", `reload_file = "/run/../run/reload"`, func(g *Global) { g.ReloadFile = "/run/reload" }),
		global("reload_file", `reload_file = true`, func(g *Global) { g.ReloadFile = "hakeep.reload" }),
		global("use_pid_dir", "use_pid_dir = true", func(g *Global) { g.PIDDir = true }),
		global("enable_script_security", "enable_script_security = true", func(g *Global) { g.ScriptSecurity = true }),
		global("startup_script", `startup_script = "/x y"`, func(g *Global) { g.StartupScript = ten }),
		global("startup_script_timeout", "startup_script = \"/x\"\nstartup_script_timeout = \"60s\"", func(g *Global) { g.StartupScript = run("/x") }),
		global("shutdown_script", `shutdown_script = "/x y"`, func(g *Global) { g.ShutdownScript = ten }),
		global("shutdown_script_timeout", "shutdown_script = \"/x\"\nshutdown_script_timeout = \"60s\"", func(g *Global) { g.ShutdownScript = run("/x") }),
		global("net_namespace", `net_namespace = "blue"`, func(g *Global) { g.NetNamespace = "/run/netns/blue" }),
		global("net_namespace", `net_namespace = "/proc/1/ns/net"`, func(g *Global) { g.NetNamespace = "/proc/1/ns/net" }),
		{key: "global_defs/heal_double_master", global: "heal_double_master = false", want: func(_ *Config, g *Global, in *Instance) {
			g.HealDoubleMaster, in.HigherPrioSendAdvert = false, false
		}},
		global("iproute_etc_dir", `iproute_etc_dir = "/opt/etc/iproute2"`, func(*Global) {}),
		global("iproute_usr_dir", `iproute_usr_dir = "/opt/iproute2"`, func(*Global) {}),
	}
}

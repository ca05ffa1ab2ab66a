package config

import "slices"

// trackKeywords are those of the objects that instances can track.
func trackKeywords() []Keyword {
	name := Keyword{Name: "name", Kind: KindString, Required: true, Source: sourceArgument}
	script := later(blockScript, "check scripts", []Keyword{
		name,
		{Name: "script", Kind: KindCommand, Required: true},
		row("interval", KindDuration, `"1s"`, `"1ms" or more`),
		row("timeout", KindDuration, "<the interval>", `"1ms" or more`),
		row("weight", KindInt, "0", "-253 to 253, optionally reverse"),
		row("rise", KindInt, "1", "1 or more"),
		row("fall", KindInt, "1", "1 or more"),
		row("user", KindString, "<script_user>", "user, or user and group"),
	}, flags("init_fail"))
	file := later(blockFile, "tracked files", []Keyword{
		name,
		{Name: "file", Kind: KindString, Required: true, Range: "path"},
		row("weight", KindInt, "1", "-254 to 254, optionally reverse"),
		row("init_file", KindEntry, "0", "value, overwrite"),
	})
	process := later(blockProcess, "tracked processes", []Keyword{
		name,
		{Name: "process", Kind: KindCommand, Required: true},
		row("param_match", KindEnum, "<exact>", `"initial" or "partial"`),
		row("weight", KindInt, "0", "-254 to 254, optionally reverse"),
		row("quorum", KindInt, "1", "1 to 65535"),
		row("quorum_max", KindInt, "<none>", "1 to 65535"),
		row("delay", KindDuration, `"0s"`, `"1us" to "3600s"`),
		row("fork_delay", KindDuration, `"0s"`, `"1us" to "3600s"`),
		row("terminate_delay", KindDuration, `"0s"`, `"1us" to "3600s"`),
	}, flags("full_command"))
	return slices.Concat(script, file, process)
}

// groupKeywords are those of sync groups, track groups and groups of
// interfaces.
func groupKeywords() []Keyword {
	name := Keyword{Name: "name", Kind: KindString, Required: true, Source: sourceArgument}
	group := Keyword{Name: "group", Kind: KindStrings, Required: true, Range: "names of instances"}
	sync := later(blockSync, "sync groups", []Keyword{
		name, group,
		row("track_interface", KindEntries, "", ""),
		row("track_script", KindEntries, "", ""),
		row("track_file", KindEntries, "", ""),
		row("track_process", KindEntries, "", ""),
		row("track_bfd", KindEntries, "", ""),
		row("smtp_alert", KindBool, "<smtp_alert of global_defs>", ""),
		row("notify_priority_changes", KindBool, "<vrrp_notify_priority_changes>", ""),
		{Name: "global_tracking", Kind: KindBool, Fate: Warned, Reason: "keepalived ignores it too; weights are always tracked by the instances"},
	}, commands("notify_master", "notify_backup", "notify_fault", "notify_stop", "notify"), flags("sync_group_tracking_weight"))
	track := later(blockTrackGrp, "track groups", []Keyword{name, group})
	garp := later(blockGarpGrp, "pacing of announcements by groups of interfaces", []Keyword{
		row("garp_interval", KindDuration, "", `"1us" or more`),
		row("gna_interval", KindDuration, "", `"1us" or more`),
		row("interface", KindLink, "", ""),
		row("interfaces", KindStrings, "", ""),
	})
	links := slices.Concat(
		later(blockUpDown, "delays of link changes", []Keyword{row("<interface>", KindEntry, "", `down and up, "0s" to "255s"`)}),
		later(blockLinkbeat, "polling of links", []Keyword{row("<interface>", KindEnum, "", `"MII", "ETHTOOL" or "IOCTL"`)}),
	)
	return slices.Concat(sync, track, garp, links)
}

// bfdKeywords are those of [[bfd_instance]].
func bfdKeywords() []Keyword {
	return later(blockBFD, "BFD", []Keyword{
		{Name: "name", Kind: KindString, Required: true, Source: sourceArgument, Range: "at most 31 characters"},
		{Name: "neighbor_ip", Kind: KindAddr, Required: true},
		renamed("neighbour_ip", "neighbor_ip"),
		row("source_ip", KindAddr, "<the kernel's choice>", ""),
		row("min_rx", KindDuration, `"10ms"`, `"1ms" or more`),
		row("min_tx", KindDuration, `"10ms"`, `"1ms" or more`),
		row("idle_tx", KindDuration, `"1s"`, `"1s" or more`),
		row("multiplier", KindInt, "5", "1 to 255"),
		row("ttl", KindInt, "<255, or 64 with multihop>", "1 to 255"),
		row("hoplimit", KindInt, "<255, or 64 with multihop>", "1 to 255"),
		row("max_hops", KindInt, "0", "-1 to 255"),
		row("weight", KindInt, "0", "-253 to 253, optionally reverse"),
		row("vrrp", KindBool, "true", ""),
		row("checker", KindBool, "true", ""),
	}, flags("passive", "multihop"))
}

// routeKeywords are the named parts of routes and rules.
func routeKeywords() []Keyword {
	words := func(kind Kind, names ...string) []Keyword {
		rows := make([]Keyword, len(names))
		for i, n := range names {
			rows[i] = Keyword{Name: n, Kind: kind}
		}
		return rows
	}
	const route, rule = Block("route entry"), Block("rule entry")
	routes := later(route, "routes", []Keyword{
		{Name: "to", Kind: KindString, Required: true, Range: "address with length, or default"},
		row("type", KindEnum, `"unicast"`, `"unicast", "local", "broadcast", "multicast", "throw", "unreachable", "prohibit", "blackhole" or "nat"`),
		row("pref", KindEnum, "", `"low", "medium" or "high"`),
		row("placement", KindEnum, `"prepend"`, `"add", "prepend" or "append"`),
		row("nexthop", KindEntries, "", "via, dev, weight, onlink, encap, realms"),
		row("features", KindEnum, "", `"ecn"`),
		renamed("gw", "via"), renamed("oif", "dev"), renamed("or", "nexthop"),
		renamed("priority", "metric"), renamed("preference", "metric"), renamed("dsfield", "tos"),
	}, words(KindString, "via", "src", "from", "table", "protocol", "scope", "tos", "realms", "vrf", "congctl", "encap", "track_group"),
		words(KindLink, "dev"),
		words(KindInt, "metric", "mtu", "hoplimit", "advmss", "rtt", "rttvar", "reordering", "window", "cwnd", "ssthresh",
			"rto_min", "initcwnd", "initrwnd", "expires"),
		flags("onlink", "quickack", "fastopen_no_cookie", "ttl-propagate", "no_track", "inet", "inet6"))
	rules := later(rule, "rules", []Keyword{
		row("action", KindString, "", `"goto N", "nop", "blackhole", "unreachable" or "prohibit"`),
		row("sport", KindString, "", "first-last"),
		row("dport", KindString, "", "first-last"),
		row("uidrange", KindString, "", "first-last"),
		row("fwmark", KindString, "", "mark or mark/mask"),
		renamed("lookup", "table"), renamed("order", "preference"), renamed("priority", "preference"),
		renamed("dev", "iif"), renamed("dsfield", "tos"), renamed("sup_pl", "suppress_prefixlength"), renamed("sup_group", "suppress_ifgroup"),
	}, words(KindString, "from", "to", "table", "realms", "suppress_ifgroup", "protocol", "ipproto", "track_group"),
		words(KindLink, "iif", "oif"),
		words(KindInt, "tos", "preference", "suppress_prefixlength", "tunnel-id"),
		flags("not", "inet", "inet6", "l3mdev", "no_track"))
	return slices.Concat(routes, rules)
}

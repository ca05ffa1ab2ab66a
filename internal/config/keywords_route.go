package config

// routeKeywords are the named parts of routes and of gateways in them.
func routeKeywords() []Keyword {
	route := fill(BlockRoute, Done, "", []Keyword{
		{
			Name: "to", Kind: KindString, Required: true, Source: sourceArgument, Example: `"192.0.2.0/24"`, Range: `ADDRESS, ADDRESS/LENGTH or "default"`,
			Doc: "The destination.",
		},
		{
			Name: "type", Kind: KindEnum, Default: `"unicast"`, Source: sourceArgument,
			Words: []string{"unicast", "local", "broadcast", "multicast", "throw", "unreachable", "prohibit", "blackhole"},
			Doc:   "The type of the route.",
		},
		{
			Name: "family", Kind: KindEnum, Default: "<from the addresses>", Example: `"inet"`, Words: []string{"inet", "inet6"}, Source: sourceArgument,
			Doc: "The family, where the addresses do not say.",
		},
		{Name: "via", Kind: KindString, Example: `"198.51.100.1"`, Range: "an address, after inet or inet6 if the family is another one", Doc: "The gateway."},
		{Name: "dev", Kind: KindLink, Example: `"eth0"`, Doc: "The interface."},
		{Name: "src", Kind: KindString, Example: `"198.51.100.2"`, Range: "an address", Doc: "Preferred source address."},
		{Name: "from", Kind: KindString, Example: `"2001:db8::/64"`, Range: "ADDRESS or ADDRESS/LENGTH", Doc: "Sources that the route is for, IPv6 only."},
		{
			Name: "table", Kind: KindIntOrString, Default: `<"main", but "local" for the types local and broadcast>`, Example: `"main"`,
			Range: "a number from 1 to 4294967295, or a name from rt_tables", Doc: "The routing table.",
		},
		{
			Name: "protocol", Kind: KindIntOrString, Default: `"hakeep"`, Range: "a number from 0 to 255, or a name from rt_protos", Departure: "keepalived: 18",
			Doc: "Mark of who made the route; another one needs no_track.",
		},
		{
			Name: "scope", Kind: KindIntOrString, Default: "<as of ip route>", Example: `"link"`, Range: "a number from 0 to 255, or a name from rt_scopes",
			Doc: "How far the destination is away, IPv4 only.",
		},
		{Name: "metric", Kind: KindIntOrString, Default: "<the kernel's>", Example: "100", Range: "a number from 0 to 4294967295", Doc: "Less is better."},
		{Name: "tos", Kind: KindIntOrString, Example: `"0x10"`, Range: "a hexadecimal number up to ff, or a name from rt_dsfield", Doc: "Type of service that the route is for, IPv4 only."},
		{Name: "realms", Kind: KindIntOrString, Example: `"10/20"`, Range: "TO or FROM/TO: numbers from 0 to 65535, or names from rt_realms", Doc: "Realms, IPv4 only."},
		{Name: "vrf", Kind: KindLink, Example: `"blue"`, Doc: "The VRF whose table the route goes to, instead of table."},
		{Name: "onlink", Kind: KindBool, Default: "false", Doc: "Take the gateway to be on the link."},
		{Name: "pref", Kind: KindEnum, Words: []string{"low", "medium", "high"}, Example: `"medium"`, Doc: "Preference, IPv6 only."},
		{Name: "expires", Kind: KindIntOrString, Example: `"60s"`, Range: "whole seconds, 1 or more", Doc: "When the kernel removes it, IPv6 only."},
		{
			Name: "placement", Kind: KindEnum, Default: `"prepend"`, Words: []string{"add", "prepend", "append"}, Source: sourceArgument,
			Doc: "Where it goes beside others to the same destination; add fails if there is one.",
		},
		{
			Name: "nexthop", Kind: KindEntries, Entries: BlockNextHop, Example: `["via 198.51.100.1 dev eth0 weight 2"]`,
			Doc: "Gateways of a multipath route.",
		},
		{Name: "no_track", Kind: KindBool, Default: "false", Doc: "Ignore that another program removes it."},
		trackGroupRow(),
	}, []Keyword{renamed("gw", "via"), renamed("oif", "dev"), renamed("or", "nexthop"), renamed("priority", "metric"), renamed("preference", "metric"), renamed("dsfield", "tos")})
	hop := fill(BlockNextHop, Done, "", []Keyword{
		{Name: "via", Kind: KindString, Example: `"198.51.100.1"`, Range: "an address, after inet or inet6 if the family is another one", Doc: "The gateway."},
		{Name: "dev", Kind: KindLink, Example: `"eth0"`, Doc: "The interface."},
		{Name: "weight", Kind: KindInt, Default: "1", Min: 1, Max: 256, Doc: "Its share of the traffic."},
		{Name: "onlink", Kind: KindBool, Default: "false", Doc: "Take the gateway to be on the link."},
		{Name: "realms", Kind: KindIntOrString, Example: `"10/20"`, Range: "TO or FROM/TO: numbers from 0 to 65535, or names from rt_realms", Doc: "Realms, IPv4 only."},
	})
	const encap = "is not done: encapsulation"
	refused := func(b Block, names ...string) []Keyword {
		rows := make([]Keyword, len(names))
		for i, name := range names {
			rows[i] = Keyword{Name: name, Kind: KindString}
		}
		return fill(b, Refused, encap, rows)
	}
	return append(append(append(route, hop...), refused(BlockRoute, "encap", "ttl-propagate")...), refused(BlockNextHop, "encap")...)
}

// routeMetricKeywords are the named parts of routes about connections along
// them.
func routeMetricKeywords() []Keyword {
	number := func(name, example, doc string) Keyword {
		return Keyword{Name: name, Kind: KindIntOrString, Default: "<the kernel's>", Example: example, Range: `a number, or a text such as "lock ` + example + `"`, Doc: doc}
	}
	period := func(name, unit, doc string) Keyword {
		return Keyword{
			Name: name, Kind: KindString, Default: "<the kernel's>", Example: `"200ms"`,
			Range: `a time such as "200ms", or a number in units of ` + unit + `; with "lock " before it if need be`, Doc: doc,
		}
	}
	return fill(BlockRoute, Done, "", []Keyword{
		number("mtu", "1400", "Greatest packet."),
		number("hoplimit", "64", "TTL or hop limit of packets, up to 255."),
		number("advmss", "1360", "Greatest TCP segment that is announced."),
		period("rtt", "125us", "First estimate of the round trip."),
		period("rttvar", "250us", "First estimate of its variance."),
		period("rto_min", "1ms", "Least time to a retransmission; always locked."),
		number("reordering", "3", "Packets out of order before one is taken for lost."),
		number("window", "65535", "Greatest TCP window."),
		number("cwnd", "10", "Bound of the congestion window; needs lock."),
		number("ssthresh", "64", "First estimate of the slow start threshold."),
		number("initcwnd", "10", "First congestion window."),
		number("initrwnd", "10", "First receive window."),
		{Name: "quickack", Kind: KindBool, Default: "false", Doc: "Acknowledge at once."},
		{Name: "fastopen_no_cookie", Kind: KindBool, Default: "false", Doc: "TCP fast open without a cookie."},
		{Name: "features", Kind: KindEnum, Words: []string{"ecn"}, Example: `"ecn"`, Doc: "Explicit congestion notification."},
		{Name: "congctl", Kind: KindString, Default: "<the kernel's>", Example: `"cubic"`, Range: "a name, at most 15 characters", Doc: "Congestion control algorithm."},
	})
}

// ruleKeywords are the named parts of routing rules.
func ruleKeywords() []Keyword {
	prefix := func(name, doc string) Keyword {
		return Keyword{Name: name, Kind: KindString, Default: "<all>", Example: `"192.0.2.0/24"`, Range: `ADDRESS, ADDRESS/LENGTH or "all"`, Doc: doc}
	}
	ports := func(name, doc string) Keyword {
		return Keyword{
			Name: name, Kind: KindIntOrString, Default: "<all>", Example: `"8000-8080"`, Range: "a port, or FIRST-LAST",
			Departure: "keepalived: a single port is an error", Doc: doc,
		}
	}
	return fill(BlockRule, Done, "", []Keyword{
		{
			Name: "family", Kind: KindEnum, Default: "<from the addresses, else inet>", Example: `"inet"`, Words: []string{"inet", "inet6"}, Source: sourceArgument,
			Doc: "The family, where the addresses do not say.",
		},
		{Name: "not", Kind: KindBool, Default: "false", Doc: "Turn the selection around."},
		prefix("from", "Source addresses."), prefix("to", "Destination addresses."),
		{Name: "iif", Kind: KindLink, Default: "<all>", Example: `"eth0"`, Doc: "Interface that packets come in from."},
		{Name: "oif", Kind: KindLink, Default: "<all>", Example: `"eth1"`, Doc: "Interface that the socket is bound to."},
		{Name: "tos", Kind: KindIntOrString, Default: "<all>", Example: `"0x10"`, Range: "a hexadecimal number up to ff, or a name from rt_dsfield", Doc: "Type of service."},
		{Name: "fwmark", Kind: KindIntOrString, Default: "<all>", Example: `"0x10/0xff"`, Range: "MARK or MARK/MASK", Doc: "Mark of packets."},
		{
			Name: "table", Kind: KindIntOrString, Example: "100", Range: "a number from 1 to 4294967295, or a name from rt_tables",
			Doc: "Routing table that is looked up; needed unless there is an action or l3mdev.",
		},
		{
			Name: "action", Kind: KindString, Default: "<look up table>", Example: `"prohibit"`, Range: `"goto N", "nop", "blackhole", "unreachable" or "prohibit"`, Source: sourceArgument,
			Doc: "What is done instead of looking up a table.",
		},
		{
			Name: "preference", Kind: KindIntOrString, Default: "<16384, then downwards, with a warning>", Example: "1000", Range: "a number from 1 to 4294967295",
			Doc: "Rules with less come first.",
		},
		{Name: "realms", Kind: KindIntOrString, Example: `"10/20"`, Range: "TO or FROM/TO: numbers from 0 to 65535, or names from rt_realms", Doc: "Realms, IPv4 only."},
		{Name: "suppress_prefixlength", Kind: KindInt, Default: "<none>", Example: "0", Max: 128, Doc: "Take no route that is not longer than this."},
		{Name: "suppress_ifgroup", Kind: KindIntOrString, Default: "<none>", Example: "1", Range: "a number, or a name from group", Doc: "Take no route over an interface of this group."},
		{Name: "tunnel-id", Kind: KindIntOrString, Default: "<all>", Example: "7", Range: "a number", Doc: "Tunnel that packets came through."},
		{Name: "uidrange", Kind: KindIntOrString, Default: "<all>", Example: `"1000-1999"`, Range: "a number of a user, or FIRST-LAST", Doc: "Users that sockets belong to."},
		{Name: "l3mdev", Kind: KindBool, Default: "false", Doc: "Look up the table of the VRF."},
		{
			Name: "protocol", Kind: KindIntOrString, Default: `"hakeep"`, Range: "a number from 0 to 255, or a name from rt_protos", Departure: "keepalived: 18",
			Doc: "Mark of who made the rule; another one needs no_track.",
		},
		{Name: "ipproto", Kind: KindIntOrString, Default: "<all>", Example: `"tcp"`, Range: "a number from 1 to 255, or a name such as tcp, udp, icmp, sctp", Doc: "IP protocol."},
		ports("sport", "Source ports."), ports("dport", "Destination ports."),
		{Name: "no_track", Kind: KindBool, Default: "false", Doc: "Ignore that another program removes it."},
		trackGroupRow(),
	}, []Keyword{
		renamed("lookup", "table"), renamed("order", "preference"), renamed("priority", "preference"), renamed("dev", "iif"),
		renamed("dsfield", "tos"), renamed("sup_pl", "suppress_prefixlength"), renamed("sup_group", "suppress_ifgroup"), renamed("ip_proto", "ipproto"),
	})
}

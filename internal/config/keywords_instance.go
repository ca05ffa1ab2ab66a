package config

import "slices"

// instanceKeywords are those of [[vrrp_instance]] that are done, without the
// ones about sources and peers and about announcements.
func instanceKeywords() []Keyword {
	rows := []Keyword{
		{
			Name: "name", Kind: KindString, Example: `"VI_1"`, Required: true, Source: sourceArgument,
			Range: "at most 64 characters without blanks, quotes and slashes",
			Doc:   "Name of the instance in status, logs and notifications.",
		},
		{
			Name: "state", Kind: KindEnum, Words: []string{"MASTER", "BACKUP"}, Default: `<"MASTER" with priority 255, else "BACKUP">`, Example: `"BACKUP"`,
			Doc: "How the instance starts; it has no meaning later.",
		},
		{
			Name: "interface", Kind: KindLink, Example: `"eth0"`, Reload: ReloadRecreate,
			Doc: "Interface of the adverts and of virtual addresses without dev; required, except with unicast_peer and unicast_src_ip.",
		},
		{
			Name: "virtual_router_id", Kind: KindInt, Min: 1, Max: 255, Example: "51", Required: true, Reload: ReloadRecreate,
			Doc: "The VRID: the same on all routers of the virtual router, unique on the link.",
		},
		{
			Name: "priority", Kind: KindInt, Min: 1, Max: 255, Default: `<100, or 255 with state = "MASTER">`, Example: "100",
			Doc: "The highest one becomes master; 255 is for the owner of the addresses.",
		},
		{
			Name: "version", Kind: KindInt, Min: 2, Max: 3, Default: "<vrrp_version; 3 with IPv6>", Example: "3",
			Doc: "VRRP version; it has to be the same on all routers.",
		},
		{
			Name: "advert_int", Kind: KindDuration, Default: `"1s"`, Min: 10 * msec, Max: 255 * sec, Step: 10 * msec,
			Range: `version 3: "10ms" to "40.95s" in steps of 10ms; version 2: "1s" to "255s" in whole seconds`,
			Doc:   "Advertisement interval.",
		},
		{
			Name: "down_timer_adverts", Kind: KindInt, Min: 1, Max: 100, Default: "<vrrp_down_timer_adverts>", Example: "3",
			Doc: "Adverts that have to be missed before this router takes over.",
		},
		{
			Name: string(BlockAuth), Kind: KindTable, Entries: BlockAuth, Example: `{ auth_type = "PASS", auth_pass = "…" }`,
			Doc: "Authentication of version 2; it keeps mistakes out, not attackers.",
		},
		{
			Name: "virtual_ipaddress", Kind: KindEntries, Entries: BlockAddress, Example: `["192.0.2.10/24"]`,
			Doc: "The virtual addresses that are advertised, all of one family.",
		},
		{
			Name: "virtual_ipaddress_excluded", Kind: KindEntries, Entries: BlockAddress, Example: `["2001:db8::10/64"]`,
			Doc: "Further virtual addresses that move along but are not in the adverts; any family.",
		},
		{
			Name: "no_virtual_ipaddress", Kind: KindBool, Default: "false",
			Doc: "The instance has no virtual address on purpose.",
		},
		{
			Name: "native_ipv6", Kind: KindBool, Default: "false", Reload: ReloadRecreate,
			Doc: "The instance is IPv6 although it has no virtual addresses.",
		},
		{
			Name: "nopreempt", Kind: KindBool, Default: "false",
			Doc: "Leave a master of lower priority alone.",
		},
		{
			Name: "preempt", Kind: KindBool, Default: "true",
			Doc: "Take over from a master of lower priority; the opposite of nopreempt.",
		},
		{
			Name: "preempt_delay", Kind: KindDuration, Default: `"0s"`, Max: 1000 * sec, Step: msec,
			Doc: "How long to wait before taking over from a master of lower priority.",
		},
		{
			Name: "higher_prio_send_advert", Kind: KindBool, Default: "<vrrp_higher_prio_send_advert>", Example: "false",
			Doc: "Send one advert before giving way to a higher master.",
		},
		{
			Name: "lower_prio_no_advert", Kind: KindBool, Default: "<vrrp_lower_prio_no_advert>", Example: "false",
			Doc: "Do not answer an advert of lower priority.",
		},
		{
			Name: "fast_leave", Kind: KindBool, Default: "<fast_leave of global_defs>", Example: "false", Source: sourceHakeep,
			Doc: "Planned moves lose nothing: see global_defs.",
		},
		{
			Name: "fast_leave_interval", Kind: KindString, Default: "<fast_leave_interval of global_defs>", Example: `"100ms"`,
			Range: fastLeaveRange, Source: sourceHakeep, Doc: "See global_defs.",
		},
		{
			Name: "owner_ignore_adverts", Kind: KindBool, Default: "<vrrp_owner_ignore_adverts>", Example: "false",
			Doc: "With priority 255: drop all adverts.",
		},
		{
			Name: "accept", Kind: KindBool, Default: "<true, but false in strict mode below priority 255>", Example: "true",
			Doc: "The master answers packets to the virtual addresses.",
		},
		{
			Name: "no_accept", Kind: KindBool, Default: "<the opposite of accept>", Example: "false",
			Doc: "Packets to the virtual addresses are dropped, except what address resolution needs.",
		},
		{
			Name: "strict_mode", Kind: KindBool, Default: "<vrrp_strict>", Example: "false",
			Doc: "Follow the RFC strictly.",
		},
		{
			Name: "skip_check_adv_addr", Kind: KindBool, Default: "<vrrp_skip_check_adv_addr>", Example: "false",
			Doc: "Do not compare the address list of adverts of the current master.",
		},
		{
			Name: "dont_track_primary", Kind: KindBool, Default: "false",
			Doc: "Ignore whether the interface is up.",
		},
		{
			Name: "promote_secondaries", Kind: KindBool, Default: "false",
			Doc: "Set the sysctl of this name on the interface.",
		},
	}
	auth := fill(BlockAuth, Done, "", []Keyword{
		{
			Name: "auth_type", Kind: KindString, Range: `"PASS"`, Example: `"PASS"`, Required: true,
			Doc: "PASS; AH is refused.",
		},
		{
			Name: "auth_pass", Kind: KindString, Range: "1 to 8 bytes", Example: `"…"`, Required: true, Secret: true,
			Doc: "The password, in clear text in every advert.",
		},
	})
	return append(fill(BlockInstance, Done, "", rows), auth...)
}

// instanceSourceKeywords are those of [[vrrp_instance]] about where adverts
// come from and go to.
func instanceSourceKeywords() []Keyword {
	rows := []Keyword{
		{
			Name: "unicast_peer", Kind: KindEntries, Entries: BlockPeer, Example: `["192.0.2.2"]`, Reload: ReloadInPlace,
			Doc: "Send adverts to these routers instead of the multicast group.",
		},
		{
			Name: "unicast_src_ip", Kind: KindAddr, Default: "<the interface's address>", Example: `"192.0.2.1"`, Reload: ReloadRecreate,
			Doc: "Source address of unicast adverts.",
		},
		{
			Name: "mcast_src_ip", Kind: KindAddr, Default: "<the interface's address>", Example: `"192.0.2.1"`,
			Doc: "Source address of multicast adverts.",
		},
		{
			Name: "mcast_dst_ip", Kind: KindAddr, Default: "<vrrp_mcast_group4 or vrrp_mcast_group6>", Example: `"224.0.0.18"`, Reload: ReloadRecreate,
			Range: "a multicast address; IPv6: link-local (ff02::…)",
			Doc:   "Multicast group of the adverts.",
		},
		{
			Name: "track_src_ip", Kind: KindBool, Default: "false",
			Doc: "The instance is in fault while its source address is absent.",
		},
		{
			Name: "check_unicast_src", Kind: KindBool, Default: "<vrrp_check_unicast_src>", Example: "true",
			Doc: "Drop adverts from addresses that are not in unicast_peer.",
		},
		{
			Name: "unicast_fault_no_peer", Kind: KindBool, Default: "false",
			Doc: "With an empty unicast_peer: stay in fault instead of using multicast.",
		},
		{
			Name: "unicast_ttl", Kind: KindInt, Default: "255", Min: 1, Max: 255,
			Departure: "keepalived: the kernel's with IPv6, which peers with min_ttl refuse; and 0 is allowed, but such packets never leave the host",
			Doc:       "TTL or hop limit of unicast adverts.",
		},
		{
			Name: "v3_checksum_as_v2", Kind: KindBool, Default: "<v3_checksum_as_v2 of global_defs>", Example: "false",
			Doc: "Send IPv4 adverts of version 3 with a checksum without pseudo-header.",
		},
	}
	return fill(BlockInstance, Done, "", rows)
}

// instanceGarpKeywords are those of [[vrrp_instance]] about announcements.
func instanceGarpKeywords() []Keyword {
	rows := []Keyword{
		{
			Name: "garp_master_delay", Kind: KindDuration, Default: "<vrrp_garp_master_delay>", Example: `"5s"`, Max: 3600 * sec, Step: msec,
			Doc: `When the second burst of announcements follows; "0s" for none.`,
		},
		{
			Name: "garp_master_repeat", Kind: KindInt, Default: "<vrrp_garp_master_repeat>", Example: "5", Min: 1, Max: 1000,
			Doc: "Announcements an address in one burst.",
		},
		{
			Name: "garp_master_refresh", Kind: KindDuration, Default: "<vrrp_garp_master_refresh>", Example: `"0s"`, Max: 86400 * sec, Step: msec,
			Doc: `Period of announcements while master; "0s" for none.`,
		},
		{
			Name: "garp_master_refresh_repeat", Kind: KindInt, Default: "<vrrp_garp_master_refresh_repeat>", Example: "1", Max: 1000,
			Doc: "Announcements an address in one refresh.",
		},
		{
			Name: "garp_lower_prio_delay", Kind: KindDuration, Default: "<vrrp_garp_lower_prio_delay, else vrrp_garp_master_delay>", Example: `"5s"`, Max: 3600 * sec, Step: msec,
			Doc: "When the second burst follows after an advert of lower priority was heard.",
		},
		{
			Name: "garp_lower_prio_repeat", Kind: KindInt, Default: "<vrrp_garp_lower_prio_repeat, else vrrp_garp_master_repeat>", Example: "5", Max: 1000,
			Doc: "Announcements an address after an advert of lower priority was heard; 0 for none.",
		},
	}
	return fill(BlockInstance, Done, "", rows)
}

// instanceLaterKeywords are those of [[vrrp_instance]] that are refused or
// change nothing.
func instanceLaterKeywords() []Keyword {
	warned := func(reason string, kind Kind, name string) Keyword {
		return Keyword{Name: name, Kind: kind, Fate: Warned, Reason: reason}
	}
	warnings := fill(BlockInstance, Warned, "", []Keyword{
		warned("hakeep sizes its socket buffers itself", KindInt, "kernel_rx_buf_size"),
		warned("hakeep learns of link changes from the kernel and never polls", KindBool, "linkbeat_use_polling"),
		warned("keepalived has replaced it by lvs_sync_daemon of [global_defs]", KindLink, "lvs_sync_daemon_interface"),
		warned("use the daemon's log level", KindInt, "debug"),
		timerExpired(),
	})
	const hmac = Block("auth_hmac")
	return slices.Concat(warnings,
		later(BlockInstance, "BFD", []Keyword{row("track_bfd", KindEntries, "", "name, weight -253 to 253, reverse or noreverse")}),
		later(BlockInstance, "VMAC", []Keyword{
			row("use_vmac", KindBoolOrString, "false", "name, MAC address, netlink_notify_msg, group"),
			row("use_ipvlan", KindBoolOrString, "false", "name, address, bridge, private or vepa, group"),
			row("vrf", KindString, "", ""),
		}, flags("use_vmac_addr", "vmac_xmit_base")),
		later(BlockInstance, "announcements on further interfaces", []Keyword{
			row("garp_extra_if", KindDuration, "<vrrp_garp_extra_if>", `"1s" to "86400s", optionally all`),
			renamed("vmac_garp_intvl", "garp_extra_if"),
		}),
		later(BlockInstance, "the checksum of keepalived 1.3.6 and older", []Keyword{
			row("old_unicast_checksum", KindBoolOrString, "<automatic>", `true or "never"`),
		}),
		later(BlockInstance, "HMAC authentication", []Keyword{row(string(hmac), KindTable, "", "")}),
		later(hmac, "HMAC authentication", []Keyword{
			{Name: "key", Kind: KindStrings, Range: "id 1 to 255 and a key of 32 to 64 bytes", Required: true, Secret: true},
			row("active_key", KindInt, "", "1 to 255"),
			row("time_window", KindDuration, "<5s or 3 × advert_int>", `"1s" to "300s"`),
			row("anti_replay", KindEnum, `"time"`, `"time" or "monotonic"`),
			row("mode", KindEnum, `"enforce"`, `"enforce", "permissive" or "receive-only"`),
		}),
		fill(BlockInstance, Refused, "", []Keyword{renamed("thread_timer_expired", "timer_expired_backup")}),
	)
}

// timerExpired is the row of timer_expired_backup.
func timerExpired() Keyword {
	return Keyword{
		Name: "timer_expired_backup", Kind: KindBoolOrInt, Default: "false", Min: 1, Max: 254, Example: "true", Fate: Warned,
		Reason: "a master that was stopped for so long that a backup must have taken over always listens first, and steps down if it hears one",
	}
}

// instanceTrackKeywords are those of [[vrrp_instance]] about what it watches and
// what moves with it.
func instanceTrackKeywords() []Keyword {
	return fill(BlockInstance, Done, "", trackListRows("the instance"), []Keyword{
		{
			Name: "virtual_routes", Kind: KindEntries, Entries: BlockRoute, Example: `["192.0.2.0/24 via 198.51.100.1 dev eth0"]`,
			Range: "lines as of ip route, or tables", Doc: "Routes that are there while this router is master.",
		},
		{
			Name: "virtual_rules", Kind: KindEntries, Entries: BlockRule, Example: `["from 192.0.2.0/24 table 100 preference 1000"]`,
			Range: "lines as of ip rule, or tables", Doc: "Routing rules that are there while this router is master.",
		},
	})
}

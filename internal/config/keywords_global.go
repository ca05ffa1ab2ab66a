package config

// globalKeywords are those of [global_defs] that are done, without the timing
// of announcements and the start.
func globalKeywords() []Keyword {
	rows := []Keyword{
		{
			Name: "router_id", Kind: KindString, Default: "<the host's name>", Example: `"lb1"`,
			Doc: "Name of this host in status and mails.",
		},
		{
			Name: "instance", Kind: KindString, Default: `""`, Example: `"blue"`, Reload: ReloadRestart,
			Range: "letters, digits, '-', '_' and '.', at most 32",
			Doc:   "Tells several daemons of one host apart; part of the name of the nftables table.",
		},
		{
			Name: "vrrp_version", Kind: KindInt, Default: "3", Min: 2, Max: 3, Departure: "keepalived: 2",
			Doc: "VRRP version of instances that do not say; IPv6 is always version 3.",
		},
		{
			Name: "vrrp_mcast_group4", Kind: KindAddr, Default: `"224.0.0.18"`, Range: "an IPv4 multicast address", Reload: ReloadRecreate,
			Doc: "Multicast group of IPv4 adverts.",
		},
		{
			Name: "vrrp_mcast_group6", Kind: KindAddr, Default: `"ff02::12"`, Range: "an IPv6 link-local multicast address (ff02::…)", Reload: ReloadRecreate,
			Doc: "Multicast group of IPv6 adverts.",
		},
		{
			Name: "default_interface", Kind: KindLink, Default: `"eth0"`,
			Doc: "Interface of static addresses without dev.",
		},
		{
			Name: "nftables", Kind: KindBoolOrString, Default: `"hakeep"`, Reload: ReloadRestart,
			Range:     "a letter followed by letters, digits and '_', at most 32",
			Departure: `keepalived: "keepalived"; with instance, "hakeep_" and that name`,
			Doc:       "Name of the nftables table.",
		},
		{
			Name: "log_unknown_vrids", Kind: KindBool, Default: "false",
			Doc: "Log adverts of virtual routers that are not configured here.",
		},
		{
			Name: "realtime", Kind: KindBool, Default: "true", Source: sourceHakeep, Reload: ReloadRestart,
			Doc: "Run the elector under real-time scheduling where the system permits it.",
		},
		{
			Name: "main_timeout", Kind: KindDuration, Default: `"10s"`, Min: 100 * msec, Max: 3600 * sec, Step: msec, Source: sourceHakeep,
			Doc: "How long the elector keeps its state without the main process before it leaves in a planned way.",
		},
		{
			Name: "http_listen", Kind: KindAddrPort, Default: `"off"`, Example: `"127.0.0.1:9112"`, Source: sourceHakeep,
			Range: `an address with a port, such as "127.0.0.1:9112" or "[::1]:9112", or "off"`,
			Doc:   "Where /metrics, /status and /healthz are served.",
		},
		{
			Name: "vrrp_down_timer_adverts", Kind: KindInt, Default: "3", Min: 1, Max: 100,
			Doc: "Adverts that have to be missed before a backup takes over.",
		},
		{
			Name: "vrrp_lower_prio_no_advert", Kind: KindBool, Default: "false",
			Doc: "Do not answer an advert of lower priority.",
		},
		{
			Name: "vrrp_higher_prio_send_advert", Kind: KindBool, Default: "<heal_double_master>", Example: "false", Departure: "keepalived: off",
			Doc: "Send one advert before giving way to a higher master, so that it announces its addresses again.",
		},
		{
			Name: "vrrp_check_unicast_src", Kind: KindBool, Default: "true", Departure: "keepalived: off",
			Doc: "Drop unicast adverts from addresses that are not in unicast_peer.",
		},
		{
			Name: "vrrp_skip_check_adv_addr", Kind: KindBool, Default: "false",
			Doc: "Do not compare the address list of adverts of the current master.",
		},
		{
			Name: "vrrp_strict", Kind: KindBool, Default: "false",
			Doc: "Follow the RFC strictly; among other things, virtual addresses then answer nothing unless accept is set.",
		},
		{
			Name: "vrrp_owner_ignore_adverts", Kind: KindBool, Default: "false",
			Doc: "An address owner (priority 255) drops all adverts.",
		},
		{
			Name: "v3_checksum_as_v2", Kind: KindBool, Default: "false",
			Doc: "Send IPv4 adverts of version 3 with a checksum without pseudo-header (RFC 9568, 5.2.8); both forms are accepted always.",
		},
	}
	return fill(BlockGlobal, Done, "", rows)
}

// globalTimingKeywords are the durations and counts of [global_defs] that are
// done: announcements and start.
func globalTimingKeywords() []Keyword {
	rows := []Keyword{
		{
			Name: "vrrp_garp_master_delay", Kind: KindDuration, Default: `"5s"`, Max: 3600 * sec, Step: msec,
			Doc: `When the second burst of announcements follows; "0s" for none.`,
		},
		{
			Name: "vrrp_garp_master_repeat", Kind: KindInt, Default: "5", Min: 1, Max: 1000,
			Doc: "Announcements an address in one burst.",
		},
		{
			Name: "vrrp_garp_master_refresh", Kind: KindDuration, Default: `"0s"`, Max: 86400 * sec, Step: msec,
			Doc: `Period of announcements while master; "0s" for none.`,
		},
		{
			Name: "vrrp_garp_master_refresh_repeat", Kind: KindInt, Default: "1", Max: 1000,
			Doc: "Announcements an address in one refresh.",
		},
		{
			Name: "vrrp_garp_lower_prio_delay", Kind: KindDuration, Default: "<the master delay>", Example: `"5s"`, Max: 3600 * sec, Step: msec,
			Doc: "When the second burst follows after an advert of lower priority was heard.",
		},
		{
			Name: "vrrp_garp_lower_prio_repeat", Kind: KindInt, Default: "<the master repeat>", Example: "5", Max: 1000,
			Doc: "Announcements an address after an advert of lower priority was heard; 0 for none.",
		},
		{
			Name: "vrrp_garp_interval", Kind: KindDuration, Default: `"0s"`, Max: 10 * sec, Step: usec,
			Departure: "keepalived: an explicit 0 is an error",
			Doc:       `Least gap between two gratuitous ARPs on one interface; "0s" for none.`,
		},
		{
			Name: "vrrp_gna_interval", Kind: KindDuration, Default: `"0s"`, Max: 10 * sec, Step: usec,
			Departure: "keepalived: an explicit 0 is an error",
			Doc:       `Least gap between two unsolicited neighbour advertisements on one interface; "0s" for none.`,
		},
		{
			Name: "vrrp_min_garp", Kind: KindBool, Default: "false",
			Doc: "Announce once only, where repeat, delay and refresh are not set.",
		},
		{
			Name: "vrrp_startup_delay", Kind: KindDuration, Default: `"0s"`, Max: 3600 * sec, Step: msec, Reload: ReloadRestart,
			Doc: "Ignore adverts and stay down for this long after the start.",
		},
		{
			Name: "vrrp_delay_after_boot", Kind: KindDuration, Default: `"0s"`, Max: 3600 * sec, Step: msec, Reload: ReloadRestart,
			Doc: "The same, counted from the boot of the host; the longer of both wins.",
		},
	}
	return fill(BlockGlobal, Done, "", rows)
}

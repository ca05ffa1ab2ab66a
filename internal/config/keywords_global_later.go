package config

import "slices"

// globalLaterKeywords are those of [global_defs] that hakeep does not do yet.
func globalLaterKeywords() []Keyword {
	vmac := later(BlockGlobal, "VMAC", []Keyword{
		row("vmac_prefix", KindString, `"vrrp"`, ""),
		row("vmac_addr_prefix", KindString, "", ""),
	}, flags("disable_local_igmp"))
	garp := later(BlockGlobal, "announcements on further interfaces", []Keyword{
		row("vrrp_garp_extra_if", KindDuration, "", `"1s" to "86400s", optionally all`),
		renamed("vrrp_vmac_garp_intvl", "vrrp_garp_extra_if"),
	})
	reload := later(BlockGlobal, "reloads at a set time", []Keyword{
		row("reload_time_file", KindString, "", "path"),
	}, flags("reload_repeat"))
	return slices.Concat(vmac, garp, reload)
}

// globalWarnedKeywords are those of [global_defs] that are accepted so that
// files written for keepalived load, but that change nothing here.
func globalWarnedKeywords() []Keyword {
	warned := func(reason string, names ...string) []Keyword {
		rows := make([]Keyword, len(names))
		for i, name := range names {
			rows[i] = Keyword{Name: name, Kind: KindString}
		}
		return fill(BlockGlobal, Warned, reason, rows)
	}
	return slices.Concat(
		warned("interfaces may always appear and vanish while hakeep runs", "dynamic_interfaces"),
		warned("hakeep always checks a whole configuration before it takes it over", "reload_check_config"),
		warned("this file has no includes", "include_check"),
		warned("each address of a virtual_server_group is a service of its own; for one service of all of them mark their packets and write fwmark",
			"nftables_ipvs", "nftables_ipvs_priority", "nftables_ipvs_start_fwmark"),
		warned("rules name addresses, and an interface only by its name", "nftables_ifindex"),
		warned("nothing is written to merged configuration files", "config_save_dir", "tmp_config_directory"),
		warned("every daemon has dump files of its own in its runtime directory", "data_use_instance"),
		warned("process titles cannot be set",
			"process_names", "process_name", "vrrp_process_name", "checker_process_name", "bfd_process_name", "lvs_process_name"),
		warned("the elector runs with real-time priority, everything else with the normal one; realtime = false switches it off",
			"vrrp_priority", "checker_priority", "bfd_priority",
			"vrrp_rt_priority", "checker_rt_priority", "bfd_rt_priority",
			"vrrp_rlimit_rttime", "checker_rlimit_rttime", "bfd_rlimit_rttime",
			"vrrp_rlimit_rtime", "checker_rlimit_rtime", "bfd_rlimit_rtime",
			"max_auto_priority", "min_auto_priority_delay"),
		warned("the elector's memory is always locked where the system permits it, and no other process's is",
			"vrrp_no_swap", "checker_no_swap", "bfd_no_swap"),
		warned("the threads of the adverts have processors of their own among those that CPUAffinity= of the systemd unit leaves",
			"vrrp_cpu_affinity", "checker_cpu_affinity", "bfd_cpu_affinity"),
		warned("hakeep sizes its socket buffers itself",
			"vrrp_rx_bufs_policy", "vrrp_rx_bufs_multiplier",
			"vrrp_netlink_cmd_rcv_bufs", "vrrp_netlink_cmd_rcv_bufs_force",
			"vrrp_netlink_monitor_rcv_bufs", "vrrp_netlink_monitor_rcv_bufs_force",
			"lvs_netlink_cmd_rcv_bufs", "lvs_netlink_cmd_rcv_bufs_force",
			"lvs_netlink_monitor_rcv_bufs", "lvs_netlink_monitor_rcv_bufs_force",
			"process_monitor_rcv_bufs", "process_monitor_rcv_bufs_force"),
		warned("symbolic links in the path of a program are always followed anew at each run", "use_symlink_paths"),
		warned("programs always have the further groups of their user", "set_supplementary_groups"),
		warned("the random numbers of hakeep need no seed", "random_seed"),
		warned("hakeep uses nftables, not iptables and ipsets", "vrrp_iptables", "vrrp_ipsets"),
		warned("hakeep has no SNMP; use http_listen and /metrics",
			"snmp_socket", "enable_snmp_vrrp", "enable_snmp_keepalived", "enable_snmp_rfc", "enable_snmp_rfcv2", "enable_snmp_rfcv3",
			"enable_snmp_checker", "enable_traps", "snmp_vs_stats_update_interval", "snmp_rs_stats_update_interval"),
		warned("hakeep has no D-Bus interface; use hakeep status and hakeep events",
			"enable_dbus", "dbus_service_name", "dbus_no_interface_name"),
	)
}

package config

// globalMailKeywords are those of [global_defs] about mails and FIFOs.
func globalMailKeywords() []Keyword {
	mail := fill(BlockGlobal, Done, "", []Keyword{
		{
			Name: "notification_email", Kind: KindStrings, Example: `["admin@example.com"]`, Range: "addresses for mails",
			Doc: "Recipients of mails.",
		},
		{
			Name: "notification_email_from", Kind: KindString, Default: "<user@host>", Example: `"hakeep@lb1.example.com"`,
			Doc: "Sender of mails.",
		},
		{
			Name: "smtp_server", Kind: KindEntry, Entries: BlockServer, Example: `"192.0.2.25"`,
			Range: `a host, or a host and a port such as "mail.example.com 587"; the port is 25 unless given`,
			Doc:   "Relay for mails.",
		},
		{
			Name: "smtp_helo_name", Kind: KindString, Default: "<the host's name>", Example: `"lb1.example.com"`,
			Doc: "What this host calls itself to the relay.",
		},
		{
			Name: "smtp_connect_timeout", Kind: KindDuration, Default: `"30s"`, Min: sec, Max: 3600 * sec, Step: msec,
			Doc: "How long to wait for the relay.",
		},
		{Name: "smtp_alert", Kind: KindBool, Default: "<unset>", Example: "true", Doc: "Send mails on transitions of all instances, groups and servers that do not say."},
		{Name: "smtp_alert_vrrp", Kind: KindBool, Default: "<smtp_alert>", Example: "true", Doc: "The same for instances and groups only."},
		{Name: "no_email_faults", Kind: KindBool, Default: "false", Doc: "Send no mails about faults."},
	})
	fifo := func(name, what string) []Keyword {
		return []Keyword{
			{
				Name: name, Kind: KindEntry, Entries: BlockFIFO, Example: `"/run/hakeep/` + name + `"`, Range: "a whole path, and its owner: a user, or a user and a group",
				Doc: "Named pipe that " + what + " are written to.",
			},
			{
				Name: name + "_script", Kind: KindCommand, Entries: BlockCommand, Example: `["/etc/hakeep/fifo.sh"]`,
				Doc: "Program that is started to read it; the path is added as its last argument.",
			},
		}
	}
	fifos := fill(BlockGlobal, Done, "",
		fifo("notify_fifo", "all transitions"), fifo("vrrp_notify_fifo", "transitions of instances and groups"), fifo("lvs_notify_fifo", "transitions of servers"),
		[]Keyword{
			{Name: "vrrp_notify_priority_changes", Kind: KindBool, Default: "false", Doc: "Write changes of the priority to the FIFOs, too."},
			{Name: "fifo_write_vrrp_states_on_reload", Kind: KindBool, Default: "false", Doc: "Write all states to the FIFOs again after a reload."},
		})
	server := fill(BlockServer, Done, "", []Keyword{
		{Name: "host", Kind: KindString, Required: true, Source: sourceArgument, Example: `"192.0.2.25"`, Doc: "Name or address of the relay."},
		{Name: "port", Kind: KindInt, Default: "25", Source: sourceArgument, Min: 1, Max: 65535, Doc: "Its port."},
	})
	pipe := fill(BlockFIFO, Done, "", []Keyword{
		{Name: "path", Kind: KindString, Required: true, Source: sourceArgument, Example: `"/run/hakeep/notify_fifo"`, Range: "a whole path", Doc: "Where it is."},
		{Name: "user", Kind: KindString, Default: "<the daemon's>", Source: sourceArgument, Example: `"root"`, Doc: "User that it belongs to."},
		{Name: "group", Kind: KindString, Default: "<the user's>", Source: sourceArgument, Example: `"adm"`, Doc: "Group that it belongs to."},
	})
	return append(append(append(mail, fifos...), server...), pipe...)
}

// globalScriptKeywords are those of [global_defs] about programs that are run,
// and what else is around the instances.
func globalScriptKeywords() []Keyword {
	limit := func(name, what string) Keyword {
		return Keyword{Name: name, Kind: KindDuration, Default: `"10s"`, Min: sec, Max: 1000 * sec, Step: msec, Doc: "How long " + what + " may run."}
	}
	return fill(BlockGlobal, Done, "", []Keyword{
		{
			Name: "script_user", Kind: KindEntry, Entries: BlockAccount, Default: `"hakeep_script"`, Range: accountRange,
			Departure: "keepalived: keepalived_script, or root if there is no such user; hakeep never falls back to root",
			Doc:       "Whom programs run as that do not say.",
		},
		{
			Name: "umask", Kind: KindString, Default: `"022"`, Range: `octal with a leading 0 such as "027", hexadecimal such as "0x17", or names such as "IWGRP|IROTH|IWOTH"`,
			Doc: "Rights that files lack which programs make, and those of track_file.",
		},
		{
			Name: "reload_file", Kind: KindBoolOrString, Default: "false", Example: `"/run/hakeep/hakeep.reload"`, Range: "true for hakeep.reload in the runtime directory, or a whole path",
			Doc: "File that is there, and empty, while a reload reads the configuration.",
		},
		{Name: "enable_script_security", Kind: KindBool, Default: "false", Doc: "Refuse programs that root is to run and that others may write to."},
		{
			Name: "startup_script", Kind: KindCommand, Entries: BlockCommand, Example: `["/etc/hakeep/startup.sh"]`, Reload: ReloadRestart,
			Doc: "Run before anything else is done.",
		},
		limit("startup_script_timeout", "it"),
		{
			Name: "shutdown_script", Kind: KindCommand, Entries: BlockCommand, Example: `["/etc/hakeep/shutdown.sh"]`,
			Doc: "Run after everything else has ended.",
		},
		limit("shutdown_script_timeout", "it"),
		{
			Name: "net_namespace", Kind: KindString, Example: `"blue"`, Range: "a name as of ip netns, or a whole path", Reload: ReloadRestart,
			Doc: "Network namespace to run in.",
		},
		{
			Name: "use_pid_dir", Kind: KindBool, Default: "false", Reload: ReloadRestart,
			Doc: "hakeep keepalived has its pid files in /run/keepalived, as with instance or net_namespace; hakeep run has none.",
		},
		{
			Name: "heal_double_master", Kind: KindBool, Default: "true", Source: sourceHakeep,
			Doc: "After two masters were heard, the one that stays announces its addresses and runs its take-over commands again; not in strict mode.",
		},
		{
			Name: "nftables_priority", Kind: KindInt, Default: "-1", Min: -400, Max: 400,
			Doc: "Priority of the chains of no_accept: the smaller, the earlier.",
		},
		{
			Name: "nftables_counters", Kind: KindBool, Default: "false",
			Doc: "Count what the rules of no_accept drop; nft list shows it.",
		},
		{
			Name: "fast_leave", Kind: KindBool, Default: "true", Source: sourceHakeep,
			Doc: "Planned moves lose nothing: who leaves keeps its addresses until another router has them, who takes over has them before it says so. false does exactly what RFC 9568 says.",
		},
		{
			Name: "fast_leave_interval", Kind: KindString, Default: `"auto"`, Example: `"100ms"`, Range: fastLeaveRange, Source: sourceHakeep,
			Doc: "What a leaving master of version 3 teaches the backups, so that they take over sooner. auto: 10ms if there is one unicast peer, else 300ms.",
		},
		{
			Name: "iproute_etc_dir", Kind: KindString, Default: `"/etc/iproute2"`, Range: "a whole path",
			Doc: "Where rt_tables and the like are.",
		},
		{
			Name: "iproute_usr_dir", Kind: KindString, Default: `"/usr/share/iproute2"`, Range: "a whole path",
			Doc: "Where they are if they are not there.",
		},
	})
}

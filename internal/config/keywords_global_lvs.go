package config

// globalBalancingKeywords are those of [global_defs] about load balancing.
func globalBalancingKeywords() []Keyword {
	return fill(BlockGlobal, Done, "", []Keyword{
		{
			Name: "lvs_backend", Kind: KindEnum, Default: `"auto"`, Words: backendWords(), Source: sourceHakeep, Reload: ReloadRestart,
			Doc: "What puts services into the kernel. auto: ipvs if something needs it, nftables if something needs that, else ipvs if the kernel has it.",
		},
		{Name: "lvs_flush", Kind: KindBool, Default: "false", Reload: ReloadRestart, Doc: "Clear the whole IPVS table at the start, also of what is not hakeep's."},
		{
			Name: "lvs_flush_on_stop", Kind: KindBoolOrString, Default: "false", Example: `"VS"`, Range: `true, false or "VS"`,
			Doc: "Clear the whole IPVS table at the end; VS: take away services with their servers at once, rather than one by one.",
		},
		{
			Name: "lvs_expire_nodest_conn", Kind: KindBool, Default: "<IPVS: the kernel's; nftables: UDP only>", Example: "true", Source: sourceHakeep,
			Doc: "Forget the connections of a server that is taken out, so that clients find another one (true), or keep them (false): IPVS drops their packets while it is away, nftables goes on sending them there.",
		},
		{
			Name: "lvs_timeouts", Kind: KindEntry, Entries: BlockTimeouts, Default: "<the kernel's>", Example: `"tcp 900 tcpfin 120 udp 300"`,
			Range: "tcp, tcpfin and udp, each with seconds",
			Doc:   "How long IPVS keeps idle connections.",
		},
		{
			Name: "lvs_sync_daemon", Kind: KindEntry, Entries: BlockSyncd, Default: "<off>", Example: `"eth1 VI_1 id 51"`,
			Range: "an interface, an instance, and id, maxlen, port, ttl, group with their values",
			Doc:   "Tell other directors of connections; IPVS only.",
		},
		{
			Name: "net_namespace_ipvs", Kind: KindString, Default: "<net_namespace>", Example: `"blue"`, Range: "a name as of ip netns, or a whole path", Reload: ReloadRestart,
			Doc: "Network namespace whose IPVS table is used.",
		},
		{Name: "smtp_alert_checker", Kind: KindBool, Default: "<smtp_alert>", Example: "true", Doc: "Send mails about virtual and real servers that do not say."},
		{Name: "no_checker_emails", Kind: KindBool, Default: "false", Doc: "Send mails when a server comes and goes only, not when one of its checkers does."},
		{Name: "checker_log_all_failures", Kind: KindBool, Default: "false", Doc: "Log every probe that fails, not only when a checker does."},
		{
			Name: "checker_untracked_mark", Kind: KindInt, Default: "0", Max: 1<<32 - 1, Example: "4096", Source: sourceHakeep,
			Doc: "Firewall mark of probes that have no fwmark; connection tracking does not see the packets of sockets with it, and a firewall has to let in what is untracked. 0 for none.",
		},
		{Name: "rs_init_notifies", Kind: KindBool, Default: "false", Doc: "Tell of every server at the start, not only of changes."},
		renamed("lvs_flush_onstop", "lvs_flush_on_stop"),
	})
}

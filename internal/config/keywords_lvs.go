package config

import "slices"

// virtualServerKeywords are those of load balancing without the checkers.
func virtualServerKeywords() []Keyword {
	const what = "load balancing"
	ssl := later(blockSSL, what, []Keyword{
		{Name: "password", Kind: KindString, Secret: true},
		row("ca", KindString, "", "path"),
		row("certificate", KindString, "", "path"),
		row("key", KindString, "", "path"),
	})
	group := later(blockVSGroup, what, []Keyword{
		{Name: "name", Kind: KindString, Required: true, Source: sourceArgument},
		row("address", KindEntries, "", "address, range or network with port, or fwmark and family"),
	})
	method := `"NAT", "DR" or "TUN", optionally with the kind of tunnel`
	vs := later(blockVS, what, []Keyword{
		{Name: "address", Kind: KindString, Source: sourceArgument, Range: "address and port"},
		{Name: "fwmark", Kind: KindInt, Source: sourceArgument},
		{Name: "group", Kind: KindString, Source: sourceArgument, Range: "name of a virtual_server_group"},
		row("protocol", KindEnum, `"UDP"`, `"TCP", "UDP" or "SCTP"`),
		row("lvs_sched", KindEnum, `"wlc"`, "rr wrr lc wlc lblc lblcr sh mh dh sed nq fo ovf twos"),
		row("lb_algo", KindEnum, `"wlc"`, "as lvs_sched"),
		row("lvs_method", KindEnum, `"NAT"`, method),
		row("lb_kind", KindEnum, `"NAT"`, method),
		row("ip_family", KindEnum, "<from the addresses>", `"inet" or "inet6"`),
		row("persistence_timeout", KindDuration, "<off; 360s as a flag>", ""),
		row("persistence_granularity", KindString, "<host>", "netmask or prefix length"),
		row("persistence_engine", KindEnum, "", `"sip"`),
		row("quorum", KindInt, "1", "1 or more"),
		row("hysteresis", KindInt, "0", "0 to quorum - 1"),
		row("sorry_server", KindString, "", "address and port"),
		row("sorry_server_lvs_method", KindEnum, "<lvs_method>", method),
		row("weight", KindInt, "1", "1 or more"),
		row("virtualhost", KindString, "", "name of the host"),
		row("smtp_alert", KindBool, "<smtp_alert of global_defs, else false>", ""),
		{Name: "snmp_name", Kind: KindString, Fate: Warned, Reason: "hakeep has no SNMP"},
		row(string(blockRS), KindTables, "", "at least one"),
	}, commands("quorum_up", "quorum_down"),
		probing(`"60s"`, "<the checker's>", `"5s"`),
		flags("hashed", "ops", "flag-1", "flag-2", "flag-3", "sh-port", "sh-fallback", "mh-port", "mh-fallback",
			"inhibit_on_failure", "alpha", "omega", "sorry_server_inhibit", "ha_suspend"))
	rs := later(blockRS, what, []Keyword{
		{Name: "address", Kind: KindString, Required: true, Source: sourceArgument, Range: "address and port"},
		row("weight", KindInt, "<the service's>", "0 to 65535"),
		row("virtualhost", KindString, "<the service's>", "name of the host"),
		row("smtp_alert", KindBool, "<smtp_alert of global_defs, else true>", ""),
		row("lvs_method", KindEnum, "<the service's>", method),
		row("uthreshold", KindInt, "", "0 or more"),
		row("lthreshold", KindInt, "", "0 or more"),
		row("inhibit_on_failure", KindBool, "<the service's>", ""),
		row("alpha", KindBool, "<the service's>", ""),
		{Name: "snmp_name", Kind: KindString, Fate: Warned, Reason: "hakeep has no SNMP"},
	}, commands("notify_up", "notify_down"), checkerTables(),
		probing("<the service's>", "<the service's>", "<the service's>"))
	return slices.Concat(ssl, group, vs, rs)
}

// probing returns rows of what services, servers and checkers have in common.
func probing(loop, retry, connect string) []Keyword {
	return []Keyword{
		row("delay_loop", KindDuration, loop, "more than 0"),
		row("connect_timeout", KindDuration, connect, ""),
		row("retry", KindInt, retry, "1 or more"),
		row("delay_before_retry", KindDuration, retry, ""),
		row("warmup", KindDuration, "<delay_loop>", ""),
	}
}

// checkerNames are the blocks of checkers below a real server.
func checkerNames() []string {
	return []string{
		"TCP_CHECK", "HTTP_GET", "SSL_GET", "SMTP_CHECK", "DNS_CHECK",
		"MISC_CHECK", "UDP_CHECK", "PING_CHECK", "BFD_CHECK", "FILE_CHECK",
	}
}

func checkerTables() []Keyword {
	var rows []Keyword
	for _, name := range checkerNames() {
		rows = append(rows, row(name, KindTables, "", ""))
	}
	return rows
}

// checkerKeywords are those of the checkers.
func checkerKeywords() []Keyword {
	own := map[string][]Keyword{
		"SMTP_CHECK": {
			row("helo_name", KindString, "", ""),
			row("host", KindTable, "", "old form of connect_ip, connect_port and bindto"),
		},
		"DNS_CHECK": {
			row("type", KindEnum, `"SOA"`, "A NS CNAME SOA MX TXT AAAA RRSIG DNSKEY"),
			row("name", KindString, `"."`, ""),
		},
		"MISC_CHECK": append([]Keyword{
			{Name: "misc_path", Kind: KindCommand, Required: true},
			row("misc_timeout", KindDuration, "<delay_loop>", ""),
			row("user", KindString, "<script_user>", "user, or user and group"),
		}, flags("misc_dynamic")...),
		"UDP_CHECK": {
			row("payload", KindString, "", "hexadecimal"),
			row("require_reply", KindBoolOrString, "false", "hexadecimal, X for any digit"),
			row("min_reply_length", KindInt, "0", ""),
			row("max_reply_length", KindInt, "255", ""),
		},
		"BFD_CHECK": {{Name: "name", Kind: KindString, Required: true}},
		"FILE_CHECK": {
			{Name: "track_file", Kind: KindString, Required: true},
			row("weight", KindInt, "<the file's>", "optionally reverse or noreverse"),
		},
	}
	own["HTTP_GET"] = append([]Keyword{
		row("url", KindEntries, "", "at least one"),
		row("virtualhost", KindString, "<the server's>", "name of the host"),
		renamed("nb_get_retry", "retry"),
		row("http_protocol", KindEnum, `"1.0"`, `"1.0", "1.0C" or "1.1"`),
	}, flags("fast_recovery")...)
	own["SSL_GET"] = slices.Concat(own["HTTP_GET"], []Keyword{row("sni_name", KindString, "", "")}, flags("enable_sni", "tls_compliant"))

	var all []Keyword
	for _, name := range checkerNames() {
		all = append(all, later(Block(name), "load balancing", own[name], checkerCommon())...)
	}
	url := later("url", "load balancing", []Keyword{
		{Name: "path", Kind: KindString, Required: true},
		row("digest", KindString, "", "MD5, hexadecimal"),
		row("status_code", KindStrings, `"200-299"`, "numbers and ranges"),
		row("virtualhost", KindString, "", ""),
		row("regex", KindString, "", ""),
		row("regex_options", KindStrings, "", ""),
		row("regex_stack", KindString, "", "start and maximum"),
		row("regex_min_offset", KindInt, "", ""),
		row("regex_max_offset", KindInt, "", ""),
	}, flags("regex_no_match", "tls_compliant"))
	return append(all, url...)
}

// checkerCommon returns rows of the options that every checker has.
func checkerCommon() []Keyword {
	return slices.Concat([]Keyword{
		row("connect_ip", KindAddr, "<the server's>", ""),
		row("connect_port", KindInt, "<the server's>", "1 to 65535"),
		row("bindto", KindAddr, "", ""),
		row("bind_port", KindInt, "", "1 to 65535"),
		row("bind_if", KindLink, "", ""),
		row("fwmark", KindInt, "", ""),
		row("alpha", KindBool, "<the server's>", ""),
		row("log_all_failures", KindBool, "<checker_log_all_failures>", ""),
	}, probing("<the server's>", "<the server's>", "<the server's>"))
}

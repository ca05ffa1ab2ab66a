package config

import "slices"

// Blocks of load balancing.
const (
	BlockSSL      Block = "SSL"
	BlockVSGroup  Block = "virtual_server_group"
	BlockVS       Block = "virtual_server"
	BlockRS       Block = "real_server"
	BlockSorry    Block = "server entry"
	BlockMember   Block = "service entry"
	BlockMethod   Block = "lvs_method entry"
	BlockTimeouts Block = "lvs_timeouts entry"
	BlockSyncd    Block = "lvs_sync_daemon entry"
)

const (
	// maxSeconds is the longest time that IPVS takes: it counts in jiffies, of which
	// there are up to 1000 in a second, with 31 bits.
	maxSeconds = int64(1<<31-1) / 1000 * sec
	// shortestLoop is the shortest time between two probes.
	shortestLoop = 10 * msec

	methodRange  = `"NAT", "DR" or "TUN"; behind TUN type ipip, gre or gue port N, and nocsum, csum or remcsum`
	addressRange = `an address, and a port behind a colon or a blank, such as "192.0.2.10:80", "[2001:db8::10]:80" or "192.0.2.10"`
)

// schedulers are IPVS's, and random.
func schedulers() []string {
	return []string{"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "sed", "nq", "fo", "ovf", "twos", SchedulerRandom}
}

// tlsKeywords are those of the block SSL.
func tlsKeywords() []Keyword {
	file := func(name, doc string) Keyword {
		return Keyword{Name: name, Kind: KindString, Range: "a whole path", Example: `"/etc/hakeep/` + name + `.pem"`, Doc: doc}
	}
	ca := file("ca", "Authorities that sign the servers' certificates, where tls_verify is true.")
	ca.Default, ca.Departure = "<those of the system>", "keepalived: read, but no certificate is ever verified"
	key := file("key", "Its private key.")
	key.Default = "<the file of certificate>"
	return fill(BlockSSL, Done, "", []Keyword{
		file("certificate", "Certificate that checkers show."), key,
		{Name: "password", Kind: KindString, Secret: true, Fate: Refused, Reason: "hakeep reads keys without a password only; write one with openssl pkey, readable for root alone"},
		ca,
	})
}

// serviceGroupKeywords are those of virtual_server_group and of its entries.
func serviceGroupKeywords() []Keyword {
	group := fill(BlockVSGroup, Done, "", []Keyword{
		{
			Name: "name", Kind: KindString, Required: true, Source: sourceArgument, Example: `"web"`,
			Range: "at most 64 characters without blanks, quotes and slashes", Doc: "Name of the group in virtual_server.",
		},
		{
			Name: "address", Kind: KindEntries, Required: true, Entries: BlockMember, Source: sourceArgument, Example: `["192.0.2.10 80", "192.0.2.16/29 80"]`,
			Range: "an address, a range such as 192.0.2.10-20 or a network such as 192.0.2.16/29, and a port; or fwmark, a number and inet or inet6",
			Doc:   "What the group consists of: each address and mark is a service of its own.",
		},
	})
	member := fill(BlockMember, Done, "", []Keyword{
		{
			Name: "address", Kind: KindString, Source: sourceArgument, Example: `"192.0.2.10-20"`,
			Range: "an address, a range of its last number or to another address, or a network", Doc: "The addresses.",
		},
		{Name: "port", Kind: KindInt, Source: sourceArgument, Default: "0", Max: 65535, Doc: "Their port; 0 for all ports."},
		{Name: "fwmark", Kind: KindInt, Source: sourceArgument, Example: "1", Min: 1, Max: 1<<32 - 1, Doc: "A firewall mark instead of addresses."},
		{Name: "ip_family", Kind: KindEnum, Source: sourceArgument, Default: "<of the real servers>", Words: []string{"inet", "inet6"}, Example: `"inet"`, Doc: "Address family of the mark."},
	})
	return slices.Concat(group, member)
}

// virtualServerKeywords are those of virtual_server.
func virtualServerKeywords() []Keyword {
	what := []Keyword{
		{Name: "address", Kind: KindString, Source: sourceArgument, Range: addressRange, Example: `"192.0.2.10:80"`, Doc: "What clients connect to; without a port all ports, which needs persistence_timeout."},
		{Name: "fwmark", Kind: KindInt, Source: sourceArgument, Example: "1", Min: 1, Max: 1<<32 - 1, Doc: "A firewall mark instead of an address; IPVS only."},
		{Name: "group", Kind: KindString, Source: sourceArgument, Range: "the name of a [[virtual_server_group]]", Example: `"web"`, Doc: "A group of addresses and marks instead of one."},
		{
			Name: "protocol", Kind: KindEnum, Words: []string{"TCP", "UDP", "SCTP"}, Example: `"TCP"`,
			Departure: "keepalived: UDP, with a complaint; here it has to be written, unless it is a mark", Doc: "Transport protocol.",
		},
		{
			Name: "lvs_sched", Kind: KindEnum, Default: `"wlc"`, Words: schedulers(), Departure: "random is hakeep's own",
			Doc: "How a server is chosen. The nftables back end has rr, wrr, sh, mh and random.",
		},
		{Name: "lvs_method", Kind: KindEntry, Entries: BlockMethod, Default: `"NAT"`, Range: methodRange, Doc: "How packets get to a server. The nftables back end has NAT."},
		{
			Name: "ip_family", Kind: KindEnum, Default: "<of the real servers>", Words: []string{"inet", "inet6"}, Example: `"inet"`,
			Doc: "Address family of marks that do not say.",
		},
		{
			Name: "persistence_timeout", Kind: KindDuration, Default: "<off; 360s without a port>", Example: `"360s"`, Min: sec, Max: maxSeconds, Step: sec,
			Doc: "How long a client stays with its server.",
		},
		{
			Name: "persistence_granularity", Kind: KindIntOrString, Default: "<single hosts>", Range: "a length of a prefix, or an IPv4 netmask", Example: "24",
			Doc: "Clients of one network of this size count as one.",
		},
		{Name: "persistence_engine", Kind: KindEnum, Words: []string{"sip"}, Doc: "Tells clients apart by the Call-ID of SIP; IPVS only."},
		{Name: "quorum", Kind: KindInt, Default: "1", Min: 1, Max: 1<<31 - 1, Doc: "Sum of the weights of servers that the service needs to be up."},
		{Name: "hysteresis", Kind: KindInt, Default: "0", Max: 1<<31 - 1, Range: "0 to quorum - 1", Doc: "How much more it takes to come up, and less to go down."},
		{Name: "weight", Kind: KindInt, Default: "1", Min: 1, Max: 65535, Doc: "Weight of real servers that do not say."},
		{Name: "virtualhost", Kind: KindString, Default: "<the server's address>", Example: `"www.example.com"`, Range: "the name of a host", Doc: "Host header of HTTP_GET and SSL_GET."},
		{Name: "smtp_alert", Kind: KindBool, Default: "<smtp_alert_checker or smtp_alert of global_defs, else false>", Example: "true", Doc: "Send mails when the quorum is gained and lost."},
		{Name: "snmp_name", Kind: KindString, Fate: Warned, Reason: "hakeep has no SNMP"},
		{Name: string(BlockRS), Kind: KindTables, Required: true, Entries: BlockRS, Example: "[[virtual_server.real_server]]", Doc: "One server; repeated for each."},
	}
	flag := func(name, doc string) Keyword { return Keyword{Name: name, Kind: KindBool, Default: "false", Doc: doc} }
	return fill(BlockVS, Done, "", what, sorryKeywords(), []Keyword{
		flag("hashed", "IPVS's flag of this name."),
		flag("ops", "One-packet scheduling: every datagram by itself; UDP and marks, IPVS only."),
		flag("flag-1", "IPVS's first flag of the scheduler: sh-fallback, mh-fallback."),
		flag("flag-2", "IPVS's second flag of the scheduler: sh-port, mh-port."),
		flag("flag-3", "IPVS's third flag of the scheduler."),
		flag("sh-fallback", "lvs_sched sh: take another server if that of the hash has weight 0."),
		flag("sh-port", "lvs_sched sh: hash the client's port, too."),
		flag("mh-fallback", "lvs_sched mh: take another server if that of the hash has weight 0."),
		flag("mh-port", "lvs_sched mh: hash the client's port, too."),
		flag("alpha", "Servers count as failed until their checkers have passed once."),
		flag("omega", "When hakeep stops, run notify_down and quorum_down, and send mails."),
		flag("inhibit_on_failure", "A failed server stays in the kernel with weight 0."),
		{
			Name: "ha_suspend", Kind: KindBool, Default: "false", Departure: "keepalived: never probes for a group",
			Doc: "Probe only while an address of the service is on this host.",
		},
		{
			Name: "masquerade", Kind: KindBool, Default: "false", Source: sourceHakeep,
			Doc: "Replies come back through this router whatever the servers' routes say, which do not see the clients' addresses then; nftables only.",
		},
		hook("quorum_up", "when the quorum is gained"), hook("quorum_down", "when it is lost"),
	}, serverProbing())
}

// sorryKeywords are those of the server of last resort.
func sorryKeywords() []Keyword {
	return []Keyword{
		{Name: "sorry_server", Kind: KindString, Range: addressRange, Example: `"192.0.2.99:80"`, Doc: "Server that gets the traffic while the quorum is lost."},
		{Name: "sorry_server_inhibit", Kind: KindBool, Default: "false", Doc: "Keep it in the kernel with weight 0 while it is not used."},
		{Name: "sorry_server_lvs_method", Kind: KindEntry, Entries: BlockMethod, Default: "<lvs_method>", Example: `"NAT"`, Range: methodRange, Doc: "How packets get to it."},
		renamed("lb_algo", "lvs_sched"),
		renamed("lb_kind", "lvs_method"),
	}
}

// hook is the row of a command that is run at a moment.
func hook(name, when string) Keyword {
	return Keyword{Name: name, Kind: KindCommand, Entries: BlockCommand, Example: `["/etc/hakeep/` + name + `.sh"]`, Doc: "Run " + when + "."}
}

// serverProbing are rows of what virtual servers say for all of their checkers.
func serverProbing() []Keyword {
	return []Keyword{
		{
			Name: "delay_loop", Kind: KindDuration, Default: `"60s"`, Min: shortestLoop, Max: 86400 * sec, Step: msec,
			Departure: "keepalived: 1us or more", Doc: "Time from one probe to the next.",
		},
		{Name: "connect_timeout", Kind: KindDuration, Default: `"5s"`, Min: msec, Max: 3600 * sec, Step: msec, Doc: "How long a probe may take."},
		{Name: "retry", Kind: KindInt, Default: "<the checker's>", Min: 1, Max: 65535, Example: "1", Doc: "How many more probes may fail before a checker does."},
		{Name: "delay_before_retry", Kind: KindDuration, Default: "<the checker's>", Max: 3600 * sec, Step: msec, Example: `"1s"`, Doc: "Time between these."},
		{Name: "warmup", Kind: KindDuration, Default: "<delay_loop>", Max: 86400 * sec, Step: msec, Example: `"5s"`, Doc: "The first probe comes at a random moment of this time."},
	}
}

// ownProbing are the same rows for who can say otherwise.
func ownProbing(least int64, whose string) []Keyword {
	rows := serverProbing()
	for i := range rows {
		rows[i].Example = rows[i].example()
		rows[i].Default, rows[i].Departure = whose, ""
		if rows[i].Name == "retry" {
			rows[i].Min = least
		}
	}
	return rows
}

// realServerKeywords are those of real_server without the checkers.
func realServerKeywords() []Keyword {
	const service = "<the virtual server's>"
	rows := []Keyword{
		{
			Name: "address", Kind: KindString, Required: true, Source: sourceArgument, Range: addressRange, Example: `"10.0.0.11:8080"`,
			Doc: "The server; without a port that of the virtual server, and always so unless lvs_method is NAT.",
		},
		{Name: "weight", Kind: KindInt, Default: service, Max: 65535, Example: "1", Doc: "Its share of the connections; 0 for no new ones."},
		{Name: "lvs_method", Kind: KindEntry, Entries: BlockMethod, Default: service, Range: methodRange, Example: `"NAT"`, Doc: "How packets get to it."},
		{Name: "uthreshold", Kind: KindInt, Default: "0", Max: 1<<31 - 1, Doc: "It gets no new connections while it has more; 0 for no bound. IPVS only."},
		{Name: "lthreshold", Kind: KindInt, Default: "0", Max: 1<<31 - 1, Range: "0 to uthreshold", Doc: "It gets new ones again when it has fewer; 0 for no bound. IPVS only."},
		{Name: "inhibit_on_failure", Kind: KindBool, Default: service, Example: "true", Doc: "When it failed it stays in the kernel with weight 0."},
		{Name: "alpha", Kind: KindBool, Default: service, Example: "true", Doc: "It counts as failed until its checkers have passed once."},
		{Name: "virtualhost", Kind: KindString, Default: service, Example: `"www.example.com"`, Range: "the name of a host", Doc: "Host header of HTTP_GET and SSL_GET."},
		{Name: "smtp_alert", Kind: KindBool, Default: "<smtp_alert_checker or smtp_alert of global_defs, else true>", Example: "true", Doc: "Send mails when it comes and goes."},
		{Name: "snmp_name", Kind: KindString, Fate: Warned, Reason: "hakeep has no SNMP"},
		hook("notify_up", "when it comes"), hook("notify_down", "when it goes"),
	}
	return fill(BlockRS, Done, "", rows, ownProbing(1, service), checkerTables())
}

// lvsEntryKeywords are the named parts of lines of load balancing.
func lvsEntryKeywords() []Keyword {
	method := fill(BlockMethod, Done, "", []Keyword{
		{Name: "method", Kind: KindEnum, Required: true, Source: sourceArgument, Words: methodWords(), Doc: "The method."},
		{Name: "type", Kind: KindEnum, Default: `"ipip"`, Source: sourceArgument, Words: tunnelWords(), Doc: "Encapsulation of TUN."},
		{Name: "port", Kind: KindInt, Source: sourceArgument, Min: 1, Max: 65535, Example: "6080", Doc: "Port of gue."},
		{Name: "checksum", Kind: KindEnum, Default: `"nocsum"`, Source: sourceArgument, Words: checksumWords(), Doc: "Checksum of the outer packets of gue and gre."},
	})
	seconds := func(name, what string) Keyword {
		return Keyword{Name: name, Kind: KindDuration, Default: "<the kernel's>", Source: sourceArgument, Example: `"300s"`, Min: sec, Max: maxSeconds, Step: sec, Doc: what}
	}
	timeouts := fill(BlockTimeouts, Done, "", []Keyword{
		seconds("tcp", "TCP connections."), seconds("tcpfin", "TCP connections that one side has closed."), seconds("udp", "UDP."),
	})
	kernel := func(name string, least, most int64, example, doc string) Keyword {
		return Keyword{Name: name, Kind: KindInt, Default: "<the kernel's>", Source: sourceArgument, Min: least, Max: most, Example: example, Doc: doc}
	}
	syncd := fill(BlockSyncd, Done, "", []Keyword{
		{Name: "interface", Kind: KindLink, Required: true, Source: sourceArgument, Example: `"eth1"`, Doc: "Interface that messages take."},
		{
			Name: "instance", Kind: KindString, Source: sourceArgument, Range: "the name of a [[vrrp_instance]]", Example: `"VI_1"`,
			Doc: "Who is master sends, the others receive; without it all do both.",
		},
		{Name: "id", Kind: KindInt, Default: "<virtual_router_id of the instance, else 0>", Source: sourceArgument, Max: 255, Example: "51", Doc: "Number that the directors have in common."},
		kernel("maxlen", 1, 65507, "1472", "Largest message."), kernel("port", 1, 65535, "8848", "UDP port."), kernel("ttl", 1, 255, "1", "TTL of the messages."),
		{Name: "group", Kind: KindAddr, Default: "<the kernel's>", Source: sourceArgument, Range: "a multicast address", Example: `"224.0.0.81"`, Doc: "Where they go."},
	})
	return slices.Concat(method, timeouts, syncd)
}

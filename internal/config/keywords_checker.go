package config

import "slices"

// Blocks of checkers. blockChecker is that of what all of them have.
const (
	BlockChecker    Block = "checker"
	BlockURL        Block = "url"
	BlockTCPCheck   Block = "TCP_CHECK"
	BlockHTTPGet    Block = "HTTP_GET"
	BlockSSLGet     Block = "SSL_GET"
	BlockSMTPCheck  Block = "SMTP_CHECK"
	BlockDNSCheck   Block = "DNS_CHECK"
	BlockMiscCheck  Block = "MISC_CHECK"
	BlockUDPCheck   Block = "UDP_CHECK"
	BlockPingCheck  Block = "PING_CHECK"
	BlockFileCheck  Block = "FILE_CHECK"
	BlockGRPCCheck  Block = "GRPC_CHECK"
	BlockRedisCheck Block = "REDIS_CHECK"
	BlockMySQLCheck Block = "MYSQL_CHECK"
	BlockPGSQLCheck Block = "PGSQL_CHECK"
	blockBFDCheck   Block = "BFD_CHECK"
)

// checkerDocs are the checkers with what they do, in the order of the manual.
func checkerDocs() [][2]string {
	return [][2]string{
		{string(BlockTCPCheck), "A TCP connection is accepted."},
		{string(BlockHTTPGet), "Pages are as they should be."},
		{string(BlockSSLGet), "Pages are as they should be, by HTTPS."},
		{string(BlockSMTPCheck), "A mail server greets."},
		{string(BlockDNSCheck), "A name server answers a question."},
		{string(BlockMiscCheck), "A program ends with exit status 0."},
		{string(BlockUDPCheck), "A datagram is not refused, or answered as it should be."},
		{string(BlockPingCheck), "ICMP echo requests are answered."},
		{string(BlockFileCheck), "A number in a file is the weight."},
		{string(BlockGRPCCheck), "The health service of gRPC says SERVING."},
		{string(BlockRedisCheck), "Redis answers PING."},
		{string(BlockMySQLCheck), "MySQL or MariaDB greets, or lets log in."},
		{string(BlockPGSQLCheck), "PostgreSQL is ready to let somebody in."},
	}
}

// isChecker reports whether a block is that of a checker.
func (b Block) isChecker() bool {
	if b == "" || b[0] < 'A' || b[0] > 'Z' { // most are not, and it is asked for each block of a file
		return false
	}
	return b == blockBFDCheck || slices.ContainsFunc(checkerDocs(), func(c [2]string) bool { return c[0] == string(b) })
}

// checkerTables are the checkers as keywords of real_server.
func checkerTables() []Keyword {
	var rows []Keyword
	for _, c := range checkerDocs() {
		k := Keyword{Name: c[0], Kind: KindTables, Entries: Block(c[0]), Example: "[virtual_server.real_server." + c[0] + "]", Doc: c[1]}
		if Block(c[0]).ours() {
			k.Source = sourceHakeep
		}
		rows = append(rows, k)
	}
	return append(rows, later(BlockRS, "BFD", []Keyword{row(string(blockBFDCheck), KindTables, "", "")})...)
}

// ours reports whether the checker is hakeep's own.
func (b Block) ours() bool {
	return b == BlockGRPCCheck || b == BlockRedisCheck || b == BlockMySQLCheck || b == BlockPGSQLCheck
}

// checkerKeywords are those of the checkers.
func checkerKeywords() []Keyword {
	const server = "<the server's>"
	common := fill(BlockChecker, Done, "", ownProbing(0, server), []Keyword{
		{Name: "connect_ip", Kind: KindAddr, Default: server, Example: `"10.0.0.11"`, Doc: "Where to connect."},
		{Name: "connect_port", Kind: KindInt, Default: server, Min: 1, Max: 65535, Example: "8081", Doc: "Port to connect to."},
		{Name: "bindto", Kind: KindAddr, Default: "<the kernel's choice>", Example: `"10.0.0.1"`, Doc: "Source address of the probes."},
		{Name: "bind_port", Kind: KindInt, Default: "<the kernel's choice>", Min: 1, Max: 65535, Example: "50000", Doc: "Source port of the probes."},
		{Name: "bind_if", Kind: KindLink, Default: "<the kernel's choice>", Example: `"eth1"`, Doc: "Interface that the probes take."},
		{Name: "fwmark", Kind: KindInt, Default: "<checker_untracked_mark>", Max: 1<<32 - 1, Example: "77", Doc: "Firewall mark of the probes' packets; 0 for none."},
		{Name: "alpha", Kind: KindBool, Default: server, Example: "true", Doc: "The checker counts as failed until it has passed once."},
		{Name: "log_all_failures", Kind: KindBool, Default: "<checker_log_all_failures>", Example: "true", Doc: "Log every probe that fails, not only when the checker does."},
	})
	return slices.Concat(common, plainCheckerKeywords(), webKeywords(), ownCheckerKeywords(),
		later(blockBFDCheck, "BFD", []Keyword{{Name: "name", Kind: KindString, Required: true}}))
}

// plainCheckerKeywords are those of the checkers of keepalived's but HTTP.
func plainCheckerKeywords() []Keyword {
	smtp := fill(BlockSMTPCheck, Done, "", []Keyword{
		{Name: "helo_name", Kind: KindString, Default: `"smtpchecker.keepalived.org"`, Range: "the name of a host", Doc: "What the checker calls itself."},
		{Name: "host", Kind: KindTable, Fate: Refused, Reason: "is an old form; write connect_ip, connect_port and bindto in the checker itself"},
	})
	dns := fill(BlockDNSCheck, Done, "", []Keyword{
		{Name: "type", Kind: KindEnum, Default: `"SOA"`, Words: []string{"A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY"}, Doc: "Type of the question."},
		{Name: "name", Kind: KindString, Default: `"."`, Range: "a name", Doc: "Name that is asked for."},
	})
	misc := fill(BlockMiscCheck, Done, "", []Keyword{
		{Name: "misc_path", Kind: KindCommand, Required: true, Entries: BlockCommand, Example: `["/etc/hakeep/check.sh", "10.0.0.11"]`, Doc: "What is run; exit status 0 means well. No shell is involved."},
		{Name: "misc_timeout", Kind: KindDuration, Default: "<delay_loop>", Example: `"5s"`, Min: msec, Max: 86400 * sec, Step: msec, Doc: "A program that runs longer is ended and counts as failed."},
		{Name: "misc_dynamic", Kind: KindBool, Default: "false", Doc: "An exit status of 2 to 255 means well, with a weight of 0 to 253."},
		{Name: "user", Kind: KindEntry, Default: "<script_user>", Entries: BlockAccount, Example: `"hakeep_script"`, Range: accountRange, Doc: "User and group to run it as."},
	})
	udp := fill(BlockUDPCheck, Done, "", []Keyword{
		{Name: "payload", Kind: KindString, Default: `""`, Example: `"0a0b0c"`, Range: "hexadecimal digits", Doc: "What is sent."},
		{
			Name: "require_reply", Kind: KindBoolOrString, Default: "false", Example: `"0a0bXX"`, Range: "true or false, or hexadecimal digits, X for any",
			Doc: "Want an answer, one that begins so; otherwise only an ICMP error fails.",
		},
		{Name: "min_reply_length", Kind: KindInt, Default: "0", Max: 65535, Doc: "Shortest answer that is well, where require_reply says how it begins."},
		{Name: "max_reply_length", Kind: KindInt, Default: "255", Max: 65535, Doc: "Longest answer that is well, where require_reply says how it begins."},
	})
	weight := weightRows("<the file's>", 254, "the server")
	weight[0].Doc = "The number in the file times this is the server's weight, or added to it."
	weight[1].Default, weight[1].Example, weight[1].Doc = "<the file's>", "true", "Turn the sign of the weight around."
	file := fill(BlockFileCheck, Done, "", []Keyword{
		{Name: "track_file", Kind: KindString, Required: true, Range: "the name of a [[track_file]]", Example: `"maintenance"`, Doc: "The file."},
	}, weight)
	return slices.Concat(smtp, dns, misc, udp, file)
}

// webKeywords are those of HTTP_GET and SSL_GET.
func webKeywords() []Keyword {
	both := func(b Block) []Keyword {
		return fill(b, Done, "", []Keyword{
			{Name: "url", Kind: KindTables, Required: true, Entries: BlockURL, Example: `[{ path = "/health" }]`, Doc: "The pages, all of which have to be well."},
			{Name: "virtualhost", Kind: KindString, Default: "<the server's>", Example: `"www.example.com"`, Range: "the name of a host", Doc: "Host header."},
			{
				Name: "http_protocol", Kind: KindEnum, Default: `"1.0"`, Words: httpVersionWords(), Departure: "2 is hakeep's own",
				Doc: "Version of HTTP.",
			},
			{Name: "fast_recovery", Kind: KindBool, Fate: Warned, Reason: "every probe gets all pages, so one is enough to come back"},
			renamed("nb_get_retry", "retry"),
		})
	}
	ssl := fill(BlockSSLGet, Done, "", []Keyword{
		{Name: "enable_sni", Kind: KindBool, Default: "false", Doc: "Send virtualhost as the server's name (SNI)."},
		{Name: "sni_name", Kind: KindString, Default: "<virtualhost>", Example: `"www.example.com"`, Range: "the name of a host", Doc: "Send this name; implies enable_sni."},
		{Name: "tls_compliant", Kind: KindBool, Default: "false", Doc: "Fail if the server does not end TLS in order."},
		{Name: "tls_verify", Kind: KindBool, Default: "false", Source: sourceHakeep, Doc: "Check the server's certificate."},
	})
	url := fill(BlockURL, Done, "", []Keyword{
		{Name: "path", Kind: KindString, Required: true, Example: `"/health"`, Range: "a path with a query, from / on", Doc: "What to get."},
		{Name: "status_code", Kind: KindCodes, Default: `"200-299"`, Range: statusRange, Doc: "Status codes that are well."},
		{Name: "digest", Kind: KindString, Example: `"9b3a0c85a887a256d6939da88aabd8cd"`, Range: "32 hexadecimal digits", Doc: "MD5 of the body."},
		{Name: "virtualhost", Kind: KindString, Default: "<the checker's>", Example: `"www.example.com"`, Range: "the name of a host", Doc: "Host header."},
		{
			Name: "regex", Kind: KindString, Example: `"status: *ok"`, Range: "a regular expression in the syntax of RE2", Departure: "keepalived: of PCRE2; what RE2 does not have, such as (?=…) and \\1, is refused",
			Doc: "What the body has to match.",
		},
		{Name: "regex_no_match", Kind: KindBool, Default: "false", Doc: "It must not match."},
		{Name: "regex_options", Kind: KindStrings, Example: `["caseless"]`, Range: regexRange(), Doc: "Options of the expression."},
		{Name: "regex_min_offset", Kind: KindInt, Default: "0", Max: 1<<31 - 1, Doc: "Where in the body a match may begin at the earliest."},
		{Name: "regex_max_offset", Kind: KindInt, Default: "0", Max: 1<<31 - 1, Doc: "Where it no longer may; 0 for no bound."},
		{Name: "regex_stack", Kind: KindString, Fate: Warned, Reason: "regular expressions need no stack here"},
		{Name: "tls_compliant", Kind: KindBool, Default: "<the checker's>", Example: "true", Doc: "Fail if the server does not end TLS in order."},
	})
	return slices.Concat(both(BlockHTTPGet), both(BlockSSLGet), ssl, url)
}

// ownCheckerKeywords are those of the checkers of hakeep's own.
func ownCheckerKeywords() []Keyword {
	secure := []Keyword{
		{Name: "tls", Kind: KindBool, Default: "false", Doc: "Speak TLS."},
		{Name: "tls_verify", Kind: KindBool, Default: "true", Doc: "Check the server's certificate."},
		{Name: "sni_name", Kind: KindString, Default: "<the server's address>", Example: `"db.example.com"`, Range: "the name of a host", Doc: "Name that the certificate has to have, also sent by SNI."},
	}
	login := []Keyword{
		{Name: "user", Kind: KindString, Example: `"hakeep_check"`, Doc: "Who to log in as."},
		{Name: "password", Kind: KindString, Secret: true, Doc: "Password of the user."},
	}
	asks := []Keyword{{Name: "user", Kind: KindString, Default: `"hakeep"`, Doc: "Who the checker says it is; no password is sent. If it is written, a server that refuses it is not well."}}
	database := []Keyword{{Name: "database", Kind: KindString, Default: "<the user's>", Example: `"postgres"`, Doc: "Database to log in to."}}
	own := func(b Block, rows ...[]Keyword) []Keyword {
		all := slices.Concat(rows...)
		for i := range all {
			all[i].Source = sourceHakeep
		}
		return fill(b, Done, "", all)
	}
	return slices.Concat(
		own(BlockGRPCCheck, secure, []Keyword{{Name: "service", Kind: KindString, Default: `""`, Example: `"shop.Cart"`, Doc: "Whose health is asked for; empty for the server as a whole."}}),
		own(BlockRedisCheck, secure, login),
		own(BlockMySQLCheck, secure, login, database),
		own(BlockPGSQLCheck, secure, asks, database),
	)
}

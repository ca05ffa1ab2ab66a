package config

import "slices"

// objectName is the row of the name of a tracked object or group.
func objectName(example, doc string) Keyword {
	return Keyword{
		Name: "name", Kind: KindString, Required: true, Source: sourceArgument, Example: example,
		Range: "at most 64 characters without blanks, quotes and slashes", Doc: doc,
	}
}

// weightRows are the rows of the weight of a tracked object.
func weightRows(def string, most int64, whose string) []Keyword {
	allowed := "-253 to 253, or a text such as \"-20 reverse\""
	if most == 254 {
		allowed = "-254 to 254, or a text such as \"-20 reverse\""
	}
	return []Keyword{
		{
			Name: "weight", Kind: KindWeight, Default: def, Example: "-20", Min: -most, Max: most, Range: allowed,
			Doc: "What it adds to the priority of " + whose + ": above 0 while it is well, below 0 while it is not; 0 means fault.",
		},
		{
			Name: "reverse", Kind: KindBool, Default: "false", Source: sourceArgument,
			Doc: "Turn the sign of the weight around; with weight 0, well means fault.",
		},
	}
}

// trackKeywords are those of the objects that instances can track.
func trackKeywords() []Keyword {
	const those = "those who track it without a weight of their own"
	script := fill(BlockScript, Done, "", []Keyword{
		objectName(`"chk_haproxy"`, "Name of the script in track_script, status and logs."),
		{
			Name: "script", Kind: KindCommand, Required: true, Entries: BlockCommand, Example: `["/usr/bin/pgrep", "-x", "haproxy"]`,
			Doc: "What is run; exit status 0 means well. No shell is involved.",
		},
		{
			Name: "interval", Kind: KindDuration, Default: `"1s"`, Min: 10 * msec, Max: 86400 * sec, Step: msec,
			Departure: "keepalived: 1ms or more",
			Doc:       "Time from one start to the next.",
		},
		{
			Name: "timeout", Kind: KindDuration, Default: "<the interval>", Example: `"1s"`, Min: msec, Max: 86400 * sec, Step: msec,
			Doc: "A script that runs longer is ended and counts as failed.",
		},
		{
			Name: "rise", Kind: KindInt, Default: "1", Min: 1, Max: 65535,
			Doc: "Successes in a row until it is well again; the first result decides at once.",
		},
		{
			Name: "fall", Kind: KindInt, Default: "1", Min: 1, Max: 65535,
			Doc: "Failures in a row until it is not well any more; the first result decides at once.",
		},
		{
			Name: "user", Kind: KindEntry, Default: "<script_user>", Entries: BlockAccount, Example: `"hakeep_script"`, Range: accountRange,
			Doc: "User and group to run it as.",
		},
		{
			Name: "init_fail", Kind: KindBool, Default: "false", Departure: "keepalived: has no effect",
			Doc: "The script counts as failed until its first result.",
		},
	}, weightRows("0", 253, those))
	file := fill(BlockFile, Done, "", []Keyword{
		objectName(`"maintenance"`, "Name of the file in track_file, status and logs."),
		{
			Name: "file", Kind: KindString, Required: true, Range: "a whole path", Example: `"/run/hakeep/maintenance"`,
			Doc: "The file; the number in it times the weight is added to the priority. A missing file means 0.",
		},
		{
			Name: "init_file", Kind: KindEntry, Default: "false", Entries: BlockInitFile, Example: "true",
			Range: `true, a whole number, or a text such as "5 overwrite"`,
			Doc:   "Create the file with this number at the start (true: 0); with overwrite even if it is there.",
		},
	}, weightRows("1", 254, those))
	return slices.Concat(script, file, processKeywords(), checkKeywords(), trackEntryKeywords())
}

// processKeywords are those of [[vrrp_track_process]].
func processKeywords() []Keyword {
	return fill(BlockProcess, Done, "", []Keyword{
		objectName(`"haproxy"`, "Name of the process in track_process, status and logs."),
		{
			Name: "process", Kind: KindCommand, Required: true, Example: `"haproxy"`,
			Doc: "Name of the processes that are counted, and their arguments.",
		},
		{
			Name: "param_match", Kind: KindEnum, Words: []string{"initial", "partial"}, Default: "<the very same arguments, if there are any>", Example: `"initial"`,
			Doc: "The last argument may be longer (initial), or others may follow (partial); without arguments both mean that there are none.",
		},
		{
			Name: "quorum", Kind: KindInt, Default: "1", Min: 1, Max: 65535,
			Doc: "The least number of processes that is well.",
		},
		{
			Name: "quorum_max", Kind: KindInt, Default: "<none>", Example: "1", Max: 65535,
			Doc: "The greatest number of processes that is well; 0: there must be none.",
		},
		{
			Name: "delay", Kind: KindDuration, Default: `"0s"`, Max: 3600 * sec, Step: usec,
			Doc: "Both fork_delay and terminate_delay.",
		},
		{
			Name: "fork_delay", Kind: KindDuration, Default: "<delay>", Example: `"0s"`, Max: 3600 * sec, Step: usec,
			Doc: "How long there have to be enough processes before that counts.",
		},
		{
			Name: "terminate_delay", Kind: KindDuration, Default: "<delay>", Example: `"0s"`, Max: 3600 * sec, Step: usec,
			Doc: "How long there have to be too few processes before that counts.",
		},
		{
			Name: "full_command", Kind: KindBool, Default: "false",
			Doc: "Compare with the command line rather than with the name.",
		},
	}, weightRows("0", 254, "those who track it without a weight of their own"))
}

// checkKeywords are those of [[track_check]], which keepalived does not have;
// words of its checkers are used where there are some.
func checkKeywords() []Keyword {
	rows := []Keyword{
		objectName(`"gateway"`, "Name of the check in track_check, status and logs."),
		{
			Name: "kind", Kind: KindEnum, Required: true, Words: checkKinds(), Example: `"ping"`,
			Doc: "What is done.",
		},
		{
			Name: "targets", Kind: KindStrings, Required: true, Example: `["192.0.2.1"]`,
			Range: `ping: addresses; tcp: addresses with port; http: URLs with an address; dns: addresses of name servers, port 53 unless given`,
			Doc:   "What is looked at.",
		},
		{
			Name: "quorum", Kind: KindInt, Default: "1", Min: 1, Max: 65535,
			Doc: "How many targets have to answer.",
		},
		{
			Name: "interval", Kind: KindDuration, Default: `"1s"`, Min: 10 * msec, Max: 86400 * sec, Step: msec,
			Doc: "Time from one round to the next.",
		},
		{
			Name: "timeout", Kind: KindDuration, Default: "<the interval>", Example: `"1s"`, Min: msec, Max: 3600 * sec, Step: msec,
			Doc: "How long an answer may take.",
		},
		{
			Name: "rise", Kind: KindInt, Default: "2", Min: 1, Max: 65535,
			Doc: "Successes in a row until it is well again; the first result decides at once.",
		},
		{
			Name: "fall", Kind: KindInt, Default: "3", Min: 1, Max: 65535,
			Doc: "Failures in a row until it is not well any more; the first result decides at once.",
		},
		{
			Name: "dampen", Kind: KindDuration, Default: `"0s"`, Max: 3600 * sec, Step: msec,
			Doc: "How long a changed state has to last before it counts.",
		},
		{Name: "bindto", Kind: KindAddr, Default: "<the kernel's choice>", Example: `"192.0.2.5"`, Doc: "Source address."},
		{Name: "bind_if", Kind: KindLink, Example: `"eth0"`, Doc: "Interface that the packets have to take."},
		{
			Name: "host", Kind: KindString, Default: "<the address of the target>", Example: `"www.example.com"`,
			Doc: "http: the name in the request, and in the certificate of an https target.",
		},
		{
			Name: "status_code", Kind: KindStrings, Default: `["200-299"]`, Range: `codes and ranges such as "200" and "200-299", from 100 to 599`,
			Doc: "http: answers that are well.",
		},
		{
			Name: "tls_verify", Kind: KindBool, Default: "true",
			Doc: "http: check the certificate of an https target.",
		},
		{
			Name: "dns_name", Kind: KindString, Default: `"."`, Example: `"example.com"`, Range: `a name such as "example.com", or "." for the root`,
			Doc: "dns: what is asked for. Any answer without an error is well.",
		},
		{
			Name: "dns_type", Kind: KindEnum, Default: `"SOA"`, Words: []string{"A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY"},
			Doc: "dns: type of the records that are asked for.",
		},
	}
	all := fill(BlockCheck, Done, "", rows, weightRows("0", 253, "those who track it without a weight of their own"))
	for i := range all {
		all[i].Source = sourceHakeep
	}
	return all
}

// trackEntryKeywords are the named parts of entries of track_script and the
// like, and of commands.
func trackEntryKeywords() []Keyword {
	track := fill(BlockTrack, Done, "", []Keyword{
		{Name: "name", Kind: KindString, Required: true, Source: sourceArgument, Example: `"chk_haproxy"`, Doc: "Name of the script, file, process, check or interface."},
		{
			Name: "weight", Kind: KindWeight, Default: "<that of the object; 0 for an interface>", Example: "-20", Min: -254, Max: 254,
			Range: `-253 to 253 (files and processes: -254 to 254), or a text such as "-20 reverse"`,
			Doc:   "What it adds to the priority of this instance; 0 means fault.",
		},
		{Name: "reverse", Kind: KindBool, Default: "<that of the object; false for an interface>", Example: "false", Doc: "Turn the sign of the weight around; false is keepalived's noreverse."},
	})
	command := fill(BlockCommand, Done, "", []Keyword{
		{
			Name: "command", Kind: KindCommand, Required: true, Source: sourceArgument, Example: `["/etc/hakeep/check.sh", "arg"]`,
			Doc: "Program and arguments as a list, or as a text that is split by keepalived's quoting rules.",
		},
		{Name: "user", Kind: KindString, Default: "<script_user>", Source: sourceArgument, Example: `"hakeep_script"`, Doc: "User to run it as."},
		{
			Name: "group", Kind: KindString, Default: "<the user's>", Source: sourceArgument, Example: `":adm"`,
			Doc: "Group to run it as; with ':' before it, together with the user's further groups.",
		},
		{
			Name: "timeout", Kind: KindDuration, Source: sourceHakeep, Default: "<that of the keyword>", Example: `"10s"`, Min: msec, Max: 86400 * sec, Step: msec,
			Doc: "How long it may run.",
		},
	})
	initFile := fill(BlockInitFile, Done, "", []Keyword{
		{Name: "value", Kind: KindInt, Default: "0", Source: sourceArgument, Min: -1 << 31, Max: 1<<31 - 1, Doc: "The number to write."},
		{Name: "overwrite", Kind: KindBool, Default: "false", Source: sourceArgument, Doc: "Write it even if the file is there."},
	})
	account := fill(BlockAccount, Done, "", []Keyword{
		{Name: "user", Kind: KindString, Required: true, Source: sourceArgument, Example: `"hakeep_script"`, Doc: "The user."},
		{Name: "group", Kind: KindString, Default: "<the user's>", Source: sourceArgument, Example: `"adm"`, Doc: "The group."},
	})
	return slices.Concat(track, command, initFile, account)
}

// accountRange is what script_user and user take.
const accountRange = `a user, or a user and a group such as "haproxy adm"; with ":adm" the user's further groups are set too`

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

package config

import "slices"

// Block names of keepalived that hakeep does not read yet.
const (
	blockGarpGrp  Block = "garp_group"
	blockUpDown   Block = "interface_up_down_delays"
	blockLinkbeat Block = "linkbeat_interfaces"
	blockBFD      Block = "bfd_instance"
)

// rootKeywords are the blocks and the few keys outside of any block.
func rootKeywords() []Keyword {
	done := []Keyword{
		{
			Name: string(BlockGlobal), Kind: KindTable, Example: "[global_defs]",
			Doc: "What belongs to the whole process, and defaults for the instances.",
		},
		{
			Name: string(BlockInstance), Kind: KindTables, Example: "[[vrrp_instance]]",
			Doc: "One virtual router; repeated for each.",
		},
	}
	done = append(done, rootAroundKeywords()...)
	warned := []Keyword{
		{
			Name: "linkbeat_use_polling", Kind: KindBool, Default: "false", Fate: Warned,
			Reason: "hakeep learns of link changes from the kernel and never polls",
		},
		{
			Name: "namespace_with_ipsets", Kind: KindBool, Default: "false", Fate: Warned,
			Reason: "hakeep uses nftables, not ipsets",
		},
		{
			Name: "child_wait_time", Kind: KindDuration, Default: `"5s"`, Fate: Warned,
			Reason: "hakeep's processes end in order by themselves",
		},
	}
	inGlobal := func(name string) Keyword {
		return Keyword{Name: name, Kind: KindString, Fate: Refused, Reason: "belongs under [global_defs] in this file"}
	}
	refused := []Keyword{
		inGlobal("instance"),
		{
			Name: "include", Kind: KindString, Fate: Refused,
			Reason: "this file cannot include others; hakeep import reads a keepalived.conf with its includes",
		},
		inGlobal("net_namespace"),
		inGlobal("net_namespace_ipvs"),
		inGlobal("use_pid_dir"),
	}
	return slices.Concat(fill(BlockRoot, Done, "", done, warned, refused),
		later(BlockRoot, "pacing of announcements by groups of interfaces", []Keyword{row(string(blockGarpGrp), KindTables, "", "")}),
		fill(BlockRoot, Warned, "hakeep learns of link changes from the kernel and never polls", []Keyword{row(string(blockLinkbeat), KindStrings, "", "")}),
		later(BlockRoot, "BFD", []Keyword{row(string(blockBFD), KindTables, "", "")}),
	)
}

// rootAroundKeywords are the blocks of what is around the instances.
func rootAroundKeywords() []Keyword {
	tables := func(b Block, doc string) Keyword {
		return Keyword{Name: string(b), Kind: KindTables, Example: "[[" + string(b) + "]]", Doc: doc}
	}
	check := tables(BlockCheck, "A look at the network that can be tracked; repeated for each.")
	check.Source = sourceHakeep
	old := tables(BlockFile, "Old name of track_file.")
	old.Name = oldFile
	return []Keyword{
		tables(BlockScript, "A program whose exit status can be tracked; repeated for each."),
		tables(BlockFile, "A file whose number can be tracked; repeated for each."),
		old,
		tables(BlockProcess, "Processes whose number can be tracked; repeated for each."),
		check,
		tables(BlockSync, "Instances that are master all together or not at all; repeated for each."),
		tables(BlockTrackGroup, "Instances that follow static addresses, routes and rules; repeated for each."),
		{
			Name: "static_ipaddress", Kind: KindEntries, Entries: BlockAddress, Example: `["192.0.2.5/24 dev eth0"]`,
			Doc: "Addresses that are there while hakeep runs; without dev on default_interface.",
		},
		{
			Name: "static_routes", Kind: KindEntries, Entries: BlockRoute, Example: `["192.0.2.0/24 via 198.51.100.1 dev eth0"]`,
			Range: "lines as of ip route, or tables", Doc: "Routes that are there while hakeep runs.",
		},
		{
			Name: "static_rules", Kind: KindEntries, Entries: BlockRule, Example: `["from 192.0.2.0/24 table 100 preference 1000"]`,
			Range: "lines as of ip rule, or tables", Doc: "Routing rules that are there while hakeep runs.",
		},
		{
			Name: string(blockUpDown), Kind: KindTable, Example: "[" + string(blockUpDown) + "]",
			Doc: "How long changes of interfaces have to last to be noticed.",
		},
		tables(BlockVS, "A service whose connections are spread over servers; repeated for each."),
		tables(BlockVSGroup, "Addresses and marks that one virtual_server is for; repeated for each."),
		{
			Name: string(BlockSSL), Kind: KindTable, Example: "[" + string(BlockSSL) + "]",
			Doc: "What SSL_GET and other checkers by TLS show and trust.",
		},
	}
}

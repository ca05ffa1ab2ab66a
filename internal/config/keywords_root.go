package config

import "slices"

// Block names of keepalived that hakeep does not read yet.
const (
	blockScript   Block = "vrrp_script"
	blockFile     Block = "track_file"
	blockProcess  Block = "vrrp_track_process"
	blockCheck    Block = "track_check"
	blockSync     Block = "vrrp_sync_group"
	blockTrackGrp Block = "track_group"
	blockGarpGrp  Block = "garp_group"
	blockUpDown   Block = "interface_up_down_delays"
	blockLinkbeat Block = "linkbeat_interfaces"
	blockBFD      Block = "bfd_instance"
	blockSSL      Block = "SSL"
	blockVSGroup  Block = "virtual_server_group"
	blockVS       Block = "virtual_server"
	blockRS       Block = "real_server"
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
			Name: "use_pid_dir", Kind: KindBool, Default: "false", Fate: Warned,
			Reason: "hakeep keeps its files in the runtime directory (--runtime-dir)",
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
		renamed("vrrp_track_file", "[[track_file]]"),
	}
	return slices.Concat(fill(BlockRoot, Done, "", done, warned, refused),
		later(BlockRoot, "check scripts", []Keyword{row(string(blockScript), KindTables, "", "")}),
		later(BlockRoot, "tracked files", []Keyword{row(string(blockFile), KindTables, "", "")}),
		later(BlockRoot, "tracked processes", []Keyword{row(string(blockProcess), KindTables, "", "")}),
		later(BlockRoot, "built-in checks", []Keyword{{Name: string(blockCheck), Kind: KindTables, Source: sourceHakeep}}),
		later(BlockRoot, "sync groups", []Keyword{row(string(blockSync), KindTables, "", "")}),
		later(BlockRoot, "track groups", []Keyword{row(string(blockTrackGrp), KindTables, "", "")}),
		later(BlockRoot, "static addresses, routes and rules", []Keyword{
			row("static_ipaddress", KindEntries, "", ""),
			row("static_routes", KindEntries, "", ""),
			row("static_rules", KindEntries, "", ""),
		}),
		later(BlockRoot, "pacing of announcements by groups of interfaces", []Keyword{row(string(blockGarpGrp), KindTables, "", "")}),
		later(BlockRoot, "delays of link changes", []Keyword{row(string(blockUpDown), KindTable, "", "")}),
		later(BlockRoot, "polling of links", []Keyword{row(string(blockLinkbeat), KindStrings, "", "")}),
		later(BlockRoot, "BFD", []Keyword{row(string(blockBFD), KindTables, "", "")}),
		later(BlockRoot, "load balancing", []Keyword{
			row(string(blockSSL), KindTable, "", ""),
			row(string(blockVSGroup), KindTables, "", ""),
			row(string(blockVS), KindTables, "", ""),
		}),
		later(BlockRoot, "network namespaces", []Keyword{
			row("net_namespace", KindString, "", ""),
			row("net_namespace_ipvs", KindString, "", ""),
		}),
	)
}

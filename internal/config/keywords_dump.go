package config

// globalDumpKeywords are those of [global_defs] about the files that are written
// on keepalived's signals.
func globalDumpKeywords() []Keyword {
	file := func(name, ext, doc string) Keyword {
		return Keyword{
			Name: name, Kind: KindString, Default: "<keepalived." + ext + " in the runtime directory>", Example: `"/run/hakeep/keepalived.` + ext + `"`,
			Range: "a whole path", Doc: doc,
		}
	}
	state := file("state_dump_file", "data", "File that SIGUSR1 writes the state to, as keepalived.data.")
	state.Departure = "keepalived: in $TMPDIR, or else /tmp"
	stats := file("stats_dump_file", "stats", "File that SIGUSR2 and SIGRTMAX-1 write the counters to, as keepalived.stats.")
	stats.Departure = "keepalived reads the keyword and does not use it"
	json := file("json_dump_file", "json", "File that SIGRTMIN+2 writes the state to, as keepalived.json.")
	json.Departure = stats.Departure
	return fill(BlockGlobal, Done, "", []Keyword{
		state, stats, json,
		{
			Name: "json_version", Kind: KindInt, Default: "1", Min: 1, Max: 2,
			Doc: "Layout of keepalived.json: 1 is a list of instances, 2 an object that has tracked processes, too.",
		},
	})
}

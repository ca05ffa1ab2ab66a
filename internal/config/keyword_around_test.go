package config

import (
	"net/netip"
	"slices"
	"time"
)

// aroundCases are the keywords of what is around the instances.
func aroundCases() []keywordCase {
	return slices.Concat(trackCases(), checkCases(), groupCases(), notifyCases(), globalAroundCases(), routeCases(), ruleCases(), lvsCases())
}

func run(argv ...string) Command {
	return Command{Argv: argv, User: "hakeep_script", Timeout: time.Minute}
}

func trackCases() []keywordCase {
	script := func(key, text string, f func(s *Script)) keywordCase {
		return keywordCase{
			key: key, inst: "track_script = [\"s\"]\n[[vrrp_script]]\nname = \"s\"\n" + text,
			want: func(c *Config, _ *Global, in *Instance) {
				s := Script{Name: "s", Interval: time.Second, Rise: 1, Fall: 1, Command: Command{Argv: []string{"/x"}, User: "hakeep_script", Timeout: time.Second}}
				f(&s)
				c.Scripts, in.Tracks.Scripts = []Script{s}, []Track{{"s", s.Weight, s.Reverse}}
			},
		}
	}
	const x = "script = \"/x\"\n"
	file := func(key, text string, f func(t *TrackFile)) keywordCase {
		return keywordCase{
			key: key, inst: "track_file = [\"f\"]\n[[track_file]]\nname = \"f\"\nfile = \"/run/f\"\n" + text,
			want: func(c *Config, _ *Global, in *Instance) {
				t := TrackFile{Name: "f", Path: "/run/f", Weight: 1}
				f(&t)
				c.Files, in.Tracks.Files = []TrackFile{t}, []Track{{"f", t.Weight, t.Reverse}}
			},
		}
	}
	process := func(key, text string, f func(t *TrackProcess)) keywordCase {
		if key != "vrrp_track_process/process" && key != "vrrp_track_process/param_match" && key != "vrrp_track_process/full_command" {
			text = "process = \"nginx\"\n" + text
		}
		return keywordCase{
			key: key, inst: "track_process = [\"p\"]\n[[vrrp_track_process]]\nname = \"p\"\n" + text,
			want: func(c *Config, _ *Global, in *Instance) {
				t := TrackProcess{Name: "p", Process: "nginx", Match: MatchAny, Quorum: 1, QuorumMax: NoQuorumMax}
				f(&t)
				if len(t.Args) == 0 {
					t.Args = []string{}
				}
				c.Processes, in.Tracks.Processes = []TrackProcess{t}, []Track{{"p", t.Weight, t.Reverse}}
			},
		}
	}
	link := func(key, entry string, want Track) keywordCase {
		return keywordCase{key: key, inst: "track_interface = [" + entry + "]", want: sets(func(in *Instance) { in.Tracks.Interfaces = []Track{want} })}
	}
	entry := func(key, entry string, want Track) keywordCase {
		c := script("track entry/"+key, x+"weight = \"7 reverse\"", func(s *Script) { s.Weight, s.Reverse = 7, true })
		c.inst = "track_script = [" + entry + "]" + c.inst[len(`track_script = ["s"]`):]
		all := c.want
		c.want = func(c *Config, g *Global, in *Instance) { all(c, g, in); in.Tracks.Scripts = []Track{want} }
		return c
	}
	return slices.Concat([]keywordCase{
		script("vrrp_script/name", x, func(*Script) {}),
		script("vrrp_instance/track_script", x, func(*Script) {}),
		script("vrrp_script/script", `script = "/usr/bin/pgrep -x 'a b'"`, func(s *Script) { s.Command.Argv = []string{"/usr/bin/pgrep", "-x", "a b"} }),
		script("vrrp_script/script", `script = ["/usr/bin/pgrep", "a b"]`, func(s *Script) { s.Command.Argv = []string{"/usr/bin/pgrep", "a b"} }),
		script("vrrp_script/interval", x+`interval = "10ms"`, func(s *Script) { s.Interval, s.Command.Timeout = 10*time.Millisecond, 10*time.Millisecond }),
		script("vrrp_script/timeout", x+`timeout = "5s"`, func(s *Script) { s.Command.Timeout = 5 * time.Second }),
		script("vrrp_script/weight", x+`weight = -253`, func(s *Script) { s.Weight = -253 }),
		script("vrrp_script/weight", x+`weight = "20 reverse"`, func(s *Script) { s.Weight, s.Reverse = 20, true }),
		script("vrrp_script/reverse", x+`reverse = true`, func(s *Script) { s.Reverse = true }),
		script("vrrp_script/rise", x+`rise = 3`, func(s *Script) { s.Rise = 3 }),
		script("vrrp_script/fall", x+`fall = 4`, func(s *Script) { s.Fall = 4 }),
		script("vrrp_script/user", x+`user = "haproxy adm"`, func(s *Script) { s.Command.User, s.Command.Group = "haproxy", "adm" }),
		script("user entry/user", x+`user = { user = "haproxy" }`, func(s *Script) { s.Command.User = "haproxy" }),
		script("user entry/group", x+`user = { user = "haproxy", group = ":adm" }`, func(s *Script) {
			s.Command.User, s.Command.Group, s.Command.SupplementaryGroups = "haproxy", "adm", true
		}),
		script("vrrp_script/init_fail", x+`init_fail = true`, func(s *Script) { s.InitFail = true }),
		script("command/command", `script = { command = ["/y", "z"] }`, func(s *Script) { s.Command.Argv = []string{"/y", "z"} }),
		script("command/command", `script = { command = "/y z" }`, func(s *Script) { s.Command.Argv = []string{"/y", "z"} }),
		script("command/user", `script = { command = "/x", user = "haproxy" }`, func(s *Script) { s.Command.User = "haproxy" }),
		script("command/group", `script = { command = "/x", user = "haproxy", group = ":" }`, func(s *Script) {
			s.Command.User, s.Command.SupplementaryGroups = "haproxy", true
		}),
		script("command/timeout", `script = { command = "/x", timeout = "3s" }`, func(s *Script) { s.Command.Timeout = 3 * time.Second }),
		file("track_file/name", "", func(*TrackFile) {}),
		file("track_file/file", "", func(*TrackFile) {}),
		file("vrrp_instance/track_file", "", func(*TrackFile) {}),
		file("track_file/weight", "weight = -254", func(t *TrackFile) { t.Weight = -254 }),
		file("track_file/reverse", "reverse = true", func(t *TrackFile) { t.Reverse = true }),
		file("track_file/init_file", "init_file = true", func(t *TrackFile) { t.Init = true }),
		file("track_file/init_file", "init_file = -5", func(t *TrackFile) { t.Init, t.InitValue = true, -5 }),
		file("track_file/init_file", `init_file = "5 overwrite"`, func(t *TrackFile) { t.Init, t.InitValue, t.Overwrite = true, 5, true }),
		file("track_file/init_file", `init_file = "overwrite"`, func(t *TrackFile) { t.Init, t.Overwrite = true, true }),
		file("init_file entry/value", `init_file = { value = 7 }`, func(t *TrackFile) { t.Init, t.InitValue = true, 7 }),
		file("init_file entry/overwrite", `init_file = { overwrite = true }`, func(t *TrackFile) { t.Init, t.Overwrite = true, true }),
		{key: "/vrrp_track_file", inst: "track_file = [\"f\"]\n[[vrrp_track_file]]\nname = \"f\"\nfile = \"/run//f\"", want: file("", "", func(*TrackFile) {}).want},
		process("vrrp_track_process/name", "", func(*TrackProcess) {}),
		process("vrrp_instance/track_process", "", func(*TrackProcess) {}),
		process("vrrp_track_process/process", `process = "/usr/sbin/nginx -g 'daemon off'"`, func(t *TrackProcess) {
			t.Process, t.Args, t.Match = "/usr/sbin/nginx", []string{"-g", "daemon off"}, MatchExact
		}),
		process("vrrp_track_process/process", `process = ["nginx", "-g"]`, func(t *TrackProcess) { t.Args, t.Match = []string{"-g"}, MatchExact }),
		process("vrrp_track_process/param_match", "process = \"nginx -g\"\nparam_match = \"initial\"", func(t *TrackProcess) { t.Args, t.Match = []string{"-g"}, MatchInitial }),
		process("vrrp_track_process/param_match", "process = \"nginx\"\nparam_match = \"partial\"", func(t *TrackProcess) { t.Match = MatchPartial }),
		process("vrrp_track_process/weight", `weight = 254`, func(t *TrackProcess) { t.Weight = 254 }),
		process("vrrp_track_process/reverse", `reverse = true`, func(t *TrackProcess) { t.Reverse = true }),
		process("vrrp_track_process/quorum", `quorum = 2`, func(t *TrackProcess) { t.Quorum = 2 }),
		process("vrrp_track_process/quorum_max", `quorum_max = 2`, func(t *TrackProcess) { t.QuorumMax = 2 }),
		process("vrrp_track_process/quorum_max", `quorum_max = 0`, func(t *TrackProcess) { t.Quorum, t.QuorumMax = 0, 0 }),
		process("vrrp_track_process/delay", `delay = "1us"`, func(t *TrackProcess) { t.ForkDelay, t.TerminateDelay = time.Microsecond, time.Microsecond }),
		process("vrrp_track_process/fork_delay", "delay = \"1s\"\nfork_delay = \"2s\"", func(t *TrackProcess) { t.ForkDelay, t.TerminateDelay = 2*time.Second, time.Second }),
		process("vrrp_track_process/terminate_delay", `terminate_delay = "2s"`, func(t *TrackProcess) { t.TerminateDelay = 2 * time.Second }),
		process("vrrp_track_process/full_command", "process = \"/usr/sbin/nginx\"\nfull_command = true", func(t *TrackProcess) { t.Process, t.FullCommand = "/usr/sbin/nginx", true }),
		link("vrrp_instance/track_interface", `"eth1"`, Track{Name: "eth1"}),
		link("vrrp_instance/track_interface", `"eth1 weight -20"`, Track{"eth1", -20, false}),
		link("vrrp_instance/track_interface", `"eth1 reverse weight 253"`, Track{"eth1", 253, true}),
		link("track entry/name", `{ name = "eth1" }`, Track{Name: "eth1"}),
		entry("weight", `"s weight 5"`, Track{"s", 5, true}),
		entry("weight", `{ name = "s", weight = -5 }`, Track{"s", -5, true}),
		entry("weight", `"s weight 254"`, Track{"s", 253, true}),
		entry("reverse", `"s noreverse"`, Track{"s", 7, false}),
		entry("reverse", `{ name = "s", weight = 0, reverse = false }`, Track{"s", 0, false}),
		entry("reverse", `{ name = "s", weight = "9 reverse" }`, Track{"s", 9, true}),
	}, []keywordCase{
		{key: "vrrp_instance/track_script", inst: "priority = 255\ntrack_interface = [\"eth1 weight 5\", \"eth2\"]", want: sets(func(in *Instance) {
			in.State, in.Priority, in.Tracks.Interfaces = StateMaster, 255, []Track{{Name: "eth2"}}
		})},
	})
}

func checkCases() []keywordCase {
	check := func(key, kind, targets, text string, f func(t *Check)) keywordCase {
		return keywordCase{
			key: "track_check/" + key, inst: "track_check = [\"k\"]\n[[track_check]]\nname = \"k\"\nkind = \"" + kind + "\"\ntargets = [" + targets + "]\n" + text,
			want: func(c *Config, _ *Global, in *Instance) {
				t := Check{
					Name: "k", Kind: CheckPing, Targets: []Target{{Addr: netip.MustParseAddrPort("192.0.2.1:0")}}, Quorum: 1,
					Interval: time.Second, Timeout: time.Second, Rise: 2, Fall: 3,
				}
				f(&t)
				c.Checks, in.Tracks.Checks = []Check{t}, []Track{{"k", t.Weight, t.Reverse}}
			},
		}
	}
	ping := func(key, text string, f func(t *Check)) keywordCase {
		return check(key, "ping", `"192.0.2.1"`, text, f)
	}
	port := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	web := func(t *Check) {
		t.Kind, t.TLSVerify, t.Status = CheckHTTP, true, []StatusRange{{200, 299}}
		t.Targets = []Target{{port("192.0.2.1:443"), true, "/"}}
	}
	const url = `"https://192.0.2.1"`
	dns := func(t *Check) {
		t.Kind, t.Type = CheckDNS, 6
		t.Targets = []Target{{Addr: port("192.0.2.1:53")}}
	}
	both := func(a, b func(t *Check)) func(t *Check) { return func(t *Check) { a(t); b(t) } }
	return []keywordCase{
		ping("name", "", func(*Check) {}),
		ping("kind", "", func(*Check) {}),
		check("kind", "tcp", `"192.0.2.1:22", "[2001:db8::1]:22"`, "", func(t *Check) {
			t.Kind, t.Targets = CheckTCP, []Target{{Addr: port("192.0.2.1:22")}, {Addr: port("[2001:db8::1]:22")}}
		}),
		check("targets", "http", `"http://[2001:db8::1]:8080/a%20b?c=d", "https://192.0.2.1"`, "", both(web, func(t *Check) {
			t.Targets = []Target{{port("[2001:db8::1]:8080"), false, "/a%20b?c=d"}, {port("192.0.2.1:443"), true, "/"}}
		})),
		check("targets", "dns", `"192.0.2.1", "192.0.2.2:5353"`, "", both(dns, func(t *Check) { t.Targets = append(t.Targets, Target{Addr: port("192.0.2.2:5353")}) })),
		check("quorum", "ping", `"192.0.2.1", "192.0.2.2"`, "quorum = 2", func(t *Check) {
			t.Quorum, t.Targets = 2, append(t.Targets, Target{Addr: port("192.0.2.2:0")})
		}),
		ping("interval", `interval = "10ms"`, func(t *Check) { t.Interval, t.Timeout = 10*time.Millisecond, 10*time.Millisecond }),
		ping("timeout", `timeout = "5ms"`, func(t *Check) { t.Timeout = 5 * time.Millisecond }),
		ping("rise", `rise = 1`, func(t *Check) { t.Rise = 1 }),
		ping("fall", `fall = 1`, func(t *Check) { t.Fall = 1 }),
		ping("weight", `weight = -20`, func(t *Check) { t.Weight = -20 }),
		ping("reverse", `reverse = true`, func(t *Check) { t.Reverse = true }),
		ping("dampen", `dampen = "5s"`, func(t *Check) { t.Dampen = 5 * time.Second }),
		ping("bindto", `bindto = "192.0.2.5"`, func(t *Check) { t.Bind = ip("192.0.2.5") }),
		check("bind_if", "ping", `"fe80::1"`, `bind_if = "eth1"`, func(t *Check) {
			t.BindLink, t.Targets = "eth1", []Target{{Addr: port("[fe80::1]:0")}}
		}),
		check("host", "http", url, `host = "www.example.com"`, both(web, func(t *Check) { t.Host = "www.example.com" })),
		check("status_code", "http", url, `status_code = ["200", "300-302"]`, both(web, func(t *Check) { t.Status = []StatusRange{{200, 200}, {300, 302}} })),
		check("tls_verify", "http", url, `tls_verify = false`, both(web, func(t *Check) { t.TLSVerify = false })),
		check("dns_name", "dns", `"192.0.2.1"`, `dns_name = "example.com."`, both(dns, func(t *Check) { t.Query = "example.com" })),
		check("dns_type", "dns", `"192.0.2.1"`, `dns_type = "AAAA"`, both(dns, func(t *Check) { t.Type = 28 })),
		{key: "vrrp_instance/track_check", inst: ping("", "", nil).inst, want: ping("", "", func(*Check) {}).want},
	}
}

// groupT is a track group.
const groupT = "[[track_group]]\nname = \"T\"\ngroup = [\"VI_1\"]"

// second is another instance for groups.
const second = "[[vrrp_instance]]\nname = \"VI_2\"\ninterface = \"eth0\"\nvirtual_router_id = 52\nno_virtual_ipaddress = true\n"

func groupCases() []keywordCase {
	group := func(key, own, text string, f func(g *SyncGroup, one, two *Instance)) keywordCase {
		return keywordCase{
			key: "vrrp_sync_group/" + key, inst: own + "\n" + second + "[[vrrp_sync_group]]\nname = \"G\"\ngroup = [\"VI_1\", \"VI_2\"]\n" + text,
			want: func(c *Config, _ *Global, in *Instance) {
				two := *in
				two.Name, two.VRID, two.Addresses, two.NoVirtualIPAddress = "VI_2", 52, nil, true
				g := SyncGroup{Name: "G", Instances: []string{"VI_1", "VI_2"}}
				in.SyncGroup, two.SyncGroup = "G", "G"
				f(&g, in, &two)
				c.Instances, c.Groups = append(c.Instances, two), []SyncGroup{g}
			},
		}
	}
	all := func(key, text string, f func(t *Tracks), more func(c *Config)) keywordCase {
		c := group(key, "", text, func(g *SyncGroup, one, two *Instance) { f(&g.Tracks); f(&one.Tracks); f(&two.Tracks) })
		want := c.want
		c.want = func(c *Config, g *Global, in *Instance) { want(c, g, in); more(c) }
		return c
	}
	tell := func(key string, f func(n *Notify)) keywordCase {
		return group(key, "", key+" = [\"/x\"]", func(g *SyncGroup, _, _ *Instance) { f(&g.Notify) })
	}
	from := func(list []keywordCase, key string) func(c *Config) {
		for _, k := range list {
			if k.key == key {
				return func(c *Config) {
					var in Instance
					k.want(c, &c.Global, &in)
				}
			}
		}
		return nil
	}
	return []keywordCase{
		group("name", "", "", func(*SyncGroup, *Instance, *Instance) {}),
		group("group", "", "", func(*SyncGroup, *Instance, *Instance) {}),
		group("track_interface", "track_interface = [\"eth1 weight -5\", \"eth2 weight 7 reverse\", \"eth3\"]", `track_interface = ["eth1 weight 9"]`, func(g *SyncGroup, one, two *Instance) {
			g.Tracks.Interfaces = []Track{{"eth1", 9, false}}
			two.Tracks.Interfaces = g.Tracks.Interfaces
			one.Tracks.Interfaces = []Track{{"eth1", 9, false}, {"eth2", 0, true}, {"eth3", 0, false}}
		}),
		group("sync_group_tracking_weight", "track_interface = [\"eth1 weight -5\"]", `sync_group_tracking_weight = true`, func(g *SyncGroup, one, _ *Instance) {
			g.TrackingWeight, one.Tracks.Interfaces = true, []Track{{"eth1", -5, false}}
		}),
		all("track_script", "track_script = [\"s\"]\n[[vrrp_script]]\nname = \"s\"\nscript = \"/x\"", func(t *Tracks) { t.Scripts = []Track{{Name: "s"}} }, from(trackCases(), "vrrp_script/name")),
		all("track_file", "track_file = [\"f\"]\n[[track_file]]\nname = \"f\"\nfile = \"/run/f\"", func(t *Tracks) { t.Files = []Track{{"f", 1, false}} }, from(trackCases(), "track_file/name")),
		all("track_process", "track_process = [\"p\"]\n[[vrrp_track_process]]\nname = \"p\"\nprocess = \"nginx\"", func(t *Tracks) { t.Processes = []Track{{Name: "p"}} }, from(trackCases(), "vrrp_track_process/name")),
		all("track_check", "track_check = [\"k\"]\n[[track_check]]\nname = \"k\"\nkind = \"ping\"\ntargets = [\"192.0.2.1\"]", func(t *Tracks) { t.Checks = []Track{{Name: "k"}} }, from(checkCases(), "track_check/name")),
		tell("notify", func(n *Notify) { n.Any = run("/x") }),
		tell("notify_master", func(n *Notify) { n.Master = run("/x") }),
		tell("notify_backup", func(n *Notify) { n.Backup = run("/x") }),
		tell("notify_fault", func(n *Notify) { n.Fault = run("/x") }),
		tell("notify_stop", func(n *Notify) { n.Stop = run("/x") }),
		group("notify_priority_changes", "notify_priority_changes = false", "notify_priority_changes = true", func(g *SyncGroup, _, two *Instance) {
			g.Notify.PriorityChanges, two.Notify.PriorityChanges = true, true
		}),
		group("smtp_alert", "", "smtp_alert = true", func(g *SyncGroup, _, _ *Instance) { g.SMTPAlert = true }),
		{key: "track_group/name", root: `static_routes = ["192.0.2.0/24 dev eth0 track_group T"]`, inst: groupT, want: func(c *Config, _ *Global, _ *Instance) {
			c.TrackGroups = []TrackGroup{{Name: "T", Instances: []string{"VI_1"}}}
			r := onLink("192.0.2.0/24")
			r.TrackGroup = "T"
			c.StaticRoutes = []Route{r}
		}},
		{key: "track_group/group", inst: "[[track_group]]\nname = \"T\"\ngroup = [\"VI_1\", \"VI_1\"]", want: func(c *Config, _ *Global, _ *Instance) {
			c.TrackGroups = []TrackGroup{{Name: "T", Instances: []string{"VI_1"}}}
		}},
		{key: "address entry/track_group", root: `static_ipaddress = [{ address = "192.0.2.5/24", track_group = "T" }]`, inst: groupT, want: func(c *Config, _ *Global, _ *Instance) {
			c.TrackGroups = []TrackGroup{{Name: "T", Instances: []string{"VI_1"}}}
			a := addr4("192.0.2.5/24")
			a.TrackGroup = "T"
			c.StaticAddresses = []Address{a}
		}},
		{key: "/static_ipaddress", root: `static_ipaddress = ["192.0.2.5/24", "192.0.2.5/25"]`, global: `default_interface = "eth3"`, want: func(c *Config, g *Global, _ *Instance) {
			a := addr4("192.0.2.5/24")
			a.Dev, g.DefaultInterface = "eth3", "eth3"
			c.StaticAddresses = []Address{a}
		}},
		{key: "interface_up_down_delays/<interface>", inst: "[interface_up_down_delays]\neth0 = \"500ms 0.25\"\neth1 = \"2.5\"", want: func(c *Config, _ *Global, _ *Instance) {
			c.LinkDelays = []LinkDelay{{Link: "eth0", Down: 500 * time.Millisecond, Up: 250 * time.Millisecond}, {Link: "eth1", Down: 2500 * time.Millisecond}}
		}},
		{key: "delay entry/down", inst: "[interface_up_down_delays]\neth0 = { down = \"1s\" }", want: func(c *Config, _ *Global, _ *Instance) {
			c.LinkDelays = []LinkDelay{{Link: "eth0", Down: time.Second}}
		}},
		{key: "delay entry/up", inst: "[interface_up_down_delays]\neth0 = { up = \"255s\" }", want: func(c *Config, _ *Global, _ *Instance) {
			c.LinkDelays = []LinkDelay{{Link: "eth0", Up: 1996 * time.Millisecond}} // (3 - 1) × 1s - 1s / 256
		}},
		{key: "delay entry/up", inst: "down_timer_adverts = 1\n[interface_up_down_delays]\neth0 = { down = \"1s\" }", want: func(c *Config, _ *Global, in *Instance) {
			in.DownTimerAdverts, c.LinkDelays = 1, []LinkDelay{{Link: "eth0"}}
		}},
	}
}

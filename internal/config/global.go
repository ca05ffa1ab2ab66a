package config

import (
	"net/netip"
	"path"
	"strings"
	"time"
)

// defaults are what instances take from [global_defs].
type defaults struct {
	version            int
	mcast4, mcast6     netip.Addr
	downTimerAdverts   int
	lowerPrioNoAdvert  bool
	higherPrioAdvert   bool
	asksHigherPrio     bool // it is written down
	checkUnicastSrc    bool
	skipCheckAdvAddr   bool
	strict             bool
	ownerIgnoreAdverts bool
	v3ChecksumAsV2     bool
	fastLeave          bool
	fastLeaveInterval  time.Duration

	garp            GarpSettings
	lowerPrioDelay  *time.Duration // nil unless set
	lowerPrioRepeat *int           // nil unless set
}

// global reads [global_defs].
func (b *block) global() (Global, defaults) {
	g := Global{
		RouterID:         b.text("router_id"),
		Name:             b.text("instance"),
		StartupDelay:     b.dur("vrrp_startup_delay"),
		DelayAfterBoot:   b.dur("vrrp_delay_after_boot"),
		LogUnknownVRIDs:  b.flag("log_unknown_vrids"),
		DefaultInterface: b.text("default_interface"),
		Realtime:         b.flag("realtime"),
		MainTimeout:      b.dur("main_timeout"),
	}
	if e, ok := b.vals["http_listen"]; ok {
		g.HTTPListen = e.val.(netip.AddrPort)
	}
	if b.has("router_id") && (g.RouterID == "" || printable(g.RouterID) != g.RouterID) {
		b.errorf("router_id", "%s is not a name; write for example router_id = \"lb1\", or leave it out for the host's name", describe(g.RouterID))
	}
	if g.Name != "" && !isWord(g.Name, "-_.") {
		b.errorf("instance", "%s is not a name; allowed: %s", describe(g.Name), b.row("instance").Allowed())
	}
	g.NFTable = b.nfTable(g.Name)
	b.surroundings(&g)
	return g, b.defaults()
}

// surroundings reads what is around the instances: scripts, notifications,
// names.
func (b *block) surroundings(g *Global) {
	d := b.d
	d.names.etc, d.names.usr = b.directory("iproute_etc_dir"), b.directory("iproute_usr_dir")
	d.scripts = b.readAccount("script_user", account{user: DefaultScriptUser})
	d.notifyPriority = b.flag("vrrp_notify_priority_changes")
	mails := b.choice("smtp_alert")
	d.alertVRRP = b.choice("smtp_alert_vrrp").or(mails.or(false))
	g.HealDoubleMaster = b.flag("heal_double_master")
	g.NFTPriority = b.num("nftables_priority")
	g.NFTCounters = b.flag("nftables_counters")
	g.NetNamespace = b.namespace("net_namespace")
	g.ScriptUser, g.ScriptGroup = d.scripts.user, d.scripts.group
	g.Umask = b.umask("umask")
	g.ReloadFile = b.reloadFile("reload_file")
	g.PIDDir = b.flag("use_pid_dir")
	g.ScriptSecurity = b.flag("enable_script_security")
	g.StartupScript = b.command("startup_script", b.dur("startup_script_timeout"))
	g.ShutdownScript = b.command("shutdown_script", b.dur("shutdown_script_timeout"))
	for _, key := range []string{"startup_script", "shutdown_script"} {
		if b.has(key+"_timeout") && b.given[key] == nil {
			b.warnf(key+"_timeout", "has no effect without %s", key)
		}
	}
	g.FIFOWriteStatesOnReload = b.flag("fifo_write_vrrp_states_on_reload")
	b.readFIFOs(g)
	g.Mail = b.readMail()
	g.LVS = b.lvs(mails)
	g.Dumps = b.readDumps()
}

// directory reads the absolute path of a directory.
func (b *block) directory(key string) string {
	p := b.text(key)
	if !strings.HasPrefix(p, "/") || strings.Contains(p, "\x00") {
		b.errorf(key, "%s is not a whole path, from / on; write for example %s = %s", describe(p), key, b.row(key).example())
		return ""
	}
	return path.Clean(p)
}

// namespace reads the name of a network namespace, as of ip netns, or its path.
func (b *block) namespace(key string) string {
	const dir = "/run/netns"
	name := b.text(key)
	switch {
	case !b.has(key):
		return ""
	case strings.HasPrefix(name, "/") && wrongPath(name) == "":
		return path.Clean(name)
	case name == "" || name == "." || name == ".." || printable(name) != name || strings.ContainsAny(name, "/ "):
		b.errorf(key, "%s is not the name of a network namespace; allowed: %s", describe(name), b.row(key).Allowed())
		return ""
	}
	return path.Join(dir, name)
}

// nfTable returns the name of the nftables table of the daemon called name.
func (b *block) nfTable(name string) string {
	def := strings.Trim(b.row("nftables").Default, `"`)
	if name != "" {
		// nftables has no '.' and '-' in names outside of quotes.
		def += "_" + strings.NewReplacer(".", "_", "-", "_").Replace(name)
	}
	e, ok := b.vals["nftables"]
	if !ok {
		return def
	}
	switch v := e.val.(type) {
	case bool:
		if !v {
			b.errorf("nftables", "hakeep has no other firewall back end, so it cannot be switched off; leave it out or write a name for the table (%s)", b.row("nftables").Allowed())
		}
		return def
	case string:
		if !isWord(v, "_") || '0' <= v[0] && v[0] <= '9' {
			b.errorf("nftables", "%s is not a name for a table; allowed: %s", describe(v), b.row("nftables").Allowed())
		}
		return v
	}
	return def
}

// isWord reports whether a text consists of 1 to 32 letters, digits and the
// extra bytes.
func isWord(s, extra string) bool {
	const longest = 32
	for i := range len(s) {
		c := s[i]
		if !isBare(c) && !strings.Contains(extra, string(c)) || (c == '_' || c == '-') && !strings.Contains(extra, string(c)) {
			return false
		}
	}
	return s != "" && len(s) <= longest && s != "." && s != ".."
}

// defaults reads the keywords of [global_defs] that instances can override.
func (b *block) defaults() defaults {
	d := defaults{
		version:           b.num("vrrp_version"),
		mcast4:            b.addr("vrrp_mcast_group4"),
		mcast6:            b.addr("vrrp_mcast_group6"),
		downTimerAdverts:  b.num("vrrp_down_timer_adverts"),
		asksHigherPrio:    b.has("vrrp_higher_prio_send_advert"),
		lowerPrioNoAdvert: b.flag("vrrp_lower_prio_no_advert"),
		// The winner has to hear of the other master to heal what it has spoilt.
		higherPrioAdvert:   b.flagOr("vrrp_higher_prio_send_advert", b.flag("heal_double_master")),
		checkUnicastSrc:    b.flag("vrrp_check_unicast_src"),
		skipCheckAdvAddr:   b.flag("vrrp_skip_check_adv_addr"),
		strict:             b.flag("vrrp_strict"),
		ownerIgnoreAdverts: b.flag("vrrp_owner_ignore_adverts"),
		v3ChecksumAsV2:     b.flag("v3_checksum_as_v2"),
		fastLeave:          b.flag("fast_leave"),
		fastLeaveInterval:  b.fastLeaveInterval(0),
	}
	b.checkGroup("vrrp_mcast_group4", d.mcast4, FamilyIPv4)
	b.checkGroup("vrrp_mcast_group6", d.mcast6, FamilyIPv6)

	repeat, delay, refreshRepeat := b.num("vrrp_garp_master_repeat"), b.dur("vrrp_garp_master_delay"), b.num("vrrp_garp_master_refresh_repeat")
	if b.flag("vrrp_min_garp") {
		repeat, delay = b.numOr("vrrp_garp_master_repeat", 1), b.durOr("vrrp_garp_master_delay", 0)
		refreshRepeat = b.numOr("vrrp_garp_master_refresh_repeat", 0)
	}
	d.garp = GarpSettings{
		Repeat:        repeat,
		Delay:         delay,
		Refresh:       b.dur("vrrp_garp_master_refresh"),
		RefreshRepeat: refreshRepeat,
		Interval:      b.dur("vrrp_garp_interval"),
		NAInterval:    b.dur("vrrp_gna_interval"),
	}
	if b.has("vrrp_garp_lower_prio_delay") {
		v := b.durOr("vrrp_garp_lower_prio_delay", 0)
		d.lowerPrioDelay = &v
	}
	if b.has("vrrp_garp_lower_prio_repeat") {
		v := b.numOr("vrrp_garp_lower_prio_repeat", 0)
		d.lowerPrioRepeat = &v
	}
	return d
}

// checkGroup reports a multicast group that adverts cannot be sent to.
func (b *block) checkGroup(key string, a netip.Addr, f Family) {
	if !a.IsValid() || !b.has(key) {
		return
	}
	switch {
	case familyOf(a) != f:
		b.errorf(key, "%s is not %s; allowed: %s", a, f, groupRange(f))
	case !a.IsMulticast() || f == FamilyIPv6 && !a.IsLinkLocalMulticast():
		b.errorf(key, "%s is not a group for adverts; allowed: %s", a, groupRange(f))
	}
}

func groupRange(f Family) string {
	if f == FamilyIPv6 {
		return `an IPv6 link-local multicast address, for example "ff02::12"`
	}
	return `an IPv4 multicast address, for example "224.0.0.18"`
}

// readDumps reads where the state is dumped to. The files differ.
func (b *block) readDumps() Dumps {
	d := Dumps{
		State: b.path1("state_dump_file"), Stats: b.path1("stats_dump_file"), JSON: b.path1("json_dump_file"),
		JSONVersion: b.num("json_version"),
	}
	seen := map[string]string{}
	for _, f := range []struct{ key, path string }{{"state_dump_file", d.State}, {"stats_dump_file", d.Stats}, {"json_dump_file", d.JSON}} {
		if other := seen[f.path]; other != "" && f.path != "" {
			b.errorf(f.key, "%s is also the file of %s; every one needs a file of its own", describe(f.path), other)
		}
		seen[f.path] = f.key
	}
	return d
}

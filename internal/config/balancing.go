package config

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"hakeep/internal/takeover"
)

// lvs reads what [global_defs] says about load balancing; mails is smtp_alert.
func (b *block) lvs(mails Choice) LVS {
	l := LVS{
		Backend: Backend(b.word("lvs_backend")), Flush: b.flag("lvs_flush"), FlushOnStop: FlushNone,
		InitNotifies: b.flag("rs_init_notifies"), NoCheckerMails: b.flag("no_checker_emails"),
		UntrackedMark: b.number("checker_untracked_mark", 0),
		NetNamespace:  b.namespace("net_namespace_ipvs"), ExpireNodest: b.choice("lvs_expire_nodest_conn"),
	}
	if l.Backend == 0 {
		l.Backend = BackendAuto // said already
	}
	b.row("lvs_flush_on_stop")
	switch v := b.vals["lvs_flush_on_stop"].val.(type) {
	case bool:
		if v {
			l.FlushOnStop = FlushAll
		}
	case string:
		if l.FlushOnStop = FlushServices; v != "VS" {
			b.errorf("lvs_flush_on_stop", "%s is not known; allowed: %s", describe(v), b.row("lvs_flush_on_stop").Allowed())
		}
	}
	b.readTimeouts(&l)
	b.readSync(&l.Sync)
	alert := b.choice("smtp_alert_checker")
	if alert == ChoiceUnset {
		alert = mails
	}
	b.d.balancing = balancing{vsAlert: alert.or(false), rsAlert: alert.or(true), logAll: b.flag("checker_log_all_failures"), mark: l.UntrackedMark}
	return l
}

// pairs reads words with values behind them, such as tcp 900 udp 300, or a table. It
// returns the parts, the first ones by their names.
func (b *block) pairs(key string, entries Block, first ...string) *fields {
	k := b.row(key)
	e, ok := b.vals[key]
	if !ok {
		return nil
	}
	f := &fields{spot: spot{d: b.d, line: e.node.line, key: b.join(key), shown: describe(e.val)}, vals: map[string]string{}}
	switch v := e.val.(type) {
	case string:
		words := strings.Fields(v)
		for len(words) > 0 && len(first) > 0 && b.d.schema.lookup(entries, words[0]) == nil {
			f.vals[first[0]] = words[0]
			words, first = words[1:], first[1:]
		}
		for ; len(words) > 0; words = words[min(2, len(words)):] {
			switch name := words[0]; {
			case b.d.schema.lookup(entries, name) == nil:
				f.errorf("has the unknown word %s; allowed: %s", describe(name), k.Allowed())
			case len(words) == 1:
				f.errorf("ends after %s; its value is missing", name)
			case f.vals[name] != "":
				f.errorf("has %s twice", name)
			default:
				f.vals[name] = words[1]
			}
		}
		if len(f.vals) == 0 && !f.failed {
			f.errorf("is empty; write for example %s = %s", key, k.example())
		}
	case map[string]any:
		before := b.d.errors
		t := b.d.block(entries, b.join(key), v, e.node)
		f.shown = ""
		f.take(t)
		f.failed = b.d.errors > before
	}
	if f.failed {
		return nil
	}
	return f
}

// readTimeouts reads how long IPVS keeps idle connections.
func (b *block) readTimeouts(l *LVS) {
	f := b.pairs("lvs_timeouts", BlockTimeouts)
	if f == nil {
		return
	}
	for name, to := range map[string]*time.Duration{"tcp": &l.TCPTimeout, "tcpfin": &l.TCPFinTimeout, "udp": &l.UDPTimeout} {
		text := f.get(name)
		if text == "" {
			continue
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			text = strconv.FormatInt(n, 10) + "s" // keepalived's notation
		}
		d, wrong := parseDuration(text)
		if wrong != "" || d < time.Second || int64(d) > maxSeconds || d%time.Second != 0 {
			f.errorf("has the timeout %s of %s; allowed: whole seconds, %s", describe(f.get(name)), name, b.d.schema.must(BlockTimeouts, name).Allowed())
			continue
		}
		*to = d
	}
}

// readSync reads IPVS's synchronisation. What depends on instances comes later.
func (b *block) readSync(s *SyncDaemon) {
	f := b.pairs("lvs_sync_daemon", BlockSyncd, "interface", "instance")
	if f == nil {
		return
	}
	if f.get("interface") == "" {
		f.errorf("names no interface; write for example lvs_sync_daemon = %s", b.row("lvs_sync_daemon").example())
		return
	}
	s.Interface, s.Instance = f.link("interface", f.get("interface")), f.get("instance")
	s.ID = uint8(f.bounded("id", 0, 255))
	s.MaxLen, s.Port, s.TTL = uint16(f.bounded("maxlen", 1, 65507)), uint16(f.bounded("port", 1, 65535)), uint8(f.bounded("ttl", 1, 255))
	if g := f.get("group"); g != "" {
		a, wrong := parseAddr(g)
		switch {
		case wrong != "":
			f.errorf("has the group %s, which %s", describe(g), wrong)
		case !a.IsMulticast():
			f.errorf("has the group %s, which is not a multicast address", describe(g))
		}
		s.Group = a
	}
	if f.failed {
		*s = SyncDaemon{}
		return
	}
	b.d.links = append(b.d.links, linkRef{s.Interface, f.line, f.key, "connections are not synchronised until it appears"})
}

// bounded reads a number, 0 if it is not there.
func (f *fields) bounded(name string, least, most uint64) uint64 {
	text := f.get(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n < least || n > most {
		f.errorf("has the %s %s; allowed: %d to %d", name, describe(text), least, most)
	}
	return n
}

// readBalancing reads virtual servers and what belongs to them.
func (d *decoder) readBalancing(top, global *block, cfg *Config) {
	cfg.TLS = d.tlsClient(top)
	groups := d.serviceGroups(top)
	drafts := d.virtualServers(top, groups)
	unusedGroups(groups)
	checkServices(drafts)
	d.checkBackend(global, &cfg.Global.LVS, drafts)
	for _, v := range drafts {
		cfg.VirtualServers = append(cfg.VirtualServers, v.VirtualServer)
	}
	d.serverMails = len(drafts) > 0 && (global.has("smtp_alert_checker") || global.has("smtp_alert")) && d.balancing.rsAlert
	d.syncInstance(global, cfg)
}

// syncInstance looks up the instance of lvs_sync_daemon.
func (d *decoder) syncInstance(global *block, cfg *Config) {
	s := &cfg.Global.LVS.Sync
	if s.Instance == "" {
		return
	}
	names := map[string]uint8{}
	for _, in := range d.drafts {
		names[in.Name] = in.VRID
	}
	vrid, ok := names[s.Instance]
	if !ok {
		_, hint := d.didYouMean(s.Instance, slices.Sorted(maps.Keys(names)))
		global.errorf("lvs_sync_daemon", "names the instance %s, which is not in this file%s", describe(s.Instance), hint)
		return
	}
	e := global.vals["lvs_sync_daemon"]
	if t, ok := e.val.(map[string]any); ok && t["id"] != nil {
		return
	} else if line, ok := e.val.(string); ok && slices.Contains(strings.Fields(line), "id") {
		return
	}
	s.ID = vrid
}

// checkServices reports services that two virtual servers are for.
func checkServices(drafts []*vsDraft) {
	owners := map[VirtualService]*vsDraft{}
	for _, v := range drafts {
		said := 0
		for _, s := range v.Services {
			other := owners[s]
			if other == nil {
				owners[s] = v
				continue
			}
			if said++; said > 1 {
				continue // the rest of a group is the same
			}
			v.b.d.add(Error, v.b.node.line, v.b.path, "%s is also that of the virtual server in line %d; keep one of them", v.describeService(s), other.b.node.line)
		}
	}
}

// checkBackend reports what the back end in lvs_backend cannot do.
func (d *decoder) checkBackend(global *block, l *LVS, drafts []*vsDraft) {
	var ipvs, nft *vsDraft
	for _, v := range drafts {
		needs, own := v.NeedsIPVS(), v.NeedsNFT()
		if needs != "" && ipvs == nil {
			ipvs = v
		}
		if own != "" && nft == nil {
			nft = v
		}
		switch {
		case l.Backend == BackendNFT && needs != "":
			d.add(Error, v.b.node.line, v.b.path, `%s, but lvs_backend is "nftables"`, needs)
		case l.Backend == BackendIPVS && own != "":
			d.add(Error, v.b.node.line, v.b.path, `%s, but lvs_backend is "ipvs"`, own)
		case l.Backend == BackendAuto && needs != "" && own != "":
			d.add(Error, v.b.node.line, v.b.path, "%s, but %s; one of them has to go", needs, own)
		}
	}
	if l.Backend == BackendAuto && ipvs != nil && nft != nil && ipvs != nft && ipvs.NeedsNFT() == "" && nft.NeedsIPVS() == "" {
		d.add(Error, nft.b.node.line, nft.b.path, "%s, but of the virtual server in line %d %s; all virtual servers are in one back end", nft.NeedsNFT(), ipvs.b.node.line, ipvs.NeedsIPVS())
	}
	if len(drafts) == 0 {
		return
	}
	if l.Sync.Interface != "" {
		for _, v := range drafts {
			v.checkSync()
		}
	}
	cfg := Config{Global: Global{LVS: *l}}
	for _, v := range drafts {
		cfg.VirtualServers = append(cfg.VirtualServers, v.VirtualServer)
	}
	with, _ := cfg.ChooseBackend(true)
	without, _ := cfg.ChooseBackend(false)
	if with != BackendNFT || without != BackendNFT {
		return
	}
	for _, key := range []string{"lvs_flush", "lvs_flush_on_stop", "lvs_timeouts", "lvs_sync_daemon", "net_namespace_ipvs"} {
		if global.has(key) {
			global.warnf(key, "has no effect, because the services are in nftables")
		}
	}
	for _, n := range cfg.FailoverNotes() {
		d.add(Warning, n.Line, "virtual_server."+n.Name, "%s", n.Why)
	}
}

// checkSync reports what the kernel refuses while connections are synchronised
// (ip_vs_add_dest).
func (v *vsDraft) checkSync() {
	families := v.families()
	for _, rs := range v.servers {
		if rs.Addr.IsValid() && rs.Forward.Method == MethodTUN && slices.ContainsFunc(families, func(f Family) bool { return f != familyOf(rs.Addr.Addr()) }) {
			rs.b.errorf("address", "%s is not of the family of the virtual server, which the kernel does not take together with lvs_sync_daemon", rs.Addr.Addr())
		}
	}
}

// FailoverNote says why connections of a virtual server do not survive when
// another router takes over, although its scheduler would let them.
type FailoverNote struct {
	// Name and Line are those of the virtual server.
	Name string
	Line int
	// Why is a sentence.
	Why string
}

// FailoverNotes returns the virtual servers with lvs_sched mh or sh that look as if
// their connections survived a takeover without synchronisation, and do not (see
// package takeover). It is about the nftables back end.
func (c *Config) FailoverNotes() []FailoverNote {
	var services []takeover.Service
	first := make([]int, 0, len(c.VirtualServers)+1) // of each virtual server
	for i := range c.VirtualServers {
		first = append(first, len(services))
		services = append(services, c.VirtualServers[i].takeover()...)
	}
	first = append(first, len(services))
	users := takeover.UsersOf(services)
	var notes []FailoverNote
	for i := range c.VirtualServers {
		v := &c.VirtualServers[i]
		if !takeover.Hashes(v.Scheduler) {
			continue
		}
		for j := first[i]; j < first[i+1]; j++ {
			if reasons := users.Reasons(&services[j]); len(reasons) > 0 {
				notes = append(notes, FailoverNote{v.Name, v.Line, "connections do not survive a takeover: " + strings.Join(reasons, "; ")})
				break // the others of a group are the same
			}
		}
	}
	return notes
}

// takeover are its services in the form that the rule takes. Servers without a port
// have that of each service.
func (v *VirtualServer) takeover() []takeover.Service {
	list := make([]takeover.Service, 0, len(v.Services))
	for _, s := range v.Services {
		servers := make([]netip.AddrPort, len(v.Servers))
		for i := range v.Servers {
			at := v.Servers[i].Addr
			servers[i] = netip.AddrPortFrom(at.Addr(), cmp.Or(at.Port(), s.Port))
		}
		list = append(list, takeover.Service{
			Name: v.Name, Protocol: uint8(s.Protocol), Scheduler: v.Scheduler, Masquerade: v.Masquerade, Persistent: v.Persistence > 0, Servers: servers,
		})
	}
	return list
}

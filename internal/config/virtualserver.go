package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// balancing is what [global_defs] says for servers and checkers.
type balancing struct {
	vsAlert, rsAlert bool   // mails about virtual and real servers that do not say
	logAll           bool   // checker_log_all_failures
	mark             uint32 // checker_untracked_mark
}

// vsDraft is a virtual server while it is read.
type vsDraft struct {
	VirtualServer
	b       *block
	servers []*rsDraft
	weight  int // of servers that do not say
}

// virtualServers reads the blocks [[virtual_server]].
func (d *decoder) virtualServers(top *block, groups map[string]*serviceGroup) []*vsDraft {
	var drafts []*vsDraft
	for _, b := range d.tables(top, BlockVS) {
		v := &vsDraft{b: b}
		v.read(groups)
		drafts = append(drafts, v)
	}
	return drafts
}

// read reads one virtual server. Whether it fits to others is looked at later.
func (v *vsDraft) read(groups map[string]*serviceGroup) {
	b := v.b
	v.Line = b.node.line
	v.readServices(groups)
	v.Scheduler = b.text("lvs_sched")
	v.readFlags()
	v.Omega, v.Masquerade = b.flag("omega"), b.flag("masquerade")
	v.QuorumUp, v.QuorumDown = b.command("quorum_up", notifyTimeout), b.command("quorum_down", notifyTimeout)
	v.SMTPAlert = b.choice("smtp_alert").or(b.d.balancing.vsAlert)
	v.weight = b.num("weight")
	method := b.forward("lvs_method", Forward{Method: MethodNAT})
	v.Sorry = SorryServer{Forward: b.forward("sorry_server_lvs_method", method), Inhibit: b.flag("sorry_server_inhibit")}
	up := fromAbove{
		forward: method, weight: v.weight, alpha: b.flag("alpha"), inhibit: b.flag("inhibit_on_failure"),
		host: b.host("virtualhost", ""), port: v.port(),
	}
	up.probing = b.probing(probing{})
	for _, rs := range b.d.tables(b, BlockRS) {
		v.servers = append(v.servers, rs.realServer(up))
	}
	v.finishFamily()
	v.readPersistence()
	v.readSuspend()
	v.finishServers()
	v.finishSorry()
	v.finishQuorum()
}

// port is that of all services, or 0 if they have none or different ones.
func (v *vsDraft) port() uint16 {
	for _, s := range v.Services {
		if s.Port != v.Services[0].Port {
			return 0
		}
	}
	if len(v.Services) == 0 {
		return 0
	}
	return v.Services[0].Port
}

// readServices reads what clients connect to, and makes the name of it.
func (v *vsDraft) readServices(groups map[string]*serviceGroup) {
	b := v.b
	var given []string
	for _, key := range []string{"address", "fwmark", "group"} {
		if b.given[key] != nil {
			given = append(given, key)
		}
	}
	proto := protocols()[b.text("protocol")]
	switch {
	case len(given) == 0:
		b.errorf("address", `missing; write for example address = "192.0.2.10:80", or fwmark or group`)
		return
	case len(given) > 1:
		b.errorf(given[1], "stands beside %s in line %d; a virtual server has one of them", given[0], b.line(given[0]))
		return
	case b.has("fwmark"):
		mark := uint32(b.numOr("fwmark", 0))
		v.Services = []VirtualService{{Mark: mark}}
		if b.has("protocol") {
			b.warnf("protocol", "has no effect with fwmark: the mark says which packets are meant")
		}
		return
	case b.has("group"):
		g := b.serviceGroup(groups)
		if g == nil {
			return
		}
		if b.d.expanded += len(g.members); b.d.expanded > maxServices {
			b.errorf("group", "makes more than %d services of groups in this file, which is more than a kernel is given in reasonable time", maxServices)
			return
		}
		v.Group, v.Services = g.name, slices.Clone(g.members)
	case b.has("address"):
		ap, ok := b.endpoint("address")
		if !ok {
			return
		}
		v.Services = []VirtualService{{Addr: ap.Addr(), Port: ap.Port(), Family: familyOf(ap.Addr())}}
	}
	addressed := false
	for i := range v.Services {
		if s := &v.Services[i]; s.Mark == 0 {
			s.Protocol, addressed = proto, true
		}
	}
	if addressed && proto == 0 && b.given["protocol"] == nil {
		b.errorf("protocol", `missing; write for example protocol = "TCP" (allowed: %s)`, b.row("protocol").Allowed())
	}
	v.setName()
}

// setName makes the name of the virtual server.
func (v *vsDraft) setName() {
	switch s := v.Services[:min(1, len(v.Services))]; {
	case v.Group != "":
		v.Name = "group:" + v.Group
		for _, s := range v.Services {
			if s.Mark == 0 {
				v.Name += "/" + s.Protocol.lower()
				return
			}
		}
	case len(s) == 0:
	case s[0].Mark != 0:
		v.Name = "fwmark:" + strconv.FormatUint(uint64(s[0].Mark), 10)
		if s[0].Family == FamilyIPv6 {
			v.Name += "/inet6"
		}
	default:
		v.Name = netip.AddrPortFrom(s[0].Addr, s[0].Port).String() + "/" + s[0].Protocol.lower()
	}
}

// marks reports whether all services are firewall marks.
func (v *vsDraft) marks() bool {
	return !slices.ContainsFunc(v.Services, func(s VirtualService) bool { return s.Mark == 0 })
}

// finishFamily settles the family of a mark, and that of servers against that of
// their service.
func (v *vsDraft) finishFamily() {
	b := v.b
	own, used := Family(b.word("ip_family")), false // in the order of the families
	if b.text("ip_family") == "" {
		if own = FamilyIPv4; len(v.servers) > 0 && v.servers[0].Addr.Addr().Is6() {
			own = FamilyIPv6
		}
	}
	for i := range v.Services {
		if s := &v.Services[i]; s.Family == 0 {
			s.Family, used = own, true
		}
	}
	if used {
		seen := map[VirtualService]bool{}
		v.Services = slices.DeleteFunc(v.Services, func(s VirtualService) bool {
			twice := seen[s]
			seen[s] = true
			return twice
		})
	}
	v.setName()
	if b.has("ip_family") && !used && len(v.Services) > 0 {
		b.warnf("ip_family", "has no effect: there is no mark without a family")
	}
	of := map[Family]bool{}
	for _, s := range v.Services {
		of[s.Family] = true
	}
	say := func(b *block, key string, addr netip.Addr, m Method) {
		if !addr.IsValid() || m == MethodTUN || len(of) == 0 {
			return
		}
		switch {
		case len(of) == 2:
			b.errorf(key, "%s cannot serve both address families of the group %s; only lvs_method TUN can mix them", addr, v.Group)
		case !of[familyOf(addr)]:
			b.errorf(key, "%s is %s, but the virtual server is not; only lvs_method TUN can mix them", addr, familyOf(addr))
		}
	}
	for _, rs := range v.servers {
		say(rs.b, "address", rs.Addr.Addr(), rs.Forward.Method)
	}
	if ap, ok := b.endpoint("sorry_server"); ok {
		v.Sorry.Addr = ap
		say(b, "sorry_server", ap.Addr(), v.Sorry.Forward.Method)
	}
}

// readFlags reads the flags of the scheduler.
func (v *vsDraft) readFlags() {
	b := v.b
	v.Hashed, v.OnePacket = b.flag("hashed"), b.flag("ops")
	v.Flag1, v.Flag2, v.Flag3 = b.flag("flag-1"), b.flag("flag-2"), b.flag("flag-3")
	for _, sched := range []string{"sh", "mh"} {
		for _, f := range []struct {
			key string
			to  *bool
		}{{sched + "-fallback", &v.Flag1}, {sched + "-port", &v.Flag2}} {
			switch {
			case !b.flag(f.key):
			case v.Scheduler != sched:
				b.warnf(f.key, "has no effect with lvs_sched %s, only with %s", v.Scheduler, sched)
			default:
				*f.to = true
			}
		}
	}
	if v.OnePacket && !v.marks() && !v.over(ProtocolUDP) {
		b.warnf("ops", "has no effect with protocol %s: only UDP and marks can do without connections", b.text("protocol"))
		v.OnePacket = false
	}
}

// over reports whether the addresses are those of a protocol.
func (v *vsDraft) over(p Protocol) bool {
	return slices.ContainsFunc(v.Services, func(s VirtualService) bool { return s.Protocol == p })
}

// readPersistence reads how long clients stay with their server.
func (v *vsDraft) readPersistence() {
	const portless = 360 * time.Second // keepalived's, which IPVS's own documents have, too
	b := v.b
	v.Persistence = b.durOr("persistence_timeout", 0)
	all := slices.ContainsFunc(v.Services, func(s VirtualService) bool { return s.Mark == 0 && s.Port == 0 })
	if v.Persistence == 0 && all && !b.wrong("persistence_timeout") {
		key := "address"
		if v.Group != "" {
			key = "group"
		}
		v.Persistence = portless
		b.warnf(key, `has no port, so it is all ports, and a client has to stay with its server; write persistence_timeout = %q or another time, or a port`, formatDuration(portless))
	}
	v.PersistenceEngine = b.text("persistence_engine")
	if v.Persistence == 0 {
		for _, key := range []string{"persistence_granularity", "persistence_engine"} {
			if b.has(key) && !b.wrong("persistence_timeout") {
				b.warnf(key, "has no effect without persistence_timeout")
			}
		}
		v.PersistenceEngine = ""
		return
	}
	if v.PersistenceEngine == "sip" && !v.marks() && !v.over(ProtocolUDP) {
		b.errorf("persistence_engine", "sip is possible with UDP only, but protocol is %s", b.text("protocol"))
	}
	v.readGranularity()
}

// readGranularity reads which clients count as one.
func (v *vsDraft) readGranularity() {
	b := v.b
	bits := 32
	if len(v.Services) > 0 && v.Services[0].Family == FamilyIPv6 {
		bits = 128
	}
	v.PersistenceBits = uint8(bits)
	if !b.has("persistence_granularity") {
		return
	}
	text := b.text("persistence_granularity")
	if n, err := strconv.ParseUint(text, 10, 8); err == nil && n >= 1 && n <= uint64(bits) {
		v.PersistenceBits = uint8(n)
		return
	}
	if mask, err := netip.ParseAddr(text); err == nil && mask.Is4() && bits == 32 {
		m := mask.As4()
		n, ones := uint32(m[0])<<24|uint32(m[1])<<16|uint32(m[2])<<8|uint32(m[3]), 0
		for ; n&(1<<31) != 0; n <<= 1 {
			ones++
		}
		if n == 0 && ones > 0 {
			v.PersistenceBits = uint8(ones)
			return
		}
	}
	allowed := "1 to 128"
	if bits == 32 {
		allowed = `1 to 32, or a netmask such as "255.255.255.0"`
	}
	b.errorf("persistence_granularity", "%s is not the size of a network; allowed: %s", describe(text), allowed)
}

// readSuspend reads whether to probe only where the address is.
func (v *vsDraft) readSuspend() {
	if v.Suspend = v.b.flag("ha_suspend"); v.Suspend && v.marks() && len(v.Services) > 0 {
		v.b.warnf("ha_suspend", "has no effect with firewall marks: they have no address that could be on this host or not")
		v.Suspend = false
	}
}

// finishServers settles ports and sees to it that servers differ.
func (v *vsDraft) finishServers() {
	if list, ok := v.b.vals[string(BlockRS)].val.([]any); ok && len(list) == 0 {
		v.b.errorf(string(BlockRS), "is empty; a virtual server needs at least one [[virtual_server.real_server]]")
	}
	v.Servers = make([]RealServer, 0, len(v.servers))
	seen := make(map[netip.AddrPort]*rsDraft, len(v.servers))
	for _, rs := range v.servers {
		if rs.Addr.IsValid() {
			rs.Addr = v.serverPort(rs.b, "address", rs.Addr, rs.Forward)
			rs.port = cmp.Or(rs.Addr.Port(), rs.port)
		}
		rs.finishCheckers()
		if !rs.Addr.IsValid() {
			continue // said already
		}
		if other := seen[rs.Addr]; other != nil {
			rs.b.warnf("address", "%s is in line %d already; this one is dropped", rs.Addr, other.b.line("address"))
			continue
		}
		seen[rs.Addr] = rs
		v.Servers = append(v.Servers, rs.RealServer)
	}
}

// serverPort settles the port of a server: only NAT can change that of a packet.
func (v *vsDraft) serverPort(b *block, key string, ap netip.AddrPort, f Forward) netip.AddrPort {
	own := v.port()
	switch {
	case v.marks() && f.Method != MethodNAT && ap.Port() != 0: // as keepalived does
		b.warnf(key, "%s has a port, but a firewall mark has none and with lvs_method %v packets arrive as they are, so only checks use it", ap, f.Method)
		return netip.AddrPortFrom(ap.Addr(), 0)
	case v.marks(): // they say nothing about ports
		return ap
	case f.Method != MethodNAT && ap.Port() != own && ap.Port() != 0:
		shown := "each service's own"
		if own != 0 {
			shown = strconv.Itoa(int(own))
		}
		b.warnf(key, "%s has another port than the virtual server, but with lvs_method %v packets arrive as they are, so it is %s", ap, f.Method, shown)
		return netip.AddrPortFrom(ap.Addr(), own)
	}
	return netip.AddrPortFrom(ap.Addr(), cmp.Or(ap.Port(), own))
}

// finishSorry settles the server of last resort.
func (v *vsDraft) finishSorry() {
	b := v.b
	if !v.Sorry.Addr.IsValid() {
		for _, key := range []string{"sorry_server_inhibit", "sorry_server_lvs_method"} {
			if b.has(key) && b.given["sorry_server"] == nil {
				b.warnf(key, "has no effect without sorry_server")
			}
		}
		v.Sorry = SorryServer{}
		return
	}
	v.Sorry.Addr = v.serverPort(b, "sorry_server", v.Sorry.Addr, v.Sorry.Forward)
	for _, rs := range v.Servers {
		if rs.Addr == v.Sorry.Addr && rs.Inhibit != v.Sorry.Inhibit {
			b.warnf("sorry_server", "%s is also a real server, in line %d, but only one of both stays with weight 0 when it is not used", rs.Addr, rs.Line)
		}
	}
}

// finishQuorum cuts quorum and hysteresis to what can be reached.
func (v *vsDraft) finishQuorum() {
	b := v.b
	v.Quorum, v.Hysteresis = b.num("quorum"), b.num("hysteresis")
	sum := 0
	for i := range v.Servers {
		sum += v.Servers[i].Weight
	}
	wrong := slices.ContainsFunc(v.servers, func(r *rsDraft) bool { return !r.Addr.IsValid() || r.b.wrong("weight") })
	switch {
	case wrong || b.wrong("weight"): // the sum is not known
	case len(v.Servers) > 0 && sum == 0:
		b.warnf(string(BlockRS), "all servers have weight 0, so none gets connections, and the service is down")
	case v.Quorum > sum && sum > 0:
		b.warnf("quorum", "%d is more than the weights of all servers together, so it is %d", v.Quorum, sum)
		v.Quorum = sum
	}
	if v.Hysteresis >= v.Quorum {
		b.warnf("hysteresis", "%d is not less than the quorum of %d, so it is %d", v.Hysteresis, v.Quorum, v.Quorum-1)
		v.Hysteresis = v.Quorum - 1
	}
}

// describeService names one service of a virtual server.
func (v *vsDraft) describeService(s VirtualService) string {
	one := vsDraft{VirtualServer: VirtualServer{Services: []VirtualService{s}}}
	one.setName()
	if v.Group != "" {
		return fmt.Sprintf("%s of the group %s", one.Name, v.Group)
	}
	return one.Name
}

// tableName is how problems name a block that has no name.
func tableName(table map[string]any) string {
	for _, key := range []string{"name", "address", "group"} {
		if s, ok := table[key].(string); ok && s != "" {
			return printable(s)
		}
	}
	if n, ok := table["fwmark"].(int64); ok {
		return "fwmark:" + strconv.FormatInt(n, 10)
	}
	return ""
}

package dumps

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"hakeep/internal/config"
	"hakeep/internal/status"
)

// Checks is keepalived_check.data: the virtual servers, their real servers and the
// checkers, and how they stand, in the words, indentation and order of keepalived
// 2.2.7.
func Checks(in *Input) []byte {
	d := &data{in: in}
	d.line(0, "------< Global definitions >------")
	d.global()
	d.line(0, "------< SSL definitions >------")
	d.tls()
	d.line(0, "------< LVS Topology >------")
	live := map[string]*status.VirtualServer{}
	for i := range in.Balancing.VirtualServers {
		live[in.Balancing.VirtualServers[i].Name] = &in.Balancing.VirtualServers[i]
	}
	for i := range in.Config.VirtualServers {
		v := &in.Config.VirtualServers[i]
		d.virtualServer(v, live[v.Name])
	}
	d.line(0, "------< Health checkers >------")
	for i := range in.Config.VirtualServers {
		v := &in.Config.VirtualServers[i]
		if l := live[v.Name]; l != nil {
			d.checkers(v, l)
		}
	}
	return d.b.Bytes()
}

func (d *data) tls() {
	t := &d.in.Config.TLS
	if t.Certificate == "" && t.CA == "" {
		d.line(1, "Using autogen SSL context")
		return
	}
	for _, f := range []struct{ what, path string }{{"CA-file", t.CA}, {"Certificate file", t.Certificate}, {"Key file", t.Key}} {
		if f.path != "" {
			d.line(1, "%s : %s", f.what, f.path)
		}
	}
}

// protocols are keepalived's words in .data; a mark has none.
var protocols = map[config.Protocol]string{0: "none", config.ProtocolTCP: "TCP", config.ProtocolUDP: "UDP", config.ProtocolSCTP: "SCTP"}

// service is the one that keepalived names a virtual server by.
func service(v *config.VirtualServer) config.VirtualService { return v.Services[0] }

// serviceName is keepalived's name of a virtual server in messages and of checkers.
func serviceName(v *config.VirtualServer) string {
	s := service(v)
	switch {
	case v.Group != "":
		return "[" + v.Group + "]:0"
	case s.Mark != 0:
		return "FWM " + strconv.FormatUint(uint64(s.Mark), 10)
	}
	return endpoint(netip.AddrPortFrom(s.Addr, s.Port), s.Protocol)
}

// endpoint is keepalived's name of an address and port.
func endpoint(a netip.AddrPort, p config.Protocol) string {
	return "[" + a.Addr().String() + "]:" + strings.ToLower(protocols[p]) + ":" + strconv.Itoa(int(a.Port()))
}

// virtualServer writes one of them; live is nil as long as the daemon does not have
// it.
func (d *data) virtualServer(v *config.VirtualServer, live *status.VirtualServer) {
	if live == nil {
		live = &status.VirtualServer{}
	}
	s := service(v)
	d.line(1, "------< Virtual server >------")
	switch {
	case v.Group != "":
		d.line(1, "VS GROUP = %s", serviceName(v))
	case s.Mark != 0:
		d.line(1, "VS FWMARK = %d", s.Mark)
	default:
		d.line(1, "VS VIP = %s, VPORT = %d", s.Addr, s.Port)
	}
	d.say("Address family = %s", choose(s.Family == config.FamilyIPv6, "inet6", "inet"))
	d.say("lvs_sched = %s", v.Scheduler)
	d.say("Hashed = %s", able(v.Hashed))
	d.schedulerFlags(v)
	d.say("One packet scheduling = %s%s", able(v.OnePacket), choose(v.OnePacket && s.Protocol != config.ProtocolUDP, " (inactive due to not UDP)", ""))
	if v.Persistence > 0 {
		d.say("persistence timeout = %d", whole(v.Persistence))
	}
	d.say("protocol = %s", protocols[s.Protocol])
	d.say("omega is %s", onOff(v.Omega))
	d.say("Inhibit on failure is %s", onOff(!slices.ContainsFunc(v.Servers, func(s config.RealServer) bool { return !s.Inhibit })))
	d.say("quorum = %d, hysteresis = %d", v.Quorum, v.Hysteresis)
	d.command(3, "Quorum up", v.QuorumUp)
	d.command(3, "Quorum down", v.QuorumDown)
	if v.Suspend {
		d.say("Using HA suspend")
	}
	d.say("Using smtp notification = %s", choose(v.SMTPAlert, "yes", "no"))
	if v.Sorry.Addr.IsValid() {
		d.say("sorry server = %s", endpoint(v.Sorry.Addr, s.Protocol))
		d.line(5, "forwarding method = %s", forward(v.Sorry.Forward))
		d.line(5, "Inhibit on failure is %s", onOff(v.Sorry.Inhibit))
	}
	d.say("alive = %d", bit(len(live.Servers) > 0))
	d.say("quorum_state_up = %d", bit(live.Up))
	for i := range v.Servers {
		rs := status.RealServer{}
		if i < len(live.Servers) {
			rs = live.Servers[i]
		}
		d.realServer(&v.Servers[i], &rs)
	}
}

// schedulerFlags writes the three flags, which sh and mh give names to.
func (d *data) schedulerFlags(v *config.VirtualServer) {
	if v.Scheduler == "sh" || v.Scheduler == "mh" {
		d.say("%s-port = %s", v.Scheduler, able(v.Flag2))
		d.say("%s-fallback = %s", v.Scheduler, able(v.Flag1))
		return
	}
	for i, set := range []bool{v.Flag1, v.Flag2, v.Flag3} {
		d.say("flag-%d = %s", i+1, able(set))
	}
}

func (d *data) realServer(c *config.RealServer, rs *status.RealServer) {
	d.say("------< Real server >------")
	d.say("RIP = %s, RPORT = %d, WEIGHT = %d EFF WEIGHT = %d", c.Addr.Addr(), c.Addr.Port(), c.Weight, rs.Weight)
	d.say("forwarding method = %s", forward(c.Forward))
	d.say("Alpha is %s", onOff(c.Alpha))
	d.say("connection limit range = %d -> %d", c.LThreshold, c.UThreshold)
	d.say("Inhibit on failure is %s", onOff(c.Inhibit))
	d.command(5, "RS up", c.NotifyUp)
	d.command(5, "RS down", c.NotifyDown)
	d.say("Using smtp notification = %s", choose(c.SMTPAlert, "yes", "no"))
	d.say("initial weight = %d", c.Weight)
	d.say("effective weight = %d", rs.Weight)
	failed := 0
	for i := range rs.Checks {
		failed += bit(down(&rs.Checks[i], c.Alpha))
	}
	d.say("alive = %d", bit(rs.Up))
	d.say("num failed checkers = %d", failed)
	d.say("RS set = %d", bit(rs.Up || c.Inhibit && rs.Address != ""))
}

// checkers writes those of all servers of a virtual server.
func (d *data) checkers(v *config.VirtualServer, live *status.VirtualServer) {
	for i := range min(len(v.Servers), len(live.Servers)) {
		c, rs := &v.Servers[i], &live.Servers[i]
		for j := range rs.Checks {
			k := &rs.Checks[j]
			method, _, _ := strings.Cut(k.Name, " ")
			d.line(1, "%s -> %s", serviceName(v), endpoint(c.Addr, service(v).Protocol))
			d.say("Enabled = %s", choose(live.Suspended, "no", "yes"))
			d.say("Up = %s", choose(down(k, c.Alpha), "no", "yes"))
			d.say("Has run = %s", choose(k.Runs > 0 && !live.Suspended, "yes", "no"))
			d.say("Alpha = %s", choose(c.Alpha, "yes", "no"))
			d.say("Keepalive method = %s", method)
		}
	}
}

// down reports whether a check counts against its server: it has failed, or not
// passed yet where that counts as failed.
func down(k *status.ServerCheck, alpha bool) bool {
	return k.State == "failed" || alpha && k.State == "init"
}

// command writes a notify script.
func (d *data) command(indent int, what string, c config.Command) {
	if !c.IsZero() {
		d.line(indent, "%s notify script = %s", what, command(c))
	}
}

// forward is a way of forwarding in keepalived's words.
func forward(f config.Forward) string {
	switch f.Method {
	case config.MethodNAT:
		return "NAT"
	case config.MethodDR:
		return "DR"
	}
	s := "TUN, type = GRE"
	switch f.Tunnel {
	case config.TunnelIPIP:
		return "TUN, type = IPIP"
	case config.TunnelGUE:
		s = fmt.Sprintf("TUN, type = GUE, port = %d", f.TunnelPort)
	}
	return s + map[config.Checksum]string{config.ChecksumNone: ", no checksum", config.ChecksumOn: ", checksum", config.ChecksumRemote: ", remote checksum"}[f.Checksum]
}

func able(b bool) string { return choose(b, "enabled", "disabled") }

func onOff(b bool) string { return choose(b, "ON", "OFF") }

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

package config

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// baseServer is a virtual server with one real server, and what it means.
const baseServer = "[[virtual_server]]\naddress = \"192.0.2.10:80\"\nprotocol = \"TCP\"\n"

func server(addr string) RealServer {
	return RealServer{Addr: netip.MustParseAddrPort(addr), Forward: Forward{Method: MethodNAT}, Weight: 1, SMTPAlert: true}
}

func tcpService(addr string) VirtualService {
	ap := netip.MustParseAddrPort(addr)
	return VirtualService{Protocol: ProtocolTCP, Addr: ap.Addr(), Port: ap.Port(), Family: familyOf(ap.Addr())}
}

func baseVirtual() VirtualServer {
	return VirtualServer{
		Name: "192.0.2.10:80/tcp", Services: []VirtualService{tcpService("192.0.2.10:80")},
		Scheduler: "wlc", Quorum: 1, Servers: []RealServer{server("10.0.0.11:8080")},
	}
}

// probe is what a checker of the base server has in common with others.
func probe() Probe {
	return Probe{
		Interval: time.Minute, Timeout: 5 * time.Second, Retries: 1, RetryDelay: time.Second, Warmup: time.Minute,
		Addr: netip.MustParseAddrPort("10.0.0.11:8080"),
	}
}

// vs is a case of one keyword of virtual_server, rs of real_server; f says what it
// changes.
func vs(key, text string, f func(v *VirtualServer, r *RealServer)) keywordCase {
	return lb("virtual_server/"+key, baseServer+text+"\n[[virtual_server.real_server]]\naddress = \"10.0.0.11:8080\"\n", f)
}

func rs(key, text string, f func(v *VirtualServer, r *RealServer)) keywordCase {
	return lb("real_server/"+key, baseServer+"[[virtual_server.real_server]]\naddress = \"10.0.0.11:8080\"\n"+text+"\n", f)
}

func lb(key, text string, f func(v *VirtualServer, r *RealServer)) keywordCase {
	return keywordCase{key: key, inst: text, want: func(c *Config, _ *Global, _ *Instance) {
		v := baseVirtual()
		f(&v, &v.Servers[0])
		c.VirtualServers = []VirtualServer{v}
	}}
}

// check is a case of one keyword of a checker.
func check(kind, key, text string, f func(c *Checkers)) keywordCase {
	return lb(kind+"/"+key, baseServer+"[[virtual_server.real_server]]\naddress = \"10.0.0.11:8080\"\n[virtual_server.real_server."+kind+"]\n"+text+"\n",
		func(_ *VirtualServer, r *RealServer) { f(&r.Checkers) })
}

func lvsCases() []keywordCase {
	return slices.Concat(lvsGlobalCases(), virtualServerCases(), realServerCases(), serviceGroupCases(), methodCases(), commonCheckerCases(), webCases(), checkerCases(), ownCheckerCases(), tlsCases())
}

func lvsGlobalCases() []keywordCase {
	g := func(key, text string, f func(l *LVS)) keywordCase {
		return keywordCase{key: key, global: text, want: func(_ *Config, g *Global, _ *Instance) { f(&g.LVS) }}
	}
	sync := func(key, text string, f func(s *SyncDaemon)) keywordCase {
		return g("lvs_sync_daemon entry/"+key, "lvs_sync_daemon = "+text, func(l *LVS) {
			l.Sync = SyncDaemon{Interface: "eth1"}
			f(&l.Sync)
		})
	}
	mails := func(key, text string, vs, rs bool) keywordCase {
		c := vsPlain()
		return keywordCase{key: key, global: text + "\nsmtp_server = \"192.0.2.25\"\nnotification_email = [\"a@example.com\"]", inst: c.inst, want: func(c *Config, g *Global, in *Instance) {
			v := baseVirtual()
			v.SMTPAlert, v.Servers[0].SMTPAlert = vs, rs
			c.VirtualServers = []VirtualServer{v}
			g.Mail.Server, g.Mail.Port, g.Mail.To = "192.0.2.25", 25, []string{"a@example.com"}
			in.SMTPAlert = text == "smtp_alert = true"
		}}
	}
	return []keywordCase{
		g("global_defs/lvs_backend", `lvs_backend = "ipvs"`, func(l *LVS) { l.Backend = BackendIPVS }),
		g("global_defs/lvs_backend", `lvs_backend = "nftables"`, func(l *LVS) { l.Backend = BackendNFT }),
		g("global_defs/lvs_flush", `lvs_flush = true`, func(l *LVS) { l.Flush = true }),
		g("global_defs/lvs_flush_on_stop", `lvs_flush_on_stop = true`, func(l *LVS) { l.FlushOnStop = FlushAll }),
		g("global_defs/lvs_flush_on_stop", `lvs_flush_on_stop = "VS"`, func(l *LVS) { l.FlushOnStop = FlushServices }),
		g("global_defs/lvs_flush_on_stop", `lvs_flush_on_stop = false`, func(*LVS) {}),
		g("global_defs/lvs_expire_nodest_conn", `lvs_expire_nodest_conn = true`, func(l *LVS) { l.ExpireNodest = ChoiceOn }),
		g("global_defs/lvs_expire_nodest_conn", `lvs_expire_nodest_conn = false`, func(l *LVS) { l.ExpireNodest = ChoiceOff }),
		g("global_defs/lvs_timeouts", `lvs_timeouts = "tcp 900 udp 300"`, func(l *LVS) { l.TCPTimeout, l.UDPTimeout = 15*time.Minute, 5*time.Minute }),
		g("lvs_timeouts entry/tcp", `lvs_timeouts = { tcp = "900s" }`, func(l *LVS) { l.TCPTimeout = 15 * time.Minute }),
		g("lvs_timeouts entry/tcpfin", `lvs_timeouts = { tcpfin = "2m" }`, func(l *LVS) { l.TCPFinTimeout = 2 * time.Minute }),
		g("lvs_timeouts entry/udp", `lvs_timeouts = { udp = "300s" }`, func(l *LVS) { l.UDPTimeout = 5 * time.Minute }),
		g("global_defs/lvs_sync_daemon", `lvs_sync_daemon = "eth1 VI_1"`, func(l *LVS) { l.Sync = SyncDaemon{Interface: "eth1", Instance: "VI_1", ID: 51} }),
		g("global_defs/lvs_sync_daemon", `lvs_sync_daemon = "eth1 VI_1 id 0 port 8848"`, func(l *LVS) { l.Sync = SyncDaemon{Interface: "eth1", Instance: "VI_1", Port: 8848} }),
		sync("interface", `"eth1"`, func(*SyncDaemon) {}),
		sync("interface", `{ interface = "eth1" }`, func(*SyncDaemon) {}),
		sync("instance", `{ interface = "eth1", instance = "VI_1" }`, func(s *SyncDaemon) { s.Instance, s.ID = "VI_1", 51 }),
		sync("id", `{ interface = "eth1", instance = "VI_1", id = 7 }`, func(s *SyncDaemon) { s.Instance, s.ID = "VI_1", 7 }),
		sync("maxlen", `"eth1 maxlen 1400"`, func(s *SyncDaemon) { s.MaxLen = 1400 }),
		sync("port", `{ interface = "eth1", port = 8849 }`, func(s *SyncDaemon) { s.Port = 8849 }),
		sync("ttl", `{ interface = "eth1", ttl = 2 }`, func(s *SyncDaemon) { s.TTL = 2 }),
		sync("group", `{ interface = "eth1", group = "224.0.0.82" }`, func(s *SyncDaemon) { s.Group = ip("224.0.0.82") }),
		g("global_defs/net_namespace_ipvs", `net_namespace_ipvs = "blue"`, func(l *LVS) { l.NetNamespace = "/run/netns/blue" }),
		g("global_defs/rs_init_notifies", `rs_init_notifies = true`, func(l *LVS) { l.InitNotifies = true }),
		g("global_defs/no_checker_emails", `no_checker_emails = true`, func(l *LVS) { l.NoCheckerMails = true }),
		mails("global_defs/smtp_alert_checker", "smtp_alert_checker = true", true, true),
		mails("global_defs/smtp_alert_checker", "smtp_alert_checker = false", false, false),
		mails("global_defs/smtp_alert", "smtp_alert = true", true, true),
		{key: "global_defs/checker_untracked_mark", global: "checker_untracked_mark = 4096", inst: check("TCP_CHECK", "", "", nil).inst, want: func(c *Config, g *Global, _ *Instance) {
			g.LVS.UntrackedMark = 4096
			v := baseVirtual()
			p := probe()
			p.Mark = 4096
			v.Servers[0].Checkers.TCP = []TCPCheck{{p}}
			c.VirtualServers = []VirtualServer{v}
		}},
		{key: "global_defs/checker_log_all_failures", global: "checker_log_all_failures = true", inst: check("TCP_CHECK", "", "", nil).inst, want: func(c *Config, _ *Global, _ *Instance) {
			v := baseVirtual()
			p := probe()
			p.LogAll = true
			v.Servers[0].Checkers.TCP = []TCPCheck{{p}}
			c.VirtualServers = []VirtualServer{v}
		}},
	}
}

func vsPlain() keywordCase { return vs("", "", nil) }

// virtualCases are those of virtual_server.
func virtualServerCases() []keywordCase {
	sorry := SorryServer{Addr: netip.MustParseAddrPort("192.0.2.99:80"), Forward: Forward{Method: MethodNAT}}
	const down = "sorry_server = \"192.0.2.99 80\"\n"
	const tcp = "\n[virtual_server.real_server.TCP_CHECK]\n"
	head := func(key, text string, f func(v *VirtualServer)) keywordCase {
		return lb("virtual_server/"+key, "[[virtual_server]]\n"+text+"\n[[virtual_server.real_server]]\naddress = \"10.0.0.11:8080\"\n", func(v *VirtualServer, _ *RealServer) { f(v) })
	}
	onTCP := func(key, text string, f func(p *Probe)) keywordCase {
		c := vs(key, text, func(_ *VirtualServer, r *RealServer) {
			p := probe()
			f(&p)
			r.Checkers.TCP = []TCPCheck{{p}}
		})
		c.inst += tcp
		return c
	}
	cases := []keywordCase{
		vs("address", "", func(*VirtualServer, *RealServer) {}),
		head("address", "address = \"192.0.2.10 80\"\nprotocol = \"TCP\"", func(*VirtualServer) {}),
		head("fwmark", "fwmark = 7", func(v *VirtualServer) {
			v.Name, v.Services = "fwmark:7", []VirtualService{{Mark: 7, Family: FamilyIPv4}}
		}),
		head("ip_family", "fwmark = 7\nip_family = \"inet6\"\nlvs_method = \"TUN\"", func(v *VirtualServer) {
			v.Name, v.Services = "fwmark:7/inet6", []VirtualService{{Mark: 7, Family: FamilyIPv6}}
			v.Servers[0].Forward = Forward{Method: MethodTUN, Tunnel: TunnelIPIP, Checksum: ChecksumNone}
			v.Servers[0].Addr = netip.MustParseAddrPort("10.0.0.11:0")
		}),
		head("protocol", "address = \"192.0.2.10:80\"\nprotocol = \"SCTP\"", func(v *VirtualServer) {
			v.Name, v.Services[0].Protocol = "192.0.2.10:80/sctp", ProtocolSCTP
		}),
		head("ops", "address = \"192.0.2.10:53\"\nprotocol = \"UDP\"\nops = true", func(v *VirtualServer) {
			v.Name, v.Services[0].Protocol, v.Services[0].Port, v.OnePacket = "192.0.2.10:53/udp", ProtocolUDP, 53, true
		}),
		vs("lvs_sched", `lvs_sched = "wrr"`, func(v *VirtualServer, _ *RealServer) { v.Scheduler = "wrr" }),
		vs("lvs_method", `lvs_method = "NAT"`, func(*VirtualServer, *RealServer) {}),
		vs("persistence_timeout", `persistence_timeout = "60s"`, func(v *VirtualServer, _ *RealServer) { v.Persistence, v.PersistenceBits = time.Minute, 32 }),
		vs("persistence_granularity", "persistence_timeout = \"60s\"\npersistence_granularity = 24", func(v *VirtualServer, _ *RealServer) {
			v.Persistence, v.PersistenceBits = time.Minute, 24
		}),
		vs("persistence_granularity", "persistence_timeout = \"60s\"\npersistence_granularity = \"255.255.240.0\"", func(v *VirtualServer, _ *RealServer) {
			v.Persistence, v.PersistenceBits = time.Minute, 20
		}),
		head("persistence_engine", "fwmark = 7\npersistence_timeout = \"60s\"\npersistence_engine = \"sip\"", func(v *VirtualServer) {
			v.Name, v.Services = "fwmark:7", []VirtualService{{Mark: 7, Family: FamilyIPv4}}
			v.Persistence, v.PersistenceBits, v.PersistenceEngine = time.Minute, 32, "sip"
		}),
		vs("quorum", "quorum = 2\nweight = 3", func(v *VirtualServer, r *RealServer) { v.Quorum, r.Weight = 2, 3 }),
		vs("hysteresis", "quorum = 2\nhysteresis = 1\nweight = 3", func(v *VirtualServer, r *RealServer) { v.Quorum, v.Hysteresis, r.Weight = 2, 1, 3 }),
		vs("weight", "weight = 5", func(_ *VirtualServer, r *RealServer) { r.Weight = 5 }),
		vs("virtualhost", `virtualhost = "www.example.com"`, func(*VirtualServer, *RealServer) {}),
		vs("smtp_alert", `smtp_alert = true`, func(v *VirtualServer, _ *RealServer) { v.SMTPAlert = true }),
		vs("real_server", "", func(*VirtualServer, *RealServer) {}),
		vs("sorry_server", down, func(v *VirtualServer, _ *RealServer) { v.Sorry = sorry }),
		vs("sorry_server_inhibit", down+"sorry_server_inhibit = true", func(v *VirtualServer, _ *RealServer) {
			v.Sorry = sorry
			v.Sorry.Inhibit = true
		}),
		vs("sorry_server_lvs_method", down+`sorry_server_lvs_method = "DR"`, func(v *VirtualServer, _ *RealServer) {
			v.Sorry = sorry
			v.Sorry.Forward.Method = MethodDR
		}),
		vs("hashed", "hashed = true", func(v *VirtualServer, _ *RealServer) { v.Hashed = true }),
		vs("flag-1", "flag-1 = true", func(v *VirtualServer, _ *RealServer) { v.Flag1 = true }),
		vs("flag-2", "flag-2 = true", func(v *VirtualServer, _ *RealServer) { v.Flag2 = true }),
		vs("flag-3", "flag-3 = true", func(v *VirtualServer, _ *RealServer) { v.Flag3 = true }),
		vs("sh-fallback", "lvs_sched = \"sh\"\nsh-fallback = true", func(v *VirtualServer, _ *RealServer) { v.Scheduler, v.Flag1 = "sh", true }),
		vs("sh-port", "lvs_sched = \"sh\"\nsh-port = true", func(v *VirtualServer, _ *RealServer) { v.Scheduler, v.Flag2 = "sh", true }),
		vs("mh-fallback", "lvs_sched = \"mh\"\nmh-fallback = true", func(v *VirtualServer, _ *RealServer) { v.Scheduler, v.Flag1 = "mh", true }),
		vs("mh-port", "lvs_sched = \"mh\"\nmh-port = true", func(v *VirtualServer, _ *RealServer) { v.Scheduler, v.Flag2 = "mh", true }),
		vs("alpha", "alpha = true", func(_ *VirtualServer, r *RealServer) { r.Alpha = true }),
		vs("omega", "omega = true", func(v *VirtualServer, _ *RealServer) { v.Omega = true }),
		vs("inhibit_on_failure", "inhibit_on_failure = true", func(_ *VirtualServer, r *RealServer) { r.Inhibit = true }),
		vs("ha_suspend", "ha_suspend = true", func(v *VirtualServer, _ *RealServer) { v.Suspend = true }),
		vs("masquerade", "masquerade = true\nlvs_sched = \"rr\"", func(v *VirtualServer, _ *RealServer) { v.Masquerade, v.Scheduler = true, "rr" }),
		vs("quorum_up", `quorum_up = "/x y"`, func(v *VirtualServer, _ *RealServer) { v.QuorumUp = run("/x", "y") }),
		vs("quorum_down", `quorum_down = ["/x"]`, func(v *VirtualServer, _ *RealServer) { v.QuorumDown = run("/x") }),
		onTCP("delay_loop", `delay_loop = "10ms"`, func(p *Probe) { p.Interval, p.Warmup = 10*time.Millisecond, 10*time.Millisecond }),
		onTCP("connect_timeout", `connect_timeout = "2s"`, func(p *Probe) { p.Timeout = 2 * time.Second }),
		onTCP("retry", `retry = 3`, func(p *Probe) { p.Retries = 3 }),
		onTCP("delay_before_retry", `delay_before_retry = "2s"`, func(p *Probe) { p.RetryDelay = 2 * time.Second }),
		onTCP("warmup", `warmup = "0s"`, func(p *Probe) { p.Warmup = 0 }),
	}
	return cases
}

func realServerCases() []keywordCase {
	const tcp = "\n[virtual_server.real_server.TCP_CHECK]\n"
	onTCP := func(key, text string, f func(p *Probe)) keywordCase {
		return rs(key, text+tcp, func(_ *VirtualServer, r *RealServer) {
			p := probe()
			f(&p)
			r.Checkers.TCP = []TCPCheck{{p}}
		})
	}
	web := func(above, own string) keywordCase {
		c := rs("virtualhost", own+"\n[virtual_server.real_server.HTTP_GET]\nurl = { path = \"/\" }", func(_ *VirtualServer, r *RealServer) {
			r.Checkers.HTTP = []HTTPCheck{{Probe: webProbe(), Version: HTTP10, URLs: []URLCheck{{Path: "/", Host: "own.example.com", Status: []StatusRange{{200, 299}}}}}}
		})
		c.inst = baseServer + above + c.inst[len(baseServer):]
		return c
	}
	cases := []keywordCase{
		rs("address", "", func(*VirtualServer, *RealServer) {}),
		rs("weight", "weight = 0\n[[virtual_server.real_server]]\naddress = \"10.0.0.12\"", func(v *VirtualServer, _ *RealServer) {
			v.Servers[0].Weight = 0
			v.Servers = append(v.Servers, server("10.0.0.12:80"))
		}),
		rs("lvs_method", `lvs_method = "NAT"`, func(*VirtualServer, *RealServer) {}),
		rs("uthreshold", "uthreshold = 100", func(_ *VirtualServer, r *RealServer) { r.UThreshold = 100 }),
		rs("lthreshold", "uthreshold = 100\nlthreshold = 4", func(_ *VirtualServer, r *RealServer) { r.UThreshold, r.LThreshold = 100, 4 }),
		rs("inhibit_on_failure", "inhibit_on_failure = true", func(_ *VirtualServer, r *RealServer) { r.Inhibit = true }),
		rs("alpha", "alpha = true"+tcp, func(_ *VirtualServer, r *RealServer) {
			p := probe()
			p.Alpha, r.Alpha = true, true
			r.Checkers.TCP = []TCPCheck{{p}}
		}),
		rs("smtp_alert", "smtp_alert = false", func(_ *VirtualServer, r *RealServer) { r.SMTPAlert = false }),
		rs("notify_up", `notify_up = ["/x"]`, func(_ *VirtualServer, r *RealServer) { r.NotifyUp = run("/x") }),
		rs("notify_down", `notify_down = { command = "/x", user = "u" }`, func(_ *VirtualServer, r *RealServer) {
			r.NotifyDown = run("/x")
			r.NotifyDown.User = "u"
		}),
		web("", "virtualhost = \"own.example.com\""),
		web("virtualhost = \"own.example.com\"\n", ""),
		web("virtualhost = \"above.example.com\"\n", "virtualhost = \"own.example.com\""),
		onTCP("delay_loop", `delay_loop = "1s"`, func(p *Probe) { p.Interval, p.Warmup = time.Second, time.Second }),
		onTCP("connect_timeout", `connect_timeout = "2s"`, func(p *Probe) { p.Timeout = 2 * time.Second }),
		onTCP("retry", `retry = 3`, func(p *Probe) { p.Retries = 3 }),
		onTCP("delay_before_retry", `delay_before_retry = "2s"`, func(p *Probe) { p.RetryDelay = 2 * time.Second }),
		onTCP("warmup", `warmup = "2s"`, func(p *Probe) { p.Warmup = 2 * time.Second }),
	}
	for _, kind := range checkerDocs() {
		for _, c := range slices.Concat(commonCheckerCases(), webCases(), checkerCases(), ownCheckerCases()) {
			if len(c.key) > len(kind[0]) && c.key[:len(kind[0])+1] == kind[0]+"/" {
				c.key = "real_server/" + kind[0]
				cases = append(cases, c)
				break
			}
		}
	}
	return cases
}

func methodCases() []keywordCase {
	m := func(key, text string, f Forward) keywordCase {
		return lb("lvs_method entry/"+key, baseServer+"[[virtual_server.real_server]]\naddress = \"10.0.0.11\"\nlvs_method = "+text+"\n", func(_ *VirtualServer, r *RealServer) {
			r.Addr, r.Forward = netip.MustParseAddrPort("10.0.0.11:80"), f
		})
	}
	return []keywordCase{
		m("method", `{ method = "DR" }`, Forward{Method: MethodDR}),
		m("method", `"DR"`, Forward{Method: MethodDR}),
		m("type", `{ method = "TUN", type = "gre" }`, Forward{Method: MethodTUN, Tunnel: TunnelGRE, Checksum: ChecksumNone}),
		m("port", `{ method = "TUN", type = "gue", port = 6080 }`, Forward{Method: MethodTUN, Tunnel: TunnelGUE, TunnelPort: 6080, Checksum: ChecksumNone}),
		m("port", `"TUN type gue port 6080 remcsum"`, Forward{Method: MethodTUN, Tunnel: TunnelGUE, TunnelPort: 6080, Checksum: ChecksumRemote}),
		m("checksum", `{ method = "TUN", type = "gre", checksum = "csum" }`, Forward{Method: MethodTUN, Tunnel: TunnelGRE, Checksum: ChecksumOn}),
	}
}

func serviceGroupCases() []keywordCase {
	g := func(key, entries string, want ...VirtualService) keywordCase {
		return lb(key, "[[virtual_server_group]]\nname = \"g\"\naddress = ["+entries+"]\n[[virtual_server]]\ngroup = \"g\"\nprotocol = \"TCP\"\n[[virtual_server.real_server]]\naddress = \"10.0.0.11:8080\"\n",
			func(v *VirtualServer, _ *RealServer) { v.Name, v.Group, v.Services = "group:g/tcp", "g", want })
	}
	ten, eleven := tcpService("192.0.2.10:80"), tcpService("192.0.2.11:80")
	marks := lb("service entry/ip_family", "[[virtual_server_group]]\nname = \"g\"\naddress = [\"fwmark 3 inet6\", { fwmark = 4, ip_family = \"inet6\" }]\n[[virtual_server]]\ngroup = \"g\"\n[[virtual_server.real_server]]\naddress = \"2001:db8::11\"\n",
		func(v *VirtualServer, r *RealServer) {
			v.Name, v.Group, v.Services = "group:g", "g", []VirtualService{{Mark: 3, Family: FamilyIPv6}, {Mark: 4, Family: FamilyIPv6}}
			r.Addr = netip.MustParseAddrPort("[2001:db8::11]:0")
		})
	return []keywordCase{
		g("virtual_server_group/name", `"192.0.2.10 80"`, ten),
		g("virtual_server/group", `"192.0.2.10:80"`, ten),
		g("virtual_server_group/address", `"192.0.2.10-11 80"`, ten, eleven),
		g("virtual_server_group/address", `"192.0.2.10-192.0.2.11 80"`, ten, eleven),
		g("virtual_server_group/address", `"192.0.2.10/31 80"`, ten, eleven),
		g("service entry/address", `{ address = "192.0.2.10-11", port = 80 }`, ten, eleven),
		g("service entry/port", `{ address = "192.0.2.10", port = 81 }, "192.0.2.11:80"`, tcpService("192.0.2.10:81"), eleven),
		g("service entry/fwmark", `{ address = "192.0.2.10", port = 80 }, { fwmark = 3 }`, ten, VirtualService{Mark: 3, Family: FamilyIPv4}),
		marks,
	}
}

func commonCheckerCases() []keywordCase {
	c := func(key, text string, f func(p *Probe)) keywordCase {
		k := check("TCP_CHECK", key, text, func(c *Checkers) {
			p := probe()
			f(&p)
			c.TCP = []TCPCheck{{p}}
		})
		k.key = "checker/" + key
		return k
	}
	return []keywordCase{
		check("TCP_CHECK", "", "", func(c *Checkers) { c.TCP = []TCPCheck{{probe()}} }),
		c("connect_ip", `connect_ip = "10.0.1.1"`, func(p *Probe) { p.Addr = netip.MustParseAddrPort("10.0.1.1:8080") }),
		c("connect_port", `connect_port = 81`, func(p *Probe) { p.Addr = netip.MustParseAddrPort("10.0.0.11:81") }),
		c("bindto", `bindto = "10.0.0.1"`, func(p *Probe) { p.Bind = ip("10.0.0.1") }),
		c("bind_port", `bind_port = 50000`, func(p *Probe) { p.BindPort = 50000 }),
		c("bind_if", `bind_if = "eth1"`, func(p *Probe) { p.BindLink = "eth1" }),
		c("fwmark", `fwmark = 4294967295`, func(p *Probe) { p.Mark = 1<<32 - 1 }),
		c("alpha", `alpha = true`, func(p *Probe) { p.Alpha = true }),
		c("log_all_failures", `log_all_failures = true`, func(p *Probe) { p.LogAll = true }),
		c("delay_loop", `delay_loop = "1s"`, func(p *Probe) { p.Interval, p.Warmup = time.Second, time.Second }),
		c("connect_timeout", `connect_timeout = "2s"`, func(p *Probe) { p.Timeout = 2 * time.Second }),
		c("retry", `retry = 0`, func(p *Probe) { p.Retries = 0 }),
		c("delay_before_retry", `delay_before_retry = "0s"`, func(p *Probe) { p.RetryDelay = 0 }),
		c("warmup", `warmup = "2s"`, func(p *Probe) { p.Warmup = 2 * time.Second }),
	}
}

func webProbe() Probe {
	p := probe()
	p.RetryDelay = 3 * time.Second
	return p
}

func webCases() []keywordCase {
	var cases []keywordCase
	for _, kind := range []string{"HTTP_GET", "SSL_GET"} {
		web := func(key, text string, f func(h *HTTPCheck)) keywordCase {
			return check(kind, key, text+"\nurl = [{ path = \"/\" }]", func(c *Checkers) {
				h := HTTPCheck{Probe: webProbe(), TLS: kind == "SSL_GET", Version: HTTP10, URLs: []URLCheck{{Path: "/", Status: []StatusRange{{200, 299}}}}}
				f(&h)
				c.HTTP = []HTTPCheck{h}
			})
		}
		cases = append(cases,
			web("url", "", func(*HTTPCheck) {}),
			web("virtualhost", `virtualhost = "www.example.com"`, func(h *HTTPCheck) { h.URLs[0].Host = "www.example.com" }),
			web("http_protocol", `http_protocol = "2"`, func(h *HTTPCheck) { h.Version = HTTP2 }),
			web("http_protocol", `http_protocol = "1.0C"`, func(h *HTTPCheck) { h.Version = HTTP10C }))
		if kind == "SSL_GET" {
			cases = append(cases,
				web("enable_sni", "enable_sni = true\nvirtualhost = \"www.example.com:8443\"", func(h *HTTPCheck) {
					h.SNI, h.URLs[0].Host = true, "www.example.com:8443"
				}),
				web("sni_name", `sni_name = "www.example.com"`, func(h *HTTPCheck) { h.ServerName = "www.example.com" }),
				web("tls_compliant", `tls_compliant = true`, func(h *HTTPCheck) { h.URLs[0].TLSCompliant = true }),
				web("tls_verify", `tls_verify = true`, func(h *HTTPCheck) { h.Verify = true }))
		}
	}
	url := func(key, text string, f func(u *URLCheck)) keywordCase {
		c := check("SSL_GET", key, "url = [{ "+text+" }]", func(c *Checkers) {
			u := URLCheck{Path: "/", Status: []StatusRange{{200, 299}}}
			f(&u)
			c.HTTP = []HTTPCheck{{Probe: webProbe(), TLS: true, Version: HTTP10, URLs: []URLCheck{u}}}
		})
		c.key = "url/" + key
		return c
	}
	const root = `path = "/", `
	return append(cases,
		url("path", `path = "/a?b=c"`, func(u *URLCheck) { u.Path = "/a?b=c" }),
		url("status_code", root+`status_code = 204`, func(u *URLCheck) { u.Status = []StatusRange{{204, 204}} }),
		url("status_code", root+`status_code = "200-299 301"`, func(u *URLCheck) { u.Status = []StatusRange{{200, 299}, {301, 301}} }),
		url("status_code", root+`status_code = [200, "300-302"]`, func(u *URLCheck) { u.Status = []StatusRange{{200, 200}, {300, 302}} }),
		url("digest", root+`digest = "9B3A0C85A887A256D6939DA88AABD8CD"`, func(u *URLCheck) { u.Digest = "9b3a0c85a887a256d6939da88aabd8cd" }),
		url("virtualhost", root+`virtualhost = "a.example.com"`, func(u *URLCheck) { u.Host = "a.example.com" }),
		url("regex", root+`regex = "ok+"`, func(u *URLCheck) { u.Regex = "ok+" }),
		url("regex_no_match", root+`regex = "ok", regex_no_match = true`, func(u *URLCheck) { u.Regex, u.RegexNoMatch = "ok", true }),
		url("regex_options", root+`regex = "o.k", regex_options = ["caseless", "dotall"]`, func(u *URLCheck) {
			u.Regex, u.RegexOptions = "o.k", []string{"caseless", "dotall"}
		}),
		url("regex_min_offset", root+`regex = "ok", regex_min_offset = 5`, func(u *URLCheck) { u.Regex, u.RegexMin = "ok", 5 }),
		url("regex_max_offset", root+`regex = "ok", regex_max_offset = 5`, func(u *URLCheck) { u.Regex, u.RegexMax = "ok", 5 }),
		url("tls_compliant", root+`tls_compliant = true`, func(u *URLCheck) { u.TLSCompliant = true }))
}

func checkerCases() []keywordCase {
	dns := func() Probe {
		p := probe()
		p.Retries, p.RetryDelay = 3, time.Minute
		return p
	}
	ping := probe()
	ping.Addr = netip.MustParseAddrPort("10.0.0.11:0")
	udp := func(key, text string, f func(u *UDPCheck)) keywordCase {
		return check("UDP_CHECK", key, text, func(c *Checkers) {
			u := UDPCheck{Probe: probe(), MaxReply: 255, Payload: []byte{}}
			f(&u)
			c.UDP = []UDPCheck{u}
		})
	}
	misc := func(key, text string, f func(m *MiscCheck)) keywordCase {
		return check("MISC_CHECK", key, "misc_path = \"/x\"\n"+text, func(c *Checkers) {
			p := probe()
			p.Retries, p.Addr = 0, netip.AddrPort{}
			m := MiscCheck{Probe: p, Command: run("/x")}
			f(&m)
			c.Misc = []MiscCheck{m}
		})
	}
	file := func(key, text string, weight int, reverse bool) keywordCase {
		c := check("FILE_CHECK", key, "track_file = \"f\"\n"+text+"\n[[track_file]]\nname = \"f\"\nfile = \"/run/f\"\nweight = \"5 reverse\"", func(c *Checkers) {
			p := probe()
			p.Addr = netip.AddrPort{}
			c.File = []FileCheck{{Probe: p, File: "f", Weight: weight, Reverse: reverse}}
		})
		inner := c.want
		c.want = func(c *Config, g *Global, in *Instance) {
			inner(c, g, in)
			c.Files = []TrackFile{{Name: "f", Path: "/run/f", Weight: 5, Reverse: true}}
		}
		return c
	}
	return []keywordCase{
		check("PING_CHECK", "", "", func(c *Checkers) { c.Ping = []PingCheck{{ping}} }),
		check("SMTP_CHECK", "", "", func(c *Checkers) { c.SMTP = []SMTPCheck{{probe(), "smtpchecker.keepalived.org"}} }),
		check("SMTP_CHECK", "helo_name", `helo_name = "lb1"`, func(c *Checkers) { c.SMTP = []SMTPCheck{{probe(), "lb1"}} }),
		check("DNS_CHECK", "type", `type = "AAAA"`, func(c *Checkers) { c.DNS = []DNSCheck{{Probe: dns(), Type: 28}} }),
		check("DNS_CHECK", "name", `name = "example.com."`, func(c *Checkers) { c.DNS = []DNSCheck{{Probe: dns(), Type: 6, Query: "example.com"}} }),
		misc("misc_path", "", func(*MiscCheck) {}),
		misc("misc_timeout", `misc_timeout = "5s"`, func(m *MiscCheck) { m.Command.Timeout = 5 * time.Second }),
		misc("misc_dynamic", `misc_dynamic = true`, func(m *MiscCheck) { m.Dynamic = true }),
		misc("user", `user = "u g"`, func(m *MiscCheck) { m.Command.User, m.Command.Group = "u", "g" }),
		udp("payload", `payload = "0a 0B"`, func(u *UDPCheck) { u.Payload = []byte{10, 11} }),
		udp("require_reply", `require_reply = true`, func(u *UDPCheck) { u.RequireReply = true }),
		udp("require_reply", `require_reply = "0aXX1x"`, func(u *UDPCheck) {
			u.RequireReply, u.Reply, u.ReplyMask = true, []byte{10, 0, 16}, []byte{255, 0, 240}
		}),
		udp("min_reply_length", "require_reply = \"0a\"\nmin_reply_length = 3", func(u *UDPCheck) {
			u.RequireReply, u.Reply, u.ReplyMask, u.MinReply = true, []byte{10}, []byte{255}, 3
		}),
		udp("max_reply_length", "require_reply = \"0a\"\nmax_reply_length = 3", func(u *UDPCheck) {
			u.RequireReply, u.Reply, u.ReplyMask, u.MaxReply = true, []byte{10}, []byte{255}, 3
		}),
		file("track_file", "", 5, true),
		file("weight", "weight = -7", -7, true),
		file("reverse", "reverse = false", 5, false),
	}
}

func ownCheckerCases() []keywordCase {
	var cases []keywordCase
	secure := func(kind, first string, put func(c *Checkers, s Secure)) {
		with := func(s Secure) func(*Checkers) { return func(c *Checkers) { put(c, s) } }
		first += "\n"
		cases = append(cases,
			check(kind, "tls", first+"tls = true", with(Secure{TLS: true, Verify: true})),
			check(kind, "tls_verify", first+"tls = true\ntls_verify = false", with(Secure{TLS: true})),
			check(kind, "sni_name", first+"tls = true\nsni_name = \"db.example.com\"", with(Secure{TLS: true, Verify: true, ServerName: "db.example.com"})))
	}
	plain := Secure{Verify: true}
	secure("GRPC_CHECK", "", func(c *Checkers, s Secure) { c.GRPC = []GRPCCheck{{Probe: probe(), Secure: s}} })
	secure("REDIS_CHECK", "", func(c *Checkers, s Secure) { c.Redis = []RedisCheck{{Probe: probe(), Secure: s}} })
	secure("MYSQL_CHECK", `user = "u"`, func(c *Checkers, s Secure) {
		c.MySQL = []MySQLCheck{{Probe: probe(), Secure: s, Login: Login{User: "u"}}}
	})
	secure("PGSQL_CHECK", "", func(c *Checkers, s Secure) { c.PGSQL = []PGSQLCheck{{Probe: probe(), Secure: s}} })
	cases = append(cases, check("GRPC_CHECK", "service", `service = "shop.Cart"`, func(c *Checkers) {
		c.GRPC = []GRPCCheck{{Probe: probe(), Secure: plain, Service: "shop.Cart"}}
	}))
	return append(cases,
		check("REDIS_CHECK", "user", "user = \"u\"\npassword = \"p\"", func(c *Checkers) { c.Redis = []RedisCheck{{probe(), plain, Login{"u", "p"}}} }),
		check("REDIS_CHECK", "password", `password = "p"`, func(c *Checkers) { c.Redis = []RedisCheck{{probe(), plain, Login{"", "p"}}} }),
		check("MYSQL_CHECK", "user", `user = "u"`, func(c *Checkers) { c.MySQL = []MySQLCheck{{probe(), plain, Login{"u", ""}, ""}} }),
		check("MYSQL_CHECK", "password", "user = \"u\"\npassword = \"p\"", func(c *Checkers) { c.MySQL = []MySQLCheck{{probe(), plain, Login{"u", "p"}, ""}} }),
		check("MYSQL_CHECK", "database", "user = \"u\"\ndatabase = \"d\"", func(c *Checkers) { c.MySQL = []MySQLCheck{{probe(), plain, Login{"u", ""}, "d"}} }),
		check("PGSQL_CHECK", "user", `user = "u"`, func(c *Checkers) { c.PGSQL = []PGSQLCheck{{probe(), plain, "u", ""}} }),
		check("PGSQL_CHECK", "database", `database = "d"`, func(c *Checkers) { c.PGSQL = []PGSQLCheck{{probe(), plain, "", "d"}} }))
}

func tlsCases() []keywordCase {
	t := func(key, text string, want TLSClient) keywordCase {
		return keywordCase{key: "SSL/" + key, inst: "[SSL]\n" + text, want: func(c *Config, _ *Global, _ *Instance) { c.TLS = want }}
	}
	return []keywordCase{
		t("certificate", `certificate = "/c"`, TLSClient{Certificate: "/c", Key: "/c"}),
		t("key", "certificate = \"/c\"\nkey = \"/k\"", TLSClient{Certificate: "/c", Key: "/k"}),
		t("ca", `ca = "/a"`, TLSClient{CA: "/a"}),
	}
}

// checkBalancing checks what the documentation of VirtualServer promises.
func checkBalancing(t *testing.T, cfg *Config) {
	t.Helper()
	names, services := map[string]bool{}, map[VirtualService]bool{}
	for i := range cfg.VirtualServers {
		v := &cfg.VirtualServers[i]
		if names[v.Name] || v.Name == "" || len(v.Services) == 0 || len(v.Servers) == 0 || v.Quorum < 1 || v.Hysteresis < 0 || v.Hysteresis >= v.Quorum || (v.Persistence > 0) != (v.PersistenceBits > 0) {
			t.Errorf("virtual server: %+v", v)
		}
		names[v.Name] = true
		for _, s := range v.Services {
			if services[s] || (s.Mark == 0) != s.Addr.IsValid() || (s.Mark == 0) != (s.Protocol != 0) || s.Family == 0 || s.Mark == 0 && s.Port == 0 && v.Persistence == 0 {
				t.Errorf("%s: service: %+v", v.Name, s)
			}
			services[s] = true
		}
		servers := map[netip.AddrPort]bool{}
		for j := range v.Servers {
			r := &v.Servers[j]
			if servers[r.Addr] || !r.Addr.IsValid() || r.Forward.Method == 0 || (r.Forward.Method == MethodTUN) != (r.Forward.Tunnel != 0) || r.Weight < 0 || r.LThreshold > r.UThreshold {
				t.Errorf("%s: server: %+v", v.Name, r)
			}
			servers[r.Addr] = true
			checkProbes(t, r)
		}
	}
}

// checkProbes checks what the documentation of Probe and the checkers promises.
func checkProbes(t *testing.T, r *RealServer) {
	t.Helper()
	c := &r.Checkers
	var probes []Probe
	for _, x := range c.TCP {
		probes = append(probes, x.Probe)
	}
	for _, x := range c.HTTP {
		probes = append(probes, x.Probe)
		for _, u := range x.URLs {
			if u.Path == "" || u.Path[0] != '/' || len(u.Status) == 0 {
				t.Errorf("url: %+v", u)
			}
		}
		if len(x.URLs) == 0 || x.Version == 0 {
			t.Errorf("web: %+v", x)
		}
	}
	for _, x := range c.DNS {
		probes = append(probes, x.Probe)
		if x.Type == 0 {
			t.Errorf("dns: %+v", x)
		}
	}
	for _, x := range c.UDP {
		probes = append(probes, x.Probe)
		if len(x.Reply) != len(x.ReplyMask) || len(x.Reply) > 0 && (!x.RequireReply || x.MaxReply < len(x.Reply)) {
			t.Errorf("udp: %+v", x)
		}
	}
	for _, x := range c.PGSQL {
		probes = append(probes, x.Probe)
	}
	for _, p := range probes {
		if p.Interval < 10*time.Millisecond || p.Timeout <= 0 || p.Retries < 0 || p.RetryDelay < 0 || p.Addr.Port() == 0 || !p.Addr.IsValid() {
			t.Errorf("probe: %+v", p)
		}
	}
	for _, x := range c.Misc {
		if x.Command.IsZero() || x.Command.Timeout <= 0 {
			t.Errorf("misc: %+v", x)
		}
	}
}

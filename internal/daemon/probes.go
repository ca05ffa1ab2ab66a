package daemon

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hakeep/checks"
	"hakeep/internal/config"
)

// fileLook is how often the value of a track_file is compared: that is a look into
// memory, and keepalived hears of changes at once.
const fileLook = 100 * time.Millisecond

// probes are the checks of all real servers.
type probes struct {
	specs []checks.Spec // each one once
	names [][][]string  // by virtual server and real server
}

// of are the names of the checks of a server.
func (p probes) of(virtual, real int) []string { return p.names[virtual][real] }

// alpha are the checks that count as failed until they have passed.
func (p probes) alpha() map[string]bool {
	names := map[string]bool{}
	for i := range p.specs {
		if p.specs[i].Policy.Start == checks.StartDown {
			names[p.specs[i].Name] = true
		}
	}
	return names
}

// serverProbes translates the checkers of all servers; those that are the same
// are done once. values has the track files.
func serverProbes(cfg *config.Config, values checks.Values) probes {
	var all []checks.Spec
	p := probes{names: make([][][]string, len(cfg.VirtualServers))}
	tr := prober{cfg: cfg, values: values}
	for i := range cfg.VirtualServers {
		v := &cfg.VirtualServers[i]
		p.names[i] = make([][]string, len(v.Servers))
		for j := range v.Servers {
			list := tr.server(&v.Servers[j])
			p.names[i][j] = make([]string, len(list))
			all = append(all, list...)
		}
	}
	var names []string
	p.specs, names = checks.Share(all)
	for _, of := range p.names {
		for _, list := range of {
			names = names[copy(list, names):]
		}
	}
	return p
}

// prober translates checkers.
type prober struct {
	cfg    *config.Config
	values checks.Values
}

// server is the checks of one server, in the order of their kinds.
func (tr *prober) server(s *config.RealServer) (list []checks.Spec) {
	add := func(kind, about string, p *config.Probe, t checks.Target) {
		list = append(list, checks.Spec{Name: strings.TrimRight(kind+" "+about, " "), Target: t, Policy: probePolicy(p)})
	}
	c := &s.Checkers
	for i := range c.TCP {
		k := &c.TCP[i]
		add("TCP_CHECK", k.Addr.String(), &k.Probe, checks.TCP{Address: k.Addr, Via: via(&k.Probe)})
	}
	for i := range c.HTTP {
		k := &c.HTTP[i]
		kind := "HTTP_GET"
		if k.TLS {
			kind = "SSL_GET"
		}
		add(kind, k.Addr.String(), &k.Probe, tr.get(k))
	}
	for i := range c.SMTP {
		k := &c.SMTP[i]
		add("SMTP_CHECK", k.Addr.String(), &k.Probe, checks.SMTP{Address: k.Addr, Helo: k.Helo, Via: via(&k.Probe)})
	}
	for i := range c.DNS {
		k := &c.DNS[i]
		add("DNS_CHECK", k.Addr.String(), &k.Probe, checks.DNS{Server: k.Addr, Name: cmp.Or(k.Query, "."), Type: k.Type.String(), Via: via(&k.Probe)})
	}
	for i := range c.UDP {
		k := &c.UDP[i]
		add("UDP_CHECK", k.Addr.String(), &k.Probe, udpTarget(k))
	}
	for i := range c.Ping {
		k := &c.Ping[i]
		add("PING_CHECK", k.Addr.Addr().String(), &k.Probe, checks.Ping{Targets: []netip.Addr{k.Addr.Addr()}, Need: 1, Source: k.Bind, Interface: k.BindLink, Mark: k.Mark})
	}
	for i := range c.Misc {
		k := &c.Misc[i]
		add("MISC_CHECK", scriptCommand(k.Command).String(), &k.Probe, checks.Misc{
			Command: scriptCommand(k.Command), Dynamic: k.Dynamic, DefaultUser: scriptUser(&tr.cfg.Global), Secure: tr.cfg.Global.ScriptSecurity,
		})
		list[len(list)-1].Policy.Timeout = k.Command.Timeout
	}
	for i := range c.File {
		k := &c.File[i]
		add("FILE_CHECK", k.File, &k.Probe, checks.File{Name: k.File, Weight: k.Weight, Reverse: k.Reverse, Values: tr.values})
		list[len(list)-1].Policy.Interval = fileLook
	}
	tr.services(c, add)
	return list
}

// services are the checks that keepalived does not have.
func (tr *prober) services(c *config.Checkers, add func(kind, about string, p *config.Probe, t checks.Target)) {
	for i := range c.GRPC {
		k := &c.GRPC[i]
		add("GRPC_CHECK", k.Addr.String(), &k.Probe, checks.GRPC{Address: k.Addr, TLS: tr.tls(&k.Secure), Service: k.Service, Via: via(&k.Probe)})
	}
	for i := range c.Redis {
		k := &c.Redis[i]
		add("REDIS_CHECK", k.Addr.String(), &k.Probe, checks.Redis{
			Address: k.Addr, TLS: tr.tls(&k.Secure), User: k.Login.User, Password: checks.Secret(k.Login.Password), Via: via(&k.Probe),
		})
	}
	for i := range c.MySQL {
		k := &c.MySQL[i]
		add("MYSQL_CHECK", k.Addr.String(), &k.Probe, checks.MySQL{
			Address: k.Addr, TLS: tr.tls(&k.Secure), User: k.Login.User, Password: checks.Secret(k.Login.Password), Database: k.Database,
			Via: via(&k.Probe),
		})
	}
	for i := range c.PGSQL {
		k := &c.PGSQL[i]
		add("PGSQL_CHECK", k.Addr.String(), &k.Probe, checks.PgSQL{
			Address: k.Addr, TLS: tr.tls(&k.Secure), User: k.User, Database: k.Database, Via: via(&k.Probe),
		})
	}
}

// probePolicy says when and how a check is judged, in keepalived's words.
func probePolicy(p *config.Probe) checks.Policy {
	start := checks.StartUp
	if p.Alpha {
		start = checks.StartDown
	}
	return checks.Policy{
		Interval: p.Interval, Timeout: p.Timeout, Rise: 1, Fall: p.Retries + 1, RetryDelay: p.RetryDelay, Warmup: p.Warmup,
		Start: start, TellFailures: p.LogAll,
	}
}

func via(p *config.Probe) checks.Via {
	return checks.Via{Source: p.Bind, SourcePort: p.BindPort, Interface: p.BindLink, Mark: p.Mark}
}

func (tr *prober) get(c *config.HTTPCheck) checks.Get {
	g := checks.Get{Address: c.Addr, SNI: c.SNI, Protocol: checks.Protocol(c.Version), Via: via(&c.Probe)}
	if c.TLS {
		g.TLS = tr.tls(&config.Secure{TLS: true, Verify: c.Verify, ServerName: c.ServerName})
	}
	for i := range c.URLs {
		u := &c.URLs[i]
		p := checks.Page{
			Path: u.Path, Host: u.Host, Digest: u.Digest, Regex: u.Regex, Absent: u.RegexNoMatch,
			Options: u.RegexOptions, MinOffset: u.RegexMin, MaxOffset: u.RegexMax, Compliant: u.TLSCompliant,
		}
		for _, s := range u.Status {
			p.Status = append(p.Status, checks.StatusRange{First: int(s.First), Last: int(s.Last)})
		}
		g.Pages = append(g.Pages, p)
	}
	return g
}

// tls is nil for no TLS.
func (tr *prober) tls(s *config.Secure) *checks.TLS {
	if !s.TLS {
		return nil
	}
	c := &tr.cfg.TLS
	t := &checks.TLS{ServerName: s.ServerName, Verify: s.Verify, CertFile: c.Certificate, KeyFile: c.Key}
	if s.Verify {
		t.CAFile = c.CA
	}
	return t
}

// udpTarget writes the pattern of the answer as package checks has it.
func udpTarget(c *config.UDPCheck) checks.UDP {
	t := checks.UDP{Address: c.Addr, Payload: c.Payload, Via: via(&c.Probe)}
	if !c.RequireReply {
		return t
	}
	data := []byte(hex.EncodeToString(c.Reply))
	for i := range data {
		if i/2 < len(c.ReplyMask) && c.ReplyMask[i/2]>>(4*(1-i%2))&0xf == 0 {
			data[i] = 'X'
		}
	}
	t.Reply = &checks.UDPReply{Data: string(data), MinLength: c.MinReply, MaxLength: c.MaxReply}
	return t
}

// checkedFiles are the track files that checks of servers look at.
func checkedFiles(cfg *config.Config) (names []string) {
	for i := range cfg.VirtualServers {
		for j := range cfg.VirtualServers[i].Servers {
			for k := range cfg.VirtualServers[i].Servers[j].Checkers.File {
				names = append(names, cfg.VirtualServers[i].Servers[j].Checkers.File[k].File)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// probeFailure is an attempt of a check in words.
func probeFailure(name string, r checks.Result) string {
	kind, _, _ := strings.Cut(name, " [")
	return fmt.Sprintf("%s: %s", kind, r)
}

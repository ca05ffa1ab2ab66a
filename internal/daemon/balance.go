package daemon

import (
	"net/netip"

	"hakeep/internal/config"
	"hakeep/internal/notify"
	"hakeep/lvs"
)

// balanced is load balancing as the pool has it: the virtual servers, with the
// checks of their servers by the names that probes gave them.
func balanced(cfg *config.Config, checks probes) []lvs.VirtualServer {
	all := make([]lvs.VirtualServer, 0, len(cfg.VirtualServers))
	for i := range cfg.VirtualServers {
		c := &cfg.VirtualServers[i]
		v := lvs.VirtualServer{
			Name: c.Name, Attr: lvsAttr(c), Quorum: c.Quorum, Hysteresis: c.Hysteresis,
			SorryInhibit: c.Sorry.Inhibit, Suspend: c.Suspend, Omega: c.Omega, Masquerade: c.Masquerade,
			Servers: make([]lvs.RealServer, 0, len(c.Servers)),
		}
		for _, s := range c.Services {
			v.IDs = append(v.IDs, lvsID(s))
		}
		if c.Sorry.Addr.IsValid() {
			v.Sorry = &lvs.Server{Endpoint: lvsEndpoint(c.Sorry.Addr), Forward: lvsForward(c.Sorry.Forward), Weight: 1}
		}
		for j := range c.Servers {
			s := &c.Servers[j]
			v.Servers = append(v.Servers, lvs.RealServer{
				Server: lvs.Server{
					Endpoint: lvsEndpoint(s.Addr), Forward: lvsForward(s.Forward), Weight: s.Weight,
					UThreshold: s.UThreshold, LThreshold: s.LThreshold,
				},
				Alpha: s.Alpha, Inhibit: s.Inhibit, Checks: checks.of(i, j),
			})
		}
		all = append(all, v)
	}
	return all
}

func lvsID(s config.VirtualService) lvs.ID {
	id := lvs.ID{Protocol: lvs.Protocol(s.Protocol), Addr: s.Addr, Port: s.Port, Mark: s.Mark, Family: lvs.IPv4}
	if s.Family == config.FamilyIPv6 {
		id.Family = lvs.IPv6
	}
	return id
}

func lvsEndpoint(a netip.AddrPort) lvs.Endpoint { return lvs.Endpoint{Addr: a.Addr(), Port: a.Port()} }

// lvsAttr translates the attributes of a service.
func lvsAttr(c *config.VirtualServer) lvs.Attr {
	a := lvs.Attr{
		Scheduler: c.Scheduler, Persistence: c.Persistence, PersistenceBits: c.PersistenceBits, Engine: c.PersistenceEngine,
	}
	for _, f := range []struct {
		on   bool
		flag lvs.Flags
	}{{c.Hashed, lvs.Hashed}, {c.OnePacket, lvs.OnePacket}, {c.Flag1, lvs.Sched1}, {c.Flag2, lvs.Sched2}, {c.Flag3, lvs.Sched3}} {
		if f.on {
			a.Flags |= f.flag
		}
	}
	return a
}

// lvsForward translates how packets get to a server. The numbers of the two
// packages mean the same, which a test holds.
func lvsForward(f config.Forward) lvs.Forward {
	return lvs.Forward{
		Method: lvs.Method(f.Method), Tunnel: lvs.TunnelType(f.Tunnel), Port: f.TunnelPort, Checksum: lvs.Checksum(f.Checksum),
	}
}

// serverHooks is what is told of the servers: by virtual server.
type serverHooks map[string]*virtualHooks

// virtualHooks is what one virtual server tells, and how it is named there.
type virtualHooks struct {
	name    notify.Service
	proto   string
	up      notify.Command
	down    notify.Command
	mail    bool
	servers map[lvs.Endpoint]*realHooks
}

type realHooks struct {
	up, down notify.Command
	mail     bool
}

// balancingHooks translates the notifications of load balancing.
func balancingHooks(cfg *config.Config) serverHooks {
	all := make(serverHooks, len(cfg.VirtualServers))
	for i := range cfg.VirtualServers {
		c := &cfg.VirtualServers[i]
		v := &virtualHooks{
			name: serviceName(c), up: notifyCommand(c.QuorumUp), down: notifyCommand(c.QuorumDown), mail: c.SMTPAlert,
			servers: make(map[lvs.Endpoint]*realHooks, len(c.Servers)),
		}
		for _, s := range c.Services {
			if s.Protocol != 0 {
				v.proto = lvs.Protocol(s.Protocol).String()
			}
		}
		for j := range c.Servers {
			s := &c.Servers[j]
			v.servers[lvsEndpoint(s.Addr)] = &realHooks{up: notifyCommand(s.NotifyUp), down: notifyCommand(s.NotifyDown), mail: s.SMTPAlert}
		}
		all[c.Name] = v
	}
	return all
}

// serviceName is how FIFOs and mail call a virtual server.
func serviceName(c *config.VirtualServer) notify.Service {
	if c.Group != "" || len(c.Services) == 0 {
		return notify.Service{Group: c.Group}
	}
	s := c.Services[0]
	switch {
	case s.Mark != 0:
		return notify.Service{FWMark: s.Mark}
	}
	return notify.Service{Addr: netip.AddrPortFrom(s.Addr, s.Port), Proto: lvs.Protocol(s.Protocol).String()}
}

// serverTargets are the servers that have scripts.
func serverTargets(all serverHooks) (targets []notify.Target) {
	for _, v := range all {
		if !v.up.IsZero() || !v.down.IsZero() {
			targets = append(targets, notify.ServerTarget(v.name, nil))
		}
		for e, s := range v.servers {
			if !s.up.IsZero() || !s.down.IsZero() {
				real := v.real(e)
				targets = append(targets, notify.ServerTarget(v.name, &real))
			}
		}
	}
	return targets
}

// real is how FIFOs and mail call a real server.
func (v *virtualHooks) real(e lvs.Endpoint) notify.Service {
	port := e.Port
	if port == 0 {
		port = v.name.Addr.Port()
	}
	return notify.Service{Addr: netip.AddrPortFrom(e.Addr, port), Proto: v.proto}
}

// event translates an event of the pool. checkerMails says that mails tell of
// single checks.
func (v *virtualHooks) event(ev *lvs.Event, checkerMails bool) notify.ServerEvent {
	out := notify.ServerEvent{Virtual: v.name, Up: ev.Kind.Up(), Final: ev.Stop, Reason: ev.Reason, Mail: v.mail}
	switch ev.Kind {
	case lvs.QuorumUp:
		out.Keyword, out.Command = "quorum_up", v.up
		return out
	case lvs.QuorumDown:
		out.Keyword, out.Command = "quorum_down", v.down
		return out
	}
	real := v.real(ev.Server)
	out.Real, out.Mail = &real, false
	s := v.servers[ev.Server]
	if s == nil {
		return out
	}
	// As in keepalived no mail comes of what is so from the beginning.
	out.Mail = s.mail && !ev.Init
	switch ev.Kind {
	case lvs.ServerUp:
		out.Keyword, out.Command = "notify_up", s.up
	case lvs.ServerDown:
		out.Keyword, out.Command = "notify_down", s.down
	default:
		out.Check, out.Mail = true, out.Mail && checkerMails
	}
	return out
}

package status

import (
	"slices"
	"time"

	"hakeep/checks"
	"hakeep/lvs"
)

// Balancing is load balancing.
type Balancing struct {
	// Backend is "ipvs" or "nftables", Reason why; both are empty until there is a
	// virtual server.
	Backend string `json:"backend,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Digest is the same on two routers that send a new client to the same server,
	// as far as the tables decide that. It is empty while they are not in force.
	Digest string `json:"digest,omitempty"`
	// Error says why the kernel has not what it should have.
	Error string `json:"error,omitempty"`
	// ByHand counts servers of which something was said by hand.
	ByHand         int             `json:"by_hand"`
	VirtualServers []VirtualServer `json:"virtual_servers"`
}

// VirtualServer is one virtual server.
type VirtualServer struct {
	// Name is ADDR:PORT/tcp, fwmark:N or group:NAME/tcp.
	Name string `json:"name"`
	// Up says that it has its quorum, since when.
	Up    bool      `json:"up"`
	Since time.Time `json:"since"`
	// Weight is the sum of the weights of the servers that are up; with Quorum and
	// Hysteresis it decides.
	Weight     int `json:"weight"`
	Quorum     int `json:"quorum"`
	Hysteresis int `json:"hysteresis"`
	// Scheduler is lvs_sched, Persistence persistence_timeout.
	Scheduler   string  `json:"scheduler"`
	Persistence float64 `json:"persistence_seconds,omitempty"`
	// Suspended says that the checks do not run, since the address is not on this
	// host (ha_suspend).
	Suspended bool `json:"suspended,omitempty"`
	// Sorry is the sorry server; absent without one.
	Sorry *SorryServer `json:"sorry_server,omitempty"`
	// Digest is that of the table of this virtual server, as Balancing's.
	Digest string `json:"digest,omitempty"`
	// Breaks says why connections do not go on when another router takes over;
	// absent if they do.
	Breaks []string `json:"breaks_at_takeover,omitempty"`
	// Services are what clients connect to: one, or all of a group.
	Services []BalancedService `json:"services"`
	Servers  []RealServer      `json:"servers"`
}

// SorryServer is the server of last resort.
type SorryServer struct {
	Address string `json:"address"`
	// InUse says that it gets the traffic.
	InUse bool `json:"in_use"`
}

// BalancedService is an address and port, or a firewall mark.
type BalancedService struct {
	Name string `json:"name"`
	// Counters are absent when the kernel could not be asked.
	Counters *BalancedCounters `json:"counters,omitempty"`
}

// RealServer is a server of a virtual server.
type RealServer struct {
	Address string `json:"address"`
	// Method is NAT, DR or TUN.
	Method string `json:"method"`
	// Up says that it takes part, since when; Reason why it does not.
	Up     bool      `json:"up"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
	// Weight is the effective one, Configured that of the configuration. They differ
	// by checks, or by what was said by hand.
	Weight     int `json:"weight"`
	Configured int `json:"configured_weight"`
	// Disabled, Drained and WeightByHand are what was said by hand (hakeep server).
	Disabled     bool `json:"disabled,omitempty"`
	Drained      bool `json:"drained,omitempty"`
	WeightByHand *int `json:"weight_by_hand,omitempty"`
	// Checks are what has to pass; without any the server is always up.
	Checks []ServerCheck `json:"checks"`
	// Counters are those of all services together; absent when the kernel could not
	// be asked.
	Counters *BalancedCounters `json:"counters,omitempty"`
	// Active and Inactive connections are there now; absent with nftables.
	Active   *uint32 `json:"active,omitempty"`
	Inactive *uint32 `json:"inactive,omitempty"`
}

// ServerCheck is a check of a server. Servers with the same check share it.
type ServerCheck struct {
	Name string `json:"name"`
	// State is "ok", "failed" or "init" before the first attempt; Since when.
	State string    `json:"state"`
	Since time.Time `json:"since"`
	// Result is the last attempt's in words, Last when it started, Duration how long
	// it took.
	Result   string    `json:"result,omitempty"`
	Last     time.Time `json:"last,omitzero"`
	Duration float64   `json:"duration_seconds"`
	// Row is how many attempts in a row have gone against the state.
	Row int `json:"row"`
	// Runs counts attempts, Failures those that failed, Late those that began more
	// than 10 ms after their time.
	Runs     uint64 `json:"runs"`
	Failures uint64 `json:"failures"`
	Late     uint64 `json:"late"`
}

// BalancedCounters are what has passed. In is from clients to servers, out the way
// back, which a router does not see with DR and TUN. They begin anew when a server
// comes back into the kernel.
type BalancedCounters struct {
	Connections uint64 `json:"connections"`
	InPackets   uint64 `json:"in_packets"`
	InBytes     uint64 `json:"in_bytes"`
	OutPackets  uint64 `json:"out_packets"`
	OutBytes    uint64 `json:"out_bytes"`
}

// BalancingInput is what Balancing is made of.
type BalancingInput struct {
	Backend, Reason, Digest, Error string
	Pool                           []lvs.VirtualStatus
	Checks                         []checks.Status
	// Counters are nil when the kernel could not be asked.
	Counters []lvs.ServiceCounters
	// Active says that the counters know of connections that are there now.
	Active bool
	// Digests are by service, Breaks too.
	Digests map[lvs.ID]string
	Breaks  map[lvs.ID][]string
}

// Balance makes the section.
func Balance(in *BalancingInput) Balancing {
	b := Balancing{
		Backend: in.Backend, Reason: in.Reason, Digest: in.Digest, Error: in.Error,
		VirtualServers: make([]VirtualServer, 0, len(in.Pool)),
	}
	checked := make(map[string]*checks.Status, len(in.Checks))
	for i := range in.Checks {
		checked[in.Checks[i].Name] = &in.Checks[i]
	}
	counted := make(map[lvs.ID]*lvs.ServiceCounters, len(in.Counters))
	for i := range in.Counters {
		counted[in.Counters[i].ID] = &in.Counters[i]
	}
	for i := range in.Pool {
		v := virtualServer(&in.Pool[i], in, checked, counted)
		for j := range v.Servers {
			if v.Servers[j].ByHand() {
				b.ByHand++
			}
		}
		b.VirtualServers = append(b.VirtualServers, v)
	}
	return b
}

func virtualServer(s *lvs.VirtualStatus, in *BalancingInput, checked map[string]*checks.Status, counted map[lvs.ID]*lvs.ServiceCounters) VirtualServer {
	c := s.Config
	v := VirtualServer{
		Name: c.Name, Up: s.Up, Since: s.Since, Weight: s.Weight, Quorum: c.Quorum, Hysteresis: c.Hysteresis,
		Scheduler: c.Attr.Scheduler, Persistence: c.Attr.Persistence.Seconds(), Suspended: s.Suspended,
		Services: make([]BalancedService, 0, len(c.IDs)), Servers: make([]RealServer, 0, len(s.Servers)),
	}
	if c.Sorry != nil {
		v.Sorry = &SorryServer{Address: ServerName(c.Sorry.Endpoint), InUse: s.Sorry}
	}
	var counters []*lvs.ServiceCounters
	for _, id := range c.IDs {
		svc := BalancedService{Name: id.String()}
		if n := counted[id]; n != nil {
			counters = append(counters, n)
			svc.Counters = balancedCounters(n.Counters)
		}
		v.Services = append(v.Services, svc)
		if v.Digest == "" {
			v.Digest = in.Digests[id]
		}
		for _, why := range in.Breaks[id] {
			if !slices.Contains(v.Breaks, why) {
				v.Breaks = append(v.Breaks, why)
			}
		}
	}
	for i := range s.Servers {
		rs := realServer(&s.Servers[i], checked)
		rs.count(&s.Servers[i].Config.Endpoint, counters, in.Active)
		v.Servers = append(v.Servers, rs)
	}
	return v
}

func realServer(s *lvs.ServerStatus, checked map[string]*checks.Status) RealServer {
	rs := RealServer{
		Address: ServerName(s.Config.Endpoint), Method: s.Config.Forward.Method.String(), Up: s.Alive, Since: s.Since, Reason: s.Why,
		Weight: s.Weight, Configured: s.Config.Weight, Disabled: s.Hand.Disabled, Drained: s.Hand.Drained,
		Checks: make([]ServerCheck, 0, len(s.Config.Checks)),
	}
	if s.Hand.Weighted {
		rs.WeightByHand = &s.Hand.Weight
	}
	for _, name := range s.Config.Checks {
		c := ServerCheck{Name: name, State: "init"}
		if k := checked[name]; k != nil {
			c.Since, c.Result, c.Last, c.Duration = k.Since, k.Result, k.LastRun, k.Duration.Seconds()
			c.Row, c.Runs, c.Failures, c.Late = k.Row, k.Runs, k.Failures, k.Late
			if k.Runs > 0 {
				c.State = "ok"
			}
		}
		if slices.Contains(s.Failed, name) {
			c.State = "failed"
		}
		rs.Checks = append(rs.Checks, c)
	}
	return rs
}

// ServerName is ADDR:PORT, or the address alone where the port is that of each
// service.
func ServerName(e lvs.Endpoint) string {
	if e.Port == 0 {
		return e.Addr.String()
	}
	return e.String()
}

// count adds up what the server has in all services.
func (rs *RealServer) count(e *lvs.Endpoint, all []*lvs.ServiceCounters, active bool) {
	for _, svc := range all {
		for i := range svc.Servers {
			s := &svc.Servers[i]
			if k := s.Server.Endpoint; k.Addr != e.Addr || e.Port != 0 && k.Port != e.Port {
				continue
			}
			if rs.Counters == nil {
				rs.Counters = &BalancedCounters{}
				if active {
					rs.Active, rs.Inactive = new(uint32), new(uint32)
				}
			}
			rs.Counters.add(&s.Counters)
			if active {
				*rs.Active += s.Active
				*rs.Inactive += s.Inactive
			}
		}
	}
}

func (c *BalancedCounters) add(o *lvs.Counters) {
	c.Connections += o.Connections
	c.InPackets += o.InPackets
	c.InBytes += o.InBytes
	c.OutPackets += o.OutPackets
	c.OutBytes += o.OutBytes
}

func balancedCounters(c lvs.Counters) *BalancedCounters {
	return &BalancedCounters{
		Connections: c.Connections, InPackets: c.InPackets, InBytes: c.InBytes, OutPackets: c.OutPackets, OutBytes: c.OutBytes,
	}
}

// ByHand reports whether something was said of the server by hand.
func (rs *RealServer) ByHand() bool { return rs.Disabled || rs.Drained || rs.WeightByHand != nil }

// VirtualServer returns the virtual server of this name; nil if there is none.
func (d *Document) VirtualServer(name string) *VirtualServer {
	for i := range d.Balancing.VirtualServers {
		if d.Balancing.VirtualServers[i].Name == name {
			return &d.Balancing.VirtualServers[i]
		}
	}
	return nil
}

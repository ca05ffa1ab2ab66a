package lvs

import (
	"cmp"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Pool is all virtual servers of a router with what is known of their servers.
// It decides which services the kernel should have, and what is to be told. It
// has no clock: times are those that it was given. The zero value has no virtual
// servers.
//
// A server is alive if none of its checks is failed and nobody has disabled it.
// The weights of servers that are alive make the sum W, by which a virtual
// server with quorum Q and hysteresis H gains its quorum (W >= Q + H) and loses
// it (W = 0 or W < Q - H), as in keepalived.
type Pool struct {
	vs     map[string]*virtual
	order  []string // names as configured
	checks map[string]*check
	local  func(netip.Addr) bool
}

// virtual is one virtual server.
type virtual struct {
	conf    VirtualServer
	servers []*server
	up      bool // it has its quorum
	weight  int  // of the servers that are alive
	since   time.Time
	idle    bool      // its checks are suspended (ha_suspend)
	wanted  []Service // nil if it has to be computed
}

// server is one real server.
type server struct {
	conf   RealServer
	of     *virtual
	hand   Hand
	alive  bool
	weight int // effective
	counts int // what it adds to the weight of the virtual server
	since  time.Time
	why    string // of alive or not
}

// check is one check.
type check struct {
	outcome Outcome
	known   bool // an outcome was reported
	users   []*server
}

// Config is what Configure takes.
type Config struct {
	Virtual []VirtualServer
	// Alpha names checks that count as failed until their first outcome, beside
	// those of servers with Alpha.
	Alpha map[string]bool
	// Failed names checks that were failed when an earlier process ended.
	Failed map[string]bool
	// InitNotifies tells of servers that start as alive (rs_init_notifies).
	InitNotifies bool
}

// Configure replaces all virtual servers. Those of the same name, and within
// them servers of the same endpoint, keep their state: what was failed stays
// failed until its checks say otherwise, what was set by hand stays. The events
// are told in order. A copy of p that was made before is not changed.
func (p *Pool) Configure(now time.Time, c Config) []Event {
	before := p.vs
	var events []Event
	kept := map[string]bool{}
	for i := range c.Virtual {
		kept[c.Virtual[i].Name] = true
	}
	for _, name := range p.order {
		if !kept[name] {
			events = append(events, before[name].leave(Event{Removed: true, Reason: "it is not configured any more"})...)
		}
	}
	p.vs, p.order = make(map[string]*virtual, len(c.Virtual)), make([]string, 0, len(c.Virtual))
	fresh := map[*server]bool{}
	for i := range c.Virtual {
		v := &virtual{conf: c.Virtual[i], since: now}
		old := before[v.conf.Name]
		if old != nil {
			v.up, v.since = old.up, old.since
		}
		events = append(events, v.adopt(now, old, fresh)...)
		p.vs[v.conf.Name] = v
		p.order = append(p.order, v.conf.Name)
	}
	p.indexChecks(c, fresh)
	p.suspend()
	for _, name := range p.order {
		v := p.vs[name]
		init := before[name] == nil
		for _, s := range v.servers {
			s.weigh(p.checks)
			tell := !fresh[s] || c.InitNotifies
			if ev, changed := s.judge(now, p.checks); changed && tell {
				ev.Init = fresh[s]
				events = append(events, ev)
			}
			s.count()
		}
		events = append(events, v.judge(now, init)...)
	}
	return events
}

// adopt makes the servers, with what is known of those that were there before.
func (v *virtual) adopt(now time.Time, old *virtual, fresh map[*server]bool) (events []Event) {
	known := map[Endpoint]*server{}
	if old != nil {
		for _, s := range old.servers {
			known[s.conf.Endpoint] = s
		}
	}
	for i := range v.conf.Servers {
		s := &server{conf: v.conf.Servers[i], of: v, since: now}
		if was := known[s.conf.Endpoint]; was != nil {
			s.hand, s.alive, s.since, s.why = was.hand, was.alive, was.since, was.why
			delete(known, s.conf.Endpoint)
		} else {
			fresh[s] = true
		}
		v.servers = append(v.servers, s)
	}
	if old == nil {
		return nil
	}
	for _, s := range old.servers {
		if known[s.conf.Endpoint] == s && s.alive {
			events = append(events, Event{
				Kind: ServerDown, Virtual: v.conf.Name, Server: s.conf.Endpoint, Removed: true, Reason: "it is not configured any more",
			})
		}
	}
	return events
}

// indexChecks finds out who uses which check, and what new ones start as: up,
// unless a server that had failed uses it, or it is to start as failed.
func (p *Pool) indexChecks(c Config, fresh map[*server]bool) {
	before := p.checks
	p.checks = map[string]*check{}
	for _, name := range p.order {
		for _, s := range p.vs[name].servers {
			for _, n := range s.conf.Checks {
				ck := p.checks[n]
				if ck == nil {
					ck = &check{outcome: Outcome{Up: true}}
					if was := before[n]; was != nil {
						ck.outcome, ck.known = was.outcome, was.known
					}
					p.checks[n] = ck
				}
				ck.users = append(ck.users, s)
			}
		}
	}
	for n, ck := range p.checks {
		if before[n] != nil {
			continue
		}
		served := slices.ContainsFunc(ck.users, func(s *server) bool { return !fresh[s] && s.alive })
		failed := slices.ContainsFunc(ck.users, func(s *server) bool { return !fresh[s] && !s.alive && !s.hand.Disabled })
		alpha := c.Alpha[n] || slices.ContainsFunc(ck.users, func(s *server) bool { return s.conf.Alpha })
		switch {
		case served:
		case c.Failed[n]:
			ck.outcome = Outcome{Reason: "it had failed before the start"}
		case failed:
			ck.outcome = Outcome{Reason: "its new check has not passed yet"}
		case alpha:
			ck.outcome = Outcome{Reason: "not checked yet (alpha)"}
		}
	}
}

// Report takes the outcome of a check.
func (p *Pool) Report(now time.Time, name string, o Outcome) (events []Event) {
	ck := p.checks[name]
	if ck == nil {
		return nil // of a former configuration
	}
	turned := ck.outcome.Up != o.Up
	ck.outcome, ck.known = o, true
	for _, s := range ck.users {
		was := s.alive
		told := p.again(now, s)
		if turned && s.alive == was {
			ev := Event{Kind: CheckDown, Virtual: s.of.conf.Name, Server: s.conf.Endpoint, Check: name, Reason: o.Reason}
			if o.Up {
				ev.Kind = CheckUp
			}
			events = append(events, ev)
		}
		events = append(events, told...)
	}
	return events
}

// again looks at a server of which something has changed.
func (p *Pool) again(now time.Time, s *server) []Event {
	var events []Event
	heavier := s.weigh(p.checks)
	ev, changed := s.judge(now, p.checks)
	if changed {
		events = append(events, ev)
	}
	if !changed && !heavier {
		return nil
	}
	s.count()
	s.of.wanted = nil
	return append(events, s.of.judge(now, false)...)
}

// Errors of Set.
var (
	ErrUnknownService = errors.New("there is no such virtual server")
	ErrUnknownServer  = errors.New("the virtual server has no such real server")
)

// Set is what an operator says about a server. It lasts until it is said
// otherwise or the server is not configured any more.
func (p *Pool) Set(now time.Time, name string, e Endpoint, h Hand) ([]Event, error) {
	s, err := p.find(name, e)
	if err != nil {
		return nil, err
	}
	if s.hand == h {
		return nil, nil
	}
	s.hand = h
	return p.again(now, s), nil
}

// Hand is what an operator has said about a server.
func (p *Pool) Hand(name string, e Endpoint) (Hand, error) {
	s, err := p.find(name, e)
	if err != nil {
		return Hand{}, err
	}
	return s.hand, nil
}

// Find is the endpoint of a server as configured. An endpoint without port is meant
// as the port of the service, and the other way round.
func (p *Pool) Find(name string, e Endpoint) (Endpoint, error) {
	s, err := p.find(name, e)
	if err != nil {
		return Endpoint{}, err
	}
	return s.conf.Endpoint, nil
}

// find looks for a server. An endpoint without port is meant as the port of the
// service, and the other way round.
func (p *Pool) find(name string, e Endpoint) (*server, error) {
	v := p.vs[name]
	if v == nil {
		return nil, ErrUnknownService
	}
	for _, s := range v.servers {
		have := s.conf.Endpoint
		if have == e || have.Addr == e.Addr && slices.ContainsFunc(v.conf.IDs, func(id ID) bool {
			return cmp.Or(have.Port, id.Port) == cmp.Or(e.Port, id.Port)
		}) {
			return s, nil
		}
	}
	return nil, ErrUnknownServer
}

// SetLocal says which addresses are on this host, for ha_suspend. It reports
// whether other checks are wanted now; see Checks.
func (p *Pool) SetLocal(local func(netip.Addr) bool) bool {
	p.local = local
	return p.suspend()
}

// suspend finds out whose checks are suspended.
func (p *Pool) suspend() (changed bool) {
	for _, v := range p.vs {
		idle := v.conf.Suspend && (p.local == nil || !slices.ContainsFunc(v.conf.IDs, func(id ID) bool {
			return id.Addr.IsValid() && p.local(id.Addr)
		}))
		changed = changed || idle != v.idle
		v.idle = idle
	}
	return changed
}

// Suspends reports whether a virtual server asks for addresses of this host.
func (p *Pool) Suspends() bool {
	return slices.ContainsFunc(p.order, func(n string) bool { return p.vs[n].conf.Suspend })
}

// Checks are the checks that are to run, with what they count as now; those of
// virtual servers that are suspended keep what they have.
func (p *Pool) Checks() map[string]Outcome {
	wanted := make(map[string]Outcome, len(p.checks))
	for n, ck := range p.checks {
		if slices.ContainsFunc(ck.users, func(s *server) bool { return !s.of.idle }) {
			wanted[n] = ck.outcome
		}
	}
	return wanted
}

// Failed are the checks that are failed, sorted.
func (p *Pool) Failed() []string {
	var names []string
	for _, n := range slices.Sorted(maps.Keys(p.checks)) {
		if ck := p.checks[n]; !ck.outcome.Up {
			names = append(names, n)
		}
	}
	return names
}

// Stop is the end of the daemon: what is told then of virtual servers with omega.
// The services are as before; it is for the caller to remove them.
func (p *Pool) Stop() (events []Event) {
	for _, name := range p.order {
		if v := p.vs[name]; v.conf.Omega {
			events = append(events, v.leave(Event{Stop: true, Reason: "hakeep stops"})...)
		}
	}
	return events
}

// leave tells that everything that is up goes down.
func (v *virtual) leave(as Event) (events []Event) {
	as.Virtual = v.conf.Name
	for _, s := range v.servers {
		if s.alive {
			as.Kind, as.Server = ServerDown, s.conf.Endpoint
			events = append(events, as)
		}
	}
	if v.up {
		as.Kind, as.Server = QuorumDown, Endpoint{}
		as.Quorum, as.Hysteresis, as.Threshold = v.conf.Quorum, v.conf.Hysteresis, v.conf.Quorum-v.conf.Hysteresis
		events = append(events, as)
	}
	return events
}

package lvs

import "time"

// VirtualStatus is a virtual server as an operator sees it. Slices are not to be
// changed.
type VirtualStatus struct {
	Config *VirtualServer
	// Up says that it has its quorum, Weight is the sum that decides, Since when it
	// is so.
	Up     bool
	Weight int
	Since  time.Time
	// Sorry says that the sorry server has the traffic, Suspended that its checks
	// do not run (ha_suspend).
	Sorry, Suspended bool
	Servers          []ServerStatus
}

// ServerStatus is a real server as an operator sees it.
type ServerStatus struct {
	Config *RealServer
	// Alive says that it counts, Why why not, Since when it is so.
	Alive bool
	Since time.Time
	Why   string
	// Weight is the effective weight; in the kernel it may be 0 (inhibit) or the
	// server not there.
	Weight int
	Hand   Hand
	// Failed are the names of the checks that are failed.
	Failed []string
}

// Snapshot is the state of all, in the order of the configuration.
func (p *Pool) Snapshot() []VirtualStatus {
	all := make([]VirtualStatus, 0, len(p.order))
	for _, name := range p.order {
		v := p.vs[name]
		vs := VirtualStatus{
			Config: &v.conf, Up: v.up, Weight: v.weight, Since: v.since, Sorry: v.sorry(), Suspended: v.idle,
			Servers: make([]ServerStatus, 0, len(v.servers)),
		}
		for _, s := range v.servers {
			st := ServerStatus{Config: &s.conf, Alive: s.alive, Since: s.since, Why: s.why, Weight: s.weight, Hand: s.hand}
			for _, n := range s.conf.Checks {
				if !p.checks[n].outcome.Up {
					st.Failed = append(st.Failed, n)
				}
			}
			vs.Servers = append(vs.Servers, st)
		}
		all = append(all, vs)
	}
	return all
}

package lvs

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// EventKind is what an Event tells.
type EventKind uint8

// The kinds.
const (
	ServerUp EventKind = iota + 1
	ServerDown
	QuorumUp
	QuorumDown
	// CheckUp and CheckDown are one check of several of a server, whose own state has
	// not changed.
	CheckUp
	CheckDown
)

// String is "server-up", and so on.
func (k EventKind) String() string {
	switch k {
	case ServerUp:
		return "server-up"
	case ServerDown:
		return "server-down"
	case QuorumUp:
		return "quorum-up"
	case QuorumDown:
		return "quorum-down"
	case CheckUp:
		return "check-up"
	case CheckDown:
		return "check-down"
	}
	return fmt.Sprintf("EventKind(%d)", uint8(k))
}

// Up reports whether something came up.
func (k EventKind) Up() bool { return k == ServerUp || k == QuorumUp || k == CheckUp }

// Event is something that notify scripts, FIFOs, mail and the log are told.
type Event struct {
	Kind    EventKind
	Virtual string
	// Server is the real server, as configured; zero in QuorumUp and QuorumDown.
	Server Endpoint
	// Check is the name of the check of CheckUp and CheckDown.
	Check  string
	Reason string
	// Init says that it is about the beginning, Removed that the reason is the
	// configuration, Stop that it is the end of the daemon.
	Init, Removed, Stop bool
	// Sorry says that the sorry server takes the traffic from now on, or gives it
	// back.
	Sorry bool
	// Quorum, Hysteresis, Threshold and Weight are the numbers of QuorumUp and
	// QuorumDown: Weight was compared with Threshold.
	Quorum, Hysteresis, Threshold, Weight int
}

// weigh computes the effective weight and reports whether it has changed.
func (s *server) weigh(checks map[string]*check) bool {
	w := s.conf.Weight
	for _, n := range s.conf.Checks {
		w += checks[n].outcome.delta(s.conf.Weight)
	}
	switch {
	case s.hand.Drained:
		w = 0
	case s.hand.Weighted:
		w = s.hand.Weight
	}
	w = min(max(w, 0), MaxWeight)
	changed := w != s.weight
	s.weight = w
	return changed
}

// judge finds out whether the server is alive.
func (s *server) judge(now time.Time, checks map[string]*check) (ev Event, changed bool) {
	alive, why := true, ""
	for _, n := range s.conf.Checks {
		if o := checks[n].outcome; !o.Up {
			alive, why = false, cmp.Or(o.Reason, "its check has failed")
			break
		}
	}
	if s.hand.Disabled {
		alive, why = false, "disabled by hand"
	}
	if alive == s.alive {
		if !alive {
			s.why = why
		}
		return Event{}, false
	}
	ev = Event{Kind: ServerDown, Virtual: s.of.conf.Name, Server: s.conf.Endpoint, Reason: why}
	if alive {
		ev.Kind, ev.Reason = ServerUp, "its checks pass"
	}
	s.alive, s.since, s.why = alive, now, why
	return ev, true
}

// count adds the server to the weight of its virtual server.
func (s *server) count() {
	counts := 0
	if s.alive {
		counts = s.weight
	}
	s.of.weight += counts - s.counts
	s.counts = counts
}

// judge finds out whether the virtual server has its quorum. At the beginning
// it has none; that it lacks it then is told if that brings the sorry server in.
func (v *virtual) judge(now time.Time, init bool) []Event {
	w, q, h := v.weight, v.conf.Quorum, v.conf.Hysteresis
	ev := Event{
		Virtual: v.conf.Name, Init: init, Sorry: v.conf.Sorry != nil,
		Quorum: q, Hysteresis: h, Threshold: q + h, Weight: w,
	}
	switch {
	case !v.up && w >= q+h:
		ev.Kind, ev.Reason = QuorumUp, fmt.Sprintf("weight %d of %d", w, q+h)
		ev.Sorry = ev.Sorry && !init
	case v.up && (w == 0 || w < q-h):
		ev.Kind, ev.Threshold = QuorumDown, q-h
		ev.Reason = fmt.Sprintf("weight %d of %d", w, max(q-h, 1))
	case init && v.conf.Sorry != nil:
		ev.Kind = QuorumDown
		ev.Reason = fmt.Sprintf("weight %d of %d at the start", w, q+h)
	default:
		return nil
	}
	v.up, v.since, v.wanted = ev.Kind == QuorumUp, now, nil
	return []Event{ev}
}

// Services are the services that the kernel should have, in the order of the
// configuration. The slices belong to the Pool and are not changed by it later.
func (p *Pool) Services() []Service {
	var all []Service
	for _, name := range p.order {
		v := p.vs[name]
		if v.wanted == nil {
			v.wanted = v.services()
		}
		all = append(all, v.wanted...)
	}
	return all
}

// services is what one virtual server wants.
func (v *virtual) services() []Service {
	out := make([]Service, 0, len(v.conf.IDs))
	base := v.inKernel()
	for _, id := range v.conf.IDs {
		list := base
		if slices.ContainsFunc(base, func(s Server) bool { return s.Endpoint.Port == 0 }) {
			list = slices.Clone(base)
			for i := range list {
				list[i].Endpoint.Port = cmp.Or(list[i].Endpoint.Port, id.Port)
			}
			slices.SortStableFunc(list, byEndpoint)
			list = slices.CompactFunc(list, func(a, b Server) bool { return a.Endpoint == b.Endpoint })
		}
		out = append(out, Service{
			ID: id, Attr: v.conf.Attr, Name: v.conf.Name, Servers: list,
			Masquerade: v.conf.Masquerade, Configured: len(v.conf.Servers),
		})
	}
	return out
}

// inKernel are the servers that are in the kernel, sorted.
func (v *virtual) inKernel() []Server {
	sorry := v.sorry()
	list := make([]Server, 0, len(v.servers)+1)
	for _, s := range v.servers {
		k := s.conf.Server
		k.Weight = s.weight
		switch {
		case s.alive && !sorry:
		case s.conf.Inhibit:
			k.Weight = 0
		default:
			continue
		}
		list = append(list, k)
	}
	if c := v.conf.Sorry; c != nil && (sorry || v.conf.SorryInhibit) {
		k := *c
		if !sorry {
			k.Weight = 0
		}
		same := slices.IndexFunc(list, func(s Server) bool { return s.Endpoint == k.Endpoint })
		switch {
		case same < 0:
			list = append(list, k)
		case sorry:
			list[same] = k
		}
	}
	slices.SortFunc(list, byEndpoint)
	return list
}

// sorry reports whether the sorry server has the traffic.
func (v *virtual) sorry() bool { return v.conf.Sorry != nil && !v.up }

func byEndpoint(a, b Server) int { return a.Endpoint.Compare(b.Endpoint) }

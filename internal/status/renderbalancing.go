package status

import (
	"fmt"
	"strings"

	"hakeep/lvs"
)

// balancing shows load balancing: what needs a look, and all if it is little.
func (r *renderer) balancing(details bool) {
	b := &r.d.Balancing
	if b.Backend == "" && len(b.VirtualServers) == 0 {
		return
	}
	r.line("\n%s", r.paint(bold, "load balancing"))
	r.line("  by %s: %s", b.Backend, b.Reason)
	switch {
	case b.Error != "":
		r.line("  %s", r.paint(red, "not in force: "+b.Error))
	case b.Digest != "":
		r.line("  tables %s", b.Digest)
	}
	if b.ByHand > 0 {
		r.line("  %s", r.paint(yellow, fmt.Sprintf("%s changed by hand: on the other router the tables differ unless it was told the same", servers(b.ByHand))))
	}
	for i := range b.VirtualServers {
		v := &b.VirtualServers[i]
		if details || len(b.VirtualServers) <= fewTracked || v.needsLook() {
			r.virtualServer(v, details)
		}
	}
	up, total := 0, 0
	for i := range b.VirtualServers {
		if !b.VirtualServers[i].needsLook() {
			up++
		}
		total++
	}
	if !details && total > fewTracked && up > 0 {
		r.line("  %d of %d virtual servers, all well", up, total)
	}
}

func servers(n int) string {
	if n == 1 {
		return "1 server is"
	}
	return fmt.Sprintf("%d servers are", n)
}

// needsLook reports whether something is not as configured.
func (v *VirtualServer) needsLook() bool {
	if !v.Up {
		return true
	}
	for i := range v.Servers {
		if v.Servers[i].needsLook() {
			return true
		}
	}
	return false
}

func (rs *RealServer) needsLook() bool { return !rs.Up || rs.ByHand() }

func (r *renderer) virtualServer(v *VirtualServer, details bool) {
	up := 0
	for i := range v.Servers {
		if v.Servers[i].Up {
			up++
		}
	}
	state := r.paint(green, "up")
	if !v.Up {
		state = r.paint(red, "no quorum")
	}
	about := fmt.Sprintf("%d of %d servers, weight %d, quorum %d", up, len(v.Servers), v.Weight, v.Quorum)
	if v.Hysteresis > 0 {
		about += fmt.Sprintf(" ± %d", v.Hysteresis)
	}
	about += ", " + v.Scheduler
	if v.Persistence > 0 {
		about += ", persistent for " + seconds(v.Persistence)
	}
	if v.Sorry != nil && v.Sorry.InUse {
		about += ", " + r.paint(yellow, "sorry server "+v.Sorry.Address)
	}
	if v.Suspended {
		about += ", checks suspended: the address is not here"
	}
	r.line("  %s %s since %s: %s", v.Name, state, r.when(v.Since), about)
	for i := range v.Services {
		s := &v.Services[i]
		if s.Counters != nil && (len(v.Services) <= fewTracked || details) {
			name := "in all"
			if len(v.Services) > 1 {
				name = s.Name
			}
			r.line("    %s: %s", name, s.Counters.text())
		}
	}
	if len(v.Breaks) > 0 {
		r.line("    a takeover ends connections: %s", strings.Join(v.Breaks, "; "))
	}
	hidden := 0
	for i := range v.Servers {
		if s := &v.Servers[i]; details || len(v.Servers) <= fewTracked || s.needsLook() {
			r.realServer(s)
		} else {
			hidden++
		}
	}
	if hidden > 0 {
		r.line("    and %d others, all up", hidden)
	}
}

func (r *renderer) realServer(s *RealServer) {
	state := r.paint(green, "up")
	if !s.Up {
		state = r.paint(red, "down") + " since " + r.when(s.Since) + " (" + s.Reason + ")"
	}
	about := s.weightText()
	if hand := s.handText(); hand != "" {
		about += ", " + r.paint(yellow, hand)
	}
	if s.Counters != nil {
		about += ", " + s.Counters.text()
	}
	if s.Active != nil {
		about += fmt.Sprintf(", now %d active, %d inactive", *s.Active, *s.Inactive)
	}
	r.line("    %s %s, %s", s.Address, state, about)
	for i := range s.Checks {
		c := &s.Checks[i]
		if c.State == "ok" && c.Row == 0 && s.Up {
			continue
		}
		text := c.State
		if c.Result != "" {
			text += ", last: " + c.Result
		}
		if c.State == "ok" && c.Row > 0 {
			text = fmt.Sprintf("failing (%d in a row), last: %s", c.Row, c.Result)
		}
		name, _, _ := strings.Cut(c.Name, " [") // what follows tells checks apart
		r.line("      %s: %s", name, text)
	}
}

func (s *RealServer) weightText() string {
	text := fmt.Sprintf("weight %d", s.Weight)
	if s.Weight != s.Configured {
		text += fmt.Sprintf(" (configured %d)", s.Configured)
	}
	return text
}

// handText is what was said by hand, empty for nothing.
func (s *RealServer) handText() string {
	h := lvs.Hand{Disabled: s.Disabled, Drained: s.Drained, Weighted: s.WeightByHand != nil}
	if h.Disabled || h.Drained {
		return strings.Replace(h.String(), "weight by hand", "weight", 1) + " by hand"
	}
	return h.String()
}

// Describe is the server in a few words.
func (s *RealServer) Describe() string {
	text := "up"
	if !s.Up {
		text = "down (" + s.Reason + ")"
	}
	text += ", " + s.weightText()
	if hand := s.handText(); hand != "" {
		text += ", " + hand
	}
	return text
}

// text is the counters in words.
func (c *BalancedCounters) text() string {
	return fmt.Sprintf("%d connections, in %s, out %s", c.Connections, traffic(c.InPackets, c.InBytes), traffic(c.OutPackets, c.OutBytes))
}

func traffic(packets, bytes uint64) string {
	const step = 1000
	if bytes < step {
		return fmt.Sprintf("%d packets (%d B)", packets, bytes)
	}
	value, unit := float64(bytes), 0
	for value >= step && unit < 5 {
		value /= step
		unit++
	}
	return fmt.Sprintf("%d packets (%.1f %cB)", packets, value, " kMGTP"[unit])
}

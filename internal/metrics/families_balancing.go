package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"hakeep/internal/status"
)

// The labels of load balancing.
const (
	virtualLabel = "virtual_server"
	realLabel    = "real_server"
)

// virtual is a metric of every virtual server.
func virtual(kind prometheus.ValueType, name, help string, read func(v *status.VirtualServer, e emit), labels ...string) family {
	return family{name: name, help: help, kind: kind, labels: append([]string{virtualLabel}, labels...), read: func(d *status.Document, e emit) {
		for i := range d.Balancing.VirtualServers {
			v := &d.Balancing.VirtualServers[i]
			read(v, func(value float64, more ...string) {
				var room [4]string
				e(value, append(append(room[:0], v.Name), more...)...)
			})
		}
	}}
}

// realServer is a metric of every server of every virtual server.
func realServer(kind prometheus.ValueType, name, help string, read func(s *status.RealServer, e emit), labels ...string) family {
	return virtual(kind, name, help, func(v *status.VirtualServer, e emit) {
		for i := range v.Servers {
			s := &v.Servers[i]
			read(s, func(value float64, more ...string) {
				var room [4]string
				e(value, append(append(room[:0], s.Address), more...)...)
			})
		}
	}, append([]string{realLabel}, labels...)...)
}

// balancingFamilies are about load balancing: first as a whole and by virtual
// server.
func balancingFamilies() []family {
	const g = prometheus.GaugeValue
	return []family{
		{
			name: "hakeep_lvs_backend_info", help: "What balances, ipvs or nftables; always 1; absent without a virtual server.", kind: g, labels: []string{"backend"},
			read: func(d *status.Document, e emit) {
				if b := &d.Balancing; b.Backend != "" {
					e(1, b.Backend)
				}
			},
		},
		{
			name: "hakeep_lvs_in_force", help: "1 if the kernel has the services that it should have, 0 if it refuses them; absent without a virtual server.", kind: g,
			read: func(d *status.Document, e emit) {
				if b := &d.Balancing; b.Backend != "" {
					e(bit(b.Error == ""))
				}
			},
		},
		virtual(g, "hakeep_lvs_virtual_server_up", "1 if the virtual server has its quorum.",
			func(v *status.VirtualServer, e emit) { e(bit(v.Up)) }),
		virtual(g, "hakeep_lvs_virtual_server_since_timestamp_seconds", "When the virtual server gained or lost its quorum.",
			func(v *status.VirtualServer, e emit) { timestamp(e, v.Since) }),
		virtual(g, "hakeep_lvs_virtual_server_weight", "The weights of the servers that are up, added up.",
			func(v *status.VirtualServer, e emit) { e(float64(v.Weight)) }),
		virtual(g, "hakeep_lvs_virtual_server_quorum", "The keyword quorum.",
			func(v *status.VirtualServer, e emit) { e(float64(v.Quorum)) }),
		virtual(g, "hakeep_lvs_virtual_server_sorry", "1 if the sorry server has the traffic; absent without one.",
			func(v *status.VirtualServer, e emit) {
				if v.Sorry != nil {
					e(bit(v.Sorry.InUse))
				}
			}),
		serviceCounter("hakeep_lvs_service_connections_total", "Connections that were given to a server.", func(c *status.BalancedCounters) [2]uint64 { return [2]uint64{c.Connections} }),
		serviceCounter("hakeep_lvs_service_packets_total", "Packets from clients (in) and to them (out).", func(c *status.BalancedCounters) [2]uint64 { return [2]uint64{c.InPackets, c.OutPackets} }, "direction"),
		serviceCounter("hakeep_lvs_service_bytes_total", "Bytes from clients (in) and to them (out).", func(c *status.BalancedCounters) [2]uint64 { return [2]uint64{c.InBytes, c.OutBytes} }, "direction"),
	}
}

// directions are the values of the label direction.
func directions() [2]string { return [2]string{"in", "out"} }

// serviceCounter counts for a service; with the label direction there are two
// values.
func serviceCounter(name, help string, read func(c *status.BalancedCounters) [2]uint64, labels ...string) family {
	return virtual(prometheus.CounterValue, name, help, func(v *status.VirtualServer, e emit) {
		for i := range v.Services {
			s := &v.Services[i]
			if s.Counters == nil {
				continue
			}
			n := read(s.Counters)
			if len(labels) == 0 {
				e(float64(n[0]), s.Name)
				continue
			}
			for k, word := range directions() {
				e(float64(n[k]), s.Name, word)
			}
		}
	}, append([]string{"service"}, labels...)...)
}

// serverFamilies are about real servers.
func serverFamilies() []family {
	const g, c = prometheus.GaugeValue, prometheus.CounterValue
	counted := func(name, help string, read func(c *status.BalancedCounters) [2]uint64, labels ...string) family {
		return realServer(c, name, help, func(s *status.RealServer, e emit) {
			switch {
			case s.Counters == nil:
			case len(labels) == 0:
				e(float64(read(s.Counters)[0]))
			default:
				n := read(s.Counters)
				for k, word := range directions() {
					e(float64(n[k]), word)
				}
			}
		}, labels...)
	}
	checked := func(name, help string, value func(k *status.ServerCheck) uint64) family {
		return realServer(c, name, help, func(s *status.RealServer, e emit) {
			if len(s.Checks) == 0 {
				return
			}
			n := uint64(0)
			for i := range s.Checks {
				n += value(&s.Checks[i])
			}
			e(float64(n))
		})
	}
	return []family{
		realServer(g, "hakeep_lvs_real_server_up", "1 if the real server takes part: no check of it has failed and it is not disabled.",
			func(s *status.RealServer, e emit) { e(bit(s.Up)) }),
		realServer(g, "hakeep_lvs_real_server_since_timestamp_seconds", "When the real server came up or went down.",
			func(s *status.RealServer, e emit) { timestamp(e, s.Since) }),
		realServer(g, "hakeep_lvs_real_server_weight", "The effective weight, by configuration, checks and by hand.",
			func(s *status.RealServer, e emit) { e(float64(s.Weight)) }),
		realServer(g, "hakeep_lvs_real_server_by_hand", "1 if the real server was disabled, drained or given a weight by hand.",
			func(s *status.RealServer, e emit) { e(bit(s.ByHand())) }),
		counted("hakeep_lvs_real_server_connections_total", "Connections that the real server was given.",
			func(c *status.BalancedCounters) [2]uint64 { return [2]uint64{c.Connections} }),
		counted("hakeep_lvs_real_server_packets_total", "Packets to the real server (in) and from it (out).",
			func(c *status.BalancedCounters) [2]uint64 { return [2]uint64{c.InPackets, c.OutPackets} }, "direction"),
		counted("hakeep_lvs_real_server_bytes_total", "Bytes to the real server (in) and from it (out).",
			func(c *status.BalancedCounters) [2]uint64 { return [2]uint64{c.InBytes, c.OutBytes} }, "direction"),
		realServer(g, "hakeep_lvs_real_server_connections", "Connections of the real server now, active or inactive; absent with nftables.",
			func(s *status.RealServer, e emit) {
				if s.Active != nil {
					e(float64(*s.Active), "active")
					e(float64(*s.Inactive), "inactive")
				}
			}, "state"),
		checked("hakeep_lvs_real_server_check_runs_total", "Attempts of the checks of the real server.", func(k *status.ServerCheck) uint64 { return k.Runs }),
		checked("hakeep_lvs_real_server_check_failures_total", "Attempts of the checks of the real server that failed.", func(k *status.ServerCheck) uint64 { return k.Failures }),
		checked("hakeep_lvs_real_server_checks_late_total", "Attempts that began more than 10 ms after their time.", func(k *status.ServerCheck) uint64 { return k.Late }),
	}
}

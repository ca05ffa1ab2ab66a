package metrics

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"hakeep/internal/status"
)

// daemonFamilies are about the main process.
func daemonFamilies() []family {
	return []family{
		{
			name: "hakeep_build_info", help: "The version that runs; always 1.", kind: prometheus.GaugeValue, labels: []string{"version"},
			read: func(d *status.Document, e emit) { e(1, d.Daemon.Version) },
		},
		gauge("hakeep_healthy", "1 if the elector answers and no instance is in FAULT, as /healthz and hakeep status judge.",
			func(d *status.Document) float64 { return bit(d.OK) }),
		{
			name: "hakeep_start_time_seconds", help: "When the main process started.", kind: prometheus.GaugeValue,
			read: func(d *status.Document, e emit) { timestamp(e, d.Daemon.Started) },
		},
		{
			name: "hakeep_config_load_timestamp_seconds", help: "When the configuration in force was loaded.", kind: prometheus.GaugeValue,
			read: func(d *status.Document, e emit) { timestamp(e, d.Daemon.ConfigLoaded) },
		},
		gauge("hakeep_config_last_reload_successful", "0 if the last reload was refused, else 1; 1 before the first.",
			func(d *status.Document) float64 { return bit(d.Daemon.LastReload == nil || d.Daemon.LastReload.OK) }),
		{
			name: "hakeep_config_last_reload_timestamp_seconds", help: "When a reload was tried last; absent before the first.", kind: prometheus.GaugeValue,
			read: func(d *status.Document, e emit) {
				if r := d.Daemon.LastReload; r != nil {
					timestamp(e, r.Time)
				}
			},
		},
		{
			name: "hakeep_config_reloads_total", help: "Reloads by outcome: done or refused.", kind: prometheus.CounterValue, labels: []string{"outcome"},
			read: func(d *status.Document, e emit) {
				e(float64(d.Daemon.Reloads), "done")
				e(float64(d.Daemon.ReloadsRefused), "refused")
			},
		},
		gauge("hakeep_warnings", "Warnings that hakeep status shows now.", func(d *status.Document) float64 { return float64(len(d.Warnings)) }),
		gauge("hakeep_vrrp_virtual_routers", "Configured instances (RFC 8347: virtual-routers).",
			func(d *status.Document) float64 { return float64(len(d.Instances)) }),
	}
}

// electorFamilies are about the real-time process.
func electorFamilies() []family {
	// running is a metric that is there while the elector answers.
	running := func(kind prometheus.ValueType, name, help string, read func(el *status.Elector, e emit), labels ...string) family {
		return family{name: name, help: help, kind: kind, labels: labels, read: func(d *status.Document, e emit) {
			if d.Elector.Running {
				read(&d.Elector, e)
			}
		}}
	}
	count := func(name, help string, value func(el *status.Elector) uint64) family {
		return running(prometheus.CounterValue, name, help, func(el *status.Elector, e emit) { e(float64(value(el))) })
	}
	return []family{
		gauge("hakeep_elector_up", "1 if the elector, the process that speaks VRRP, answers.", func(d *status.Document) float64 { return bit(d.Elector.Running) }),
		{
			name: "hakeep_elector_starts_total", help: "Electors that this main process had to start: 1 unless it found one running; more after one died.",
			kind: prometheus.CounterValue, read: func(d *status.Document, e emit) { e(float64(d.Elector.Starts)) },
		},
		running(prometheus.GaugeValue, "hakeep_elector_start_time_seconds", "When the elector started.",
			func(el *status.Elector, e emit) { timestamp(e, el.Started) }),
		running(prometheus.GaugeValue, "hakeep_elector_realtime", "1 if real-time scheduling was granted.",
			func(el *status.Elector, e emit) { e(bit(el.Realtime)) }),
		running(prometheus.GaugeValue, "hakeep_elector_advert_lateness_seconds",
			"How long after their deadlines adverts were sent, since the elector's start: p50, p99 and max.",
			func(el *status.Elector, e emit) {
				if l := el.Lateness; l.Count > 0 {
					e(l.P50, "p50")
					e(l.P99, "p99")
					e(l.Max, "max")
				}
			}, "statistic"),
		running(prometheus.GaugeValue, "hakeep_elector_takeover_seconds",
			"How long after a master's silence was over each step of taking over was done (timer, advert, addresses, announced), since the elector's start: p50, p99 and max.",
			func(el *status.Elector, e emit) {
				for _, step := range []struct {
					name string
					l    status.Lateness
				}{{"timer", el.Takeovers.Timer}, {"advert", el.Takeovers.Advert}, {"addresses", el.Takeovers.Addresses}, {"announced", el.Takeovers.Announced}} {
					if l := step.l; l.Count > 0 {
						e(l.P50, step.name, "p50")
						e(l.P99, step.name, "p99")
						e(l.Max, step.name, "max")
					}
				}
			}, "step", "statistic"),
		count("hakeep_elector_takeovers_total", "Take-overs of instances from a silent master.", func(el *status.Elector) uint64 { return el.Takeovers.Timer.Count }),
		count("hakeep_elector_adverts_timed_total", "Adverts whose lateness was measured.", func(el *status.Elector) uint64 { return el.Lateness.Count }),
		count("hakeep_elector_relieved_total", "How often a second thread, on another CPU, sent adverts or announcements, as the advert thread was late.", func(el *status.Elector) uint64 { return el.Relieved }),
		count("hakeep_elector_packets_sent_total", "Packets sent on all sockets.", func(el *status.Elector) uint64 { return el.Sockets.Sent }),
		count("hakeep_elector_packets_received_total", "Packets received on all sockets.", func(el *status.Elector) uint64 { return el.Sockets.Received }),
		count("hakeep_elector_send_errors_total", "Packets that the kernel refused to send.", func(el *status.Elector) uint64 { return el.Sockets.SendErrors }),
		count("hakeep_elector_packets_lost_total", "Packets that the kernel dropped before they were read.", func(el *status.Elector) uint64 { return el.Sockets.Dropped }),
	}
}

// linkFamilies are about packets that belong to no instance. RFC 8347 counts
// its checksum-errors, version-errors, vrid-errors and ip-ttl-errors here.
func linkFamilies() []family {
	return []family{{
		name: "hakeep_vrrp_interface_packets_discarded_total",
		help: "Discarded packets that belong to no instance, by interface and reason; a reason appears with its first packet.",
		kind: prometheus.CounterValue, labels: []string{"interface", "reason"},
		read: func(d *status.Document, e emit) {
			for i := range d.Links {
				l := &d.Links[i]
				for _, reason := range slices.Sorted(maps.Keys(l.Reasons)) {
					e(float64(l.Reasons[reason]), l.Interface, reason)
				}
			}
		},
	}}
}

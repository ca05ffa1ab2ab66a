package metrics

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hakeep/internal/status"
	"hakeep/vrrp"
)

// states are the values of the label state.
func states() []string { return []string{"init", "backup", "master", "fault", "unknown"} }

// stateFamilies say what an instance is and where it stands.
func stateFamilies() []family {
	const g = prometheus.GaugeValue
	return []family{
		each(g, "hakeep_vrrp_instance_info", "What the instance is; always 1.", func(in *status.Instance, e emit) {
			mode := "multicast"
			if !in.Group.IsValid() {
				mode = "unicast"
			}
			e(1, in.Interface, in.Family, mode, strconv.Itoa(in.Version), strconv.Itoa(in.VRID))
		}, "interface", "family", "mode", "version", "vrid"),
		each(g, "hakeep_vrrp_state", "1 for the state that the instance is in, 0 for the others; unknown while the elector does not answer.",
			func(in *status.Instance, e emit) {
				now := strings.ToLower(in.State)
				for _, s := range states() {
					e(bit(s == now), s)
				}
			}, "state"),
		known(g, "hakeep_vrrp_state_since_timestamp_seconds", "When the instance came into its state.",
			func(in *status.Instance, e emit) { timestamp(e, in.Since) }),
		known(g, "hakeep_vrrp_last_event", "Why the instance came into its state, in the words of RFC 8347 (last-event); always 1.",
			func(in *status.Instance, e emit) {
				if in.Why != "" {
					e(1, in.Why)
				}
			}, "event"),
		known(g, "hakeep_vrrp_priority", "The priority that is advertised.", func(in *status.Instance, e emit) { e(float64(in.Priority.Effective)) }),
		each(g, "hakeep_vrrp_configured_priority", "The keyword priority.", func(in *status.Instance, e emit) { e(float64(in.Priority.Configured)) }),
		known(g, "hakeep_vrrp_master_priority", "Priority of the master that this backup follows; absent without one.",
			func(in *status.Instance, e emit) {
				if m := in.Master; m != nil {
					e(float64(m.Priority), m.Address.String())
				}
			}, "address"),
		each(g, "hakeep_vrrp_standby", "1 while an operator holds the instance back.",
			func(in *status.Instance, e emit) { e(bit(in.Standby != nil)) }),
		each(g, "hakeep_vrrp_standby_without_master", "1 while the instance is held back and no master is heard: the addresses are on no router.",
			func(in *status.Instance, e emit) { e(bit(in.Orphaned())) }),
		known(g, "hakeep_vrrp_peers", "Other routers that were heard since the elector's start.", func(in *status.Instance, e emit) { e(float64(len(in.Peers))) }),
		known(g, "hakeep_vrrp_last_advert_timestamp_seconds", "When the last advert of another router came; absent before the first.",
			func(in *status.Instance, e emit) {
				var last time.Time
				for _, p := range in.Peers {
					if p.LastSeen.After(last) {
						last = p.LastSeen
					}
				}
				timestamp(e, last)
			}),
		known(g, "hakeep_vrrp_addresses", "Virtual addresses: configured, installed (in the kernel now), missing (should be there and are not).",
			func(in *status.Instance, e emit) {
				e(float64(len(in.Addresses.Configured)), "configured")
				e(float64(len(in.Addresses.Installed)), "installed")
				e(float64(len(in.Addresses.Missing)), "missing")
			}, "status"),
	}
}

// timerFamilies are the intervals in force.
func timerFamilies() []family {
	timer := func(name, help string, value func(iv *status.Intervals) float64) family {
		return known(prometheus.GaugeValue, name, help, func(in *status.Instance, e emit) {
			if v := value(&in.Intervals); v > 0 {
				e(v)
			}
		})
	}
	return []family{
		timer("hakeep_vrrp_advert_interval_seconds", "Advertisement interval in force: the master's, the own one as master.",
			func(iv *status.Intervals) float64 { return iv.Advert }),
		timer("hakeep_vrrp_master_down_interval_seconds", "Silence of the master after which this router takes over.",
			func(iv *status.Intervals) float64 { return iv.Down }),
		timer("hakeep_vrrp_skew_time_seconds", "The part of the master down interval that depends on the priority.",
			func(iv *status.Intervals) float64 { return iv.Skew }),
	}
}

// counterFamilies are the statistics of RFC 8347, and those of two masters.
func counterFamilies() []family {
	type in = status.Instance
	reasons := func(rs ...vrrp.Reason) func(*in) uint64 {
		return func(i *in) uint64 {
			var sum uint64
			for _, r := range rs {
				sum += i.Counters.Reasons[r.String()]
			}
			return sum
		}
	}
	return []family{
		counter("hakeep_vrrp_master_transitions_total", "Times that this router became master.", func(i *in) uint64 { return i.Counters.BecameMaster }),
		counter("hakeep_vrrp_master_releases_total", "Times that this router ceased to be master.", func(i *in) uint64 { return i.Counters.ReleasedMaster }),
		counter("hakeep_vrrp_adverts_received_total", "Adverts received and accepted.", func(i *in) uint64 { return i.Counters.AdvertsReceived }),
		counter("hakeep_vrrp_adverts_sent_total", "Adverts sent.", func(i *in) uint64 { return i.Counters.AdvertsSent }),
		counter("hakeep_vrrp_priority_zero_received_total", "Adverts received with priority 0: a master that leaves.",
			func(i *in) uint64 { return i.Counters.PriorityZeroReceived }),
		counter("hakeep_vrrp_priority_zero_sent_total", "Adverts sent with priority 0.", func(i *in) uint64 { return i.Counters.PriorityZeroSent }),
		counter("hakeep_vrrp_interval_errors_total", "Adverts discarded for their interval.", reasons(vrrp.ReasonInterval, vrrp.ReasonIntervalMismatch)),
		counter("hakeep_vrrp_invalid_type_packets_received_total", "Packets discarded for their type.", reasons(vrrp.ReasonType)),
		counter("hakeep_vrrp_address_list_errors_total", "Adverts with other addresses than are configured here.",
			reasons(vrrp.ReasonAddrCount, vrrp.ReasonAddrList)),
		counter("hakeep_vrrp_packet_length_errors_total", "Packets discarded for their length.", reasons(vrrp.ReasonLength)),
		known(prometheus.CounterValue, "hakeep_vrrp_address_conflicts_total", "Packets of other hosts that use addresses of the instance.",
			func(i *in, e emit) {
				for _, c := range i.Conflicts {
					e(float64(c.Packets), c.Address.String(), c.MAC)
				}
			}, "address", "mac"),
		counter("hakeep_vrrp_double_master_total", "Times that another master was heard while this router was master.",
			func(i *in) uint64 { return i.DoubleMaster.Count }),
		known(prometheus.CounterValue, "hakeep_vrrp_double_master_seconds_total", "For how long two masters were heard.",
			func(i *in, e emit) { e(i.DoubleMaster.Seconds) }),
	}
}

// reasonFamilies count packets by the reasons of the receive checks.
func reasonFamilies() []family {
	tolerated := map[string]bool{}
	for r := vrrp.ReasonNone + 1; r < vrrp.NumReasons; r++ {
		if !r.Discards() {
			tolerated[r.String()] = true
		}
	}
	byReason := func(odd bool) func(in *status.Instance, e emit) {
		return func(in *status.Instance, e emit) {
			if len(in.Counters.Reasons) == 0 {
				return
			}
			for _, reason := range slices.Sorted(maps.Keys(in.Counters.Reasons)) {
				if tolerated[reason] == odd {
					e(float64(in.Counters.Reasons[reason]), reason)
				}
			}
		}
	}
	return []family{
		known(prometheus.CounterValue, "hakeep_vrrp_packets_discarded_total", "Discarded packets by reason; a reason appears with its first packet.",
			byReason(false), "reason"),
		known(prometheus.CounterValue, "hakeep_vrrp_odd_packets_total",
			"Packets that were odd but accepted (with vrrp_strict: discarded), by reason; a reason appears with its first packet.", byReason(true), "reason"),
	}
}

package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"hakeep/internal/status"
)

// trackingFamilies are about what instances track, and about sync groups.
func trackingFamilies() []family {
	const g, c = prometheus.GaugeValue, prometheus.CounterValue
	// object is a metric of every tracked object.
	object := func(kind prometheus.ValueType, name, help string, read func(t *status.Tracked, e emit)) family {
		return family{name: name, help: help, kind: kind, labels: []string{"kind", "object"}, read: func(d *status.Document, e emit) {
			for i := range d.Tracked {
				t := &d.Tracked[i]
				read(t, func(v float64, _ ...string) { e(v, t.Kind, t.Name) })
			}
		}}
	}
	// run is a metric of every tracked script, from its first result on where
	// ended.
	run := func(kind prometheus.ValueType, name, help string, ended bool, value func(r *status.TrackedRun) float64) family {
		return object(kind, name, help, func(t *status.Tracked, e emit) {
			if r := t.Run; r != nil && (!ended || r.Runs > 0) {
				e(value(r))
			}
		})
	}
	return []family{
		object(g, "hakeep_tracked_ok", "1 if the tracked object is well, 0 if it has failed; a file is well with 0 in it; absent before the first result.",
			func(t *status.Tracked, e emit) {
				if t.State != "init" {
					e(bit(t.State == "ok"))
				}
			}),
		object(g, "hakeep_tracked_since_timestamp_seconds", "When the tracked object came into its state.",
			func(t *status.Tracked, e emit) { timestamp(e, t.Since) }),
		object(g, "hakeep_tracked_value", "The number in a tracked file, or of tracked processes.",
			func(t *status.Tracked, e emit) {
				if t.Value != nil {
					e(float64(*t.Value))
				}
			}),
		object(g, "hakeep_tracked_error", "1 if the object cannot be watched as it should be; hakeep status says why.",
			func(t *status.Tracked, e emit) { e(bit(t.Error != "")) }),
		run(g, "hakeep_tracked_last_duration_seconds", "How long the last run of a tracked script took.", true,
			func(r *status.TrackedRun) float64 { return r.Duration }),
		run(g, "hakeep_tracked_last_exit_code", "Exit status of the last run of a tracked script; -1 if it was killed or did not start.", true,
			func(r *status.TrackedRun) float64 { return float64(r.ExitCode) }),
		run(c, "hakeep_tracked_runs_total", "Runs of a tracked script.", false, func(r *status.TrackedRun) float64 { return float64(r.Runs) }),
		run(c, "hakeep_tracked_failures_total", "Runs of a tracked script that failed, timeouts included.", false,
			func(r *status.TrackedRun) float64 { return float64(r.Failures) }),
		run(c, "hakeep_tracked_timeouts_total", "Runs of a tracked script that were ended for their time.", false,
			func(r *status.TrackedRun) float64 { return float64(r.Timeouts) }),
		run(c, "hakeep_tracked_skipped_total", "Starts of a tracked script that were left out, because the run before was still going on.", false,
			func(r *status.TrackedRun) float64 { return float64(r.Skipped) }),
		known(g, "hakeep_vrrp_priority_part", "What a tracked object adds to the priority now.", func(in *status.Instance, e emit) {
			for _, p := range in.Priority.Parts {
				e(float64(p.Weight), p.Kind, p.Name)
			}
		}, "kind", "object"),
		known(g, "hakeep_vrrp_tracking_fault", "1 while a tracked object keeps the instance in FAULT.", func(in *status.Instance, e emit) {
			for _, p := range in.Priority.Parts {
				e(bit(p.Fault), p.Kind, p.Name)
			}
		}, "kind", "object"),
		{
			name: "hakeep_vrrp_sync_group_state", help: "1 for the state that the sync group is in, 0 for the others.", kind: g,
			labels: []string{"sync_group", "state"}, read: func(d *status.Document, e emit) {
				for i := range d.Groups {
					now := strings.ToLower(d.Groups[i].State)
					for _, s := range states() {
						e(bit(s == now), d.Groups[i].Name, s)
					}
				}
			},
		},
	}
}

// notifyFamilies are about notify scripts, FIFOs and mail.
func notifyFamilies() []family {
	const g, c = prometheus.GaugeValue, prometheus.CounterValue
	target := func(kind prometheus.ValueType, name, help string, value func(t *status.NotifyTarget) float64) family {
		return family{name: name, help: help, kind: kind, labels: []string{"kind", "target"}, read: func(d *status.Document, e emit) {
			for i := range d.Notify.Targets {
				t := &d.Notify.Targets[i]
				e(value(t), t.Kind, t.Name)
			}
		}}
	}
	fifo := func(kind prometheus.ValueType, name, help string, value func(f *status.NotifyFIFO) float64) family {
		return family{name: name, help: help, kind: kind, labels: []string{"path"}, read: func(d *status.Document, e emit) {
			for i := range d.Notify.FIFOs {
				e(value(&d.Notify.FIFOs[i]), d.Notify.FIFOs[i].Path)
			}
		}}
	}
	mail := func(kind prometheus.ValueType, name, help string, value func(m *status.NotifyMail) float64) family {
		return family{name: name, help: help, kind: kind, read: func(d *status.Document, e emit) {
			if m := d.Notify.Mail; m != nil {
				e(value(m))
			}
		}}
	}
	return []family{
		target(g, "hakeep_notify_scripts_running", "1 while a notify script of the instance or sync group runs.",
			func(t *status.NotifyTarget) float64 { return bit(t.Running != "") }),
		target(g, "hakeep_notify_scripts_waiting", "Events whose notify scripts have not started.", func(t *status.NotifyTarget) float64 { return float64(t.Waiting) }),
		target(g, "hakeep_notify_last_success", "0 if the notify script that ended last failed, else 1; 1 before the first.",
			func(t *status.NotifyTarget) float64 { return bit(t.Last == nil || t.Last.OK) }),
		target(c, "hakeep_notify_scripts_run_total", "Notify scripts that ran, or could not.", func(t *status.NotifyTarget) float64 { return float64(t.Runs) }),
		target(c, "hakeep_notify_scripts_failed_total", "Notify scripts that did not end with 0 in time.",
			func(t *status.NotifyTarget) float64 { return float64(t.Failures) }),
		target(c, "hakeep_notify_scripts_skipped_total", "Events whose notify scripts were overtaken by those of newer events.",
			func(t *status.NotifyTarget) float64 { return float64(t.Skipped) }),
		fifo(g, "hakeep_notify_fifo_open", "1 if the FIFO is open.", func(f *status.NotifyFIFO) float64 { return bit(f.Open) }),
		fifo(g, "hakeep_notify_fifo_lines_waiting", "Lines for which the FIFO has no room yet.", func(f *status.NotifyFIFO) float64 { return float64(f.Waiting) }),
		fifo(c, "hakeep_notify_fifo_lines_written_total", "Lines written to the FIFO.", func(f *status.NotifyFIFO) float64 { return float64(f.Written) }),
		fifo(c, "hakeep_notify_fifo_lines_dropped_total", "Lines that were given up because nobody read the FIFO.",
			func(f *status.NotifyFIFO) float64 { return float64(f.Dropped) }),
		fifo(c, "hakeep_notify_fifo_script_restarts_total", "Times that the script that reads the FIFO had to be started again.",
			func(f *status.NotifyFIFO) float64 { return float64(f.ScriptRestarts) }),
		mail(g, "hakeep_mail_queued", "Mails that wait to be sent; absent without mail.", func(m *status.NotifyMail) float64 { return float64(m.Queued) }),
		mail(c, "hakeep_mail_sent_total", "Mails that the server took for some recipient.", func(m *status.NotifyMail) float64 { return float64(m.Sent) }),
		mail(c, "hakeep_mail_attempts_failed_total", "Attempts to send mail that failed and are repeated.", func(m *status.NotifyMail) float64 { return float64(m.Failed) }),
		mail(c, "hakeep_mail_recipients_refused_total", "Recipients that never get a mail.", func(m *status.NotifyMail) float64 { return float64(m.Refused) }),
		mail(c, "hakeep_mail_dropped_total", "Mails that were given up.", func(m *status.NotifyMail) float64 { return float64(m.Dropped) }),
	}
}

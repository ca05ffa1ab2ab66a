package status

import (
	"time"

	"hakeep/internal/config"
	"hakeep/internal/notify"
)

// The kinds of notified targets.
const (
	kindInstance = "instance"
	kindGroup    = "group"
	kindVirtual  = "virtual_server"
	kindReal     = "real_server"
)

// Notify is whom transitions are told to.
type Notify struct {
	// Targets are the instances, groups and servers that have notify scripts, or had;
	// servers from the first run on.
	Targets []NotifyTarget `json:"targets"`
	FIFOs   []NotifyFIFO   `json:"fifos"`
	// Mail is absent while none is configured.
	Mail *NotifyMail `json:"mail,omitempty"`
}

// NotifyTarget tells of the scripts of an instance, group or server.
type NotifyTarget struct {
	// Kind is "instance", "group", "virtual_server" or "real_server"; the names of
	// the last two are those of FIFO lines.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// State is the last one that was told.
	State string `json:"state,omitempty"`
	// Running is the keyword of the script that runs; the next two are about it.
	Running      string    `json:"running,omitempty"`
	RunningState string    `json:"running_state,omitempty"`
	RunningSince time.Time `json:"running_since,omitzero"`
	// Waiting is the number of events whose scripts have not started.
	Waiting int `json:"waiting"`
	// Runs, Failures and Skipped count; skipped are events overtaken by newer ones.
	// Limited counts lines about masters of lower priority that were not written.
	Runs     uint64 `json:"runs"`
	Failures uint64 `json:"failures"`
	Skipped  uint64 `json:"skipped"`
	Limited  uint64 `json:"limited"`
	// Last is the script that ended last.
	Last *NotifyRun `json:"last,omitempty"`
}

// NotifyRun is a notify script that has ended.
type NotifyRun struct {
	// Keyword is such as "notify_master", State what it was run for.
	Keyword  string    `json:"keyword"`
	State    string    `json:"state"`
	Command  string    `json:"command"`
	Started  time.Time `json:"started,omitzero"`
	Duration float64   `json:"duration_seconds"`
	// OK says that it ended with 0 in time, Result how it ended, in words.
	OK       bool   `json:"ok"`
	Result   string `json:"result"`
	ExitCode int    `json:"exit_code"`
	Stderr   string `json:"stderr,omitempty"`
}

// NotifyFIFO is a named pipe.
type NotifyFIFO struct {
	Path string `json:"path"`
	Open bool   `json:"open"`
	// Error says why it cannot be used.
	Error string `json:"error,omitempty"`
	// Waiting lines have no room in the pipe yet; Written and Dropped are counted.
	Waiting int    `json:"waiting"`
	Written uint64 `json:"written"`
	Dropped uint64 `json:"dropped"`
	// Script reads it; ScriptSince is absent while it does not run, ScriptLast is
	// how it ended the last time.
	Script         string    `json:"script,omitempty"`
	ScriptSince    time.Time `json:"script_since,omitzero"`
	ScriptRestarts uint64    `json:"script_restarts"`
	ScriptLast     string    `json:"script_last,omitempty"`
}

// NotifyMail is about mail.
type NotifyMail struct {
	// Queued messages wait; Sent were taken by the server for some recipient,
	// Failed counts attempts that are repeated, Refused recipients that never get a
	// message, Dropped messages that were given up.
	Queued  int    `json:"queued"`
	Sent    uint64 `json:"sent"`
	Failed  uint64 `json:"failed"`
	Refused uint64 `json:"refused"`
	Dropped uint64 `json:"dropped"`
	// LastError is absent while mail can be sent.
	LastError string `json:"last_error,omitempty"`
}

// addNotify adds whom transitions are told to. Mail is whether it is configured.
func (d *Document) addNotify(s *notify.Status, cfg *config.Config) {
	configured := withScripts(cfg)
	for i := range s.Targets {
		t := &s.Targets[i]
		if configured[t.Target] || t.Runs > 0 || t.Waiting > 0 || t.Running != "" || t.Limited > 0 {
			d.Notify.Targets = append(d.Notify.Targets, notifyTarget(t))
		}
	}
	for _, f := range s.FIFOs {
		d.Notify.FIFOs = append(d.Notify.FIFOs, NotifyFIFO(f))
	}
	if m := s.Mail; m != (notify.MailStatus{}) || cfg.Global.Mail.Server != "" && len(cfg.Global.Mail.To) > 0 {
		mail := NotifyMail(m)
		d.Notify.Mail = &mail
	}
}

// withScripts are the targets that have notify scripts.
func withScripts(cfg *config.Config) map[notify.Target]bool {
	set := map[notify.Target]bool{}
	add := func(kind notify.Kind, name string, n *config.Notify) {
		for _, c := range []config.Command{n.Any, n.Master, n.Backup, n.Fault, n.Stop, n.Deleted, n.MasterRxLowerPri} {
			if !c.IsZero() {
				set[notify.Target{Kind: kind, Name: name}] = true
			}
		}
	}
	for i := range cfg.Groups {
		add(notify.Group, cfg.Groups[i].Name, &cfg.Groups[i].Notify)
	}
	for i := range cfg.Instances {
		add(notify.Instance, cfg.Instances[i].Name, &cfg.Instances[i].Notify)
	}
	return set
}

func notifyTarget(s *notify.TargetStatus) NotifyTarget {
	t := NotifyTarget{
		Kind: kindInstance, Name: s.Target.Name, Waiting: s.Waiting,
		Runs: s.Runs, Failures: s.Failures, Skipped: s.Skipped, Limited: s.Limited,
	}
	switch s.Target.Kind {
	case notify.Group:
		t.Kind = kindGroup
	case notify.VirtualServer:
		t.Kind = kindVirtual
	case notify.RealServer:
		t.Kind = kindReal
	}
	if s.State != 0 {
		t.State = s.State.String()
	}
	if s.Running != "" {
		t.Running, t.RunningState, t.RunningSince = s.Running, s.RunningState.String(), s.Since
	}
	if l := s.Last; l != nil {
		t.Last = &NotifyRun{
			Keyword: l.Hook, State: l.State.String(), Command: l.Command, Started: l.Result.Started,
			Duration: l.Result.Duration.Seconds(), OK: l.Result.OK(), Result: l.Result.String(),
			ExitCode: l.Result.ExitCode, Stderr: l.Result.Stderr,
		}
	}
	return t
}

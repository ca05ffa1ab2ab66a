package status

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/notify"
	"hakeep/internal/script"
	"hakeep/internal/track"
	"hakeep/internal/wire"
)

// surrounded is a pair of instances in a sync group with everything that an
// instance may track, and somebody to tell.
func surrounded() *Input {
	cmd := config.Command{Argv: []string{"/etc/hakeep/n.sh"}}
	cfg := &config.Config{
		File: "/etc/hakeep.toml",
		Instances: []config.Instance{
			{Name: "VI_1", Priority: 150, Interface: "eth0", VRID: 51, Family: config.FamilyIPv4, Version: 3, SyncGroup: "G1", Notify: config.Notify{Any: cmd}},
			{Name: "VI_2", Priority: 150, Interface: "eth1", VRID: 52, Family: config.FamilyIPv4, Version: 3, SyncGroup: "G1"},
			{Name: "VI_3", Priority: 100, Interface: "eth0", VRID: 53, Family: config.FamilyIPv4, Version: 3},
		},
		Groups: []config.SyncGroup{{Name: "G1", Instances: []string{"VI_1", "VI_2"}, Notify: config.Notify{Master: cmd}}},
	}
	cfg.Instances[0].Tracks.Interfaces = []config.Track{{Name: "eth1", Weight: -20, Reverse: false}, {Name: "eth2"}}
	cfg.Global.Mail = config.Mail{Server: "192.0.2.25", To: []string{"ops@example.org"}}
	id := func(kind track.Kind, name string) track.ID { return track.ID{Kind: kind, Name: name} }
	return &Input{
		Now: now, Config: cfg, Starts: 1,
		Daemon: Daemon{Version: "1.2.3", PID: 4711, Started: start, RouterID: "lb1", ConfigFile: "/etc/hakeep.toml", ConfigLoaded: start},
		Snapshot: &wire.Snapshot{
			Time: now, PID: 4712, Started: start, Realtime: true,
			Instances: []wire.InstanceStatus{
				{
					Name: "VI_1", State: "BACKUP", Since: now.Add(-time.Minute), Cause: "priority-changed", Priority: 104,
					Tracked: []wire.TrackedLink{{Name: "eth1", Weight: -20}, {Name: "eth2", Up: true}},
				},
				{Name: "VI_2", State: "FAULT", Since: now.Add(-time.Minute), Cause: "tracking", Priority: 150, Faults: []string{"tracking"}},
				{Name: "VI_3", State: "MASTER", Since: start, Cause: "master-timeout", Priority: 100},
			},
		},
		Tracked: []track.Status{
			{
				Kind: track.KindScript, Name: "chk_disk", State: track.StateFailed, Since: now.Add(-time.Minute), Result: "exit status 1",
				ExitCode: 1, Duration: 12 * time.Millisecond, LastRun: now.Add(-time.Second), Stderr: "line 1\nline 2\n/var is 98 % full\ncleaning did not help\n",
				Runs: 3600, Failures: 60, Timeouts: 1, Skipped: 2, Instances: []string{"VI_1", "VI_2"},
			},
			{
				Kind: track.KindScript, Name: "chk_slow", State: track.StateInit, Since: start, ExitCode: -1, LastRun: now.Add(-700 * time.Millisecond),
				Running: true, Instances: []string{"VI_1"}, Notes: []string{"/etc/hakeep/chk.sh: /etc/hakeep may be written by others"},
			},
			{Kind: track.KindFile, Name: "maintenance", State: track.StateFailed, Since: start, Value: -26, Runs: 3, LastRun: start, Source: "inotify", Instances: []string{"VI_1"}},
			{Kind: track.KindFile, Name: "gone", State: track.StateOK, Since: start, Runs: 1, Error: "open /run/x: permission denied", Instances: []string{"VI_3"}},
			{Kind: track.KindProcess, Name: "haproxy", State: track.StateOK, Since: start, Value: 2, Result: "2 processes", Source: "process connector", Instances: []string{"VI_3"}},
			{Kind: track.KindCheck, Name: "gateway", State: track.StateOK, Since: start, Result: "2 of 2 answer", Instances: []string{"VI_3"}},
		},
		Parts: map[string][]track.Part{
			"VI_1": {
				{Ref: track.Ref{ID: id(track.KindScript, "chk_disk"), Weight: 20}},
				{Ref: track.Ref{ID: id(track.KindScript, "chk_slow")}, Pending: true},
				{Ref: track.Ref{ID: id(track.KindFile, "maintenance"), Weight: 1}, Weight: -26},
			},
			"VI_2": {{Ref: track.Ref{ID: id(track.KindScript, "chk_disk")}, Fault: true}},
			"VI_3": {{Ref: track.Ref{ID: id(track.KindProcess, "haproxy")}}, {Ref: track.Ref{ID: id(track.KindCheck, "gateway")}}, {Ref: track.Ref{ID: id(track.KindFile, "gone"), Weight: 2}}},
		},
		Notify: notified(),
	}
}

func notified() *notify.Status {
	return &notify.Status{
		Targets: []notify.TargetStatus{
			{
				Target: notify.Target{Kind: notify.Instance, Name: "VI_1"}, State: notify.Backup, Running: "notify", RunningState: notify.Backup,
				Since: now.Add(-50 * time.Second), Waiting: 1, Runs: 7, Failures: 1, Skipped: 2,
				Last: &notify.Outcome{
					Hook: "notify", State: notify.Master, Command: "/etc/hakeep/n.sh INSTANCE VI_1 MASTER 150",
					Result: script.Result{ExitCode: -1, TimedOut: true, Started: now.Add(-2 * time.Minute), Duration: time.Minute, Stderr: "no route to API\n"},
				},
			},
			{Target: notify.Target{Kind: notify.Instance, Name: "VI_2"}, State: notify.Fault},
			{
				Target: notify.Target{Kind: notify.Group, Name: "G1"}, State: notify.Fault, Runs: 2,
				Last: &notify.Outcome{Hook: "notify_master", State: notify.Master, Command: "/etc/hakeep/n.sh", Result: script.Result{Started: start, Duration: 20 * time.Millisecond}},
			},
		},
		FIFOs: []notify.FIFOStatus{
			{
				Path: "/run/hakeep.fifo", Open: true, Waiting: 3, Written: 40, Dropped: 5, Script: "/etc/hakeep/reader.sh",
				ScriptSince: now.Add(-time.Hour), ScriptRestarts: 1, ScriptLast: "exit status 2",
			},
			{Path: "/run/other.fifo", Error: "is no FIFO"},
		},
		Mail: notify.MailStatus{Queued: 1, Sent: 4, Failed: 2, Refused: 1, LastError: "dial 192.0.2.25:25: connection refused"},
	}
}

func TestTrackingJSON(t *testing.T) {
	t.Parallel()
	got, err := json.MarshalIndent(Build(surrounded()), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "tracking.json", append(got, '\n'))
}

func TestTrackingText(t *testing.T) {
	t.Parallel()
	many := surrounded()
	for i := range 20 {
		s := many.Tracked[5]
		s.Kind, s.Name, s.Result = track.KindScript, fmt.Sprintf("well_%d", i), ""
		many.Tracked = append(many.Tracked, s)
		many.Config.Groups = append(many.Config.Groups, config.SyncGroup{Name: fmt.Sprintf("G1%d", i), Instances: []string{"VI_3"}})
	}
	for _, c := range []struct {
		file string
		doc  *Document
		opts RenderOptions
	}{
		{"tracking.txt", Build(surrounded()), RenderOptions{}},
		{"tracking-color.txt", Build(surrounded()), RenderOptions{Color: true}},
		{"tracking-one.txt", Build(surrounded()).Only("VI_2"), RenderOptions{Details: true}},
		{"tracking-many.txt", Build(many), RenderOptions{}},
	} {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := Render(&b, c.doc, c.opts); err != nil {
				t.Fatal(err)
			}
			golden(t, c.file, b.Bytes())
		})
	}
}

func TestGroupState(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		states []string
		want   string
	}{
		{[]string{"MASTER", "MASTER"}, "MASTER"},
		{[]string{"MASTER", "BACKUP"}, "BACKUP"},
		{[]string{"INIT", "BACKUP"}, "BACKUP"},
		{[]string{"INIT", "INIT"}, "INIT"},
		{[]string{"MASTER", "FAULT"}, "FAULT"},
		{[]string{"FAULT", StateUnknown}, StateUnknown},
	} {
		if got := GroupState(c.states); got != c.want {
			t.Errorf("%v: %s, want %s", c.states, got, c.want)
		}
	}
}

// Only one instance: nothing about others is left, and the whole is untouched.
func TestOnlyAround(t *testing.T) {
	t.Parallel()
	d := Build(surrounded())
	only := d.Only("VI_3")
	if len(only.Groups) != 0 || len(only.Tracked) != 3 || len(only.Notify.Targets) != 0 {
		t.Errorf("%+v", only)
	}
	if len(d.Groups) != 1 || len(d.Tracked) != 6 || len(d.Notify.Targets) != 2 {
		t.Errorf("the whole was changed: %+v", d)
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"hakeep/internal/control"
	"hakeep/internal/daemon"
	"hakeep/internal/status"
)

// execute runs a command and returns what it printed and its exit code.
func execute(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errs)
	code = exitCode(&errs, root.ExecuteContext(t.Context()))
	return out.String(), errs.String(), code
}

// backend is a daemon that says what a test wants.
type backend struct {
	doc    *status.Document
	reload *status.Reload
	events []status.Event
	held   map[string]bool // by Hold
	alone  bool            // nobody takes over
}

var _ control.Backend = (*backend)(nil)

func (b *backend) Status(context.Context) (*status.Document, error) {
	doc := *b.doc
	doc.Instances = slices.Clone(doc.Instances)
	for i := range doc.Instances {
		if in := &doc.Instances[i]; b.held[in.Name] {
			in.State, in.Standby = "BACKUP", &status.Standby{NoMaster: b.alone}
			if !b.alone {
				in.Master = &status.Master{Address: netip.MustParseAddr("192.0.2.2"), Priority: 90}
			}
		}
	}
	return &doc, nil
}

func (b *backend) Upgrade(context.Context) (*status.Upgrade, error) {
	return nil, errors.New("the new binary refuses the configuration")
}

func (b *backend) Hold(_ context.Context, h *control.Hold) (*status.Moved, error) {
	moved := &status.Moved{}
	for i := range b.doc.Instances {
		if name := b.doc.Instances[i].Name; h.Instance == "" || h.Instance == name {
			if h.On || b.held[name] {
				moved.Instances = append(moved.Instances, name)
			}
		}
	}
	if h.Instance != "" && len(moved.Instances) == 0 && h.On {
		return nil, fmt.Errorf("%w: %q", control.ErrUnknownInstance, h.Instance)
	}
	b.held = map[string]bool{}
	for _, name := range moved.Instances {
		b.held[name] = h.On
	}
	return moved, nil
}

func (b *backend) Dump(_ context.Context, form control.DumpForm, version int) ([]byte, error) {
	return fmt.Appendf(nil, "%s %d\n", form, version), nil
}

func (b *backend) Reload(context.Context) (*status.Reload, error) { return b.reload, nil }

func (b *backend) Order(_ context.Context, o *control.ServerOrder) (*status.ServerAnswer, error) {
	if o.RealServer != "10.0.0.1:80" {
		return nil, fmt.Errorf("%w: %s has no real server %q", control.ErrUnknownServer, o.VirtualServer, o.RealServer)
	}
	rs := status.RealServer{Address: o.RealServer, Up: o.Action != control.ActDisable, Reason: "disabled by hand", Weight: 1, Configured: 1}
	rs.Disabled = o.Action == control.ActDisable
	if o.Action == control.ActDrain {
		rs.Drained, rs.Weight = true, 0
	}
	if o.Weight != nil {
		rs.WeightByHand, rs.Weight = o.Weight, *o.Weight
	}
	return &status.ServerAnswer{VirtualServer: o.VirtualServer + "/tcp", RealServer: rs}, nil
}

func (b *backend) Events(seq uint64, n int) ([]status.Event, <-chan struct{}) {
	if seq > 0 {
		return nil, nil
	}
	return b.events, nil
}

// serve runs a control socket and returns its directory.
func serve(t *testing.T, b *backend) string {
	t.Helper()
	dir := t.TempDir()
	l, err := control.Listen(filepath.Join(dir, control.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- control.NewServer(l, b, b, b, slog.New(slog.DiscardHandler)).Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return dir
}

func document(state string) *status.Document {
	now := time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)
	return &status.Document{
		Schema: status.Schema, Time: now, OK: state != "FAULT",
		Daemon:    status.Daemon{Version: "1.2.3", RouterID: "lb1", Started: now},
		Elector:   status.Elector{Running: true, Realtime: true, Started: now},
		Instances: []status.Instance{{Name: "VI_1", State: state, Since: now, Why: "startup"}, {Name: "VI_2", State: "BACKUP", Since: now}},
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	nobody := t.TempDir()
	well := serve(t, &backend{doc: document("MASTER"), reload: &status.Reload{OK: true}})
	fault := serve(t, &backend{doc: document("FAULT"), reload: &status.Reload{Problems: []status.Problem{{Severity: "error", Text: "f:1: k: bad"}}}})
	good, bad := filepath.Join(nobody, "good.toml"), filepath.Join(nobody, "bad.toml")
	const instance = "[[vrrp_instance]]\nname = \"VI_1\"\ninterface = \"lo\"\nvirtual_router_id = 51\nvirtual_ipaddress = [\"192.0.2.10/24\"]\n"
	for file, text := range map[string]string{good: instance, bad: instance + "prioritty = 5\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	absent := filepath.Join(nobody, "absent.toml")
	if err := os.WriteFile(absent, []byte(strings.Replace(instance, `"lo"`, `"nope0"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		code int
		text string // in the output, or in the error; "" for nothing at all
	}{
		{"status", []string{"status", "--runtime-dir", well}, 0, "VI_1"},
		{"status, socket", []string{"status", "--socket", filepath.Join(well, control.SocketName)}, 0, "VI_1"},
		{"status as JSON", []string{"status", "--json", "--runtime-dir", well}, 0, `"schema": 1`},
		{"status of one", []string{"status", "VI_2", "--runtime-dir", fault}, 0, "VI_2"},
		{"status, fault", []string{"status", "--runtime-dir", fault}, 1, "FAULT"},
		{"status, nobody", []string{"status", "--runtime-dir", nobody}, 2, "no daemon is running"},
		{"status, unknown", []string{"status", "VI_9", "--runtime-dir", well}, 64, `no instance "VI_9"`},
		{"status, usage", []string{"status", "a", "b"}, 64, "See 'hakeep status --help'"},
		{"probe", []string{"status", "--probe", "--runtime-dir", well}, 0, ""},
		{"probe, fault", []string{"status", "--probe", "--runtime-dir", fault}, 1, ""},
		{"probe, nobody", []string{"status", "--probe", "--runtime-dir", nobody}, 2, ""},
		{"probe, unknown", []string{"status", "VI_9", "--probe", "--runtime-dir", well}, 64, ""},
		{"reload", []string{"reload", "--runtime-dir", well}, 0, "reloaded: 0 added"},
		{"reload, refused", []string{"reload", "--runtime-dir", fault}, 4, "f:1: k: bad\nrefused, nothing has changed"},
		{"reload, nobody", []string{"reload", "--runtime-dir", nobody}, 2, "no daemon"},
		{"events", []string{"events", "--runtime-dir", well}, 0, ""},
		{"events, nobody", []string{"events", "-f", "--runtime-dir", nobody}, 2, "no daemon"},
		{"check", []string{"check", "--config", good}, 0, "can be used (1 instance)"},
		{"check, wrong", []string{"check", "--config", bad}, 4, bad + ":6: vrrp_instance.VI_1.prioritty: "},
		{"check, wrong as JSON", []string{"check", "--json", "--config", bad}, 4, `"ok": false`},
		{"check, no file", []string{"check", "--config", nobody + "/none"}, 4, "no such file"},
		{"check, warning", []string{"check", "--config", absent}, 0, "warning: there is no interface nope0"},
		{"check, strict", []string{"check", "--strict", "--config", absent}, 4, "warning: there is no interface nope0"},
		{"run, wrong", []string{"run", "--config", bad, "--runtime-dir", nobody}, 4, ":6: vrrp_instance.VI_1.prioritty: "},
		{"run, no file", []string{"run", "--config", nobody + "/none", "--runtime-dir", nobody}, 4, "no such file"},
		{"run, log format", []string{"run", "--log-format", "xml"}, 64, "allowed are text and json"},
		{"run, log level", []string{"run", "--log-level", "loud"}, 64, "allowed are debug"},
		{"version", []string{"version"}, 0, "hakeep "},
		{"version as JSON", []string{"version", "--json"}, 0, `"go"`},
		{"unknown command", []string{"statu"}, 64, `unknown command "statu"; did you mean status?`},
		{"unknown flag", []string{"status", "--jsn"}, 64, "unknown flag: --jsn"},
		{"no command", nil, 0, "Available Commands"},
		{"completion", []string{"completion", "bash"}, 0, "bash completion"},
		{"completion of an instance", []string{"__complete", "status", "--runtime-dir", well, ""}, 0, "VI_1\nVI_2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, errs, code := execute(t, tt.args...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if tt.text == "" && out+errs != "" || !strings.Contains(out+errs, tt.text) {
				t.Errorf("printed %q and %q, want %q", out, errs, tt.text)
			}
			if code != 0 && strings.Contains(errs, "Usage:") {
				t.Error("an error was drowned in usage")
			}
		})
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err   error
		code  int
		quiet bool
	}{
		{&daemon.ConfigError{Err: os.ErrNotExist}, exitConfig, false},
		{&daemon.RunningError{What: "/run/hakeep", PID: 1}, exitRunning, false},
		{fmt.Errorf("start: %w", &daemon.PermissionError{Missing: "CAP_NET_RAW", Err: os.ErrPermission}), exitPermission, false},
		{control.ErrPermission, exitPermission, false},
		{control.ErrNoDaemon, exitNoDaemon, false},
		{errors.New("other"), exitFailure, false},
		{context.Canceled, exitFailure, true},
		{silent(exitConfig), exitConfig, true},
		{usageError(&cobra.Command{Use: "x"}, errors.New("bad")), exitUsage, false},
	}
	for _, tt := range tests {
		if code, quiet := classify(tt.err); code != tt.code || quiet != tt.quiet {
			t.Errorf("%v: got %d, %v; want %d, %v", tt.err, code, quiet, tt.code, tt.quiet)
		}
	}
}

func TestEventsAreInOrder(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)
	dir := serve(t, &backend{events: []status.Event{
		{Seq: 1, Time: at.Add(time.Second), Kind: status.KindDaemon, Text: "main process started"},
		{Seq: 2, Time: at, Kind: "transition", Instance: "VI_1", From: "BACKUP", To: "MASTER", Why: "master-timeout", Priority: 100, Peer: netip.Addr{}},
	}})
	out, _, code := execute(t, "events", "--runtime-dir", dir)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != 2 || !strings.Contains(lines[0], "VI_1: BACKUP -> MASTER (master-timeout)") || !strings.Contains(lines[1], "started") {
		t.Errorf("exit code %d, printed:\n%s", code, out)
	}
	out, _, _ = execute(t, "events", "--json", "--runtime-dir", dir)
	for line := range strings.Lines(out) {
		var ev status.Event
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// Each command says what it does and how it is used.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, cmd := range newRootCommand().Commands() {
		if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "completion" {
			continue
		}
		t.Run(cmd.Name(), func(t *testing.T) {
			t.Parallel()
			out, _, code := execute(t, cmd.Name(), "--help")
			if code != 0 || !strings.Contains(out, "Usage:") || cmd.Short == "" {
				t.Errorf("exit code %d:\n%s", code, out)
			}
			for line := range strings.Lines(out) {
				if len(line) > 110 {
					t.Errorf("too long: %s", line)
				}
			}
		})
	}
}

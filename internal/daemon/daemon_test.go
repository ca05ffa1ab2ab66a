package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hakeep/internal/control"
	"hakeep/internal/netif"
	"hakeep/internal/status"
	"hakeep/internal/wire"
)

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	r := newRig(t, vi1)
	left := netif.Key{Link: "eth7"}
	left.Prefix = compile(parse(t, vi2), nil).Leftovers[0].Prefix
	if err := writeOwned(r.dir, []netif.Key{left}, wire.LeftItems{}); err != nil {
		t.Fatal(err)
	}
	r.start()
	e := r.fakes.latest()
	got := e.applied()
	if len(got) != 1 || len(got[0].Instances) != 1 || !slices.Contains(got[0].Leftovers, left) {
		t.Errorf("elector has %+v", got)
	}
	if got := r.owned(); !slices.Equal(got, []string{"192.0.2.10", "192.0.2.20"}) {
		t.Errorf("owned: %v", got)
	}
	if got := r.keeper.inForceNow(); !slices.Equal(got, []string{"192.0.2.10"}) {
		t.Errorf("rules: %v", got)
	}
	doc, err := r.client.Status(t.Context())
	if err != nil || !doc.OK || doc.Instance("VI_1").State != "MASTER" || doc.Elector.PID != e.id || doc.Daemon.PID != os.Getpid() {
		t.Errorf("status: %+v, %v", doc, err)
	}
	// What the elector says is logged once and remembered.
	if err := e.emit(wire.Event{Time: time.Now(), Kind: wire.EventTransition, Instance: "VI_1", From: "BACKUP", To: "MASTER", Cause: "master-timeout", Priority: 100}); err != nil {
		t.Fatal(err)
	}
	seen := false
	err = r.client.Events(t.Context(), true, func(ev *status.Event) error {
		seen = ev.Kind == "transition" && ev.To == "MASTER" && ev.Why == "master-timeout"
		if seen {
			return context.Canceled
		}
		return nil
	})
	if !seen {
		t.Errorf("no transition among the events: %v", err)
	}
	r.stop()
	if e.stops != 1 || !r.keeper.removed {
		t.Errorf("asked to leave %d times, rules removed: %v", e.stops, r.keeper.removed)
	}
	r.await("STOPPING=1")
	files, err := os.ReadDir(r.dir)
	if err != nil || len(files) != 1 || files[0].Name() != "hakeep.toml" {
		t.Errorf("left behind: %v, %v", files, err)
	}
	for _, want := range []string{`msg=transition instance=VI_1 from=BACKUP to=MASTER reason=master-timeout priority=100`, `msg="hakeep has stopped"`} {
		if strings.Count(r.log.String(), want) != 1 {
			t.Errorf("log is without %s:\n%s", want, r.log)
		}
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	r := started(t, vi1)
	r.write(vi1 + vi2)
	out := r.reload()
	if !out.OK || !slices.Equal(out.Added, []string{"VI_2"}) || out.Unchanged != 1 {
		t.Errorf("got %+v", out)
	}
	e := r.fakes.latest()
	if got := e.applied(); len(got) != 2 || len(got[1].Instances) != 2 {
		t.Errorf("elector has %d configurations", len(got))
	}
	e.lock(func() {
		if !slices.Equal(e.sent, []int{1, 1}) {
			t.Errorf("the elector was sent %v instances, want the first and the one that is new", e.sent)
		}
	})
	if got := r.keeper.inForceNow(); len(got) != 2 {
		t.Errorf("rules: %v", got)
	}
	// What goes is remembered until the reload after.
	r.write(vi2 + "[global_defs]\nrealtime = false\n")
	out = r.reload()
	if !out.OK || !slices.Equal(out.Removed, []string{"VI_1"}) || out.Unchanged != 1 || len(out.Warnings) != 1 || !strings.Contains(out.Warnings[0], "realtime") {
		t.Errorf("got %+v", out)
	}
	if got := r.owned(); !slices.Equal(got, []string{"192.0.2.10", "192.0.2.20"}) {
		t.Errorf("owned: %v", got)
	}
	// Rules of an address that goes stay until it is gone.
	r.keeper.mu.Lock()
	before := r.keeper.sets[len(r.keeper.sets)-2]
	r.keeper.mu.Unlock()
	if got := r.keeper.inForceNow(); len(before.NoAccept) != 2 || !slices.Equal(got, []string{"192.0.2.20"}) {
		t.Errorf("rules: %v, then %v", before.NoAccept, got)
	}
	r.drain()
	r.signals <- syscall.SIGHUP
	r.await("RELOADING=1")
	r.await("READY=1")
	if got := r.owned(); !slices.Equal(got, []string{"192.0.2.20"}) {
		t.Errorf("owned: %v", got)
	}
	if got := e.applied(); len(got) != 3 {
		t.Errorf("the same configuration was sent again: %d", len(got))
	}
	doc, err := r.client.Status(t.Context())
	if err != nil || doc.Daemon.Reloads != 3 || doc.Daemon.LastReload == nil || !doc.Daemon.LastReload.OK || len(doc.Instances) != 1 {
		t.Errorf("status: %+v, %v", doc, err)
	}
	r.stop()
}

// A reload that is refused leaves everything as it was.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	noFirewall := errors.New("no nftables")
	tests := []struct {
		name    string
		prepare func(*rig)
		want    string
	}{
		{"broken", func(r *rig) { r.write("[[vrrp_instance") }, "the configuration has an error"},
		{"wrong in two places", func(r *rig) {
			r.write(strings.Replace(vi1, "= 51", "= 300\npriority = 0", 1) + vi2)
		}, "the configuration has 2 errors"},
		{"vanished", func(r *rig) { _ = os.Remove(r.file) }, "no such file"},
		{"a directory", func(r *rig) { _ = os.Remove(r.file); _ = os.Mkdir(r.file, 0o700) }, "is a directory"},
		{"rules cannot be set", func(r *rig) { r.write(vi1 + vi2); r.keeper.fail(noFirewall) }, "no nftables"},
		{"ownership file cannot be written", func(r *rig) {
			r.write(vi1 + vi2)
			_ = os.Mkdir(filepath.Join(r.dir, ownedName+".new"), 0o700)
		}, "write ownership file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := started(t, vi1)
			before, rules, owned := r.d.current.Load(), r.keeper.inForceNow(), r.owned()
			tt.prepare(r)
			out := r.reload()
			r.keeper.fail(nil)
			if out.OK || !strings.Contains(out.Summary(), tt.want) {
				t.Errorf("got %+v, want %s", out, tt.want)
			}
			after := r.d.current.Load()
			if after.config != before.config || after.wire != before.wire || !reflect.DeepEqual(after.rules, before.rules) {
				t.Error("another configuration is in force")
			}
			if got := r.fakes.latest().applied(); len(got) != 1 {
				t.Errorf("elector has %d configurations", len(got))
			}
			if got := r.keeper.inForceNow(); !slices.Equal(got, rules) {
				t.Errorf("rules: %v, want %v", got, rules)
			}
			if got := r.owned(); !slices.Equal(got, owned) {
				t.Errorf("owned: %v, want %v", got, owned)
			}
			doc, err := r.client.Status(t.Context())
			if err != nil || !doc.OK || doc.Daemon.ReloadsRefused != 1 || doc.Daemon.LastReload.OK {
				t.Errorf("status: %+v, %v", doc.Daemon, err)
			}
			if !strings.Contains(r.log.String(), "reload refused") {
				t.Errorf("log:\n%s", r.log)
			}
			r.await("STATUS=1 master, 0 backup, 0 fault; last reload refused: ")
			r.stop()
		})
	}
}

// Several who ask at once get an outcome that is not older than their question,
// with as few reloads as possible.
func TestReloadsAreOneAtATime(t *testing.T) {
	t.Parallel()
	r := started(t, vi1)
	r.write(vi1 + vi2)
	const many = 20
	results := make(chan bool, many)
	for range many {
		go func() {
			out, err := r.client.Reload(t.Context())
			results <- err == nil && out.OK
		}()
	}
	for range many {
		if !<-results {
			t.Error("a reload failed")
		}
	}
	if n := r.d.current.Load().reloads; n == 0 || n > many {
		t.Errorf("%d reloads", n)
	}
	if got := r.fakes.latest().applied(); len(got) != 2 {
		t.Errorf("elector has %d configurations", len(got))
	}
	r.stop()
}

// Without rules that are needed the daemon is there all the same, and says so.
func TestStartWithoutFirewall(t *testing.T) {
	t.Parallel()
	r := newRig(t, vi1)
	r.keeper.fail(errors.New("no nftables"))
	r.start()
	doc, err := r.client.Status(t.Context())
	if err != nil || len(doc.Warnings) != 1 || !strings.Contains(doc.Warnings[0], "no nftables") {
		t.Errorf("got %+v, %v", doc, err)
	}
	r.write(strings.Replace(vi1, "= 51", "= 52", 1)) // needs the same rules
	if out := r.reload(); !out.OK || len(out.Warnings) == 0 {
		t.Errorf("got %+v", out)
	}
	r.stop()
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	r := newRig(t, vi1)
	r.d.patience = 500 * time.Millisecond
	r.fakes.refuse = func() (error, bool) { return errors.New("no such program"), false }
	ended := make(chan error, 1)
	go func() { ended <- r.d.run(t.Context()) }()
	err := <-ended
	if err == nil || !strings.Contains(err.Error(), "no such program") {
		t.Errorf("got %v", err)
	}
	if r.keeper.removed || !r.keeper.closed {
		t.Error("the rules of another life were removed")
	}
	if _, err := os.Stat(filepath.Join(r.dir, control.SocketName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("control socket: %v", err)
	}
}

// A stop is in order at any time, also before the daemon is ready.
func TestStopBeforeReady(t *testing.T) {
	t.Parallel()
	r := newRig(t, vi1)
	r.fakes.prepare = func(e *fakeElector) { e.mute = true }
	go func() { r.ended <- r.d.run(t.Context()) }()
	r.stop()
	if e := r.fakes.latest(); e != nil && e.stops != 1 {
		t.Errorf("asked to leave %d times", e.stops)
	}
	if strings.Contains(r.log.String(), "hakeep is ready") {
		t.Errorf("log:\n%s", r.log)
	}
}

// An elector that does not answer is part of the status.
func TestStatusWithoutElector(t *testing.T) {
	t.Parallel()
	r := started(t, vi1)
	e := r.fakes.latest()
	hold := make(chan struct{})
	e.lock(func() { e.hold = hold })
	doc, err := r.client.Status(t.Context())
	if err != nil || doc.OK || doc.Elector.Running || doc.Elector.Error == "" || doc.Instance("VI_1").State != status.StateUnknown {
		t.Errorf("got %+v, %v", doc, err)
	}
	close(hold)
	r.stop()
}

func TestSecondDaemonOnTheSocket(t *testing.T) {
	t.Parallel()
	r := started(t, vi1)
	other := newRig(t, vi1)
	other.d.opts.Socket = r.d.opts.Socket
	var running *RunningError
	if err := other.d.run(t.Context()); !errors.As(err, &running) {
		t.Errorf("got %v", err)
	}
	if _, err := r.client.Status(t.Context()); err != nil {
		t.Errorf("the first one: %v", err)
	}
	r.stop()
}

func TestWatchdog(t *testing.T) {
	t.Parallel()
	r := newRig(t, vi1)
	r.d.notify.watchdog = 200 * time.Millisecond
	r.start()
	r.d.supervisor.lastAnswer.Store(time.Now().Add(time.Hour).UnixNano()) // it goes on answering
	r.await("WATCHDOG=1")
	r.stop()

	silent := newRig(t, vi1)
	silent.d.notify.watchdog = time.Minute
	for _, tt := range []struct {
		age  time.Duration
		want int
	}{{time.Hour, 0}, {2 * time.Minute, 0}, {30 * time.Second, 1}} {
		silent.d.supervisor.lastAnswer.Store(time.Now().Add(-tt.age).UnixNano())
		silent.d.watchdog()
		if got := silent.drain(); got != tt.want {
			t.Errorf("last answer %v ago: told %d times, want %d", tt.age, got, tt.want)
		}
	}
}

// TestReloadOnAnotherBase: an elector that runs something else than this main knows of,
// as an earlier main was heard late, is sent all of the configuration.
func TestReloadOnAnotherBase(t *testing.T) {
	t.Parallel()
	r := started(t, vi1)
	e := r.fakes.latest()
	e.lock(func() {
		other := &wire.Config{Digest: "other"}
		e.configs, e.digest = append(e.configs, other), other.Digest
	})
	r.write(vi1 + vi2)
	if out := r.reload(); !out.OK || !slices.Equal(out.Added, []string{"VI_2"}) {
		t.Errorf("got %+v", out)
	}
	if got := e.applied(); len(got) != 3 || len(got[2].Instances) != 2 {
		t.Errorf("elector has %d configurations", len(got))
	}
	e.lock(func() {
		if !slices.Equal(e.sent, []int{1, 1, 2}) {
			t.Errorf("the elector was sent %v instances, want the first, the new one, and all", e.sent)
		}
	})
}

package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/control"
	"hakeep/internal/firewall"
	"hakeep/internal/status"
)

// fakeKeeper is a firewall in memory.
type fakeKeeper struct {
	mu      sync.Mutex // guards what follows
	sets    []firewall.Rules
	err     error // of Set
	removed bool
	closed  bool
}

var _ keeper = (*fakeKeeper)(nil)

func (k *fakeKeeper) Set(r firewall.Rules) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		k.sets = append(k.sets, r)
	}
	return k.err
}

func (k *fakeKeeper) Run(ctx context.Context) error { <-ctx.Done(); return nil }

func (k *fakeKeeper) Stats() firewall.Stats {
	k.mu.Lock()
	defer k.mu.Unlock()
	return firewall.Stats{Err: k.err}
}

func (k *fakeKeeper) Close(remove bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed, k.removed = true, remove
	return nil
}

func (k *fakeKeeper) fail(err error) { k.mu.Lock(); k.err = err; k.mu.Unlock() }

// inForceNow is what was set last.
func (k *fakeKeeper) inForceNow() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []string
	if len(k.sets) > 0 {
		for _, a := range k.sets[len(k.sets)-1].NoAccept {
			out = append(out, a.String())
		}
	}
	return out
}

// logBuffer is a log that a test reads while it is written.
type logBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// wholeHost has everything.
type wholeHost struct{}

func (wholeHost) LinkExists(string) bool  { return true }
func (wholeHost) UserExists(string) bool  { return true }
func (wholeHost) GroupExists(string) bool { return true }
func (wholeHost) Lookup(string) error     { return nil }

// rig is a daemon with fakes around it, on a real control socket and with real
// files.
type rig struct {
	*testing.T
	dir     string
	file    string
	d       *daemon
	fakes   *fakeElectors
	keeper  *fakeKeeper
	log     *logBuffer
	client  *control.Client
	signals chan os.Signal
	told    chan string // to the service manager
	ended   chan error
}

const (
	vi1 = "[[vrrp_instance]]\nname = \"VI_1\"\ninterface = \"eth0\"\nvirtual_router_id = 51\nvirtual_ipaddress = [\"192.0.2.10/24\"]\nno_accept = true\n"
	vi2 = "[[vrrp_instance]]\nname = \"VI_2\"\ninterface = \"eth0\"\nvirtual_router_id = 52\nvirtual_ipaddress = [\"192.0.2.20/24\"]\nno_accept = true\n"
)

// newRig prepares a daemon; start runs it.
func newRig(t *testing.T, text string) *rig {
	t.Helper()
	r := &rig{
		T: t, dir: t.TempDir(), fakes: &fakeElectors{}, keeper: &fakeKeeper{}, log: &logBuffer{},
		signals: make(chan os.Signal), told: make(chan string, 1000), ended: make(chan error, 1),
	}
	r.file = filepath.Join(r.dir, "hakeep.toml")
	r.write(text)
	cfg, problems, err := config.Load(r.file)
	if err != nil || problems.HasErrors() {
		t.Fatal(err, problems)
	}
	o, err := Options{ConfigFile: r.file, RuntimeDir: r.dir, Logger: slog.New(slog.NewTextHandler(r.log, nil))}.complete()
	if err != nil {
		t.Fatal(err)
	}
	r.d = newDaemon(o, cfg, r.fakes, r.keeper)
	r.d.signals = r.signals
	r.d.hostOf = func(*config.Config) config.Host { return wholeHost{} }
	r.d.notify.send = func(state string) error { r.told <- state; return nil }
	r.client = control.NewClient(o.Socket)
	t.Cleanup(r.fakes.end)
	return r
}

func (r *rig) start() *rig {
	r.Helper()
	ctx, cancel := context.WithCancel(r.Context())
	go func() { r.ended <- r.d.run(ctx) }()
	r.Cleanup(cancel)
	r.await("READY=1")
	return r
}

// started is a daemon that is ready.
func started(t *testing.T, text string) *rig {
	t.Helper()
	return newRig(t, text).start()
}

func (r *rig) write(text string) {
	r.Helper()
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
}

// await waits until the service manager is told something.
func (r *rig) await(state string) {
	r.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case got := <-r.told:
			if strings.Contains(got, state) {
				return
			}
		case err := <-r.ended:
			r.Fatalf("daemon ended: %v\n%s", err, r.log)
		case <-timeout:
			r.Fatalf("service manager was not told %s\n%s", state, r.log)
		}
	}
}

// drain forgets what the service manager was told, and counts it.
func (r *rig) drain() int {
	for n := 0; ; n++ {
		select {
		case <-r.told:
		default:
			return n
		}
	}
}

// stop stops the daemon in order.
func (r *rig) stop() {
	r.Helper()
	r.signals <- syscall.SIGTERM
	if err := <-r.ended; err != nil {
		r.Errorf("run: %v\n%s", err, r.log)
	}
}

func (r *rig) reload() *status.Reload {
	r.Helper()
	out, err := r.client.Reload(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	return out
}

func (r *rig) owned() []string {
	r.Helper()
	keys, _, err := readOwned(r.dir)
	if err != nil {
		r.Fatal(err)
	}
	var out []string
	for _, k := range keys {
		out = append(out, k.Prefix.Addr().String())
	}
	return out
}

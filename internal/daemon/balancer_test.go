package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/control"
	"hakeep/internal/notify"
	"hakeep/internal/status"
	"hakeep/lvs"
)

// fakeBackend is a kernel's table in memory.
type fakeBackend struct {
	mu       sync.Mutex // guards what follows
	services []lvs.Service
	err      error
	applied  int
	closed   bool
	removed  bool
	news     chan struct{}
}

var _ backend = (*fakeBackend)(nil)

func (f *fakeBackend) configure(*config.Config)        {}
func (f *fakeBackend) describe(*status.BalancingInput) {}
func (f *fakeBackend) warnings() []string              { return nil }

func (f *fakeBackend) apply(_ context.Context, services []lvs.Service) (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.applied++
	if f.err == nil {
		f.services = services
	}
	kick(f.news)
	return 0, f.err
}

func (f *fakeBackend) counters(context.Context) ([]lvs.ServiceCounters, error) { return nil, nil }

func (f *fakeBackend) close(_ context.Context, remove bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed, f.removed = true, remove
	return nil
}

// has is the servers of the first service, as ports with weights other than 1.
func (f *fakeBackend) has(port func(uint16) string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, s := range f.services {
		for _, srv := range s.Servers {
			text := port(srv.Endpoint.Port)
			if srv.Weight != 1 {
				text += fmt.Sprint("*", srv.Weight)
			}
			out = append(out, text)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// stage is a balancer with real checks of real listeners and a fake kernel.
type stage struct {
	*testing.T
	b         *balancer
	kernel    *fakeBackend
	dir       string
	cfg       *config.Config
	listeners []net.Listener
	ports     []uint16

	mu     sync.Mutex // guards what follows
	told   []notify.ServerEvent
	events []status.Event
	addrs  map[netip.Addr]bool // of this host
}

// newStage prepares n servers, which listen, for one virtual server.
func newStage(t *testing.T, n int) *stage {
	t.Helper()
	s := &stage{T: t, kernel: &fakeBackend{news: make(chan struct{}, 1)}, dir: t.TempDir()}
	vip := netip.MustParseAddr("192.0.2.10")
	v := config.VirtualServer{
		Name: "192.0.2.10:80/tcp", Services: []config.VirtualService{{Protocol: config.ProtocolTCP, Addr: vip, Port: 80, Family: config.FamilyIPv4}},
		Scheduler: "rr", Quorum: 1, QuorumDown: config.Command{Argv: []string{"/quorum_down"}},
	}
	for range n {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		at := l.Addr().(*net.TCPAddr).AddrPort()
		s.listeners, s.ports = append(s.listeners, l), append(s.ports, at.Port())
		probe := config.Probe{Interval: 20 * time.Millisecond, Timeout: time.Second, Addr: at}
		v.Servers = append(v.Servers, config.RealServer{
			Addr: at, Forward: config.Forward{Method: config.MethodNAT}, Weight: 1, SMTPAlert: true,
			NotifyDown: config.Command{Argv: []string{"/down"}}, Checkers: config.Checkers{TCP: []config.TCPCheck{{Probe: probe}}},
		})
	}
	s.cfg = &config.Config{VirtualServers: []config.VirtualServer{v}}
	s.cfg.Global.LVS = config.LVS{Backend: config.BackendAuto, FlushOnStop: config.FlushNone}
	s.fresh()
	return s
}

// fresh makes a balancer as a new process would.
func (s *stage) fresh() {
	s.b = newBalancer(slog.New(slog.DiscardHandler), filepath.Join(s.dir, balanceName), nil)
	s.b.ipvsHere = func() bool { return false }
	s.b.open = func(*config.Config, config.Backend, []lvs.ID) (backend, error) { return s.kernel, nil }
	s.b.local = func() (map[netip.Addr]bool, error) { s.mu.Lock(); defer s.mu.Unlock(); return s.addrs, nil }
	s.b.tell = func(ev notify.ServerEvent) { s.mu.Lock(); s.told = append(s.told, ev); s.mu.Unlock() }
	s.b.remember = func(ev status.Event) { s.mu.Lock(); s.events = append(s.events, ev); s.mu.Unlock() }
	s.b.load()
}

// run runs the balancer with the configuration; the function that comes back ends it.
func (s *stage) run() context.CancelFunc {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	done := make(chan error, 1)
	go func() { done <- s.b.run(ctx) }()
	var once sync.Once
	stop := func() { once.Do(func() { cancel(); <-done }) }
	s.Cleanup(stop)
	s.configure()
	return stop
}

func (s *stage) configure() {
	s.Helper()
	if err := s.b.configure(s.cfg); err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	if err := s.b.await(ctx); err != nil {
		s.Fatal(err)
	}
}

// port is the number of a server from 1 on.
func (s *stage) port(p uint16) string { return fmt.Sprint(slices.Index(s.ports, p) + 1) }

// await waits until the kernel has these servers.
func (s *stage) await(want string) {
	s.Helper()
	limit := time.After(10 * time.Second)
	for s.kernel.has(s.port) != want {
		select {
		case <-s.kernel.news:
		case <-limit:
			s.Fatalf("the kernel has the servers %q, want %q", s.kernel.has(s.port), want)
		}
	}
}

func (s *stage) address(n int) string { return s.cfg.VirtualServers[0].Servers[n-1].Addr.String() }

func (s *stage) order(o control.ServerOrder) *status.ServerAnswer {
	s.Helper()
	if o.VirtualServer == "" {
		o.VirtualServer = "192.0.2.10:80"
	}
	answer, err := s.b.order(s.Context(), &o)
	if err != nil {
		s.Fatal(err)
	}
	return answer
}

func TestBalancerFollowsChecks(t *testing.T) {
	t.Parallel()
	s := newStage(t, 2)
	s.run()
	s.await("1 2")
	s.listeners[0].Close()
	s.await("2")
	s.listeners[1].Close()
	s.await("")
	s.mu.Lock()
	defer s.mu.Unlock()
	var told []string
	for _, ev := range s.told {
		told = append(told, fmt.Sprint(ev.Keyword, " ", ev.Up, " ", ev.Mail, " ", ev.Command.Argv))
	}
	want := []string{"quorum_up true false []", "notify_down false true [/down]", "notify_down false true [/down]", "quorum_down false false [/quorum_down]"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	// A probe that the server had not yet accepted is reset, all others are refused.
	if len(s.events) != 4 || s.events[1].RealServer != s.address(1) || !strings.Contains(s.events[1].Text, "connection re") || s.events[1].Level != "warn" {
		t.Errorf("events %+v", s.events)
	}
}

// TestBalancerByHand: what is said by hand lasts through a reload and a new main,
// and so does that a server had failed.
func TestBalancerByHand(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	stop := s.run()
	if a := s.order(control.ServerOrder{RealServer: s.address(1), Action: control.ActDrain}); !a.RealServer.Drained || a.RealServer.Weight != 0 || a.Warning != "" {
		t.Errorf("answer %+v", a)
	}
	five := 5
	s.order(control.ServerOrder{RealServer: s.address(2), Action: control.ActWeight, Weight: &five})
	s.await("1*0 2*5 3")
	s.order(control.ServerOrder{RealServer: s.address(2), Action: control.ActDisable})
	s.await("1*0 3")
	s.listeners[2].Close()
	s.await("1*0")
	s.configure()
	s.await("1*0")

	stop()
	s.b.save()
	s.kernel.mu.Lock()
	s.kernel.services = nil
	s.kernel.mu.Unlock()
	s.fresh()
	s.run()
	if got := s.kernel.has(s.port); got != "1*0" {
		t.Errorf("a new main begins with the servers %q, want the drained one only", got)
	}
	s.order(control.ServerOrder{RealServer: s.address(1), Action: control.ActEnable})
	s.order(control.ServerOrder{RealServer: s.address(2), Action: control.ActEnable})
	s.await("1 2*5")
	s.order(control.ServerOrder{RealServer: s.address(2), Action: control.ActWeight})
	s.await("1 2")

	for _, o := range []control.ServerOrder{
		{VirtualServer: "192.0.2.10:81", RealServer: s.address(1), Action: control.ActDrain},
		{VirtualServer: "192.0.2.10:80", RealServer: "127.0.0.1:1", Action: control.ActDrain},
		{VirtualServer: "192.0.2.10:80", RealServer: "nonsense", Action: control.ActDrain},
	} {
		if _, err := s.b.order(t.Context(), &o); !errors.Is(err, control.ErrUnknownServer) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := s.b.order(t.Context(), &control.ServerOrder{VirtualServer: "192.0.2.10:80", RealServer: s.address(1), Action: "kick"}); err == nil {
		t.Error("an unknown action is taken")
	}
}

// TestBalancerRetries: what the kernel refuses is said and tried again.
func TestBalancerRetries(t *testing.T) {
	t.Parallel()
	s := newStage(t, 1)
	s.kernel.err = errors.New("no room")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = s.b.run(ctx) }()
	if err := s.b.configure(s.cfg); err != nil {
		t.Fatal(err)
	}
	if err := s.b.await(ctx); err == nil || err.Error() != "no room" {
		t.Errorf("awaited %v", err)
	}
	if in, warnings := s.b.status(ctx); in.Error != "no room" || len(warnings) != 1 || !strings.Contains(warnings[0], "not in force: no room") {
		t.Errorf("status says %q and %q", in.Error, warnings)
	}
	s.kernel.mu.Lock()
	s.kernel.err = nil
	s.kernel.mu.Unlock()
	s.await("1")
}

// TestBalancerRefuses: a reload never changes the back end, and nothing of a
// configuration that does not suit it.
func TestBalancerRefuses(t *testing.T) {
	t.Parallel()
	s := newStage(t, 1)
	s.run()
	wrong := *s.cfg
	wrong.VirtualServers = slices.Clone(s.cfg.VirtualServers)
	wrong.VirtualServers[0].Scheduler = "wlc"
	err := s.b.configure(&wrong)
	if err == nil || !strings.Contains(err.Error(), "wlc needs IPVS") || !strings.Contains(err.Error(), "nftables since the start (the kernel has no IPVS)") {
		t.Errorf("got %v", err)
	}
	s.b.ipvsHere = func() bool { return true }
	s.configure()
	if s.b.kind != config.BackendNFT {
		t.Errorf("a reload has chosen %v", s.b.kind)
	}
	if s.b.pool.Services()[0].Attr.Scheduler != "rr" {
		t.Error("the refused configuration is in force in part")
	}
}

// TestBalancerStop: with omega everything is told down; the services go unless they
// are to be kept.
func TestBalancerStop(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		s := newStage(t, 1)
		s.cfg.VirtualServers[0].Omega = true
		s.run()
		s.mu.Lock()
		s.told = nil
		s.mu.Unlock()
		if err := s.b.stop(t.Context(), keep); err != nil {
			t.Fatal(err)
		}
		if !s.kernel.closed || s.kernel.removed == keep {
			t.Errorf("keep %v: closed %v, removed %v", keep, s.kernel.closed, s.kernel.removed)
		}
		if len(s.told) != 2 || !s.told[0].Final || s.told[0].Keyword != "notify_down" || s.told[1].Keyword != "quorum_down" {
			t.Errorf("told %+v", s.told)
		}
	}
}

// TestBalancerSuspends: with ha_suspend only servers of an address that is here are
// checked.
func TestBalancerSuspends(t *testing.T) {
	t.Parallel()
	s := newStage(t, 2)
	s.cfg.VirtualServers[0].Suspend = true
	s.run()
	s.listeners[0].Close()
	if runs := s.b.runner.Snapshot()[0].Runs; runs != 0 {
		t.Errorf("%d attempts although the address is elsewhere", runs)
	}
	s.mu.Lock()
	s.addrs = map[netip.Addr]bool{netip.MustParseAddr("192.0.2.10"): true}
	s.mu.Unlock()
	kick(s.b.look)
	s.await("2")
}

func TestForwardNumbersAgree(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   config.Forward
		want lvs.Forward
	}{
		{config.Forward{Method: config.MethodNAT}, lvs.Forward{Method: lvs.NAT}},
		{config.Forward{Method: config.MethodDR}, lvs.Forward{Method: lvs.DR}},
		{
			config.Forward{Method: config.MethodTUN, Tunnel: config.TunnelIPIP, Checksum: config.ChecksumNone},
			lvs.Forward{Method: lvs.TUN, Tunnel: lvs.IPIP, Checksum: lvs.NoChecksum},
		},
		{
			config.Forward{Method: config.MethodTUN, Tunnel: config.TunnelGUE, TunnelPort: 6080, Checksum: config.ChecksumOn},
			lvs.Forward{Method: lvs.TUN, Tunnel: lvs.GUE, Port: 6080, Checksum: lvs.WithChecksum},
		},
		{
			config.Forward{Method: config.MethodTUN, Tunnel: config.TunnelGRE, Checksum: config.ChecksumRemote},
			lvs.Forward{Method: lvs.TUN, Tunnel: lvs.GRE, Checksum: lvs.RemoteChecksum},
		},
	} {
		if got := lvsForward(c.in); got != c.want {
			t.Errorf("%+v is %+v, want %+v", c.in, got, c.want)
		}
	}
}

// TestCounterCache: counters that took long to read are not read again at once, those
// that did not are, and an error is not remembered.
func TestCounterCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c counterCache
		reads := 0
		read := func(took time.Duration, err error) ([]lvs.ServiceCounters, error) {
			return c.read(func() ([]lvs.ServiceCounters, error) {
				reads++
				time.Sleep(took)
				return make([]lvs.ServiceCounters, reads), err
			})
		}
		for _, s := range []struct {
			pause, took time.Duration
			err         error
			reads       int
		}{
			{0, 0, nil, 1},
			{time.Microsecond, 50 * time.Millisecond, nil, 2},
			{449 * time.Millisecond, 0, nil, 2},
			{time.Millisecond, time.Minute, nil, 3},
			{999 * time.Millisecond, 0, nil, 3},
			{time.Millisecond, time.Minute, errors.New("busy"), 4},
			{0, 0, nil, 5},
		} {
			time.Sleep(s.pause)
			got, err := read(s.took, s.err)
			if !errors.Is(err, s.err) || reads != s.reads || err == nil && len(got) != reads {
				t.Fatalf("%+v: %d reads, %d counters, %v", s, reads, len(got), err)
			}
		}
	})
}

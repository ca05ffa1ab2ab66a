package ipvs

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"pgregory.net/rapid"

	"hakeep/internal/nstest"
	"hakeep/lvs"
)

// These tests need a kernel with IPVS; `make test-vm` has one.

// open moves the test into a namespace of its own and opens its IPVS.
func open(t *testing.T) *Client {
	t.Helper()
	nstest.Enter(t)
	c, err := Open()
	if errors.Is(err, ErrUnavailable) && !required {
		t.Skipf("make test-vm runs this: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func mustReconcile(t testing.TB, c *Client, desired []lvs.Service, owned func(lvs.ID) bool) Report {
	t.Helper()
	report, err := c.Reconcile(t.Context(), desired, owned, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func everything(lvs.ID) bool { return true }

func checkTable(t testing.TB, c *Client, want []lvs.Service) {
	t.Helper()
	got, err := c.Services(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, compareAddr, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("the kernel's table (-want +got):\n%s", diff)
	}
}

// TestReconcileAnyToAny: whatever is there becomes what is wanted, in one round, and a
// second time nothing is done.
func TestReconcileAnyToAny(t *testing.T) {
	c := open(t)
	rapid.Check(t, func(r *rapid.T) {
		want := genServices.Draw(r, "services")
		_, err := c.Reconcile(t.Context(), want, everything, nil)
		if err != nil {
			var text []string
			for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
				text = append(text, fmt.Sprintf("%v: %+v %+v", e, e.(*OpError).Op.Attr, e.(*OpError).Op.Server))
			}
			r.Fatal(strings.Join(text, "\n"))
		}
		checkTable(t, c, want)
		if again := mustReconcile(t, c, want, everything); len(again.Applied) > 0 {
			r.Fatalf("a second time: %v", again.Applied)
		}
	})
}

func service(id lvs.ID, scheduler string, weights ...int) lvs.Service {
	s := lvs.Service{ID: id, Attr: lvs.Attr{Scheduler: scheduler}}
	for i, w := range weights {
		s.Servers = append(s.Servers, lvs.Server{
			Endpoint: lvs.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), Port: 80},
			Forward:  lvs.Forward{Method: lvs.NAT}, Weight: w,
		})
	}
	return lvs.Canonical(s)
}

func web(last byte) lvs.ID {
	return lvs.ID{Protocol: lvs.TCP, Addr: netip.AddrFrom4([4]byte{192, 0, 2, last}), Port: 80, Family: lvs.IPv4}
}

// TestOwnership: services of others stay, whatever becomes of ours; what others take
// away is put back.
func TestOwnership(t *testing.T) {
	c := open(t)
	foreign := service(web(9), "rr", 1, 2)
	mustReconcile(t, c, []lvs.Service{foreign}, nil)
	ours := func(id lvs.ID) bool { return id == web(1) || id == web(2) }
	want := []lvs.Service{service(web(1), "wlc", 1), service(web(2), "rr", 1)}
	mustReconcile(t, c, want, ours)
	checkTable(t, c, append(slices.Clone(want), foreign))
	mustReconcile(t, c, want[:1], ours)
	checkTable(t, c, []lvs.Service{want[0], foreign})
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkTable(t, c, nil)
	mustReconcile(t, c, want, ours)
	checkTable(t, c, want)
	mustReconcile(t, c, nil, ours)
	checkTable(t, c, nil)
}

// TestAmend: the difference of two tables is applied without looking, and that somebody
// else was there is noticed where it matters.
func TestAmend(t *testing.T) {
	c := open(t)
	before := []lvs.Service{service(web(1), "rr", 1, 1), service(web(2), "wrr", 1)}
	after := []lvs.Service{service(web(1), "rr", 5), service(web(3), "wlc", 1, 2)}
	mustReconcile(t, c, before, everything)
	amend := func(from, to []lvs.Service, want bool) {
		t.Helper()
		if done, err := c.Amend(t.Context(), from, to); done != want || err != nil {
			t.Fatalf("done: %v, %v", done, err)
		}
	}
	amend(before, after, true)
	checkTable(t, c, after)
	amend(after, after, true)
	amend(after, before, true)
	checkTable(t, c, before)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	amend(before, after, false)
	mustReconcile(t, c, after, everything)
	checkTable(t, c, after)
}

// TestDraining: an unwanted server stays with weight 0 as long as it is told to.
func TestDraining(t *testing.T) {
	c := open(t)
	mustReconcile(t, c, []lvs.Service{service(web(1), "rr", 1, 1)}, nil)
	want := []lvs.Service{service(web(1), "rr", 1)}
	report, err := c.Reconcile(t.Context(), want, everything, func(lvs.ID, lvs.ServerCounters) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Draining) != 1 || report.Draining[0].Server.Server.Endpoint.Addr != netip.MustParseAddr("10.0.0.2") {
		t.Errorf("draining: %+v", report.Draining)
	}
	checkTable(t, c, []lvs.Service{service(web(1), "rr", 1, 0)})
	mustReconcile(t, c, want, everything)
	checkTable(t, c, want)
}

// TestRefused: what the kernel does not take is named with the reason, and the rest is
// done.
func TestRefused(t *testing.T) {
	c := open(t)
	tun6 := service(web(4), "rr", 1)
	tun6.Servers[0].Endpoint.Addr = netip.MustParseAddr("fd00::1")
	large := service(web(5), "rr", 1)
	large.Servers[0].UThreshold = 1 << 31
	bad := []lvs.Service{service(web(1), "nosuch", 1, 2), tun6, large}
	good := service(web(2), "rr", 1)
	_, err := c.Reconcile(t.Context(), append(bad, good), nil, nil)
	if err == nil {
		t.Fatal("no error")
	}
	want := strings.Join([]string{
		`IPVS: add 192.0.2.1:80/tcp: no such file or directory: the kernel has no scheduler "nosuch" (module ip_vs_nosuch)`,
		`IPVS: add server [fd00::1]:80 to 192.0.2.4:80/tcp: invalid argument: a server of the other address family needs lvs_method TUN, and no lvs_sync_daemon`,
		`IPVS: add server 10.0.0.1:80 to 192.0.2.5:80/tcp: invalid argument: a threshold above 2147483647`,
	}, "\n")
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	tun6.Servers, large.Servers = nil, nil
	checkTable(t, c, []lvs.Service{good, tun6, large})
}

// TestLargeChange: more changes than fit into one batch, some of them refused.
func TestLargeChange(t *testing.T) {
	c := open(t)
	var want []lvs.Service
	for i := range byte(200) {
		want = append(want, service(web(i+1), "rr", 1, 2, 3))
	}
	withBad := append(slices.Clone(want), service(lvs.ID{Mark: 5, Family: lvs.IPv4}, "nosuch", 1, 2))
	_, err := c.Reconcile(t.Context(), withBad, everything, nil)
	var op *OpError
	if !errors.As(err, &op) || op.Op.ID.Mark != 5 || strings.Count(err.Error(), "\n") != 0 {
		t.Errorf("error: %v", err)
	}
	checkTable(t, c, want)
	// Every other server goes, every third changes.
	for i := range want {
		servers := slices.Clone(want[i].Servers)
		servers[2].Weight = 7
		want[i].Servers = slices.Delete(servers, i%2, i%2+1)
	}
	if report := mustReconcile(t, c, want, everything); len(report.Applied) != 400 {
		t.Errorf("%d changes, want 400", len(report.Applied))
	}
	checkTable(t, c, want)
}

func TestTimeouts(t *testing.T) {
	c := open(t)
	before, err := c.Timeouts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetTimeouts(t.Context(), Timeouts{TCP: time.Minute, UDP: 7 * time.Second}); err != nil {
		t.Fatal(err)
	}
	got, err := c.Timeouts(t.Context())
	if want := (Timeouts{TCP: time.Minute, TCPFin: before.TCPFin, UDP: 7 * time.Second}); err != nil || got != want || before == got {
		t.Errorf("timeouts %+v, %v, want %+v; before %+v", got, err, want, before)
	}
}

func TestInfo(t *testing.T) {
	c := open(t)
	info, err := c.Info(t.Context())
	if err != nil || info.ConnTable < 256 || !strings.HasPrefix(info.Version, "1.2.") {
		t.Errorf("%+v, %v", info, err)
	}
}

// TestSyncDaemon follows a router through its states.
func TestSyncDaemon(t *testing.T) {
	c := open(t)
	for _, name := range []string{"d0", "d1"} {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = name
		dummy := &netlink.Dummy{LinkAttrs: attrs}
		if err := netlink.LinkAdd(dummy); err != nil {
			t.Fatal(err)
		}
		if err := netlink.AddrAdd(dummy, &netlink.Addr{IPNet: netlink.NewIPNet(netip.MustParseAddr("10.9.0.1").AsSlice())}); err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetUp(dummy); err != nil {
			t.Fatal(err)
		}
	}
	full := Sync{State: SyncMaster, Interface: "d1", ID: 7, MaxLen: 1000, Group: netip.MustParseAddr("239.1.2.3"), Port: 4000, TTL: 3}
	running := func(state SyncState) Sync {
		return Sync{State: state, Interface: "d0", ID: 51, MaxLen: 1472, Group: syncGroup, Port: 8848, TTL: 1}
	}
	master, backup := Sync{State: SyncMaster, Interface: "d0", ID: 51}, Sync{State: SyncBackup, Interface: "d0", ID: 51}
	for _, step := range []struct {
		name      string
		set, want []Sync
	}{
		{"none", nil, nil},
		{"backup", []Sync{backup}, []Sync{running(SyncBackup)}},
		{"master", []Sync{master}, []Sync{running(SyncMaster)}},
		{"both", []Sync{backup, master}, []Sync{running(SyncMaster), running(SyncBackup)}},
		{"changed", []Sync{full}, []Sync{full}},
		{"again", []Sync{full}, []Sync{full}},
		{"stopped", nil, nil},
	} {
		if err := c.SetSyncDaemons(t.Context(), step.set...); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		got, err := c.SyncDaemons(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, got, compareAddr, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	err := c.SetSyncDaemons(t.Context(), Sync{State: SyncMaster, Interface: "nosuch"})
	if err == nil || !strings.Contains(err.Error(), "(master, nosuch): no such device") {
		t.Errorf("interface that does not exist: %v", err)
	}
}

// TestContext: a request whose context has ended is an error, and the next one works.
func TestContext(t *testing.T) {
	c := open(t)
	want := []lvs.Service{service(web(1), "rr", 1)}
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		stop := make(chan struct{})
		go func() { cancel(); close(stop) }()
		if _, err := c.Reconcile(ctx, want, everything, nil); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		<-stop
		if _, err := c.Reconcile(ctx, want, everything, nil); !errors.Is(err, context.Canceled) {
			t.Fatalf("after the end of its context: %v", err)
		}
		mustReconcile(t, c, want, everything)
		checkTable(t, c, want)
	}
}

func TestSetExpireNodest(t *testing.T) {
	c := open(t)
	for _, on := range []bool{true, false} {
		if err := c.SetExpireNodest(on); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(expireNodest)
		if want := map[bool]string{true: "1\n", false: "0\n"}[on]; err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}

// TestUnavailable is about kernels without IPVS.
func TestUnavailable(t *testing.T) {
	c, err := Open()
	if err == nil {
		_ = c.Close()
		t.Skip("this kernel has IPVS")
	}
	var u *UnavailableError
	if !errors.Is(err, ErrUnavailable) || !errors.As(err, &u) || u.Kernel == "" {
		t.Fatalf("error: %v", err)
	}
	if want := `use lvs_backend = "nftables"`; !strings.Contains(err.Error(), want) {
		t.Errorf("%q does not tell what can be done: %s", err, want)
	}
}

package lab_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

func operUp(t *testing.T, ns *lab.Namespace, ifname string) bool {
	t.Helper()
	l, err := ns.Netlink().LinkByName(ifname)
	if err != nil {
		t.Fatal(err)
	}
	return l.Attrs().RawFlags&0x10000 != 0 // IFF_LOWER_UP
}

// two hosts, one switch:
//
//	a .1    b .2     192.0.2.0/24, 2001:db8::/64
//	 |       |
//	=+=======+==
type pair struct {
	a, b   *lab.Namespace
	pa, pb *lab.Port
	lan    *lab.LAN
}

func newPair(t *testing.T) pair {
	t.Helper()
	p := pair{a: nstest.Host(t, "a"), b: nstest.Host(t, "b"), lan: nstest.LAN(t)}
	p.pa = nstest.Attach(t, p.lan, p.a, "eth0", "192.0.2.1/24", "2001:db8::1/64")
	p.pb = nstest.Attach(t, p.lan, p.b, "eth0", "192.0.2.2/24", "2001:db8::2/64")
	return p
}

func TestHostsReachEachOtherAtOnce(t *testing.T) {
	p := newPair(t)
	for _, target := range []string{"192.0.2.2", "2001:db8::2"} {
		probe := nstest.Probe(t, p.a, target)
		if err := probe.AwaitAnswers(nstest.Context(t, 5*time.Second), 20); err != nil {
			t.Fatal(err)
		}
		r := probe.Stop()
		if r.Lost > 0 || len(r.Outages) > 0 {
			t.Errorf("got %v, want nothing lost", r)
		}
	}
}

func TestCutKeepsCarrierAndDropsBothWays(t *testing.T) {
	p := newPair(t)
	fromA, fromB := nstest.Probe(t, p.a, "192.0.2.2"), nstest.Probe(t, p.b, "192.0.2.1")
	ctx := nstest.Context(t, 20*time.Second)
	if err := fromA.AwaitAnswers(ctx, 20); err != nil {
		t.Fatal(err)
	}
	if err := fromB.AwaitAnswers(ctx, 20); err != nil {
		t.Fatal(err)
	}
	onA, onB := nstest.Capture(t, p.a, "eth0", 0), nstest.Capture(t, p.b, "eth0", 0)
	const length = 300 * time.Millisecond
	if err := p.pa.Cut(); err != nil {
		t.Fatal(err)
	}
	from := fromA.Mark("cut")
	fromB.Mark("cut")
	nstest.Eventually(t, 5*time.Second, func() error {
		if !operUp(t, p.a, "eth0") || !operUp(t, p.b, "eth0") {
			t.Fatal("cut took the carrier away")
		}
		if d := time.Since(from); d < length {
			return fmt.Errorf("waited %v", d)
		}
		return nil
	})
	to := time.Now()
	if err := p.pa.Restore(); err != nil {
		t.Fatal(err)
	}
	if err := fromA.AwaitAnswers(ctx, 20); err != nil {
		t.Fatal(err)
	}
	if err := fromB.AwaitAnswers(ctx, 20); err != nil {
		t.Fatal(err)
	}
	real := to.Sub(from)
	for _, probe := range []*lab.Probe{fromA, fromB} {
		r := probe.Stop()
		o := r.Longest()
		if len(r.Outages) != 1 || o.Duration() < real-5*time.Millisecond || o.Duration() > real+100*time.Millisecond {
			t.Errorf("got %v, want one outage of %v", r, real)
		}
		if want := int(real / time.Millisecond); o.Lost < want*8/10 || o.Lost > want*11/10+20 {
			t.Errorf("got %d lost, want about %d", o.Lost, want)
		}
		if rec, ok := r.RecoveryAfter(from); !ok || rec < real-5*time.Millisecond {
			t.Errorf("got recovery after %v %v, want %v", rec, ok, real)
		}
	}
	for _, c := range []*lab.Capture{onA, onB} {
		for _, f := range c.Frames() {
			if !f.Outgoing && f.Time.After(from.Add(2*time.Millisecond)) && f.Time.Before(to) {
				t.Errorf("frame received at %v of the cut", f.Time.Sub(from))
				break
			}
		}
	}
}

func TestDownTakesTheCarrierQuickly(t *testing.T) {
	p := newPair(t)
	check := func(want bool) {
		t.Helper()
		began := time.Now()
		nstest.Eventually(t, 5*time.Second, func() error {
			if operUp(t, p.a, "eth0") != want {
				return fmt.Errorf("carrier is not %v", want)
			}
			return nil
		})
		if d := time.Since(began); d > 500*time.Millisecond {
			t.Errorf("carrier changed after %v", d)
		}
	}
	check(true)
	for range 3 {
		if err := p.pa.Down(); err != nil {
			t.Fatal(err)
		}
		check(false)
		if err := p.pa.Up(); err != nil {
			t.Fatal(err)
		}
		check(true)
	}
	probe := nstest.Probe(t, p.b, "192.0.2.1")
	if err := probe.AwaitAnswers(nstest.Context(t, 5*time.Second), 5); err != nil {
		t.Fatal(err)
	}
}

func TestCutSurvivesDownAndUp(t *testing.T) {
	p := newPair(t)
	for _, step := range []func() error{p.pa.Cut, p.pa.Down, p.pa.Up} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	probe := nstest.Probe(t, p.b, "192.0.2.1")
	nstest.Eventually(t, 5*time.Second, func() error {
		if !operUp(t, p.a, "eth0") {
			return fmt.Errorf("no carrier")
		}
		return nil
	})
	if err := probe.AwaitAnswers(nstest.Context(t, 300*time.Millisecond), 1); err == nil {
		t.Error("answered through a cut port")
	}
	r := probe.Stop()
	if len(r.Outages) != 1 || !r.Outages[0].Open || r.Lost != r.Sent {
		t.Errorf("got %v, want one open outage", r)
	}
}

func TestConnectedSwitchesPart(t *testing.T) {
	a, b := nstest.Host(t, "a"), nstest.Host(t, "b")
	left, right := nstest.LAN(t), nstest.LAN(t)
	nstest.Attach(t, left, a, "eth0", "192.0.2.1/24")
	nstest.Attach(t, right, b, "eth0", "192.0.2.2/24")
	trunk, err := left.Connect(right)
	if err != nil {
		t.Fatal(err)
	}
	probe := nstest.Probe(t, a, "192.0.2.2")
	ctx := nstest.Context(t, 5*time.Second)
	if err := probe.AwaitAnswers(ctx, 5); err != nil {
		t.Fatal(err)
	}
	if err := trunk.Cut(); err != nil {
		t.Fatal(err)
	}
	if err := probe.AwaitAnswers(nstest.Context(t, 100*time.Millisecond), 20); err == nil {
		t.Error("answered across a cut trunk")
	}
	if err := trunk.Restore(); err != nil {
		t.Fatal(err)
	}
	if err := probe.AwaitAnswers(ctx, 5); err != nil {
		t.Fatal(err)
	}
}

// The address resolution of a target that is not there yet holds requests
// back in the kernel; what they are answered with later is still an outage.
func TestProbeCountsWhatWaitedForResolution(t *testing.T) {
	p := newPair(t)
	probe := nstest.Probe(t, p.a, "192.0.2.9")
	began := time.Now()
	nstest.Eventually(t, 5*time.Second, func() error {
		if d := time.Since(began); d < 200*time.Millisecond {
			return fmt.Errorf("waited %v", d)
		}
		return nil
	})
	if err := p.b.AddAddr("eth0", netip.MustParsePrefix("192.0.2.9/24")); err != nil {
		t.Fatal(err)
	}
	if err := probe.AwaitAnswers(nstest.Context(t, 10*time.Second), 10); err != nil {
		t.Fatal(err)
	}
	r := probe.Stop()
	o := r.Longest()
	if !o.Open || o.Duration() < 200*time.Millisecond || o.Lost+o.Late < 100 {
		t.Errorf("got %v, want an open outage of at least 200 ms", r)
	}
}

func TestProbeWithoutARouteCountsSendErrors(t *testing.T) {
	a := nstest.Host(t, "a")
	probe := nstest.Probe(t, a, "203.0.113.1")
	_ = probe.AwaitAnswers(nstest.Context(t, 50*time.Millisecond), 1)
	r := probe.Stop()
	if r.SendErrors == 0 || r.SendErrors != r.Sent || r.Lost != r.Sent || len(r.Outages) != 1 {
		t.Errorf("got %v, want every send refused and one outage", r)
	}
}

func TestCommandRunsInsideAndIsEndedByClose(t *testing.T) {
	ns := nstest.Host(t, "a")
	var inside string
	if err := ns.Do(func() (err error) {
		inside, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	out, err := ns.Command("readlink", "/proc/self/ns/net").Output()
	if err != nil || strings.TrimSpace(string(out)) != inside {
		t.Errorf("got %q %v, want %q", out, err, inside)
	}
	c := ns.Command("sleep", "1000")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	ns.Close()
	if c.Running() || time.Since(began) > 5*time.Second {
		t.Error("close left the child running")
	}
	if err := c.Wait(); err == nil {
		t.Error("got no error of a killed child")
	}
	if err := ns.Command("true").Run(); err == nil {
		t.Error("started in a closed namespace")
	}
}

func TestPrivateMounts(t *testing.T) {
	p := newPair(t)
	c := p.a.Command("sh", "-c", "ls -A /run; touch /run/mine; ls /sys/class/net")
	c.Private = []string{"/run"}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := strings.Fields(string(out)); len(got) != 2 || got[0] != "eth0" || got[1] != "lo" {
		t.Errorf("got %q, want an empty /run and eth0 and lo", got)
	}
	if _, err := os.Stat("/run/mine"); err == nil {
		t.Error("the child wrote to the host's /run")
	}
}

func TestSysctl(t *testing.T) {
	ns := nstest.Host(t, "a")
	before, _ := os.ReadFile("/proc/sys/net/ipv4/ip_default_ttl")
	if err := ns.Sysctl("net.ipv4.ip_default_ttl", "77"); err != nil {
		t.Fatal(err)
	}
	if got, err := ns.ReadSysctl("net/ipv4/ip_default_ttl"); err != nil || got != "77" {
		t.Errorf("got %q %v, want 77", got, err)
	}
	after, _ := os.ReadFile("/proc/sys/net/ipv4/ip_default_ttl")
	if string(before) != string(after) {
		t.Error("changed the host's setting")
	}
}

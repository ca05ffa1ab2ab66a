package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	"hakeep/vrrp"
)

// adverts returns the adverts of a sender in a capture that began before them.
func adverts(frames []lab.Frame, src string) []timedAdvert {
	var out []timedAdvert
	for _, f := range frames {
		ip, ok := f.VRRP()
		if !ok || src != "" && ip.Src.String() != src {
			continue
		}
		var a vrrp.Advert
		if a.Parse(ip.Payload, ip.Src, ip.Dst, 0) == vrrp.ReasonNone {
			out = append(out, timedAdvert{at: f.Time, src: ip.Src.String(), Advert: a})
		}
	}
	return out
}

type timedAdvert struct {
	at  time.Time
	src string
	vrrp.Advert
}

// status is what the tests read of `hakeep status --json`.
type status struct {
	Instances []struct {
		Name     string
		State    string
		Counters struct {
			Reasons map[string]uint64
		}
	}
}

func readStatus(t *testing.T, h *lab.Hakeep) status {
	t.Helper()
	out, errs, code, err := h.CLI(nstest.Context(t, patience), "status", "--json")
	if err != nil || code > 1 {
		t.Fatalf("status: %v, code %d: %s", err, code, errs)
	}
	var s status
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("status: %v\n%s", err, out)
	}
	return s
}

// TestEqualPriority: whoever is master stays master for a backup that comes; of
// two masters the one with the higher address wins.
func TestEqualPriority(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	hk := nstest.Hakeep(t, p.a, instance{}.TOML())
	awaitState(t, hk, "MASTER")
	kd := nstest.Keepalived(t, p.b, instance{}.Conf())
	awaitState(t, kd, "BACKUP")
	p.awaitHolder(t, vip4, "a")
	// Divided and joined again: both are master for a moment.
	if err := p.portB.Cut(); err != nil {
		t.Fatal(err)
	}
	awaitState(t, kd, "MASTER")
	if err := p.portB.Restore(); err != nil {
		t.Fatal(err)
	}
	awaitState(t, hk, "BACKUP") // 192.0.2.1 gives way to 192.0.2.2
	p.awaitHolder(t, vip4, "b")
}

// TestNopreempt: neither takes the address from the other although its priority
// is better.
func TestNopreempt(t *testing.T) {
	t.Parallel()
	t.Run("hakeep", func(t *testing.T) {
		t.Parallel()
		p := newPair(t)
		kd := nstest.Keepalived(t, p.b, instance{}.Conf())
		awaitState(t, kd, "MASTER")
		c := nstest.Capture(t, p.client, "eth0", lab.FilterVRRP)
		hk := nstest.Hakeep(t, p.a, instance{priority: "200", toml: "nopreempt = true"}.TOML())
		awaitState(t, hk, "BACKUP")
		awaitAdverts(t, c, "192.0.2.2", 10) // far beyond the master down time
		if n := len(adverts(c.Frames(), "192.0.2.1")); n != 0 {
			t.Errorf("hakeep sent %d adverts", n)
		}
		kd.Kill()
		awaitState(t, hk, "MASTER")
	})
	t.Run("keepalived", func(t *testing.T) {
		t.Parallel()
		p := newPair(t)
		hk := nstest.Hakeep(t, p.a, instance{}.TOML())
		awaitState(t, hk, "MASTER")
		c := nstest.Capture(t, p.client, "eth0", lab.FilterVRRP)
		kd := nstest.Keepalived(t, p.b, instance{priority: "200", conf: "nopreempt"}.Conf())
		awaitState(t, kd, "BACKUP")
		awaitAdverts(t, c, "192.0.2.1", 20)
		if n := len(adverts(c.Frames(), "192.0.2.2")); n != 0 {
			t.Errorf("keepalived sent %d adverts", n)
		}
	})
}

// awaitAdverts waits for n adverts of a sender from now on.
func awaitAdverts(t *testing.T, c *lab.Capture, src string, n int) {
	t.Helper()
	after := time.Now()
	for range n {
		f, err := c.WaitAfter(nstest.Context(t, patience), after, func(f lab.Frame) bool {
			ip, ok := f.VRRP()
			return ok && ip.Src.String() == src
		})
		if err != nil {
			t.Fatal(err)
		}
		after = f.Time
	}
}

// TestPreemptDelay: the better router waits, but takes over at once when the
// master dies.
func TestPreemptDelay(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	kd := nstest.Keepalived(t, p.b, instance{}.Conf())
	awaitState(t, kd, "MASTER")
	c := nstest.Capture(t, p.client, "eth0", lab.FilterVRRP)
	hk := nstest.Hakeep(t, p.a, instance{priority: "200", toml: `preempt_delay = "2s"`}.TOML())
	awaitState(t, hk, "BACKUP")
	began := time.Now()
	awaitState(t, hk, "MASTER")
	awaitAdverts(t, c, "192.0.2.1", 1)
	first := adverts(c.Frames(), "192.0.2.1")[0]
	if waited := first.at.Sub(began); waited < 1900*time.Millisecond {
		t.Errorf("took over after %v, want about 2 s", waited)
	}
	awaitState(t, kd, "BACKUP")
}

// TestOwner: priority 255 is master at once and takes the address back.
func TestOwner(t *testing.T) {
	t.Parallel()
	t.Run("hakeep", func(t *testing.T) {
		t.Parallel()
		p := newPair(t)
		kd := nstest.Keepalived(t, p.b, instance{}.Conf())
		awaitState(t, kd, "MASTER")
		hk := nstest.Hakeep(t, p.a, instance{state: "MASTER", priority: "255"}.TOML())
		awaitState(t, hk, "MASTER")
		awaitState(t, kd, "BACKUP")
		p.awaitHolder(t, vip4, "a")
	})
	t.Run("keepalived", func(t *testing.T) {
		t.Parallel()
		p := newPair(t)
		hk := nstest.Hakeep(t, p.a, instance{}.TOML())
		awaitState(t, hk, "MASTER")
		kd := nstest.Keepalived(t, p.b, instance{state: "MASTER", priority: "255"}.Conf())
		awaitState(t, kd, "MASTER")
		awaitState(t, hk, "BACKUP")
		p.awaitHolder(t, vip4, "b")
	})
}

// TestLearnsInterval: a backup waits by the master's interval, not by its own.
func TestLearnsInterval(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	kd := nstest.Keepalived(t, p.b, instance{priority: "200", advert: "200ms"}.Conf())
	awaitState(t, kd, "MASTER")
	c := nstest.Capture(t, p.client, "eth0", lab.FilterVRRP)
	hk := nstest.Hakeep(t, p.a, instance{advert: "1s"}.TOML())
	awaitState(t, hk, "BACKUP")
	awaitAdverts(t, c, "192.0.2.2", 3)
	kd.Kill()
	awaitState(t, hk, "MASTER")
	awaitAdverts(t, c, "192.0.2.1", 1)
	last := adverts(c.Frames(), "192.0.2.2")
	first := adverts(c.Frames(), "192.0.2.1")
	gap := first[0].at.Sub(last[len(last)-1].at)
	want := vrrp.MasterDownInterval(vrrp.V3, 100, 200*time.Millisecond, 3)
	if gap < want-5*time.Millisecond || gap > want+100*time.Millisecond {
		t.Errorf("took over %v after the last advert, want %v", gap, want)
	}
	if n := readStatus(t, hk).Instances[0].Counters.Reasons["interval-differs"]; n == 0 {
		t.Error("the other interval was not counted")
	}
}

// TestOtherAddressList: a peer with other addresses is followed, counted, and
// told of once.
func TestOtherAddressList(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		base instance
	}{{"v3", instance{}}, {"v2", instance{version: 2, advert: "1s"}}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			other := c.base.with("200")
			other.addrs = []string{vip4 + "/24", "192.0.2.11/24"}
			kd := nstest.Keepalived(t, p.b, other.Conf())
			awaitState(t, kd, "MASTER")
			cap := nstest.Capture(t, p.client, "eth0", lab.FilterVRRP)
			hk := nstest.Hakeep(t, p.a, c.base.TOML())
			awaitState(t, hk, "BACKUP")
			awaitAdverts(t, cap, "192.0.2.2", 6)
			if n := readStatus(t, hk).Instances[0].Counters.Reasons["address-list"]; n == 0 {
				t.Error("the other list was not counted")
			}
			if n := len(adverts(cap.Frames(), "192.0.2.1")); n != 0 {
				t.Errorf("hakeep sent %d adverts: it did not follow", n)
			}
			if n := strings.Count(hk.LogText(), "address-list"); n != 1 {
				t.Errorf("told of %d times, want once", n)
			}
		})
	}
}

// TestKeepalivedRestarts: a restart of the master moves the address here and
// back, and nothing is left behind.
func TestKeepalivedRestarts(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	hk := nstest.Hakeep(t, p.a, instance{}.TOML())
	kd := nstest.Keepalived(t, p.b, instance{priority: "200"}.Conf())
	awaitState(t, kd, "MASTER")
	awaitState(t, hk, "BACKUP")
	for range 2 {
		if err := kd.Stop(nstest.Context(t, patience)); err != nil {
			t.Fatal(err)
		}
		awaitState(t, hk, "MASTER")
		kd = nstest.Keepalived(t, p.b, instance{priority: "200"}.Conf())
		awaitState(t, hk, "BACKUP")
		p.awaitHolder(t, vip4, "b")
		awaitAddr(t, p.a, vip4, false) // after its linger
	}
}

// TestManyVRIDs: 250 virtual routers on one link, half of them mastered by each.
func TestManyVRIDs(t *testing.T) {
	t.Parallel()
	const n = 250
	p := newPair(t)
	var toml, conf strings.Builder
	conf.WriteString("global_defs {\n vrrp_version 3\n" + realtimePeer + "}\n")
	for i := 1; i <= n; i++ {
		prioA, prioB := 100, 200
		if i%2 == 0 {
			prioA, prioB = 200, 100
		}
		addr := fmt.Sprintf("10.1.0.%d/32", i)
		fmt.Fprintf(&toml, "[[vrrp_instance]]\nname = \"VI_%d\"\ninterface = \"eth0\"\nvirtual_router_id = %d\npriority = %d\nadvert_int = \"200ms\"\nvirtual_ipaddress = [%q]\n", i, i, prioA, addr)
		fmt.Fprintf(&conf, "vrrp_instance VI_%d {\n interface eth0\n virtual_router_id %d\n priority %d\n advert_int 0.2\n virtual_ipaddress {\n  %s\n }\n}\n", i, i, prioB, addr)
	}
	hk := nstest.Hakeep(t, p.a, toml.String())
	kd := nstest.Keepalived(t, p.b, conf.String())
	check := func() error {
		for i := 1; i <= n; i++ {
			name, wantA, wantB := fmt.Sprintf("VI_%d", i), "BACKUP", "MASTER"
			if i%2 == 0 {
				wantA, wantB = wantB, wantA
			}
			if a, b := hk.State(name), kd.State(name); a != wantA || b != wantB {
				return fmt.Errorf("%s: hakeep %s, keepalived %s, want %s and %s", name, a, b, wantA, wantB)
			}
		}
		return nil
	}
	nstest.Eventually(t, patience, check)
	addrsA, err := p.a.Addrs("eth0")
	if err != nil {
		t.Fatal(err)
	}
	virtual := 0
	for _, a := range addrsA {
		if strings.HasPrefix(a.Addr().String(), "10.1.0.") {
			virtual++
		}
	}
	if virtual != n/2 {
		t.Errorf("hakeep has %d addresses, want %d", virtual, n/2)
	}
}

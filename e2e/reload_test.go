package e2e

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// reload runs `hakeep reload` and returns its exit code and output.
func reload(t *testing.T, h *lab.Hakeep) (code int, out string) {
	t.Helper()
	stdout, stderr, code, err := h.CLI(nstest.Context(t, patience), "reload")
	if err != nil {
		t.Fatal(err)
	}
	return code, stdout + stderr
}

// thousand is a configuration of 250 instances on each of four links. change
// may alter the text of one instance.
func thousand(change map[string]func(string) string) string {
	var b strings.Builder
	for link := range 4 {
		for vrid := 1; vrid <= 250; vrid++ {
			name := fmt.Sprintf("VI_%d_%d", link, vrid)
			text := fmt.Sprintf("[[vrrp_instance]]\nname = %q\ninterface = \"eth%d\"\nvirtual_router_id = %d\npriority = 150\nadvert_int = \"1s\"\nvirtual_ipaddress = [\"10.%d.0.%d/32\"]\n",
				name, link, vrid, link+1, vrid)
			if name == "VI_3_250" {
				text += fmt.Sprintf("unicast_src_ip = \"198.51.%d.1\"\nunicast_peer = [\"198.51.%d.9\"]\n", link, link)
			}
			if c := change[name]; c != nil {
				text = c(text)
			}
			b.WriteString(text)
		}
	}
	return b.String()
}

// monitor collects what `ip monitor address` prints in a namespace.
type monitor struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (m *monitor) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.buf.Write(p)
}

func (m *monitor) take() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.buf.String()
	m.buf.Reset()
	return s
}

func startMonitor(t *testing.T, ns *lab.Namespace) *monitor {
	t.Helper()
	return monitorOf(t, ns, "address")
}

// monitorOf is for other objects of ip monitor.
func monitorOf(t *testing.T, ns *lab.Namespace, objects ...string) *monitor {
	t.Helper()
	m := &monitor{}
	cmd := ns.Command("ip", append([]string{"-o", "monitor"}, objects...)...)
	cmd.Stdout = m
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return m
}

// TestReloadOfThousand changes a priority, an address and a peer among 1,000
// instances: the other 997 miss no advert, and the kernel sees nothing but the
// one address.
//
//	router with eth0 … eth3, each on a link of its own
func TestReloadOfThousand(t *testing.T) {
	ns := nstest.Host(t, "a")
	var captures [4]*lab.Capture
	for link := range 4 {
		name := fmt.Sprintf("eth%d", link)
		nstest.Attach(t, nstest.LAN(t), ns, name, fmt.Sprintf("198.51.%d.1/24", link))
		captures[link] = nstest.Capture(t, ns, name, lab.FilterVRRP)
	}
	h := nstest.Hakeep(t, ns, thousand(nil))
	nstest.Eventually(t, 2*patience, func() error {
		if n := strings.Count(h.LogText(), `"to":"MASTER"`); n != 1000 {
			return fmt.Errorf("%d of 1000 are master", n)
		}
		return nil
	})
	awaitAddr1000(t, ns)
	mon := startMonitor(t, ns)
	awaitEach(t, captures, 3)
	mon.take()
	changed := map[string]func(string) string{
		"VI_0_7":   func(s string) string { return strings.Replace(s, "priority = 150", "priority = 160", 1) },
		"VI_1_8":   func(s string) string { return strings.Replace(s, "10.2.0.8/32", "10.2.1.8/32", 1) },
		"VI_3_250": func(s string) string { return strings.Replace(s, `["198.51.3.9"]`, `["198.51.3.9", "198.51.3.8"]`, 1) },
	}
	if err := h.WriteConfig(thousand(changed)); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	code, out := reload(t, h)
	took := time.Since(at)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	awaitEach(t, captures, 3)
	checkKernel(t, mon.take())
	worst := checkGaps(t, captures, at)
	if n := strings.Count(h.LogText(), `"msg":"transition"`); n != 2000 {
		t.Errorf("%d transitions, want the 2000 of the start", n)
	}
	t.Logf("reload took %v; longest gap between two adverts of an unchanged instance %v", took, worst)
}

func awaitAddr1000(t *testing.T, ns *lab.Namespace) {
	t.Helper()
	nstest.Eventually(t, patience, func() error {
		n := 0
		for link := range 4 {
			addrs, err := ns.Addrs(fmt.Sprintf("eth%d", link))
			if err != nil {
				return err
			}
			for _, a := range addrs {
				if strings.HasPrefix(a.String(), "10.") {
					n++
				}
			}
		}
		if n != 1000 {
			return fmt.Errorf("%d of 1000 addresses", n)
		}
		return nil
	})
}

// awaitEach waits for n more rounds of adverts on each link.
func awaitEach(t *testing.T, captures [4]*lab.Capture, n int) {
	t.Helper()
	for _, c := range captures {
		want := len(c.Frames()) + n*249
		nstest.Eventually(t, patience, func() error {
			if got := len(c.Frames()); got < want {
				return fmt.Errorf("%d adverts, want %d", got, want)
			}
			return nil
		})
	}
}

// checkKernel checks that only VI_1_8's address was touched.
func checkKernel(t *testing.T, seen string) {
	t.Helper()
	for line := range strings.Lines(seen) {
		if !strings.Contains(line, "10.2.1.8/32") && !strings.Contains(line, "10.2.0.8/32") {
			t.Errorf("kernel operation for what did not change: %s", line)
		}
	}
	if !strings.Contains(seen, "10.2.1.8/32") {
		t.Error("the new address was not added")
	}
}

// checkGaps returns the longest gap between two adverts of an instance that did
// not change, around the reload.
func checkGaps(t *testing.T, captures [4]*lab.Capture, at time.Time) (worst time.Duration) {
	t.Helper()
	for link, c := range captures {
		last := map[uint8]time.Time{}
		for _, a := range adverts(c.Frames(), "") {
			if before, ok := last[a.VRID]; ok && a.at.After(at.Add(-2*time.Second)) {
				worst = max(worst, a.at.Sub(before))
			}
			last[a.VRID] = a.at
			if a.Priority == 0 {
				t.Errorf("VRID %d on eth%d left", a.VRID, link)
			}
		}
		// The unicast peer of the last one does not exist: nothing leaves.
		if want := 250 - link/3; len(last) != want {
			t.Errorf("%d VRIDs on eth%d", len(last), link)
		}
	}
	if worst > 1500*time.Millisecond {
		t.Errorf("an advert was missed: gap %v", worst)
	}
	return worst
}

// TestReloadRefused: whatever is wrong with the file, nothing changes, and who
// asked is told.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	h := nstest.Hakeep(t, p.a, instance{}.TOML())
	awaitState(t, h, "MASTER")
	for _, c := range []struct {
		name   string
		damage func() error
		says   string
	}{
		{"broken", func() error { return h.WriteConfig("[[vrrp_instance\n") }, "hakeep.toml:1"},
		{"wrong", func() error { return h.WriteConfig(instance{priority: "999"}.TOML()) }, "priority"},
		{"empty", func() error { return h.WriteConfig("") }, "no [[vrrp_instance]]"},
		{"unreadable", func() error {
			if err := os.Remove(h.ConfigPath()); err != nil {
				return err
			}
			return os.Mkdir(h.ConfigPath(), 0o700)
		}, "hakeep.toml"},
		{"vanished", func() error { return os.Remove(h.ConfigPath()) }, "no such file"},
	} {
		if err := c.damage(); err != nil {
			t.Fatal(err)
		}
		code, out := reload(t, h)
		if code != 4 || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit %d, said %q", c.name, code, out)
		}
		if s := readStatus(t, h).Instances; len(s) != 1 || s[0].State != "MASTER" {
			t.Errorf("%s: status %+v", c.name, s)
		}
		if !hasAddr(t, p.a, vip4) {
			t.Errorf("%s: address gone", c.name)
		}
	}
	if err := h.WriteConfig(instance{}.TOML()); err != nil {
		t.Fatal(err)
	}
	if code, out := reload(t, h); code != 0 {
		t.Errorf("the good file: exit %d, %s", code, out)
	}
}

// TestReloadsInARow: 100 reloads leave the same master, without a transition, a
// lost answer, or memory that grows.
func TestReloadsInARow(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	h := nstest.Hakeep(t, p.a, instance{}.TOML())
	awaitState(t, h, "MASTER")
	elector, err := h.ElectorPid()
	if err != nil {
		t.Fatal(err)
	}
	probe := nstest.Probe(t, p.client, vip4)
	if err := probe.AwaitAnswers(nstest.Context(t, patience), 50); err != nil {
		t.Fatal(err)
	}
	var before, after int
	for i := range 100 {
		if code, out := reload(t, h); code != 0 {
			t.Fatalf("reload %d: exit %d, %s", i, code, out)
		}
		if i == 20 {
			before = resident(t, h.Pid()) + resident(t, elector)
		}
	}
	after = resident(t, h.Pid()) + resident(t, elector)
	if r := probe.Stop(); r.Lost > allowedLost {
		t.Errorf("%s", r)
	}
	if n := strings.Count(h.LogText(), `"msg":"transition"`); n != 2 {
		t.Errorf("%d transitions", n)
	}
	if after > before*13/10+4096 {
		t.Errorf("memory grew from %d to %d kB", before, after)
	}
	t.Logf("resident after 20 reloads %d kB, after 100 %d kB", before, after)
}

// resident is the resident set of a process in kB.
func resident(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	var size, rss int
	if _, err := fmt.Sscan(string(b), &size, &rss); err != nil {
		t.Fatal(err)
	}
	return rss * os.Getpagesize() / 1024
}

// TestReloadMoves: names that are swapped, an address that moves between
// instances, a VRID and an interface that change.
func TestReloadMoves(t *testing.T) {
	t.Parallel()
	two := func(nameA, nameB, addrA, addrB string, vridB int, linkB string) string {
		var b strings.Builder
		for _, x := range []struct {
			name, addr, link string
			vrid             int
		}{{nameA, addrA, "eth0", 51}, {nameB, addrB, linkB, vridB}} {
			fmt.Fprintf(&b, "[[vrrp_instance]]\nname = %q\ninterface = %q\nvirtual_router_id = %d\npriority = 150\nadvert_int = \"100ms\"\nvirtual_ipaddress = [%q]\n", x.name, x.link, x.vrid, x.addr)
		}
		return b.String()
	}
	p := newPair(t)
	nstest.Attach(t, p.lan, p.a, "eth1", "192.0.2.21/24")
	h := nstest.Hakeep(t, p.a, two("one", "two", "192.0.2.10/24", "192.0.2.11/24", 52, "eth0"))
	for _, name := range []string{"one", "two"} {
		if err := h.WaitState(nstest.Context(t, patience), name, "MASTER"); err != nil {
			t.Fatal(err)
		}
	}
	awaitAddr(t, p.a, "192.0.2.11", true)
	mon := startMonitor(t, p.a)
	step := func(name, config string, transitions int) {
		t.Helper()
		before := strings.Count(h.LogText(), `"msg":"transition"`)
		mon.take()
		if err := h.WriteConfig(config); err != nil {
			t.Fatal(err)
		}
		if code, out := reload(t, h); code != 0 {
			t.Fatalf("%s: exit %d, %s", name, code, out)
		}
		if n := strings.Count(h.LogText(), `"msg":"transition"`) - before; n != transitions {
			t.Errorf("%s: %d transitions, want %d", name, n, transitions)
		}
	}
	step("names swapped", two("two", "one", "192.0.2.10/24", "192.0.2.11/24", 52, "eth0"), 0)
	if seen := mon.take(); seen != "" {
		t.Errorf("names swapped: kernel operations:\n%s", seen)
	}
	step("addresses swapped", two("two", "one", "192.0.2.11/24", "192.0.2.10/24", 52, "eth0"), 0)
	if seen := mon.take(); seen != "" {
		t.Errorf("addresses swapped: kernel operations:\n%s", seen)
	}
	// Another VRID or interface is another virtual router: it leaves and starts.
	if err := h.WriteConfig(two("two", "one", "192.0.2.11/24", "192.0.2.10/24", 53, "eth0")); err != nil {
		t.Fatal(err)
	}
	if code, out := reload(t, h); code != 0 {
		t.Fatalf("VRID: %s", out)
	}
	nstest.Eventually(t, patience, func() error { return mastersAre(t, h, 2) })
	p.awaitHolder(t, "192.0.2.10", "a")
	if err := h.WriteConfig(two("two", "one", "192.0.2.11/24", "192.0.2.10/24", 53, "eth1")); err != nil {
		t.Fatal(err)
	}
	if code, out := reload(t, h); code != 0 {
		t.Fatalf("interface: %s", out)
	}
	nstest.Eventually(t, patience, func() error { return mastersAre(t, h, 2) })
	nstest.Eventually(t, patience, func() error {
		addrs, err := p.a.Addrs("eth1")
		if err != nil {
			return err
		}
		if !strings.Contains(fmt.Sprint(addrs), "192.0.2.10/24") {
			return fmt.Errorf("eth1 has %v", addrs)
		}
		return nil
	})
	awaitAddr(t, p.a, "192.0.2.10", false) // the old one lingers
}

func mastersAre(t *testing.T, h *lab.Hakeep, n int) error {
	masters := 0
	for _, in := range readStatus(t, h).Instances {
		if in.State == "MASTER" {
			masters++
		}
	}
	if masters != n {
		return fmt.Errorf("%d masters, want %d", masters, n)
	}
	return nil
}

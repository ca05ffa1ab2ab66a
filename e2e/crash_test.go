package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// TestMainKilled: without main the elector goes on; a new main attaches to it.
func TestMainKilled(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	dir := nstest.ShortDir(t)
	hk := nstest.HakeepIn(t, p.a, dir, instance{priority: "200"}.TOML())
	awaitState(t, hk, "MASTER")
	kd := nstest.Keepalived(t, p.b, instance{}.Conf())
	awaitState(t, kd, "BACKUP")
	probe := nstest.Probe(t, p.client, vip4)
	c := nstest.Capture(t, p.client, "eth0", lab.FilterVRRP)
	elector, err := hk.ElectorPid()
	if err != nil {
		t.Fatal(err)
	}
	hk.KillMain()
	awaitAdverts(t, c, "192.0.2.1", 10)
	again := nstest.HakeepIn(t, p.a, dir, "")
	nstest.Eventually(t, patience, func() error {
		_, errs, code, err := again.CLI(nstest.Context(t, patience), "status", "--probe")
		if err != nil || code != 0 {
			return fmt.Errorf("status --probe: code %d, %v %s", code, err, errs)
		}
		return nil
	})
	awaitAdverts(t, c, "192.0.2.1", 5)
	if pid, err := again.ElectorPid(); err != nil || pid != elector {
		t.Errorf("elector is %d (%v), was %d: the new main did not attach to it", pid, err, elector)
	}
	if s := readStatus(t, again).Instances[0].State; s != "MASTER" {
		t.Errorf("state %s, want MASTER", s)
	}
	if s := kd.State("VI_1"); s != "BACKUP" {
		t.Errorf("keepalived is %s", s)
	}
	if r := probe.Stop(); r.Lost > allowedLost {
		t.Errorf("answers were lost: %s", r)
	}
}

// TestMainGoneForGood: after main_timeout the elector leaves in a planned way.
func TestMainGoneForGood(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	config := strings.Replace(instance{priority: "200"}.TOML(), "vrrp_version = 3", "vrrp_version = 3\nmain_timeout = \"1s\"", 1)
	hk := nstest.Hakeep(t, p.a, config)
	awaitState(t, hk, "MASTER")
	kd := nstest.Keepalived(t, p.b, instance{}.Conf())
	awaitState(t, kd, "BACKUP")
	c := nstest.Capture(t, p.client, "eth0", lab.FilterVRRP)
	hk.KillMain()
	awaitState(t, kd, "MASTER")
	awaitAddr(t, p.a, vip4, false)
	left := adverts(c.Frames(), "192.0.2.1")
	if last := left[len(left)-1]; last.Priority != 0 {
		t.Errorf("last advert has priority %d, want 0", last.Priority)
	}
}

// TestElectorKilled: the backup takes over by its timer, and the elector that
// main starts comes back clean.
func TestElectorKilled(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	// With the delay the new elector cannot be quicker than the backup's timer.
	config := strings.Replace(instance{priority: "200"}.TOML(), "vrrp_version = 3", "vrrp_version = 3\nvrrp_startup_delay = \"1s\"", 1)
	hk := nstest.Hakeep(t, p.a, config)
	awaitState(t, hk, "MASTER")
	kd := nstest.Keepalived(t, p.b, instance{}.Conf())
	awaitState(t, kd, "BACKUP")
	c := nstest.Capture(t, p.client, "eth0", lab.FilterVRRP)
	if err := hk.KillElector(); err != nil {
		t.Fatal(err)
	}
	awaitState(t, kd, "MASTER")
	p.awaitHolder(t, vip4, "a") // preempted again by the better priority
	awaitState(t, kd, "BACKUP")
	masters := map[string]bool{}
	for _, a := range adverts(c.Frames(), "") {
		masters[a.src] = true
	}
	if !masters["192.0.2.2"] {
		t.Error("keepalived never advertised")
	}
	checkOnce(t, p.a, vip4)
}

// checkOnce checks that a host has an address exactly once.
func checkOnce(t *testing.T, ns *lab.Namespace, addr string) {
	t.Helper()
	addrs, err := ns.Addrs("eth0")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, a := range addrs {
		if a.Addr().String() == addr {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%s has %s %d times: %v", ns.Name(), addr, n, addrs)
	}
}

// TestAllKilled: the kernel keeps the address until hakeep is started again, as
// with keepalived. The new one removes what is left although its configuration
// has changed meanwhile, and does not touch what is not its own.
func TestAllKilled(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	dir := nstest.ShortDir(t)
	hk := nstest.HakeepIn(t, p.a, dir, instance{priority: "200", addrs: []string{vip4 + "/24", "192.0.2.11/24"}}.TOML())
	awaitState(t, hk, "MASTER")
	awaitAddr(t, p.a, "192.0.2.11", true)
	nstest.Run(t, p.a, "ip", "address", "add", "192.0.2.50/24", "dev", "eth0")
	hk.Kill()
	if !hasAddr(t, p.a, vip4) || !hasAddr(t, p.a, "192.0.2.11") {
		t.Error("the kernel lost the addresses")
	}
	again := nstest.HakeepIn(t, p.a, dir, instance{priority: "200"}.TOML())
	awaitAddr(t, p.a, "192.0.2.11", false)
	awaitState(t, again, "MASTER")
	awaitAddr(t, p.a, vip4, true)
	checkOnce(t, p.a, vip4)
	if !hasAddr(t, p.a, "192.0.2.50") {
		t.Error("removed an address that is not hakeep's")
	}
}

// TestTornAfterKill measures what clients of a killed router see: until it is
// started again both routers have the address. It only reports.
func TestTornAfterKill(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	dir := nstest.ShortDir(t)
	hk := nstest.HakeepIn(t, p.a, dir, instance{priority: "200"}.TOML())
	awaitState(t, hk, "MASTER")
	kd := nstest.Keepalived(t, p.b, instance{}.Conf())
	awaitState(t, kd, "BACKUP")
	probe := nstest.Probe(t, p.client, vip4)
	if err := probe.AwaitAnswers(nstest.Context(t, patience), 100); err != nil {
		t.Fatal(err)
	}
	at := probe.Mark("killed")
	hk.Kill()
	awaitState(t, kd, "MASTER")
	p.awaitHolder(t, vip4, "b")
	torn := time.Since(at)
	again := nstest.HakeepIn(t, p.a, dir, "")
	awaitState(t, again, "MASTER")
	p.awaitHolder(t, vip4, "a")
	r := probe.Stop()
	t.Logf("the client reached the dead router's kernel for at most %v, then the new master; in all: %s", torn, r)
	checkOnce(t, p.a, vip4)
	if hasAddr(t, p.b, vip4) {
		t.Error("the address is on both routers")
	}
}

// TestStopSignals: TERM and INT are a planned leave, to main as to the group.
func TestStopSignals(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			hk := nstest.Hakeep(t, p.a, instance{}.TOML())
			awaitState(t, hk, "MASTER")
			c := nstest.Capture(t, p.client, "eth0", lab.FilterVRRP)
			if err := hk.Signal(sig); err != nil {
				t.Fatal(err)
			}
			select {
			case <-hk.Done():
			case <-nstest.Context(t, patience).Done():
				t.Fatal("did not stop")
			}
			if hasAddr(t, p.a, vip4) {
				t.Error("address left behind")
			}
			left := adverts(c.Frames(), "192.0.2.1")
			if len(left) == 0 || left[len(left)-1].Priority != 0 {
				t.Error("did not leave with priority 0")
			}
		})
	}
}

//go:build vm

package systemd

import (
	"os"
	"strings"
	"testing"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// runtimeUnit makes a unit for the time of the test.
func (m *machine) runtimeUnit(name, text string) {
	m.tb.Helper()
	path := "/run/systemd/system/" + name
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.tb.Fatal(err)
	}
	m.must("daemon-reload")
	m.tb.Cleanup(func() {
		if m.ending {
			return
		}
		m.systemctl("stop", name)
		_ = os.Remove(path)
		m.systemctl("daemon-reload")
	})
}

// besidePeer starts the service, and a hakeep of lower priority beside it.
func (m *machine) besidePeer() *lab.Hakeep {
	m.tb.Helper()
	m.must("start", unit)
	m.awaitMaster()
	peer := nstest.Hakeep(m.tb, m.client, config("100"))
	for _, name := range []string{"VI_4", "VI_6"} {
		if err := peer.WaitState(nstest.Context(m.tb, patience), name, "BACKUP"); err != nil {
			m.tb.Fatal(err)
		}
	}
	return peer
}

// TestShutdownOrder: what brings the network up stops when hakeep has left: with
// jobs for all of them, as at a shutdown, its stop finds no virtual address any
// more, and hakeep had the network to say goodbye.
func TestShutdownOrder(t *testing.T) {
	m := newMachine(t)
	const found = "/run/addresses-at-network-stop"
	m.runtimeUnit("test-network.service", "[Unit]\nBefore=network.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"+
		"ExecStop=/bin/sh -c 'ip -o addr show dev eth0 >"+found+"'\n")
	m.must("start", "test-network.service")
	m.besidePeer()
	t.Cleanup(func() { _ = os.Remove(found) })
	// At a shutdown everything has a job; the order goes by way of the target. Each
	// name is a job of its own here, and the last would be done at once if it had
	// not to wait for the first.
	m.must("stop", unit, "network.target", "test-network.service")
	text, err := os.ReadFile(found)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "192.0.2.1/") || strings.Contains(string(text), vip4+"/") || strings.Contains(string(text), vip6+"/") {
		t.Errorf("addresses when the network stops:\n%s", text)
	}
	for _, property := range []string{"Before", "Conflicts"} {
		if got := m.show(property); !strings.Contains(got, "shutdown.target") {
			t.Errorf("%s=%s, without shutdown.target", property, got)
		}
	}
}

// TestSleep: what pulls sleep.target in makes hakeep hand over first, and take
// the addresses back when it ends. A standby of an operator stays.
func TestSleep(t *testing.T) {
	m := newMachine(t)
	m.must("enable", "--runtime", "hakeep-sleep.service")
	t.Cleanup(func() { m.systemctl("disable", "--runtime", "hakeep-sleep.service") })
	// sleep.target cannot be started by hand, only by what sleeps.
	m.runtimeUnit("test-sleep.target", "[Unit]\nRequires=sleep.target\nAfter=sleep.target\n")
	m.besidePeer()
	probe := nstest.Probe(t, m.client, vip4)
	if err := probe.AwaitAnswers(nstest.Context(t, patience), 50); err != nil {
		t.Fatal(err)
	}
	probe.Mark("sleep")
	m.must("start", "test-sleep.target")
	for _, in := range m.mustStatus().Instances {
		if in.State != "BACKUP" || in.Standby == nil {
			t.Errorf("%s is %s before the sleep, held back: %v", in.Name, in.State, in.Standby != nil)
		}
	}
	if left := m.addresses(); len(left) > 0 {
		t.Errorf("addresses before the sleep: %v", left)
	}
	probe.Mark("wake")
	m.must("stop", "sleep.target")
	m.awaitMaster()
	r := probe.Stop()
	t.Logf("%s", r)
	checkUnharmed(t, "sleep", r)
	out, code := m.run(patience, m.binary, "standby", "VI_4")
	if code != 0 {
		t.Fatalf("standby: exit status %d\n%s", code, out)
	}
	m.must("start", "test-sleep.target")
	m.must("stop", "sleep.target")
	if d := m.mustStatus(); d.Instance("VI_4").Standby == nil || d.Instance("VI_6").Standby != nil {
		t.Errorf("after the sleep VI_4 is held back: %v, VI_6: %v", d.Instance("VI_4").Standby != nil, d.Instance("VI_6").Standby != nil)
	}
}

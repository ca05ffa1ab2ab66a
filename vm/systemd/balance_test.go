//go:build vm

package systemd

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	settings "hakeep/internal/config"
	"hakeep/internal/nstest"
)

// modules lists the modules that the kernel has loaded.
func modules(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("/proc/modules")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		names = append(names, strings.Fields(line)[0])
	}
	return names
}

// TestIPVS: on a machine that has never used it, the kernel loads IPVS and the
// scheduler when the daemon asks for them, though the unit forbids loading modules and
// hides them; a stop leaves an empty table.
func TestIPVS(t *testing.T) {
	if !settings.BalancingDone {
		t.Skip("hakeep refuses virtual servers")
	}
	m := newMachine(t)
	if loaded := modules(t); slices.Contains(loaded, "ip_vs") {
		t.Fatal("ip_vs is loaded already: this test would show nothing")
	}
	m.configure(strings.Replace(config("150"), "vrrp_version = 3", "vrrp_version = 3\nlvs_backend = \"ipvs\"", 1) + `
[[virtual_server]]
address = "192.0.2.10:80"
protocol = "TCP"
lvs_sched = "mh"
lvs_method = "NAT"
real_server = [{ address = "192.0.2.2:8080" }]
`)
	m.must("start", unit)
	d := m.awaitMaster()
	nstest.Eventually(t, patience, func() error {
		if loaded := modules(t); !slices.Contains(loaded, "ip_vs") || !slices.Contains(loaded, "ip_vs_mh") {
			return fmt.Errorf("ip_vs and ip_vs_mh are not loaded: %q", loaded)
		}
		return nil
	})
	checkSandbox(t, d.Daemon.PID)
	var bounding uint64
	if _, err := fmt.Sscanf(processStatus(t, d.Daemon.PID)["CapBnd"], "%x", &bounding); err != nil {
		t.Fatalf("CapBnd: %v", err)
	}
	if bounding&(1<<unix.CAP_SYS_MODULE) != 0 {
		t.Errorf("the daemon has CAP_SYS_MODULE (%#x)", bounding)
	}
	table := func() string {
		out, err := exec.Command("ipvsadm", "-Sn").CombinedOutput()
		if err != nil {
			t.Fatalf("ipvsadm: %v\n%s", err, out)
		}
		return string(out)
	}
	want := "-A -t 192.0.2.10:80 -s mh\n-a -t 192.0.2.10:80 -r 192.0.2.2:8080 -m -w 1\n"
	nstest.Eventually(t, patience, func() error {
		if got := table(); got != want {
			return fmt.Errorf("IPVS has %q, want %q", got, want)
		}
		return nil
	})
	m.must("stop", unit)
	if got := table(); got != "" {
		t.Errorf("after the stop IPVS has %q", got)
	}
}

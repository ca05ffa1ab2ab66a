//go:build vm

package systemd

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// TestPoweroff: the machine is switched off in order, with hakeep and what brings the
// network up among the services that systemd stops at its own pace. The other router
// has taken over before the link goes down, and the client has missed nothing.
//
// It is the last test of the package, by the name of its file: nothing can be started
// after it. The job that the tests are part of outlives its stop (guest/vm-job.service),
// and the end of the shutdown, where every process is killed, waits for a service.
func TestPoweroff(t *testing.T) {
	m := newMachine(t)
	const found = "/run/addresses-at-network-stop"
	m.runtimeUnit("test-network.service", "[Unit]\nBefore=network.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"+
		"ExecStop=/bin/sh -c 'ip -o addr show dev eth0 >"+found+".new && ip link set eth0 down && mv "+found+".new "+found+"'\n")
	m.runtimeUnit("test-hold.service", "[Unit]\nBefore=test-network.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"+
		"ExecStop=/bin/sleep infinity\nTimeoutStopSec=10min\n")
	m.must("start", "test-hold.service", "test-network.service")
	peer := m.besidePeer()
	adverts := nstest.Capture(t, m.client, "eth0", lab.FilterVRRP)
	var probes []*lab.Probe
	for _, vip := range []string{vip4, vip6} {
		probe := nstest.Probe(t, m.client, vip)
		if err := probe.AwaitAnswers(nstest.Context(t, patience), 50); err != nil {
			t.Fatal(err)
		}
		probe.Mark("poweroff")
		probes = append(probes, probe)
	}
	m.ending = true
	m.must("poweroff", "--no-block")
	for _, name := range []string{"VI_4", "VI_6"} {
		if err := peer.WaitState(nstest.Context(t, patience), name, "MASTER"); err != nil {
			t.Fatal(err)
		}
	}
	var left []byte
	nstest.Eventually(t, patience, func() (err error) {
		left, err = os.ReadFile(found)
		return err
	})
	for _, probe := range probes {
		if err := probe.AwaitAnswers(nstest.Context(t, patience), 50); err != nil {
			t.Fatalf("after the link of the machine went down: %v", err)
		}
		r := probe.Stop()
		t.Log(r)
		checkUnharmed(t, "poweroff", r)
	}
	if !strings.Contains(string(left), "192.0.2.1/") || strings.Contains(string(left), vip4+"/") || strings.Contains(string(left), vip6+"/") {
		t.Errorf("addresses when the network stops:\n%s", left)
	}
	if err := saidGoodbye(adverts); err != nil {
		t.Error(err)
	}
	if out, _ := m.systemctl("is-system-running"); strings.TrimSpace(out) != "stopping" {
		t.Errorf("the machine is %q, not being switched off", out)
	}
}

// saidGoodbye says whether both families' last adverts of the machine had priority 0.
func saidGoodbye(c *lab.Capture) error {
	last := map[netip.Addr]uint8{}
	for _, f := range c.Frames() {
		if v, ok := f.VRRP(); ok && len(v.Payload) > 2 {
			last[v.Src] = v.Payload[2] // in every version
		}
	}
	goodbyes := 0
	for _, priority := range last {
		if priority == 0 {
			goodbyes++
		}
	}
	if goodbyes != 2 {
		return fmt.Errorf("last priorities by sender: %v, want two of 0", last)
	}
	return nil
}

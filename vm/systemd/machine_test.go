//go:build vm

package systemd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	"hakeep/internal/status"
)

const (
	unit       = "hakeep.service"
	configFile = "/etc/hakeep.toml"
	runtimeDir = "/run/hakeep"
	vip4       = "192.0.2.10"
	vip6       = "2001:db8::10"
	// patience is how long a test waits for an event before it fails. It is much
	// longer than anything takes, even where the processor is emulated.
	patience = 60 * time.Second
)

// config is a configuration of the machine. The tests reload and break it.
func config(priority string) string {
	return fmt.Sprintf(`[global_defs]
vrrp_version = 3

[[vrrp_instance]]
name = "VI_4"
interface = "eth0"
virtual_router_id = 51
priority = %[1]s
advert_int = "200ms"
virtual_ipaddress = ["192.0.2.10/24"]

[[vrrp_instance]]
name = "VI_6"
interface = "eth0"
virtual_router_id = 51
priority = %[1]s
advert_int = "200ms"
virtual_ipaddress = ["fe80::10/64", "2001:db8::10/64"]
`, priority)
}

// machine is the machine that the tests run on, with its neighbour.
type machine struct {
	tb     testing.TB
	client *lab.Namespace
	binary string
	// ending says that the machine is being switched off: nothing is put back.
	ending bool
}

// newMachine connects the machine to a neighbour and sees to it that the service
// is stopped at the end of the test, with its log if the test has failed.
func newMachine(tb testing.TB) *machine {
	tb.Helper()
	comm, err := os.ReadFile("/proc/1/comm")
	if err != nil || strings.TrimSpace(string(comm)) != "systemd" {
		tb.Fatalf("PID 1 is %q: this test needs SYSTEMD=1 for run.sh", comm)
	}
	m := &machine{tb: tb}
	m.binary = m.execStart()
	lan := nstest.LAN(tb)
	m.client = nstest.Host(tb, "client")
	nstest.Attach(tb, lan, m.client, "eth0", "192.0.2.2/24", "2001:db8::2/64")
	m.plug(lan)
	since := time.Now()
	m.configure(config("150"))
	tb.Cleanup(func() {
		if !m.ending {
			m.systemctl("stop", unit)
			m.systemctl("reset-failed", unit)
		}
		if tb.Failed() {
			tb.Logf("journal:\n%s", m.story(since))
		}
	})
	return m
}

// plug makes eth0 of the machine, which is in no namespace of the test's own.
func (m *machine) plug(lan *lab.LAN) {
	m.tb.Helper()
	nl := lan.Namespace().Netlink()
	br, err := nl.LinkByName("br0")
	if err != nil {
		m.tb.Fatal(err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MasterIndex = "machine", br.Attrs().Index
	if err := nl.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsPid(1)}); err != nil {
		m.tb.Fatal(err)
	}
	m.tb.Cleanup(func() {
		if l, err := netlink.LinkByName("eth0"); err == nil {
			_ = netlink.LinkDel(l)
		}
	})
	for _, line := range []string{
		"addr add 192.0.2.1/24 dev eth0", "addr add 2001:db8::1/64 dev eth0 nodad", "link set eth0 up",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			m.tb.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	l, err := nl.LinkByName("machine")
	if err != nil {
		m.tb.Fatal(err)
	}
	if err := nl.LinkSetUp(l); err != nil {
		m.tb.Fatal(err)
	}
	nstest.Eventually(m.tb, patience, func() error {
		_, err := m.client.Run("ping", "-c", "1", "-W", "1", "192.0.2.1")
		return err
	})
}

// configure replaces the configuration in one step, as editors do.
func (m *machine) configure(text string) {
	m.tb.Helper()
	if err := os.WriteFile(configFile+".new", []byte(text), 0o644); err != nil {
		m.tb.Fatal(err)
	}
	if err := os.Rename(configFile+".new", configFile); err != nil {
		m.tb.Fatal(err)
	}
}

// dropIn adds lines to the service's section of the unit until the test's end.
func (m *machine) dropIn(lines string) {
	m.tb.Helper()
	dir := "/run/systemd/system/" + unit + ".d"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		m.tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "test.conf"), []byte("[Service]\n"+lines+"\n"), 0o644); err != nil {
		m.tb.Fatal(err)
	}
	m.must("daemon-reload")
	m.tb.Cleanup(func() {
		_ = os.RemoveAll(dir)
		m.systemctl("daemon-reload")
	})
}

// systemctl returns the output and the exit status.
func (m *machine) systemctl(args ...string) (string, int) {
	return m.run(2*patience, "systemctl", args...)
}

func (m *machine) run(timeout time.Duration, name string, args ...string) (string, int) {
	m.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		m.tb.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	if exit != nil {
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

// must is systemctl for what has to work.
func (m *machine) must(args ...string) string {
	m.tb.Helper()
	out, code := m.systemctl(args...)
	if code != 0 {
		m.tb.Fatalf("systemctl %s: exit status %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// show is a property of the unit.
func (m *machine) show(property string) string {
	m.tb.Helper()
	return strings.TrimSpace(m.must("show", "--value", "-p", property, unit))
}

func (m *machine) number(property string) int {
	m.tb.Helper()
	n, err := strconv.Atoi(m.show(property))
	if err != nil {
		m.tb.Fatalf("%s: %v", property, err)
	}
	return n
}

// execStart is the path of the program in the unit.
func (m *machine) execStart() string {
	m.tb.Helper()
	for _, field := range strings.Fields(m.show("ExecStart")) {
		if path, ok := strings.CutPrefix(field, "path="); ok {
			return path
		}
	}
	m.tb.Fatalf("%s has no ExecStart: is it installed?", unit)
	return ""
}

// status asks the daemon. It is an error if nobody answers.
func (m *machine) status() (*status.Document, error) {
	out, code := m.run(patience, m.binary, "status", "--json")
	var d status.Document
	if err := json.NewDecoder(bytes.NewReader([]byte(out))).Decode(&d); err != nil {
		return nil, fmt.Errorf("hakeep status: exit status %d, %w\n%s", code, err, out)
	}
	return &d, nil
}

func (m *machine) mustStatus() *status.Document {
	m.tb.Helper()
	d, err := m.status()
	if err != nil {
		m.tb.Fatal(err)
	}
	return d
}

// awaitStatus waits until both instances are master with their addresses.
func (m *machine) awaitStatus() *status.Document {
	m.tb.Helper()
	var doc *status.Document
	nstest.Eventually(m.tb, patience, func() error {
		d, err := m.status()
		if err != nil {
			return err
		}
		for _, i := range d.Instances {
			if i.State != "MASTER" || len(i.Addresses.Missing) > 0 {
				return fmt.Errorf("%s is %s (%s), missing %v", i.Name, i.State, i.Why, i.Addresses.Missing)
			}
		}
		doc = d
		return nil
	})
	return doc
}

// awaitMaster is awaitStatus, and then waits until the client reaches the
// addresses.
func (m *machine) awaitMaster() *status.Document {
	m.tb.Helper()
	doc := m.awaitStatus()
	for _, vip := range []string{vip4, vip6} {
		nstest.Eventually(m.tb, patience, func() error {
			_, err := m.client.Run("ping", "-c", "1", "-W", "1", "-n", vip)
			return err
		})
	}
	return doc
}

// addresses are the virtual addresses that the machine has.
func (m *machine) addresses() []string {
	m.tb.Helper()
	l, err := netlink.LinkByName("eth0")
	if err != nil {
		m.tb.Fatal(err)
	}
	addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		m.tb.Fatal(err)
	}
	var found []string
	for _, a := range addrs {
		if ip, ok := netip.AddrFromSlice(a.IP); ok {
			switch s := ip.Unmap().String(); s {
			case vip4, vip6, "fe80::10":
				found = append(found, s)
			}
		}
	}
	return found
}

// processes are the service's, by its control group.
func (m *machine) processes() []int {
	m.tb.Helper()
	text, err := os.ReadFile("/sys/fs/cgroup/system.slice/" + unit + "/cgroup.procs")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		m.tb.Fatal(err)
	}
	var pids []int
	for _, field := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			m.tb.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// story is what the daemon and systemd have logged since a moment, without the
// stacks of a process that the watchdog has aborted.
func (m *machine) story(since time.Time) string {
	out, _ := m.run(patience, "journalctl", "--no-pager", "-o", "short-monotonic", "-u", unit, "--since", fmt.Sprintf("@%d", since.Unix()))
	var b strings.Builder
	for line := range strings.Lines(out) {
		if strings.Contains(line, "level=") || strings.Contains(line, "systemd[1]") || strings.Contains(line, "hakeep: ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// journal is what the service has logged since a moment.
func (m *machine) journal(since time.Time) string {
	m.tb.Helper()
	m.run(patience, "journalctl", "--sync")
	out, _ := m.run(patience, "journalctl", "--no-pager", "-o", "cat", "-u", unit, "--since", fmt.Sprintf("@%d.%06d", since.Unix(), since.Nanosecond()/1000))
	return out
}

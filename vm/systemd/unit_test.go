//go:build vm

package systemd

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/cpus"
	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	"hakeep/internal/status"
)

// TestVerify: systemd has nothing to say about the unit (whether man and the
// manual are installed is not the unit's matter). Its exit status is 0
// even for keywords that it does not know, so the output is what counts.
func TestVerify(t *testing.T) {
	m := newMachine(t)
	out, code := m.run(patience, "systemd-analyze", "verify", "--man=no", unit)
	if out != "" || code != 0 {
		t.Errorf("systemd-analyze verify: exit status %d\n%s", code, out)
	}
	out, _ = m.run(patience, "systemd-analyze", "security", "--no-pager", unit)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	t.Logf("systemd-analyze security: %s", lines[len(lines)-1])
}

// TestStart: the start returns when the daemon is ready; the elector got its
// real-time priority and its memory inside the sandbox, and nothing was refused.
func TestStart(t *testing.T) {
	m := newMachine(t)
	since := time.Now()
	m.must("start", unit)
	if got := m.show("ActiveState"); got != "active" {
		t.Fatalf("ActiveState=%s", got)
	}
	d := m.awaitMaster()
	if d.Daemon.PID != m.number("MainPID") {
		t.Errorf("status speaks of process %d, systemd of %d", d.Daemon.PID, m.number("MainPID"))
	}
	if got, want := m.processes(), []int{d.Daemon.PID, d.Elector.PID}; !slices.Equal(got, want) {
		t.Errorf("the service has processes %v, want main and elector %v", got, want)
	}
	if !d.Elector.Realtime {
		t.Errorf("real-time was refused: %s", d.Elector.RealtimeReason)
	}
	checkRealtime(t, d.Elector.PID)
	checkSandbox(t, d.Daemon.PID)
	checkSandbox(t, d.Elector.PID)
	if len(d.Warnings) > 0 {
		t.Errorf("warnings: %q", d.Warnings)
	}
	nstest.Eventually(t, patience, func() error {
		if got := m.show("StatusText"); !strings.Contains(got, "2 master") {
			return fmt.Errorf("StatusText=%q", got)
		}
		return nil
	})
	for _, word := range []string{"not permitted", "permission denied", "read-only file system", "level=ERROR", "level=WARN"} {
		for line := range strings.Lines(m.journal(since)) {
			if strings.Contains(line, word) {
				t.Errorf("in the log: %s", line)
			}
		}
	}
}

// checkRealtime looks at what the kernel says: the elector's threads of adverts and of
// addresses are SCHED_FIFO, all others SCHED_RR, and its memory is locked.
func checkRealtime(t *testing.T, pid int) {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	fifo := 0
	for _, task := range tasks {
		var tid int
		if _, err := fmt.Sscan(task.Name(), &tid); err != nil {
			t.Fatal(err)
		}
		policy, err := unix.SchedGetAttr(tid, 0)
		if err != nil {
			t.Fatalf("thread %d: %v", tid, err)
		}
		switch policy.Policy {
		case unix.SCHED_FIFO:
			fifo++
		case unix.SCHED_RR:
		default:
			t.Errorf("thread %d has policy %d, want SCHED_FIFO or SCHED_RR", tid, policy.Policy)
		}
	}
	want := 2 // and the relief of that of the adverts
	if cpus.Relieved() {
		want++
	}
	if fifo != want {
		t.Errorf("%d threads of %d are SCHED_FIFO, want %d", fifo, len(tasks), want)
	}
	if locked := processStatus(t, pid)["VmLck"]; locked == "" || strings.HasPrefix(locked, "0 ") {
		t.Errorf("locked memory: %q", locked)
	}
}

// checkSandbox looks at what the kernel says of a process: without this the other
// tests could pass because nothing is forbidden. New privileges are not: hooks
// use sudo.
func checkSandbox(t *testing.T, pid int) {
	t.Helper()
	is := processStatus(t, pid)
	if is["Seccomp"] != "2" {
		t.Errorf("process %d: Seccomp is %q, want 2 (filter)", pid, is["Seccomp"])
	}
	if is["NoNewPrivs"] != "0" {
		t.Errorf("process %d: NoNewPrivs is %q, want 0", pid, is["NoNewPrivs"])
	}
	var bounding, all uint64
	if _, err := fmt.Sscanf(is["CapBnd"], "%x", &bounding); err != nil {
		t.Fatalf("CapBnd: %v", err)
	}
	if _, err := fmt.Sscanf(processStatus(t, 1)["CapBnd"], "%x", &all); err != nil {
		t.Fatalf("CapBnd: %v", err)
	}
	if bounding == all || bounding&(1<<unix.CAP_SYS_ADMIN) != 0 {
		t.Errorf("process %d: capabilities %#x of %#x", pid, bounding, all)
	}
	t.Logf("process %d: capabilities %#x", pid, bounding)
}

// processStatus is /proc/PID/status by its names.
func processStatus(t *testing.T, pid int) map[string]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.TrimSpace(value)
	}
	return fields
}

// TestUsers: sysusers.d has made the users, and the control socket belongs to the
// group: its members ask the daemon, others are told that they may not.
func TestUsers(t *testing.T) {
	m := newMachine(t)
	group, err := user.LookupGroup("hakeep")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := user.Lookup("hakeep_script"); err != nil {
		t.Error(err)
	}
	m.must("start", unit)
	m.awaitMaster()
	info, err := os.Stat(filepath.Join(runtimeDir, "hakeep.sock"))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o660 {
		t.Errorf("mode of the control socket: %o, want 660", got)
	}
	for _, c := range []struct {
		group string
		want  int
	}{{group.Gid, 0}, {"65534", 5}} {
		out, code := m.run(patience, "setpriv", "--reuid=65534", "--regid=65534", "--groups="+c.group, m.binary, "status")
		if code != c.want {
			t.Errorf("hakeep status with group %s: exit status %d, want %d\n%s", c.group, code, c.want, out)
		}
	}
}

// TestStartRefused: with a configuration that has errors the start fails with the
// daemon's exit code, says why, and is not tried again and again.
func TestStartRefused(t *testing.T) {
	m := newMachine(t)
	m.configure(config("300"))
	since := time.Now()
	if out, code := m.systemctl("start", unit); code == 0 {
		t.Errorf("start succeeded: %s", out)
	}
	if got := m.number("ExecMainStatus"); got != 4 {
		t.Errorf("exit status %d, want 4", got)
	}
	if got := m.show("ActiveState"); got != "failed" {
		t.Errorf("ActiveState=%s, want failed", got)
	}
	if got := m.number("NRestarts"); got != 0 {
		t.Errorf("restarted %d times", got)
	}
	if log := m.journal(since); !strings.Contains(log, configFile+":8: vrrp_instance.VI_4.priority") {
		t.Errorf("the log does not name the line:\n%s", log)
	}
	// A mended file starts without further ado.
	m.configure(config("150"))
	m.must("start", unit)
	m.awaitMaster()
}

// TestReload: `systemctl reload` tells the truth: 0 with the new configuration
// in force, not 0 with the old one still in force.
func TestReload(t *testing.T) {
	m := newMachine(t)
	m.must("start", unit)
	before := m.awaitMaster()
	probe := nstest.Probe(t, m.client, vip4)
	if err := probe.AwaitAnswers(nstest.Context(t, patience), 50); err != nil {
		t.Fatal(err)
	}

	m.configure(config("140"))
	m.must("reload", unit)
	checkPriority(t, m.mustStatus(), 140)

	for name, spoil := range map[string]func() error{
		"wrong":   func() error { m.configure(config("300")); return nil },
		"no toml": func() error { m.configure("[["); return nil },
		"gone":    func() error { return os.Remove(configFile) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		out, code := m.systemctl("reload", unit)
		if code == 0 {
			t.Errorf("%s: reload succeeded: %s", name, out)
		}
		if got := m.show("ActiveState"); got != "active" {
			t.Fatalf("%s: ActiveState=%s", name, got)
		}
		d := m.mustStatus()
		checkPriority(t, d, 140)
		if last := d.Daemon.LastReload; last == nil || last.OK || last.Error == "" && len(last.Problems) == 0 {
			t.Errorf("%s: status does not say that the reload was refused: %+v", name, last)
		}
		if got := m.show("StatusText"); !strings.Contains(got, "refused") {
			t.Errorf("%s: StatusText=%q", name, got)
		}
	}

	m.configure(config("130"))
	m.must("reload", unit)
	checkPriority(t, m.mustStatus(), 130)
	after := m.awaitMaster()
	checkSame(t, before, after)
	if after.Daemon.PID != before.Daemon.PID {
		t.Error("main is another process after reloads")
	}
	checkUnharmed(t, "five reloads", probe.Stop())
}

func checkPriority(t *testing.T, d *status.Document, want int) {
	t.Helper()
	for _, i := range d.Instances {
		if i.State != "MASTER" || i.Priority.Effective != want {
			t.Errorf("%s is %s with priority %d, want MASTER with %d", i.Name, i.State, i.Priority.Effective, want)
		}
	}
}

// checkSame fails unless the elector and its mastership are still the same.
func checkSame(t *testing.T, before, after *status.Document) {
	t.Helper()
	if after.Elector.PID != before.Elector.PID {
		t.Errorf("the elector is process %d, was %d", after.Elector.PID, before.Elector.PID)
	}
	for n, i := range after.Instances {
		was := before.Instances[n]
		// The two differ by how the kernel's clocks were read.
		if d := i.Since.Sub(was.Since).Abs(); d > 10*time.Millisecond || i.Counters.BecameMaster != was.Counters.BecameMaster {
			t.Errorf("%s is master since %v for the %d. time, was since %v for the %d. time",
				i.Name, i.Since, i.Counters.BecameMaster, was.Since, was.Counters.BecameMaster)
		}
	}
}

// checkUnharmed fails if the client missed the address. The processor is emulated
// and shared: single answers may be late.
func checkUnharmed(t *testing.T, what string, r *lab.ProbeResult) {
	t.Helper()
	d := r.Longest().Duration()
	t.Logf("%s: %d requests, %d lost, longest time without an answer %v", what, r.Sent, r.Lost, d)
	if d > 500*time.Millisecond {
		t.Errorf("%s: the client missed the virtual address for %v", what, d)
	}
}

// TestSandbox: inside the sandbox the daemon may set its interface's sysctl and
// keep its nftables table, which it puts back when another program flushes the
// ruleset.
func TestSandbox(t *testing.T) {
	m := newMachine(t)
	// systemd's defaults set it for every interface.
	const promote = "/proc/sys/net/ipv4/conf/eth0/promote_secondaries"
	for _, file := range []string{promote, strings.Replace(promote, "eth0", "all", 1)} {
		if err := os.WriteFile(file, []byte("0"), 0); err != nil {
			t.Fatal(err)
		}
	}
	m.configure(strings.ReplaceAll(config("150"), "[[vrrp_instance]]",
		"[[vrrp_instance]]\nno_accept = true\npromote_secondaries = true"))
	m.must("start", unit)
	m.awaitStatus()
	if value, err := os.ReadFile(promote); err != nil || strings.TrimSpace(string(value)) != "1" {
		t.Errorf("%s is %q (%v), want 1", promote, value, err)
	}
	answers := func() bool {
		_, err := m.client.Run("ping", "-c", "1", "-W", "1", "-n", vip4)
		return err == nil
	}
	for _, what := range []string{"after the start", "after another program's flush"} {
		nstest.Eventually(t, patience, func() error {
			if out, code := m.run(patience, "nft", "list", "table", "inet", "hakeep"); code != 0 {
				return fmt.Errorf("%s: no table: %s", what, out)
			}
			return nil
		})
		if answers() {
			t.Errorf("%s: %s answers although it must not accept", what, vip4)
		}
		if out, code := m.run(patience, "nft", "flush", "ruleset"); code != 0 {
			t.Fatalf("nft flush ruleset: %s", out)
		}
	}
	m.must("stop", unit)
	if out, code := m.run(patience, "nft", "list", "table", "inet", "hakeep"); code == 0 {
		t.Errorf("the table outlives the daemon:\n%s", out)
	}
}

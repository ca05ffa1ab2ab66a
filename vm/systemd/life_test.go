//go:build vm

package systemd

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/nstest"
)

// TestStop: the stop returns when the addresses are gone and the processes, and
// counts as success; the runtime directory goes with it.
func TestStop(t *testing.T) {
	m := newMachine(t)
	m.must("start", unit)
	m.awaitMaster()
	m.must("stop", unit)
	if left := m.addresses(); len(left) > 0 {
		t.Errorf("addresses that are still there: %v", left)
	}
	if left := m.processes(); len(left) > 0 {
		t.Errorf("processes that are still there: %v", left)
	}
	if state, result := m.show("ActiveState"), m.show("Result"); state != "inactive" || result != "success" {
		t.Errorf("ActiveState=%s Result=%s", state, result)
	}
	if _, err := os.Stat(runtimeDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there (%v)", runtimeDir, err)
	}
}

// TestRestart: `systemctl restart` is another main and the same elector: nobody
// notices. A stop that follows is an orderly leave.
func TestRestart(t *testing.T) {
	m := newMachine(t)
	m.must("start", unit)
	before := m.awaitMaster()
	peer := nstest.Hakeep(t, m.client, config("100"))
	for _, name := range []string{"VI_4", "VI_6"} {
		if err := peer.WaitState(nstest.Context(t, patience), name, "BACKUP"); err != nil {
			t.Fatal(err)
		}
	}
	probe := nstest.Probe(t, m.client, vip4)
	if err := probe.AwaitAnswers(nstest.Context(t, patience), 50); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"restart", "try-restart"} {
		probe.Mark(how)
		m.must(how, unit)
		after := m.awaitMaster()
		if after.Daemon.PID == before.Daemon.PID {
			t.Errorf("%s: main is still process %d", how, after.Daemon.PID)
		}
		checkSame(t, before, after)
		before = after
	}
	checkUnharmed(t, "two restarts", probe.Stop())
	for _, name := range []string{"VI_4", "VI_6"} {
		if s := peer.State(name); s != "BACKUP" {
			t.Errorf("the peer's %s is %s", name, s)
		}
	}
	if got := m.processes(); len(got) != 2 {
		t.Errorf("processes after the restart: %v", got)
	}
	if got := m.number("NRestarts"); got != 0 {
		t.Errorf("NRestarts=%d", got)
	}
	m.must("stop", unit)
	if left := m.addresses(); len(left) > 0 {
		t.Errorf("addresses that are still there: %v", left)
	}
	if left := m.processes(); len(left) > 0 {
		t.Errorf("processes that are still there: %v", left)
	}
}

// TestMainLost: main hangs, and the watchdog ends it; or it is killed. systemd
// starts another one, and the elector has kept the mastership: the client has
// missed nothing.
func TestMainLost(t *testing.T) {
	for _, c := range []struct {
		name   string
		signal unix.Signal
		result string
	}{
		{"hangs", unix.SIGSTOP, "watchdog"},
		{"killed", unix.SIGKILL, "signal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t)
			m.dropIn("WatchdogSec=3s")
			m.must("start", unit)
			before := m.awaitMaster()
			probe := nstest.Probe(t, m.client, vip4)
			if err := probe.AwaitAnswers(nstest.Context(t, patience), 50); err != nil {
				t.Fatal(err)
			}
			probe.Mark(c.signal.String())
			if err := unix.Kill(before.Daemon.PID, c.signal); err != nil {
				t.Fatal(err)
			}
			nstest.Eventually(t, patience, func() error {
				if pid := m.number("MainPID"); pid == 0 || pid == before.Daemon.PID {
					return fmt.Errorf("MainPID=%d", pid)
				}
				if state := m.show("ActiveState"); state != "active" {
					return fmt.Errorf("ActiveState=%s", state)
				}
				return nil
			})
			after := m.awaitMaster()
			checkSame(t, before, after)
			checkUnharmed(t, "main "+c.name, probe.Stop())
			if got := m.number("NRestarts"); got != 1 {
				t.Errorf("NRestarts=%d, want 1", got)
			}
			// Reload and stop work with the elector that was found.
			m.configure(config("140"))
			m.must("reload", unit)
			checkPriority(t, m.mustStatus(), 140)
			m.must("stop", unit)
			if left := m.addresses(); len(left) > 0 {
				t.Errorf("addresses that are still there: %v", left)
			}
			if left := m.processes(); len(left) > 0 {
				t.Errorf("processes that are still there: %v", left)
			}
		})
	}
}

// TestWatchdogPatient: a healthy daemon is never ended by a short watchdog, nor
// by an elector that is asked less often than it barks.
func TestWatchdogPatient(t *testing.T) {
	m := newMachine(t)
	m.dropIn("WatchdogSec=2s")
	m.must("start", unit)
	before := m.awaitMaster()
	started := time.Now()
	nstest.Eventually(t, patience, func() error {
		if left := 8*time.Second - time.Since(started); left > 0 {
			return fmt.Errorf("%v left", left)
		}
		return nil
	})
	after := m.awaitMaster()
	checkSame(t, before, after)
	if got := m.number("NRestarts"); got != 0 {
		t.Errorf("NRestarts=%d", got)
	}
}

// TestElectorLost: main starts another elector; the service stays as it is.
func TestElectorLost(t *testing.T) {
	m := newMachine(t)
	m.must("start", unit)
	before := m.awaitMaster()
	if err := unix.Kill(before.Elector.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	nstest.Eventually(t, patience, func() error {
		d, err := m.status()
		if err != nil {
			return err
		}
		if d.Elector.PID == 0 || d.Elector.PID == before.Elector.PID {
			return fmt.Errorf("elector is process %d", d.Elector.PID)
		}
		return nil
	})
	after := m.awaitMaster()
	if after.Daemon.PID != before.Daemon.PID {
		t.Errorf("main is process %d, was %d", after.Daemon.PID, before.Daemon.PID)
	}
	if !after.Elector.Realtime {
		t.Errorf("the new elector is not real-time: %s", after.Elector.RealtimeReason)
	}
	checkRealtime(t, after.Elector.PID)
}

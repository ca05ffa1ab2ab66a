//go:build vm

package systemd

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/nstest"
)

// hookUser is whom programs run as that do not say, made by sysusers.d.
const hookUser = "hakeep_script"

// hooks is a directory of hookUser, private to it, with its programs and what
// they leave behind.
type hooks struct {
	tb       testing.TB
	dir      string
	uid, gid int
}

func newHooks(tb testing.TB) *hooks {
	tb.Helper()
	u, err := user.Lookup(hookUser)
	if err != nil {
		tb.Fatal(err)
	}
	h := &hooks{tb: tb, dir: "/var/lib/hooks"}
	tb.Cleanup(func() { _ = os.RemoveAll(h.dir) })
	if err := os.Mkdir(h.dir, 0o700); err != nil {
		tb.Fatal(err)
	}
	h.uid, h.gid = number(tb, u.Uid), number(tb, u.Gid)
	if err := os.Chown(h.dir, h.uid, h.gid); err != nil {
		tb.Fatal(err)
	}
	return h
}

func number(tb testing.TB, text string) int {
	tb.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// program writes a program of hookUser's own.
func (h *hooks) program(name, body string) {
	h.tb.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\ncd "+h.dir+" || exit 1\n"+body+"\n"), 0o700); err != nil {
		h.tb.Fatal(err)
	}
	if err := os.Chown(path, h.uid, h.gid); err != nil {
		h.tb.Fatal(err)
	}
}

func (h *hooks) text(name string) string {
	text, err := os.ReadFile(filepath.Join(h.dir, name))
	if err != nil {
		return ""
	}
	return string(text)
}

// await waits until a file contains a text.
func (h *hooks) await(name, want string) {
	h.tb.Helper()
	nstest.Eventually(h.tb, patience, func() error {
		if got := h.text(name); !strings.Contains(got, want) {
			return fmt.Errorf("%s is without %q:\n%s", name, want, got)
		}
		return nil
	})
}

// config is a configuration with all kinds of hooks.
func (h *hooks) config() string {
	global := fmt.Sprintf(`[global_defs]
vrrp_notify_fifo = "/run/hooks.fifo %[2]s"
vrrp_notify_fifo_script = ["%[1]s/reader"]
startup_script = ["%[1]s/hook", "startup"]
shutdown_script = ["%[1]s/hook", "shutdown"]

[[vrrp_script]]
name = "well"
script = ["%[1]s/well"]
interval = "2s"

[[vrrp_script]]
name = "hangs"
script = ["%[1]s/hangs"]
interval = "5s"
timeout = "2s"
weight = 1
`, h.dir, hookUser)
	text := strings.Replace(config("150"), "[global_defs]\n", global+"[global_defs_end]\n", 1)
	text = strings.Replace(text, "[global_defs_end]\nvrrp_version = 3\n", "", 1)
	return strings.Replace(text, "name = \"VI_4\"\n", fmt.Sprintf(
		"name = \"VI_4\"\ntrack_script = [\"well\", \"hangs\"]\nnotify_master = [\"%[1]s/hook\", \"master\"]\nnotify = [\"%[1]s/hook\"]\n", h.dir), 1)
}

// TestHooks: inside the sandbox, with the unit's capabilities and no more, check
// scripts, notify scripts and the reader of a FIFO run as hakeep_script, out of a
// directory that only this user may enter; one that hangs is ended; the FIFO is
// its user's, also that which a main that was killed has left behind.
func TestHooks(t *testing.T) {
	h := newHooks(t) // outlives the service
	m := newMachine(t)
	h.program("well", `echo "$(id -un) $(id -gn)" >well.log`)
	h.program("hangs", `echo $$ >hangs.pid; exec sleep 86399`)
	h.program("hook", `echo "$(id -un) $*" >>hook.log`)
	h.program("reader", `id -un >reader.log; exec cat "$1" >>lines.log`)
	m.configure(h.config())
	since := time.Now()
	m.must("start", unit)
	m.awaitMaster()

	h.await("well.log", hookUser+" "+hookUser)
	h.await("hook.log", hookUser+" master\n")
	h.await("hook.log", hookUser+" INSTANCE VI_4 MASTER 150\n")
	h.await("reader.log", hookUser)
	h.await("lines.log", "INSTANCE \"VI_4\" MASTER 150\n")
	info, err := os.Stat("/run/hooks.fifo")
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); info.Mode().Type() != os.ModeNamedPipe || int(st.Uid) != h.uid || int(st.Gid) != h.gid {
		t.Errorf("the FIFO is %v of %d:%d, want one of %d:%d", info.Mode(), st.Uid, st.Gid, h.uid, h.gid)
	}
	h.await("hangs.pid", "\n")
	hung := number(t, h.text("hangs.pid"))
	nstest.Eventually(t, patience, func() error {
		if err := unix.Kill(hung, 0); !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("process %d, which hangs, is still there (%v)", hung, err)
		}
		return nil
	})
	for line := range strings.Lines(m.journal(since)) {
		for _, word := range []string{"not permitted", "permission denied", "operation not permitted"} {
			if strings.Contains(line, word) {
				t.Errorf("in the log: %s", line)
			}
		}
	}

	main := m.number("MainPID")
	m.must("kill", "--kill-whom=main", "--signal=KILL", unit)
	nstest.Eventually(t, patience, func() error {
		if pid := m.number("MainPID"); pid == 0 || pid == main || m.show("ActiveState") != "active" {
			return fmt.Errorf("main is process %d (was %d), ActiveState=%s", pid, main, m.show("ActiveState"))
		}
		return nil
	})
	m.must("stop", unit)
	h.await("lines.log", "INSTANCE \"VI_4\" STOP 150\n")
	h.await("hook.log", hookUser+" INSTANCE VI_4 STOP 150\n")
	if n := strings.Count(h.text("hook.log"), hookUser+" master\n"); n != 1 {
		t.Errorf("notify_master ran %d times, want once: the elector's mastership has survived", n)
	}
	for _, what := range []string{"startup", "shutdown"} {
		h.await("hook.log", hookUser+" "+what+"\n")
	}
}

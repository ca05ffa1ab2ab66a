package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// unitRights are the capabilities of packaging/hakeep.service, electorRights those
// that the elector keeps of them (docs/operation.md).
const (
	electorRights = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_SYS_NICE | 1<<unix.CAP_IPC_LOCK
	unitRights    = electorRights | 1<<unix.CAP_CHOWN | 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_KILL | 1<<unix.CAP_DAC_READ_SEARCH
)

// capabilities are those of every thread of a process that one of its sets names.
func capabilities(t *testing.T, pid int, set string) (out []uint64) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("threads of %d: %v, %v", pid, threads, err)
	}
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // the thread has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if hex, ok := strings.CutPrefix(line, set+":"); ok {
				caps, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, caps)
			}
		}
	}
	return out
}

// schedules looks at the threads of an elector: that of the adverts, with its relief on
// another CPU, and that of the addresses are under SCHED_FIFO; all others take turns
// (SCHED_RR), or those of the runtime that spin until another one is ready would keep
// it from running.
func schedules(t *testing.T, pid int) {
	t.Helper()
	const fifo, rr = 1, 2
	var cpu unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &cpu); err != nil {
		t.Fatal(err)
	}
	first := 0
	for !cpu.IsSet(first) {
		first++
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("threads of %d: %v, %v", pid, threads, err)
	}
	seen, total := map[string]int{}, 0
	var own []unix.CPUSet // of the advert thread and its relief
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // the thread has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		// proc_pid_stat(5): rt_priority is field 40, policy 41; 3 is after the name.
		f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		total++
		kind := f[40-3] + "/" + f[41-3]
		seen[kind]++
		var set unix.CPUSet
		task, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil {
			err = unix.SchedGetaffinity(task, &set)
		}
		switch {
		case err != nil:
			// the thread has ended
		case kind == fmt.Sprintf("40/%d", fifo):
			own = append(own, set)
		case !set.IsSet(first): // where devices interrupt, and long work in the kernel is done
			t.Errorf("thread %d, of priority/policy %s, may not use CPU %d", task, kind, first)
		}
	}
	relieved := min(cpu.Count(), 2)
	if len(own) == 2 && own[0].IsSet(first) && own[1].IsSet(first) {
		t.Errorf("the advert thread and its relief both use CPU %d", first)
	}
	for i := range cpu {
		if len(own) == 2 && own[0][i]&own[1][i] != 0 {
			t.Errorf("the advert thread and its relief have a CPU in common: %v", own)
		}
	}
	adverts, addresses, rest := fmt.Sprintf("40/%d", fifo), fmt.Sprintf("30/%d", fifo), fmt.Sprintf("20/%d", rr)
	if seen[adverts] != relieved || seen[addresses] != 1 || seen[adverts]+seen[addresses]+seen[rest] != total {
		t.Errorf("threads by priority/policy: %v, want %d %s, one %s, others %s", seen, relieved, adverts, addresses, rest)
	}
}

// wrapped is a program that runs hakeep by another one, as `setpriv … hakeep`.
func wrapped(t *testing.T, line string) string {
	t.Helper()
	return writeFile(t, nstest.ShortDir(t), "hakeep", "#!/bin/sh\n"+fmt.Sprintf(line, nstest.Binary(t)+` "$@"`)+"\n", 0o755)
}

// TestRightsOfTheProcesses: started by root with everything, the elector keeps what
// the documentation says, in each thread, also after it was handed over; and what
// the unit gives is enough for both.
func TestRightsOfTheProcesses(t *testing.T) {
	t.Parallel()
	nstest.RequireTool(t, "setpriv")
	for _, c := range []struct{ name, line string }{
		{"root", "exec %s"},
		{"what the unit gives", "exec setpriv --bounding-set -all,+net_admin,+net_raw,+sys_nice,+ipc_lock,+chown,+setuid,+setgid,+kill,+dac_read_search %s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			dir := nstest.ShortDir(t)
			h, err := lab.StartHakeep(p.a, lab.HakeepOptions{Config: instance{addrs: []string{vip4 + "/24"}}.TOML(), Dir: dir, Binary: wrapped(t, c.line)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(h.Kill)
			awaitState(t, h, "MASTER")
			p.awaitHolder(t, vip4, "a")
			elector, err := h.ElectorPid()
			if err != nil {
				t.Fatal(err)
			}
			own := capabilities(t, os.Getpid(), "CapEff")[0]
			for _, set := range []string{"CapEff", "CapPrm"} {
				for _, got := range capabilities(t, elector, set) {
					if got != electorRights&own {
						t.Errorf("elector: %s of a thread is %#x, want %#x", set, got, uint64(electorRights)&own)
					}
				}
				for _, got := range capabilities(t, h.Pid(), set) {
					if c.name != "root" && got != unitRights&own {
						t.Errorf("main: %s of a thread is %#x, want %#x", set, got, uint64(unitRights)&own)
					}
				}
			}
			schedules(t, elector)
			for _, w := range document(t, h).Warnings {
				t.Errorf("warning: %s", w)
			}
			if _, errs, code, err := h.CLI(nstest.Context(t, patience), "upgrade"); err != nil || code != 0 {
				t.Fatalf("upgrade: %v, code %d: %s", err, code, errs)
			}
			if elector, err = h.ElectorPid(); err != nil {
				t.Fatal(err)
			}
			for _, got := range capabilities(t, elector, "CapEff") {
				if got != electorRights&own {
					t.Errorf("elector after the upgrade: a thread has %#x, want %#x", got, uint64(electorRights)&own)
				}
			}
			p.awaitHolder(t, vip4, "a")
		})
	}
}

// TestModesOfFiles: whatever hakeep makes has the mode that is written here, under
// the most generous umask there is; a file that is not listed is a failure.
func TestModesOfFiles(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	dir := nstest.ShortDir(t)
	config := strings.Replace(instance{addrs: []string{vip4 + "/24"}}.TOML(), "[global_defs]\n", fmt.Sprintf("[global_defs]\numask = \"000\"\nnotify_fifo = %q\n", filepath.Join(dir, "fifo")), 1)
	runtime := filepath.Join(dir, "made", "run")
	h, err := lab.StartHakeep(p.a, lab.HakeepOptions{
		Config: config, Dir: dir, Binary: wrapped(t, "umask 000\nexec %s"),
		Args: []string{"--runtime-dir", runtime},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Kill)
	if err := h.WaitState(nstest.Context(t, patience), "VI_1", "MASTER"); err != nil {
		t.Fatalf("%v\n%s", err, h.LogText())
	}
	// Nobody takes over, which is exit code 1; the file of standby is there then.
	cmd := p.a.CommandContext(nstest.Context(t, patience), nstest.Binary(t), "standby", "--socket", filepath.Join(runtime, "hakeep.sock"))
	var exit *exec.ExitError
	if out, err := cmd.CombinedOutput(); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		t.Fatalf("standby: %v\n%s", err, out)
	}
	const json = syscall.Signal(34 + 2) // SIGRTMIN+2
	for sig, name := range map[syscall.Signal]string{syscall.SIGUSR1: "data", syscall.SIGUSR2: "stats", json: "json"} {
		if err := syscall.Kill(h.Pid(), sig); err != nil {
			t.Fatal(err)
		}
		nstest.Eventually(t, patience, func() error {
			_, err := os.Stat(filepath.Join(runtime, "keepalived."+name))
			return err
		})
	}
	want := map[string]fs.FileMode{
		"made":                      fs.ModeDir | 0o755,
		"made/run":                  fs.ModeDir | 0o755,
		"made/run/hakeep.sock":      fs.ModeSocket | 0o660,
		"made/run/elector.sock":     fs.ModeSocket | 0o600,
		"made/run/hakeep.lock":      0o600,
		"made/run/owned.json":       0o600,
		"made/run/events.json":      0o600,
		"made/run/standby.json":     0o600,
		"made/run/balance.json":     0o600,
		"made/run/masters":          0o600, // only on a tmpfs
		"made/run/keepalived.data":  0o600,
		"made/run/keepalived.stats": 0o600,
		"made/run/keepalived.json":  0o600,
		"fifo":                      fs.ModeNamedPipe | 0o644,
	}
	seen := map[string]bool{}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if name == "hakeep.toml" {
			return nil // the test's
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		seen[name] = true
		if mode, ok := want[name]; !ok {
			t.Errorf("%s with mode %v is not listed", name, info.Mode())
		} else if info.Mode() != mode {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), mode)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		if !seen[name] && name != "made/run/masters" {
			t.Errorf("%s was not made, so its mode was not seen", name)
		}
	}
}

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// writeFile writes an executable or plain file for a test.
func writeFile(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// asRoot lets scripts of a test run: the user hakeep_script is the package's.
const asRoot = "\n[global_defs]\nvrrp_version = 3\nscript_user = \"root\"\n"

// globals replaces the global_defs of an instance's text.
func globals(i instance, text string) string {
	return text + strings.Replace(i.TOML(), "[global_defs]\nvrrp_version = 3\n", "", 1)
}

// TestScriptFails: a tracked script that fails moves the address, by a fault or
// by the priority, and moves it back when it is well again; keepalived beside
// it does the same.
func TestScriptFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, track string
		after       string // state of the router whose script fails
	}{
		{"fault", "chk", "FAULT"},
		{"weight", "chk weight -100", "BACKUP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			dir := nstest.ShortDir(t)
			flag := writeFile(t, dir, "ok", "", 0o644)
			script := writeFile(t, dir, "chk.sh", "#!/bin/sh\ntest -e "+flag+"\n", 0o755)
			chk := fmt.Sprintf("[[vrrp_script]]\nname = \"chk\"\nscript = [%q]\ninterval = \"100ms\"\nfall = 2\nrise = 2\n", script)
			hk := nstest.Hakeep(t, p.a, globals(instance{priority: "150", toml: fmt.Sprintf("track_script = [%q]", c.track)}, asRoot+chk))
			awaitState(t, hk, "MASTER")
			kd := nstest.Keepalived(t, p.b, instance{}.Conf())
			awaitState(t, kd, "BACKUP")
			for range 2 {
				if err := os.Remove(flag); err != nil {
					t.Fatal(err)
				}
				awaitState(t, hk, c.after)
				awaitState(t, kd, "MASTER")
				p.awaitHolder(t, vip4, "b")
				writeFile(t, dir, "ok", "", 0o644)
				awaitState(t, hk, "MASTER")
				awaitState(t, kd, "BACKUP")
				p.awaitHolder(t, vip4, "a")
			}
		})
	}
}

// TestTrackFileProcessInterface: the other things that an instance may track.
func TestTrackFileProcessInterface(t *testing.T) {
	t.Parallel()
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		p := newPair(t)
		dir := nstest.ShortDir(t)
		file := writeFile(t, dir, "weight", "0\n", 0o644)
		hk := nstest.Hakeep(t, p.a, globals(instance{priority: "150", toml: "track_file = [\"f weight 1\"]"},
			asRoot+fmt.Sprintf("[[track_file]]\nname = \"f\"\nfile = %q\n", file)))
		awaitState(t, hk, "MASTER")
		kd := nstest.Keepalived(t, p.b, instance{}.Conf())
		awaitState(t, kd, "BACKUP")
		writeFile(t, dir, "weight", "-100\n", 0o644)
		awaitState(t, hk, "BACKUP")
		awaitState(t, kd, "MASTER")
		writeFile(t, dir, "weight", "0\n", 0o644)
		awaitState(t, hk, "MASTER")
	})
	t.Run("process", func(t *testing.T) {
		t.Parallel()
		p := newPair(t)
		dir := nstest.ShortDir(t)
		sleeper := filepath.Join(dir, "hkdummy")
		b, err := os.ReadFile("/bin/sleep")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(sleeper, b, 0o755); err != nil {
			t.Fatal(err)
		}
		hk := nstest.Hakeep(t, p.a, globals(instance{toml: "track_process = [\"proc\"]"},
			asRoot+"[[vrrp_track_process]]\nname = \"proc\"\nprocess = \"hkdummy\"\n"))
		awaitState(t, hk, "FAULT")
		cmd := p.a.Command(sleeper, "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		awaitState(t, hk, "MASTER")
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		awaitState(t, hk, "FAULT")
	})
	t.Run("interface", func(t *testing.T) {
		t.Parallel()
		p := newPair(t)
		port := nstest.Attach(t, nstest.LAN(t), p.a, "eth1", "198.51.100.1/24")
		hk := nstest.Hakeep(t, p.a, instance{toml: "track_interface = [\"eth1\"]"}.TOML())
		awaitState(t, hk, "MASTER")
		if err := port.Down(); err != nil {
			t.Fatal(err)
		}
		awaitState(t, hk, "FAULT")
		if err := port.Up(); err != nil {
			t.Fatal(err)
		}
		awaitState(t, hk, "MASTER")
	})
}

// twoLinks are two routers on two links, with a sync group of two instances:
//
//	link 1  ====+=========+====      a is better
//	            a         b
//	link 2  ====+=========+====
func groupTOML(priority int, extra string) string {
	var b strings.Builder
	b.WriteString(asRoot)
	b.WriteString("[[vrrp_sync_group]]\nname = \"G\"\ngroup = [\"one\", \"two\"]\n" + extra)
	for i, name := range []string{"one", "two"} {
		fmt.Fprintf(&b, "[[vrrp_instance]]\nname = %q\ninterface = \"eth%d\"\nvirtual_router_id = %d\npriority = %d\nadvert_int = \"100ms\"\nvirtual_ipaddress = [\"10.9.%d.10/24\"]\n",
			name, i, 51+i, priority, i)
	}
	return b.String()
}

func groupConf(priority int, extra string) string {
	var b strings.Builder
	b.WriteString("global_defs {\n vrrp_version 3\n script_user root\n" + realtimePeer + "}\n")
	b.WriteString("vrrp_sync_group G {\n group {\n  one\n  two\n }\n" + extra + "}\n")
	for i, name := range []string{"one", "two"} {
		fmt.Fprintf(&b, "vrrp_instance %s {\n interface eth%d\n virtual_router_id %d\n priority %d\n advert_int 0.1\n virtual_ipaddress {\n  10.9.%d.10/24\n }\n}\n",
			name, i, 51+i, priority, i)
	}
	return b.String()
}

// TestSyncGroup: one link of a group of two is cut: both move, on hakeep as on
// keepalived, and come back.
func TestSyncGroup(t *testing.T) {
	t.Parallel()
	for _, peer := range []string{"hakeep", "keepalived"} {
		t.Run("with "+peer, func(t *testing.T) {
			t.Parallel()
			a, b := nstest.Host(t, "a"), nstest.Host(t, "b")
			var portA *lab.Port
			for i := range 2 {
				lan := nstest.LAN(t)
				port := nstest.Attach(t, lan, a, fmt.Sprintf("eth%d", i), fmt.Sprintf("10.9.%d.1/24", i))
				nstest.Attach(t, lan, b, fmt.Sprintf("eth%d", i), fmt.Sprintf("10.9.%d.2/24", i))
				if i == 1 {
					portA = port
				}
			}
			ha := nstest.Hakeep(t, a, groupTOML(150, ""))
			var other interface{ State(string) string }
			if peer == "hakeep" {
				other = nstest.Hakeep(t, b, groupTOML(100, ""))
			} else {
				nstest.RequireTool(t, "keepalived")
				other = nstest.Keepalived(t, b, groupConf(100, ""))
			}
			await := func(stateA, stateB string) {
				t.Helper()
				nstest.Eventually(t, patience, func() error {
					for _, name := range []string{"one", "two"} {
						if x, y := ha.State(name), other.State(name); x != stateA || y != stateB {
							return fmt.Errorf("%s: %s and %s, want %s and %s", name, x, y, stateA, stateB)
						}
					}
					return nil
				})
			}
			await("MASTER", "BACKUP")
			if err := portA.Down(); err != nil {
				t.Fatal(err)
			}
			await("FAULT", "MASTER")
			if err := portA.Up(); err != nil {
				t.Fatal(err)
			}
			await("MASTER", "BACKUP")
		})
	}
}

// TestNotifyAsKeepalived: the same life of an instance, told by both: the
// arguments of the scripts and the bytes of the FIFO are identical.
func TestNotifyAsKeepalived(t *testing.T) {
	t.Parallel()
	nstest.RequireTool(t, "keepalived")
	type told struct{ scripts, fifo string }
	run := func(t *testing.T, which string) told {
		t.Helper()
		p := newPair(t)
		dir := nstest.ShortDir(t)
		log := filepath.Join(dir, "log")
		script := writeFile(t, dir, "n.sh", "#!/bin/sh\necho \"$@\" >>"+log+"\n", 0o755)
		fifo := filepath.Join(dir, "fifo")
		lines := filepath.Join(dir, "lines")
		reader := writeFile(t, dir, "r.sh", "#!/bin/sh\nexec cat \"$1\" >>"+lines+"\n", 0o755)
		var d interface{ State(string) string }
		var end func()
		if which == "hakeep" {
			h := nstest.Hakeep(t, p.a, globals(instance{
				toml: fmt.Sprintf("notify = %q\nnotify_master = \"%s one 'two three'\"\nnotify_backup = [%q, \"back\"]\nnotify_fault = \"%s fault\"\nnotify_stop = \"%s stop\"", script, script, script, script, script),
			}, asRoot+fmt.Sprintf("vrrp_notify_fifo = %q\nvrrp_notify_fifo_script = %q\n", fifo, reader)))
			d, end = h, func() {
				if err := h.Stop(nstest.Context(t, patience)); err != nil {
					t.Fatal(err)
				}
			}
		} else {
			conf := instance{conf: fmt.Sprintf("notify %s\nnotify_master \"%s one 'two three'\"\nnotify_backup \"%s back\"\nnotify_fault \"%s fault\"\nnotify_stop \"%s stop\"", script, script, script, script, script)}.Conf()
			conf = strings.Replace(conf, "global_defs {", fmt.Sprintf("global_defs {\n script_user root\n vrrp_notify_fifo %s\n vrrp_notify_fifo_script %s\n", fifo, reader), 1)
			k := nstest.Keepalived(t, p.a, conf)
			d, end = k, func() {
				if err := k.Stop(nstest.Context(t, patience)); err != nil {
					t.Fatal(err)
				}
			}
		}
		await := func(state string, n int) {
			t.Helper()
			nstest.Eventually(t, patience, func() error {
				if s := d.State("VI_1"); s != state {
					return fmt.Errorf("state %s, want %s", s, state)
				}
				if got := strings.Count(readText(log), "\n"); got < n {
					return fmt.Errorf("%d calls, want %d", got, n)
				}
				return nil
			})
		}
		await("MASTER", 4)
		if err := p.portA.Down(); err != nil {
			t.Fatal(err)
		}
		await("FAULT", 6)
		if err := p.portA.Up(); err != nil {
			t.Fatal(err)
		}
		await("MASTER", 10)
		end()
		nstest.Eventually(t, patience, func() error {
			if got := strings.Count(readText(log), "\n"); got < 12 {
				return fmt.Errorf("%d calls", got)
			}
			if got := strings.Count(readText(lines), "\n"); got < 5 {
				return fmt.Errorf("%d lines", got)
			}
			return nil
		})
		return told{readText(log), readText(lines)}
	}
	h, k := run(t, "hakeep"), run(t, "keepalived")
	// keepalived ends the reader before it has read the last line.
	const last = "INSTANCE \"VI_1\" STOP 100\n"
	if !strings.HasSuffix(h.fifo, last) || strings.TrimSuffix(h.fifo, last) != strings.TrimSuffix(k.fifo, last) {
		t.Errorf("FIFO:\nhakeep:\n%s\nkeepalived:\n%s", h.fifo, k.fifo)
	}
	// keepalived starts both scripts of a state at once, in no order.
	if sortedPairs(h.scripts) != sortedPairs(k.scripts) {
		t.Errorf("scripts:\nhakeep:\n%s\nkeepalived:\n%s", h.scripts, k.scripts)
	}
}

func readText(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}

// sortedPairs sorts the two lines of each state.
func sortedPairs(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		if lines[i] > lines[i+1] {
			lines[i], lines[i+1] = lines[i+1], lines[i]
		}
	}
	return strings.Join(lines, "\n")
}

// TestLinkDelay: a loss of carrier that is shorter than
// interface_up_down_delays changes nothing, a longer one does.
func TestLinkDelay(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	hk := nstest.Hakeep(t, p.a, "[interface_up_down_delays]\neth0 = \"1s\"\n"+instance{advert: "1s"}.TOML())
	awaitState(t, hk, "MASTER")
	if err := p.portA.Down(); err != nil {
		t.Fatal(err)
	}
	if err := p.portA.Up(); err != nil {
		t.Fatal(err)
	}
	c := nstest.Capture(t, p.client, "eth0", lab.FilterVRRP)
	awaitAdverts(t, c, "192.0.2.1", 2)
	if strings.Contains(hk.LogText(), "FAULT") {
		t.Error("a short loss of carrier was noticed")
	}
	if err := p.portA.Down(); err != nil {
		t.Fatal(err)
	}
	awaitState(t, hk, "FAULT")
	if err := p.portA.Up(); err != nil {
		t.Fatal(err)
	}
	awaitState(t, hk, "MASTER")
}

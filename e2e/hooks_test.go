package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	hkstatus "hakeep/internal/status"
)

// hook is a script that does what scripts must not do. It begins by writing its
// number to $1; what it leaves behind ends by itself.
type hook struct {
	name, body string
	// script is what a tracked script that does this is: ok, failed, or either.
	script string
}

func hooks() []hook {
	return []hook{
		{"hangs", "exec sleep 60", "failed"},
		{"forks", "sleep 5 & sleep 5 </dev/null & exit 0", "ok"},
		{"writes a gigabyte", "head -c 1073741824 /dev/zero >&2; head -c 1073741824 /dev/zero", ""},
		{"exits with 1", "echo no >&2; exit 1", "failed"},
		{"ignores TERM", "trap '' TERM HUP INT; n=0; while [ $n -lt 60 ]; do sleep 1; n=$((n+1)); done", "failed"},
	}
}

func (h hook) write(t *testing.T, dir string) (script, pidFile string) {
	t.Helper()
	pidFile = filepath.Join(dir, "pid")
	return writeFile(t, dir, "bad.sh", "#!/bin/sh\necho $$ >"+pidFile+"\n"+h.body+"\n", 0o755), pidFile
}

// document is all of `hakeep status --json`.
func document(t *testing.T, h *lab.Hakeep) *hkstatus.Document {
	t.Helper()
	out, errs, code, err := h.CLI(nstest.Context(t, patience), "status", "--json")
	if err != nil || code > 1 {
		t.Fatalf("status: %v, code %d: %s", err, code, errs)
	}
	d := &hkstatus.Document{}
	if err := json.Unmarshal([]byte(out), d); err != nil {
		t.Fatalf("status: %v\n%s", err, out)
	}
	return d
}

// twoInstances are VI_1 and VI_2 on eth0, with further lines for each.
func twoInstances(top, one, two string) string {
	text := asRoot + top
	for i, more := range []string{one, two} {
		text += fmt.Sprintf("[[vrrp_instance]]\nname = \"VI_%d\"\ninterface = \"eth0\"\nvirtual_router_id = %d\npriority = 100\nadvert_int = \"100ms\"\nvirtual_ipaddress = [\"192.0.2.%d/24\"]\n%s\n",
			i+1, 51+i, 10+i, more)
	}
	return text
}

// pacer watches over the pace of adverts.
type pacer struct {
	capture *lab.Capture
	beat    *lab.Beat
	since   time.Time
}

func startPacer(t *testing.T, c *lab.Capture) *pacer {
	t.Helper()
	beat, err := lab.StartBeat(10 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	return &pacer{c, beat, time.Now()}
}

// check checks that each virtual router of router a sent in time since the
// start: the longest gap is less than two intervals of 100 ms. By how much the
// machine itself stood still meanwhile is let pass.
func (p *pacer) check(t *testing.T, vrids ...uint8) {
	t.Helper()
	stall := p.beat.Stop().Max
	c, since := p.capture, p.since
	last, worst, n := map[uint8]time.Time{}, map[uint8]time.Duration{}, map[uint8]int{}
	for _, a := range adverts(c.Frames(), "192.0.2.1") {
		if a.at.Before(since) || !slices.Contains(vrids, a.VRID) {
			continue
		}
		if a.Priority == 0 {
			t.Errorf("VRID %d gave up", a.VRID)
		}
		if before, ok := last[a.VRID]; ok {
			worst[a.VRID] = max(worst[a.VRID], a.at.Sub(before))
		}
		last[a.VRID] = a.at
		n[a.VRID]++
	}
	for _, v := range vrids {
		if n[v] < 10 || worst[v] >= 200*time.Millisecond+stall {
			t.Errorf("VRID %d: %d adverts, longest gap %v, the machine stood still for %v", v, n[v], worst[v], stall)
		}
	}
	t.Logf("adverts %v, longest gaps %v; a bare loop was late by up to %v", n, worst, stall)
}

// peakMemory is the largest resident size that a process had, in MB.
func peakMemory(t *testing.T, pid int) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.Fields(kb)[0])
			if err != nil {
				t.Fatal(err)
			}
			return float64(n) / 1024
		}
	}
	t.Fatalf("no VmHWM of %d", pid)
	return 0
}

// mainMemory is what main may have resident whatever scripts do: it needs some
// 30 MB with two instances.
const mainMemory = 64

// stopBound is what an orderly stop may take whatever scripts do: ten seconds
// for them, and a little to end those that do not want to.
const stopBound = 16 * time.Second

// checkStop stops the daemon and checks that it is quick and leaves no script.
func checkStop(t *testing.T, h *lab.Hakeep, pidFile string) {
	t.Helper()
	if mb := peakMemory(t, h.Pid()); mb > mainMemory {
		t.Errorf("main had %.1f MB, want at most %d", mb, mainMemory)
	} else {
		t.Logf("main had %.1f MB", mb)
	}
	begin := time.Now()
	if err := h.Stop(nstest.Context(t, patience)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > stopBound {
		t.Errorf("the stop took %v", took)
	} else {
		t.Logf("the stop took %v", took)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(readText(pidFile)))
	if err != nil {
		t.Fatal(err)
	}
	nstest.Eventually(t, patience, func() error {
		if unix.Kill(pid, 0) == nil {
			return fmt.Errorf("the script, %d, still runs", pid)
		}
		return nil
	})
}

// TestBadNotifyScript: a notify script that misbehaves changes nothing for
// adverts, other instances' scripts or memory, and does not keep a stop.
func TestBadNotifyScript(t *testing.T) {
	t.Parallel()
	for _, bad := range hooks() {
		t.Run(bad.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			dir := nstest.ShortDir(t)
			script, pidFile := bad.write(t, dir)
			log := filepath.Join(dir, "log")
			good := writeFile(t, dir, "good.sh", "#!/bin/sh\necho $3 >>"+log+"\n", 0o755)
			c := nstest.Capture(t, p.client, "eth0", lab.FilterVRRP)
			hk := nstest.Hakeep(t, p.a, twoInstances("", fmt.Sprintf("notify_master = %q\nnotify = %q\n", script, good), fmt.Sprintf("notify = %q\n", good)))
			nstest.Eventually(t, patience, func() error {
				if readText(pidFile) == "" || !strings.Contains(readText(log), "MASTER") {
					return fmt.Errorf("log %q", readText(log))
				}
				return nil
			})
			pace := startPacer(t, c)
			awaitAdverts(t, c, "192.0.2.1", 60)
			pace.check(t, 51, 52)
			d := document(t, hk)
			for _, target := range d.Notify.Targets {
				t.Logf("%+v", target)
				if target.Name == "VI_2" && (target.Last == nil || !target.Last.OK || target.State != "MASTER") {
					t.Errorf("VI_2: %+v", target)
				}
			}
			checkStop(t, hk, pidFile)
			if text := readText(log); strings.Count(text, "STOP") != 2 {
				t.Errorf("the scripts for STOP: %q", text)
			}
		})
	}
}

// TestBadTrackedScript: the same for a script that is tracked.
func TestBadTrackedScript(t *testing.T) {
	t.Parallel()
	for _, bad := range hooks() {
		t.Run(bad.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			dir := nstest.ShortDir(t)
			script, pidFile := bad.write(t, dir)
			c := nstest.Capture(t, p.client, "eth0", lab.FilterVRRP)
			top := fmt.Sprintf("[[vrrp_script]]\nname = \"bad\"\nscript = %q\ninterval = \"500ms\"\ntimeout = \"300ms\"\n", script) +
				"[[vrrp_script]]\nname = \"good\"\nscript = \"/bin/true\"\ninterval = \"100ms\"\n"
			hk := nstest.Hakeep(t, p.a, twoInstances(top, "track_script = [\"bad weight 10\", \"good weight 5\"]", "track_script = [\"good weight 5\"]"))
			awaitState(t, hk, "MASTER")
			var d *hkstatus.Document
			nstest.Eventually(t, patience, func() error {
				d = document(t, hk)
				if bad, good := d.Tracked[0], d.Tracked[1]; bad.Run.Runs < 3 || good.State != "ok" {
					return fmt.Errorf("%+v %+v", bad, good)
				}
				return nil
			})
			runs, pace := d.Tracked[1].Run.Runs, startPacer(t, c)
			awaitAdverts(t, c, "192.0.2.1", 60)
			took := time.Since(pace.since)
			pace.check(t, 51, 52)
			d = document(t, hk)
			t.Logf("%+v", *d.Tracked[0].Run)
			if got := d.Tracked[1].Run.Runs - runs; time.Duration(got)*100*time.Millisecond < took/2 {
				t.Errorf("the other script ran %d times in %v", got, took)
			}
			if bad.script != "" && d.Tracked[0].State != bad.script {
				t.Errorf("state %s, want %s", d.Tracked[0].State, bad.script)
			}
			want := 105
			if d.Tracked[0].State == "ok" {
				want = 115
			}
			if got := d.Instances[0].Priority.Effective; got != want || d.Instances[1].Priority.Effective != 105 {
				t.Errorf("priority %d, want %d: %+v", got, want, d.Instances[0].Priority)
			}
			checkStop(t, hk, pidFile)
		})
	}
}

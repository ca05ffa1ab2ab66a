package notify

import (
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakeep/internal/nstest"
)

// sameConf and sameHooks are the notifications of TestIdenticalToKeepalived, as
// keepalived reads them and as this package does. DIR is where the scripts are;
// each writes its name and arguments to DIR/calls.
const sameConf = `
global_defs {
	vrrp_version 3
	vrrp_notify_fifo DIR/fifo
	script_user root
}
vrrp_instance VI_1 {
	interface eth0
	virtual_router_id 51
	priority 150
	advert_int 0.1
	virtual_ipaddress { 192.0.2.10/24 }
	notify "DIR/any 'an argument' x"
	notify_master "DIR/master one 'two three' INSTANCE"
	notify_backup DIR/backup
	notify_fault DIR/fault
	notify_stop "DIR/stop 1"
}
vrrp_instance VI_2 {
	interface eth0
	virtual_router_id 52
	priority 90
	advert_int 0.1
	virtual_ipaddress { 192.0.2.11/24 }
	notify DIR/any
}
vrrp_instance alone {
	interface eth0
	virtual_router_id 53
	advert_int 0.1
	virtual_ipaddress { 192.0.2.12/24 }
	notify DIR/any
	notify_master DIR/master
}
vrrp_sync_group G1 {
	group { VI_1 VI_2 }
	notify DIR/any
	notify_master "DIR/master group"
	notify_stop DIR/stop
}
`

func sameHooks(dir string) []Hooks {
	c := func(name string, args ...string) Command {
		return command(append([]string{filepath.Join(dir, name)}, args...)...)
	}
	return []Hooks{
		{
			Target: inst("VI_1"), SyncGroup: "G1", Notify: c("any", "an argument", "x"), NotifyMaster: c("master", "one", "two three", "INSTANCE"),
			NotifyBackup: c("backup"), NotifyFault: c("fault"), NotifyStop: c("stop", "1"),
		},
		{Target: inst("VI_2"), SyncGroup: "G1", Notify: c("any")},
		{Target: inst("alone"), Notify: c("any"), NotifyMaster: c("master")},
		{Target: grp("G1"), Notify: c("any"), NotifyMaster: c("master", "group"), NotifyStop: c("stop")},
	}
}

// sameScripts makes the scripts in a directory of their own.
func sameScripts(t *testing.T) string {
	t.Helper()
	dir := scriptDir(t)
	for _, name := range []string{"any", "master", "backup", "fault", "stop"} {
		// One write for each call: keepalived runs them at the same time.
		shellScript(t, dir, name, `line="$(basename "$0")"; for a; do line="$line|$a"; done; echo "$line" >> "$(dirname "$0")/calls"`)
	}
	return dir
}

// fifoContent collects what is written to a FIFO.
type fifoContent struct {
	mu   sync.Mutex
	text strings.Builder
}

func collect(t *testing.T, path string) *fifoContent {
	t.Helper()
	f, c := openReader(t, path), &fifoContent{}
	_ = f.SetReadDeadline(time.Time{})
	go func() {
		for { // the end comes early when it was opened before the writer had
			if _, err := io.Copy(c, f); err != nil {
				return // closed
			}
			<-time.After(5 * time.Millisecond)
		}
	}()
	return c
}

func (c *fifoContent) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *fifoContent) lines() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Split(strings.TrimSuffix(c.text.String(), "\n"), "\n")
}

// wait waits for n lines in the FIFO and m calls of scripts, and returns them.
func (c *fifoContent) wait(t *testing.T, dir string, n, m int) (fifo, calls []string) {
	t.Helper()
	nstest.Eventually(t, 15*time.Second, func() error {
		fifo, calls = c.lines(), lines(t, filepath.Join(dir, "calls"))
		if len(fifo) < n || len(calls) < m {
			return fmt.Errorf("%d of %d lines: %q; %d of %d calls: %q", len(fifo), n, fifo, len(calls), m, calls)
		}
		return nil
	})
	return fifo, calls
}

// TestIdenticalToKeepalived lets keepalived start, become master, lose its link,
// become master again and stop, and gives the same events to a Manager: the same
// bytes in the FIFO, the same arguments of scripts.
func TestIdenticalToKeepalived(t *testing.T) {
	dir := sameScripts(t)
	ns := nstest.Host(t, "r1")
	lan := nstest.LAN(t)
	port := nstest.Attach(t, lan, ns, "eth0", "192.0.2.1/24")
	k := nstest.Keepalived(t, ns, strings.ReplaceAll(sameConf, "DIR", dir), "--vrrp")
	c := collect(t, filepath.Join(dir, "fifo"))
	// Four lines for each state; 5 calls for BACKUP and FAULT, 7 for MASTER, 6 for STOP.
	c.wait(t, dir, 8, 5+7)
	must(t, port.Down())
	c.wait(t, dir, 12, 5+7+5)
	must(t, port.Up())
	c.wait(t, dir, 20, 5+7+5+5+7)
	must(t, k.Stop(nstest.Context(t, 10*time.Second)))
	wantFIFO, wantCalls := c.wait(t, dir, 24, 5+7+5+5+7+6)

	own := sameScripts(t)
	m := New(Options{Logger: discard()})
	m.Apply(Spec{
		Policy: Policy{User: "root"}, Hooks: sameHooks(own),
		FIFOs: []FIFO{{Path: filepath.Join(own, "fifo"), VRRP: true}},
	})
	started(t, m)
	c = collect(t, filepath.Join(own, "fifo"))
	for _, line := range wantFIFO {
		m.Notify(parse(t, line))
		nstest.Eventually(t, 10*time.Second, func() error {
			for _, s := range m.Status().Targets {
				if s.Running != "" || s.Waiting > 0 {
					return fmt.Errorf("%+v", s)
				}
			}
			return nil
		})
	}
	fifo, calls := c.wait(t, own, len(wantFIFO), len(wantCalls))
	if diff := cmp.Diff(wantFIFO, fifo); diff != "" {
		t.Errorf("FIFO (-keepalived +hakeep):\n%s", diff)
	}
	if diff := cmp.Diff(sorted(wantCalls), sorted(calls)); diff != "" {
		t.Errorf("scripts (-keepalived +hakeep):\n%s", diff)
	}
	t.Logf("%d lines, %d scripts", len(fifo), len(calls))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// parse reads the event back from a line.
func parse(t *testing.T, line string) Event {
	t.Helper()
	f := strings.Fields(line)
	if len(f) != 4 {
		t.Fatalf("line %q", line)
	}
	e := Event{Target: Target{Instance, strings.Trim(f[1], `"`)}}
	if f[0] == "GROUP" {
		e.Target.Kind = Group
	}
	for s := Master; s <= BackupPriority; s++ {
		if s.String() == f[2] {
			e.State = s
		}
	}
	n, err := strconv.ParseUint(f[3], 10, 8)
	if err != nil || e.State == 0 {
		t.Fatalf("line %q: %v", line, err)
	}
	e.Priority = uint8(n)
	return e
}

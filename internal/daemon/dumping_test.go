package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/config"
	"hakeep/internal/wire"
)

// dumped waits for a dump that has the text and returns it.
func (r *rig) dumped(path, want string) string {
	r.Helper()
	var last error
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), want) {
			return string(text)
		}
		last = fmt.Errorf("%s: %q, %v", path, text, err)
	}
	r.Fatalf("no dump with %q: %v\n%s", want, last, r.log)
	return ""
}

// Each of keepalived's signals writes its file, for nobody else to read, where the
// configuration says or else to the runtime directory; the daemon goes on.
func TestDumpSignals(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	r := started(t, fmt.Sprintf("[global_defs]\njson_dump_file = %q\njson_version = 2\n", filepath.Join(elsewhere, "k.json"))+vi1)
	r.signals <- SignalData
	r.dumped(filepath.Join(r.dir, "keepalived.data"), "VRRP Instance = VI_1")
	r.signals <- SignalStats
	r.dumped(filepath.Join(r.dir, "keepalived.stats"), "VRRP Instance: VI_1")
	r.signals <- SignalJSON
	var doc struct {
		VRRP []struct {
			Data struct {
				IName string `json:"iname"`
			} `json:"data"`
		} `json:"vrrp"`
	}
	text := r.dumped(filepath.Join(elsewhere, "k.json"), "VI_1")
	if err := json.Unmarshal([]byte(text), &doc); err != nil || len(doc.VRRP) != 1 || doc.VRRP[0].Data.IName != "VI_1" {
		t.Errorf("%v: %s", err, text)
	}
	for _, path := range []string{filepath.Join(r.dir, "keepalived.data"), filepath.Join(elsewhere, "k.json")} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(elsewhere, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	r.stop()
}

// The signal for data also writes the dump of checkers as soon as there is a virtual
// server, beside the other one.
func TestDumpFiles(t *testing.T) {
	t.Parallel()
	balanced := &config.Config{VirtualServers: []config.VirtualServer{{}}}
	for _, tt := range []struct {
		name  string
		sig   syscall.Signal
		cfg   *config.Config
		state string
		want  []string
	}{
		{"data", SignalData, &config.Config{}, "", []string{"/run/h/keepalived.data"}},
		{"with a virtual server", SignalData, balanced, "", []string{"/run/h/keepalived.data", "/run/h/keepalived_check.data"}},
		{"elsewhere", SignalData, balanced, "/tmp/k.data", []string{"/tmp/k.data", "/tmp/k_check.data"}},
		{"without an ending", SignalData, balanced, "/tmp.d/k", []string{"/tmp.d/k", "/tmp.d/k_check"}},
		{"statistics", SignalStats, balanced, "", []string{"/run/h/keepalived.stats"}},
		{"cleared", SignalStatsClear, balanced, "", []string{"/run/h/keepalived.stats"}},
		{"JSON", SignalJSON, balanced, "", []string{"/run/h/keepalived.json"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, form := range dumpForms(tt.sig, tt.cfg) {
				got = append(got, dumpPath(&config.Global{Dumps: config.Dumps{State: tt.state}}, form, "/run/h"))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// Clearing dumps the counters as they were, and counts from there.
func TestStatsClear(t *testing.T) {
	t.Parallel()
	r := started(t, vi1)
	path := filepath.Join(r.dir, "keepalived.stats")
	sent := func() (n int) {
		r.signals <- SignalStats
		text := r.dumped(path, "Sent: ")
		_, after, _ := strings.Cut(text, "Sent: ")
		_, _ = fmt.Sscan(after, &n)
		return n
	}
	if n := sent(); n < 1 {
		t.Fatalf("%d adverts sent", n)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.signals <- SignalStatsClear
	before := r.dumped(path, "Sent: ")
	if strings.Contains(before, "Sent: 0\n  Became") {
		t.Errorf("cleared before the dump:\n%s", before)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.signals <- SignalStats
	r.dumped(path, "Sent: 0\n  Became master: 0")
	r.stop()
}

// Cleared counters are remembered by the next main process, as long as it is the same
// elector that counts.
func TestClearedOutlivesMain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	then := time.Now()
	snap := &wire.Snapshot{Started: then, Instances: []wire.InstanceStatus{{Name: "VI_1", Counters: wire.Counters{AdvertsSent: 7}}}}
	if err := newDumper(dir).clear(snap); err != nil {
		t.Fatal(err)
	}
	next := newDumper(dir)
	if err := next.load(); err != nil {
		t.Fatal(err)
	}
	if n := next.base(snap)["VI_1"].AdvertsSent; n != 7 {
		t.Errorf("%d are taken off, want 7", n)
	}
	if base := next.base(&wire.Snapshot{Started: then.Add(time.Second)}); base != nil {
		t.Errorf("of another elector %v is taken off", base)
	}
}

// What an elector that does not answer would make of a dump is no dump: also the
// old one goes.
func TestDumpWithoutElector(t *testing.T) {
	t.Parallel()
	r := started(t, vi1)
	path := filepath.Join(r.dir, "keepalived.json")
	r.signals <- SignalJSON
	r.dumped(path, "VI_1")
	e := r.fakes.latest()
	e.lock(func() { e.hold = make(chan struct{}) }) // never closed: no answer
	r.signals <- SignalJSON
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the old dump stays\n%s", r.log)
		}
	}
}

// In a directory that others may write to, nobody makes hakeep write or remove
// anything else.
func TestDumpTraps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link, fifo := filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.Symlink(victim, link), unix.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := replaceDump(link, []byte("new")); err != nil {
		t.Error(err)
	}
	if info, err := os.Lstat(link); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the link: %v, %v", info, err)
	}
	if text, err := os.ReadFile(victim); string(text) != "precious" {
		t.Errorf("the file behind the link: %q, %v", text, err)
	}
	for _, path := range []string{fifo, dir} {
		if err := replaceDump(path, []byte("new")); err == nil || !strings.Contains(err.Error(), "stays as it is") {
			t.Errorf("%s: %v", path, err)
		}
		if err := removeDump(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode().IsRegular() {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
}

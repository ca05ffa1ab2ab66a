package elector

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// memoryDir is a directory on a file system in memory.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "hk")
	if err != nil {
		t.Skipf("no file system in memory: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil || fs.Type != unix.TMPFS_MAGIC {
		t.Skip("/dev/shm is not a tmpfs")
	}
	return dir
}

func marked(name string, vrid uint8, until time.Duration) *member {
	p := vrrp.Params{Name: name, Family: vrrp.IPv4, Version: vrrp.V3, VRID: vrid, Link: "eth0", Group: netip.MustParseAddr("224.0.0.18")}
	return &member{inst: &wire.Instance{Params: p}, until: until}
}

// TestMarks: the next process finds what was stored last, by what the instances
// are on the wire; a layout keeps it, the orderly end forgets it.
func TestMarks(t *testing.T) {
	t.Parallel()
	dir := memoryDir(t)
	f, found, err := openMarks(dir)
	if err != nil || found != nil {
		t.Fatalf("%v, %v", found, err)
	}
	a, b, c := marked("a", 1, 0), marked("b", 2, 0), marked("c", 3, 7)
	f.put(a.slot, 99) // it has no slot yet
	if err := f.layout([]*member{a, b}); err != nil {
		t.Fatal(err)
	}
	f.put(a.slot, 5)
	f.put(b.slot, 6)
	f.put(b.slot, 0) // master no more
	a.until = 5
	look := func() map[identity]time.Duration {
		t.Helper()
		_, found, err := openMarks(dir)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	renamed := marked("other name", 1, 0)
	if got := look(); len(got) != 1 || got[identityOf(&renamed.inst.Params)] != 5 {
		t.Errorf("found %v", got)
	}
	if err := f.layout([]*member{c, a}); err != nil {
		t.Fatal(err)
	}
	f.put(a.slot, 8)
	if got := look(); len(got) != 2 || got[identityOf(&a.inst.Params)] != 8 || got[identityOf(&c.inst.Params)] != 7 {
		t.Errorf("after another layout: %v", got)
	}
	if st, err := os.Stat(filepath.Join(dir, marksName)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("file: %v, %v", st, err)
	}
	f.remove()
	f.put(a.slot, 9)
	if got := look(); got != nil {
		t.Errorf("after the orderly end: %v", got)
	}
}

// TestMarksNoMemory: on a disk a store could have to wait for it.
func TestMarksNoMemory(t *testing.T) {
	t.Parallel()
	if _, _, err := openMarks("/proc"); err == nil || !strings.Contains(err.Error(), "in memory") {
		t.Errorf("error %v", err)
	}
}

// TestParseMarks: another boot, or damage, is no mark.
func TestParseMarks(t *testing.T) {
	t.Parallel()
	m := marked("a", 1, 5)
	text := appendMarks(nil, "boot", []*member{m, marked("b", 2, -1), marked("c", 3, 0)})
	if got := parseMarks(text, "boot"); len(got) != 1 || got[identityOf(&m.inst.Params)] != 5 {
		t.Errorf("found %v", got)
	}
	if got := parseMarks(text, "other"); got != nil {
		t.Errorf("of another boot: %v", got)
	}
	for n := range len(text) {
		if got := parseMarks(text[:n], "boot"); got != nil {
			t.Errorf("of %d bytes: %v", n, got)
		}
	}
	text[56+7] = 0xff
	if got := parseMarks(text, "boot"); got != nil {
		t.Errorf("of too many: %v", got)
	}
}

func FuzzParseMarks(f *testing.F) {
	f.Add(appendMarks(nil, "boot", []*member{marked("a", 1, 5)}))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, until := range parseMarks(text, "boot") {
			if until <= 0 {
				t.Errorf("a mark of %v", until)
			}
		}
	})
}

// TestIdentity: what makes another virtual router makes another identity.
func TestIdentity(t *testing.T) {
	t.Parallel()
	base := marked("a", 1, 0).inst.Params
	same := base
	same.Name, same.Priority, same.Interval = "b", 200, time.Second
	if identityOf(&same) != identityOf(&base) {
		t.Error("name, priority and interval count")
	}
	for name, change := range map[string]func(*vrrp.Params){
		"family":  func(p *vrrp.Params) { p.Family = vrrp.IPv6 },
		"version": func(p *vrrp.Params) { p.Version = vrrp.V2 },
		"vrid":    func(p *vrrp.Params) { p.VRID = 2 },
		"link":    func(p *vrrp.Params) { p.Link = "eth1" },
		"group":   func(p *vrrp.Params) { p.Group = netip.MustParseAddr("224.0.0.19") },
		"unicast": func(p *vrrp.Params) { p.Unicast = true },
		"peers": func(p *vrrp.Params) {
			p.Unicast, p.Peers = true, []vrrp.Peer{{Addr: netip.MustParseAddr("192.0.2.2")}}
		},
	} {
		p := base
		change(&p)
		if identityOf(&p) == identityOf(&base) {
			t.Errorf("%s does not count", name)
		}
	}
}

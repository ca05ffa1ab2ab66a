package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/nstest"
)

// openReader opens a FIFO as a reader does that does not wait for a writer.
func openReader(t *testing.T, path string) *os.File {
	t.Helper()
	var f *os.File
	nstest.Eventually(t, 5*time.Second, func() (err error) {
		if info, err := os.Stat(path); err != nil || info.Mode().Type() != os.ModeNamedPipe {
			return fmt.Errorf("%s: %w", path, errors.Join(err, errors.New("no FIFO")))
		}
		f, err = os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
		return err
	})
	t.Cleanup(func() { f.Close() })
	return f
}

// read reads exactly n bytes. The end of the FIFO is no end: it may have been
// opened before the writer had.
func read(t *testing.T, f *os.File, n int) string {
	t.Helper()
	buf, got := make([]byte, n), 0
	_ = f.SetReadDeadline(time.Now().Add(10 * time.Second))
	nstest.Eventually(t, 10*time.Second, func() error {
		more, err := io.ReadFull(f, buf[got:])
		got += more
		if err != nil {
			return fmt.Errorf("read %d of %d bytes %q: %w", got, n, buf[:min(got, 200)], err)
		}
		return nil
	})
	return string(buf)
}

// fifoSpec has instance A and a FIFO.
func fifoSpec(t *testing.T) (Spec, string) {
	path := filepath.Join(t.TempDir(), "fifo")
	return Spec{
		Hooks: []Hooks{{Target: inst("A"), PriorityChanges: true}, {Target: inst("B")}, {Target: grp("G")}},
		FIFOs: []FIFO{{Path: path, VRRP: true}},
	}, path
}

func fifoStatus(m *Manager) FIFOStatus {
	if all := m.Status().FIFOs; len(all) == 1 {
		return all[0]
	}
	return FIFOStatus{}
}

func TestFIFOBytes(t *testing.T) {
	noLeaks(t)
	s, path := fifoSpec(t)
	lvs := filepath.Join(filepath.Dir(path), "lvs")
	s.FIFOs = append(s.FIFOs, FIFO{Path: lvs, LVS: true}, FIFO{Path: path, LVS: true}) // the last is the first again
	m := newManager(Options{Logger: discard()}, scripts{}, noMail{})
	m.Apply(s)
	started(t, m)
	f, l := openReader(t, path), openReader(t, lvs)
	m.tell(inst("A"), Backup, 100)
	m.tell(inst("A"), Master, 100)
	m.tell(grp("G"), Master, 77)
	m.tell(inst("A"), MasterPriority, 90)
	m.tell(inst("B"), MasterPriority, 90) // not asked for
	m.tell(inst("A"), MasterRxLowerPri, 90)
	m.tell(inst("unknown"), Master, 90)
	m.NotifyServer(ServerEvent{Virtual: Service{FWMark: 1}, Up: true})
	want := "INSTANCE \"A\" BACKUP 100\nINSTANCE \"A\" MASTER 100\nGROUP \"G\" MASTER 0\n" +
		"INSTANCE \"A\" MASTER_PRIORITY 90\nINSTANCE \"A\" MASTER_RX_LOWER_PRI 90\nVS FWM 1 UP\n"
	if got := read(t, f, len(want)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := read(t, l, 12); got != "VS FWM 1 UP\n" {
		t.Errorf("got %q", got)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != os.ModeNamedPipe|0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := m.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(f); len(rest) > 0 || err != nil {
		t.Errorf("%q and %v instead of the end", rest, err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the FIFO is still there: %v", err)
	}
}

// TestFIFOReaderComesLate: what was written before is there, in order.
func TestFIFOReaderComesLate(t *testing.T) {
	t.Parallel()
	s, path := fifoSpec(t)
	m := newManager(Options{Logger: discard()}, scripts{}, noMail{})
	m.Apply(s)
	var want bytes.Buffer
	for i := range 200 {
		want.Write(Line(inst("A"), Master, uint8(i)))
		m.tell(inst("A"), Master, uint8(i))
	}
	started(t, m)
	nstest.Eventually(t, 5*time.Second, func() error {
		if s := fifoStatus(m); s.Written != 200 || s.Waiting != 0 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	if got := read(t, openReader(t, path), want.Len()); got != want.String() {
		t.Error("other bytes")
	}
}

// TestFIFOFull writes more than the FIFO and the queue hold: nothing blocks, the
// oldest of what waited is lost and counted, and what arrives is whole lines in
// order that end with the newest.
func TestFIFOFull(t *testing.T) {
	t.Parallel()
	s, path := fifoSpec(t)
	s.FIFOs[0].LVS = true
	l := &logBuffer{}
	m := newManager(Options{Logger: l.logger()}, scripts{}, noMail{})
	m.Apply(s)
	started(t, m)
	f := openReader(t, path)
	const n = 12000
	event := func(i int) ServerEvent { return ServerEvent{Virtual: Service{FWMark: uint32(i + 1)}} }
	begin := time.Now()
	for i := range n {
		m.NotifyServer(event(i))
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("telling took %v", took)
	}
	var lines []string
	for rest := ""; ; {
		_ = f.SetReadDeadline(time.Now().Add(time.Second))
		buf := make([]byte, 1<<16)
		got, err := f.Read(buf)
		if err != nil {
			if rest != "" {
				t.Errorf("half a line: %q", rest)
			}
			break
		}
		all := strings.SplitAfter(rest+string(buf[:got]), "\n")
		rest = all[len(all)-1]
		lines = append(lines, all[:len(all)-1]...)
	}
	st := fifoStatus(m)
	if st.Dropped == 0 || st.Waiting != 0 || int(st.Dropped)+len(lines) != n || int(st.Written) != len(lines) {
		t.Errorf("%d lines of %d, status %+v", len(lines), n, st)
	}
	at := 0
	for _, line := range lines {
		for at < n && line != string(ServerLine(event(at))) {
			at++
		}
		at++
	}
	if at != n {
		t.Errorf("not in order, or not to the end: %d of %d", at, n)
	}
	for _, want := range []string{"notify FIFO is full", fmt.Sprintf(`msg="notify FIFO is read again" fifo=%s dropped=%d`, path, st.Dropped)} {
		if strings.Count(l.String(), want) != 1 {
			t.Errorf("not logged once: %s", want)
		}
	}
}

// TestFIFOSurvivesReload: the same file, and a reader notices nothing.
func TestFIFOSurvivesReload(t *testing.T) {
	t.Parallel()
	s, path := fifoSpec(t)
	s.WriteStatesOnReload = true
	m := newManager(Options{Logger: discard()}, scripts{}, noMail{})
	m.Apply(s)
	started(t, m)
	f := openReader(t, path)
	m.tell(inst("A"), Backup, 100)
	m.tell(grp("G"), Fault, 0)
	m.tell(inst("A"), BackupPriority, 80)
	m.Apply(s)
	m.tell(inst("A"), Master, 100)
	s.FIFOs = []FIFO{{Path: path, VRRP: true, LVS: true}}
	s.WriteStatesOnReload = false
	m.Apply(s)
	m.tell(inst("A"), Backup, 100)
	want := "INSTANCE \"A\" BACKUP 100\nGROUP \"G\" FAULT 0\nINSTANCE \"A\" BACKUP_PRIORITY 80\n" +
		"GROUP \"G\" FAULT 0\nINSTANCE \"A\" BACKUP 80\n" + "INSTANCE \"A\" MASTER 100\nINSTANCE \"A\" BACKUP 100\n"
	if got := read(t, f, len(want)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// Another path: the old one goes, and comes back when it is wanted again.
	other := s
	other.FIFOs = []FIFO{{Path: path + "2", VRRP: true}}
	m.Apply(other)
	_ = f.SetReadDeadline(time.Now().Add(5 * time.Second))
	if rest, err := io.ReadAll(f); len(rest) > 0 || err != nil {
		t.Errorf("%q, %v instead of the end", rest, err)
	}
	m.Apply(s)
	m.tell(inst("A"), Fault, 100)
	nstest.Eventually(t, 5*time.Second, func() error {
		if s := m.Status().FIFOs; len(s) != 1 || s[0].Path != path || !s[0].Open {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	want = "INSTANCE \"A\" FAULT 100\n"
	if got := read(t, openReader(t, path), len(want)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestFIFOWantedAgain: a FIFO that is taken out of the configuration and put back
// before its reader has ended. There is one reader at a time, and the lines told
// meanwhile are for the new one.
func TestFIFOWantedAgain(t *testing.T) {
	t.Parallel()
	dir := scriptDir(t)
	path := filepath.Join(dir, "fifo")
	reader := shellScript(t, dir, "reader", `trap 'sleep 0.3; echo "$$ end" >> "$1/pids"; exit 0' TERM
echo "$$ begin" >> "$1/pids"
exec 3<>"$2"
while read -r line <&3; do echo "$line" >> "$1/got"; done`)
	with := Spec{Policy: me(), Hooks: []Hooks{{Target: inst("A")}}, FIFOs: []FIFO{{Path: path, VRRP: true, Script: command(reader, dir)}}}
	without := Spec{Policy: me(), Hooks: with.Hooks}
	m := New(Options{Logger: discard()})
	m.Apply(with)
	started(t, m)
	arrived := func(want ...string) {
		t.Helper()
		nstest.Eventually(t, 10*time.Second, func() error {
			if got := lines(t, filepath.Join(dir, "got")); !slices.Equal(got, want) {
				return fmt.Errorf("%q", got)
			}
			return nil
		})
	}
	m.tell(inst("A"), Backup, 1)
	arrived(`INSTANCE "A" BACKUP 1`)
	m.Apply(without)
	m.Apply(with)
	m.tell(inst("A"), Master, 1)
	arrived(`INSTANCE "A" BACKUP 1`, `INSTANCE "A" MASTER 1`)
	pids := lines(t, filepath.Join(dir, "pids"))
	if len(pids) != 3 || pids[0] == pids[2] || pids[1] != strings.Replace(pids[0], "begin", "end", 1) {
		t.Errorf("%q", pids)
	}
}

// TestFIFOLongLines: lines that are longer than what the kernel writes at once
// (4 KiB) arrive whole although the FIFO is full all the time.
func TestFIFOLongLines(t *testing.T) {
	t.Parallel()
	s, path := fifoSpec(t)
	name := strings.Repeat("long", 2500)
	s.Hooks = []Hooks{{Target: inst(name)}}
	m := newManager(Options{Logger: discard()}, scripts{}, noMail{})
	m.Apply(s)
	started(t, m)
	f := openReader(t, path)
	var want bytes.Buffer
	for i := range 100 {
		want.Write(Line(inst(name), Master, uint8(i)))
		m.tell(inst(name), Master, uint8(i))
	}
	if got := read(t, f, want.Len()); got != want.String() {
		t.Error("other bytes")
	}
	// A line that was begun is counted as lost when the FIFO goes.
	w := writer{f: m.fifos[path], held: []byte("rest"), begun: true}
	w.close()
	if s := fifoStatus(m); s.Dropped != 1 || w.held != nil {
		t.Errorf("%+v", s)
	}
}

func TestFIFOIsMadeAgain(t *testing.T) {
	t.Parallel()
	s, path := fifoSpec(t)
	l := &logBuffer{}
	m := newManager(Options{Logger: l.logger()}, scripts{}, noMail{})
	m.Apply(s)
	started(t, m)
	openReader(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	m.tell(inst("A"), Master, 1)
	if got := read(t, openReader(t, path), 22); got != "INSTANCE \"A\" MASTER 1\n" {
		t.Errorf("got %q", got)
	}
	if !strings.Contains(l.String(), "removed by another program") {
		t.Error("nothing is said about it")
	}
}

func TestFIFOWrongThings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("target", link); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		fifo FIFO
		want string
	}{
		"file":         {FIFO{Path: file}, "exists and is not a FIFO"},
		"link":         {FIFO{Path: link}, "exists and is not a FIFO"},
		"directory":    {FIFO{Path: dir}, "exists and is not a FIFO"},
		"device":       {FIFO{Path: "/dev/null"}, "exists and is not a FIFO"},
		"no directory": {FIFO{Path: filepath.Join(dir, "no", "fifo")}, "no such file"},
		"no user":      {FIFO{Path: filepath.Join(dir, "a"), User: "no_such_user"}, "unknown user"},
		"no group":     {FIFO{Path: filepath.Join(dir, "b"), User: "root", Group: "no_such_group"}, "group no_such_group"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := openPipe(c.fifo)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if err == nil {
				p.file.Close()
			}
		})
	}
}

// TestFIFOComesLater: lines wait until the FIFO can be made.
func TestFIFOComesLater(t *testing.T) {
	t.Parallel()
	s, path := fifoSpec(t)
	dir := filepath.Join(filepath.Dir(path), "later")
	s.FIFOs[0].Path = filepath.Join(dir, "fifo")
	l := &logBuffer{}
	m := newManager(Options{Logger: l.logger()}, scripts{}, noMail{})
	m.Apply(s)
	started(t, m)
	m.tell(inst("A"), Master, 1)
	nstest.Eventually(t, 5*time.Second, func() error {
		if s := fifoStatus(m); s.Error == "" {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := read(t, openReader(t, s.FIFOs[0].Path), 22); got != "INSTANCE \"A\" MASTER 1\n" {
		t.Errorf("got %q", got)
	}
	if s := fifoStatus(m); s.Error != "" || !s.Open {
		t.Errorf("%+v", s)
	}
}

func TestFIFOOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		nstest.SkipOrFail(t, "needs root")
	}
	dir := t.TempDir()
	stat := func(path string) unix.Stat_t {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			t.Fatal(err)
		}
		return st
	}
	path := filepath.Join(dir, "fifo")
	p, err := openPipe(FIFO{Path: path, User: "4321", Group: "1234"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.file.Close()
	if st := stat(path); st.Uid != 4321 || st.Gid != 1234 || st.Mode != unix.S_IFIFO|0o644 {
		t.Errorf("%+v", st)
	}
	// Another user's is not trusted, unless that user is meant.
	if p, err := openPipe(FIFO{Path: path}); err == nil || !strings.Contains(err.Error(), "belongs to user 4321") {
		t.Errorf("%v, %v", p, err)
	}
	if err := p.chown(FIFO{Path: path, User: "root"}); err != nil {
		t.Fatal(err)
	}
	if st := stat(path); st.Uid != 0 || st.Gid != 0 {
		t.Errorf("%+v", st)
	}
	again, err := openPipe(FIFO{Path: path, User: "daemon"})
	if err != nil {
		t.Fatal(err)
	}
	defer again.file.Close()
	if st := stat(path); st.Uid == 0 || again.created {
		t.Errorf("%+v", st)
	}
	again.remove()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("a FIFO that was there before was removed: %v", err)
	}
}

// TestFIFOEndsWithContext: breaking off leaves nothing behind.
func TestFIFOEndsWithContext(t *testing.T) {
	noLeaks(t)
	s, path := fifoSpec(t)
	m := newManager(Options{Logger: discard()}, scripts{}, noMail{})
	m.Apply(s)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = m.Run(ctx) })
	openReader(t, path).Close()
	for range 20000 { // full
		m.tell(inst("A"), Master, 1)
	}
	cancel()
	begin := time.Now()
	wg.Wait()
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the FIFO is still there: %v", err)
	}
}

package notify

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakeep/internal/nstest"
)

// openFIFO is a FIFO in virtual time that counts as open, with its reader.
func openFIFO(t *testing.T, c Command) (*fifo, *fakeRunner, *logBuffer) {
	t.Helper()
	l, r := &logBuffer{}, &fakeRunner{}
	f := newFIFO(l.logger(), r, func() {}, FIFO{Path: "/f", Script: c}, Policy{})
	f.open = true
	var wg sync.WaitGroup
	wg.Go(func() { f.reader.serve(t.Context()) })
	t.Cleanup(wg.Wait)
	synctest.Wait()
	return f, r, l
}

func TestReaderIsStartedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, r, l := openFIFO(t, command("/reader", "2s"))
		time.Sleep(5 * time.Minute)
		// 2 s each, with pauses of 1, 2, 4 … 60 s.
		want := 1
		for at, pause := 2*time.Second, time.Second; at+pause < 5*time.Minute; pause = min(2*pause, time.Minute) {
			at += pause + 2*time.Second
			want++
		}
		if got := r.list(); len(got) != want || got[0] != "/reader 2s /f" || len(r.overlap) > 0 {
			t.Errorf("%d starts, want %d: %q", len(got), want, got)
		}
		if s := f.snapshot(); s.ScriptRestarts != uint64(want-1) || s.ScriptLast != "exit status 0" {
			t.Errorf("%+v", s)
		}
		if n := strings.Count(l.String(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings about the same:\n%s", n, l)
		}
	})
}

// TestReaderInBackground: a program that detaches itself would be started
// without end.
func TestReaderInBackground(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, r, l := openFIFO(t, command("/daemonizes"))
		time.Sleep(time.Hour)
		if n := len(r.list()); n != 1 || !strings.Contains(l.String(), "runs in the background") {
			t.Errorf("%d starts", n)
		}
		f.apply(FIFO{Path: "/f", Script: command("/other", "10h")}, Policy{})
		synctest.Wait()
		if diff := cmp.Diff([]string{"/daemonizes /f", "/other 10h /f"}, r.list()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestReaderOverReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, r, _ := openFIFO(t, command("/a", "10h"))
		f.apply(FIFO{Path: "/f", LVS: true, Script: command("/a", "10h")}, Policy{}) // the same reader
		time.Sleep(time.Second)
		f.apply(FIFO{Path: "/f", Script: command("/b", "10h")}, Policy{})
		time.Sleep(time.Second)
		f.apply(FIFO{Path: "/f", Script: command("/b", "10h")}, Policy{User: "somebody"})
		time.Sleep(time.Second)
		f.apply(FIFO{Path: "/f"}, Policy{User: "somebody"})
		time.Sleep(time.Second)
		if s := f.snapshot(); !s.ScriptSince.IsZero() || s.ScriptRestarts != 0 {
			t.Errorf("%+v", s)
		}
		f.apply(FIFO{Path: "/f", Script: command("/c", "10h")}, Policy{})
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{"/a 10h /f", "/b 10h /f", "/b 10h /f", "/c 10h /f"}, r.list()); diff != "" {
			t.Error(diff)
		}
		f.leave()
		time.Sleep(time.Second)
		f.reader.poke()
		time.Sleep(time.Hour)
		if n := len(r.list()); n != 4 {
			t.Errorf("%d starts after leaving", n)
		}
	})
}

// readerScript writes its process id to DIR/pids, then what it reads to
// DIR/got, and says when it ends.
const readerScript = `echo $$ >> "$1/pids"
exec < "$2"
while read -r line; do echo "$line" >> "$1/got"; done
echo "$$ eof" >> "$1/pids"`

// TestReaderProcess: a real program reads all lines over a kill and a reload,
// and ends at the stop by the end of the FIFO.
func TestReaderProcess(t *testing.T) {
	noLeaks(t)
	dir := scriptDir(t)
	path := filepath.Join(dir, "fifo")
	s := Spec{
		Policy: me(), Hooks: []Hooks{{Target: inst("A")}},
		FIFOs: []FIFO{{Path: path, VRRP: true, Script: command(shellScript(t, dir, "reader", readerScript), dir)}},
	}
	m := New(Options{Logger: discard()})
	m.Apply(s)
	started(t, m)
	var want []string
	tell := func(n int) {
		for range n {
			p := uint8(len(want))
			m.tell(inst("A"), Master, p)
			want = append(want, fmt.Sprintf("INSTANCE \"A\" MASTER %d", p))
		}
		nstest.Eventually(t, 10*time.Second, func() error {
			got := lines(t, filepath.Join(dir, "got"))
			if !slices.Equal(got, want) {
				return fmt.Errorf("got %d lines of %d", len(got), len(want))
			}
			return nil
		})
	}
	tell(20)
	kill(t, lines(t, filepath.Join(dir, "pids"))[0])
	nstest.Eventually(t, 10*time.Second, func() error { // until then it may take lines along
		if s := fifoStatus(m); s.ScriptLast != "killed by SIGKILL" {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	tell(20)
	m.Apply(s)
	tell(20)
	if got := fifoStatus(m); got.ScriptRestarts != 1 || got.ScriptSince.IsZero() {
		t.Errorf("%+v", got)
	}
	if err := m.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	pids := lines(t, filepath.Join(dir, "pids"))
	if len(pids) != 3 || pids[2] != pids[1]+" eof" {
		t.Errorf("%q", pids)
	}
}

func kill(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(n)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

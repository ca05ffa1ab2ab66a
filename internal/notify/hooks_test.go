package notify

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hakeep/internal/nstest"
)

// scriptDir is a directory that scripts may be run from and write to.
func scriptDir(t *testing.T) string {
	t.Helper()
	return nstest.ShortDir(t)
}

func shellScript(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// me runs scripts as the user of the test.
func me() Policy { return Policy{User: strconv.Itoa(os.Geteuid())} }

// TestBadHooks: each of these hooks is one of an instance, and beside them one
// instance works. That one must not notice, and everything must end.
func TestBadHooks(t *testing.T) {
	noLeaks(t)
	dir := scriptDir(t)
	out := filepath.Join(dir, "out")
	bad := map[string]struct{ script, want string }{
		"hang":        {"sleep 1000", "timed out after "},
		"ignore-term": {"trap '' TERM; while :; do sleep 1; done", "timed out after "},
		"fork":        {"for i in 1 2 3 4 5; do sleep 1000 & done; wait", "timed out after "},
		"write":       {"head -c 1000000000 /dev/zero; head -c 1000000000 /dev/zero >&2; echo last words >&2; exit 3", "exit status 3"},
		"exit-1":      {"echo no such volume >&2; exit 1", "exit status 1"},
		"killed":      {"kill -9 $$", "killed by SIGKILL"},
		"missing":     {"", "no such file"},
	}
	s := Spec{Policy: me(), Hooks: []Hooks{{Target: inst("good"), Notify: command(shellScript(t, dir, "good", `echo "$@" >> `+out))}}}
	for name, b := range bad {
		path := filepath.Join(dir, name)
		if b.script != "" {
			shellScript(t, dir, name, b.script)
		}
		c := command(path)
		c.Timeout = 700 * time.Millisecond
		if name == "write" {
			c.Timeout = 30 * time.Second
		}
		s.Hooks = append(s.Hooks, Hooks{Target: inst(name), NotifyMaster: c})
	}
	ends := make(chan Outcome, 100)
	m := New(Options{Logger: discard(), Report: func(o Outcome) { ends <- o }})
	m.Apply(s)
	started(t, m)
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	before := mem.TotalAlloc
	for _, h := range s.Hooks {
		m.tell(h.Target, Master, 1)
	}
	left := len(s.Hooks)
	for i := 0; i < 10 || left > 0; {
		if i < 10 { // the good one goes on
			m.tell(inst("good"), State(1+i%2), uint8(i))
		}
		select {
		case o := <-ends:
			if o.Target.Name == "good" {
				if i++; !o.Result.OK() {
					t.Errorf("good hook: %v", o.Result)
				}
				if i == 1 {
					left--
				}
				continue
			}
			left--
			if want := bad[o.Target.Name].want; !strings.Contains(o.Result.String(), want) {
				t.Errorf("%s: %q, want %q", o.Target.Name, o.Result, want)
			}
			if o.Target.Name == "write" && !strings.HasSuffix(o.Result.Stderr, "last words") || o.Target.Name == "exit-1" && o.Result.Stderr != "no such volume" {
				t.Errorf("%s: stderr %q", o.Target.Name, o.Result.Stderr)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%d hooks have not ended: %+v", left, m.Status().Targets)
		}
	}
	runtime.ReadMemStats(&mem)
	if grown := mem.TotalAlloc - before; grown > 64<<20 {
		t.Errorf("took %d MB", grown>>20)
	}
	if len(lines(t, out)) < 10 {
		t.Errorf("the good hook ran %d times", len(lines(t, out)))
	}
	if err := m.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestStopWithHangingHook: a hook that ignores SIGTERM does not keep the script
// for the stop from running.
func TestStopWithHangingHook(t *testing.T) {
	noLeaks(t)
	dir := scriptDir(t)
	out := filepath.Join(dir, "out")
	m := New(Options{Logger: discard()})
	m.Apply(Spec{Policy: me(), Hooks: []Hooks{{
		Target:       inst("A"),
		NotifyMaster: command(shellScript(t, dir, "hang", "trap '' TERM; echo began >> "+out+"; while :; do sleep 1; done")),
		NotifyStop:   command(shellScript(t, dir, "stop", `echo "stop $*" >> `+out), "a b", "c"),
	}}})
	started(t, m)
	m.tell(inst("A"), Master, 1)
	nstest.Eventually(t, 10*time.Second, func() error {
		if got := lines(t, out); got[0] != "began" {
			return fmt.Errorf("%q", got)
		}
		return nil
	})
	m.tell(inst("A"), Stop, 1)
	if err := m.Stop(nstest.Context(t, 6*time.Second)); err != nil {
		t.Error(err)
	}
	if got := lines(t, out); !slices.Equal(got, []string{"began", "stop a b c"}) {
		t.Errorf("%q", got)
	}
}

// TestArguments: what a real process gets, byte by byte.
func TestArguments(t *testing.T) {
	t.Parallel()
	dir := scriptDir(t)
	out := filepath.Join(dir, "out")
	show := shellScript(t, dir, "show", `for a; do printf '<%s>' "$a"; done >> `+out+`; echo >> `+out)
	m := New(Options{Logger: discard()})
	m.Apply(Spec{Policy: me(), Hooks: []Hooks{
		{Target: inst("VI 1"), NotifyMaster: command(show, "one", "two three", ""), Notify: command(show, "$HOME")},
		{Target: grp("G"), Notify: command(show)},
	}})
	started(t, m)
	m.tell(inst("VI 1"), Master, 200)
	wait := func(want ...string) {
		t.Helper()
		nstest.Eventually(t, 10*time.Second, func() error {
			if got := lines(t, out); !slices.Equal(got, want) {
				return fmt.Errorf("%q", got)
			}
			return nil
		})
	}
	wait("<one><two three><>", "<$HOME><INSTANCE><VI 1><MASTER><200>")
	m.tell(grp("G"), Fault, 200)
	wait("<one><two three><>", "<$HOME><INSTANCE><VI 1><MASTER><200>", "<GROUP><G><FAULT><0>")
}

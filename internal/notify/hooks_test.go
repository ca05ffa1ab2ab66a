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

// badHook misbehaves; want is a part of what is said about its end.
type badHook struct{ script, want string }

func badHooks() map[string]badHook {
	return map[string]badHook{
		"hang":        {"sleep 1000", "timed out after "},
		"ignore-term": {"trap '' TERM; while :; do sleep 1; done", "timed out after "},
		"fork":        {"for i in 1 2 3 4 5; do sleep 1000 & done; wait", "timed out after "},
		"write":       {"head -c 1000000000 /dev/zero; head -c 1000000000 /dev/zero >&2; echo last words >&2; exit 3", "exit status 3"},
		"exit-1":      {"echo no such volume >&2; exit 1", "exit status 1"},
		"killed":      {"kill -9 $$", "killed by SIGKILL"},
		"missing":     {"", "no such file"},
	}
}

// badSpec has an instance for each bad hook, and one whose hook writes its
// arguments to out.
func badSpec(t *testing.T, dir, out string) Spec {
	t.Helper()
	s := Spec{Policy: me(), Hooks: []Hooks{{Target: inst("good"), Notify: command(shellScript(t, dir, "good", `echo "$@" >> `+out))}}}
	for name, b := range badHooks() {
		c := command(filepath.Join(dir, name))
		if b.script != "" {
			shellScript(t, dir, name, b.script)
		}
		c.Timeout = 700 * time.Millisecond
		if name == "write" {
			c.Timeout = 30 * time.Second
		}
		s.Hooks = append(s.Hooks, Hooks{Target: inst(name), NotifyMaster: c})
	}
	return s
}

// checkBad looks how a bad hook ended.
func checkBad(t *testing.T, o Outcome) {
	t.Helper()
	if want := badHooks()[o.Target.Name].want; !strings.Contains(o.Result.String(), want) {
		t.Errorf("%s: %q, want %q", o.Target.Name, o.Result, want)
	}
	switch {
	case o.Target.Name == "write" && !strings.HasSuffix(o.Result.Stderr, "last words"),
		o.Target.Name == "exit-1" && o.Result.Stderr != "no such volume":
		t.Errorf("%s: stderr %q", o.Target.Name, o.Result.Stderr)
	}
}

// TestBadHooks runs all of them at the same time. The good one must not notice,
// everything must end, and memory must stay as it is.
func TestBadHooks(t *testing.T) {
	noLeaks(t)
	dir := scriptDir(t)
	out := filepath.Join(dir, "out")
	s := badSpec(t, dir, out)
	ends := make(chan Outcome, 100)
	m := New(Options{Logger: discard(), Report: func(o Outcome) { ends <- o }})
	m.Apply(s)
	started(t, m)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, h := range s.Hooks {
		m.tell(h.Target, Master, 1)
	}
	const goodRuns = 10
	for good, bad := 0, len(s.Hooks)-1; good < goodRuns || bad > 0; {
		var o Outcome
		select {
		case o = <-ends:
		case <-time.After(30 * time.Second):
			t.Fatalf("%d hooks have not ended: %+v", bad, m.Status().Targets)
		}
		if o.Target.Name != "good" {
			bad--
			checkBad(t, o)
			continue
		}
		if good++; !o.Result.OK() {
			t.Errorf("good hook: %v", o.Result)
		}
		if good < goodRuns {
			m.tell(inst("good"), State(1+good%2), uint8(good))
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("took %d MB", grown>>20)
	}
	if got := lines(t, out); len(got) != goodRuns {
		t.Errorf("the good hook ran %d times", len(got))
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

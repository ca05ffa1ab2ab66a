package checks

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"hakeep/internal/script"
)

// command is a shell script, which the test's own user runs.
func command(t *testing.T, text string) script.Command {
	t.Helper()
	path := filepath.Join(t.TempDir(), "check.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return script.Command{Argv: []string{path, "one arg"}, User: strconv.Itoa(os.Geteuid())}
}

func TestMisc(t *testing.T) {
	t.Parallel()
	weight := func(n int) *int { return &n }
	for _, c := range []struct {
		name, text string
		dynamic    bool
		timeout    time.Duration
		ok         bool
		weight     *int
		says       string
	}{
		{name: "0", text: `test "$1" = "one arg"`, ok: true, says: "exit status 0"},
		{name: "1", text: "exit 1", says: "exit status 1"},
		{name: "7 is failed", text: "exit 7", says: "exit status 7"},
		{name: "says why", text: "echo first >&2; echo no disk >&2; exit 1", says: "exit status 1: no disk"},
		{name: "dynamic 0", text: "exit 0", dynamic: true, ok: true},
		{name: "dynamic 1", text: "exit 1", dynamic: true},
		{name: "dynamic 2", text: "exit 2", dynamic: true, ok: true, weight: weight(0)},
		{name: "dynamic 255", text: "exit 255", dynamic: true, ok: true, weight: weight(253)},
		{name: "dynamic, killed", text: "kill -KILL $$", dynamic: true, says: "killed by SIGKILL"},
		{name: "hangs", text: "sleep 60", timeout: 100 * time.Millisecond, dynamic: true, says: "timed out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.timeout == 0 {
				c.timeout = 30 * time.Second
			}
			res := check(t, Misc{Command: command(t, c.text), Dynamic: c.dynamic}, nil, c.timeout)
			if res.OK != c.ok || len(c.says) > 0 && res.String()[:min(len(res.String()), len(c.says))] != c.says {
				t.Errorf("got %+v", res)
			}
			if (res.Weight == nil) != (c.weight == nil) || res.Weight != nil && *res.Weight != *c.weight {
				t.Errorf("weight %v, want %v", res.Weight, c.weight)
			}
		})
	}
}

// TestMiscInstalledLater: a command that is not there is a failure, until it is.
func TestMiscInstalledLater(t *testing.T) {
	t.Parallel()
	cmd := command(t, "exit 0")
	hidden := cmd.Argv[0] + ".hidden"
	if err := os.Rename(cmd.Argv[0], hidden); err != nil {
		t.Fatal(err)
	}
	c, err := Misc{Command: cmd}.Checker(nil)
	if err != nil {
		t.Fatal(err)
	}
	if res := c.Check(t.Context()); res.OK || res.Err == nil {
		t.Errorf("got %+v", res)
	}
	if err := os.Rename(hidden, cmd.Argv[0]); err != nil {
		t.Fatal(err)
	}
	if res := c.Check(t.Context()); !res.OK {
		t.Errorf("got %+v", res)
	}
}

// TestMiscBrokenOff: a check that is removed ends its command.
func TestMiscBrokenOff(t *testing.T) {
	t.Parallel()
	c, err := Misc{Command: command(t, "exec sleep 60")}.Checker(nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	begin := time.Now()
	time.AfterFunc(50*time.Millisecond, cancel)
	if res := c.Check(ctx); res.OK || time.Since(begin) > script.KillGrace {
		t.Errorf("got %+v after %v", res, time.Since(begin))
	}
}

type values map[string]int64

func (v values) Value(name string) (int64, bool) { n, ok := v[name]; return n, ok }

func TestFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value   int64
		weight  int
		reverse bool
		ok      bool
		add     int
	}{
		{value: 0, ok: true},
		{value: 1, ok: false},
		{value: 0, reverse: true, ok: false},
		{value: -3, reverse: true, ok: true},
		{value: 5, weight: 2, ok: true, add: 10},
		{value: 5, weight: -2, ok: true, add: -10},
		{value: 5, weight: 2, reverse: true, ok: true, add: -10},
		{value: 1 << 62, weight: 65535, ok: true, add: 1<<31 - 1},
		{value: -1 << 62, weight: 65535, ok: true, add: 1 - 1<<31},
	} {
		res := check(t, File{Name: "f", Weight: c.weight, Reverse: c.reverse, Values: values{"f": c.value}}, nil, time.Second)
		if res.OK != c.ok || res.Add != c.add {
			t.Errorf("%+v: %+v", c, res)
		}
	}
	if res := check(t, File{Name: "g", Values: values{}}, nil, time.Second); !res.OK {
		t.Errorf("nothing known: %+v", res)
	}
	if _, err := (File{Name: "f"}).Checker(nil); err == nil {
		t.Error("no values were accepted")
	}
}

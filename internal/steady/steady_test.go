package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
)

func at(ms int) time.Time { return time.UnixMilli(int64(ms)).UTC() }

// line is an event as go test prints it.
func line(ms int, action, test, output string) string {
	return fmt.Sprintf(`{"Time":%q,"Action":%q,"Package":"p","Test":%q,"Output":%q}`+"\n", at(ms).Format(time.RFC3339Nano), action, test, output)
}

func TestReport(t *testing.T) {
	t.Parallel()
	stalls := []lab.BeatResult{
		{Realtime: true, Stalls: []lab.Stall{{From: at(150), To: at(190)}, {From: at(500), To: at(900)}}},
		{Realtime: true, Stalls: []lab.Stall{{From: at(120), To: at(135)}}},
		{Realtime: false, Stalls: []lab.Stall{{From: at(100), To: at(200)}}},
	}
	failing := line(100, "run", "TestA", "") +
		line(110, "output", "TestA/one", "    a_test.go:1: late\n") +
		line(120, "fail", "TestA/one", "") +
		line(200, "fail", "TestA", "") +
		line(100, "run", "TestB", "") + line(110, "output", "TestB", "fine\n") + line(300, "pass", "TestB", "") +
		line(300, "output", "", "FAIL\n") + line(300, "fail", "", "")
	for _, tt := range []struct {
		name, events string
		failed       string
		stall        time.Duration
		fatal        string
		printed      string
	}{
		{"failed beside a stall", failing, "TestA", 40 * time.Millisecond, "", "    a_test.go:1: late\nFAIL\n"},
		{"failed on a machine that ran", strings.ReplaceAll(failing, at(100).Format(time.RFC3339Nano), at(195).Format(time.RFC3339Nano)),
			"TestA", 0, "", "    a_test.go:1: late\nFAIL\n"},
		{"data race", line(100, "output", "TestA", "WARNING: DATA RACE\n") + failing, "TestA", 40 * time.Millisecond, "TestA: data race",
			"WARNING: DATA RACE\n    a_test.go:1: late\nFAIL\n"},
		{"panic", line(100, "output", "TestA", "panic: runtime error\n") + line(160, "fail", "TestA", "") + line(160, "fail", "", ""),
			"TestA", 40 * time.Millisecond, "TestA: panic", "panic: runtime error\n"},
		{"words of a log", line(100, "output", "TestA", "    panic: not really\n") + line(160, "pass", "TestA", ""), "", 0, "", ""},
		{"never ended", line(100, "run", "TestA", "") + line(110, "output", "TestA", "waits\n") + line(900, "fail", "", ""),
			"", 0, "TestA: did not end", "waits\n"},
		{"package without a test", line(100, "fail", "", ""), "", 0, "p", ""},
		{"build", `{"ImportPath":"p","Action":"build-output","Output":"a.go:1: no\n"}` + "\n" + `{"ImportPath":"p","Action":"build-fail"}`,
			"", 0, "p: build failed", "a.go:1: no\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			r := newReport(&out, false)
			if err := r.read(strings.NewReader(tt.events)); err != nil {
				t.Fatal(err)
			}
			failed := r.failures(stalls)
			if names(failed) != tt.failed || len(failed) > 0 && failed[0].stall != tt.stall {
				t.Errorf("failures %v, want %s after %v", failed, tt.failed, tt.stall)
			}
			if got := strings.Join(r.fatal, ", "); got != tt.fatal {
				t.Errorf("never made again: %q, want %q", got, tt.fatal)
			}
			if out.String() != tt.printed {
				t.Errorf("printed %q, want %q", out.String(), tt.printed)
			}
		})
	}
}

// TestAgain: only what failed is made again, and what fails each time fails.
func TestAgain(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module m\n\ngo 1.24\n",
		"m_test.go": `package m

import (
	"os"
	"testing"
)

func ran(name string) (times int) {
	text, _ := os.ReadFile(name)
	_ = os.WriteFile(name, append(text, '.'), 0o600)
	return len(text)
}

func TestGood(t *testing.T) { ran("good") }

func TestOnce(t *testing.T) {
	if ran("once") == 0 {
		t.Error("the first time")
	}
}

func TestNever(t *testing.T) {
	ran("never")
	t.Error("each time")
}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("GOFLAGS", "")
	t.Setenv("GOWORK", "off")
	if err := steady(t.Context(), []string{"-always", "-run", "Good|Once", "--", "."}); err != nil {
		t.Error(err)
	}
	err := steady(t.Context(), []string{"-always", "-run", "Never", "--", "."})
	if err == nil || !strings.Contains(err.Error(), "TestNever") {
		t.Errorf("error %v, want one that names TestNever", err)
	}
	for name, want := range map[string]int{"good": 1, "once": 2, "never": attempts} {
		if text, err := os.ReadFile(name); err != nil || len(text) != want {
			t.Errorf("%s ran %d times (%v), want %d", name, len(text), err, want)
		}
	}
	for _, args := range [][]string{nil, {"-v"}, {"-v", "--"}} {
		if err := steady(t.Context(), args); err == nil || !strings.Contains(err.Error(), "PACKAGES") {
			t.Errorf("steady %v: %v", slices.Clone(args), err)
		}
	}
}

package main

import (
	"strings"
	"testing"

	"hakeep/internal/status"
)

func TestStandbyAndResume(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		alone bool
		args  []string
		code  int
		text  string
	}{
		{"all", false, []string{"standby"}, 0, "VI_1: 192.0.2.2 is master (priority 90)\nVI_2: 192.0.2.2 is master (priority 90)\n"},
		{"one", false, []string{"standby", "VI_2", "--for", "30m", "--persist"}, 0, "VI_2: 192.0.2.2 is master"},
		{"nobody takes over", true, []string{"standby", "VI_1"}, 1, "VI_1: nobody took over, its addresses are on no router"},
		{"not waited for", true, []string{"standby", "--no-wait"}, 0, "held back: VI_1 VI_2"},
		{"unknown", false, []string{"standby", "VI_9"}, 64, `there is no such instance: "VI_9"`},
		{"negative", false, []string{"standby", "--for", "-1s"}, 64, "cannot be negative"},
		{"two", false, []string{"standby", "VI_1", "VI_2"}, 64, "See 'hakeep standby --help'"},
		{"nothing to resume", false, []string{"resume"}, 0, "nothing was held back"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := serve(t, &backend{doc: document("MASTER"), alone: tt.alone})
			out, errs, code := execute(t, append(tt.args, "--runtime-dir", dir)...)
			if code != tt.code || !strings.Contains(out+errs, tt.text) {
				t.Errorf("exit code %d, want %d; printed %q and %q, want %q", code, tt.code, out, errs, tt.text)
			}
			if tt.code != 0 || tt.args[0] == "resume" {
				return
			}
			if out, _, code = execute(t, "resume", "--runtime-dir", dir); code != 0 || !strings.Contains(out, "takes part again: ") {
				t.Errorf("resume: exit code %d, printed %q", code, out)
			}
		})
	}
	t.Run("no daemon", func(t *testing.T) {
		t.Parallel()
		for _, c := range []string{"standby", "resume"} {
			if _, _, code := execute(t, c, "--runtime-dir", t.TempDir()); code != exitNoDaemon {
				t.Errorf("%s: exit code %d", c, code)
			}
		}
	})
}

// TestTakenOver: it is over only when the addresses are gone from here.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	held, master := &status.Standby{}, &status.Master{}
	for name, c := range map[string]struct {
		in   *status.Instance
		done bool
	}{
		"still master":      {&status.Instance{State: "MASTER", Standby: held, Master: master}, false},
		"keeps addresses":   {&status.Instance{State: "BACKUP", Standby: held, Master: master, Lingering: true}, false},
		"no master":         {&status.Instance{State: "BACKUP", Standby: held}, false},
		"another is master": {&status.Instance{State: "BACKUP", Standby: held, Master: master}, true},
		"in fault":          {&status.Instance{State: "FAULT", Standby: held}, true},
		"resumed meanwhile": {&status.Instance{State: "MASTER"}, true},
		"removed by reload": {nil, true},
	} {
		if text, done := takenOver(c.in); done != c.done || done != (text != "") {
			t.Errorf("%s: %q, %v", name, text, done)
		}
	}
}

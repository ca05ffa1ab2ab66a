package daemon

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// aroundText is a configuration with scripts before and after everything else,
// run by whoever runs the test.
func aroundText(t *testing.T, dir, startup, shutdown string) string {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[global_defs]\nscript_user = %q\n", me.Username)
	for key, body := range map[string]string{"startup_script": startup, "shutdown_script": shutdown} {
		path := filepath.Join(dir, key)
		if err := os.WriteFile(path, []byte("#!/bin/sh\ncd "+dir+"\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s = [%q]\n%s_timeout = \"1s\"\n", key, path, key)
	}
	return b.String() + vi1
}

// TestScriptsAround: startup_script has ended before an elector is there, and
// shutdown_script begins after it has left.
func TestScriptsAround(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := newRig(t, aroundText(t, dir, "echo up >>log", "echo down >>log"))
	r.fakes.prepare = func(*fakeElector) {
		if got := logText(dir); got != "up\n" {
			t.Errorf("an elector is started after %q", got)
		}
	}
	r.start()
	r.stop()
	if got := logText(dir); got != "up\ndown\n" {
		t.Errorf("the scripts have written %q", got)
	}
}

func logText(dir string) string {
	b, _ := os.ReadFile(filepath.Join(dir, "log"))
	return string(b)
}

// TestScriptsAroundFail: what fails or hangs is told, and changes nothing.
func TestScriptsAroundFail(t *testing.T) {
	t.Parallel()
	r := newRig(t, aroundText(t, t.TempDir(), "echo no disk >&2; exit 3", "exec sleep 60"))
	r.start()
	r.stop()
	for _, want := range []string{
		`msg="script has failed" key=startup_script result="exit status 3" stderr="no disk`,
		`msg="script has failed" key=shutdown_script result="timed out after`,
	} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("log is without %s:\n%s", want, r.log)
		}
	}
}

// TestStartupScriptOfAnAttach: a main that finds an elector at work does not run
// startup_script.
func TestStartupScriptOfAnAttach(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := newRig(t, aroundText(t, dir, "echo up >>log", "true"))
	r.fakes.add(nil)
	r.start()
	r.stop()
	if got := logText(dir); got != "" {
		t.Errorf("the script has written %q", got)
	}
}

// TestStopDuringStartupScript: the daemon does not begin, and says that this is
// in order.
func TestStopDuringStartupScript(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := newRig(t, aroundText(t, dir, "echo up >>log; exec sleep 60", "echo down >>log"))
	go func() { r.ended <- r.d.run(t.Context()) }()
	r.await("EXTEND_TIMEOUT_USEC=")
	r.signals <- syscall.SIGHUP
	r.signals <- syscall.SIGTERM
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	if r.fakes.count() != 0 || !r.keeper.removed || strings.Contains(logText(dir), "down") {
		t.Errorf("%d electors, rules removed: %v, scripts: %q", r.fakes.count(), r.keeper.removed, logText(dir))
	}
}

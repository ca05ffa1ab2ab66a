package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"hakeep/internal/control"
)

func TestComesBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		sig  os.Signal
		job  string
		err  error
		want bool
	}{
		{"restart", syscall.SIGTERM, "restart", nil, true},
		{"stop", syscall.SIGTERM, "stop", nil, false},
		{"no job", syscall.SIGTERM, "", nil, false},
		{"start, such as of another unit", syscall.SIGTERM, "start", nil, false},
		{"no answer", syscall.SIGTERM, "", context.DeadlineExceeded, false},
		{"half an answer", syscall.SIGTERM, "restart", errors.New("cut off"), false},
		{"Ctrl-C meanwhile", syscall.SIGINT, "restart", nil, false},
	} {
		if got := comesBack(c.sig, c.job, c.err); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// TestAskJob: without systemd there is no job and no error; one that is not there
// or does not answer is an error soon.
func TestAskJob(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if job, err := askJob(t.Context()); job != "" || err != nil {
		t.Errorf("got %q, %v", job, err)
	}
	if _, err := os.Stat("/run/systemd/private"); err == nil {
		t.Skip("systemd runs here; the virtual machine's tests ask it")
	}
	t.Setenv("NOTIFY_SOCKET", "/run/systemd/notify")
	if job, err := askJob(t.Context()); job != "" || err == nil {
		t.Errorf("got %q, %v", job, err)
	}
}

// TestRestartKeepsElector: the elector is not told to leave, and the next main
// attaches to it.
func TestRestartKeepsElector(t *testing.T) {
	t.Parallel()
	r := newRig(t, vi1)
	r.d.job = func(context.Context) (string, error) { return jobRestart, nil }
	r.start()
	if _, err := r.client.Hold(t.Context(), &control.Hold{On: true}); err != nil {
		t.Fatal(err)
	}
	r.stop()
	e := r.fakes.latest()
	if e.wait(0) || e.stops != 0 {
		t.Errorf("the elector was told to leave %d times", e.stops)
	}
	if r.keeper.removed {
		t.Error("firewall rules were removed")
	}
	if text := r.log.String(); !strings.Contains(text, "the elector goes on") {
		t.Errorf("log:\n%s", text)
	}
	for _, name := range []string{ownedName, standbyName} {
		if _, err := os.Stat(filepath.Join(r.dir, name)); err != nil {
			t.Error(err)
		}
	}
}

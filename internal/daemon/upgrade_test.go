package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hakeep/internal/wire"
)

// TestElectorFollows: an elector that is found executes this program, and the
// conversation goes on with what becomes of it; one that does not is replaced.
func TestElectorFollows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ renew, stays, unfit, replaced bool }{
		"the same version": {},
		"another version":  {renew: true},
		"another state":    {renew: true, stays: true, replaced: true},
		"another realtime": {renew: true, unfit: true, replaced: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, vi1)
			e := r.fakes.add(func(e *fakeElector) { e.stays = c.stays })
			renew := c.renew
			r.d.supervisor.renew = func(*wire.Hello) bool { defer func() { renew = false }(); return renew }
			if c.unfit {
				r.d.supervisor.suits = func(*wire.Hello) error { return errors.New("it was started otherwise") }
			}
			r.start()
			if got := r.fakes.count(); (got == 1) != c.replaced || got > 1 {
				t.Errorf("%d electors were started\n%s", got, r.log)
			}
			want := 0
			if c.renew && !c.unfit {
				want = 1
			}
			e.lock(func() {
				if e.upgrades != want || (e.stops == 1) != c.replaced {
					t.Errorf("asked to upgrade %d times, to leave %d times", e.upgrades, e.stops)
				}
			})
			if doc, err := r.client.Status(t.Context()); err != nil || !doc.OK {
				t.Errorf("status: %+v, %v", doc, err)
			}
			r.stop()
		})
	}
}

// TestUpgradeRequest: a binary that cannot take over changes nothing; with one
// that can, this image ends and leaves everything to the next.
func TestUpgradeRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t, vi1)
	trial := errors.New("2.0 refuses the configuration")
	r.d.trial = func(context.Context) (string, error) { return "2.0", trial }
	r.start()
	if _, err := r.client.Upgrade(t.Context()); err == nil || !strings.Contains(err.Error(), "refuses the configuration; nothing has changed") {
		t.Errorf("got %v", err)
	}
	trial = nil
	u, err := r.client.Upgrade(t.Context())
	if err != nil || u.To != "2.0" || !u.Started.Equal(r.d.started) {
		t.Errorf("got %+v, %v", u, err)
	}
	if err := <-r.ended; !errors.Is(err, errUpgrade) {
		t.Errorf("run: %v", err)
	}
	if e := r.fakes.latest(); e.wait(0) || e.stops != 0 {
		t.Error("the elector was told to leave")
	}
	if _, err := os.Stat(filepath.Join(r.dir, ownedName)); err != nil || r.keeper.removed {
		t.Errorf("what the next one needs is gone: %v", err)
	}
}

func TestTryBinary(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct{ script, want string }{
		"good":      {`[ "$1" = check ] || echo '{"version":"2.0"}'`, ""},
		"refuses":   {`[ "$1" = check ] || { echo '{"version":"2.0"}'; exit; }; echo f:1: no; exit 4`, "2.0 refuses f: f:1: no"},
		"other":     {`echo hello`, "does not say its version"},
		"fails":     {`exit 1`, "exit status 1"},
		"not there": {"", "no such file"},
	} {
		path := filepath.Join(dir, name)
		if c.script != "" {
			if err := os.WriteFile(path, []byte("#!/bin/sh\n"+c.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		v, err := tryBinary(t.Context(), path, "f")
		if c.want == "" && (err != nil || v != "2.0") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %q, %v", name, v, err)
		}
	}
}

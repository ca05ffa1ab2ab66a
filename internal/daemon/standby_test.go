package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hakeep/internal/control"
	"hakeep/internal/nstest"
	"hakeep/internal/status"
	"hakeep/internal/wire"
	"hakeep/vrrp"
)

func (r *rig) hold(h control.Hold) []string {
	r.Helper()
	moved, err := r.client.Hold(r.Context(), &h)
	if err != nil {
		r.Fatal(err)
	}
	return moved.Instances
}

// awaitHeld waits until the latest elector holds back what is wanted.
func (r *rig) awaitHeld(want ...string) {
	r.Helper()
	nstest.Eventually(r, 10*time.Second, func() error {
		if got := r.fakes.latest().heldBack(); !slices.Equal(got, want) {
			return fmt.Errorf("the elector holds back %v, want %v", got, want)
		}
		return nil
	})
}

func (r *rig) awaitEvent(kind, text string) {
	r.Helper()
	found := errors.New("found")
	err := r.client.Events(r.Context(), true, func(ev *status.Event) error {
		if ev.Kind == kind && strings.Contains(ev.Text, text) {
			return found
		}
		return nil
	})
	if !errors.Is(err, found) {
		r.Fatalf("no event %q: %v", text, err)
	}
}

// TestStandbySurvives: a reload, another elector and another main.
func TestStandbySurvives(t *testing.T) {
	t.Parallel()
	r := started(t, vi1+vi2)
	if got := r.hold(control.Hold{Instance: "VI_1", On: true}); !slices.Equal(got, []string{"VI_1"}) {
		t.Errorf("moved %v", got)
	}
	r.awaitHeld("VI_1")
	doc, err := r.client.Status(t.Context())
	if in := doc.Instance("VI_1"); err != nil || in.Standby == nil || !in.Standby.NoMaster || doc.OK || len(doc.Warnings) != 1 {
		t.Errorf("status: %+v, %v", doc, err)
	}
	r.write(vi1 + strings.Replace(vi2, "= 52", "= 53", 1))
	r.reload()
	r.awaitHeld("VI_1")
	first := r.fakes.latest()
	first.end()
	r.drain()
	nstest.Eventually(t, 10*time.Second, func() error {
		if r.fakes.latest() == first {
			return errors.New("no other elector")
		}
		return nil
	})
	r.awaitHeld("VI_1")
	if c := r.fakes.latest().applied(); len(c) == 0 || !slices.Equal(c[0].Standby, []string{"VI_1"}) {
		t.Error("the new elector was not told with its configuration")
	}
	again, err := openStandbys(r.dir, stateDir(r.dir))
	if err != nil || !slices.Equal(again.names(), []string{"VI_1"}) {
		t.Errorf("another main finds %v, %v", again.names(), err)
	}
	if got := r.hold(control.Hold{}); !slices.Equal(got, []string{"VI_1"}) {
		t.Errorf("resumed %v", got)
	}
	r.awaitHeld()
	r.stop()
}

// TestStandbyEnds: by its time, by a reload that removes the instance, and by an
// orderly stop unless it is to persist.
func TestStandbyEnds(t *testing.T) {
	t.Parallel()
	r := started(t, vi1+vi2)
	r.hold(control.Hold{Instance: "VI_1", On: true, For: 20 * time.Millisecond})
	r.awaitEvent(status.KindStandby, "the time is over")
	r.awaitHeld()
	r.hold(control.Hold{Instance: "VI_2", On: true, Persist: true})
	r.awaitHeld("VI_2")
	r.write(vi1)
	r.reload()
	r.awaitEvent(status.KindStandby, "its standby is forgotten")
	r.hold(control.Hold{On: true})
	r.stop()
	if s, err := openStandbys(r.dir, r.dir); err != nil || len(s.names()) != 0 {
		t.Errorf("left: %v, %v", s.names(), err)
	}
}

// TestStandbyOfSleep: it takes what is not held back yet, and its end lets go what
// no operator wants to be held back.
func TestStandbyOfSleep(t *testing.T) {
	t.Parallel()
	r := started(t, vi1+vi2)
	r.hold(control.Hold{Instance: "VI_1", On: true})
	if got := r.hold(control.Hold{On: true, Sleep: true}); !slices.Equal(got, []string{"VI_2"}) {
		t.Errorf("the sleep holds back %v", got)
	}
	r.awaitHeld("VI_1", "VI_2")
	if got := r.hold(control.Hold{Sleep: true}); !slices.Equal(got, []string{"VI_2"}) {
		t.Errorf("its end lets %v go", got)
	}
	r.awaitHeld("VI_1")
	r.hold(control.Hold{On: true, Sleep: true})
	r.hold(control.Hold{Instance: "VI_2", On: true}) // meanwhile an operator wants it
	if got := r.hold(control.Hold{Sleep: true}); len(got) != 0 {
		t.Errorf("the end of the sleep lets %v go", got)
	}
	r.awaitHeld("VI_1", "VI_2")
	r.stop()
}

// TestStandbyPersists through an orderly stop, from the first configuration on.
func TestStandbyPersists(t *testing.T) {
	t.Parallel()
	r := started(t, vi1+vi2)
	r.hold(control.Hold{Instance: "VI_2", On: true, Persist: true})
	r.stop()
	next := newRig(t, vi1+vi2)
	next.d.standbys.stateDir = r.dir
	s, err := openStandbys(next.dir, next.dir)
	if err != nil || len(s.names()) != 0 {
		t.Fatal(s.names(), err)
	}
	if err := os.Rename(filepath.Join(r.dir, "persistent-"+standbyName), filepath.Join(next.dir, "persistent-"+standbyName)); err != nil {
		t.Fatal(err)
	}
	if s, err = openStandbys(next.dir, next.dir); err != nil {
		t.Fatal(err)
	}
	next.d.standbys = s
	next.d.supervisor.held = s.names
	next.start()
	if c := next.fakes.latest().applied(); !slices.Equal(c[0].Standby, []string{"VI_2"}) {
		t.Errorf("the elector begins with %v held back", c[0].Standby)
	}
	next.stop()
}

// TestStandbyRefused: what cannot be kept has not happened; nobody else is meant.
func TestStandbyRefused(t *testing.T) {
	t.Parallel()
	r := started(t, vi1)
	if _, err := r.client.Hold(t.Context(), &control.Hold{Instance: "VI_9", On: true}); !errors.Is(err, control.ErrUnknownInstance) {
		t.Errorf("unknown instance: %v", err)
	}
	file := filepath.Join(r.dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.d.standbys.stateDir = filepath.Join(file, "state")
	if _, err := r.client.Hold(t.Context(), &control.Hold{On: true, Persist: true}); err == nil || !strings.Contains(err.Error(), "keep standby through restarts") {
		t.Errorf("got %v", err)
	}
	if got := r.d.standbys.names(); len(got) != 0 {
		t.Errorf("held back: %v", got)
	}
	r.d.standbys.stateDir = r.dir
	r.stop()
}

// TestOrphan: it is said as long as nobody is master.
func TestOrphan(t *testing.T) {
	t.Parallel()
	r := started(t, vi1)
	r.hold(control.Hold{On: true})
	r.awaitEvent(status.KindStandby, "no master is heard")
	e := r.fakes.latest()
	e.lock(func() { e.master = netip.MustParseAddr("192.0.2.2") })
	r.awaitEvent(status.KindStandby, "192.0.2.2 is master now")
	if doc, err := r.client.Status(t.Context()); err != nil || !doc.OK || doc.Instance("VI_1").Orphaned() {
		t.Errorf("status: %+v, %v", doc, err)
	}
	r.stop()
}

// TestTogether: a member of a sync group takes its group along.
func TestTogether(t *testing.T) {
	t.Parallel()
	c := &wire.Config{Instances: []*wire.Instance{
		{Params: vrrp.Params{Name: "a", SyncGroup: "G"}}, {Params: vrrp.Params{Name: "b"}}, {Params: vrrp.Params{Name: "c", SyncGroup: "G"}},
	}}
	for name, want := range map[string][]string{"a": {"a", "c"}, "b": {"b"}, "": {"a", "b", "c"}, "d": nil} {
		if got := together(c, name); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}

func TestStateDir(t *testing.T) {
	for env, dirs := range map[string][2]string{
		"": {"/run/hakeep-2", "/var/lib/hakeep-2"}, "/var/lib/x:/var/lib/y": {"/run/hakeep", "/var/lib/x"},
	} {
		t.Setenv("STATE_DIRECTORY", env)
		if got := stateDir(dirs[0]); got != dirs[1] {
			t.Errorf("%s: %s, want %s", dirs[0], got, dirs[1])
		}
	}
	t.Setenv("STATE_DIRECTORY", "")
	if got := stateDir("/tmp/x"); got != "/tmp/x" {
		t.Errorf("got %s", got)
	}
}

package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bench is a Manager in virtual time with a runner that only pretends.
func bench(t *testing.T, s Spec) (*Manager, *fakeRunner, *logBuffer) {
	t.Helper()
	r, l := &fakeRunner{}, &logBuffer{}
	m := newManager(Options{Logger: l.logger()}, r, noMail{})
	m.Apply(s)
	started(t, m)
	synctest.Wait()
	return m, r, l
}

func (m *Manager) tell(t Target, s State, priority uint8) {
	m.Notify(Event{Target: t, State: s, Priority: priority})
}

func TestBothKindsRunInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, r, _ := bench(t, Spec{Hooks: []Hooks{{
			Target: inst("A"), Notify: command("/n", "x", "1s"), NotifyMaster: command("/m", "a b", "1s"), NotifyBackup: command("/b"),
		}}})
		m.tell(inst("A"), Backup, 100)
		synctest.Wait()
		time.Sleep(2 * time.Second)
		m.tell(inst("A"), Master, 101)
		time.Sleep(3 * time.Second)
		want := []string{"/b", "/n x 1s INSTANCE A BACKUP 100", "/m a b 1s", "/n x 1s INSTANCE A MASTER 101"}
		if diff := cmp.Diff(want, r.list()); diff != "" {
			t.Error(diff)
		}
		if s := m.Status().Targets[0]; s.Runs != 4 || s.Skipped != 0 || s.State != Master || s.Running != "" {
			t.Errorf("%+v", s)
		}
	})
}

func TestLastStateWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, r, l := bench(t, Spec{Hooks: []Hooks{{Target: inst("A"), Notify: command("/n", "10s"), NotifyMaster: command("/m", "10s")}}})
		m.tell(inst("A"), Master, 1)
		synctest.Wait()
		for range 1000 {
			m.tell(inst("A"), Backup, 1)
			m.tell(inst("A"), Fault, 1)
			m.tell(inst("A"), Master, 1)
			m.tell(inst("A"), Backup, 2)
		}
		if w := m.Status().Targets[0].Waiting; w != 1 {
			t.Errorf("%d jobs wait", w)
		}
		time.Sleep(time.Minute)
		// The rest of the first MASTER is skipped too: it is over.
		if diff := cmp.Diff([]string{"/m 10s", "/n 10s INSTANCE A BACKUP 2"}, r.list()); diff != "" {
			t.Error(diff)
		}
		if got := m.Status().Targets[0].Skipped; got != 4000 {
			t.Errorf("skipped %d", got)
		}
		if !strings.Contains(l.String(), `msg="notify scripts skipped" instance=A state=FAULT reason="overtaken by MASTER"`) {
			t.Error("nothing is said about it")
		}
	})
}

// TestOrderUnderLoad flaps 50 instances with scripts of uneven length: the runs of
// each are in the order of its events, never two at once, and end with the last
// state.
func TestOrderUnderLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s Spec
		for i := range 50 {
			name := fmt.Sprintf("I%02d", i)
			s.Hooks = append(s.Hooks, Hooks{Target: inst(name), Notify: command("/"+name, fmt.Sprint(time.Duration(7*i)*time.Millisecond))})
		}
		m, r, _ := bench(t, s)
		for n := range 200 {
			for i := range s.Hooks {
				m.tell(s.Hooks[i].Target, []State{Master, Backup}[n%2], uint8(n))
			}
			time.Sleep(time.Duration(n%13) * time.Millisecond)
		}
		time.Sleep(time.Minute)
		r.mu.Lock()
		if len(r.overlap) > 0 {
			t.Errorf("two at once: %v", r.overlap)
		}
		r.mu.Unlock()
		last := map[string]int{}
		for _, c := range r.list() {
			f := strings.Fields(c)
			var n int
			fmt.Sscan(f[5], &n)
			if before, ok := last[f[0]]; ok && n <= before {
				t.Fatalf("%s ran event %d after %d", f[0], n, before)
			}
			last[f[0]] = n
		}
		for name, n := range last {
			if n != 199 {
				t.Errorf("%s ended with event %d", name, n)
			}
		}
		if len(last) != 50 {
			t.Errorf("%d instances ran", len(last))
		}
	})
}

func TestHangingScriptHoldsUpItsOwnOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, r, l := bench(t, Spec{Hooks: []Hooks{
			{Target: inst("A"), NotifyMaster: command("/hang", "10h"), NotifyBackup: command("/a")},
			{Target: inst("B"), NotifyMaster: command("/b")},
			{Target: grp("G"), NotifyMaster: command("/g")},
		}})
		m.tell(inst("A"), Master, 1)
		synctest.Wait()
		m.tell(inst("A"), Backup, 1)
		m.tell(inst("B"), Master, 1)
		m.tell(grp("G"), Master, 1)
		synctest.Wait()
		if got := sorted(r.list()); !slices.Equal(got, []string{"/b", "/g", "/hang 10h"}) {
			t.Errorf("ran %v", got)
		}
		before := time.Now()
		for r.list()[len(r.list())-1] != "/a" {
			time.Sleep(time.Second)
		}
		if took := time.Since(before); took < DefaultTimeout-time.Second || took > DefaultTimeout+time.Second {
			t.Errorf("the next script waited %v", took)
		}
		if !strings.Contains(l.String(), "timed out") {
			t.Error("nothing is said about it")
		}
	})
}

func TestFailuresAreReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &logBuffer{}
		outcomes := make(chan Outcome, 9)
		m := newManager(Options{Logger: l.logger(), Report: func(o Outcome) { outcomes <- o }}, &fakeRunner{}, noMail{})
		m.Apply(Spec{Hooks: []Hooks{{Target: inst("A"), NotifyMaster: command("/m", "fail"), NotifyBackup: command("/b")}}})
		started(t, m)
		m.tell(inst("A"), Master, 1)
		time.Sleep(time.Second)
		if s := m.Status().Targets[0]; s.Failures != 1 || s.Last == nil || s.Last.Result.ExitCode != 1 || s.Last.Result.Stderr != "it broke" {
			t.Errorf("%+v", s)
		}
		m.tell(inst("A"), Backup, 1)
		time.Sleep(time.Second)
		if first, second := <-outcomes, <-outcomes; first.Hook != "notify_master" || first.State != Master || first.Result.OK() || !second.Result.OK() {
			t.Errorf("%+v, %+v", first, second)
		}
		for _, want := range []string{
			`level=WARN msg="notify script failed" instance=A state=MASTER script=notify_master command="/m fail" err="exit status 1" duration=0s stderr="it broke"`,
			`level=INFO msg="notify script works again" instance=A state=BACKUP script=notify_backup`,
		} {
			if !strings.Contains(l.String(), want) {
				t.Errorf("not logged: %s\n%s", want, l)
			}
		}
	})
}

func TestLowerPriority(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, r, _ := bench(t, Spec{Hooks: []Hooks{{Target: inst("A"), NotifyMasterRxLowerPri: command("/low"), NotifyBackup: command("/b")}}})
		m.tell(inst("A"), Master, 1)
		for range 300 { // adverts of 10 ms, for 3 s
			m.tell(inst("A"), MasterRxLowerPri, 1)
			time.Sleep(10 * time.Millisecond)
		}
		if got := len(r.list()); got != 3 {
			t.Errorf("started %d times in 3 s", got)
		}
		if got := m.Status().Targets[0].Limited; got != 300-3*lowerLines {
			t.Errorf("limited %d", got)
		}
	})
}

// TestLowerPriorityIsOver: the script of a master must not run after it has
// become backup.
func TestLowerPriorityIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, r, _ := bench(t, Spec{Hooks: []Hooks{{
			Target: inst("A"), NotifyMaster: command("/m", "5s"), NotifyMasterRxLowerPri: command("/low"), NotifyBackup: command("/b"),
		}}})
		m.tell(inst("A"), Master, 1)
		synctest.Wait()
		m.tell(inst("A"), MasterRxLowerPri, 1)
		m.tell(inst("A"), Backup, 1)
		time.Sleep(10 * time.Second)
		if diff := cmp.Diff([]string{"/m 5s", "/b"}, r.list()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestHealed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, r, _ := bench(t, Spec{Hooks: []Hooks{{
			Target: inst("A"), SyncGroup: "G", NotifyMaster: command("/m"), Notify: command("/n"),
		}, {Target: grp("G"), NotifyMaster: command("/g")}}})
		heal := func(target Target) {
			m.Notify(Event{Target: target, State: Master, Priority: 100, Healed: true})
			time.Sleep(time.Second)
		}
		m.tell(inst("A"), Backup, 100)
		time.Sleep(time.Second)
		heal(inst("A")) // not master: nothing
		m.tell(inst("A"), Master, 100)
		time.Sleep(time.Second)
		m.tell(grp("G"), Master, 0)
		time.Sleep(time.Second)
		heal(inst("A"))
		heal(grp("G"))
		want := []string{"/n INSTANCE A BACKUP 100", "/m", "/n INSTANCE A MASTER 100", "/g", "/m", "/n INSTANCE A MASTER 100", "/g"}
		if diff := cmp.Diff(want, r.list()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestReloadKeepsWhatRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old := Spec{Hooks: []Hooks{
			{Target: inst("A"), NotifyMaster: command("/old", "5s"), NotifyBackup: command("/old-b")},
			{Target: inst("gone"), NotifyMaster: command("/g", "5s"), NotifyDeleted: command("/deleted"), Notify: command("/gn")},
			{Target: inst("quiet"), Notify: command("/q")},
			{Target: inst("never"), Notify: command("/never")},
			{Target: grp("G"), Notify: command("/group")},
		}}
		m, r, _ := bench(t, old)
		m.tell(inst("A"), Master, 1)
		m.tell(inst("gone"), Master, 1)
		m.tell(inst("quiet"), Backup, 1)
		m.tell(grp("G"), Master, 1)
		synctest.Wait()
		m.tell(inst("A"), Backup, 1)
		m.Apply(Spec{Hooks: []Hooks{{Target: inst("A"), NotifyMaster: command("/new"), NotifyBackup: command("/new-b")}}})
		m.tell(inst("gone"), Fault, 1) // too late
		time.Sleep(time.Minute)
		want := []string{"/deleted", "/g 5s", "/gn INSTANCE gone DELETED 1", "/group GROUP G MASTER 0", "/new-b", "/old 5s", "/q INSTANCE quiet BACKUP 1", "/q INSTANCE quiet FAULT 1"}
		if diff := cmp.Diff(want, sorted(r.list())); diff != "" {
			t.Error(diff)
		}
		if got := m.Status().Targets; len(got) != 1 || got[0].Target != inst("A") {
			t.Errorf("targets %+v", got)
		}
		// One that comes back begins anew.
		m.Apply(old)
		m.tell(inst("quiet"), Backup, 2)
		time.Sleep(time.Minute)
		if got := r.list()[len(r.list())-1]; got != "/q INSTANCE quiet BACKUP 2" {
			t.Error(got)
		}
	})
}

func TestSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, r, _ := bench(t, Spec{Hooks: []Hooks{{Target: inst("A"), Notify: command("/n")}}})
		m.Notify(Event{Target: inst("A"), State: Master, Priority: 9, Silent: true})
		time.Sleep(time.Second)
		m.Notify(Event{Target: inst("A"), State: Master, Priority: 9, Healed: true})
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{"/n INSTANCE A MASTER 9"}, r.list()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestStopWaitsForStopScripts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, r, _ := bench(t, Spec{Hooks: []Hooks{{Target: inst("A"), NotifyStop: command("/stop", "3s"), Notify: command("/n", "1s")}}})
		m.tell(inst("A"), Stop, 1)
		begin := time.Now()
		if err := m.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != 4*time.Second {
			t.Errorf("took %v", took)
		}
		if diff := cmp.Diff([]string{"/stop 3s", "/n 1s INSTANCE A STOP 1"}, r.list()); diff != "" {
			t.Error(diff)
		}
		m.tell(inst("A"), Master, 1) // ignored
		if err := m.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestStopBreaksOffWhatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, r, l := bench(t, Spec{Hooks: []Hooks{
			{Target: inst("A"), NotifyMaster: command("/hang", "10h"), NotifyStop: command("/stop", "1s")},
			{Target: inst("B"), NotifyStop: command("/stop-hangs", "10h")},
		}})
		m.tell(inst("A"), Master, 1)
		synctest.Wait()
		m.tell(inst("A"), Stop, 1)
		m.tell(inst("B"), Stop, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		begin := time.Now()
		err := m.Stop(ctx)
		if err == nil || !strings.Contains(err.Error(), "broken off: notify_stop of B: ") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(begin); took != 8*time.Second {
			t.Errorf("took %v", took)
		}
		if diff := cmp.Diff([]string{"/hang 10h", "/stop 1s", "/stop-hangs 10h"}, sorted(r.list())); diff != "" {
			t.Error(diff)
		}
		if !strings.Contains(l.String(), `script=notify_master command="/hang 10h" err="hakeep is being stopped" duration=4s`) {
			t.Errorf("log:\n%s", l)
		}
	})
}

func TestStopBeforeRun(t *testing.T) {
	t.Parallel()
	m := newManager(Options{Logger: discard()}, &fakeRunner{}, noMail{})
	m.Apply(Spec{Hooks: []Hooks{{Target: inst("A"), Notify: command("/n")}}})
	m.tell(inst("A"), Master, 1)
	if err := m.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := m.Run(t.Context()); err != nil {
		t.Error(err)
	}
}

package sim

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// mutation is one bug, planted into a copy of a file of vrrp.
type mutation struct {
	name, file, old, new string
}

// mutations are the bugs that have to be found. Where the text of vrrp changes,
// they change with it.
var mutations = []mutation{
	{"tie-break removed", "master.go", "a.Priority > own || a.Priority == own && in.src.Less(src)", "a.Priority > own"},
	{"tie-break reversed", "master.go", "in.src.Less(src)", "src.Less(in.src)"},
	{"equal priority makes a master yield", "master.go", "a.Priority == own && in.src.Less(src)", "a.Priority == own"},
	{"priority 0 ignored in backup", "backup.go", "		in.arm(now, waitSkew)\n", ""},
	{"priority 0 ignored in master", "master.go", "		in.reply(r, now)\n		in.heal(r, now)\n		return\n", "		return\n"},
	{"priority 0 makes a master yield", "master.go", "	if a.Priority == 0 {\n", "	if a.Priority == 0 {\n		in.toBackup(r, now, CauseHigherPriority)\n		return\n	}\n	if a.Priority == 0 {\n"},
	{"late backup takes over at once", "backup.go", "late > graceInterval(in.learned) && !in.graced", "late < 0"},
	{"late backup listens for one interval only", "timing.go", "interval * 3 / 2", "interval"},
	{"reload ends the listening of a late backup", "backup.go", "		in.armed += late + listenInterval(in.learned)\n		in.rearm()\n", "		in.timer = now + listenInterval(in.learned)\n"},
	{"late master goes on at once", "master.go", "		in.listen(now)\n		return\n	}\n	if in.rogueSince", "	}\n	if in.rogueSince"},
	{"late master does not announce anew", "master.go", "	if in.graced {\n		r.emit(Action{Kind: Announce, ID: in.id})\n	}\n", ""},
	{"late master does not step down", "master.go", "	if in.late(now) {\n", "	if false {\n"},
	{"skew in whole centiseconds", "timing.go", "time.Duration(256-int(priority)) * interval / 256", "time.Duration(256-int(priority)) * interval / 256 / (10 * time.Millisecond) * (10 * time.Millisecond)"},
	{"skew of the wrong end", "timing.go", "time.Duration(256-int(priority))", "time.Duration(int(priority))"},
	{"learned interval ignored", "backup.go", "in.learned, in.followed = a.Interval, true", "in.followed = true"},
	{"nopreempt ignored", "backup.go", "a.Priority >= in.priority() || in.p.Nopreempt && !in.owner()", "a.Priority >= in.priority()"},
	{"nopreempt holds an owner back", "backup.go", "in.p.Nopreempt && !in.owner()", "in.p.Nopreempt"},
	{"preempt_delay never ends", "backup.go", "		if now < in.holdUntil {\n", "		if in.holdUntil > 0 {\n"},
	{"preempt_delay ignored", "backup.go", "	if in.p.PreemptDelay > 0 {\n", "	if false {\n"},
	{"preempt_delay goes on after a better master", "backup.go", "		in.holdUntil = 0\n		in.follow", "		in.follow"},
	{"equal priority not followed", "backup.go", "a.Priority >= in.priority()", "a.Priority > in.priority()"},
	{"no answer to a lower advert", "master.go", "	if !in.p.LowerPrioNoAdvert {\n", "	if false {\n"},
	{"answers without bound", "master.go", "in.replied > now-gap", "in.replied > now"},
	{"put-off answers do not count", "master.go", "		in.replied = now // it is an answer that reply put off\n", ""},
	{"announcement against a lower master dropped", "master.go", "	in.heal(r, now)\n}\n", "}\n"},
	{"put-off announcement dropped", "master.go", "		in.reannounce = in.announced + gap\n", "		_ = gap\n"},
	{"announcements without bound", "master.go", "now-in.announced >= gap", "gap > 0"},
	{"fault does not say that it leaves", "fault.go", "		in.advertise(r, now, 0)\n", ""},
	{"fault keeps the addresses", "fault.go", "		in.dropMastership(r)\n", ""},
	{"stop does not say that it leaves", "instance.go", "		in.advertise(r, now, 0)\n", ""},
	{"lost master keeps the addresses", "backup.go", "		in.dropMastership(r)\n", ""},
	{"reload keeps the old skew", "reconfigure.go", "		in.rearm()\n", ""},
	{"reload makes an unchanged instance anew", "reconfigure.go", "			if !used[i] && same(old[i].p) {\n", "			if !used[i] && same(old[i].p) && !old[i].p.equal(p) {\n"},
	{"reload restarts the timer", "reconfigure.go", "		in.resolve(r, now) // the set", "		in.arm(now, in.wait)\n		in.resolve(r, now) // the set"},
	{"heap not fixed after an advert", "router.go", "	r.down(in.heapAt)\n	r.up(in.heapAt)\n", ""},
	{"heap not fixed after a timeout", "router.go", "		r.fix(i)\n	}\n}\n\n// TakeoverDue", "	}\n}\n\n// TakeoverDue"},
	{"lateness adds up", "master.go", "	if paced || now-due >= in.p.Interval {\n", "	if true {\n"},
	{"startup delay ignored", "reconfigure.go", "	case start > now:\n", "	case start > Forever-1:\n"},
	{"own adverts accepted", "accept.go", "	case d.Src == in.src:\n", "	case false:\n"},
	{"taken address keeps the fault for ever", "fault.go", "	in.takenUntil = now + takenQuiet\n", ""},
	{"down_timer_adverts ignored", "timing.go", "time.Duration(adverts)*interval", "3*interval"},
	{"new master does not announce", "master.go", "	r.emit(Action{Kind: Announce, ID: in.id})\n}\n", "}\n"},
}

// TestMutations plants each mutation and lets the simulator and the model
// checker look for it. What they do not find, they would not find in a real
// change either.
func TestMutations(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the package once for each mutation")
	}
	if os.Getenv("HAKEEP_SIM_HUNT") != "" {
		t.Skip("is the hunted itself")
	}
	start := time.Now()
	for _, m := range mutations {
		found := hunt(t, m)
		if found == "" {
			t.Errorf("%s: nobody found it", m.name)
			continue
		}
		t.Logf("%s: found by %s", m.name, found)
	}
	t.Logf("%d mutations, %v", len(mutations), time.Since(start).Round(time.Second))
}

var foundLine = regexp.MustCompile(`(?m)^ *FOUND (.*)$`)

// hunt runs TestHunt against one mutation and returns what found it.
func hunt(t *testing.T, m mutation) string {
	t.Helper()
	dir := t.TempDir()
	path, err := filepath.Abs(filepath.Join("..", "..", "vrrp", m.file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		t.Errorf("%s: its text stands %d times in %s: %q", m.name, n, m.file, m.old)
		return "nobody"
	}
	mutant := filepath.Join(dir, m.file)
	if err := os.WriteFile(mutant, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutant}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-count=1", "-timeout=120s", "-ldflags=-s -w", "-overlay="+list, "-run=^TestHunt$", "-v", ".")
	cmd.Env = append(os.Environ(), "HAKEEP_SIM_HUNT=1")
	out, err := cmd.CombinedOutput()
	found := foundLine.FindSubmatch(out)
	switch {
	case found != nil:
		return string(found[1])
	case strings.Contains(string(out), "[build failed]"):
		t.Errorf("%s: does not build:\n%s", m.name, out)
		return "nobody"
	case err != nil:
		t.Errorf("%s: %v\n%s", m.name, err, out)
		return "nobody"
	}
	return ""
}

// TestHunt is what TestMutations runs against each mutation: a short search
// that ends with the first violation.
func TestHunt(t *testing.T) {
	if os.Getenv("HAKEEP_SIM_HUNT") == "" {
		t.Skip("is run by TestMutations")
	}
	defer func() {
		if p := recover(); p != nil {
			t.Logf("\nFOUND panic: %v", p)
		}
	}()
	var total Stats
	look := func(runs int) bool {
		for total.Runs < runs {
			seed := uint64(total.Runs + 1)
			stats, err := NewPlan(seed).Run(nil)
			total.add(&stats)
			if v, ok := err.(*Violation); ok {
				t.Logf("\nFOUND simulator, seed %d after %d simulated seconds: %v", seed, total.Simulated/time.Second, v.Inv)
				return true
			}
		}
		return false
	}
	if look(200) {
		return
	}
	states := 0
	for _, m := range models()[:4] {
		r, err := m.Search()
		states += r.States
		var v *Violation
		if errors.As(err, &v) {
			t.Logf("\nFOUND model checker, %q after %d states: %v", m.Name, states, v.Inv)
			return
		}
	}
	look(2500)
}

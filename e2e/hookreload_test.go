package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// TestReloadBesideScripts reloads while scripts run, while one times out, and
// while a notify script hangs: nobody moves, no advert is missed, and the
// priority is what the configuration says.
//
//	a: hakeep, priority 150, with scripts      b: keepalived, 100
func TestReloadBesideScripts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body, timeout, track string
		notify                     bool
		priority                   int // with this outcome
	}{
		{"scripts run", "sleep 0.3", "20s", "s", false, 150},
		{"scripts run, weight", "sleep 0.3", "20s", "s weight 10", false, 160},
		{"a script times out", "sleep 60", "300ms", "s weight -20", false, 130},
		{"a script times out and ignores TERM", "trap '' TERM; sleep 2; sleep 2; sleep 2; sleep 2", "300ms", "s weight -20", false, 130},
		{"a notify script hangs", "true", "20s", "s weight 10", true, 160},
	} {
		t.Run(c.name, func(t *testing.T) {
			nstest.RequireTool(t, "keepalived")
			p := newPair(t)
			dir := nstest.ShortDir(t)
			script := writeFile(t, dir, "s.sh", "#!/bin/sh\n"+c.body+"\n", 0o755)
			started := filepath.Join(dir, "started")
			hang := writeFile(t, dir, "n.sh", "#!/bin/sh\necho x >>"+started+"\nexec sleep 60\n", 0o755)
			// Each reload changes something else: an instance comes and goes, a limit
			// that does not concern a run, another tracked script.
			config := func(n int) string {
				more := ""
				if c.notify {
					more = fmt.Sprintf("notify_master = %q\n", hang)
				}
				tracks := fmt.Sprintf("track_script = [%q]\n", c.track)
				if n%3 == 2 {
					tracks = fmt.Sprintf("track_script = [%q, \"more\"]\n", c.track)
				}
				text := globals(instance{priority: "150", toml: tracks + more}, asRoot+
					fmt.Sprintf("[[vrrp_script]]\nname = \"s\"\nscript = %q\ninterval = \"400ms\"\ntimeout = %q\nrise = %d\n", script, c.timeout, 1+n%2)+
					"[[vrrp_script]]\nname = \"more\"\nscript = \"/bin/true\"\ninterval = \"1s\"\n")
				if n%2 == 1 {
					text += strings.NewReplacer("VI_1", "VI_9", "51", "59", vip4, "192.0.2.19").Replace(
						strings.SplitN(instance{}.TOML(), "\n\n", 2)[1])
				}
				return text
			}
			hk := nstest.Hakeep(t, p.a, config(0))
			awaitState(t, hk, "MASTER")
			kd := nstest.Keepalived(t, p.b, instance{}.Conf())
			awaitState(t, kd, "BACKUP")
			nstest.Eventually(t, patience, func() error {
				if got := document(t, hk).Instances[0].Priority.Effective; got != c.priority {
					return fmt.Errorf("priority %d, want %d", got, c.priority)
				}
				if c.notify && readText(started) == "" {
					return fmt.Errorf("the notify script has not started")
				}
				return nil
			})
			cap := nstest.Capture(t, p.client, "eth0", lab.FilterVRRP)
			before, pace := len(transitionsOf(hk, "VI_1")), startPacer(t, cap)
			const reloads = 9
			for n := 1; n <= reloads; n++ {
				if err := hk.WriteConfig(config(n)); err != nil {
					t.Fatal(err)
				}
				if code, out := reload(t, hk); code != 0 {
					t.Fatalf("reload: exit %d: %s", code, out)
				}
				awaitAdverts(t, cap, "192.0.2.1", 2+n%3) // another phase of the scripts each time
			}
			awaitAdverts(t, cap, "192.0.2.1", 10)
			pace.check(t, 51)
			for _, a := range adverts(cap.Frames(), "") {
				if a.VRID == 51 && (a.src != "192.0.2.1" || int(a.Priority) != c.priority) {
					t.Errorf("advert of %s with priority %d", a.src, a.Priority)
				}
			}
			if moved := transitionsOf(hk, "VI_1")[before:]; len(moved) > 0 {
				t.Errorf("transitions: %v", moved)
			}
			if s := kd.State("VI_1"); s != "BACKUP" {
				t.Errorf("keepalived is %s", s)
			}
			if n := strings.Count(readText(started), "x"); c.notify && n != 1 {
				t.Errorf("the notify script ran %d times", n)
			}
		})
	}
}

// transitionsOf are the lines of the log about transitions of an instance.
func transitionsOf(h *lab.Hakeep, name string) (out []string) {
	for _, l := range h.Log() {
		if strings.Contains(l.Text, `"msg":"transition"`) && strings.Contains(l.Text, `"instance":"`+name+`"`) {
			out = append(out, l.Text)
		}
	}
	return out
}

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// TestHealDoubleMaster: a link is cut in two and put together again. Who stays
// master runs its take-over script once more, unless heal_double_master is off.
// It has to hear of the other one for that, so the loser sends one advert before it
// gives way. A fail-back is no double master, though the same advert comes.
//
//	a, 150 ====/cut/==== b, 100
func TestHealDoubleMaster(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, global string
		heals        bool
	}{{"on", "", true}, {"off", "heal_double_master = false\n", false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			dir := nstest.ShortDir(t)
			router := func(ns *lab.Namespace, name, priority string) (h *lab.Hakeep, log string) {
				log = filepath.Join(dir, name)
				script := writeFile(t, dir, name+".sh", "#!/bin/sh\necho x >>"+log+"\n", 0o755)
				return nstest.Hakeep(t, ns, globals(instance{priority: priority,
					toml: fmt.Sprintf("notify_master = %q\n", script)}, asRoot+c.global)), log
			}
			calls := func(log string) int { return strings.Count(readText(log), "x") }
			a, logA := router(p.a, "a", "150")
			awaitState(t, a, "MASTER")
			b, logB := router(p.b, "b", "100")
			awaitState(t, b, "BACKUP")
			nstest.Eventually(t, patience, func() error {
				if calls(logA) != 1 {
					return fmt.Errorf("%d calls", calls(logA))
				}
				return nil
			})
			capture := nstest.Capture(t, p.client, "eth0", lab.FilterVRRP)
			awaitAdverts(t, capture, "192.0.2.1", 15) // another master is told of a second after a take-over
			if err := p.portB.Cut(); err != nil {
				t.Fatal(err)
			}
			awaitState(t, b, "MASTER")
			if err := p.portB.Restore(); err != nil {
				t.Fatal(err)
			}
			awaitState(t, b, "BACKUP")
			if c.heals {
				nstest.Eventually(t, patience, func() error {
					if calls(logA) != 2 {
						return fmt.Errorf("%d calls", calls(logA))
					}
					return nil
				})
			}
			awaitAdverts(t, capture, "192.0.2.1", 25) // longer than it waits for quiet
			want := 1
			if c.heals {
				want = 2
			}
			if x, y := calls(logA), calls(logB); x != want || y != 1 {
				t.Errorf("the scripts ran %d and %d times, want %d and 1", x, y, want)
			}
			if n := len(transitionsOf(a, "VI_1")); n != 2 {
				t.Errorf("%d transitions, want the 2 of the start", n)
			}
			p.awaitHolder(t, vip4, "a")
			for _, verb := range []string{"standby", "resume"} {
				cli(t, a, 0, verb, "VI_1")
			}
			awaitState(t, a, "MASTER")
			awaitAdverts(t, capture, "192.0.2.1", 25)
			if x, y := calls(logA), calls(logB); x != want+1 || y != 2 {
				t.Errorf("after a fail-back the scripts ran %d and %d times, want %d and 2", x, y, want+1)
			}
		})
	}
}

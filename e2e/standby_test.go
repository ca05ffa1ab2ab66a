package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// cli runs a command of hakeep and fails unless it ends with the code.
func cli(t *testing.T, h *lab.Hakeep, want int, args ...string) string {
	t.Helper()
	out, errs, code, err := h.CLI(nstest.Context(t, patience), args...)
	if err != nil || code != want {
		t.Fatalf("hakeep %s: exit code %d, want %d (%v)\n%s%s", strings.Join(args, " "), code, want, err, out, errs)
	}
	return out
}

// TestStandby: standby and resume lose nothing; the command says who took over.
func TestStandby(t *testing.T) {
	for _, c := range []struct {
		name, vip, winner string
		base              instance
	}{
		{"1 s", vip4, "192.0.2.2", instance{advert: "1s"}},
		{"v2", vip4, "192.0.2.2", instance{version: 2, advert: "1s"}},
		{"ipv6", vip6, "fe80:", instance{advert: "1s", addrs: []string{"fe80::10/64", vip6 + "/64"}}},
		{"50 addresses", "192.0.2.200", "192.0.2.2", instance{advert: "1s", addrs: manyAddrs(50)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProbed(t, c.base, c.vip)
			p.probe.Mark("standby")
			if out := cli(t, p.a, 0, "standby"); !strings.HasPrefix(out, "VI_1: "+c.winner) || !strings.Contains(out, "is master (priority 100)") {
				t.Errorf("standby says %q", out)
			}
			awaitState(t, p.b, "MASTER")
			p.settle(t)
			if hasAddr(t, p.pair.a, c.vip) {
				t.Error("address on both")
			}
			if out := cli(t, p.a, 0, "status"); !strings.Contains(out, "BACKUP (standby)") {
				t.Errorf("status:\n%s", out)
			}
			p.probe.Mark("resume")
			if out := cli(t, p.a, 0, "resume"); !strings.Contains(out, "takes part again: VI_1") {
				t.Errorf("resume says %q", out)
			}
			awaitState(t, p.a, "MASTER")
			p.settle(t)
			p.check(t)
			if hasAddr(t, p.pair.b, c.vip) {
				t.Error("address on both")
			}
		})
	}
}

// TestStandbyAlone: nobody takes over, and everything says so; what is held back
// stays back when the other one dies, and through the death of main.
func TestStandbyAlone(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	dir := nstest.ShortDir(t)
	a := nstest.HakeepIn(t, p.a, dir, instance{priority: "150"}.TOML())
	awaitState(t, a, "MASTER")
	if out := cli(t, a, 1, "standby", "VI_1"); !strings.Contains(out, "nobody took over") {
		t.Errorf("standby says %q", out)
	}
	awaitAddr(t, p.a, vip4, false)
	for _, c := range []string{"status", "events"} {
		nstest.Eventually(t, patience, func() error {
			out, _, _, err := a.CLI(nstest.Context(t, patience), c)
			if err == nil && !strings.Contains(out, "VI_1 is held back (standby) and no master is heard") {
				err = fmt.Errorf("%s:\n%s", c, out)
			}
			return err
		})
	}
	b := nstest.Hakeep(t, p.b, instance{}.TOML())
	awaitState(t, b, "MASTER")
	nstest.Eventually(t, patience, func() error {
		if _, _, code, err := a.CLI(nstest.Context(t, patience), "status", "--probe"); err != nil || code != 0 {
			return fmt.Errorf("status: exit code %d, %v", code, err)
		}
		return nil
	})
	a.KillMain()
	b.Kill()
	again := nstest.HakeepIn(t, p.a, dir, "")
	nstest.Eventually(t, patience, func() error {
		out, _, code, err := again.CLI(nstest.Context(t, patience), "status")
		if err == nil && (code != 1 || !strings.Contains(out, "BACKUP (standby)") || !strings.Contains(out, "no master is heard")) {
			err = fmt.Errorf("exit code %d\n%s", code, out)
		}
		return err
	})
	if hasAddr(t, p.a, vip4) {
		t.Error("took over although it is held back")
	}
	cli(t, again, 0, "resume", "VI_1")
	awaitState(t, again, "MASTER")
}

// TestStandbyPersist: --persist outlives an orderly stop, --for ends by itself.
func TestStandbyPersist(t *testing.T) {
	t.Parallel()
	p := newProbed(t, instance{}, vip4)
	cli(t, p.a, 0, "standby", "--persist")
	if err := p.a.Stop(nstest.Context(t, patience)); err != nil {
		t.Fatal(err)
	}
	p.a = nstest.HakeepIn(t, p.pair.a, p.dirA, "")
	awaitState(t, p.a, "BACKUP")
	if out := cli(t, p.a, 0, "status"); !strings.Contains(out, "also through restarts") {
		t.Errorf("status:\n%s", out)
	}
	p.settle(t)
	if s := p.a.State("VI_1"); s != "BACKUP" {
		t.Errorf("state %s", s)
	}
	cli(t, p.a, 0, "standby", "--for", "300ms", "--no-wait")
	awaitState(t, p.a, "MASTER")
	p.settle(t)
	p.check(t)
}

// TestStandbyOfThree: one of two backups becomes master, and nobody flaps.
func TestStandbyOfThree(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"b", "c"} { // who is the better backup
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			base := instance{advert: "1s"}
			p := newProbed(t, base, vip4)
			ns, _ := p.router(t, "c", 3)
			priority, best, address := "99", p.b, "192.0.2.2"
			if order == "c" {
				priority = "101"
			}
			c := nstest.Hakeep(t, ns, base.with(priority).TOML())
			if order == "c" {
				best, address = c, "192.0.2.3"
			}
			awaitState(t, c, "BACKUP")
			p.settle(t)
			began := time.Now()
			p.probe.Mark("standby")
			if out := cli(t, p.a, 0, "standby"); !strings.HasPrefix(out, "VI_1: "+address) {
				t.Errorf("standby says %q", out)
			}
			awaitState(t, best, "MASTER")
			p.settle(t)
			p.probe.Mark("resume")
			cli(t, p.a, 0, "resume")
			awaitState(t, p.a, "MASTER")
			p.settle(t)
			p.check(t)
			masters := map[string]int{}
			for name, h := range map[string]*lab.Hakeep{"a": p.a, "b": p.b, "c": c} {
				for _, l := range h.Log() {
					if l.At.After(began) && strings.Contains(l.Text, `"msg":"transition"`) && strings.Contains(l.Text, `"to":"MASTER"`) {
						masters[name]++
					}
				}
			}
			if masters["a"] != 1 || masters[order] != 1 || len(masters) != 2 {
				t.Errorf("became master: %v; want %s once and a once", masters, order)
			}
		})
	}
}

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"hakeep/internal/lab"
)

// vi is the instance whose addresses are probed.
const vi = "VI_51"

// site is a pair with a load, and what its moves have cost.
type site struct {
	*pair
	s       settings
	pairing pairing
	load    load
	addrs   []string
	probed  []netip.Addr
	flag    string    // while this file exists, the tracked script succeeds
	settled time.Time // from when on a move measures itself only
	tallies map[string]*tally
	notes   []string
	third   *lab.Namespace
	onC     *lab.Hakeep
	// extra adds to a configuration; nil for nothing.
	extra    func(k kind, text string) string
	expected int // how often b had to become master
}

// move is one planned move. do returns when it is complete.
type move struct {
	name string
	do   func(context.Context) error
}

func newSite(s settings, w pairing, l load) (*site, error) {
	t := &site{s: s, pairing: w, load: l, tallies: map[string]*tally{}}
	addrs, probed := l.addrs()
	t.addrs = addrs
	for _, a := range probed {
		t.probed = append(t.probed, netip.MustParseAddr(a))
	}
	if len(probed) > 1 && probed[0] == probed[1] {
		t.probed = t.probed[:1]
	}
	var err error
	if t.pair, err = newPair(s, w.on); err != nil {
		return t, err
	}
	t.flag = filepath.Join(t.dir, "flag")
	if err := t.raise(true); err != nil {
		return t, err
	}
	if !l.ipv6 {
		err = t.client.AddAddr("eth0", netip.MustParsePrefix("10.9.0.254/24"))
	}
	if err == nil && l.third {
		if t.third, err = lab.NewNamespace("c"); err != nil {
			return t, err
		}
		_, err = t.lan.Attach(t.third, "eth0", netip.MustParsePrefix("192.0.2.3/24"))
		if err == nil {
			err = os.MkdirAll(t.sub("c"), 0o700)
		}
	}
	return t, err
}

func (t *site) close() {
	if t.onC != nil {
		t.onC.Kill()
	}
	if t.third != nil {
		t.third.Close()
	}
	if t.pair != nil {
		t.pair.close()
	}
}

// raise makes the tracked script succeed or fail.
func (t *site) raise(up bool) error {
	if !up {
		return os.Remove(t.flag)
	}
	return os.WriteFile(t.flag, nil, 0o644)
}

// config is the configuration of a router: with the probed instance, and with
// another one.
func (t *site) config(k kind, priority int, probed, other bool) string {
	text := t.plain(k, priority, probed, other)
	if t.extra != nil {
		text = strings.ReplaceAll(t.extra(k, text), "PRIORITY", strconv.Itoa(priority))
	}
	return text
}

func (t *site) plain(k kind, priority int, probed, other bool) string {
	var routers []vrouter
	if probed {
		routers = append(routers, vrouter{vrid: 51, addrs: t.addrs})
	}
	if other {
		routers = append(routers, vrouter{vrid: 52, addrs: []string{"10.8.0.1/24"}})
	}
	if k == hakeep {
		script := fmt.Sprintf("[global_defs]\nscript_user = \"root\"\nvrrp_version = 3\n\n[[vrrp_script]]\nname = \"flag\"\nscript = \"/usr/bin/test -e %s\"\ninterval = \"1s\"\nweight = -100\n\n", t.flag)
		text := toml(routers, priority, plannedInterval)
		return script + strings.Replace(text, "name = \"VI_51\"\n", "name = \"VI_51\"\ntrack_script = [\"flag\"]\n", 1)
	}
	script := fmt.Sprintf("vrrp_script flag {\n script \"/usr/bin/test -e %s\"\n interval 1\n weight -100\n}\n", t.flag)
	text := strings.Replace(conf(routers, priority, plannedInterval), "vrrp_instance VI_51 {", script+"vrrp_instance VI_51 {\n track_script {\n  flag\n }", 1)
	return strings.Replace(text, "vrrp_version 3\n", "vrrp_version 3\n script_user root\n", 1)
}

// launchA starts router a, with its configuration as it is.
func (t *site) launchA() (err error) {
	t.onA, err = t.run1(t.pairing.on, t.a, "a", t.config(t.pairing.on, 150, true, true))
	return err
}

func (t *site) run1(k kind, ns *lab.Namespace, name, text string) (daemon, error) {
	if k == hakeep {
		return lab.StartHakeep(ns, lab.HakeepOptions{Config: text, Dir: t.sub(name), Binary: t.s.binary})
	}
	return lab.StartKeepalived(ns, lab.KeepalivedOptions{Conf: text, Dir: t.sub(name), Args: []string{"-P"}, Terse: true})
}

// begin starts the routers and waits until they are in their places. The script
// is router a's alone.
func (t *site) begin(ctx context.Context) (err error) {
	if err = t.launchA(); err != nil {
		return err
	}
	other := func(priority int) string {
		return strings.ReplaceAll(t.config(t.pairing.beside, priority, true, false), t.flag, t.dir)
	}
	if t.onB, err = t.run1(t.pairing.beside, t.b, "b", other(100)); err != nil {
		return err
	}
	if t.third != nil {
		c, err := t.run1(hakeep, t.third, "c", other(99))
		if err != nil {
			return err
		}
		t.onC = c.(*lab.Hakeep)
	}
	if err := t.places(ctx, "MASTER", "BACKUP"); err != nil {
		return err
	}
	return sleep(ctx, time.Second)
}

// places waits until the routers are in these states, and notes when what
// keepalived announces later is over.
func (t *site) places(ctx context.Context, a, b string) error {
	if a != "" {
		if err := t.onA.WaitState(ctx, vi, a); err != nil {
			return fmt.Errorf("router a: %w\n%s", err, tail(t.onA))
		}
	}
	if err := t.onB.WaitState(ctx, vi, b); err != nil {
		return fmt.Errorf("router b: %w\n%s", err, tail(t.onB))
	}
	t.settled = time.Now()
	if a == "MASTER" && t.pairing.on == keepalived || b == "MASTER" && t.pairing.beside == keepalived {
		t.settled = t.settled.Add(keepalivedSettles)
	}
	if b == "MASTER" {
		t.expected++
	}
	return nil
}

// observe says whether somebody became master who should not have.
func (t *site) observe() {
	became := func(d daemon) (n int) {
		for _, l := range d.Log() {
			if strings.Contains(l.Text, `"instance":"`+vi+`"`) && strings.Contains(l.Text, `"to":"MASTER"`) ||
				strings.Contains(l.Text, "("+vi+") Entering MASTER STATE") {
				n++
			}
		}
		return n
	}
	if n := became(t.onB); n != t.expected {
		t.notes = append(t.notes, fmt.Sprintf("router b became master %d times in %d moves to it", n, t.expected))
	}
	if t.onC != nil {
		t.notes = append(t.notes, fmt.Sprintf("%d moves to router b; the third router became master %d times", t.expected, became(t.onC)))
	}
}

// moves are those that the program on router a knows. Each begins where the one
// before has ended; router a is master at first.
func (t *site) moves() []move {
	then := func(a, b string, do func(context.Context) error) func(context.Context) error {
		return func(ctx context.Context) error {
			if err := do(ctx); err != nil {
				return err
			}
			return t.places(ctx, a, b)
		}
	}
	stop := func(ctx context.Context) error { return t.onA.Stop(ctx) }
	launch := func(context.Context) error { return t.launchA() }
	flag := func(up bool) func(context.Context) error {
		return func(context.Context) error { return t.raise(up) }
	}
	list := []move{
		{"stop", then("", "MASTER", stop)},
		{"return", then("MASTER", "BACKUP", launch)},
		{"script fails", then("BACKUP", "MASTER", flag(false))},
		{"script recovers", then("MASTER", "BACKUP", flag(true))},
	}
	if t.pairing.on == keepalived {
		return append(list, move{"restart", then("MASTER", "BACKUP", func(ctx context.Context) error {
			if err := t.onA.Stop(ctx); err != nil {
				return err
			}
			return t.launchA()
		})})
	}
	cli := func(args ...string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, errs, code, err := t.onA.(*lab.Hakeep).CLI(ctx, args...)
			if err == nil && code != 0 {
				err = fmt.Errorf("hakeep %s ends with %d: %s", strings.Join(args, " "), code, errs)
			}
			return err
		}
	}
	reload := func(probed, other bool) func(context.Context) error {
		return func(ctx context.Context) error {
			if err := t.onA.(*lab.Hakeep).WriteConfig(t.config(hakeep, 150, probed, other)); err != nil {
				return err
			}
			return cli("reload")(ctx)
		}
	}
	return append(list,
		move{"standby", then("BACKUP", "MASTER", cli("standby", vi))},
		move{"resume", then("MASTER", "BACKUP", cli("resume", vi))},
		move{"restart", t.restart},
		move{"upgrade", cli("upgrade")},
		move{"reload: another one removed", reload(true, false)},
		move{"reload: another one added", reload(true, true)},
		move{"reload: the probed one removed", then("INIT", "MASTER", reload(false, true))},
		move{"reload: the probed one added", then("MASTER", "BACKUP", reload(true, true))},
	)
}

// restart replaces main, as systemctl restart does: the elector goes on.
func (t *site) restart(ctx context.Context) error {
	old := t.onA.(*lab.Hakeep)
	before, err := old.ElectorPid()
	if err != nil {
		return err
	}
	old.KillMain()
	if err := t.launchA(); err != nil {
		return err
	}
	for {
		_, _, code, err := t.onA.(*lab.Hakeep).CLI(ctx, "status", "--probe")
		if err == nil && code == 0 {
			break
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("new main: %w\n%s", err, tail(t.onA))
		}
	}
	if after, err := t.onA.(*lab.Hakeep).ElectorPid(); err != nil || after != before {
		return fmt.Errorf("the elector is %d, was %d (%v): %w", after, before, err, errState)
	}
	return nil
}

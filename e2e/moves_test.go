package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// allowedBesideKeepalived is what a move may cost where keepalived has a part in
// it: it advertises before it has its addresses.
const allowedBesideKeepalived = 30

// allowedOfMany is for 200 addresses of one prefix: keepalived removes the first
// one, and with it the kernel removes all the others, at hakeep's first advert,
// when the announcements of the last ones are a few milliseconds away.
const allowedOfMany = 60

// mover is a pair with keepalived or hakeep on each router, and a client that
// probes the first and the last address.
type mover struct {
	*pair
	probes []*lab.Probe
}

// load is a number of addresses of a family.
type load struct {
	n    int
	ipv6 bool
}

func (l load) String() string {
	if l.ipv6 {
		return fmt.Sprintf("%d IPv6", l.n)
	}
	return fmt.Sprintf("%d IPv4", l.n)
}

// addrs are the addresses, and the first and last one that is probed.
func (l load) addrs() (addrs []string, first, last string) {
	if !l.ipv6 {
		for i := range l.n {
			addrs = append(addrs, fmt.Sprintf("10.9.0.%d/24", i+1))
		}
		return addrs, "10.9.0.1", fmt.Sprintf("10.9.0.%d", l.n)
	}
	addrs = []string{"fe80::10/64"}
	for i := range l.n {
		addrs = append(addrs, fmt.Sprintf("2001:db8::1:%x/64", i+1))
	}
	return addrs, "2001:db8::1:1", fmt.Sprintf("2001:db8::1:%x", l.n)
}

func newMover(t *testing.T) *mover {
	t.Helper()
	m := &mover{pair: newPair(t)}
	if err := m.client.AddAddr("eth0", netip.MustParsePrefix("10.9.0.254/24")); err != nil {
		t.Fatal(err)
	}
	return m
}

// begin starts the probes when the addresses are on a router.
func (m *mover) begin(t *testing.T, vips ...string) {
	t.Helper()
	for i, vip := range vips {
		if i == 0 || vip != vips[i-1] {
			m.probes = append(m.probes, nstest.Probe(t, m.client, vip))
		}
	}
	m.settle(t)
}

// mark names the move that follows.
func (m *mover) mark(name string) {
	for _, p := range m.probes {
		p.Mark(name)
	}
}

// settle waits until the client has had answers for a while.
func (m *mover) settle(t *testing.T) {
	t.Helper()
	for _, p := range m.probes {
		if err := p.AwaitAnswers(nstest.Context(t, patience), 1500); err != nil {
			t.Fatal(err)
		}
	}
}

// check fails if a move cost more answers than allowed, and logs what each cost.
func (m *mover) check(t *testing.T, allowed int) {
	t.Helper()
	for _, p := range m.probes {
		r := p.Stop()
		lost := make([]int, len(r.Marks)+1) // the first: before any move
		for _, o := range r.Outages {
			at := 0
			for i, mark := range r.Marks {
				if !mark.At.After(o.To) {
					at = i + 1
				}
			}
			lost[at] += o.Lost
		}
		var b strings.Builder
		for i, mark := range r.Marks {
			fmt.Fprintf(&b, " %s %d,", mark.Name, lost[i+1])
			if lost[i+1] > allowed {
				t.Errorf("%s: %d answers lost", mark.Name, lost[i+1])
			}
		}
		t.Logf("lost of %s (%d asked, sent late by %v at worst):%s", r.Target, r.Sent, r.MaxSendDelay, b.String())
		if t.Failed() {
			t.Logf("%s", r)
		}
	}
}

// second is another instance, which a reload adds and removes.
const second = `
[[vrrp_instance]]
name = "VI_2"
interface = "eth0"
virtual_router_id = 52
virtual_ipaddress = ["192.0.2.250/24"]
`

// TestMovesByReload: what a reload or a tracked file moves is lost for nobody.
func TestMovesByReload(t *testing.T) {
	for _, l := range []load{{1, false}, {50, false}, {200, false}, {1, true}, {200, true}} {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			addrs, first, last := l.addrs()
			m := newMover(t)
			base := instance{advert: "1s", addrs: addrs}
			weight := filepath.Join(t.TempDir(), "weight")
			setWeight(t, weight, "0")
			tracked := base
			tracked.toml = "track_file = [\"w weight 1\"]\n[[track_file]]\nname = \"w\"\nfile = \"" + weight + "\"\n"
			a := nstest.Hakeep(t, m.a, tracked.with("150").TOML()+second)
			b := nstest.Hakeep(t, m.b, base.with("100").TOML())
			awaitState(t, a, "MASTER")
			awaitState(t, b, "BACKUP")
			awaitAddr(t, m.a, last, true)
			m.begin(t, first, last)
			reload := func(text string) {
				if err := a.WriteConfig(text); err != nil {
					t.Fatal(err)
				}
				cli(t, a, 0, "reload")
			}
			move := func(name string, holder *lab.Namespace, do func()) {
				m.mark(name)
				do()
				nstest.Eventually(t, patience, func() error {
					for _, ns := range []*lab.Namespace{m.a, m.b} {
						if hasAddr(t, ns, last) != (ns == holder) {
							return fmt.Errorf("%s: %s has %s: %v", name, ns.Name(), last, ns != holder)
						}
					}
					return nil
				})
				m.settle(t)
			}
			move("lower priority", m.b, func() { reload(tracked.with("50").TOML() + second) })
			move("higher priority", m.a, func() { reload(tracked.with("150").TOML() + second) })
			move("tracked file lowers", m.b, func() { setWeight(t, weight, "-100") })
			move("tracked file raises", m.a, func() { setWeight(t, weight, "0") })
			move("another instance removed", m.a, func() { reload(tracked.with("150").TOML()) })
			move("the probed one removed", m.b, func() { reload("[global_defs]\nvrrp_version = 3\n" + second) })
			move("and added", m.a, func() { reload(tracked.with("150").TOML() + second) })
			m.check(t, allowedLost)
		})
	}
}

func setWeight(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// terseKeepalived is a keepalived that does not log each announcement.
func terseKeepalived(t *testing.T, ns *lab.Namespace, conf string) *lab.Keepalived {
	t.Helper()
	nstest.RequireTool(t, "keepalived")
	k, err := lab.StartKeepalived(ns, lab.KeepalivedOptions{Conf: conf, Dir: t.TempDir(), Terse: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		k.Kill()
		if t.Failed() {
			t.Logf("keepalived in %s:\n%s", ns.Name(), k.LogText())
		}
	})
	return k
}

// TestMovesBesideKeepalived: hakeep leaves and comes back with keepalived as the
// backup, and gives way to a keepalived that comes back.
func TestMovesBesideKeepalived(t *testing.T) {
	for _, l := range []load{{1, false}, {50, false}, {200, false}, {1, true}, {50, true}} {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			addrs, first, last := l.addrs()
			base := instance{advert: "1s", addrs: addrs}
			allowed := allowedBesideKeepalived
			if l.n >= 200 {
				allowed = allowedOfMany
			}
			t.Run("backup", func(t *testing.T) {
				m := newMover(t)
				dir := nstest.ShortDir(t)
				a := nstest.HakeepIn(t, m.a, dir, base.with("150").TOML())
				kd := terseKeepalived(t, m.b, base.with("100").Conf())
				awaitState(t, a, "MASTER")
				awaitState(t, kd, "BACKUP")
				awaitAddr(t, m.a, last, true)
				m.begin(t, first, last)
				m.mark("stop")
				if err := a.Stop(nstest.Context(t, patience)); err != nil {
					t.Fatal(err)
				}
				awaitState(t, kd, "MASTER")
				m.settle(t)
				m.mark("return")
				a = nstest.HakeepIn(t, m.a, dir, "")
				awaitState(t, a, "MASTER")
				awaitAddr(t, m.b, last, false)
				m.settle(t)
				m.mark("standby")
				cli(t, a, 0, "standby")
				awaitState(t, kd, "MASTER")
				m.settle(t)
				m.mark("resume")
				cli(t, a, 0, "resume")
				awaitState(t, a, "MASTER")
				awaitAddr(t, m.b, last, false)
				m.settle(t)
				m.check(t, allowed)
			})
			t.Run("returning master", func(t *testing.T) {
				m := newMover(t)
				b := nstest.Hakeep(t, m.b, base.with("100").TOML())
				awaitState(t, b, "MASTER")
				awaitAddr(t, m.b, last, true)
				m.begin(t, first, last)
				m.mark("keepalived comes")
				kd := terseKeepalived(t, m.a, base.with("150").Conf())
				awaitState(t, kd, "MASTER")
				awaitAddr(t, m.b, last, false)
				m.settle(t)
				m.check(t, allowed)
			})
		})
	}
}

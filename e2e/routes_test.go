package e2e

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// routeLines and ruleLines are written the same in both configurations.
func routeLines() []string {
	return []string{
		"10.1.0.0/16 via 192.0.2.100",
		"10.2.0.0/16 via 192.0.2.100 dev eth0 src 192.0.2.10 table 100 metric 7",
		"10.3.0.0/16 dev eth0 scope link",
		"10.4.0.0/16 via 203.0.113.1 dev eth0 onlink mtu 1400 advmss 1300 initcwnd 20",
		"10.5.0.0/16 nexthop via 192.0.2.100 weight 3 nexthop via 192.0.2.99 weight 1",
		"blackhole 10.6.0.0/16",
		"unreachable 10.7.0.0/16",
		"10.8.0.0/16 via 192.0.2.100 mtu lock 1300 rto_min lock 300ms",
		"2001:db8:a::/48 via 2001:db8::100",
		"2001:db8:b::/48 dev eth0 metric 77 pref high",
	}
}

func ruleLines() []string {
	return []string{
		"from 10.1.0.0/16 table 100 preference 1000",
		"not from 10.1.0.0/16 to 10.2.0.0/16 table 100 preference 1001",
		"iif eth0 fwmark 1/255 table 101 preference 1002",
		"to 10.9.0.0/16 blackhole preference 1003",
		"to 10.9.0.0/16 prohibit preference 1004",
		"from 2001:db8:a::/48 table 100 preference 1005",
		"table 100 suppress_prefixlength 0 preference 1006",
	}
}

// policy is what of the routes and rules above a host has, without the owner's
// mark.
func policy(t *testing.T, ns *lab.Namespace) []string {
	t.Helper()
	var list []string
	owner := regexp.MustCompile(` ?\bproto \S+`)
	for _, command := range []string{"-4 route show table all", "-6 route show table all", "-4 rule show", "-6 rule show"} {
		out, err := ns.Run("ip", strings.Fields(command)...)
		if err != nil {
			t.Fatal(err)
		}
		out = strings.ReplaceAll(out, "\n\tnexthop", " nexthop")
		for line := range strings.Lines(out) {
			line = strings.Join(strings.Fields(owner.ReplaceAllString(line, "")), " ")
			first, _, _ := strings.Cut(line, " ")
			switch {
			case regexp.MustCompile(`^(\w+ )?(10\.|2001:db8:[ab]::)`).MatchString(line), regexp.MustCompile(`^10\d\d:$`).MatchString(first):
				list = append(list, line)
			}
		}
	}
	slices.Sort(list)
	return list
}

func awaitPolicy(t *testing.T, ns *lab.Namespace, n int) []string {
	t.Helper()
	var got []string
	nstest.Eventually(t, patience, func() error {
		if got = policy(t, ns); len(got) != n {
			return fmt.Errorf("%d of %d routes and rules:\n%s", len(got), n, strings.Join(got, "\n"))
		}
		return nil
	})
	return got
}

// TestRoutesAsKeepalived: the same lines make the same routes and rules; they
// are on the master only.
func TestRoutesAsKeepalived(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	quoted := func(lines []string) string {
		var b strings.Builder
		for _, l := range lines {
			fmt.Fprintf(&b, "%q, ", l)
		}
		return b.String()
	}
	base := instance{
		toml: "virtual_routes = [" + quoted(routeLines()) + "]\nvirtual_rules = [" + quoted(ruleLines()) + "]",
		conf: " virtual_routes {\n  " + strings.Join(routeLines(), "\n  ") + "\n }\n virtual_rules {\n  " + strings.Join(ruleLines(), "\n  ") + "\n }",
	}
	n := len(routeLines()) + len(ruleLines())
	hk := nstest.Hakeep(t, p.a, base.with("200").TOML())
	awaitState(t, hk, "MASTER")
	kd := nstest.Keepalived(t, p.b, base.Conf())
	awaitState(t, kd, "BACKUP")
	ours := awaitPolicy(t, p.a, n)
	awaitPolicy(t, p.b, 0)
	if err := hk.Stop(nstest.Context(t, patience)); err != nil {
		t.Fatal(err)
	}
	awaitState(t, kd, "MASTER")
	awaitPolicy(t, p.a, 0)
	theirs := awaitPolicy(t, p.b, n)
	for i := range ours {
		if ours[i] != theirs[i] {
			t.Errorf("hakeep:     %s\nkeepalived: %s", ours[i], theirs[i])
		}
	}
}

// TestRoutesReload: a reload changes what it says and nothing else, without a
// moment without the route that changes.
func TestRoutesReload(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	config := func(static, virtual string) string {
		return "static_routes = [" + static + "]\n" + instance{toml: "virtual_routes = [" + virtual + "]"}.TOML()
	}
	hk := nstest.Hakeep(t, p.a, config(`"10.1.0.0/16 via 192.0.2.100"`, `"10.2.0.0/16 via 192.0.2.100", "10.3.0.0/16 via 192.0.2.100"`))
	awaitState(t, hk, "MASTER")
	awaitPolicy(t, p.a, 3)
	change := func(text string) {
		t.Helper()
		if err := hk.WriteConfig(text); err != nil {
			t.Fatal(err)
		}
		if code, out := reload(t, hk); code != 0 {
			t.Fatalf("reload: exit code %d: %s", code, out)
		}
	}
	change(config(`"10.1.0.0/16 via 192.0.2.100", "10.4.0.0/16 via 192.0.2.100"`, `"10.2.0.0/16 via 192.0.2.99", "10.3.0.0/16 via 192.0.2.100 mtu 1400"`))
	nstest.Eventually(t, patience, func() error {
		want := []string{
			"10.1.0.0/16 via 192.0.2.100 dev eth0", "10.2.0.0/16 via 192.0.2.99 dev eth0",
			"10.3.0.0/16 via 192.0.2.100 dev eth0 mtu 1400", "10.4.0.0/16 via 192.0.2.100 dev eth0",
		}
		if got := policy(t, p.a); !slices.Equal(got, want) {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	if s := hk.State("VI_1"); s != "MASTER" {
		t.Errorf("state %s", s)
	}
	change(instance{}.TOML())
	awaitPolicy(t, p.a, 0)
}

// TestRoutesUpgrade: another image in the place of the elector touches neither
// routes nor rules, and goes on sending from a static address.
func TestRoutesUpgrade(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	ns := nstest.Host(t, "static")
	nstest.Attach(t, p.lan, ns, "eth0")
	base := instance{toml: `virtual_routes = ["10.2.0.0/16 via 192.0.2.100"]` + "\n" + `virtual_rules = ["from 10.2.0.0/16 table 100 preference 1000"]`}
	hk := nstest.Hakeep(t, ns, "static_ipaddress = [\"192.0.2.7/24 dev eth0\"]\nstatic_routes = [\"10.1.0.0/16 via 192.0.2.100\"]\n"+base.TOML())
	awaitState(t, hk, "MASTER")
	awaitPolicy(t, ns, 3)
	mon := monitorOf(t, ns, "route", "rule")
	nstest.Eventually(t, patience, func() error {
		nstest.Run(t, ns, "ip", "route", "add", "10.50.0.0/16", "via", "192.0.2.100")
		nstest.Run(t, ns, "ip", "route", "del", "10.50.0.0/16")
		if seen := mon.take(); !strings.Contains(seen, "10.50.0.0/16") {
			return fmt.Errorf("the monitor says %q", seen)
		}
		return nil
	})
	nstest.Run(t, ns, "ip", "route", "add", "203.0.113.0/24", "via", "192.0.2.100")
	for seen := ""; !strings.Contains(seen, "203.0.113.0/24"); { // what is before that is ours
		nstest.Eventually(t, patience, func() error {
			if seen = mon.take(); seen == "" {
				return errors.New("the monitor is silent")
			}
			return nil
		})
	}
	for range 3 {
		cli(t, hk, 0, "upgrade")
	}
	awaitPolicy(t, ns, 3)
	if seen := mon.take(); strings.Contains(seen, "10.") {
		t.Errorf("changed: %s", seen)
	}
	if doc := readDocument(t, hk); doc.Instances[0].State != "MASTER" || doc.Instances[0].Counters.BecameMaster != 1 {
		t.Errorf("instance is %+v", doc.Instances[0])
	}
	// What is removed after that is put back by the new image.
	nstest.Run(t, ns, "ip", "route", "del", "10.2.0.0/16")
	nstest.Run(t, ns, "ip", "rule", "del", "priority", "1000")
	awaitPolicy(t, ns, 3)
}

// TestRoutesAfterKill: what a killed daemon left is removed by the next one,
// also when its configuration does not name it any more.
func TestRoutesAfterKill(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	base := instance{toml: `virtual_routes = ["10.2.0.0/16 via 192.0.2.100"]` + "\n" + `virtual_rules = ["from 10.2.0.0/16 table 100 preference 1000"]`}
	dir := nstest.ShortDir(t)
	hk := nstest.HakeepIn(t, p.a, dir, "static_routes = [\"10.1.0.0/16 via 192.0.2.100\"]\n"+base.TOML())
	awaitState(t, hk, "MASTER")
	awaitPolicy(t, p.a, 3)
	hk.Kill()
	awaitPolicy(t, p.a, 3)
	again := nstest.HakeepIn(t, p.a, dir, instance{}.TOML())
	awaitState(t, again, "MASTER")
	awaitPolicy(t, p.a, 0)
}

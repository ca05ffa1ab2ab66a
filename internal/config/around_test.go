package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeHost has some links, users, groups and programs, and counts questions.
type fakeHost struct {
	has   []string
	asked map[string]int
}

var _ Host = (*fakeHost)(nil)

func (h *fakeHost) exists(kind, name string) bool {
	h.asked[kind+" "+name]++
	return slices.Contains(h.has, kind+" "+name)
}
func (h *fakeHost) LinkExists(name string) bool  { return h.exists("link", name) }
func (h *fakeHost) UserExists(name string) bool  { return h.exists("user", name) }
func (h *fakeHost) GroupExists(name string) bool { return h.exists("group", name) }
func (h *fakeHost) Lookup(name string) error {
	if h.exists("program", name) {
		return nil
	}
	return errors.New("no such file")
}

func TestCheckOn(t *testing.T) {
	t.Parallel()
	const text = `
static_ipaddress = ["192.0.2.5/24"]
static_routes = ["198.51.100.0/24 nexthop via 192.0.2.1 dev eth4 nexthop via 192.0.2.2 dev eth5"]
[global_defs]
notify_fifo = "/run/f fifouser fifogroup"
default_interface = "eth3"
startup_script = "/startup"
[[vrrp_script]]
name = "s"
script = "/check"
user = "haproxy adm"
[[track_check]]
name = "k"
kind = "ping"
targets = ["fe80::1"]
bind_if = "eth6"
[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
virtual_ipaddress = ["192.0.2.10/24"]
track_script = ["s"]
track_check = ["k"]
track_interface = ["eth1", "eth7"]
virtual_rules = ["iif eth2 table 100 preference 1"]
notify = "/check"
notify_master = "/bin/true"
[interface_up_down_delays]
eth8 = "1s"
`
	cfg, problems := Parse("f", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	h := &fakeHost{has: []string{"link eth0", "link eth1", "program /bin/true", "group adm"}, asked: map[string]int{}}
	got := cfg.CheckOn(h)
	const later = "this is put into the kernel when it appears"
	want := []string{
		"f: there is no user fifouser on this host, to whom /run/f is to belong",
		"f: there is no group fifogroup on this host, to which /run/f is to belong",
		"f:2: static_ipaddress: there is no interface eth3 on this host now; " + later,
		"f:3: static_routes: there is no interface eth4 on this host now; " + later,
		"f:3: static_routes: there is no interface eth5 on this host now; " + later,
		"f:7: global_defs.startup_script: there is no user hakeep_script on this host, so what runs as this user counts as failed; create it, or write another script_user",
		`f:7: global_defs.startup_script: "/startup" cannot be run on this host: no such file`,
		"f:10: vrrp_script.s.script: there is no user haproxy on this host, so what runs as this user counts as failed; create it, or write another script_user",
		`f:10: vrrp_script.s.script: "/check" cannot be run on this host: no such file`,
		"f:16: track_check.k.bind_if: there is no interface eth6 on this host now; the check fails until it appears",
		"f:24: vrrp_instance.VI_1.track_interface: there is no interface eth7 on this host now; the instance waits in fault until it appears",
		"f:25: vrrp_instance.VI_1.virtual_rules: there is no interface eth2 on this host now; " + later,
		`f:26: vrrp_instance.VI_1.notify: "/check" cannot be run on this host: no such file`,
		"f:29: interface_up_down_delays.eth8: there is no interface eth8 on this host now; the delay has no effect until it appears",
	}
	if diff := cmp.Diff(want, strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if got.HasErrors() {
		t.Error("what is missing on the host is an error")
	}
	for question, n := range h.asked {
		if n != 1 || strings.HasSuffix(question, " ") {
			t.Errorf("%q is asked %d times", question, n)
		}
	}
}

// TestDigestAround checks that everything around the instances counts.
func TestDigestAround(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, c := range aroundCases() {
		cfg, problems := Parse("f", []byte(c.root+"\n"+base(c.global, c.inst, c.vips)))
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		// What means the same has the same digest, and nothing else has.
		meaning := fmt.Sprintf("%+v", plain(cfg))
		if other, ok := seen[cfg.Digest()]; ok && other != meaning {
			t.Errorf("%s: a digest for\n%s and\n%s", c.key, meaning, other)
		}
		for digest, other := range seen {
			if other == meaning && digest != cfg.Digest() {
				t.Errorf("%s: another digest for the same meaning", c.key)
			}
		}
		seen[cfg.Digest()] = meaning
	}
	digest := func(text string) string {
		cfg, problems := Parse("f", []byte(text))
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		return cfg.Digest()
	}
	if digest(base("", `notify = '/x \xfe'`, "")) == digest(base("", `notify = '/x \xff'`, "")) {
		t.Error("an argument that is not UTF-8 does not count")
	}
	if digest(base("", `notify = "/x a"`, "")) != digest("# moved\n"+base("", `notify = ["/x", "a"]`, "")) {
		t.Error("the notation of a command counts")
	}
}

// plain is a configuration without what does not count.
func plain(cfg *Config) Config {
	c := *cfg
	c.links, c.commands, c.source = nil, nil, source{}
	plainBalancing(&c)
	c.Instances = slices.Clone(c.Instances)
	for i := range c.Instances {
		c.Instances[i].Line = 0
	}
	c.Scripts, c.Files, c.Processes, c.Checks = slices.Clone(c.Scripts), slices.Clone(c.Files), slices.Clone(c.Processes), slices.Clone(c.Checks)
	for i := range c.Scripts {
		c.Scripts[i].Line = 0
	}
	for i := range c.Files {
		c.Files[i].Line = 0
	}
	for i := range c.Processes {
		c.Processes[i].Line = 0
	}
	for i := range c.Checks {
		c.Checks[i].Line = 0
	}
	c.Groups, c.TrackGroups, c.LinkDelays = slices.Clone(c.Groups), slices.Clone(c.TrackGroups), slices.Clone(c.LinkDelays)
	for i := range c.Groups {
		c.Groups[i].Line = 0
	}
	for i := range c.TrackGroups {
		c.TrackGroups[i].Line = 0
	}
	for i := range c.LinkDelays {
		c.LinkDelays[i].Line = 0
	}
	return c
}

func TestAroundStrings(t *testing.T) {
	t.Parallel()
	got := fmt.Sprint(CheckPing, CheckTCP, CheckHTTP, CheckDNS, CheckKind(9), MatchAny, MatchExact, MatchInitial, MatchPartial, ProcessMatch(9),
		ChoiceUnset, ChoiceOff, ChoiceOn, Choice(9), RRType(6), RRType(99), RouteUnicast, RouteThrow, RouteType(99), RoutePref(0), PrefLow, PrefMedium, PrefHigh, RoutePref(9),
		PlaceAdd, PlacePrepend, PlaceAppend, Placement(9), RuleLookup, RuleGoto, RuleNop, RuleBlackhole, RuleUnreachable, RuleProhibit, RuleAction(99))
	want := "ping tcp http dns check kind 9 any exact initial partial match 9 unset off on choice 9 SOA TYPE99 unicast throw route type 99 " +
		"none low medium high route preference 9 add prepend append placement 9 lookup goto nop blackhole unreachable prohibit rule action 99"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !(Tracks{}).IsZero() || (Tracks{Files: []Track{{}}}).IsZero() {
		t.Error("IsZero of Tracks")
	}
	a := run("/x", "y")
	for _, f := range []func(c *Command){
		func(c *Command) { c.Argv = []string{"/x"} },
		func(c *Command) { c.User = "u" },
		func(c *Command) { c.Group = "g" },
		func(c *Command) { c.SupplementaryGroups = true },
		func(c *Command) { c.Timeout = 1 },
	} {
		b := run("/x", "y")
		if !a.Equal(b) {
			t.Error("equal commands differ")
		}
		if f(&b); a.Equal(b) {
			t.Errorf("%+v equals %+v", a, b)
		}
	}
}

// TestOldTrackFile checks that both names of track_file may stand together.
func TestOldTrackFile(t *testing.T) {
	t.Parallel()
	cfg, problems := Parse("f", []byte(base("", `track_file = ["b", "a"]
[[vrrp_track_file]]
name = "a"
file = "/a"
[[track_file]]
name = "b"
file = "/b"`, "")))
	if len(problems) > 0 || len(cfg.Files) != 2 || cfg.Files[0].Name != "b" || cfg.Files[1].Name != "a" {
		t.Errorf("%v, %+v", problems, cfg)
	}
}

// plainBalancing takes lines out of virtual servers, and shows their passwords.
func plainBalancing(c *Config) {
	c.VirtualServers = slices.Clone(c.VirtualServers)
	for i := range c.VirtualServers {
		v := &c.VirtualServers[i]
		v.Line, v.Servers = 0, slices.Clone(v.Servers)
		for j := range v.Servers {
			r := &v.Servers[j]
			r.Line = 0
			r.Checkers.Redis = slices.Clone(r.Checkers.Redis)
			for k := range r.Checkers.Redis {
				r.Checkers.Redis[k].Login.User += r.Checkers.Redis[k].Login.Password
			}
			r.Checkers.MySQL = slices.Clone(r.Checkers.MySQL)
			for k := range r.Checkers.MySQL {
				r.Checkers.MySQL[k].Login.User += r.Checkers.MySQL[k].Login.Password
			}
		}
	}
}

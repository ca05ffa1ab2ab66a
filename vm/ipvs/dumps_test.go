//go:build vm

package ipvs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakeep/internal/config"
	"hakeep/internal/daemon"
	"hakeep/internal/nstest"
)

// topology is where keepalived_check.data begins to be about servers.
const topology = "------< LVS Topology >------"

// dumpConf has in it what the tables of TestTables have not.
func dumpConf() string {
	return `global_defs {
    script_user root
}
` + virtual("192.0.2.10 80", `protocol TCP; lvs_sched wrr; lvs_method NAT; persistence_timeout 50; alpha; omega; quorum 2; hysteresis 1; quorum_up "/usr/bin/true up"; quorum_down "/usr/bin/true down"; sorry_server 10.0.0.13 80; smtp_alert on`,
		real("10.0.0.11", 8080, "weight 3", `notify_up "/usr/bin/true rs 'a b'"`, "inhibit_on_failure", "smtp_alert off"),
		real("10.0.0.12", 8080, "uthreshold 100", "lthreshold 50")) +
		virtual("192.0.2.10 81", "protocol TCP; lvs_sched rr; lvs_method DR; ha_suspend", real("10.0.0.12", 8080)) +
		virtual("fwmark 7", "lvs_sched sh; lvs_method NAT; sh-port", real("10.0.0.11", 8080), real("10.0.0.12", 8080)) +
		virtual("192.0.2.10 8080", "protocol TCP; lvs_sched rr; lvs_method NAT", real("10.0.0.11", 8080, "lvs_method TUN type gre csum"),
			real("10.0.0.12", 8080, "lvs_method TUN type gue port 6080 remcsum"), real("10.0.0.13", 8080, "lvs_method TUN type gue port 6081")) +
		"virtual_server_group g {\n    192.0.2.20 82\n    192.0.2.21-23 82\n}\n" +
		virtual("group g", "protocol UDP; lvs_sched mh; lvs_method NAT; mh-fallback; ops", real("10.0.0.11", 8080)) +
		virtual("2001:db8::10 443", "protocol TCP; lvs_sched wlc; lvs_method NAT", real("fd00::11", 8080), real("fd00::12", 8080))
}

// TestCheckDump compares keepalived_check.data of hakeep and of keepalived for the
// same file in the same situation: what hakeep writes about servers and checkers is
// what keepalived writes, line by line, but for the lines of a kind that only
// keepalived has.
func TestCheckDump(t *testing.T) {
	if !config.BalancingDone {
		t.Skip("hakeep refuses virtual servers")
	}
	theirs, ours := newServersHost(t, "keepalived"), newServersHost(t, "hakeep")
	k := nstest.Keepalived(t, theirs.Namespace, dumpConf())
	h := nstest.Hakeep(t, ours.Namespace, dumpConf())
	for _, host := range []*serversHost{theirs, ours} {
		nstest.Eventually(t, patience, func() error { // signals have no effect before
			_, live, err := host.saved()
			if err == nil && live == 0 {
				err = errors.New("there is no table")
			}
			return err
		})
	}
	same := func(when string, down int) {
		t.Helper()
		var shown string
		nstest.Eventually(t, patience, func() error {
			got, err := checkDump(h)
			if err != nil {
				return err
			}
			want, err := checkDump(k)
			if err != nil {
				return err
			}
			shown = got
			if diff := cmp.Diff(ofKinds(want, kinds(got)), strings.Split(got, "\n")); diff != "" || strings.Count(got, "Up = no") != down {
				return fmt.Errorf("%s (-keepalived +hakeep):\n%s", when, diff)
			}
			return nil
		})
		t.Logf("%s:\n%s", when, shown)
	}
	same("all are well", 0)
	for _, host := range []*serversHost{theirs, ours} {
		for _, l := range host.mortal {
			l.Close()
		}
	}
	same("two have died", 5)
}

// checkDump has a daemon write the dump anew and returns what it says of servers.
func checkDump(d interface {
	Signal(os.Signal) error
	Dir() string
}) (string, error) {
	path := filepath.Join(d.Dir(), "keepalived_check.data")
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if err := d.Signal(daemon.SignalData); err != nil {
		return "", err
	}
	var before string
	for range 100 {
		// keepalived writes in place.
		text, err := os.ReadFile(path)
		if _, after, ok := strings.Cut(string(text), topology); err == nil && ok && after != "" && after == before {
			return strings.Trim(after, "\n"), nil
		} else {
			before = after
		}
		time.Sleep(20 * time.Millisecond)
	}
	return "", fmt.Errorf("%s is not written", path)
}

// kind is what a line is about: all but its value.
func kind(line string) string {
	for _, sep := range []string{" = ", " is ", " -> "} {
		if k, _, ok := strings.Cut(line, sep); ok {
			if sep == " -> " {
				return sep
			}
			return k
		}
	}
	return line
}

func kinds(text string) map[string]bool {
	out := map[string]bool{}
	for _, l := range strings.Split(text, "\n") {
		out[kind(l)] = true
	}
	return out
}

// ofKinds are the lines of these kinds. keepalived ends a line about a script with
// the numbers of its user.
func ofKinds(text string, kinds map[string]bool) []string {
	var out []string
	for _, l := range strings.Split(text, "\n") {
		if kinds[kind(l)] {
			l, _, _ = strings.Cut(l, ", uid:gid ")
			out = append(out, l)
		}
	}
	return out
}

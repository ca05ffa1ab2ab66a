//go:build vm

package ipvs

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakeep/internal/config"
	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// check is how all servers are checked: something listens on port 8080 of theirs.
const check = `TCP_CHECK {
            connect_port 8080
            connect_timeout 2
            retry 1
            delay_before_retry 1
        }`

// real is a real_server block. More holds further lines.
func real(addr string, port int, more ...string) string {
	return fmt.Sprintf("    real_server %s %d {\n        %s\n        %s\n    }\n", addr, port, strings.Join(more, "\n        "), check)
}

// virtual is a virtual_server block: its name, its lines, separated by semicolons, and its servers.
func virtual(name, lines string, servers ...string) string {
	return fmt.Sprintf("virtual_server %s {\n    delay_loop 1\n    %s\n%s}\n", name, strings.ReplaceAll(lines, "; ", "\n    "), strings.Join(servers, ""))
}

// table is a keepalived.conf and how many servers of all services together take
// connections (weight above 0), before and after 10.0.0.11 and fd00::11 have died.
type table struct {
	name          string
	conf          string
	before, after int
}

func tables() []table {
	two := func(port int, more ...string) string {
		return real("10.0.0.11", port, more...) + real("10.0.0.12", port, more...)
	}
	schedulers := ""
	for i, s := range []string{"lblc", "lblcr", "dh", "sed", "nq", "fo", "ovf", "lc", "wrr"} {
		schedulers += virtual(fmt.Sprintf("192.0.2.10 %d", 8000+i), "protocol TCP; lvs_method NAT; lvs_sched "+s, two(8080))
	}
	return []table{
		{"weights", virtual("192.0.2.10 80", "protocol TCP; lvs_sched wlc; lvs_method NAT",
			real("10.0.0.11", 8080, "weight 3"), real("10.0.0.12", 8081, "weight 100"), real("10.0.0.13", 8080)), 3, 2},
		{"persistence", virtual("192.0.2.10 80", "protocol TCP; lvs_sched rr; lvs_method DR; persistence_timeout 120; persistence_granularity 255.255.255.0", two(80)) +
			virtual("192.0.2.10 443", "protocol TCP; lvs_sched rr; lvs_method DR; persistence_timeout 300", two(443)), 4, 2},
		{"tunnels", virtual("192.0.2.10 80", "protocol TCP; lvs_sched rr; lvs_method TUN", two(80)) +
			virtual("192.0.2.10 81", "protocol TCP; lvs_sched rr; lvs_method TUN type gue port 6080 csum", two(81)) +
			virtual("192.0.2.10 82", "protocol TCP; lvs_sched rr; lvs_method TUN type gre nocsum", two(82)), 6, 3},
		{"firewall marks", virtual("fwmark 7", "lvs_sched sh; lvs_method NAT; sh-port; sh-fallback", two(8080)) +
			virtual("fwmark 8", "ip_family inet6; lvs_sched mh; lvs_method DR", real("fd00::11", 80), real("fd00::12", 80)) +
			"virtual_server_group marks {\n    fwmark 10\n    fwmark 11\n}\n" +
			virtual("group marks", "lvs_sched rr; lvs_method DR", two(80)), 8, 4},
		{"IPv6", virtual("2001:db8::10 443", "protocol TCP; lvs_sched mh; lvs_method NAT; mh-port; mh-fallback; persistence_timeout 60; persistence_granularity 64",
			real("fd00::11", 8443), real("fd00::12", 8443, "weight 7")), 2, 1},
		{"one packet", virtual("192.0.2.10 53", "protocol UDP; lvs_sched rr; lvs_method NAT; ops; inhibit_on_failure", two(53)), 2, 1},
		{"group with a sorry server", "virtual_server_group web {\n    192.0.2.10 80\n    192.0.2.11-13 80\n    192.0.2.20 81\n    fwmark 9\n}\n" +
			virtual("group web", "protocol TCP; lvs_sched wrr; lvs_method NAT; quorum 2; sorry_server 10.0.0.13 8080", two(8080)), 12, 6},
		{"quorum and hysteresis", virtual("192.0.2.10 80", "protocol TCP; lvs_sched rr; lvs_method NAT; alpha; quorum 3; hysteresis 1; sorry_server 10.0.0.13 8080; sorry_server_inhibit; inhibit_on_failure",
			real("10.0.0.11", 8080, "weight 3"), real("10.0.0.12", 8080)), 2, 1},
		{"thresholds and mixed methods", virtual("192.0.2.10 80", "protocol SCTP; lvs_sched rr; lvs_method DR",
			real("10.0.0.11", 80, "uthreshold 1000", "lthreshold 500"), real("10.0.0.12", 80, "lvs_method NAT"),
			real("10.0.0.13", 80, "lvs_method TUN type gue port 6080", "weight 0")), 2, 1},
		{"schedulers", schedulers + virtual("192.0.2.10 5060", "protocol UDP; lvs_sched rr; lvs_method NAT; persistence_timeout 60; persistence_engine sip", two(5060)), 20, 10},
	}
}

// serversHost is a host with all servers, each with an address of its own, of which
// the first two can be made to die.
type serversHost struct {
	*lab.Namespace
	mortal []net.Listener
}

func newServersHost(t *testing.T, name string) *serversHost {
	t.Helper()
	h := &serversHost{Namespace: nstest.Host(t, name)}
	for _, addr := range []string{"10.0.0.11", "fd00::11", "10.0.0.12", "10.0.0.13", "fd00::12"} {
		add := []string{"addr", "add", addr, "dev", "lo"}
		if strings.Contains(addr, ":") {
			add = append(add, "nodad") // else it cannot be listened on for a moment
		}
		nstest.Run(t, h.Namespace, "ip", add...)
		var l net.Listener
		err := h.Do(func() (err error) {
			l, err = net.Listen("tcp", net.JoinHostPort(addr, "8080"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
		if len(h.mortal) < 2 {
			h.mortal = append(h.mortal, l)
		}
	}
	return h
}

// saved is the table as `ipvsadm -Sn` prints it, in alphabetical order, and how many
// servers take connections.
func (h *serversHost) saved() (lines []string, live int, err error) {
	out, err := h.Run("ipvsadm", "-Sn")
	if err != nil {
		return nil, 0, fmt.Errorf("ipvsadm -Sn: %w\n%s", err, out)
	}
	lines = strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(lines)
	for _, l := range lines {
		if f := strings.Fields(l); len(f) > 0 && f[0] == "-a" && !strings.Contains(l, " -w 0") {
			live++
		}
	}
	return lines, live, nil
}

// TestTables: hakeep and keepalived, with one and the same keepalived.conf, make the
// same table, also when a server has died, and leave an empty one.
func TestTables(t *testing.T) {
	if !config.BalancingDone {
		t.Skip("hakeep refuses virtual servers")
	}
	for _, c := range tables() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			theirs, ours := newServersHost(t, "keepalived"), newServersHost(t, "hakeep")
			conf := "global_defs {\n    script_user root\n}\n" + c.conf
			k := nstest.Keepalived(t, theirs.Namespace, conf)
			h := nstest.Hakeep(t, ours.Namespace, conf)
			same := func(when string, live int) {
				t.Helper()
				var shown []string
				nstest.Eventually(t, patience, func() error {
					want, n, err := theirs.saved()
					if err != nil {
						return err
					}
					got, m, err := ours.saved()
					if err != nil {
						return err
					}
					shown = want
					if diff := cmp.Diff(want, got); n != live || m != live || diff != "" {
						return fmt.Errorf("%s: keepalived has %d servers that take connections and hakeep %d, want %d (-keepalived +hakeep):\n%s", when, n, m, live, diff)
					}
					return nil
				})
				t.Logf("%s:\n%s", when, strings.Join(shown, "\n"))
			}
			same("before", c.before)
			for _, host := range []*serversHost{theirs, ours} {
				for _, l := range host.mortal {
					l.Close()
				}
			}
			same("after", c.after)
			if err := k.Stop(nstest.Context(t, patience)); err != nil {
				t.Errorf("stop keepalived: %v", err)
			}
			if err := h.Stop(nstest.Context(t, patience)); err != nil {
				t.Errorf("stop hakeep: %v", err)
			}
			same("stopped", 0)
		})
	}
}

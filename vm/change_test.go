//go:build vm

package vm

import (
	"fmt"
	"strings"
	"testing"

	"hakeep/internal/nstest"
)

// TestParentChanges: while a is master, somebody changes the interface under it.
// Afterwards a is master again and the client reaches its addresses, with no
// hand at the daemon.
func TestParentChanges(t *testing.T) {
	byName := map[string]parent{}
	for _, p := range parents() {
		byName[p.name] = p
	}
	for _, c := range []struct {
		name, parent string
		// change and restore are arguments of `ip`, a command each. After change
		// the master is b if away is true.
		change, restore []string
		away            bool
	}{
		{"VLAN deleted and made again", "vlan",
			[]string{"link del eth0.7"},
			append(vlanLines("eth0"), "addr add 192.0.2.1/24 dev eth0.7", "addr add 2001:db8::1/64 dev eth0.7 nodad"), true},
		{"VLAN's cable shut down", "vlan",
			[]string{"link set eth0 down"},
			// The kernel takes the global addresses of a VLAN with its cable's.
			[]string{"link set eth0 up", "link set eth0.7 up", "addr replace 2001:db8::1/64 dev eth0.7 nodad"}, true},
		{"bond deleted and made again", "bond",
			[]string{"link del bond0"},
			append(append([]string{}, bondLines...), "addr add 192.0.2.1/24 dev bond0", "addr add 2001:db8::1/64 dev bond0 nodad"), true},
		{"bond loses its members", "bond",
			[]string{"link set eth0 nomaster", "link set eth1 nomaster"},
			[]string{"link set eth0 down", "link set eth1 down", "link set eth0 master bond0", "link set eth1 master bond0"}, true},
		// The kernel shuts the interface for a moment when it moves into a VRF or
		// out of it, and takes its IPv6 addresses.
		{"out of the VRF and back", "vrf",
			[]string{"link set eth0 nomaster", "addr replace 2001:db8::1/64 dev eth0 nodad"},
			[]string{"link set eth0 master red", "addr replace 2001:db8::1/64 dev eth0 nodad"}, false},
		{"VRF deleted", "vrf",
			[]string{"link del red", "addr replace 2001:db8::1/64 dev eth0 nodad"}, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := byName[c.parent]
			n := newNetwork(t, p)
			a := start(t, "hakeep", n.a, settings{link: p.link, priority: 150, number: 1})
			await(t, a, "MASTER")
			b := start(t, "hakeep", n.b, settings{link: p.link, priority: 100, number: 2})
			await(t, b, "BACKUP")
			n.awaitHolder(t, "a")
			for _, line := range c.change {
				nstest.Run(t, n.a, "ip", strings.Fields(line)...)
			}
			if c.away {
				await(t, b, "MASTER")
				await(t, a, "FAULT")
				n.awaitHolder(t, "b")
			} else {
				n.awaitHolder(t, "a")
			}
			for _, line := range c.restore {
				nstest.Run(t, n.a, "ip", strings.Fields(line)...)
			}
			n.awaitHolder(t, "a")
			nstest.Eventually(t, patience, func() error {
				for _, i := range []string{"VI_4", "VI_6"} {
					if a.State(i) != "MASTER" || b.State(i) != "BACKUP" {
						return fmt.Errorf("%s: a is %s, b is %s", i, a.State(i), b.State(i))
					}
				}
				return nil
			})
		})
	}
}

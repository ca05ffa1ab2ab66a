//go:build vm

package vm

import (
	"slices"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// TestPair: over every kind of parent, by multicast and by unicast, with hakeep
// and with keepalived as the peer: who has the higher priority is master, the
// client reaches the virtual addresses there; a crash, an orderly stop and a
// lost carrier hand them over, and the return takes them back.
func TestPair(t *testing.T) {
	for _, p := range parents() {
		for _, v := range []struct {
			name, peer string
			unicast    bool
			// on are the parents, all if empty: a link and a VRF each, for want of time.
			on string
		}{
			{name: "multicast", peer: "hakeep"},
			{name: "unicast", peer: "hakeep", unicast: true, on: "vlan bond-vrf"},
			{name: "keepalived", peer: "keepalived", on: "bond-vlan vrf"},
		} {
			if v.on != "" && !slices.Contains(strings.Fields(v.on), p.name) {
				continue
			}
			t.Run(p.name+"/"+v.name, func(t *testing.T) {
				t.Parallel()
				testPair(t, p, v.peer, v.unicast)
			})
		}
	}
}

func testPair(t *testing.T, p parent, peer string, unicast bool) {
	n := newNetwork(t, p)
	confA := settings{link: p.link, priority: 150, number: 1}
	confB := settings{link: p.link, priority: 100, number: 2}
	if unicast {
		confA.peer, confB.peer = 2, 1
	}
	a := start(t, "hakeep", n.a, confA)
	await(t, a, "MASTER")
	b := start(t, peer, n.b, confB)
	await(t, b, "BACKUP")
	n.awaitHolder(t, "a")

	if p.cables > 1 {
		n.failoverInsideBond(t, a, b)
	}

	// No cable has a carrier: a gives up at once, for what its interface depends on.
	for _, port := range n.ports {
		if err := port.Down(); err != nil {
			t.Fatal(err)
		}
	}
	await(t, a, "FAULT")
	await(t, b, "MASTER")
	n.awaitHolder(t, "b")
	for _, port := range n.ports {
		if err := port.Up(); err != nil {
			t.Fatal(err)
		}
	}
	await(t, a, "MASTER")
	await(t, b, "BACKUP")
	n.awaitHolder(t, "a")

	a.Kill()
	await(t, b, "MASTER")
	n.awaitHolder(t, "b")

	a = start(t, "hakeep", n.a, confA)
	await(t, a, "MASTER")
	await(t, b, "BACKUP")
	n.awaitHolder(t, "a")

	if err := a.Stop(nstest.Context(t, patience)); err != nil {
		t.Fatal(err)
	}
	n.awaitGone(t, n.a)
	await(t, b, "MASTER")
	n.awaitHolder(t, "b")
}

// failoverInsideBond takes the carrier of the bond's cables in turn: nobody's
// state changes, and the client misses no more than what the bond needs.
func (n *network) failoverInsideBond(t *testing.T, a, b daemon) {
	t.Helper()
	probe := nstest.Probe(t, n.client, vip4)
	for _, port := range n.ports {
		if err := probe.AwaitAnswers(nstest.Context(t, patience), 50); err != nil {
			t.Fatal(err)
		}
		probe.Mark(port.Name() + " loses its carrier")
		if err := port.Down(); err != nil {
			t.Fatal(err)
		}
		if err := probe.AwaitAnswers(nstest.Context(t, patience), 50); err != nil {
			t.Fatal(err)
		}
		if err := port.Up(); err != nil {
			t.Fatal(err)
		}
		n.awaitMember(t, port)
	}
	still(t, "the master, after a failover inside its bond", a, "MASTER")
	still(t, "the backup, after a failover inside the master's bond", b, "BACKUP")
	// Two looks at the carrier and the switch's learning anew take 0.1 s; the rest
	// is for an emulated processor.
	r := probe.Stop()
	d := r.Longest().Duration()
	t.Logf("failover inside the bond: %d requests, %d lost, longest time without an answer %v", r.Sent, r.Lost, d)
	if d > time.Second {
		t.Errorf("the client missed the virtual address for %v", d)
	}
}

// awaitMember waits until the bond uses a cable again.
func (n *network) awaitMember(t *testing.T, port *lab.Port) {
	t.Helper()
	nstest.Eventually(t, patience, func() error { return memberUp(n.a, port.Name()) })
}

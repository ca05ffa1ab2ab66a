package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	hakeepstatus "hakeep/internal/status"
)

// awaitConflict waits until the daemon tells of another host with the address: in
// its status, with a warning, and by an event.
func awaitConflict(t *testing.T, h *lab.Hakeep, addr, mac, by string) {
	t.Helper()
	nstest.Eventually(t, patience, func() error {
		doc := readDocument(t, h)
		for _, c := range doc.Instances[0].Conflicts {
			if c.Address.String() != addr || c.MAC != mac || by != "" && c.By != by {
				continue
			}
			if !strings.Contains(strings.Join(doc.Warnings, "\n"), "another host, "+mac+", uses "+addr) {
				return fmt.Errorf("no warning in %q", doc.Warnings)
			}
			out, _, _, err := h.CLI(nstest.Context(t, patience), "events")
			if err != nil || !strings.Contains(out, "conflict from "+addr+": another host, "+mac) {
				return fmt.Errorf("no event (%v): %s", err, out)
			}
			return nil
		}
		return fmt.Errorf("conflicts %v, want %s at %s by %s; log: %s", doc.Instances[0].Conflicts, addr, mac, by, h.LogText())
	})
}

// TestAddressConflict: another host uses a virtual address, or the one that
// adverts leave from: the kernel says nothing, hakeep does.
func TestAddressConflict(t *testing.T) {
	t.Parallel()
	nstest.RequireTool(t, "ping")
	for _, c := range []struct{ name, addr string }{
		{"virtual address", vip4}, {"address of the adverts", "192.0.2.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			h := nstest.Hakeep(t, p.a, instance{}.TOML())
			awaitState(t, h, "MASTER")
			awaitAddr(t, p.a, vip4, true)
			nstest.Run(t, p.b, "ip", "addr", "add", c.addr+"/24", "dev", "eth0")
			stop := pinging(t, p.b, c.addr)
			awaitConflict(t, h, c.addr, linkAddr(t, p.b), "ARP")
			stop()
			if s := readDocument(t, h).Instances[0].State; s != "MASTER" {
				t.Errorf("state %s: a conflict is told, and changes nothing", s)
			}
		})
	}
}

// pinging makes a host ask by ARP for a new address all the time, from src.
func pinging(t *testing.T, ns *lab.Namespace, src string) (stop func()) {
	t.Helper()
	cmd := ns.Command("sh", "-c", "for i in $(seq 1 200); do ping -c 1 -W 0.2 -I "+src+" 192.0.2.$((50+i%40)); done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// TestAddressConflictIPv6: another router of the same address under another VRID
// announces it by neighbour advertisements.
func TestAddressConflictIPv6(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	h := nstest.Hakeep(t, p.a, instance{addrs: []string{vip6 + "/64"}}.TOML())
	awaitState(t, h, "MASTER")
	awaitAddr(t, p.a, vip6, true)
	settled(t, h)
	other := nstest.Hakeep(t, p.b, strings.Replace(instance{addrs: []string{vip6 + "/64"}}.TOML(), "virtual_router_id = 51", "virtual_router_id = 52", 1))
	awaitState(t, other, "MASTER")
	awaitConflict(t, h, vip6, linkAddr(t, p.b), "neighbour advertisement")
}

// settled waits until an instance is master for so long that claims count and are
// told.
func settled(t *testing.T, h *lab.Hakeep) *hakeepstatus.Document {
	t.Helper()
	var doc *hakeepstatus.Document
	nstest.Eventually(t, patience, func() error {
		doc = readDocument(t, h)
		if in := doc.Instances[0]; in.State != "MASTER" || doc.Time.Sub(in.Since) < 6*time.Second {
			return fmt.Errorf("is %s since %v", in.State, in.Since)
		}
		return nil
	})
	return doc
}

// TestDeafMasters: two masters whose adverts a firewall drops find each other by
// their addresses, the one that is there first by the announcement of the other,
// which in turn asks.
func TestDeafMasters(t *testing.T) {
	t.Parallel()
	nstest.RequireTool(t, "nft")
	p := newPair(t)
	for _, ns := range []*lab.Namespace{p.a, p.b} {
		nstest.Run(t, ns, "nft", "add table inet t; add chain inet t in { type filter hook prerouting priority -300; }; add rule inet t in ip protocol 112 drop")
	}
	first := nstest.Hakeep(t, p.a, instance{priority: "150"}.TOML())
	awaitState(t, first, "MASTER")
	settled(t, first)
	second := nstest.Hakeep(t, p.b, instance{}.TOML())
	awaitState(t, second, "MASTER")
	awaitConflict(t, first, vip4, linkAddr(t, p.b), "")
	awaitConflict(t, second, vip4, linkAddr(t, p.a), "")
	if w := strings.Join(readDocument(t, second).Warnings, "\n"); !strings.Contains(w, "both may be master and not hear each other") {
		t.Errorf("warnings %q", w)
	}
}

// TestMovesAreNoConflicts: who takes over has the addresses for a moment together
// with who leaves.
func TestMovesAreNoConflicts(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	a := nstest.Hakeep(t, p.a, instance{priority: "150"}.TOML())
	awaitState(t, a, "MASTER")
	b := nstest.Hakeep(t, p.b, instance{}.TOML())
	awaitState(t, b, "BACKUP")
	settled(t, a)
	for _, verb := range []string{"standby", "resume"} {
		if out, errs, code, err := a.CLI(nstest.Context(t, patience), verb, "VI_1"); err != nil || code != 0 {
			t.Fatalf("%s: %d %v %s %s", verb, code, err, out, errs)
		}
		want := b
		if verb == "resume" {
			want = a
		}
		awaitState(t, want, "MASTER")
		settled(t, want)
	}
	for name, h := range map[string]*lab.Hakeep{"a": a, "b": b} {
		if c := readDocument(t, h).Instances[0].Conflicts; len(c) > 0 {
			t.Errorf("%s: conflicts %v", name, c)
		}
	}
}

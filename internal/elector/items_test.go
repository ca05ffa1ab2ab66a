package elector

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/netif"
	"hakeep/internal/nstest"
	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// itemsConfig has a virtual route that is sent from the virtual address, a
// virtual rule, and static items.
func itemsConfig(priority uint8) *wire.Config {
	c := testConfig(priority)
	in := c.Instances[0]
	in.Routes = []netif.Route{{
		Dst: netip.MustParsePrefix("10.50.0.0/16"), Src: netip.MustParseAddr("192.0.2.10"), Table: 100,
		NextHops: []netif.NextHop{{Via: netip.MustParseAddr("192.0.2.100"), Dev: "eth0"}},
	}}
	in.Rules = []netif.Rule{{To: netip.MustParsePrefix("10.50.0.0/16"), Table: 100, Priority: 1000}}
	c.Static = wire.Static{
		Addresses: []netif.Addr{{Prefix: netip.MustParsePrefix("198.51.100.7/24"), Link: "eth0"}},
		Routes: []netif.Route{{
			Dst: netip.MustParsePrefix("10.60.0.0/16"), NextHops: []netif.NextHop{{Via: netip.MustParseAddr("198.51.100.1")}},
		}},
		Rules: []netif.Rule{{From: netip.MustParsePrefix("10.60.0.0/16"), Table: 100, Priority: 1001}},
	}
	return c
}

func ip(t *testing.T, ns *lab.Namespace, args string) string {
	t.Helper()
	out, err := ns.Run("ip", strings.Fields(args)...)
	if err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
	return out
}

// await waits until a namespace has, or has not, the virtual route and rule.
func awaitItems(t *testing.T, ns *lab.Namespace, virtual, static bool) {
	t.Helper()
	nstest.Eventually(t, 5*time.Second, func() error {
		routes, rules := ip(t, ns, "route show table all proto 112"), ip(t, ns, "rule show protocol 112")
		for _, look := range []struct {
			in, text string
			want     bool
		}{
			{routes, "10.50.0.0/16 via 192.0.2.100 dev eth0 table 100 src 192.0.2.10", virtual},
			{rules, "1000:", virtual},
			{routes, "10.60.0.0/16 via 198.51.100.1 dev eth0", static},
			{rules, "1001:", static},
		} {
			if strings.Contains(look.in, look.text) != look.want {
				return fmt.Errorf("%s there: %v\n%s%s", look.text, !look.want, routes, rules)
			}
		}
		return nil
	})
}

// Virtual routes and rules are on the master only, move with it, and are put
// back; static ones are always there, and gone when the elector has left.
func TestRoutesFollowTheMaster(t *testing.T) {
	nstest.Require(t)
	lan := nstest.LAN(t)
	a, b := nstest.Host(t, "a"), nstest.Host(t, "b")
	nstest.Attach(t, lan, a, "eth0", "192.0.2.1/24")
	nstest.Attach(t, lan, b, "eth0", "192.0.2.2/24")
	// What another program has put there is not touched, nor what a daemon has
	// that this configuration knows nothing of; leftovers go.
	ip(t, a, "route add 10.50.0.0/16 via 192.0.2.99 table 100")
	ip(t, a, "route add 10.51.0.0/16 via 192.0.2.99 proto 112")
	ip(t, a, "route add 10.52.0.0/16 via 192.0.2.99 proto 112")
	ip(t, a, "rule add from 10.52.0.0/16 table 7 priority 1002 protocol 112")
	ea, eb := startElector(t, a), startElector(t, b)
	config := itemsConfig(200)
	config.LeftItems = wire.LeftItems{
		Routes: []netif.RouteKey{{Table: 254, Dst: netip.MustParsePrefix("10.52.0.0/16")}},
		Rules:  []netif.Rule{{From: netip.MustParsePrefix("10.52.0.0/16"), Table: 7, Priority: 1002}},
	}
	ea.send(&wire.Message{Config: config})
	ea.awaitState("MASTER")
	eb.send(&wire.Message{Config: itemsConfig(100)})
	eb.awaitState("BACKUP")
	awaitItems(t, a, true, true)
	awaitItems(t, b, false, true)
	if out := ip(t, a, "route show table all"); !strings.Contains(out, "10.51.0.0/16") || strings.Contains(out, "10.52.0.0/16") {
		t.Errorf("another's route is gone or the leftover is there:\n%s", out)
	}
	if out := ip(t, a, "rule show"); strings.Contains(out, "1002:") {
		t.Errorf("the leftover rule is there:\n%s", out)
	}

	ip(t, a, "route del 10.50.0.0/16 via 192.0.2.100 table 100")
	ip(t, a, "rule del priority 1000")
	ip(t, a, "route del 10.60.0.0/16")
	awaitItems(t, a, true, true)
	if out := ip(t, a, "route show table 100"); !strings.Contains(out, "via 192.0.2.99") {
		t.Errorf("the administrator's route is gone:\n%s", out)
	}

	ip(t, a, "link set eth0 down")
	eb.awaitState("MASTER")
	awaitItems(t, b, true, true)
	ip(t, a, "link set eth0 up")
	eb.events = nil
	eb.awaitState("BACKUP")
	awaitItems(t, a, true, true)
	awaitItems(t, b, false, true)

	ip(t, a, "route append 10.50.0.0/16 via 192.0.2.99 table 100") // the first went with the link
	ea.send(&wire.Message{Shutdown: &wire.Shutdown{}})
	ea.receive(func(r *wire.Message) bool { return r.Stopped != nil })
	awaitItems(t, a, false, false)
	awaitItems(t, b, true, true)
	if out := ip(t, a, "route show table 100"); !strings.Contains(out, "via 192.0.2.99") {
		t.Errorf("the administrator's route is gone:\n%s", out)
	}
	if out := ip(t, a, "addr show dev eth0"); strings.Contains(out, "198.51.100.7") {
		t.Errorf("the static address is still there:\n%s", out)
	}
}

// A virtual route that another program removes again and again is a fault of
// the instance, as with an address.
func TestRouteTaken(t *testing.T) {
	nstest.Require(t)
	lan := nstest.LAN(t)
	a := nstest.Host(t, "a")
	nstest.Attach(t, lan, a, "eth0", "192.0.2.1/24")
	ea := startElector(t, a)
	ea.send(&wire.Message{Config: itemsConfig(200)})
	ea.awaitState("MASTER")
	awaitItems(t, a, true, true)
	for range 6 {
		ip(t, a, "route del 10.50.0.0/16 table 100")
		nstest.Eventually(t, 5*time.Second, func() error {
			if out, _ := a.Run("ip", "route", "show", "table", "100"); strings.Contains(out, "10.50.0.0/16") {
				return nil
			}
			if i := ea.snapshot().Instances[0]; i.State == "FAULT" {
				if !slices.Contains(i.Faults, "address-taken") {
					t.Errorf("faults %v", i.Faults)
				}
				return nil
			}
			return fmt.Errorf("neither put back nor a fault")
		})
	}
	if ev := ea.awaitState("FAULT"); ev.Cause != vrrp.CauseAddressTaken.String() {
		t.Errorf("cause %s", ev.Cause)
	}
	awaitItems(t, a, false, true)
}

// A static address may be the only one that an interface has.
func TestAdvertsFromStaticAddress(t *testing.T) {
	nstest.Require(t)
	lan := nstest.LAN(t)
	a := nstest.Host(t, "a")
	nstest.Attach(t, lan, a, "eth0")
	ea := startElector(t, a)
	ea.send(&wire.Message{Config: itemsConfig(200)})
	ea.awaitState("MASTER")
	if s := ea.snapshot().Instances[0].Source; s != netip.MustParseAddr("198.51.100.7") {
		t.Errorf("adverts from %v", s)
	}
}

// A static route that another program removes again and again is a fault of
// the instances that follow it (track_group).
func TestStaticRouteTaken(t *testing.T) {
	nstest.Require(t)
	lan := nstest.LAN(t)
	a := nstest.Host(t, "a")
	nstest.Attach(t, lan, a, "eth0", "192.0.2.1/24")
	ea := startElector(t, a)
	c := itemsConfig(200)
	c.Static.Followers = map[string][]string{netif.Item{Route: &c.Static.Routes[0]}.String(): {"VI_1"}}
	ea.send(&wire.Message{Config: c})
	ea.awaitState("MASTER")
	awaitItems(t, a, true, true)
	nstest.Eventually(t, 10*time.Second, func() error {
		_, _ = a.Run("ip", "route", "del", "10.60.0.0/16")
		if s := ea.snapshot().Instances[0]; s.State != "FAULT" {
			return fmt.Errorf("state %s", s.State)
		}
		return nil
	})
}

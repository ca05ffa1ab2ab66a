package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hakeep/internal/nstest"
)

// TestAddressDeleted: an address that another program deletes is back within
// 100 ms, without a failover.
func TestAddressDeleted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, addr string
		base       instance
	}{
		{"ipv4", vip4 + "/24", instance{}},
		{"ipv6", vip6 + "/64", instance{addrs: []string{"fe80::10/64", vip6 + "/64"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			hk := nstest.Hakeep(t, p.a, c.base.TOML())
			awaitState(t, hk, "MASTER")
			plain := strings.Split(c.addr, "/")[0]
			awaitAddr(t, p.a, plain, true)
			probe := nstest.Probe(t, p.client, plain)
			if err := probe.AwaitAnswers(nstest.Context(t, patience), 100); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				at := probe.Mark("deleted")
				nstest.Run(t, p.a, "ip", "address", "del", c.addr, "dev", "eth0")
				if err := probe.AwaitAnswers(nstest.Context(t, patience), 200); err != nil {
					t.Fatal(err)
				}
				_ = at
			}
			r := probe.Stop()
			if d := r.Longest().Duration(); d > 150*time.Millisecond {
				t.Errorf("gone for %v", d)
			}
			t.Logf("deleted three times: %s", r)
			if s := hk.State("VI_1"); s != "MASTER" {
				t.Errorf("state %s", s)
			}
		})
	}
}

// TestAddressTaken: who keeps deleting an address wins: FAULT, and the other
// router takes over.
func TestAddressTaken(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	hk := nstest.Hakeep(t, p.a, instance{priority: "200"}.TOML())
	awaitState(t, hk, "MASTER")
	kd := nstest.Keepalived(t, p.b, instance{}.Conf())
	awaitState(t, kd, "BACKUP")
	nstest.Eventually(t, patience, func() error {
		_, _ = p.a.Run("ip", "address", "del", vip4+"/24", "dev", "eth0")
		if s := hk.State("VI_1"); s != "FAULT" {
			return fmt.Errorf("state %s", s)
		}
		return nil
	})
	awaitState(t, kd, "MASTER")
	if !strings.Contains(hk.LogText(), "address-taken") {
		t.Error("the log does not say why")
	}
}

// TestLinkDown: without carrier the instance is in FAULT at once, not after a
// timeout, and the other router is master; it comes back with the carrier. IPv6
// addresses, which the kernel drops on a link that is shut down, come back too.
func TestLinkDown(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	both := instance{priority: "200", toml: `virtual_ipaddress_excluded = ["` + vip6 + `/64"]`}
	hk := nstest.Hakeep(t, p.a, both.TOML())
	awaitState(t, hk, "MASTER")
	kd := nstest.Keepalived(t, p.b, instance{}.Conf())
	awaitState(t, kd, "BACKUP")
	if err := p.portA.Down(); err != nil {
		t.Fatal(err)
	}
	awaitState(t, hk, "FAULT")
	awaitState(t, kd, "MASTER")
	p.awaitHolder(t, vip4, "b")
	if err := p.portA.Up(); err != nil {
		t.Fatal(err)
	}
	awaitState(t, hk, "MASTER")
	p.awaitHolder(t, vip4, "a")
	awaitAddr(t, p.a, vip6, true)
	// Administratively.
	nstest.Run(t, p.a, "ip", "link", "set", "eth0", "down")
	awaitState(t, hk, "FAULT")
	nstest.Run(t, p.a, "ip", "link", "set", "eth0", "up")
	awaitState(t, hk, "MASTER")
	awaitAddr(t, p.a, vip4, true)
	awaitAddr(t, p.a, vip6, true)
	p.awaitHolder(t, vip4, "a")
}

// TestInterfaceComesAndGoes: an interface that is not there yet, is renamed,
// deleted and made again.
func TestInterfaceComesAndGoes(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	ns := nstest.Host(t, "late")
	hk := nstest.Hakeep(t, ns, instance{}.TOML())
	awaitState(t, hk, "FAULT")
	nstest.Attach(t, p.lan, ns, "eth0", "192.0.2.3/24")
	awaitState(t, hk, "MASTER")
	awaitAddr(t, ns, vip4, true)
	nstest.Run(t, ns, "ip", "link", "set", "eth0", "down")
	nstest.Run(t, ns, "ip", "link", "set", "eth0", "name", "other0")
	awaitState(t, hk, "FAULT")
	nstest.Run(t, ns, "ip", "link", "set", "other0", "name", "eth0")
	nstest.Run(t, ns, "ip", "link", "set", "eth0", "up")
	awaitState(t, hk, "MASTER")
	awaitAddr(t, ns, vip4, true)
	nstest.Run(t, ns, "ip", "link", "del", "eth0")
	awaitState(t, hk, "FAULT")
	nstest.Attach(t, p.lan, ns, "eth0", "192.0.2.3/24")
	awaitState(t, hk, "MASTER")
	awaitAddr(t, ns, vip4, true)
}

// TestSourceAddress: without an address to send from there is no instance; it
// begins when one appears, also for unicast.
func TestSourceAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, toml string }{
		{"multicast", ""},
		{"unicast", "unicast_src_ip = \"192.0.2.1\"\nunicast_peer = [\"192.0.2.2\"]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			nstest.Run(t, p.a, "ip", "-4", "address", "flush", "dev", "eth0")
			hk := nstest.Hakeep(t, p.a, instance{toml: c.toml}.TOML())
			awaitState(t, hk, "FAULT")
			nstest.Run(t, p.a, "ip", "address", "add", "192.0.2.1/24", "dev", "eth0")
			awaitState(t, hk, "MASTER")
			awaitAddr(t, p.a, vip4, true)
			nstest.Run(t, p.a, "ip", "address", "del", "192.0.2.1/24", "dev", "eth0")
			awaitState(t, hk, "FAULT")
			awaitAddr(t, p.a, vip4, false)
		})
	}
}

// TestNoAccept: with no_accept the address is held and its neighbours find it,
// but packets to it are dropped, also after somebody flushed the ruleset.
func TestNoAccept(t *testing.T) {
	t.Parallel()
	nstest.RequireTool(t, "nft")
	for _, c := range []struct {
		name, vip string
		base      instance
	}{
		{"ipv4", vip4, instance{}},
		{"ipv6", vip6, instance{addrs: []string{"fe80::10/64", vip6 + "/64"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			c.base.toml = "no_accept = true"
			hk := nstest.Hakeep(t, p.a, c.base.TOML())
			awaitState(t, hk, "MASTER")
			awaitAddr(t, p.a, c.vip, true)
			dropped := func() error {
				if _, err := p.holder(t, c.vip); err == nil {
					return fmt.Errorf("%s answers although no_accept", c.vip)
				}
				return nil
			}
			nstest.Eventually(t, patience, dropped)
			nstest.Eventually(t, patience, func() error { return neighbourKnown(p, c.vip) })
			nstest.Run(t, p.a, "nft", "flush", "ruleset")
			nstest.Eventually(t, patience, func() error {
				out, err := p.a.Run("nft", "list", "table", "inet", "hakeep")
				if err == nil && !strings.Contains(out, c.vip) {
					err = fmt.Errorf("table without %s:\n%s", c.vip, out)
				}
				return err
			})
			if err := dropped(); err != nil {
				t.Error(err)
			}
		})
	}
}

// neighbourKnown reports whether the client could resolve the address.
func neighbourKnown(p *pair, vip string) error {
	out, err := p.client.Run("ip", "neighbour", "show", vip)
	if err != nil {
		return err
	}
	if !strings.Contains(out, "lladdr") {
		return fmt.Errorf("not resolved: %q", out)
	}
	return nil
}

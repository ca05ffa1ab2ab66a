//go:build vm

package vm

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// network is two routers and a client on one link, which the routers reach by
// an interface that is more than a cable:
//
//	   client              a                    b
//	     |            eth0 | (eth1)        eth0 | (eth1)
//	=====+=================+====================+======  LAN
//
//	vlan       eth0.7 on eth0, also at the client
//	bond       bond0 of eth0 and eth1, active-backup
//	bond-vlan  bond0.7 on such a bond, eth0.7 at the client
//	vrf        eth0 in the VRF red
//	bond-vrf   bond0 in the VRF red
//
// The addresses are 192.0.2.1 and 2001:db8::1 at a, .2 at b, .100 at the client;
// the virtual ones 192.0.2.10, fe80::10 and 2001:db8::10.
type network struct {
	parent       parent
	lan          *lab.LAN
	a, b, client *lab.Namespace
	// ports are a's cables.
	ports []*lab.Port
}

const (
	vip4 = "192.0.2.10"
	vip6 = "2001:db8::10"
	// patience is how long a test waits for an event before it fails. It is much
	// longer than anything takes, even where the processor is emulated.
	patience = 60 * time.Second
)

// parent is a kind of interface that adverts are sent over.
type parent struct {
	name string
	// link is the interface of the instances, clientLink the client's.
	link, clientLink string
	// cables is the number of a router's connections to the switch.
	cables int
	// router and client are arguments of `ip`, a command each.
	router, client []string
	// vrf is where the router's tools have to look for routes.
	vrf string
}

var bondLines = []string{
	// Milliseconds between two looks at the carrier: short, so that the test is.
	"link add bond0 type bond mode active-backup miimon 50",
	"link set eth0 down", "link set eth1 down",
	"link set eth0 master bond0", "link set eth1 master bond0",
	"link set bond0 up",
}

func vlanLines(base string) []string {
	return []string{
		"link add link " + base + " name " + base + ".7 type vlan id 7",
		"link set " + base + ".7 up",
	}
}

func vrfLines(link string) []string {
	return []string{
		"link add red type vrf table 10",
		"link set red up",
		"link set " + link + " master red",
	}
}

func parents() []parent {
	return []parent{
		{name: "vlan", link: "eth0.7", clientLink: "eth0.7", cables: 1, router: vlanLines("eth0"), client: vlanLines("eth0")},
		{name: "bond", link: "bond0", clientLink: "eth0", cables: 2, router: bondLines},
		{name: "bond-vlan", link: "bond0.7", clientLink: "eth0.7", cables: 2,
			router: append(append([]string{}, bondLines...), vlanLines("bond0")...), client: vlanLines("eth0")},
		{name: "vrf", link: "eth0", clientLink: "eth0", cables: 1, router: vrfLines("eth0"), vrf: "red"},
		{name: "bond-vrf", link: "bond0", clientLink: "eth0", cables: 2,
			router: append(append([]string{}, bondLines...), vrfLines("bond0")...), vrf: "red"},
	}
}

func newNetwork(tb testing.TB, p parent) *network {
	tb.Helper()
	n := &network{parent: p, lan: nstest.LAN(tb)}
	n.a, n.ports = n.router(tb, "a", 1)
	n.b, _ = n.router(tb, "b", 2)
	n.client = nstest.Host(tb, "client")
	nstest.Attach(tb, n.lan, n.client, "eth0")
	n.setUp(tb, n.client, p.clientLink, 100, p.client)
	// A bond uses its members some time after it has got them, and drops what
	// comes before.
	for _, host := range []*lab.Namespace{n.a, n.b} {
		nstest.Eventually(tb, patience, func() error { return n.reaches(host) })
	}
	return n
}

func (n *network) router(tb testing.TB, name string, number int) (*lab.Namespace, []*lab.Port) {
	tb.Helper()
	ns := nstest.Host(tb, name)
	var ports []*lab.Port
	for i := range n.parent.cables {
		ports = append(ports, nstest.Attach(tb, n.lan, ns, fmt.Sprintf("eth%d", i)))
	}
	n.setUp(tb, ns, n.parent.link, number, n.parent.router)
	return ns, ports
}

// setUp makes the interface and gives it its addresses.
func (n *network) setUp(tb testing.TB, ns *lab.Namespace, link string, number int, lines []string) {
	tb.Helper()
	for _, line := range lines {
		nstest.Run(tb, ns, "ip", strings.Fields(line)...)
	}
	for _, a := range []string{fmt.Sprintf("192.0.2.%d/24", number), fmt.Sprintf("2001:db8::%d/64", number)} {
		if err := ns.AddAddr(link, netip.MustParsePrefix(a)); err != nil {
			tb.Fatal(err)
		}
	}
}

// reaches pings the client from a router, in the router's VRF.
func (n *network) reaches(router *lab.Namespace) error {
	for _, target := range []string{"192.0.2.100", "2001:db8::100"} {
		if out, err := router.Run("ping", "-I", n.parent.link, "-c", "1", "-W", "1", "-n", target); err != nil {
			return fmt.Errorf("%s does not reach %s: %w\n%s", router.Name(), target, err, out)
		}
	}
	return nil
}

// holder says who answers for the address as the client sees it: it is pinged,
// and the neighbour entry tells whose MAC it has.
func (n *network) holder(vip string) (string, error) {
	target := netip.MustParseAddr(vip)
	if out, err := n.client.Run("ping", "-c", "1", "-W", "1", "-n", vip); err != nil {
		return "", fmt.Errorf("no answer from %s: %w\n%s", vip, err, out)
	}
	family := 2 // AF_INET
	if target.Is6() {
		family = 10 // AF_INET6
	}
	neighs, err := n.client.Netlink().NeighList(0, family)
	if err != nil {
		return "", err
	}
	for _, entry := range neighs {
		if addr, ok := netip.AddrFromSlice(entry.IP); !ok || addr.Unmap() != target {
			continue
		}
		for name, ns := range map[string]*lab.Namespace{"a": n.a, "b": n.b} {
			l, err := ns.Netlink().LinkByName(n.parent.link)
			if err != nil {
				return "", err
			}
			if l.Attrs().HardwareAddr.String() == entry.HardwareAddr.String() {
				return name, nil
			}
		}
		return "", fmt.Errorf("%s is at %s, which is nobody's", vip, entry.HardwareAddr)
	}
	return "", fmt.Errorf("no neighbour entry for %s", vip)
}

// awaitHolder waits until the client reaches both virtual addresses at the host.
func (n *network) awaitHolder(tb testing.TB, want string) {
	tb.Helper()
	for _, vip := range []string{vip4, vip6} {
		nstest.Eventually(tb, patience, func() error {
			got, err := n.holder(vip)
			if err == nil && got != want {
				err = fmt.Errorf("%s is answered by %s, want %s", vip, got, want)
			}
			return err
		})
	}
}

// awaitGone waits until a router has none of the virtual addresses.
func (n *network) awaitGone(tb testing.TB, ns *lab.Namespace) {
	tb.Helper()
	nstest.Eventually(tb, patience, func() error {
		addrs, err := ns.Addrs(n.parent.link)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			switch a.Addr().String() {
			case vip4, vip6, "fe80::10":
				return fmt.Errorf("%s still has %s", ns.Name(), a)
			}
		}
		return nil
	})
}

// memberUp reports why a bond does not use its member, or nil.
func memberUp(ns *lab.Namespace, name string) error {
	l, err := ns.Netlink().LinkByName(name)
	if err != nil {
		return err
	}
	slave, ok := l.Attrs().Slave.(*netlink.BondSlave)
	if !ok {
		return fmt.Errorf("%s is in no bond", name)
	}
	if slave.MiiStatus != netlink.BondLinkUp {
		return fmt.Errorf("the bond sees %s as down", name)
	}
	return nil
}

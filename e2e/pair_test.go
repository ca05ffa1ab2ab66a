package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// pair is two routers and a client on one link:
//
//	  client           a                b
//	    |.100          |.1              |.2       192.0.2.0/24
//	    |::100         |::1             |::2      2001:db8::/64
//	====+==============+================+====
//
// The virtual address is 192.0.2.10 or 2001:db8::10.
type pair struct {
	lan          *lab.LAN
	a, b, client *lab.Namespace
	portA, portB *lab.Port
}

const (
	vip4 = "192.0.2.10"
	vip6 = "2001:db8::10"
	// patience is how long a test waits for an event before it fails. It is much
	// longer than anything takes.
	patience = 30 * time.Second
)

func newPair(tb testing.TB) *pair {
	tb.Helper()
	p := &pair{lan: nstest.LAN(tb)}
	p.a, p.portA = p.router(tb, "a", 1)
	p.b, p.portB = p.router(tb, "b", 2)
	p.client = nstest.Host(tb, "client")
	nstest.Attach(tb, p.lan, p.client, "eth0", "192.0.2.100/24", "2001:db8::100/64")
	return p
}

// router adds a router with address .n and ::n.
func (p *pair) router(tb testing.TB, name string, n int) (*lab.Namespace, *lab.Port) {
	tb.Helper()
	ns := nstest.Host(tb, name)
	port := nstest.Attach(tb, p.lan, ns, "eth0", fmt.Sprintf("192.0.2.%d/24", n), fmt.Sprintf("2001:db8::%d/64", n))
	return ns, port
}

// awaitState waits until a daemon says that its instance is in a state.
func awaitState(tb testing.TB, d interface {
	WaitState(ctx context.Context, instance, state string) error
}, state string) {
	tb.Helper()
	if err := d.WaitState(nstest.Context(tb, patience), "VI_1", state); err != nil {
		tb.Fatal(err)
	}
}

// linkAddr is the MAC of a host's eth0.
func linkAddr(tb testing.TB, ns *lab.Namespace) string {
	tb.Helper()
	l, err := ns.Netlink().LinkByName("eth0")
	if err != nil {
		tb.Fatal(err)
	}
	return l.Attrs().HardwareAddr.String()
}

// holder says who answers for the address as the client sees it: it is pinged,
// and the neighbour entry tells whose MAC it has.
func (p *pair) holder(tb testing.TB, vip string) (string, error) {
	tb.Helper()
	target := netip.MustParseAddr(vip)
	cmd := "ping"
	args := []string{"-c", "1", "-W", "1", "-n", vip}
	if target.Is6() {
		args = append([]string{"-6"}, args...)
	}
	if out, err := p.client.Run(cmd, args...); err != nil {
		return "", fmt.Errorf("no answer from %s: %w\n%s", vip, err, out)
	}
	family := 2
	if target.Is6() {
		family = 10
	}
	neighs, err := p.client.Netlink().NeighList(0, family)
	if err != nil {
		return "", err
	}
	for _, n := range neighs {
		if addr, ok := netip.AddrFromSlice(n.IP); !ok || addr.Unmap() != target {
			continue
		}
		for name, ns := range map[string]*lab.Namespace{"a": p.a, "b": p.b} {
			if linkAddr(tb, ns) == n.HardwareAddr.String() {
				return name, nil
			}
		}
		return "", fmt.Errorf("%s is at %s, which is nobody's", vip, n.HardwareAddr)
	}
	return "", fmt.Errorf("no neighbour entry for %s", vip)
}

// awaitHolder waits until the client reaches the address at the host.
func (p *pair) awaitHolder(tb testing.TB, vip, want string) {
	tb.Helper()
	nstest.Eventually(tb, patience, func() error {
		got, err := p.holder(tb, vip)
		if err == nil && got != want {
			err = fmt.Errorf("%s is answered by %s, want %s", vip, got, want)
		}
		return err
	})
}

// hasAddr reports whether a host has the address on eth0.
func hasAddr(tb testing.TB, ns *lab.Namespace, addr string) bool {
	tb.Helper()
	addrs, err := ns.Addrs("eth0")
	if err != nil {
		tb.Fatal(err)
	}
	for _, a := range addrs {
		if a.Addr().String() == addr {
			return true
		}
	}
	return false
}

// awaitAddr waits until a host has the address, or has it no more.
func awaitAddr(tb testing.TB, ns *lab.Namespace, addr string, want bool) {
	tb.Helper()
	nstest.Eventually(tb, patience, func() error {
		if hasAddr(tb, ns, addr) != want {
			return fmt.Errorf("%s has %s: %v, want %v", ns.Name(), addr, !want, want)
		}
		return nil
	})
}

// instance is an instance in both languages.
type instance struct {
	state, priority string
	// version, vrid, advert are 3, 51 and 100ms unless set; advert is of the
	// form "1s" or "100ms".
	version, vrid int
	advert        string
	addrs         []string // default 192.0.2.10/24
	// toml and conf are further lines for the instance.
	toml, conf string
}

func (i instance) defaults() instance {
	if i.state == "" {
		i.state = "BACKUP"
	}
	if i.priority == "" {
		i.priority = "100"
	}
	if i.version == 0 {
		i.version = 3
	}
	if i.vrid == 0 {
		i.vrid = 51
	}
	if i.advert == "" {
		i.advert = "100ms"
	}
	if i.addrs == nil {
		i.addrs = []string{vip4 + "/24"}
	}
	return i
}

// TOML is the instance as hakeep.toml.
func (i instance) TOML() string {
	i = i.defaults()
	var b strings.Builder
	fmt.Fprintf(&b, "[global_defs]\nvrrp_version = %d\n\n[[vrrp_instance]]\nname = \"VI_1\"\nstate = %q\ninterface = \"eth0\"\n", i.version, i.state)
	fmt.Fprintf(&b, "virtual_router_id = %d\npriority = %s\nadvert_int = %q\n", i.vrid, i.priority, i.advert)
	b.WriteString("virtual_ipaddress = [")
	for _, a := range i.addrs {
		fmt.Fprintf(&b, "%q, ", a)
	}
	b.WriteString("]\n" + i.toml + "\n")
	return b.String()
}

// realtimePeer gives keepalived real-time scheduling, which it does not have by
// default: else a busy test machine makes it take over from a master that is
// well.
const realtimePeer = " vrrp_rt_priority 50\n vrrp_rlimit_rttime 10000000\n max_auto_priority -1\n"

// Conf is the instance as keepalived.conf.
func (i instance) Conf() string {
	i = i.defaults()
	d, err := time.ParseDuration(i.advert)
	if err != nil {
		panic(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "global_defs {\n vrrp_version %d\n"+realtimePeer+"}\nvrrp_instance VI_1 {\n state %s\n interface eth0\n virtual_router_id %d\n priority %s\n advert_int %g\n",
		i.version, i.state, i.vrid, i.priority, d.Seconds())
	b.WriteString(" virtual_ipaddress {\n")
	for _, a := range i.addrs {
		b.WriteString("  " + a + "\n")
	}
	b.WriteString(" }\n" + i.conf + "\n}\n")
	return b.String()
}

// with returns a copy with another priority.
func (i instance) with(priority string) instance {
	i.priority = priority
	return i
}

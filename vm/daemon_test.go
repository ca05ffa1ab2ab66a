//go:build vm

package vm

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// daemon is what the tests want of hakeep and of keepalived.
type daemon interface {
	WaitState(ctx context.Context, instance, state string) error
	State(instance string) string
	Stop(ctx context.Context) error
	Kill()
	LogText() string
}

var (
	_ daemon = (*lab.Hakeep)(nil)
	_ daemon = (*lab.Keepalived)(nil)
)

// settings are the configuration of a router: an IPv4 and an IPv6 instance,
// VI_4 and VI_6.
type settings struct {
	link     string
	priority int
	// number is the last part of the router's addresses, peer the other one's; peer
	// is 0 for multicast.
	number, peer int
}

func (s settings) toml() string {
	var b strings.Builder
	b.WriteString("[global_defs]\nvrrp_version = 3\n")
	for _, family := range []struct{ name, source, peer, addrs string }{
		{"VI_4", fmt.Sprintf("192.0.2.%d", s.number), fmt.Sprintf("192.0.2.%d", s.peer), `"192.0.2.10/24"`},
		{"VI_6", fmt.Sprintf("2001:db8::%d", s.number), fmt.Sprintf("2001:db8::%d", s.peer), `"fe80::10/64", "2001:db8::10/64"`},
	} {
		fmt.Fprintf(&b, "\n[[vrrp_instance]]\nname = %q\ninterface = %q\nvirtual_router_id = 51\npriority = %d\nadvert_int = \"200ms\"\n",
			family.name, s.link, s.priority)
		fmt.Fprintf(&b, "virtual_ipaddress = [%s]\n", family.addrs)
		if s.peer != 0 {
			fmt.Fprintf(&b, "unicast_src_ip = %q\nunicast_peer = [%q]\n", family.source, family.peer)
		}
	}
	return b.String()
}

func (s settings) conf() string {
	var b strings.Builder
	b.WriteString("global_defs {\n vrrp_version 3\n}\n")
	for _, family := range []struct{ name, source, peer, addrs string }{
		{"VI_4", fmt.Sprintf("192.0.2.%d", s.number), fmt.Sprintf("192.0.2.%d", s.peer), "192.0.2.10/24"},
		{"VI_6", fmt.Sprintf("2001:db8::%d", s.number), fmt.Sprintf("2001:db8::%d", s.peer), "fe80::10/64\n  2001:db8::10/64"},
	} {
		fmt.Fprintf(&b, "vrrp_instance %s {\n state BACKUP\n interface %s\n virtual_router_id 51\n priority %d\n advert_int 0.2\n",
			family.name, s.link, s.priority)
		fmt.Fprintf(&b, " virtual_ipaddress {\n  %s\n }\n", family.addrs)
		if s.peer != 0 {
			fmt.Fprintf(&b, " unicast_src_ip %s\n unicast_peer {\n  %s\n }\n", family.source, family.peer)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// start runs a program, "hakeep" or "keepalived", on a router.
func start(tb testing.TB, program string, ns *lab.Namespace, s settings) daemon {
	tb.Helper()
	if program == "keepalived" {
		return nstest.Keepalived(tb, ns, s.conf())
	}
	return nstest.Hakeep(tb, ns, s.toml())
}

// await waits until both instances of a daemon are in a state.
func await(tb testing.TB, d daemon, state string) {
	tb.Helper()
	for _, instance := range []string{"VI_4", "VI_6"} {
		if err := d.WaitState(nstest.Context(tb, patience), instance, state); err != nil {
			tb.Fatal(err)
		}
	}
}

// still fails unless both instances of a daemon are in a state.
func still(tb testing.TB, what string, d daemon, state string) {
	tb.Helper()
	for _, instance := range []string{"VI_4", "VI_6"} {
		if got := d.State(instance); got != state {
			tb.Errorf("%s: %s is %s, want %s", what, instance, got, state)
		}
	}
}

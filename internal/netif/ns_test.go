package netif

import (
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"hakeep/internal/nstest"
)

// world is a namespace of the test's own with two veth pairs, vip0-peer0 and
// vip1-peer1, all up, and a Kernel on it:
//
//	vip0 ---- peer0
//	vip1 ---- peer1
type world struct {
	tb testing.TB
	k  *Kernel
}

// newWorld moves the test into a new namespace.
func newWorld(tb testing.TB) *world {
	tb.Helper()
	nstest.Enter(tb)
	w := &world{tb: tb}
	w.veth("vip0", "peer0")
	w.veth("vip1", "peer1")
	k, err := OpenKernel()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := k.Close(); err != nil {
			tb.Error(err)
		}
	})
	w.k = k
	return w
}

func (w *world) veth(name, peer string) {
	w.tb.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: peer}); err != nil {
		w.tb.Fatalf("add veth %s: %v", name, err)
	}
	for _, n := range []string{name, peer} {
		// Without link-local addresses of the kernel's the tests are quiet.
		w.do(netlink.LinkSetIP6AddrGenMode(w.link(n), 1))
		w.do(netlink.LinkSetUp(w.link(n)))
	}
}

func (w *world) do(err error) {
	w.tb.Helper()
	if err != nil {
		w.tb.Fatal(err)
	}
}

func (w *world) link(name string) netlink.Link {
	w.tb.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		w.tb.Fatalf("link %s: %v", name, err)
	}
	return l
}

// ip runs `ip ARGS` as another program would.
func (w *world) ip(args string) {
	w.tb.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		w.tb.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// addrs returns what is on the interfaces of the test, ordered.
func (w *world) addrs() []Installed {
	w.tb.Helper()
	all, err := w.k.Addrs()
	if err != nil {
		w.tb.Fatal(err)
	}
	var list []Installed
	for _, in := range all {
		if strings.HasPrefix(in.Link, "vip") {
			list = append(list, in)
		}
	}
	slices.SortFunc(list, func(a, b Installed) int { return strings.Compare(a.Key().String(), b.Key().String()) })
	return list
}

// apply runs operations and fails the test when one of them fails.
func (w *world) apply(ops ...Op) {
	w.tb.Helper()
	err := w.k.Apply(ops, func(_ Op, err error) { w.do(err) })
	w.do(err)
}

func adds(addrs ...Addr) []Op {
	ops := make([]Op, len(addrs))
	for i, a := range addrs {
		ops[i] = Op{Kind: OpAdd, Addr: a, Proto: Protocol}
	}
	return ops
}

// addr is an address on vip0.
func addr(prefix string) Addr { return Addr{Link: "vip0", Prefix: netip.MustParsePrefix(prefix)} }

func ours(in Installed) bool { return in.Proto == Protocol }

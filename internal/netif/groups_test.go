package netif

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"hakeep/internal/nstest"
)

func TestSolicitedNode(t *testing.T) {
	t.Parallel()
	got := SolicitedNode(netip.MustParseAddr("2001:db8::12:3456"))
	if want := netip.MustParseAddr("ff02::1:ff12:3456"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestGroups joins more groups than one socket takes, leaves some, and sees in
// the kernel's list what is left.
func TestGroups(t *testing.T) {
	nstest.InNewNS(t, func() {
		k, err := OpenKernel()
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		links, err := k.Links()
		if err != nil {
			t.Fatal(err)
		}
		lo := links[0].Index
		var want []Membership
		for i := range 3 * membershipsPerSocket {
			want = append(want, Membership{lo, SolicitedNode(netip.MustParseAddr(fmt.Sprintf("2001:db8::a%02x:1", i+1)))})
		}
		g := NewGroups()
		defer g.Close()
		for _, n := range []int{len(want), 10, 70, 0} {
			if err := g.Sync(want[:n]); err != nil {
				t.Fatal(err)
			}
			if got := kernelGroups(t); got != n {
				t.Errorf("kernel has %d groups, want %d", got, n)
			}
		}
		if len(g.members) != 0 {
			t.Errorf("%d sockets are left open", len(g.members))
		}
		if err := g.Sync([]Membership{{Index: 9999, Group: want[0].Group}}); err != nil {
			t.Errorf("missing interface: %v", err)
		}
	})
}

// kernelGroups counts the groups of the test in the kernel's list.
func kernelGroups(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/net/igmp6")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), "ff0200000000000000000001ff") - strings.Count(string(b), "ff0200000000000000000001ff000001")
}

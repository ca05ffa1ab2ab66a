package elector

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/netif"
	"hakeep/internal/nstest"
	"hakeep/internal/wire"
)

// solicited is how the addresses of TestGroupsOfBackup look in the kernel's list of
// groups. With one byte less each 256th link-local address, which ends as the random
// MAC does, would look the same.
const solicited = "ff0200000000000000000001ffee00"

// TestGroupsOfBackup: a backup is in the solicited-node groups of its addresses; where
// they are too many it is not, and reports them before it announces the first one.
func TestGroupsOfBackup(t *testing.T) {
	nstest.Require(t)
	for _, n := range []int{3, joinLimit + 1} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			lan := nstest.LAN(t)
			a, client := nstest.Host(t, "a"), nstest.Host(t, "client")
			nstest.Attach(t, lan, a, "eth0", "192.0.2.1/24")
			nstest.Attach(t, lan, client, "eth0", "192.0.2.100/24")
			nstest.Attach(t, nstest.LAN(t), a, "eth1", "198.51.100.1/24")
			c, err := lab.StartCapture(client, "eth0", lab.CaptureOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			config := testConfig(100)
			in := config.Instances[0]
			in.Params.Interval = time.Second // 3.6 s as a backup
			for i := range n {
				in.Addresses = append(in.Addresses, netif.Addr{Link: "eth0", Prefix: netip.MustParsePrefix(fmt.Sprintf("2001:db8::ee:%x/64", 1+i))})
			}
			in.Addresses = append(in.Addresses, netif.Addr{Link: "eth1", Prefix: netip.MustParsePrefix("2001:db8:1::ee:ff/64")})
			e := startElector(t, a)
			e.send(&wire.Message{Config: config})
			e.receive(func(r *wire.Message) bool { return r.Applied != nil })
			e.awaitState("BACKUP")
			want := n + 1 // that of eth1, joined with the others
			if n > joinLimit {
				want = 1
			}
			nstest.Eventually(t, 2*time.Second, func() error {
				if got := groupsOf(t, a); got != want {
					return fmt.Errorf("in %d groups, want %d", got, want)
				}
				return nil
			})
			e.awaitState("MASTER")
			nstest.Eventually(t, 5*time.Second, func() error {
				s := e.snapshot()
				if missing := s.Instances[0].Missing; len(missing) > 0 {
					return fmt.Errorf("%d are missing", len(missing))
				}
				return nil
			})
			var reported int
			nstest.Eventually(t, 5*time.Second, func() error {
				var announced int
				if reported, announced = reportedFirst(c.Frames()); announced == 0 {
					return errors.New("no announcement was seen")
				}
				return nil
			})
			if n > joinLimit && reported != n {
				t.Errorf("%d of %d groups were reported before the first announcement", reported, n)
			}
		})
	}
}

// groupsOf is in how many of the groups a host is.
func groupsOf(t *testing.T, ns *lab.Namespace) (n int) {
	t.Helper()
	err := ns.Do(func() error {
		b, err := os.ReadFile("/proc/thread-self/net/igmp6")
		n = strings.Count(string(b), solicited)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// reportedFirst counts the groups that were reported before the first announcement,
// and the announcements.
func reportedFirst(frames []lab.Frame) (reported, announced int) {
	for _, f := range frames {
		text := fmt.Sprintf("%x", f.Data)
		switch {
		case len(f.Data) > 62 && f.Data[12] == 0x86 && f.Data[20] == 0 && f.Data[62] == 143: // MLDv2, RFC 3810
			if announced == 0 {
				reported += strings.Count(text, solicited)
			}
		case len(f.Data) > 54 && f.Data[12] == 0x86 && f.Data[20] == 58 && f.Data[54] == 136 && strings.Contains(text, "20010db8000000000000000000ee"): // NA
			announced++
		}
	}
	return reported, announced
}

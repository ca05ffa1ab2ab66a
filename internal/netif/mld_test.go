package netif

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// TestReportGroups: what a switch sees is a report of version 2 with a router alert
// and hop limit 1, from the link-local address; one that snoops believes it.
func TestReportGroups(t *testing.T) {
	nstest.Require(t)
	lan := nstest.LAN(t)
	a, b := nstest.Host(t, "a"), nstest.Host(t, "b")
	nstest.Attach(t, lan, a, "eth0", "2001:db8::1/64")
	nstest.Attach(t, lan, b, "eth0", "2001:db8::2/64")
	inSwitch := func(program string, args ...string) string {
		out, err := lan.Namespace().Command(program, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", program, args, err, out)
		}
		return string(out)
	}
	inSwitch("ip", "link", "set", "br0", "type", "bridge", "mcast_snooping", "1")
	c, err := lab.StartCapture(b, "eth0", lab.CaptureOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var groups []netip.Addr
	for i := range reportRecords + 1 {
		groups = append(groups, netip.AddrFrom16([16]byte{0xff, 2, 11: 1, 12: 0xff, 13: 0xaa, 15: byte(i)}))
	}
	link, err := a.Netlink().LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	nstest.Eventually(t, 10*time.Second, func() error { // the link-local address may be tentative
		return a.Do(func() error { return ReportGroups(link.Attrs().Index, groups) })
	})
	nstest.Eventually(t, 5*time.Second, func() error {
		table := inSwitch("bridge", "mdb", "show")
		if n := strings.Count(table, "grp ff02::1:ffaa:"); n != len(groups) {
			return fmt.Errorf("the switch knows %d of %d groups:\n%s", n, len(groups), table)
		}
		return nil
	})
	const alert = "3a00050200000100" // ICMPv6 follows
	var seen []string
	nstest.Eventually(t, 5*time.Second, func() error {
		seen = seen[:0]
		for _, f := range c.Frames() {
			text := hex.EncodeToString(f.Data)
			if len(f.Data) > 62 && f.Data[12] == 0x86 && f.Data[20] == 0 && f.Data[62] == typeReport && strings.Contains(text, "ff0200000000000000000001ffaa") {
				seen = append(seen, text)
			}
		}
		if len(seen) < 2 {
			return fmt.Errorf("%d reports", len(seen))
		}
		return nil
	})
	for i, want := range []int{reportRecords, 1} {
		frame, _ := hex.DecodeString(seen[i])
		src := netip.AddrFrom16([16]byte(frame[22:38]))
		if !src.IsLinkLocalUnicast() || frame[21] != 1 || !strings.HasPrefix(seen[i], "333300000016") || seen[i][2*54:2*62] != alert {
			t.Errorf("report %d: %s", i, seen[i])
		}
		if n := int(frame[68])<<8 | int(frame[69]); n != want || len(frame) != 70+20*want || frame[70] != changeToExclude {
			t.Errorf("report %d: %d records in %d bytes, want %d", i, n, len(frame), want)
		}
	}
}

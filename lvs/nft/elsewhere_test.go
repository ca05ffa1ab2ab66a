package nft

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	"hakeep/lvs"
)

// TestTrafficAddressComes: a client whose first SYN came to a router that did not
// have the address yet is served when the address is there, and not refused.
func TestTrafficAddressComes(t *testing.T) {
	s := newSite(t, 2)
	load(t, s.fw, newTest(lvs.TCP, "192.0.2.10:80", "mh", "10.0.0.1", 1, 1))
	_, link, _ := strings.Cut(nstest.Run(t, s.director, "ip", "-o", "link", "show", "eth0"), "link/ether ")
	mac, _, _ := strings.Cut(link, " ")
	nstest.Run(t, s.client, "ip", "neigh", "replace", "192.0.2.10", "lladdr", mac, "dev", "eth0", "nud", "permanent")
	vip := netip.MustParsePrefix("192.0.2.10/32")
	if err := s.director.DelAddr("eth0", vip); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.client.Ask(lab.Question{Target: netip.MustParseAddrPort("192.0.2.10:80"), Timeout: 10 * time.Second})
		done <- err
	}()
	nstest.Eventually(t, 5*time.Second, func() error {
		// The SYN is forwarded: the router looks for the host that has the address.
		if nstest.Run(t, s.director, "ip", "neigh", "show", "192.0.2.10") == "" {
			return errors.New("nothing was forwarded")
		}
		return nil
	})
	if err := s.director.AddAddr("eth0", vip); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

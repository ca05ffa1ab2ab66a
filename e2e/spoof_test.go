package e2e

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	"hakeep/vrrp"
)

// spoofed are the virtual routers of TestSpoofedAdverts: version 3, version 2 with
// a password, and unicast.
const spoofed = `
[[vrrp_instance]]
name = "V3"
interface = "eth0"
virtual_router_id = 51
priority = %[1]d
advert_int = "200ms"
virtual_ipaddress = ["192.0.2.10/24"]

[[vrrp_instance]]
name = "V2"
interface = "eth0"
version = 2
virtual_router_id = 52
priority = %[1]d
advert_int = "1s"
virtual_ipaddress = ["192.0.2.20/24"]
  [vrrp_instance.authentication]
  auth_type = "PASS"
  auth_pass = "secret"

[[vrrp_instance]]
name = "UNI"
interface = "eth0"
virtual_router_id = 53
priority = %[1]d
advert_int = "200ms"
unicast_src_ip = "192.0.2.%[2]d"
unicast_peer = ["192.0.2.%[3]d"]
virtual_ipaddress = ["192.0.2.30/24"]
`

// TestSpoofedAdverts: a stranger on the link sends adverts that would win if they
// were taken. Those that VRRP can tell move nobody, and each is counted where an
// operator looks. The last one cannot be told and does win, which shows that the
// stranger knows how.
func TestSpoofedAdverts(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	stranger := nstest.Host(t, "stranger")
	nstest.Attach(t, p.lan, stranger, "eth0", "192.0.2.66/24")
	await := func(h *lab.Hakeep, state string) {
		for _, name := range []string{"V3", "V2", "UNI"} {
			if err := h.WaitState(nstest.Context(t, patience), name, state); err != nil {
				t.Fatal(err)
			}
		}
	}
	a := nstest.Hakeep(t, p.a, fmt.Sprintf(spoofed, 150, 1, 2))
	await(a, "MASTER") // so that b never is
	b := nstest.Hakeep(t, p.b, fmt.Sprintf(spoofed, 100, 2, 1))
	await(b, "BACKUP")
	src, group := netip.MustParseAddr("192.0.2.66"), netip.MustParseAddr("224.0.0.18")
	routerA, routerB := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	v3 := vrrp.Advert{Version: 3, VRID: 51, Priority: 254, Interval: 200 * time.Millisecond, Form: vrrp.ChecksumPseudo, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.10")}}
	v2 := vrrp.Advert{Version: 2, VRID: 52, Priority: 255, Interval: time.Second, Auth: vrrp.AuthPass, Password: vrrp.PasswordFrom("guess"), Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.20")}}
	open := v2
	open.Auth, open.Password = vrrp.AuthNone, vrrp.PasswordFrom("")
	older := v3
	older.Version, older.Interval = 2, time.Second
	uni := v3
	uni.VRID, uni.Priority, uni.Addrs = 53, 255, []netip.Addr{netip.MustParseAddr("192.0.2.30")}
	broken := v3.Append(nil, src, group)
	broken[6] ^= 0x40
	// keepalived's trailer of auth_hmac: a hash of 28 bytes, which nobody here knows.
	hashed := v3
	hashed.Priority = 255
	trailer := append(hashed.Append(nil, src, group), make([]byte, 28)...)
	for _, c := range []struct {
		name, instance, reason string
		dst                    netip.Addr
		ttl                    int
		payload                []byte
	}{
		{"from beyond a router", "V3", "ttl", group, 254, v3.Append(nil, src, group)},
		{"wrong checksum", "V3", "checksum", group, 255, broken},
		{"version 2 where 3 is spoken", "V3", "version", group, 255, older.Append(nil, src, group)},
		{"trailer of auth_hmac", "V3", "auth-type", group, 255, trailer},
		{"cut off", "V3", "length", group, 255, v3.Append(nil, src, group)[:9]},
		{"owner with a wrong password", "V2", "auth", group, 255, v2.Append(nil, src, group)},
		{"owner without a password", "V2", "auth-type", group, 255, open.Append(nil, src, group)},
		{"owner that is no peer, to the master", "UNI", "unicast-source", routerA, 255, uni.Append(nil, src, routerA)},
		{"owner that is no peer, to the backup", "UNI", "unicast-source", routerB, 255, uni.Append(nil, src, routerB)},
		{"owner by multicast to a unicast instance", "UNI", "destination", group, 255, uni.Append(nil, src, group)},
	} {
		hear := map[string]*lab.Hakeep{"a": a, "b": b}
		if c.dst == routerA {
			delete(hear, "b")
		} else if c.dst == routerB {
			delete(hear, "a")
		}
		before := map[string]uint64{}
		for name, h := range hear {
			before[name] = reasonsOf(t, h, c.instance)[c.reason]
		}
		const count = 40
		packets := make([]lab.RawPacket, count)
		for i := range packets {
			packets[i] = lab.RawPacket{Dst: c.dst, TTL: c.ttl, Payload: c.payload}
		}
		if err := stranger.SendIPv4(112, src, packets, 800*time.Millisecond); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for name, h := range hear {
			nstest.Eventually(t, patience, func() error {
				if got := reasonsOf(t, h, c.instance)[c.reason] - before[name]; got != count {
					return fmt.Errorf("%s: router %s counts %d with reason %s, want %d: %v", c.name, name, got, c.reason, count, reasonsOf(t, h, c.instance))
				}
				return nil
			})
		}
		for name, want := range map[string]string{"a": "MASTER", "b": "BACKUP"} {
			h := map[string]*lab.Hakeep{"a": a, "b": b}[name]
			for _, in := range document(t, h).Instances {
				if in.State != want || in.Counters.ReleasedMaster != 0 || want == "BACKUP" && in.Counters.BecameMaster != 0 {
					t.Fatalf("%s: %s of router %s is %s, became master %d times and ceased to be %d times", c.name, in.Name, name, in.State, in.Counters.BecameMaster, in.Counters.ReleasedMaster)
				}
			}
		}
	}
	valid := []lab.RawPacket{{Dst: group, TTL: 255, Payload: v3.Append(nil, src, group)}}
	if err := stranger.SendIPv4(112, src, valid, 0); err != nil {
		t.Fatal(err)
	}
	if err := a.WaitState(nstest.Context(t, patience), "V3", "BACKUP"); err != nil {
		t.Fatalf("the stranger's valid advert did not win, so the others show nothing: %v", err)
	}
	if n := strings.Count(a.LogText(), "secret") + strings.Count(b.LogText(), "secret"); n > 0 {
		t.Error("the password is in the log")
	}
}

// reasonsOf are the counters of odd packets of an instance, with those of its link
// that could not be given to any.
func reasonsOf(t *testing.T, h *lab.Hakeep, instance string) map[string]uint64 {
	t.Helper()
	sum := map[string]uint64{}
	doc := document(t, h)
	for _, in := range doc.Instances {
		if in.Name == instance {
			for reason, n := range in.Counters.Reasons {
				sum[reason] += n
			}
		}
	}
	for _, l := range doc.Links {
		for reason, n := range l.Reasons {
			sum[reason] += n
		}
	}
	return sum
}

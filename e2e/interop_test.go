package e2e

import (
	"testing"

	"hakeep/internal/nstest"
)

// kinds are the ways in which hakeep and keepalived talk. Router a is hakeep,
// router b keepalived. sideA and sideB are what the two configurations do not
// share.
var kinds = []struct {
	name         string
	base         instance
	tomlA, confB string
	vip          string
}{
	{name: "v2 none", base: instance{version: 2, advert: "1s"}},
	{
		name: "v2 pass", base: instance{version: 2, advert: "1s"},
		tomlA: "[vrrp_instance.authentication]\nauth_type = \"PASS\"\nauth_pass = \"s3cret\"",
		confB: "authentication {\n auth_type PASS\n auth_pass s3cret\n}",
	},
	{name: "v3 multicast"},
	{name: "v3 ipv6", base: instance{addrs: []string{"fe80::10/64", vip6 + "/64"}}, vip: vip6},
	{
		name:  "v3 unicast",
		tomlA: "unicast_src_ip = \"192.0.2.1\"\nunicast_peer = [\"192.0.2.2\"]",
		confB: "unicast_src_ip 192.0.2.2\nunicast_peer {\n 192.0.2.1\n}",
	},
	{
		name: "v3 unicast ipv6", base: instance{addrs: []string{"fe80::10/64", vip6 + "/64"}}, vip: vip6,
		tomlA: "unicast_src_ip = \"2001:db8::1\"\nunicast_peer = [\"2001:db8::2\"]",
		confB: "unicast_src_ip 2001:db8::2\nunicast_peer {\n 2001:db8::1\n}",
	},
}

// TestInterop lets hakeep and keepalived share an address in every way that both
// know: each is master once, leaves in order (priority 0) and comes back.
func TestInterop(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			nstest.RequireTool(t, "keepalived")
			vip := k.vip
			if vip == "" {
				vip = vip4
			}
			k.base.toml, k.base.conf = k.tomlA, k.confB
			t.Run("hakeep is master", func(t *testing.T) {
				t.Parallel()
				p := newPair(t)
				kd := nstest.Keepalived(t, p.b, k.base.with("100").Conf())
				awaitState(t, kd, "MASTER") // alone
				hk := nstest.Hakeep(t, p.a, k.base.with("200").TOML())
				awaitState(t, hk, "MASTER")
				awaitState(t, kd, "BACKUP")
				p.awaitHolder(t, vip, "a")
				if hasAddr(t, p.b, vip) {
					t.Errorf("keepalived still has %s", vip)
				}
				if err := hk.Stop(nstest.Context(t, patience)); err != nil {
					t.Fatal(err)
				}
				if hasAddr(t, p.a, vip) {
					t.Errorf("hakeep left %s behind", vip)
				}
				awaitState(t, kd, "MASTER")
				p.awaitHolder(t, vip, "b")
			})
			t.Run("keepalived is master", func(t *testing.T) {
				t.Parallel()
				p := newPair(t)
				hk := nstest.Hakeep(t, p.a, k.base.with("100").TOML())
				awaitState(t, hk, "MASTER") // alone
				kd := nstest.Keepalived(t, p.b, k.base.with("200").Conf())
				awaitState(t, kd, "MASTER")
				awaitState(t, hk, "BACKUP")
				p.awaitHolder(t, vip, "b")
				awaitAddr(t, p.a, vip, false) // after its linger
				if err := kd.Stop(nstest.Context(t, patience)); err != nil {
					t.Fatal(err)
				}
				awaitState(t, hk, "MASTER")
				p.awaitHolder(t, vip, "a")
			})
		})
	}
}

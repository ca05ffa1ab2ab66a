package hostcheck

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"hakeep/internal/nstest"
)

// TestFirewall gives rules to the kernel as nft writes them, reads them back,
// and asks what becomes of an advert that comes in over eth0.
func TestFirewall(t *testing.T) {
	group4, group6 := netip.MustParseAddr("224.0.0.18"), netip.MustParseAddr("ff02::12")
	in4 := packet{link: "eth0", dst: group4}
	in6 := packet{link: "eth0", ipv6: true, dst: group6}
	uni4 := packet{link: "eth0"}
	out4 := packet{link: "eth0", out: true, dst: group4}
	input := func(policy, rules string) string {
		return fmt.Sprintf("table inet filter { chain input { type filter hook input priority 0; policy %s; %s\n} }", policy, rules)
	}
	for _, c := range []struct {
		name, rules string
		p           packet
		want        string // "chain verdict" of those that do not let it pass
	}{
		{"no rules", "", in4, ""},
		{"policy accept", input("accept", ""), in4, ""},
		{"policy drop", input("drop", ""), in4, "input drop"},
		{"policy drop, out", input("drop", ""), out4, ""},
		{"accepts vrrp", input("drop", "ip protocol vrrp accept"), in4, ""},
		{"accepts vrrp, asked for IPv6", input("drop", "ip protocol vrrp accept"), in6, "input drop"},
		{"accepts 112 for both", input("drop", "meta l4proto 112 accept"), in6, ""},
		{"next header", input("drop", "ip6 nexthdr 112 accept"), in6, ""},
		{"accepts other protocols", input("drop", "ip protocol { tcp, udp, icmp } accept"), in4, "input drop"},
		{"accepts vrrp among others", input("drop", "ip protocol { tcp, vrrp } accept"), in4, ""},
		{"all but some protocols", input("drop", "ip protocol != { tcp, udp } accept"), in4, ""},
		{"accepts from another interface", input("drop", `iifname "eth1" ip protocol vrrp accept`), in4, "input drop"},
		{"accepts from the interface", input("drop", `iifname "eth0" accept`), in4, ""},
		{"accepts from interfaces like it", input("drop", `iifname "eth*" accept`), in4, ""},
		{"accepts from interfaces of a set", input("drop", `iifname { "eth0", "eth1" } accept`), in4, ""},
		{"accepts the group", input("drop", "ip daddr 224.0.0.18 accept"), in4, ""},
		{"accepts multicast", input("drop", "ip daddr 224.0.0.0/4 accept"), in4, ""},
		{"accepts IPv6 multicast", input("drop", "ip6 daddr ff02::/16 accept"), in6, ""},
		{"accepts another group", input("drop", "ip daddr 224.0.0.5 accept"), in4, "input drop"},
		{"accepts established only", input("drop", "ct state established,related accept"), in4, "input drop"},
		{"drops invalid first", input("drop", "ct state invalid drop; ct state vmap { established : accept }; ip protocol vrrp accept"), in4, ""},
		{"from a peer, named", input("drop", "ip saddr 192.0.2.2 ip protocol vrrp accept"), uni4, ""},
		{"from a peer, anything", input("drop", "ip saddr 192.0.2.2 accept"), uni4, "input unclear"},
		{"bad addresses first", input("accept", "ip saddr 203.0.113.0/24 drop"), in4, ""},
		{"rejects at the end", input("accept", "tcp dport 22 accept; reject"), in4, "input drop"},
		{"drops vrrp", input("accept", "ip protocol vrrp drop"), in4, "input drop"},
		{"limited", input("drop", "ip protocol vrrp limit rate 100/second accept"), in4, ""},
		{"counts and logs", input("drop", `counter log prefix "x"`), in4, "input drop"},
		{"packets of multicast", input("drop", "meta pkttype multicast accept"), in4, "input unclear"},
		{"marks do not matter", input("drop", "meta mark set 1 ct mark set 2 ip protocol vrrp accept"), in4, ""},
		{"verdict map with it", input("drop", "ip protocol vmap { tcp : drop, vrrp : accept }"), in4, ""},
		{"verdict map without it", input("drop", "ip protocol vmap { tcp : accept }"), in4, "input drop"},
		{"verdict map of interfaces", input("drop", `iifname vmap { "eth0" : accept }`), in4, "input unclear"},
		{
			"jump", `table inet filter {
				chain vrrp { ip protocol vrrp accept; }
				chain input { type filter hook input priority 0; policy drop; iifname "eth0" jump vrrp; }
			}`, in4, "",
		},
		{
			"jump that returns", `table inet filter {
				chain some { tcp dport 22 accept; return; ip protocol vrrp accept; }
				chain input { type filter hook input priority 0; policy drop; jump some; }
			}`, in4, "input drop",
		},
		{
			"goto that ends", `table inet filter {
				chain zone { ip saddr 192.0.2.0/24 jump peers; drop; }
				chain peers { ip protocol vrrp accept; }
				chain input { type filter hook input priority 0; policy accept; goto zone; accept; }
			}`, in4, "",
		},
		{
			"goto that drops", `table inet filter {
				chain zone { drop; }
				chain input { type filter hook input priority 0; policy accept; goto zone; accept; }
			}`, in4, "input drop",
		},
		{
			"two tables: both count", `table inet a { chain input { type filter hook input priority 0; policy drop; ip protocol vrrp accept; } }
			table ip b { chain pre { type filter hook prerouting priority -300; policy accept; ip protocol 112 drop; } }`, in4, "pre drop",
		},
		{"ip6 table is not asked about IPv4", "table ip6 b { chain input { type filter hook input priority 0; policy drop; } }", in4, ""},
		{"ip table is not asked about IPv6", "table ip b { chain input { type filter hook input priority 0; policy drop; } }", in6, ""},
		{"out", "table inet f { chain output { type filter hook output priority 0; policy drop; } }", out4, "output drop"},
		{"out, named", `table inet f { chain output { type filter hook output priority 0; policy drop; oifname "eth0" ip protocol vrrp accept; } }`, out4, ""},
		{"nat chains drop nothing", "table ip n { chain post { type nat hook postrouting priority 100; policy accept; masquerade; } }", out4, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ns := nstest.Enter(t)
			load(t, ns, c.rules)
			tables, err := readTables()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, tb := range tables {
				tb.judge(c.p, func(chain string, how verdict) {
					got = append(got, chain+map[verdict]string{drop: " drop", unclear: " unclear"}[how])
				})
			}
			if s := strings.Join(got, ", "); s != c.want {
				t.Errorf("got %q, want %q", s, c.want)
			}
		})
	}
}

// TestEndlessJumps: the kernel refuses loops, but what is read is not trusted.
func TestEndlessJumps(t *testing.T) {
	t.Parallel()
	loop := &table{name: "t", family: "inet", chains: map[string][]rule{"input": {jump("a")}, "a": {jump("input")}}}
	if v := loop.run(baseChain{name: "input", drops: true}, packet{link: "eth0"}); v != drop {
		t.Errorf("%d", v)
	}
}

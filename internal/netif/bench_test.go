package netif

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
)

// many returns n addresses of one family on vip0.
func many(n int, v6 bool) []Addr {
	list := make([]Addr, n)
	for i := range list {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i / 250), byte(1 + i%250)}), 16)
		if v6 {
			p = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 13: byte(i / 62500), 14: byte(i / 250), 15: byte(1 + i%250)}), 64)
		}
		list[i] = Addr{Link: "vip0", Prefix: p}
	}
	return list
}

// BenchmarkAdd adds 1,000 addresses in one Apply, BenchmarkAddSequential one
// by one with vishvananda/netlink. Run with -benchtime 5x.
func BenchmarkAdd(b *testing.B) {
	for _, v6 := range []bool{false, true} {
		b.Run(family(v6), func(b *testing.B) {
			w := newWorld(b)
			promoteB(b)
			list := many(1000, v6)
			for b.Loop() {
				w.apply(adds(list...)...)
				b.StopTimer()
				w.apply(Plan(nil, w.addrs(), ours)...)
				b.StartTimer()
			}
		})
	}
}

// BenchmarkDelete removes 1,000 addresses in one Apply.
func BenchmarkDelete(b *testing.B) {
	for _, v6 := range []bool{false, true} {
		b.Run(family(v6), func(b *testing.B) {
			w := newWorld(b)
			promoteB(b)
			list := many(1000, v6)
			for b.Loop() {
				b.StopTimer()
				w.apply(adds(list...)...)
				ops := Plan(nil, w.addrs(), ours)
				b.StartTimer()
				w.apply(ops...)
			}
		})
	}
}

func BenchmarkAddSequential(b *testing.B) {
	for _, v6 := range []bool{false, true} {
		b.Run(family(v6), func(b *testing.B) {
			w := newWorld(b)
			promoteB(b)
			list := many(1000, v6)
			link := w.link("vip0")
			addrs := make([]*netlink.Addr, len(list))
			for i, a := range list {
				parsed, err := netlink.ParseAddr(a.Prefix.String())
				w.do(err)
				parsed.Flags = int(a.flags())
				addrs[i] = parsed
			}
			handle, err := netlink.NewHandle()
			w.do(err)
			defer handle.Close()
			for b.Loop() {
				for _, a := range addrs {
					w.do(handle.AddrAdd(link, a))
				}
				b.StopTimer()
				w.apply(Plan(nil, w.addrs(), func(Installed) bool { return true })...)
				b.StartTimer()
			}
		})
	}
}

func promoteB(b *testing.B) {
	b.Helper()
	if err := SetPromoteSecondaries("vip0"); err != nil {
		b.Fatal(err)
	}
}

func family(v6 bool) string {
	if v6 {
		return "IPv6"
	}
	return "IPv4"
}

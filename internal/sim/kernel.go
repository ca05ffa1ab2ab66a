package sim

import (
	"net/netip"
	"slices"
)

// kernel is a host's table of virtual addresses. It outlives the process that
// filled it.
type kernel struct {
	addrs []kernelAddr // sorted by port and address
}

type kernelAddr struct {
	port int
	addr netip.Addr
}

func (a kernelAddr) compare(b kernelAddr) int {
	if a.port != b.port {
		return a.port - b.port
	}
	return a.addr.Compare(b.addr)
}

func (k *kernel) has(port int, addr netip.Addr) bool {
	_, ok := slices.BinarySearchFunc(k.addrs, kernelAddr{port, addr}, kernelAddr.compare)
	return ok
}

func (k *kernel) hasAddr(addr netip.Addr) bool {
	return slices.ContainsFunc(k.addrs, func(a kernelAddr) bool { return a.addr == addr })
}

// differ returns what has to be added and removed to get to want, which is
// sorted.
func (k *kernel) differ(want []kernelAddr) (add, remove []kernelAddr) {
	i, j := 0, 0
	for i < len(k.addrs) || j < len(want) {
		c := 0
		switch {
		case i == len(k.addrs):
			c = 1
		case j == len(want):
			c = -1
		default:
			c = k.addrs[i].compare(want[j])
		}
		switch {
		case c < 0:
			remove = append(remove, k.addrs[i])
			i++
		case c > 0:
			add = append(add, want[j])
			j++
		default:
			i, j = i+1, j+1
		}
	}
	return add, remove
}

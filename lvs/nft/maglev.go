package nft

import (
	"crypto/sha256"
	"encoding/binary"

	"hakeep/lvs"
)

// maglevSizes are the primes that IPVS's mh can be compiled with
// (CONFIG_IP_VS_MH_TAB_INDEX, 8 to 17; default 4,093).
var maglevSizes = [...]uint32{251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071}

// slotsPerServer keeps the servers' shares within about 1 % of each other (Maglev
// paper, NSDI 2016, 5.3: M larger than 100 N).
const slotsPerServer = 100

// maglevSize is the size of the table for a number of servers: the smallest with
// slotsPerServer for each, or else the largest. A size for the number and not one
// for all keeps thousands of small services loadable: 10 servers need 1,021 slots,
// where 65,521 take as long to load as 64 such services.
func maglevSize(servers int) uint32 {
	for _, size := range maglevSizes {
		if int(size) >= slotsPerServer*servers {
			return size
		}
	}
	return maglevSizes[len(maglevSizes)-1]
}

// maglev fills a table of a prime size: each server in turn, as often as its weight
// says, takes the next free slot of its own permutation, which follows from its
// identity (Maglev paper, 3.4). Servers are sorted and differ, weights are
// positive; the result is the index of a server for each slot, nil without servers.
func maglev(servers []lvs.Endpoint, weights []int, size uint32) []int {
	if len(servers) == 0 {
		return nil
	}
	type walk struct{ next, skip, turns uint32 }
	walks := make([]walk, len(servers))
	heaviest := 0
	for i, e := range servers {
		offset, skip := identity(e)
		walks[i] = walk{next: uint32(offset % uint64(size)), skip: uint32(skip%uint64(size-1)) + 1}
		heaviest = max(heaviest, weights[i])
	}
	table := make([]int, size)
	for slot := range table {
		table[slot] = -1
	}
	for filled, round := uint32(0), 1; ; round++ {
		for i := range walks {
			w := &walks[i]
			// The heaviest takes a turn in every round.
			if round*weights[i] < int(w.turns)*heaviest {
				continue
			}
			w.turns++
			for table[w.next] >= 0 {
				w.next = (w.next + w.skip) % size
			}
			table[w.next] = i
			if filled++; filled == size {
				return table
			}
		}
	}
}

// identity is a server's two hash values. They are the same on every machine and
// in every version: routers of two versions must agree.
func identity(e lvs.Endpoint) (offset, skip uint64) {
	sum := sha256.Sum256([]byte(e.String()))
	return binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])
}

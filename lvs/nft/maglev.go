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

// maxSlots bounds the slots of all services together. A slot is some 100 bytes in
// the kernel and more than that in the program while it is loaded.
const maxSlots = 1 << 20

// maglevSize is the size of the table for a number of servers: the smallest with
// slotsPerServer for each, or else the largest. A size for the number and not one
// for all keeps thousands of small services loadable: 10 servers need 1,021 slots,
// where 65,521 take as long to load as 64 such services. It is less by so many
// steps of the list, but not so that a server had no slot.
func maglevSize(servers, less int) uint32 {
	i := 0
	for i < len(maglevSizes)-1 && int(maglevSizes[i]) < slotsPerServer*servers {
		i++
	}
	for ; less > 0 && i > 0 && int(maglevSizes[i-1]) > servers; less-- {
		i--
	}
	return maglevSizes[i]
}

// sizeTables gives the services with mh the size of their tables, and reports
// whether they had to be smaller than they should. It follows from what is
// configured alone, so that a server's failure changes no size.
func sizeTables(services []*service) (smaller bool) {
	for less := range len(maglevSizes) {
		total := 0
		counted := map[string]bool{}
		for _, s := range services {
			if s.Attr.Scheduler != mh {
				continue
			}
			s.size = maglevSize(max(s.Configured, len(s.Servers)), less)
			if name := s.Name + " " + s.ID.Family.String(); s.Name == "" || s.Attr.Persistence > 0 || !counted[name] {
				total += int(s.size)
				counted[name] = true
			}
		}
		if total <= maxSlots {
			return less > 0
		}
	}
	return true
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

package nft

import (
	"cmp"
	"slices"
)

// piece is a run of slots of one server, from first to last.
type piece struct {
	server      int
	first, last uint32
}

// slotTable says which server a slot belongs to. Pieces follow each other without
// gaps and cover 0 to modulus-1.
type slotTable struct {
	modulus uint32
	pieces  []piece
}

// single reports whether each piece is one slot, so that a map of single keys
// does.
func (t *slotTable) single() bool { return int(t.modulus) == len(t.pieces) }

// maxPieces bounds the elements of one service's map: a turn of wrr with the
// weights 65535 and 65534 has 131,069 connections.
func maxPieces(servers int) int { return max(256, 4*servers) }

// divide gives each server as many slots as its weight says, in lowest terms. With
// spread, a server's slots are spread over the table as evenly as maxPieces allows,
// so that a counter that walks through it does not send long runs to one server;
// without, each server has one run. Weights are positive; the result depends on
// their order.
func divide(weights []int, spread bool) slotTable {
	if len(weights) == 0 {
		return slotTable{}
	}
	divisor, sum := 0, 0
	for _, w := range weights {
		divisor = gcd(divisor, w)
	}
	for _, w := range weights {
		sum += w / divisor
	}
	// quantum is the length of a run, but for rounding.
	quantum := sum
	if spread {
		quantum = (sum + maxPieces(len(weights)) - 1) / maxPieces(len(weights))
	}
	type part struct {
		server, size int
		// num/den in (0, 1) is where the part belongs.
		num, den int
	}
	var parts []part
	for i, w := range weights {
		w /= divisor
		n := (w + quantum - 1) / quantum
		for k := range n {
			parts = append(parts, part{i, w*(k+1)/n - w*k/n, 2*k + 1, 2 * n})
		}
	}
	slices.SortFunc(parts, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.num*b.den, b.num*a.den), cmp.Compare(a.server, b.server))
	})
	t := slotTable{modulus: uint32(sum), pieces: make([]piece, 0, len(parts))}
	next := uint32(0)
	for _, p := range parts {
		t.pieces = append(t.pieces, piece{p.server, next, next + uint32(p.size) - 1})
		next += uint32(p.size)
	}
	return t
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// equalWeights is n times 1.
func equalWeights(n int) []int {
	w := make([]int, n)
	for i := range w {
		w[i] = 1
	}
	return w
}

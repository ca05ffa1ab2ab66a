package elector

import (
	"math/bits"
	"time"

	"hakeep/internal/wire"
)

// histogram counts durations in buckets that are 1/8 of a power of two wide:
// quantiles are right to about 12 %. It does not allocate.
type histogram struct {
	count   uint64
	max     time.Duration
	buckets [64 * 8]uint64
}

func bucketOf(d time.Duration) int {
	u := uint64(max(d, 0))
	if u < 8 {
		return int(u)
	}
	exp := bits.Len64(u) - 1
	return exp*8 + int(u>>(exp-3))&7
}

// upper is the upper bound of a bucket.
func upper(bucket int) time.Duration {
	if bucket < 8 {
		return time.Duration(bucket)
	}
	exp, part := bucket/8, bucket%8
	return time.Duration(uint64(8+part+1)<<(exp-3)) - 1
}

func (h *histogram) add(d time.Duration) {
	h.count++
	h.max = max(h.max, d)
	h.buckets[bucketOf(d)]++
}

func (h *histogram) quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.count))
	var seen uint64
	for b, n := range h.buckets {
		seen += n
		if n > 0 && seen > rank {
			return min(upper(b), h.max)
		}
	}
	return h.max
}

func (h *histogram) status() wire.Lateness {
	return wire.Lateness{Count: h.count, P50: h.quantile(0.5), P99: h.quantile(0.99), Max: h.max}
}

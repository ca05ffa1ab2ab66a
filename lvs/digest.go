package lvs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// Digest identifies services: their identities, attributes, and servers with
// weights, whatever their order. Two routers with the same digest distribute alike
// as far as the tables decide that.
func Digest(services []Service) string {
	sorted := slices.Clone(services)
	slices.SortFunc(sorted, func(a, b Service) int { return a.ID.Compare(b.ID) })
	h := sha256.New()
	for i := range sorted {
		s := &sorted[i]
		fmt.Fprintf(h, "%v %+v %d %v\n", s.ID, s.Attr, s.Configured, s.Masquerade)
		servers := slices.Clone(s.Servers)
		slices.SortFunc(servers, byEndpoint)
		for _, k := range servers {
			fmt.Fprintf(h, " %v %+v %d %d %d\n", k.Endpoint, k.Forward, k.Weight, k.UThreshold, k.LThreshold)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

package nft

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"hakeep/internal/firewall"
	"hakeep/lvs"
)

// describe is everything that decides which server a new connection gets.
func (s *service) describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %#x %v/%d", s.Attr.Scheduler, uint32(s.Attr.Flags&lvs.Sched2), s.Attr.Persistence, s.Attr.PersistenceBits)
	if s.Attr.Scheduler == mh {
		fmt.Fprintf(&b, " %d", s.size)
	}
	for i, e := range s.live {
		fmt.Fprintf(&b, " %v=%d", e, s.wts[i])
	}
	return b.String()
}

// digest is short enough to compare by eye.
func (s *service) digest() string {
	sum := sha256.Sum256([]byte(s.describe()))
	return hex.EncodeToString(sum[:8])
}

// shareKey is the same for services that can share their maps: those of one
// virtual server, which appear and disappear together, with the same servers. With
// persistence the maps refer to chains of the service.
func (s *service) shareKey() string {
	if s.Name == "" || s.Attr.Persistence > 0 {
		return s.ID.String()
	}
	return s.Name + " " + s.ID.Family.String() + " " + s.describe()
}

// sortedServers are in the order of their endpoints. They may be the argument.
func sortedServers(servers []lvs.Server) []lvs.Server {
	byEndpoint := func(a, b lvs.Server) int { return a.Endpoint.Compare(b.Endpoint) }
	if slices.IsSortedFunc(servers, byEndpoint) {
		return servers
	}
	out := slices.Clone(servers)
	slices.SortFunc(out, byEndpoint)
	return out
}

func sortContribution(c *firewall.Contribution) {
	slices.SortFunc(c.Sets, func(a, b firewall.Set) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(c.Chains, func(a, b firewall.Chain) int { return cmp.Compare(a.Name, b.Name) })
}

package nft

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"

	"hakeep/internal/firewall"
	"hakeep/lvs"
)

// Names of the sets of counters; the family's suffix follows.
const (
	countConns        = "lb_conns"
	countIn           = "lb_in"
	countOut          = "lb_out"
	countServiceConns = "lb_service_conns"
	countServiceIn    = "lb_service_in"
	countServiceOut   = "lb_service_out"
)

// Counts are what went through a service or a server since the kernel has it:
// they begin at 0 when it is added, and when the table was put back.
type Counts struct {
	// Connections are new ones; what was picked up from another router is not in.
	Connections uint64
	// In is from the client to the server, out the way back. Packets that the
	// kernel has joined (GRO) count as one, as in IPVS.
	InPackets, InBytes, OutPackets, OutBytes uint64
}

// ServerCounts are the counts of a server.
type ServerCounts struct {
	Endpoint lvs.Endpoint
	Counts
}

// ServiceCounts are the counts of a service. Those of the service go on when a
// server is removed.
type ServiceCounts struct {
	ID lvs.ID
	Counts
	// Servers are sorted.
	Servers []ServerCounts
}

// countConnections counts first packets, in a nat chain, which sees no others.
func (b *builder) countConnections(f *family) []firewall.Rule {
	return []firewall.Rule{rule("count connections", f.match(), status(statusDNAT, true), f.loadPair(false),
		exprs{inSet(countServiceConns + f.suffix), inSet(countConns + f.suffix)})}
}

// countPackets counts all packets, after the NAT, by what connection tracking knows
// of their connections. A service's key is the beginning of a server's, so both are
// looked up in the same registers.
func (b *builder) countPackets(f *family, services []*service) []firewall.Rule {
	total := 0
	for _, s := range services {
		total += len(s.sorted)
	}
	service, server := make([]nftables.SetElement, 0, len(services)), make([]nftables.SetElement, 0, total)
	for _, s := range services {
		service = append(service, nftables.SetElement{Key: serviceKey(s.ID.Addr, s.ID.Protocol, s.ID.Port)})
		for _, srv := range s.sorted {
			server = append(server, nftables.SetElement{Key: pairKey(s.ID, srv.Endpoint)})
		}
	}
	for _, name := range []string{countServiceConns, countServiceIn, countServiceOut} {
		b.set(firewall.Set{Name: name + f.suffix, Key: f.serviceType(), Concat: true, Counter: true, Elements: service})
	}
	for _, name := range []string{countConns, countIn, countOut} {
		b.set(firewall.Set{Name: name + f.suffix, Key: f.pairType(), Concat: true, Counter: true, Elements: server})
	}
	in := exprs{inSet(countServiceIn + f.suffix), inSet(countIn + f.suffix)}
	out := exprs{inSet(countServiceOut + f.suffix), inSet(countOut + f.suffix)}
	return []firewall.Rule{
		rule("count in", f.match(), direction(dirOriginal), status(statusDNAT, true), f.loadPair(false), in),
		rule("count out", f.match(), direction(dirReply), status(statusDNAT, true), f.loadPair(false), out),
		rule("count out, picked up", f.match(), direction(dirOriginal), status(statusDNAT, false), f.loadPair(true), out),
		rule("count in, picked up", f.match(), direction(dirReply), status(statusDNAT, false), f.loadPair(true), in),
	}
}

// ReadCounters reads what the kernel has counted, sorted by service.
func ReadCounters(fw *firewall.Firewall) ([]ServiceCounts, error) {
	var names []string
	for _, f := range families() {
		for _, name := range []string{countConns, countIn, countOut, countServiceConns, countServiceIn, countServiceOut} {
			names = append(names, name+f.suffix)
		}
	}
	sets, err := fw.Elements(names...)
	if err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	return decodeCounters(sets)
}

// pairID is a server of a service, or the service itself if Endpoint is zero.
type pairID struct {
	id       lvs.ID
	endpoint lvs.Endpoint
}

func decodeCounters(sets map[string][]nftables.SetElement) ([]ServiceCounts, error) {
	counts := map[pairID]*Counts{}
	for _, f := range families() {
		for name, add := range map[string]func(c *Counts, packets, bytes uint64){
			countConns: func(c *Counts, packets, _ uint64) { c.Connections = packets },
			countIn:    func(c *Counts, packets, bytes uint64) { c.InPackets, c.InBytes = packets, bytes },
			countOut:   func(c *Counts, packets, bytes uint64) { c.OutPackets, c.OutBytes = packets, bytes },
		} {
			service := map[string]string{countConns: countServiceConns, countIn: countServiceIn, countOut: countServiceOut}[name]
			for _, e := range slices.Concat(sets[name+f.suffix], sets[service+f.suffix]) {
				key, err := f.parseKey(e.Key)
				if err != nil {
					return nil, fmt.Errorf("%s%s: %w", name, f.suffix, err)
				}
				if e.Counter == nil {
					return nil, fmt.Errorf("%s%s: the kernel has no counters of elements (Linux 5.7)", name, f.suffix)
				}
				c := counts[key]
				if c == nil {
					c = &Counts{}
					counts[key] = c
				}
				add(c, e.Counter.Packets, e.Counter.Bytes)
			}
		}
	}
	return collect(counts), nil
}

// collect puts servers below their services.
func collect(counts map[pairID]*Counts) []ServiceCounts {
	byID := map[lvs.ID]*ServiceCounts{}
	for key, c := range counts {
		s := byID[key.id]
		if s == nil {
			s = &ServiceCounts{ID: key.id}
			byID[key.id] = s
		}
		if key.endpoint == (lvs.Endpoint{}) {
			s.Counts = *c
			continue
		}
		s.Servers = append(s.Servers, ServerCounts{key.endpoint, *c})
	}
	out := make([]ServiceCounts, 0, len(byID))
	for _, s := range byID {
		slices.SortFunc(s.Servers, func(a, b ServerCounts) int { return a.Endpoint.Compare(b.Endpoint) })
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b ServiceCounts) int { return a.ID.Compare(b.ID) })
	return out
}

// parseKey reads the key of a service or of a server of one.
func (f *family) parseKey(b []byte) (pairID, error) {
	n := int(f.addrLen)
	if len(b) != n+8 && len(b) != 2*n+12 {
		return pairID{}, fmt.Errorf("key of %d bytes", len(b))
	}
	addr, _ := netip.AddrFromSlice(b[:n])
	p := pairID{id: lvs.ID{Addr: addr, Family: f.Family, Protocol: lvs.Protocol(b[n]), Port: binary.BigEndian.Uint16(b[n+4:])}}
	if rest := b[n+8:]; len(rest) > 0 {
		p.endpoint.Addr, _ = netip.AddrFromSlice(rest[:n])
		p.endpoint.Port = binary.BigEndian.Uint16(rest[n:])
	}
	return p, nil
}

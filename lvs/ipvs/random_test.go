package ipvs

import (
	"math"
	"net/netip"
	"time"

	"pgregory.net/rapid"

	"hakeep/lvs"
)

// schedulers are those of Debian's kernel, which leaves out "twos".
var schedulers = []string{"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "sed", "nq", "fo", "ovf"}

// Generators of what the kernel takes. There are few identities, so that two states
// often have the same, and every attribute.
var (
	genID = rapid.SampledFrom([]lvs.ID{
		{Protocol: lvs.TCP, Addr: netip.MustParseAddr("192.0.2.1"), Port: 80, Family: lvs.IPv4},
		{Protocol: lvs.UDP, Addr: netip.MustParseAddr("192.0.2.1"), Port: 80, Family: lvs.IPv4},
		{Protocol: lvs.SCTP, Addr: netip.MustParseAddr("192.0.2.2"), Port: 65535, Family: lvs.IPv4},
		{Protocol: lvs.TCP, Addr: netip.MustParseAddr("2001:db8::1"), Port: 80, Family: lvs.IPv6},
		{Mark: 1, Family: lvs.IPv4}, {Mark: 1, Family: lvs.IPv6}, {Mark: 0xffffffff, Family: lvs.IPv4},
	})
	genForward = rapid.SampledFrom([]lvs.Forward{
		{Method: lvs.NAT}, {Method: lvs.DR},
		{Method: lvs.TUN, Tunnel: lvs.IPIP, Checksum: lvs.NoChecksum},
		{Method: lvs.TUN, Tunnel: lvs.GUE, Port: 6080, Checksum: lvs.NoChecksum},
		{Method: lvs.TUN, Tunnel: lvs.GUE, Port: 443, Checksum: lvs.WithChecksum},
		{Method: lvs.TUN, Tunnel: lvs.GUE, Port: 443, Checksum: lvs.RemoteChecksum},
		{Method: lvs.TUN, Tunnel: lvs.GRE, Checksum: lvs.NoChecksum},
		{Method: lvs.TUN, Tunnel: lvs.GRE, Checksum: lvs.WithChecksum},
	})
	genServices = rapid.Custom(func(t *rapid.T) []lvs.Service {
		services := rapid.SliceOfNDistinct(rapid.Custom(genService), 0, 6, func(s lvs.Service) lvs.ID { return s.ID }).Draw(t, "services")
		for i := range services {
			services[i] = lvs.Canonical(services[i])
		}
		return sorted(services)
	})
)

func genService(t *rapid.T) lvs.Service {
	s := lvs.Service{ID: genID.Draw(t, "id")}
	s.Attr.Scheduler = rapid.SampledFrom(schedulers).Draw(t, "scheduler")
	s.Attr.Flags = rapid.SampledFrom([]lvs.Flags{0, lvs.OnePacket, lvs.Sched1, lvs.Sched2 | lvs.Sched3}).Draw(t, "flags")
	s.Attr.Persistence = rapid.SampledFrom([]time.Duration{0, time.Second, time.Hour}).Draw(t, "persistence")
	s.Attr.PersistenceBits = rapid.SampledFrom([]uint8{0, 1, 24, 31}).Draw(t, "bits")
	if s.ID.Protocol == lvs.UDP {
		s.Attr.Engine = rapid.SampledFrom([]string{"", "sip"}).Draw(t, "engine")
	}
	s.Servers = rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) lvs.Server {
		return genServer(t, s.ID.Family)
	}), 0, 5, func(r lvs.Server) lvs.Endpoint { return r.Endpoint }).Draw(t, "servers")
	return s
}

// genServer returns a server for a service of family f: of the same, or, by a tunnel,
// of the other.
func genServer(t *rapid.T, f lvs.Family) lvs.Server {
	r := lvs.Server{
		Forward:    genForward.Draw(t, "forward"),
		Weight:     rapid.SampledFrom([]int{0, 1, 100, lvs.MaxWeight}).Draw(t, "weight"),
		UThreshold: rapid.SampledFrom([]uint32{0, 10, math.MaxInt32}).Draw(t, "uthreshold"),
	}
	if r.UThreshold > 0 {
		r.LThreshold = rapid.SampledFrom([]uint32{0, 10}).Draw(t, "lthreshold")
	}
	last := rapid.ByteRange(1, 4).Draw(t, "addr")
	v6 := f == lvs.IPv6
	if r.Forward.Method == lvs.TUN && rapid.Bool().Draw(t, "other family") {
		v6 = !v6
	}
	r.Endpoint = lvs.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 0, 0, last}), Port: rapid.SampledFrom([]uint16{80, 8080}).Draw(t, "port")}
	if v6 {
		r.Endpoint.Addr = netip.AddrFrom16([16]byte{0: 0xfd, 15: last})
	}
	return r
}

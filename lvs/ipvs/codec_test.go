package ipvs

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"hakeep/lvs"
)

var compareAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func sorted(services []lvs.Service) []lvs.Service {
	slices.SortFunc(services, func(a, b lvs.Service) int { return a.ID.Compare(b.ID) })
	return services
}

// TestRoundTrip: the kernel's answers have the form of its requests, so what was
// encoded comes back.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := lvs.Canonical(rapid.Custom(genService).Draw(t, "service"))
		got, _, err := decodeService(appendService(nil, want.ID, want.Attr))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range want.Servers {
			c, err := decodeServer(appendServer(nil, r), want.ID.Family)
			if err != nil {
				t.Fatal(err)
			}
			got.Servers = append(got.Servers, c.Server)
		}
		if got = lvs.Canonical(got); !cmp.Equal(want, got, compareAddr) {
			t.Fatalf("service (-want +got):\n%s", cmp.Diff(want, got, compareAddr))
		}
		sync := Sync{
			State: rapid.SampledFrom([]SyncState{SyncMaster, SyncBackup}).Draw(t, "state"), Interface: "eth0",
			ID: rapid.Byte().Draw(t, "id"), MaxLen: rapid.Uint16().Draw(t, "maxlen"), Port: rapid.Uint16().Draw(t, "port"), TTL: rapid.Byte().Draw(t, "ttl"),
			Group: rapid.SampledFrom([]netip.Addr{{}, syncGroup, netip.MustParseAddr("ff05::81")}).Draw(t, "group"),
		}
		if back, err := decodeSync(appendSync(nil, sync)); err != nil || back != sync {
			t.Fatalf("daemon: %+v and %v, want %+v", back, err, sync)
		}
	})
}

// TestCounters: 64 bits are taken where the kernel has them, whatever the order.
func TestCounters(t *testing.T) {
	t.Parallel()
	narrow := func(b []byte) []byte {
		b = appendUint32(b, statsConns, 7)
		return appendAttr(b, statsInBytes, binary.NativeEndian.AppendUint64(nil, 1<<40))
	}
	wide := func(b []byte) []byte {
		b = appendAttr(b, statsConns, binary.NativeEndian.AppendUint64(nil, 1<<32+7))
		return appendAttr(b, statsOutPkts, binary.NativeEndian.AppendUint64(nil, 1<<33))
	}
	server := func(fill func([]byte) []byte) []byte {
		return appendNested(nil, attrDest, func(b []byte) []byte {
			b = appendUint32(appendEndpointAttrs(b, lvs.Endpoint{Addr: netip.MustParseAddr("10.0.0.1"), Port: 80}), destActive, 3)
			b = appendUint32(appendUint32(b, destInactive, 4), destPersistent, 5)
			return fill(b)
		})
	}
	for _, c := range []struct {
		name string
		in   []byte
		want lvs.Counters
	}{
		{"old kernel", server(func(b []byte) []byte { return appendNested(b, destStats, narrow) }),
			lvs.Counters{Connections: 7, InBytes: 1 << 40}},
		{"both", server(func(b []byte) []byte { return appendNested(appendNested(b, destStats, narrow), destStats64, wide) }),
			lvs.Counters{Connections: 1<<32 + 7, InBytes: 1 << 40, OutPackets: 1 << 33}},
	} {
		got, err := decodeServer(c.in, lvs.IPv4)
		if err != nil || got.Counters != c.want || got.Active != 3 || got.Inactive != 4 || got.Persistent != 5 {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

// TestWire holds the bytes against linux/ip_vs.h by hand: a codec that is wrong on both
// sides would pass the round trip.
func TestWire(t *testing.T) {
	t.Parallel()
	id := lvs.ID{Protocol: lvs.TCP, Addr: netip.MustParseAddr("192.0.2.1"), Port: 80, Family: lvs.IPv4}
	u16, u32 := binary.NativeEndian.AppendUint16, binary.NativeEndian.AppendUint32
	var want []byte
	want = u16(want, 36)
	want = u16(want, 1|unix.NLA_F_NESTED)
	want = u16(u16(u16(u16(want, 6), 1), unix.AF_INET), 0)
	want = u16(u16(u16(u16(want, 6), 2), 6), 0)
	want = append(u16(u16(want, 8), 3), 192, 0, 2, 1)
	want = append(u16(u16(want, 6), 4), 0, 80, 0, 0)
	if diff := cmp.Diff(want, appendID(nil, id)); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	mark := appendID(nil, lvs.ID{Mark: 7, Family: lvs.IPv6})
	want = u16(u16(nil, 20), 1|unix.NLA_F_NESTED)
	want = u16(u16(u16(u16(want, 6), 1), unix.AF_INET6), 0)
	want = u32(u16(u16(want, 8), 5), 7)
	if diff := cmp.Diff(want, mark); diff != "" {
		t.Errorf("firewall mark (-want +got):\n%s", diff)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(appendService(nil, lvs.ID{Mark: 1, Family: lvs.IPv6}, lvs.Attr{Scheduler: "rr", Engine: "sip", Persistence: 5e9, PersistenceBits: 24}))
	f.Add(appendService(nil, lvs.ID{Protocol: lvs.TCP, Addr: netip.MustParseAddr("::1"), Port: 80, Family: lvs.IPv6}, lvs.Attr{Scheduler: "rr"}))
	f.Add(appendServer(nil, lvs.Server{Endpoint: lvs.Endpoint{Addr: netip.MustParseAddr("10.0.0.1")}, Forward: lvs.Forward{Method: lvs.TUN}}))
	f.Add(appendSync(nil, Sync{State: SyncMaster, Interface: "eth0", Group: syncGroup, MaxLen: 1, Port: 1, TTL: 1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		// What was understood can be said again, and means the same.
		if s, _, err := decodeService(b); err == nil {
			again, _, err := decodeService(appendService(nil, s.ID, s.Attr))
			if err != nil || !cmp.Equal(s, again, compareAddr) {
				t.Errorf("service %+v became %+v, %v", s, again, err)
			}
		}
		for _, family := range []lvs.Family{lvs.IPv4, lvs.IPv6} {
			r, err := decodeServer(b, family)
			if err != nil || r.Server.Forward.Method == 0 {
				continue
			}
			if again, err := decodeServer(appendServer(nil, r.Server), family); err != nil || again.Server != r.Server {
				t.Errorf("server %+v became %+v, %v", r.Server, again.Server, err)
			}
		}
		_, _ = decodeSync(b)
	})
}

package lvs_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"hakeep/lvs"
)

// table is a kernel in memory, as strict as IPVS: nothing is added twice, nothing
// changed or deleted that is not there.
type table map[lvs.ID]*entry

type entry struct {
	attr    lvs.Attr
	servers map[lvs.Endpoint]lvs.Server
}

func newTable(services []lvs.Service) table {
	t := table{}
	for _, s := range services {
		s = lvs.Canonical(s)
		e := &entry{s.Attr, map[lvs.Endpoint]lvs.Server{}}
		for _, r := range s.Servers {
			e.servers[r.Endpoint] = r
		}
		t[s.ID] = e
	}
	return t
}

func (t table) apply(op lvs.Op) error {
	e := t[op.ID]
	if op.Kind == lvs.AddService {
		if e != nil {
			return fmt.Errorf("%v: exists", op)
		}
		t[op.ID] = &entry{op.Attr, map[lvs.Endpoint]lvs.Server{}}
		return nil
	}
	if e == nil {
		return fmt.Errorf("%v: no such service", op)
	}
	_, there := e.servers[op.Server.Endpoint]
	switch op.Kind {
	case lvs.EditService:
		if e.attr == op.Attr {
			return fmt.Errorf("%v: changes nothing", op)
		}
		e.attr = op.Attr
	case lvs.DeleteService:
		delete(t, op.ID)
	case lvs.AddServer:
		if there {
			return fmt.Errorf("%v: exists", op)
		}
		e.servers[op.Server.Endpoint] = op.Server
	case lvs.EditServer:
		if !there || e.servers[op.Server.Endpoint] == op.Server {
			return fmt.Errorf("%v: there %v, or changes nothing", op, there)
		}
		e.servers[op.Server.Endpoint] = op.Server
	case lvs.DeleteServer:
		if !there {
			return fmt.Errorf("%v: no such server", op)
		}
		delete(e.servers, op.Server.Endpoint)
	default:
		return fmt.Errorf("unknown operation %d", op.Kind)
	}
	return nil
}

// services is the table as a list in order.
func (t table) services() []lvs.Service {
	var list []lvs.Service
	for id, e := range t {
		s := lvs.Service{ID: id, Attr: e.attr}
		for _, r := range e.servers {
			s.Servers = append(s.Servers, r)
		}
		list = append(list, lvs.Canonical(s))
	}
	slices.SortFunc(list, func(a, b lvs.Service) int { return a.ID.Compare(b.ID) })
	return list
}

// usable tells whether a service gives connections to a server.
func (t table) usable(id lvs.ID) bool {
	if t[id] != nil {
		for _, r := range t[id].servers {
			if r.Weight > 0 {
				return true
			}
		}
	}
	return false
}

// Few values each, so that both sides often have the same.
var (
	genID = rapid.SampledFrom([]lvs.ID{
		{Protocol: lvs.TCP, Addr: netip.MustParseAddr("192.0.2.1"), Port: 80, Family: lvs.IPv4},
		{Protocol: lvs.UDP, Addr: netip.MustParseAddr("192.0.2.1"), Port: 80},
		{Protocol: lvs.SCTP, Addr: netip.MustParseAddr("2001:db8::1"), Port: 80},
		{Protocol: lvs.TCP, Addr: netip.MustParseAddr("192.0.2.1")},
		{Mark: 1, Family: lvs.IPv4}, {Mark: 1, Family: lvs.IPv6},
	})
	genAttr = rapid.Custom(func(t *rapid.T) lvs.Attr {
		return lvs.Attr{
			Scheduler:       rapid.SampledFrom([]string{"rr", "mh"}).Draw(t, "scheduler"),
			Flags:           rapid.SampledFrom([]lvs.Flags{0, lvs.Hashed, lvs.OnePacket, lvs.MHPort | lvs.MHFallback}).Draw(t, "flags"),
			Persistence:     rapid.SampledFrom([]time.Duration{0, time.Minute, time.Millisecond}).Draw(t, "persistence"),
			PersistenceBits: rapid.SampledFrom([]uint8{0, 24, 32, 128}).Draw(t, "bits"),
			Engine:          rapid.SampledFrom([]string{"", "sip"}).Draw(t, "engine"),
		}
	})
	genForward = rapid.SampledFrom([]lvs.Forward{
		{Method: lvs.NAT}, {Method: lvs.DR}, {Method: lvs.TUN}, {Method: lvs.TUN, Tunnel: lvs.IPIP, Checksum: lvs.NoChecksum},
		{Method: lvs.TUN, Tunnel: lvs.GUE, Port: 6080}, {Method: lvs.TUN, Tunnel: lvs.GRE, Checksum: lvs.WithChecksum},
	})
	genServer = rapid.Custom(func(t *rapid.T) lvs.Server {
		return lvs.Server{
			Endpoint: lvs.Endpoint{
				Addr: netip.AddrFrom4([4]byte{10, 0, 0, rapid.ByteRange(1, 4).Draw(t, "addr")}),
				Port: rapid.SampledFrom([]uint16{0, 80, 81}).Draw(t, "port"),
			},
			Forward:    genForward.Draw(t, "forward"),
			Weight:     rapid.IntRange(0, 2).Draw(t, "weight"),
			UThreshold: rapid.SampledFrom([]uint32{0, 9}).Draw(t, "uthreshold"),
		}
	})
	genServices = rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) lvs.Service {
		return lvs.Service{
			ID: genID.Draw(t, "id"), Attr: genAttr.Draw(t, "attr"),
			Servers: rapid.SliceOfN(genServer, 0, 5).Draw(t, "servers"),
		}
	}), 0, 5, func(s lvs.Service) lvs.ID { return s.ID })
)

// TestDiff: from any state to any other, with operations that each have their turn.
func TestDiff(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		desired, actual := genServices.Draw(t, "desired"), genServices.Draw(t, "actual")
		kernel, after := newTable(actual), newTable(desired)
		served := map[lvs.ID]bool{}
		for id := range after {
			served[id] = kernel.usable(id) && after.usable(id)
		}
		deletes := false
		for _, op := range lvs.Diff(desired, actual, nil) {
			if err := kernel.apply(op); err != nil {
				t.Fatal(err)
			}
			switch op.Kind {
			case lvs.DeleteServer, lvs.DeleteService:
				deletes = true
			case lvs.AddServer, lvs.AddService:
				if deletes {
					t.Fatalf("%v after something was deleted", op)
				}
			}
			if served[op.ID] && !kernel.usable(op.ID) {
				t.Fatalf("after %v the service has no server", op)
			}
		}
		if diff := cmp.Diff(after.services(), kernel.services(), compare, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("not the desired state (-want +got):\n%s", diff)
		}
		if again := lvs.Diff(desired, kernel.services(), nil); len(again) > 0 {
			t.Fatalf("a second time: %v", again)
		}
	})
}

// TestDiffDrains: what drains keeps its place with weight 0, and everything else is as
// without; when it has drained, nothing of it is left.
func TestDiffDrains(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		desired, actual := genServices.Draw(t, "desired"), genServices.Draw(t, "actual")
		busy := rapid.ByteRange(1, 4).Draw(t, "busy")
		drains := func(_ lvs.ID, s lvs.Server) bool { return s.Endpoint.Addr.As4()[3] == busy }
		before, kernel, after := newTable(actual), newTable(actual), newTable(desired)
		for _, op := range lvs.Diff(desired, actual, drains) {
			if err := kernel.apply(op); err != nil {
				t.Fatal(err)
			}
		}
		for id, was := range before {
			for e, r := range was.servers {
				if after[id] != nil {
					if _, wanted := after[id].servers[e]; wanted {
						continue
					}
				}
				now, kept := lvs.Server{}, false
				if kernel[id] != nil {
					now, kept = kernel[id].servers[e]
				}
				r.Weight = 0
				if want := drains(id, r); kept != want || kept && now != r {
					t.Fatalf("%v of %v: kept %v as %+v, want kept %v as %+v", e, id, kept, now, want, r)
				}
			}
		}
		if again := lvs.Diff(desired, kernel.services(), drains); len(again) > 0 {
			t.Fatalf("while they drain: %v", again)
		}
		for _, op := range lvs.Diff(desired, kernel.services(), nil) {
			if err := kernel.apply(op); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(after.services(), kernel.services(), compare, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("after they have drained (-want +got):\n%s", diff)
		}
	})
}

var compare = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// TestDiffOrder names what the two properties do not: that a change is one operation,
// and their order.
func TestDiffOrder(t *testing.T) {
	t.Parallel()
	web := lvs.ID{Protocol: lvs.TCP, Addr: netip.MustParseAddr("192.0.2.1"), Port: 80}
	dns := lvs.ID{Protocol: lvs.UDP, Addr: netip.MustParseAddr("192.0.2.2"), Port: 53}
	server := func(last byte, weight int) lvs.Server {
		return lvs.Server{
			Endpoint: lvs.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 0, 0, last})},
			Forward:  lvs.Forward{Method: lvs.NAT}, Weight: weight,
		}
	}
	service := func(id lvs.ID, scheduler string, servers ...lvs.Server) lvs.Service {
		return lvs.Service{ID: id, Attr: lvs.Attr{Scheduler: scheduler}, Servers: servers}
	}
	for _, c := range []struct {
		name            string
		desired, actual []lvs.Service
		want            []string
	}{
		{"new", []lvs.Service{service(web, "rr", server(1, 1))}, nil,
			[]string{"add 192.0.2.1:80/tcp", "add server 10.0.0.1:80 to 192.0.2.1:80/tcp"}},
		{"gone with its servers", nil, []lvs.Service{service(web, "rr", server(1, 1), server(2, 1))},
			[]string{"delete 192.0.2.1:80/tcp"}},
		{"scheduler", []lvs.Service{service(web, "wlc", server(1, 1))}, []lvs.Service{service(web, "rr", server(1, 1))},
			[]string{"change 192.0.2.1:80/tcp"}},
		{"server replaced", []lvs.Service{service(web, "rr", server(2, 1))}, []lvs.Service{service(web, "rr", server(1, 1))},
			[]string{"add server 10.0.0.2:80 to 192.0.2.1:80/tcp", "delete server 10.0.0.1:80 of 192.0.2.1:80/tcp"}},
		{"sorry server takes over", []lvs.Service{service(web, "rr", server(1, 0), server(9, 1))},
			[]lvs.Service{service(web, "rr", server(1, 1), server(9, 0))},
			[]string{"change server 10.0.0.9:80 of 192.0.2.1:80/tcp", "change server 10.0.0.1:80 of 192.0.2.1:80/tcp"}},
		{"service replaced", []lvs.Service{service(dns, "rr")}, []lvs.Service{service(web, "rr")},
			[]string{"add 192.0.2.2:53/udp", "delete 192.0.2.1:80/tcp"}},
		{"nothing", []lvs.Service{service(web, "rr", server(1, 1))}, []lvs.Service{service(web, "rr", server(1, 1))}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, op := range lvs.Diff(c.desired, c.actual, nil) {
				got = append(got, op.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("operations (-want +got):\n%s", diff)
			}
		})
	}
}

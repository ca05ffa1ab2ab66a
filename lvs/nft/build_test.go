package nft

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/nftables"
	"pgregory.net/rapid"

	"hakeep/lvs"
)

// newTest is a service of NAT servers with weights by turns; the servers have its
// port and follow each other from first.
func newTest(proto lvs.Protocol, vip, scheduler, first string, weights ...int) lvs.Service {
	v := netip.MustParseAddrPort(vip)
	s := lvs.Service{
		ID:   lvs.ID{Protocol: proto, Addr: v.Addr(), Port: v.Port(), Family: lvs.FamilyOf(v.Addr())},
		Attr: lvs.Attr{Scheduler: scheduler},
	}
	a := netip.MustParseAddr(first)
	for _, w := range weights {
		s.Servers = append(s.Servers, lvs.Server{
			Endpoint: lvs.Endpoint{Addr: a, Port: v.Port()}, Forward: lvs.Forward{Method: lvs.NAT}, Weight: w,
		})
		a = a.Next()
	}
	return s
}

func mustBuild(t testing.TB, services ...lvs.Service) *Tables {
	t.Helper()
	tables, err := Build(services)
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

// mixed is a service of each kind.
func mixed() []lvs.Service {
	persistent := newTest(lvs.TCP, "192.0.2.14:80", "wrr", "10.0.4.1", 3, 1, 2)
	persistent.Attr.Persistence, persistent.Attr.PersistenceBits = 5*time.Minute, 24
	masquerade := newTest(lvs.TCP, "192.0.2.15:80", "rr", "10.0.5.1", 1, 1)
	masquerade.Masquerade = true
	withPort := newTest(lvs.UDP, "[2001:db8::12]:53", "mh", "fd00::3:1", 1, 1)
	withPort.Attr.Flags = lvs.MHPort
	persistent6 := newTest(lvs.TCP, "[2001:db8::14]:80", "mh", "fd00::4:1", 1, 2)
	persistent6.Attr.Persistence, persistent6.Attr.PersistenceBits = time.Hour, 64
	return []lvs.Service{
		newTest(lvs.TCP, "192.0.2.10:80", "rr", "10.0.0.1", 1, 1, 1, 0),
		newTest(lvs.UDP, "192.0.2.10:53", "wrr", "10.0.1.1", 300, 299, 298),
		newTest(lvs.SCTP, "192.0.2.11:80", "random", "10.0.2.1", 1, 2, 3),
		newTest(lvs.TCP, "[2001:db8::10]:80", "mh", "fd00::1", 1, 2, 3),
		newTest(lvs.TCP, "[2001:db8::11]:80", "sh", "fd00::2:1", 0, 0),
		persistent, masquerade, withPort, persistent6,
	}
}

// Two routers that read their files in another order, and saw servers fail in
// another order, have the same tables.
func TestBuildDoesNotDependOnOrder(t *testing.T) {
	t.Parallel()
	services := mixed()
	want := mustBuild(t, services...)
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		r.Shuffle(len(services), func(i, j int) { services[i], services[j] = services[j], services[i] })
		for _, s := range services {
			r.Shuffle(len(s.Servers), func(i, j int) { s.Servers[i], s.Servers[j] = s.Servers[j], s.Servers[i] })
		}
		got := mustBuild(t, services...)
		if !reflect.DeepEqual(got, want) {
			t.Fatal(cmp.Diff(want, got, cmp.AllowUnexported(Tables{}), cmpopts.EquateComparable(netip.Addr{}, nftables.SetDatatype{})))
		}
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	base := newTest(lvs.TCP, "192.0.2.10:80", "mh", "10.0.0.1", 1, 1, 1)
	base.Configured = 3
	change := func(fn func(*lvs.Service)) lvs.Service {
		s := base
		s.Servers = slices.Clone(s.Servers)
		fn(&s)
		return s
	}
	digest := func(s lvs.Service) string { return mustBuild(t, s).Digest(s.ID) }
	want := digest(base)
	for name, s := range map[string]lvs.Service{
		"order":   change(func(s *lvs.Service) { slices.Reverse(s.Servers) }),
		"name":    change(func(s *lvs.Service) { s.Name = "x" }),
		"address": change(func(s *lvs.Service) { s.ID.Addr = s.ID.Addr.Next() }),
		"server that is out": change(func(s *lvs.Service) {
			s.Servers = append(s.Servers, lvs.Server{Endpoint: lvs.Endpoint{Addr: netip.MustParseAddr("10.0.0.9"), Port: 80}, Forward: lvs.Forward{Method: lvs.NAT}})
		}),
	} {
		if got := digest(s); got != want {
			t.Errorf("%s: another digest", name)
		}
	}
	for name, s := range map[string]lvs.Service{
		"weight":     change(func(s *lvs.Service) { s.Servers[1].Weight = 2 }),
		"server":     change(func(s *lvs.Service) { s.Servers = s.Servers[:2] }),
		"drained":    change(func(s *lvs.Service) { s.Servers[0].Weight = 0 }),
		"scheduler":  change(func(s *lvs.Service) { s.Attr.Scheduler = "sh" }),
		"port":       change(func(s *lvs.Service) { s.Attr.Flags = lvs.MHPort }),
		"table size": change(func(s *lvs.Service) { s.Configured = 10 }),
	} {
		if got := digest(s); got == want {
			t.Errorf("%s: the same digest", name)
		}
	}
	if got := mustBuild(t).Digest(base.ID); got != "" {
		t.Errorf("unknown service: %q", got)
	}
}

// The services of one virtual server have one Maglev table.
func TestGroupSharesItsTable(t *testing.T) {
	t.Parallel()
	var group []lvs.Service
	for i := range 10 {
		s := newTest(lvs.TCP, fmt.Sprintf("192.0.2.%d:80", i+1), "mh", "10.0.0.1", 1, 1, 1)
		s.Name = "group:web"
		group = append(group, s)
	}
	group = append(group, newTest(lvs.TCP, "192.0.2.100:80", "mh", "10.0.0.1", 1, 1, 1))
	tables := 0
	for _, s := range mustBuild(t, group...).Contribution.Sets {
		if strings.Contains(s.Name, "_mh") {
			tables++
		}
	}
	if tables != 2 {
		t.Errorf("%d Maglev tables, want one of the group and one of the service outside", tables)
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	tables := mustBuild(t, newTest(lvs.TCP, "192.0.2.10:80", "rr", "10.0.0.1", 0, 0), newTest(lvs.TCP, "192.0.2.11:80", "rr", "10.0.0.1", 1))
	want := "192.0.2.10:80/tcp: no server takes connections; clients are refused"
	if len(tables.Notes) != 1 || tables.Notes[0].String() != want {
		t.Errorf("got %v, want %s", tables.Notes, want)
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*lvs.Service)
		want   string
	}{
		{"fine", func(*lvs.Service) {}, ""},
		{"fwmark", func(s *lvs.Service) { s.ID = lvs.ID{Mark: 7, Family: lvs.IPv4} }, "fwmark:7: a service by firewall mark needs IPVS"},
		{"all ports", func(s *lvs.Service) { s.ID.Port = 0 }, "a service of all ports needs IPVS"},
		{"wlc", func(s *lvs.Service) { s.Attr.Scheduler = "wlc" }, `scheduler "wlc" needs IPVS; nftables has rr, wrr, random, sh, mh`},
		{"ops", func(s *lvs.Service) { s.Attr.Flags = lvs.OnePacket }, "ops (one-packet scheduling) needs IPVS"},
		{"flag of another scheduler", func(s *lvs.Service) { s.Attr.Flags = lvs.SHPort }, "flags 0x10 have no meaning for rr"},
		{"engine", func(s *lvs.Service) { s.Attr.Engine = "sip" }, "persistence_engine sip needs IPVS"},
		{"persistence", func(s *lvs.Service) { s.Attr.Persistence = time.Millisecond }, "allowed are whole seconds up to 720h"},
		{"granularity", func(s *lvs.Service) { s.Attr.PersistenceBits = 33 }, "persistence_granularity /33: at most /32"},
		{"DR", func(s *lvs.Service) { s.Servers[0].Forward.Method = lvs.DR }, "server 10.0.0.1:80: lvs_method DR needs IPVS; nftables has NAT"},
		{"family", func(s *lvs.Service) { s.Servers[0].Endpoint.Addr = netip.MustParseAddr("fd00::1") }, "server [fd00::1]:80: NAT needs a server of the service's address family"},
		{"twice", func(s *lvs.Service) { s.Servers[1] = s.Servers[0] }, "server 10.0.0.1:80 twice"},
		{"weight", func(s *lvs.Service) { s.Servers[0].Weight = 65536 }, "weight 65536: allowed are 0 to 65535"},
		{"threshold", func(s *lvs.Service) { s.Servers[0].UThreshold = 5 }, "uthreshold and lthreshold need IPVS"},
		{"server's port", func(s *lvs.Service) { s.Servers[0].Endpoint.Port = 0 }, "server 10.0.0.1:0: bad address or port"},
	} {
		s := newTest(lvs.TCP, "192.0.2.10:80", "rr", "10.0.0.1", 1, 1)
		c.change(&s)
		err := Refuse(&s)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		if _, built := Build([]lvs.Service{s}); (built == nil) != (err == nil) {
			t.Errorf("%s: Build says %v", c.name, built)
		}
	}
	s := newTest(lvs.TCP, "192.0.2.10:80", "rr", "10.0.0.1", 1)
	if _, err := Build([]lvs.Service{s, s}); err == nil || !strings.Contains(err.Error(), "service twice") {
		t.Errorf("service twice: %v", err)
	}
}

// Each server has as many slots as its weight says, runs are short, and there are
// not more elements than promised.
func TestDivide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, lvs.MaxWeight), 1, 40).Draw(t, "weights")
		spread := rapid.Bool().Draw(t, "spread")
		table := divide(weights, spread)
		got := make([]int, len(weights))
		next := uint32(0)
		for _, p := range table.pieces {
			if p.first != next || p.last < p.first {
				t.Fatalf("piece %v does not begin at %d", p, next)
			}
			got[p.server] += int(p.last - p.first + 1)
			next = p.last + 1
		}
		if next != table.modulus {
			t.Fatalf("pieces end at %d of %d", next, table.modulus)
		}
		for i := range weights {
			if got[i]*weights[0] != got[0]*weights[i] {
				t.Fatalf("slots %v for weights %v", got, weights)
			}
		}
		if limit := maxPieces(len(weights)) + len(weights); len(table.pieces) > limit {
			t.Fatalf("%d pieces, want at most %d", len(table.pieces), limit)
		}
		if !spread && len(table.pieces) != len(weights) {
			t.Fatalf("%d pieces of %d servers", len(table.pieces), len(weights))
		}
	})
}

// The order of wrr for small weights: no server waits longer than it must.
func TestDivideInterleaves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		weights []int
		want    []int
	}{
		{[]int{1, 1, 1}, []int{0, 1, 2}},
		{[]int{100, 100}, []int{0, 1}},
		{[]int{3, 1}, []int{0, 0, 1, 0}},
		{[]int{4, 2, 1}, []int{0, 1, 0, 2, 0, 1, 0}},
	} {
		table := divide(c.weights, true)
		var got []int
		for _, p := range table.pieces {
			got = append(got, p.server)
		}
		if !table.single() || !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.weights, got, c.want)
		}
	}
}

// endpoints are n servers.
func endpoints(n int) []lvs.Endpoint {
	a := netip.MustParseAddr("10.0.0.1")
	var out []lvs.Endpoint
	for range n {
		out = append(out, lvs.Endpoint{Addr: a, Port: 80})
		a = a.Next()
	}
	return out
}

func countSlots(table []int, n int) []int {
	got := make([]int, n)
	for _, i := range table {
		got[i]++
	}
	return got
}

// Shares are as the weights say, to one slot of each server's turn: Cilium has 16,
// 98, 832 and 75 for these.
func TestMaglevShares(t *testing.T) {
	t.Parallel()
	got := countSlots(maglev(endpoints(4), []int{2, 13, 111, 10}, 1021), 4)
	for i, want := range []int{16, 98, 832, 75} {
		if d := got[i] - want; d < -1 || d > 1 {
			t.Errorf("server %d has %d slots, want %d", i, got[i], want)
		}
	}
	for _, n := range []int{1, 2, 3, 10, 50, 300} {
		size := int(maglevSize(n, 0))
		for i, got := range countSlots(maglev(endpoints(n), equalWeights(n), uint32(size)), n) {
			if got != size/n && got != size/n+1 {
				t.Errorf("server %d of %d has %d slots of %d", i, n, got, size)
			}
		}
	}
}

// One server of 50 goes, or its weight is halved: what the others had stays with
// them but for 3 %.
func TestMaglevDisruption(t *testing.T) {
	t.Parallel()
	const n = 50
	servers, size := endpoints(n), maglevSize(n, 0)
	before := maglev(servers, equalWeights(n), size)
	for gone := range n {
		rest := slices.Delete(slices.Clone(servers), gone, gone+1)
		after := maglev(rest, equalWeights(n-1), size)
		moved, others := 0, 0
		for slot, i := range before {
			if i == gone {
				continue
			}
			others++
			if rest[after[slot]] != servers[i] {
				moved++
			}
		}
		if float64(moved) > 0.03*float64(others) {
			t.Errorf("without server %d: %d of %d slots of others move", gone, moved, others)
		}
	}
}

// A table's size follows from what is configured, so that it stays when servers
// fail.
func TestMaglevSizeStays(t *testing.T) {
	t.Parallel()
	name := func(s lvs.Service) string {
		for _, set := range mustBuild(t, s).Contribution.Sets {
			if strings.Contains(set.Name, "_mh") {
				return set.Name
			}
		}
		return ""
	}
	s := newTest(lvs.TCP, "192.0.2.10:80", "mh", "10.0.0.1", slices.Repeat([]int{1}, 41)...)
	s.Configured = 41
	want := name(s)
	s.Servers = s.Servers[:3]
	if got := name(s); got != want || !strings.HasSuffix(want, "_mh8191") {
		t.Errorf("41 servers: %s; 3 of them: %s", want, got)
	}
	for _, size := range maglevSizes {
		for d := uint32(2); d*d <= size; d++ {
			if size%d == 0 {
				t.Errorf("size %d is not prime", size)
			}
		}
	}
}

// Thousands of services with mh have smaller tables, so that they can be loaded;
// every server still has slots, and a failure changes no size.
func TestMaglevSizesOfMany(t *testing.T) {
	t.Parallel()
	services := big(mh)
	tables := mustBuild(t, services...)
	slots := 0
	for _, s := range tables.Contribution.Sets {
		if strings.Contains(s.Name, "_mh") {
			slots += len(s.Elements)
		}
	}
	if slots > maxSlots || slots < maxSlots/4 {
		t.Errorf("%d slots, want at most %d", slots, maxSlots)
	}
	if len(tables.Notes) != 1 || !strings.Contains(tables.Notes[0].Text, "smaller") {
		t.Errorf("notes: %v", tables.Notes)
	}
	for less := range maglevSizes {
		for _, n := range []int{1, 50, 300, 2000} {
			if size := maglevSize(n, less); int(size) <= n {
				t.Errorf("%d servers have %d slots", n, size)
			}
		}
	}
	id := services[7].ID
	before := tables.Digest(services[8].ID)
	services[7].Servers = services[7].Servers[1:]
	after := mustBuild(t, services...)
	if after.Digest(services[8].ID) != before || after.Digest(id) == tables.Digest(id) {
		t.Error("a failure changed the table of another service, or not its own")
	}
}

func TestSurvival(t *testing.T) {
	t.Parallel()
	good := Host{Loose: true, Liberal: true, Forward4: true, Forward6: true}
	mh := newTest(lvs.TCP, "192.0.2.10:80", "mh", "10.0.0.1", 1, 1)
	with := func(fn func(*lvs.Service)) []lvs.Service {
		s := mh
		fn(&s)
		return []lvs.Service{s}
	}
	mh.Name = "a"
	other := newTest(lvs.TCP, "192.0.2.11:80", "sh", "10.0.0.2", 1)
	other.Name = "b"
	udp := newTest(lvs.UDP, "192.0.2.11:80", "sh", "10.0.0.2", 1)
	for _, c := range []struct {
		name     string
		services []lvs.Service
		host     Host
		want     string
	}{
		{"mh", []lvs.Service{mh}, good, ""},
		{"server of tcp and udp", []lvs.Service{mh, udp}, good, ""},
		{"rr", with(func(s *lvs.Service) { s.Attr.Scheduler = "rr" }), good, "scheduler rr"},
		{"persistence", with(func(s *lvs.Service) { s.Attr.Persistence = time.Hour }), good, "persistence_timeout"},
		{"masquerade", with(func(s *lvs.Service) { s.Masquerade = true }), good, "masquerade"},
		{"sctp", with(func(s *lvs.Service) { s.ID.Protocol = lvs.SCTP }), good, "sctp"},
		{"strict", []lvs.Service{mh}, Host{Liberal: true}, "nf_conntrack_tcp_loose"},
		{"not liberal", []lvs.Service{mh}, Host{Loose: true}, "nf_conntrack_tcp_be_liberal"},
		{"udp strict", []lvs.Service{udp}, Host{}, ""},
		{"shared server", []lvs.Service{mh, other}, good, "server 10.0.0.2:80 is also one of b"},
	} {
		got := Survival(c.services, c.host)
		reasons := got[c.services[0].ID]
		if c.want == "" && len(reasons) > 0 || c.want != "" && (len(reasons) != 1 || !strings.Contains(reasons[0], c.want)) {
			t.Errorf("%s: got %q, want %q", c.name, reasons, c.want)
		}
	}
	if got := (Host{Forward4: true}).Problems(mixed()); len(got) != 1 || !strings.Contains(got[0], "ipv6") {
		t.Errorf("problems without IPv6 forwarding: %q", got)
	}
}

func FuzzParseKey(f *testing.F) {
	fams := families()
	id := lvs.ID{Protocol: lvs.TCP, Addr: netip.MustParseAddr("192.0.2.1"), Port: 80, Family: lvs.IPv4}
	e := lvs.Endpoint{Addr: netip.MustParseAddr("10.0.0.1"), Port: 8080}
	f.Add(pairKey(id, e))
	f.Add(serviceKey(netip.MustParseAddr("2001:db8::1"), lvs.UDP, 53))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, fam := range fams {
			p, err := fam.parseKey(b)
			if err != nil {
				continue
			}
			again := serviceKey(p.id.Addr, p.id.Protocol, p.id.Port)
			if p.endpoint.Addr.IsValid() {
				again = pairKey(p.id, p.endpoint)
			}
			if q, err := fam.parseKey(again); err != nil || q != p {
				t.Fatalf("%x: %+v, then %+v %v", b, p, q, err)
			}
		}
	})
}

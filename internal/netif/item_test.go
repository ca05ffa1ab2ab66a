package netif

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func via(gateway string) []NextHop { return []NextHop{{Via: netip.MustParseAddr(gateway)}} }

func dev(name string) []NextHop { return []NextHop{{Dev: name}} }

func route(dst string, hops []NextHop) Route {
	return Route{Dst: netip.MustParsePrefix(dst), NextHops: hops}
}

func item(v any) Item {
	switch v := v.(type) {
	case Route:
		return Item{Route: &v}
	case Rule:
		return Item{Rule: &v}
	}
	panic("neither route nor rule")
}

func ourItem(it Item) bool {
	return it.Route != nil && it.Route.Protocol == Protocol || it.Rule != nil && it.Rule.Protocol == Protocol
}

// richItems are routes and rules with everything in them, all acceptable to
// the kernel in a world with 192.0.2.1/24 and 2001:db8::1/64 on vip0, the
// same with 198.51.100.1/24 and 2001:db8:1::1/64 on vip1.
func richItems() []Item {
	p, a := netip.MustParsePrefix, netip.MustParseAddr
	metrics := Metrics{unix.RTAX_MTU: 1400, unix.RTAX_LOCK: 1<<unix.RTAX_MTU | 1<<unix.RTAX_RTO_MIN, unix.RTAX_ADVMSS: 1300,
		unix.RTAX_RTT: 80, unix.RTAX_RTTVAR: 40, unix.RTAX_RTO_MIN: 200, unix.RTAX_HOPLIMIT: 33, unix.RTAX_INITCWND: 20,
		unix.RTAX_INITRWND: 20, unix.RTAX_WINDOW: 20000, unix.RTAX_SSTHRESH: 30, unix.RTAX_CWND: 40, unix.RTAX_REORDERING: 4,
		unix.RTAX_FEATURES: unix.RTAX_FEATURE_ECN, unix.RTAX_QUICKACK: 1, unix.RTAX_FASTOPEN_NO_COOKIE: 1}
	return []Item{
		item(route("10.0.0.0/8", via("192.0.2.2"))),
		item(Route{Dst: p("10.1.0.0/16"), NextHops: []NextHop{{Dev: "vip0"}}, Scope: unix.RT_SCOPE_LINK, Src: a("192.0.2.1"), TOS: 0x10, Metric: 7}),
		item(Route{Dst: p("10.2.0.0/16"), NextHops: via("192.0.2.2"), Table: 1000, Metrics: metrics, CongCtl: "cubic", Realms: 0x10002}),
		item(Route{Dst: p("10.3.0.0/16"), NextHops: []NextHop{{Via: a("203.0.113.9"), Dev: "vip0", Onlink: true}}}),
		item(Route{Dst: p("10.4.0.0/16"), NextHops: []NextHop{{Via: a("2001:db8::2"), Dev: "vip0"}}, Placement: PlaceAppend}),
		item(Route{Dst: p("10.5.0.0/16"), NextHops: []NextHop{{Via: a("192.0.2.2"), Weight: 3, Realms: 5}, {Via: a("198.51.100.2"), Dev: "vip1", Weight: 2}}}),
		item(Route{Dst: p("0.0.0.0/0"), NextHops: via("192.0.2.2"), Metric: 50, Placement: PlaceAlone}),
		item(Route{Dst: p("10.6.0.0/16"), Type: RouteBlackhole}),
		item(Route{Dst: p("10.7.0.0/16"), Type: RouteUnreachable, Metric: 3}),
		item(Route{Dst: p("10.8.0.0/16"), Type: RouteProhibit, Table: 42}),
		item(Route{Dst: p("10.9.0.0/16"), Type: RouteThrow, Table: 42}),
		item(Route{Dst: p("10.10.0.1/32"), Type: RouteLocal, Table: unix.RT_TABLE_LOCAL, Scope: unix.RT_SCOPE_HOST, NextHops: dev("vip0")}),
		item(route("2001:db8:a::/48", via("2001:db8::2"))),
		item(Route{Dst: p("2001:db8:b::/48"), NextHops: dev("vip0"), Metric: 5, Table: 500, Pref: PrefHigh, Metrics: Metrics{unix.RTAX_MTU: 1400, unix.RTAX_HOPLIMIT: 9}}),
		item(Route{Dst: p("2001:db8:c::/48"), NextHops: []NextHop{{Via: a("2001:db8::3"), Weight: 2}, {Via: a("2001:db8::2"), Weight: 7}}, Src: a("2001:db8::1")}),
		item(Route{Dst: p("2001:db8:d::/48"), Type: RouteBlackhole, Pref: PrefLow}),
		item(Route{Dst: p("2001:db8:e::/48"), NextHops: via("2001:db8::2"), From: p("2001:db8:ff::/64")}),
		item(Route{Dst: p("2001:db8:f::/48"), NextHops: via("2001:db8::2"), Expires: time.Hour}),
		item(Route{Dst: p("::/0"), NextHops: []NextHop{{Via: a("fe80::1"), Dev: "vip0"}}, Metric: 77}),
		item(Rule{From: p("10.0.0.0/8"), Table: 100, Priority: 1000}),
		item(Rule{Not: true, From: p("10.0.0.0/8"), To: p("192.0.2.0/24"), IIF: "vip0", OIF: "vip1", TOS: 0x10, FWMark: 1, FWMask: 0xff, Table: 1000, Priority: 1001}),
		item(Rule{FWMark: 7, Priority: 1002, Table: 100, SuppressPrefixLen: Limit{Set: true}, SuppressIfGroup: Limit{Set: true, Value: 3}}),
		item(Rule{Priority: 1003, Action: RuleGoto, Goto: 2000}),
		item(Rule{Priority: 1004, Action: RuleNop}),
		item(Rule{Priority: 1005, Action: RuleBlackhole, To: p("10.99.0.0/16")}),
		item(Rule{Priority: 1006, Action: RuleUnreachable, To: p("10.99.0.0/16")}),
		item(Rule{Priority: 1007, Action: RuleProhibit, To: p("10.99.0.0/16")}),
		item(Rule{Priority: 1008, Table: 100, UIDs: UIDRange{Set: true, Last: 0}, IPProto: 6, SPort: PortRange{1000, 2000}, DPort: PortRange{80, 80}}),
		item(Rule{Priority: 1009, L3mdev: true}),
		item(Rule{Priority: 1010, Table: 100, TunID: 99, Realms: 0x10002}),
		item(Rule{IPv6: true, From: p("2001:db8::/32"), To: p("2001:db8:1::/48"), Table: 300, Priority: 1000}),
	}
}

func TestItemRoundTrip(t *testing.T) {
	t.Parallel()
	index := func(name string) int { return map[string]int{"vip0": 2, "vip1": 3}[name] }
	name := func(i int) string { return map[int]string{2: "vip0", 3: "vip1"}[i] }
	texts := map[string]bool{}
	for _, it := range richItems() {
		if err := it.Check(); err != nil {
			t.Error(err)
		}
		if text := it.String(); texts[text] {
			t.Errorf("two items are %s", text)
		} else {
			texts[text] = true
		}
		b := appendItem(nil, ItemOp{Kind: OpAdd, Item: it}, 1, index)
		m := messages(t, b)[0]
		var got Item
		var ok bool
		var err error
		if it.Rule != nil {
			var r Rule
			r, ok, err = parseRule(m.body)
			got = Item{Rule: &r}
		} else {
			var r Route
			r, ok, err = parseRoute(m.body, name)
			r.Expires = it.Route.Expires // told in another attribute
			got = Item{Route: &r}
		}
		if err != nil || !ok || !it.same(got) {
			t.Errorf("%s decodes to %s, %v, %v", it, got, ok, err)
		}
	}
}

func TestItemCheck(t *testing.T) {
	t.Parallel()
	p := netip.MustParsePrefix
	for _, it := range []Item{
		item(Route{}),
		item(Route{Dst: p("10.0.0.0/8")}),
		item(route("10.0.0.1/8", dev("vip0"))),
		item(route("2001:db8::/32", via("192.0.2.1"))),
		item(Route{Dst: p("10.0.0.0/8"), Type: RouteBlackhole, NextHops: dev("vip0")}),
		item(Route{Dst: p("10.0.0.0/8"), NextHops: dev("vip0"), From: p("10.0.0.0/8")}),
		item(route("2001:db8::/32", []NextHop{{Dev: "vip0"}, {Dev: "vip1"}})),
		item(route("10.0.0.0/8", dev("longer-than-15-bytes"))),
		item(Rule{Table: 1}),
		item(Rule{Priority: 1}),
		item(Rule{Priority: 1, Table: 1, L3mdev: true}),
		item(Rule{Priority: 2, Action: RuleGoto, Goto: 1}),
		item(Rule{Priority: 2, Action: RuleNop, Table: 1}),
		item(Rule{Priority: 2, Table: 1, IPv6: true, From: p("10.0.0.0/8")}),
		item(Rule{Priority: 2, Table: 1, From: p("10.0.0.1/8")}),
	} {
		if err := it.Check(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", it, err)
		}
	}
}

// pickItems returns a random set of routes and rules, from few enough that
// they meet in one place.
func pickItems(random *rand.Rand) []Item {
	a := netip.MustParseAddr
	var list []Item
	taken := map[itemKey]bool{}
	for range random.IntN(12) {
		var it Item
		switch random.IntN(3) {
		case 0:
			r := Route{Dst: netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", random.IntN(3)))}
			switch random.IntN(5) {
			case 0:
				r.Type = RouteBlackhole
			case 1:
				r.NextHops = []NextHop{{Via: a("192.0.2.2"), Dev: "vip0", Weight: 1 + random.IntN(2)}, {Via: a("198.51.100.2"), Dev: "vip1"}}
			case 2:
				r.NextHops = []NextHop{{Via: a("192.0.2.2"), Dev: "vip0", Onlink: random.IntN(2) == 0}}
			default:
				r.NextHops = []NextHop{{Via: netip.AddrFrom4([4]byte{192, 0, 2, byte(2 + random.IntN(2))}), Dev: "vip0"}}
			}
			if random.IntN(3) == 0 {
				r.Metrics[unix.RTAX_MTU] = 1400
			}
			if random.IntN(3) == 0 {
				r.Metrics[unix.RTAX_ADVMSS] = 1200
			}
			if random.IntN(3) == 0 {
				r.Src = a("192.0.2.1")
			}
			if random.IntN(4) == 0 {
				r.Placement = PlaceAppend
			}
			r.Metric = uint32(random.IntN(2))
			it = item(r)
		case 1:
			r := Route{Dst: netip.MustParsePrefix(fmt.Sprintf("2001:db8:a%d::/48", random.IntN(3)))}
			switch random.IntN(4) {
			case 0:
				r.Type = RouteUnreachable
			case 1:
				r.NextHops = []NextHop{{Via: a("2001:db8::2"), Dev: "vip0"}, {Via: a("2001:db8::3"), Dev: "vip0"}}
			case 2:
				r.NextHops = []NextHop{{Dev: "vip0"}}
			default:
				r.NextHops = []NextHop{{Via: a("2001:db8::2"), Dev: "vip0"}}
			}
			if random.IntN(3) == 0 {
				r.Metrics[unix.RTAX_MTU] = 1400
			}
			it = item(r)
			if taken[it.key()] {
				continue
			}
		default:
			r := Rule{Priority: uint32(1000 + random.IntN(3)), Table: uint32(100 + random.IntN(2))}
			if random.IntN(2) == 0 {
				r.From = netip.MustParsePrefix("10.0.0.0/8")
			}
			if random.IntN(2) == 0 {
				r.To = netip.MustParsePrefix("10.1.0.0/16")
			}
			r.Not = random.IntN(4) == 0
			it = item(r)
			if taken[it.key()] {
				continue
			}
		}
		taken[it.key()] = true
		if !slices.ContainsFunc(list, func(o Item) bool { return o.String() == it.String() }) {
			list = append(list, it)
		}
	}
	return list
}

// walkItems goes from random sets to random sets. The administrator's, in the
// same places, must not be touched.
func walkItems(t *testing.T, k ItemBackend, steps int, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	var failure string
	r := NewItemReconciler(k, ItemOptions{Owned: ourItem, Report: func(r ItemResult) {
		if r.Kind == ResultFailed {
			failure = fmt.Sprintf("%s: %v", r.Item, r.Err)
		}
	}})
	others := func() []string {
		all, err := k.Items([]uint8{unix.RTPROT_STATIC})
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, it := range all {
			if !ourItem(it) {
				list = append(list, it.String())
			}
		}
		slices.Sort(list)
		return list
	}
	before := others()
	var was []Item
	for step := range steps {
		desired := pickItems(random)
		if random.IntN(2) == 0 {
			if err := r.Withdraw(desired); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Sync(time.Duration(step)*time.Hour, desired); err != nil {
			t.Fatal(err)
		}
		actual, err := k.Items([]uint8{Protocol})
		if err != nil {
			t.Fatal(err)
		}
		if ops := PlanItems(desired, actual, ourItem); len(ops) > 0 || failure != "" {
			t.Fatalf("step %d\nfrom    %v\ndesired %v\nthere   %v\nstill planned %v\nfailure %s", step, was, desired, actual, ops, failure)
		}
		if after := others(); !slices.Equal(before, after) {
			t.Fatalf("step %d: others' were %v, are %v", step, before, after)
		}
		was = desired
	}
}

// adminItems are the administrator's, in the places of pickItems.
func adminItems() []Item {
	r := route("10.1.0.0/16", []NextHop{{Via: netip.MustParseAddr("192.0.2.2"), Dev: "vip0"}})
	r.Protocol = unix.RTPROT_STATIC
	q := route("2001:db8:b::/48", []NextHop{{Via: netip.MustParseAddr("2001:db8::2"), Dev: "vip0"}})
	q.Protocol = unix.RTPROT_STATIC
	return []Item{item(r), item(q), item(Rule{Priority: 1002, Table: 99, Protocol: unix.RTPROT_STATIC})}
}

func TestItemWalkFake(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		f := NewFakeItems(NewFake("vip0", "vip1"))
		for _, it := range adminItems() {
			if err := f.PutItem(it); err != nil {
				t.Fatal(err)
			}
		}
		walkItems(t, f, 300, seed)
	}
}

// FuzzItems gives the decoders what no kernel sends, and expects that what they
// understand is encoded and decoded to the same again.
func FuzzItems(f *testing.F) {
	index := func(string) int { return 2 }
	name := func(i int) string {
		if i == 0 {
			return ""
		}
		return "vip0"
	}
	for _, it := range richItems() {
		f.Add(appendItem(nil, ItemOp{Kind: OpAdd, Item: it}, 1, index))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for rest := b; len(rest) > 0; {
			m, next, err := nextMessage(rest)
			if err != nil {
				return
			}
			rest = next
			if r, ok, _ := parseRule(m.body); ok {
				it := Item{Rule: &r}
				_, _ = it.String(), it.Check()
				again, ok, err := parseRule(appendRule(nil, unix.RTM_NEWRULE, 0, 1, r)[unix.NLMSG_HDRLEN:])
				if it.Check() == nil && (!ok || err != nil || again != r) {
					t.Fatalf("%+v became %+v, %v", r, again, err)
				}
			}
			if r, ok, _ := parseRoute(m.body, name); ok {
				it := Item{Route: &r}
				_, _, _ = it.String(), it.key(), it.same(it)
				if it.Check() != nil {
					continue
				}
				b := appendRoute(nil, unix.RTM_NEWROUTE, 0, 1, r.normal(), index)
				if int(binary.NativeEndian.Uint32(b)) != len(b) || len(b)%4 != 0 {
					t.Fatalf("bad encoding of %+v", r)
				}
				again, ok, err := parseRoute(b[unix.NLMSG_HDRLEN:], name)
				again.Expires = r.Expires
				if !ok || err != nil || !it.same(Item{Route: &again}) {
					t.Fatalf("%s became %s, %v", r, again, err)
				}
			}
		}
	})
}

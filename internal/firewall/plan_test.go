package firewall

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// manyAddrs is n addresses of each family.
func manyAddrs(n int) []netip.Addr {
	a4, a6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")
	var out []netip.Addr
	for range n {
		out = append(out, a4, a6)
		a4, a6 = a4.Next(), a6.Next()
	}
	return out
}

// balancer is a contribution with a map, a verdict map and chains that refer
// to each other.
func balancer(name string, backends ...byte) Contribution {
	slots := Set{Name: name + "_slots", Key: nftables.TypeMark, Data: nftables.TypeIPAddr}
	for i, b := range backends {
		slots.Elements = append(slots.Elements, nftables.SetElement{Key: []byte{byte(i), 0, 0, 0}, Val: []byte{10, 0, 0, b}})
	}
	return Contribution{
		Sets: []Set{
			slots,
			{
				Name: name + "_services", Key: nftables.TypeInetService, Data: nftables.TypeVerdict,
				Elements: []nftables.SetElement{{Key: []byte{0, 80}, VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: name + "_http"}}},
			},
		},
		Chains: []Chain{
			{Name: name + "_pre", Type: nftables.ChainTypeNAT, Hook: *nftables.ChainHookPrerouting, Priority: *nftables.ChainPriorityNATDest, Rules: []Rule{
				{Comment: "dispatch", Exprs: []expr.Any{
					&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
					&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{6}},
					&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
					&expr.Lookup{SourceRegister: 1, DestRegister: 0, IsDestRegSet: true, SetName: name + "_services"},
				}},
			}},
			{Name: name + "_http", Rules: []Rule{{Comment: "jump on", Exprs: []expr.Any{
				&expr.Verdict{Kind: expr.VerdictJump, Chain: name + "_last"},
			}}}},
			{Name: name + "_last", Rules: []Rule{{Comment: "done", Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}}}}},
		},
	}
}

// retarget lets the verdict map point to another chain.
func retarget(c Contribution) Contribution {
	c.Sets[1].Elements[0].VerdictData = &expr.Verdict{Kind: expr.VerdictGoto, Chain: c.Chains[2].Name}
	return c
}

// states is what the walks go through.
func states(t *testing.T) map[string]Rules {
	t.Helper()
	return map[string]Rules{
		"none":         {},
		"one v4":       {NoAccept: addrs("192.0.2.1")},
		"one v6":       {NoAccept: addrs("2001:db8::1")},
		"link-local":   {NoAccept: addrs("fe80::1%eth0", "fe80::1%eth1")},
		"both":         {NoAccept: addrs("192.0.2.1", "2001:db8::1", "fe80::1%eth0")},
		"other v4":     {NoAccept: addrs("192.0.2.2", "192.0.2.3")},
		"priority":     {NoAccept: addrs("192.0.2.1"), Priority: -10},
		"counters":     {NoAccept: addrs("192.0.2.1", "2001:db8::1"), Counters: true},
		"many":         {NoAccept: manyAddrs(1201)},
		"balancer":     {Contributions: []Contribution{balancer("a", 1, 2, 3)}},
		"other slots":  {Contributions: []Contribution{balancer("a", 3, 2, 1, 4)}},
		"two services": {Contributions: []Contribution{balancer("a", 1), balancer("b", 2)}, NoAccept: addrs("192.0.2.1")},
		"other target": {Contributions: []Contribution{retarget(balancer("a", 1, 2, 3))}},
		"service b":    {Contributions: []Contribution{balancer("b", 2)}},
	}
}

// Any state is reached from any other, in one transaction that the kernel
// accepts, and nothing is done when nothing changes.
func TestAnyStateToAnyState(t *testing.T) {
	t.Parallel()
	all := states(t)
	for fromName, from := range all {
		for toName, to := range all {
			t.Run(fromName+" to "+toName, func(t *testing.T) {
				t.Parallel()
				k := &fakeKernel{}
				f := newFirewall(Options{Table: "hakeep"}, k)
				if err := f.Set(from); err != nil {
					t.Fatal(err)
				}
				k.applied = nil
				if err := f.Set(to); err != nil {
					t.Fatal(err)
				}
				if n := len(k.applied); n > 1 || k.refused > 0 || fromName == toName && n > 0 {
					t.Errorf("%d transactions: %v", n, k.applied)
				}
				want, err := build(to)
				if err != nil {
					t.Fatal(err)
				}
				if !k.t.equal(want) {
					t.Errorf("got %+v, want %+v", k.t, want)
				}
			})
		}
	}
}

func TestReplaceReachesAnyState(t *testing.T) {
	t.Parallel()
	for fromName, from := range states(t) {
		for toName, to := range states(t) {
			actual, _ := build(from)
			k := &fakeKernel{t: actual}
			want, _ := build(to)
			if err := k.apply(planReplace(want)); err != nil {
				t.Errorf("%s to %s: %v", fromName, toName, err)
			} else if !k.t.equal(want) {
				t.Errorf("%s to %s: got %+v", fromName, toName, k.t)
			}
		}
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	all := states(t)
	foreign := Rules{NoAccept: addrs("192.0.2.1")}
	tests := []struct {
		name     string
		from, to Rules
		foreign  string
		want     string
	}{
		{"elements only", all["one v4"], all["other v4"], "",
			"delete element no_accept4 (1); add element no_accept4 (2)"},
		{"to nothing", all["both"], Rules{}, "", "delete table"},
		{"map values", all["balancer"], all["other slots"], "",
			"delete element a_slots (2); add element a_slots (3)"},
		{"verdict", all["balancer"], all["other target"], "",
			"delete element a_services (1); add element a_services (1)"},
		{"priority replaces", all["one v4"], all["priority"], "",
			"add table; delete table; add table; add set no_accept4; add chain input; add chain output; add element no_accept4 (1); RULES"},
		{"foreign replaces", foreign, foreign, "a rule",
			"add table; delete table; add table; add set no_accept4; add chain input; add chain output; add element no_accept4 (1); RULES"},
		{"service goes", all["two services"], Rules{NoAccept: addrs("192.0.2.1"), Contributions: []Contribution{balancer("a", 1)}}, "",
			"flush chain b_http; flush chain b_last; flush chain b_pre; delete element b_services (1); delete set b_services; delete set b_slots; delete chain b_http; delete chain b_last; delete chain b_pre"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			from, err := build(tc.from)
			if err != nil {
				t.Fatal(err)
			}
			from.foreign = tc.foreign
			to, err := build(tc.to)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range plan(from, to) {
				if o.kind == opAddRule {
					if got[len(got)-1] != "RULES" {
						got = append(got, "RULES")
					}
					continue
				}
				got = append(got, o.String())
			}
			if s := strings.Join(got, "; "); s != tc.want {
				t.Errorf("got  %s\nwant %s", s, tc.want)
			}
		})
	}
}

func TestElementsAreChunked(t *testing.T) {
	t.Parallel()
	want, err := build(Rules{NoAccept: manyAddrs(1201)})
	if err != nil {
		t.Fatal(err)
	}
	var sizes []string
	for _, o := range plan(nil, want) {
		if o.kind == opAddElements {
			sizes = append(sizes, fmt.Sprint(len(o.elems)))
		}
	}
	if got := strings.Join(sizes, " "); got != "500 500 201 500 500 201" {
		t.Errorf("got %s", got)
	}
}

// The order of addresses and repetitions do not matter.
func TestBuildIsOrderFree(t *testing.T) {
	t.Parallel()
	list := manyAddrs(50)
	a, _ := build(Rules{NoAccept: list})
	shuffled := append(manyAddrs(50), list[3], netip.MustParseAddr("::ffff:10.0.0.2"))
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	b, _ := build(Rules{NoAccept: shuffled})
	if !a.equal(b) {
		t.Error("order or repetition makes a difference")
	}
}

func TestBuildRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]Rules{
		"invalid address":  {NoAccept: []netip.Addr{{}}},
		"long zone":        {NoAccept: addrs("fe80::1%an-interface-name-too-long")},
		"same set twice":   {Contributions: []Contribution{balancer("a"), {Sets: []Set{{Name: "a_slots"}}}}},
		"same chain twice": {Contributions: []Contribution{{Chains: []Chain{{Name: "x"}, {Name: "x"}}}}},
		"our chain":        {NoAccept: addrs("192.0.2.1"), Contributions: []Contribution{{Chains: []Chain{{Name: "input"}}}}},
		"no name":          {Contributions: []Contribution{{Chains: []Chain{{}}}}},
		"two values": {Contributions: []Contribution{{Sets: []Set{{Name: "m", Key: nftables.TypeMark, Data: nftables.TypeMark,
			Elements: []nftables.SetElement{{Key: []byte{1}, Val: []byte{1}}, {Key: []byte{1}, Val: []byte{2}}}}}}}},
		"verdict in a set": {Contributions: []Contribution{{Sets: []Set{{Name: "m", Key: nftables.TypeMark,
			Elements: []nftables.SetElement{{Key: []byte{1}, VerdictData: &expr.Verdict{}}}}}}}},
		"set by id": {Contributions: []Contribution{{Chains: []Chain{{Name: "x", Rules: []Rule{{Exprs: []expr.Any{
			&expr.Lookup{SetName: "s", SetID: 3}}}}}}}}},
		"long comment": {Contributions: []Contribution{{Chains: []Chain{{Name: "x", Rules: []Rule{{Comment: strings.Repeat("x", 250)}}}}}}},
	}
	for name, r := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &fakeKernel{}
			if err := newFirewall(Options{Table: "hakeep"}, k).Set(r); err == nil {
				t.Error("accepted")
			}
			if len(k.applied) > 0 {
				t.Error("applied")
			}
		})
	}
}

func TestTableName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "hakeep", "lb1": "hakeep_lb1", "a-b.c_d/e": "hakeep_a-b.c_d/e", "a b\"c": "hakeep_a_b_c",
	} {
		if got := TableName(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := len(TableName(strings.Repeat("x", 400))); got != maxName {
		t.Errorf("got length %d, want %d", got, maxName)
	}
}

// TestBuildAfter: what was wanted before saves work and decides nothing.
func TestBuildAfter(t *testing.T) {
	with := func(change func(c *Contribution)) Rules {
		c := balancer("lb", 1, 2, 3)
		if change != nil {
			change(&c)
		}
		return Rules{NoAccept: addrs("192.0.2.1", "2001:db8::1"), Contributions: []Contribution{c}}
	}
	from, err := build(with(nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*Contribution)
		same   bool // the set lb_slots is the same as before
	}{
		"nothing":        {nil, true},
		"another set":    {func(c *Contribution) { *c = retarget(*c) }, true},
		"a value":        {func(c *Contribution) { c.Sets[0].Elements[1].Val = []byte{10, 0, 0, 9} }, false},
		"a key":          {func(c *Contribution) { c.Sets[0].Elements[1].Key = []byte{9, 0, 0, 0} }, false},
		"one less":       {func(c *Contribution) { c.Sets[0].Elements = c.Sets[0].Elements[:2] }, false},
		"a range's end":  {func(c *Contribution) { c.Sets[0].Elements[2].IntervalEnd = true }, false},
		"its size":       {func(c *Contribution) { c.Sets[0].Size = 7 }, false},
		"its counters":   {func(c *Contribution) { c.Sets[0].Counter = true }, false},
		"its byte order": {func(c *Contribution) { c.Sets[0].HostOrder = true }, false},
		"another key":    {func(c *Contribution) { c.Sets[0].Key = nftables.TypeInteger }, false},
		"set twice":      {func(c *Contribution) { c.Sets = append(c.Sets, c.Sets[0]) }, true},
	} {
		want, errWant := build(with(tc.change))
		got, err := buildAfter(with(tc.change), from)
		if (err != nil) != (errWant != nil) || err == nil && (!got.equal(want) || !want.equal(got)) {
			t.Errorf("%s: %+v, %v; want %+v, %v", name, got, err, want, errWant)
			continue
		}
		if err == nil && (got.sets["lb_slots"] == from.sets["lb_slots"]) != tc.same {
			t.Errorf("%s: the set is the same: %v", name, !tc.same)
		}
		if err == nil && fmt.Sprint(plan(from, got)) != fmt.Sprint(plan(from, want)) {
			t.Errorf("%s: %v, want %v", name, plan(from, got), plan(from, want))
		}
	}
}

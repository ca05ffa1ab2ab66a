package netif

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// itemRig is an ItemReconciler on a FakeItems.
type itemRig struct {
	*testing.T
	f       *FakeItems
	r       *ItemReconciler
	now     time.Duration
	results []ItemResult
}

func newItemRig(t *testing.T) *itemRig {
	g := &itemRig{T: t, f: NewFakeItems(NewFake("vip0", "vip1"))}
	g.r = NewItemReconciler(g.f, ItemOptions{
		Owned:  func(Item) bool { return false },
		Report: func(r ItemResult) { g.results = append(g.results, r) },
	})
	return g
}

func (g *itemRig) sync(items ...Item) {
	g.Helper()
	if err := g.r.Sync(g.now, items); err != nil {
		g.Fatal(err)
	}
	g.events()
}

// events hands over what happened.
func (g *itemRig) events() {
	g.Helper()
	if err := g.r.HandleEvents(g.now, slices.Concat(g.f.Events(), g.f.ItemEvents())); err != nil {
		g.Fatal(err)
	}
}

// wait lets time pass, with a tick where one is due.
func (g *itemRig) wait(d time.Duration) {
	g.Helper()
	for end := g.now + d; g.now < end; {
		at, ok := g.r.NextDeadline()
		if !ok || at > end {
			g.now = end
			break
		}
		g.now = max(g.now, at)
		if err := g.r.Tick(g.now); err != nil {
			g.Fatal(err)
		}
		g.events()
	}
}

func (g *itemRig) there(it Item) bool {
	all, _ := g.f.Items([]uint8{it.Protocol()})
	return slices.ContainsFunc(all, it.same)
}

// expect checks the results since the last call.
func (g *itemRig) expect(kinds ...ResultKind) []ItemResult {
	g.Helper()
	got := g.results
	g.results = nil
	if !slices.EqualFunc(got, kinds, func(r ItemResult, k ResultKind) bool { return r.Kind == k }) {
		g.Fatalf("results %v, want %v", got, kinds)
	}
	return got
}

func testRoute() Item {
	return item(route("10.0.0.0/8", []NextHop{{Via: netip.MustParseAddr("192.0.2.2"), Dev: "vip0"}}))
}

func testRule() Item {
	return item(Rule{From: netip.MustParsePrefix("10.0.0.0/8"), Table: 100, Priority: 1000})
}

func TestItemsPutBack(t *testing.T) {
	t.Parallel()
	for _, it := range []Item{testRoute(), testRule()} {
		g := newItemRig(t)
		g.sync(it)
		g.expect(ResultInstalled)
		g.f.TakeItem(it)
		g.events()
		if res := g.expect(ResultInstalled); !res[0].Repaired || !g.there(it) {
			t.Errorf("%s: not put back: %+v", it, res)
		}
		g.wait(time.Minute)
		// Again and again: put back 5 times within 10 s, then left alone.
		for range 10 {
			g.f.TakeItem(it)
			g.events()
			g.wait(time.Second)
		}
		res := g.expect(ResultInstalled, ResultInstalled, ResultInstalled, ResultInstalled, ResultInstalled, ResultTaken)
		if g.there(it) || res[5].Item != it {
			t.Errorf("%s: %+v, there %v", it, res, g.there(it))
		}
		g.wait(time.Minute)
		g.expect()
		// Static ones stay desired and get another chance now and then.
		g.r.Thaw()
		if err := g.r.Resync(g.now); err != nil {
			t.Fatal(err)
		}
		g.expect(ResultInstalled)
		g.events()
		// Desired anew, it gets another chance.
		g.sync()
		g.expect(ResultRemoved)
		g.sync(it)
		g.expect(ResultInstalled)
	}
}

func TestItemsUntracked(t *testing.T) {
	t.Parallel()
	g := newItemRig(t)
	r := *testRoute().Route
	r.NoTrack = true
	g.sync(item(r))
	g.expect(ResultInstalled)
	g.f.TakeItem(item(r))
	g.events()
	g.wait(time.Minute)
	if g.expect(); g.there(item(r)) {
		t.Error("put back")
	}
}

// The kernel drops IPv4 routes without a word when a link is shut down.
func TestItemsLinkDown(t *testing.T) {
	t.Parallel()
	six := item(route("2001:db8:a::/48", []NextHop{{Via: netip.MustParseAddr("2001:db8::2"), Dev: "vip0"}}))
	for _, it := range []Item{testRoute(), six} {
		g := newItemRig(t)
		g.sync(it)
		g.expect(ResultInstalled)
		for range 20 { // not counted
			g.f.LinkDown("vip0")
			g.events()
			g.wait(200 * time.Millisecond)
			if res := g.expect(ResultFailed); !errors.Is(res[0].Err, ErrLinkDown) {
				t.Fatal(res)
			}
			g.f.SetLink("vip0", true, true)
			g.events()
			g.wait(200 * time.Millisecond)
			g.expect(ResultInstalled)
			if !g.there(it) {
				t.Fatal("not put back")
			}
		}
	}
}

// An interface that is not there is waited for.
func TestItemsAbsentLink(t *testing.T) {
	t.Parallel()
	g := newItemRig(t)
	it := item(route("10.0.0.0/8", dev("late0")))
	g.sync(it)
	if res := g.expect(ResultFailed); !errors.Is(res[0].Err, ErrNoLink) {
		t.Fatal(res)
	}
	g.f.AddLink("late0")
	g.now += time.Second / 2
	g.events()
	g.expect(ResultInstalled)
}

// What the kernel refuses is tried again, and reported once.
func TestItemsRetry(t *testing.T) {
	t.Parallel()
	g := newItemRig(t)
	g.f.FailItems(func(ItemOp) error { return unix.ENOMEM })
	g.sync(testRoute())
	g.wait(10 * time.Second)
	g.expect(ResultFailed)
	if n := len(g.f.ItemOps()); n < 3 || n > 10 {
		t.Errorf("%d attempts", n)
	}
	g.f.FailItems(nil)
	g.wait(time.Minute)
	g.expect(ResultInstalled)
}

// A route that moves from one owner to another, or is changed, is not missing
// in between; what goes is withdrawn rules first.
func TestItemsWithdraw(t *testing.T) {
	t.Parallel()
	g := newItemRig(t)
	changed := *testRoute().Route
	changed.NextHops = []NextHop{{Via: netip.MustParseAddr("192.0.2.3"), Dev: "vip0"}}
	other := item(route("10.1.0.0/16", dev("vip1")))
	g.sync(testRoute(), other, testRule())
	g.expect(ResultInstalled, ResultInstalled, ResultInstalled)
	g.f.ItemOps()
	if err := g.r.Withdraw([]Item{item(changed)}); err != nil {
		t.Fatal(err)
	}
	ops := g.f.ItemOps()
	if len(ops) != 2 || ops[0].Item.Rule == nil || ops[1].Item != other {
		t.Errorf("withdrawn: %v", ops)
	}
	g.sync(item(changed))
	ops = g.f.ItemOps()
	if len(ops) != 2 || ops[0].Kind != OpAdd || ops[1].Kind != OpDelete {
		t.Errorf("changed by %v", ops)
	}
	g.sync()
	if all, _ := g.f.Items([]uint8{Protocol}); len(all) > 0 {
		t.Errorf("left: %v", all)
	}
}

// A rule that somebody else has too is left alone when it is not desired.
func TestItemsForeignRule(t *testing.T) {
	t.Parallel()
	g := newItemRig(t)
	theirs := *testRule().Rule
	theirs.Protocol = unix.RTPROT_STATIC
	if err := g.f.PutItem(item(theirs)); err != nil {
		t.Fatal(err)
	}
	g.sync(testRule())
	if res := g.expect(ResultInstalled); !res[0].Foreign {
		t.Error(res)
	}
	g.sync()
	if res := g.expect(ResultRemoved); !res[0].Foreign || !g.there(item(theirs)) {
		t.Error(res)
	}
}

// Leftovers of a killed process go; those of another daemon stay.
func TestItemsLeftovers(t *testing.T) {
	t.Parallel()
	g := newItemRig(t)
	mine, theirs := testRoute(), item(route("10.1.0.0/16", dev("vip1")))
	for _, it := range []Item{mine, theirs} {
		if err := g.f.PutItem(it); err != nil {
			t.Fatal(err)
		}
	}
	key := mine.Route.Key()
	g.r.SetOwned(func(it Item) bool { return it.Protocol() == Protocol && it.Route != nil && it.Route.Key() == key })
	g.sync()
	if g.there(mine) || !g.there(theirs) {
		t.Errorf("leftover there: %v, another's: %v", g.there(mine), g.there(theirs))
	}
}

// Two routes in one place are one to IPv6.
func TestItemsSamePlace(t *testing.T) {
	t.Parallel()
	g := newItemRig(t)
	g.sync(
		item(route("2001:db8:a::/48", []NextHop{{Via: netip.MustParseAddr("2001:db8::2"), Dev: "vip0"}})),
		item(route("2001:db8:a::/48", []NextHop{{Via: netip.MustParseAddr("2001:db8::3"), Dev: "vip0"}})),
	)
	if res := g.expect(ResultFailed, ResultInstalled); !errors.Is(res[0].Err, ErrInvalid) {
		t.Error(res)
	}
}

// A VRF says the table, also when it comes later.
func TestItemsVRF(t *testing.T) {
	t.Parallel()
	g := newItemRig(t)
	r := route("10.0.0.0/8", dev("vip1"))
	r.VRF = "red"
	g.sync(item(r))
	if res := g.expect(ResultFailed); !errors.Is(res[0].Err, ErrNoLink) {
		t.Fatal(res)
	}
	g.f.AddLink("red")
	g.f.links[2].Table = 777
	g.f.Events()
	g.now += time.Second
	if err := g.r.Resync(g.now); err != nil {
		t.Fatal(err)
	}
	g.expect(ResultInstalled)
	r.Table = 777
	if !g.there(item(r)) {
		t.Error("not in the table")
	}
	g.sync()
	g.expect(ResultRemoved)
}

func TestParseLinkInfo(t *testing.T) {
	t.Parallel()
	b := appendAttr(nil, unix.IFLA_INFO_KIND, []byte("vrf\x00")...)
	b = appendAttr(b, unix.IFLA_INFO_DATA, appendUint32Attr(nil, unix.IFLA_VRF_TABLE, 777)...)
	if kind, table := parseLinkInfo(b); kind != "vrf" || table != 777 {
		t.Errorf("parseLinkInfo = %q, %d", kind, table)
	}
}

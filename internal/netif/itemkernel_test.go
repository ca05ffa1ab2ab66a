package netif

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newRouteWorld is a world with addresses that routes can use.
func newRouteWorld(tb testing.TB) *world {
	tb.Helper()
	w := newWorld(tb)
	w.ip("addr add 192.0.2.1/24 dev vip0")
	w.ip("addr add 198.51.100.1/24 dev vip1")
	w.ip("addr add 2001:db8::1/64 dev vip0 nodad")
	w.ip("addr add 2001:db8:1::1/64 dev vip1 nodad")
	return w
}

func (w *world) items() []Item {
	w.tb.Helper()
	list, err := w.k.Items([]uint8{Protocol})
	w.do(err)
	return list
}

// Everything that can be said arrives in the kernel as it was said.
func TestItemsKernel(t *testing.T) {
	w := newRouteWorld(t)
	fail := func(r ItemResult) {
		if r.Kind == ResultFailed {
			t.Errorf("%s: %v", r.Item, r.Err)
		}
	}
	r := NewItemReconciler(w.k, ItemOptions{Owned: ourItem, Report: fail})
	all := richItems()
	w.do(r.Sync(0, all))
	there := w.items()
	for _, it := range all {
		found := false
		for _, got := range there {
			found = found || it.same(got)
		}
		if !found {
			t.Errorf("not there: %s", it)
		}
	}
	if ops := PlanItems(all, there, ourItem); len(ops) > 0 {
		t.Errorf("still planned: %v", ops)
	}
	w.do(r.Sync(0, nil))
	for _, it := range w.items() {
		if ourItem(it) {
			t.Errorf("left: %s", it)
		}
	}
}

func TestItemWalkKernel(t *testing.T) {
	w := newRouteWorld(t)
	w.do(w.k.ApplyItems(opsFor(adminItems()), func(_ ItemOp, err error) { w.do(err) }))
	walkItems(t, w.k, 400, 7)
}

func TestItemErrors(t *testing.T) {
	w := newRouteWorld(t)
	w.ip("link set vip1 down")
	try := func(it Item) error {
		var result error
		w.do(w.k.ApplyItems([]ItemOp{{Kind: OpAdd, Item: it}}, func(_ ItemOp, err error) { result = err }))
		return result
	}
	if err := try(item(route("10.0.0.0/8", dev("absent")))); !errors.Is(err, ErrNoLink) {
		t.Errorf("absent interface: %v", err)
	}
	if err := try(item(route("10.0.0.0/8", dev("vip1")))); !errors.Is(err, ErrLinkDown) {
		t.Errorf("interface that is down: %v", err)
	}
	if err := try(item(route("10.0.0.0/8", via("203.0.113.1")))); !errors.Is(err, unix.ENETUNREACH) {
		t.Errorf("gateway out of reach: %v", err)
	}
	w.ip("route add 2001:db8:a::/48 via 2001:db8::2")
	if err := try(item(route("2001:db8:a::/48", via("2001:db8::3")))); !errors.Is(err, ErrItemExists) {
		t.Errorf("place of the administrator's: %v", err)
	}
}

func opsFor(items []Item) []ItemOp {
	ops := make([]ItemOp, len(items))
	for i, it := range items {
		ops[i] = ItemOp{Kind: OpAdd, Item: it}
	}
	return ops
}

// followItems runs a Watch and hands its events to an ItemReconciler until done
// says that it is enough.
func followItems(t *testing.T, watch *Watch, r *ItemReconciler, done func() bool) {
	t.Helper()
	start := time.Now()
	events := make(chan Event, 1024)
	ctx, cancel := context.WithCancel(t.Context())
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		_ = watch.Run(ctx, func(ev Event) { events <- ev })
	}()
	defer func() { cancel(); <-finished }()
	limit := time.After(5 * time.Second)
	for !done() {
		tick := time.After(20 * time.Millisecond)
		select {
		case ev := <-events:
			if err := r.HandleEvents(time.Since(start), []Event{ev}); err != nil {
				t.Fatal(err)
			}
		case <-tick:
			if err := r.Tick(time.Since(start)); err != nil {
				t.Fatal(err)
			}
		case <-limit:
			t.Fatal("not put right within 5 s")
		}
	}
}

// What others take away, or put in the place of ours, is put right; also after
// the link was down, and after the address went that a route is sent from.
func TestItemsPutBackKernel(t *testing.T) {
	four := Route{Dst: netip.MustParsePrefix("10.0.0.0/8"), NextHops: via("192.0.2.2"), Src: netip.MustParseAddr("192.0.2.1")}
	six := route("2001:db8:a::/48", via("2001:db8::2"))
	rule := Rule{Table: 100, Priority: 1000}
	for _, tt := range []struct {
		name string
		harm []string
	}{
		{"route deleted", []string{"route del 10.0.0.0/8"}},
		{"IPv6 route deleted", []string{"route del 2001:db8:a::/48"}},
		{"rule deleted", []string{"rule del priority 1000"}},
		{"all flushed", []string{"route flush proto 112", "-6 route flush proto 112", "rule flush protocol 112"}},
		{"replaced", []string{"route replace 10.0.0.0/8 via 192.0.2.3"}},
		{"link down and up", []string{"link set vip0 down", "link set vip0 up", "addr add 2001:db8::1/64 dev vip0 nodad"}},
		{"address gone and back", []string{"addr del 192.0.2.1/24 dev vip0", "addr add 192.0.2.1/24 dev vip0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newRouteWorld(t)
			watch, err := OpenWatch()
			w.do(err)
			w.do(watch.FollowItems(true))
			r := NewItemReconciler(w.k, ItemOptions{Owned: ourItem, Report: func(r ItemResult) { t.Logf("%+v", r) }})
			want := []Item{item(four), item(six), item(rule)}
			w.do(r.Sync(0, want))
			for _, command := range tt.harm {
				w.ip(command)
			}
			complete := func() bool { return len(PlanItems(want, w.items(), ourItem)) == 0 }
			followItems(t, watch, r, complete)
			w.do(watch.Close())
		})
	}
}

// IPv6 has one route in a place: what another program put there in the place of
// ours stays, and that is reported.
func TestItemsReplacedIPv6(t *testing.T) {
	w := newRouteWorld(t)
	watch, err := OpenWatch()
	w.do(err)
	w.do(watch.FollowItems(true))
	refused := false
	r := NewItemReconciler(w.k, ItemOptions{Owned: ourItem, Report: func(r ItemResult) {
		refused = refused || r.Kind == ResultFailed && errors.Is(r.Err, ErrItemExists)
	}})
	w.do(r.Sync(0, []Item{item(route("2001:db8:a::/48", via("2001:db8::2")))}))
	w.ip("-6 route replace 2001:db8:a::/48 via 2001:db8::3 metric 1024")
	followItems(t, watch, r, func() bool { return refused })
	w.ip("-6 route del 2001:db8:a::/48 via 2001:db8::3 metric 1024")
	w.do(watch.Close())
}

// Thousands of routes of another program do not reach a Watch.
func TestWatchIgnoresOthersRoutes(t *testing.T) {
	w := newRouteWorld(t)
	watch, err := OpenWatch()
	w.do(err)
	w.do(watch.FollowItems(true))
	for _, it := range []Item{testRoute(), item(route("2001:db8:a::/48", via("2001:db8::2"))), testRule()} {
		if it.Route != nil {
			r := *it.Route
			r.Protocol = unix.RTPROT_BGP
			for metric := range uint32(500) {
				r.Metric = 1 + metric
				w.do(w.k.ApplyItems([]ItemOp{{Kind: OpAdd, Item: item(r)}}, func(_ ItemOp, err error) { w.do(err) }))
			}
		}
		w.do(w.k.ApplyItems([]ItemOp{{Kind: OpAdd, Item: it}}, func(_ ItemOp, err error) { w.do(err) }))
	}
	var got []string
	ctx, cancel := context.WithCancel(t.Context())
	err = watch.Run(ctx, func(ev Event) {
		if ev.Kind != EventItem {
			return
		}
		got = append(got, ev.Kind.String()+" "+ev.Item.String())
		if len(got) == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || !strings.Contains(got[0], "10.0.0.0/8") || !strings.Contains(got[2], "priority 1000") {
		t.Errorf("%v: %v", err, got)
	}
	w.do(watch.Close())
}

func BenchmarkItemsTakeover(b *testing.B) {
	w := newRouteWorld(b)
	var items []Item
	for i := range 1000 {
		r := route("10.0.0.0/24", via("192.0.2.2"))
		r.Dst = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
		items = append(items, item(r))
	}
	r := NewItemReconciler(w.k, ItemOptions{Owned: ourItem, Report: func(ItemResult) {}})
	for b.Loop() {
		w.do(r.Sync(0, items))
		w.do(r.Sync(0, nil))
	}
}

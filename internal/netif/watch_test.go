package netif

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"hakeep/internal/nstest"
)

// follower runs a Watch and keeps its events.
type follower struct {
	tb     testing.TB
	w      *Watch
	events chan Event
	cancel context.CancelFunc
	done   chan error
}

func follow(tb testing.TB, buffer int) *follower {
	tb.Helper()
	w, err := openWatch(buffer)
	if err != nil {
		tb.Fatal(err)
	}
	return &follower{tb: tb, w: w, events: make(chan Event, 100000), done: make(chan error, 1)}
}

func (f *follower) run() {
	ctx, cancel := context.WithCancel(f.tb.Context())
	f.cancel = cancel
	go func() { f.done <- f.w.Run(ctx, func(ev Event) { f.events <- ev }) }()
	f.tb.Cleanup(func() {
		cancel()
		if err := <-f.done; !errors.Is(err, context.Canceled) {
			f.tb.Errorf("Run = %v", err)
		}
		if err := f.w.Close(); err != nil {
			f.tb.Error(err)
		}
	})
}

// next waits for an event that matches.
func (f *follower) next(what string, match func(Event) bool) Event {
	f.tb.Helper()
	ctx := nstest.Context(f.tb, 5*time.Second)
	for {
		select {
		case ev := <-f.events:
			if match(ev) {
				return ev
			}
		case <-ctx.Done():
			f.tb.Fatalf("no event: %s", what)
		}
	}
}

func TestWatch(t *testing.T) {
	w := newWorld(t)
	f := follow(t, watchBuffer)
	a, six := with(addr("192.0.2.10/24"), func(a *Addr) { a.Label = "vip0:1" }), addr("2001:db8::1/64")
	w.apply(adds(a)...) // before Run: is kept
	f.run()
	is := func(kind EventKind, a Addr) func(Event) bool {
		return func(ev Event) bool { return ev.Kind == kind && ev.Addr.Key() == a.Key() }
	}
	if ev := f.next("address", is(EventAddr, a)); !a.same(ev.Addr) || ev.Addr.Proto != Protocol {
		t.Errorf("event %+v", ev)
	}
	w.apply(adds(six)...)
	f.next("IPv6 address", is(EventAddr, six))
	w.ip("addr del 192.0.2.10/24 dev vip0")
	f.next("address gone", is(EventAddrGone, a))

	// Shutting down is told before the addresses that it costs.
	w.ip("link set vip0 down")
	f.next("link down", func(ev Event) bool {
		if ev.Kind == EventAddrGone {
			t.Error("address gone before link down")
		}
		return ev.Kind == EventLink && ev.Link.Name == "vip0" && !ev.Link.AdminUp
	})
	f.next("IPv6 address gone", is(EventAddrGone, six))
	w.ip("link set vip0 name lan")
	f.next("rename", func(ev Event) bool { return ev.Kind == EventLink && ev.Link.Name == "lan" })
	w.ip("addr add 192.0.2.11/24 dev lan")
	f.next("address on lan", is(EventAddr, on("lan", addr("192.0.2.11/24"))))

	// Leaving a bridge is not the end of a link.
	w.ip("link add br0 type bridge")
	w.ip("link set vip1 master br0")
	w.ip("link set vip1 nomaster")
	w.ip("link add vip2 type veth peer name peer2")
	f.next("new link", func(ev Event) bool {
		if ev.Kind == EventLinkGone {
			t.Errorf("event %+v", ev)
		}
		return ev.Kind == EventLink && ev.Link.Name == "vip2"
	})
	// Removing an up interface: down, addresses, gone, with names to the end.
	w.ip("link set lan up")
	w.ip("link del lan")
	f.next("address gone with lan", is(EventAddrGone, on("lan", addr("192.0.2.11/24"))))
	f.next("lan gone", func(ev Event) bool { return ev.Kind == EventLinkGone && ev.Link.Name == "lan" })
}

// Events that do not fit are told of, and what the Reconciler then reads is
// the truth.
func TestOverrunIsResync(t *testing.T) {
	w := newWorld(t)
	f := follow(t, 1) // the kernel's minimum
	r := NewReconciler(w.k, Options{Owned: ours, Report: func(Result) {}})
	list := many(200, false)
	w.do(r.Sync(0, list))
	w.ip("addr flush dev vip0")
	f.run()
	f.next("resync", func(ev Event) bool { return ev.Kind == EventResync })
	w.do(r.HandleEvent(0, Event{Kind: EventResync}))
	if got := len(w.addrs()); got != len(list) {
		t.Errorf("%d addresses after the resync, want %d", got, len(list))
	}
	// It goes on after the overrun, with names.
	w.ip("addr add 203.0.113.1/24 dev vip1")
	f.next("address", func(ev Event) bool {
		return ev.Kind == EventAddr && ev.Addr.Key() == on("vip1", addr("203.0.113.1/24")).Key()
	})
}

func TestCloseEndsRun(t *testing.T) {
	newWorld(t)
	w, err := OpenWatch()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- w.Run(t.Context(), func(Event) {}) }()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Run = %v, want os.ErrClosed", err)
	}
}

// live is a Reconciler on a real kernel, fed by a Watch.
type live struct {
	*world
	f       *follower
	r       *Reconciler
	results map[string]int
	start   time.Time
}

func newLive(t *testing.T) *live {
	w := newWorld(t)
	l := &live{world: w, f: follow(t, watchBuffer), results: map[string]int{}, start: time.Now()}
	l.r = NewReconciler(w.k, Options{Owned: ours, Report: func(r Result) {
		l.results[r.Kind.String()]++
	}})
	l.f.run()
	return l
}

func (l *live) now() time.Duration { return time.Since(l.start) + time.Hour }

// until lets the Reconciler follow events and its deadlines until ok.
func (l *live) until(what string, ok func() bool) {
	l.tb.Helper()
	ctx := nstest.Context(l.tb, 10*time.Second)
	for !ok() {
		if ctx.Err() != nil {
			l.tb.Fatalf("not %s; kernel has %d addresses", what, len(l.addrs()))
		}
		l.step(10 * time.Millisecond)
	}
}

// settle lets the Reconciler follow until nothing has happened for a while.
func (l *live) settle() {
	l.tb.Helper()
	for l.step(40 * time.Millisecond) {
	}
}

// step follows the events that wait, or what is due, and reports whether
// there was something within the time given.
func (l *live) step(wait time.Duration) bool {
	l.tb.Helper()
	var due <-chan time.Time
	if at, ok := l.r.NextDeadline(); ok {
		due = time.After(at - l.now())
		wait = max(wait, at-l.now()+time.Millisecond)
	}
	select {
	case ev := <-l.f.events:
		events := []Event{ev}
		for len(l.f.events) > 0 {
			events = append(events, <-l.f.events)
		}
		l.do(l.r.HandleEvents(l.now(), events))
	case <-due:
		l.do(l.r.Tick(l.now()))
	case <-time.After(wait):
		return false
	}
	return true
}

func (l *live) has(list ...Addr) func() bool {
	return func() bool {
		there := l.addrs()
		for _, a := range list {
			if !slices.ContainsFunc(there, func(in Installed) bool { return a.Link == in.Link && a.same(in) && ours(in) }) {
				return false
			}
		}
		return true
	}
}

func TestLiveRepair(t *testing.T) {
	l := newLive(t)
	list := []Addr{addr("192.0.2.10/24"), addr("192.0.2.11/24"), addr("2001:db8::1/64"), on("vip1", addr("2001:db8:1::1/128"))}
	l.do(l.r.Sync(l.now(), list))
	check := l.has(list...)
	for name, do := range map[string]func(){
		"delete":  func() { l.ip("addr del 192.0.2.11/24 dev vip0") },
		"delete6": func() { l.ip("addr del 2001:db8:1::1/128 dev vip1") },
		"flush":   func() { l.ip("addr flush dev vip0") },
		"change":  func() { l.ip("addr change 2001:db8::1/64 dev vip0 home") },
		"flap": func() {
			for range 4 {
				l.ip("link set vip0 down")
				l.ip("link set vip0 up")
			}
		},
		"down, then up": func() {
			l.ip("link set vip0 down")
			l.settle()
			l.ip("link set vip0 up")
		},
		"recreate": func() {
			for range 8 {
				l.ip("link del vip0")
				l.veth("vip0", "peer0")
			}
		},
		"delete, later recreate": func() {
			for range 8 {
				l.ip("link del vip0")
				l.settle()
				l.veth("vip0", "peer0")
				l.until("there", check)
			}
		},
		"rename and back": func() {
			l.ip("link set vip0 down")
			l.ip("link set vip0 name lan")
			l.settle()
			l.ip("link set lan name vip0")
			l.ip("link set vip0 up")
		},
	} {
		do()
		l.settle()
		l.until("repaired after "+name, check)
		if got := l.addrs(); len(got) != len(list) {
			t.Errorf("after %s: %+v", name, got)
		}
	}
	if l.results["taken"] > 0 {
		t.Errorf("results %v", l.results)
	}
}

func TestLiveTaken(t *testing.T) {
	l := newLive(t)
	a := addr("192.0.2.10/24")
	l.do(l.r.Sync(l.now(), []Addr{a}))
	for range takenLimit {
		l.ip("addr del 192.0.2.10/24 dev vip0")
		l.until("put back", l.has(a))
	}
	l.ip("addr del 192.0.2.10/24 dev vip0")
	l.until("taken", func() bool { return l.results["taken"] == 1 })
	if got := l.addrs(); len(got) != 0 {
		t.Errorf("kernel has %+v", got)
	}
}

func TestLiveDAD(t *testing.T) {
	l := newLive(t)
	dad := func(a Addr) Addr { return with(a, func(a *Addr) { a.DAD = true }) }
	for _, name := range []string{"accept_dad", "dad_transmits"} {
		l.do(os.WriteFile("/proc/sys/net/ipv6/conf/vip0/"+name, []byte("1"), 0o644))
	}
	other := nstest.Host(t, "other")
	l.do(netlink.LinkSetNsFd(l.link("peer0"), other.Fd()))
	nstest.Run(t, other, "ip", "link", "set", "peer0", "up")
	nstest.Run(t, other, "ip", "addr", "add", "2001:db8::2/64", "dev", "peer0", "nodad")
	l.settle()
	good, duplicate := dad(addr("2001:db8::1/64")), dad(addr("2001:db8::2/64"))
	l.do(l.r.Sync(l.now(), []Addr{good, duplicate}))
	if l.results["tentative"] != 2 {
		t.Errorf("results %v", l.results)
	}
	l.until("detected", func() bool { return l.results["installed"] == 1 && l.results["failed"] == 1 })
}

// A thousand addresses, changed in all ways, with the events of it all.
func TestLiveMany(t *testing.T) {
	l := newLive(t)
	list := many(1000, false)
	l.do(l.r.Sync(l.now(), list))
	l.settle()
	for i := range list {
		list[i].Label = "vip0:x"
	}
	begin := time.Now()
	l.do(l.r.Sync(l.now(), list))
	t.Logf("1,000 labels changed in %v", time.Since(begin))
	begin = time.Now()
	l.settle()
	t.Logf("events followed in %v", time.Since(begin))
	if l.results["installed"] != 2000 || len(l.results) != 1 {
		t.Errorf("results %v", l.results)
	}
	for i := range list {
		list[i].Prefix = netip.PrefixFrom(list[i].Prefix.Addr(), 17)
	}
	l.do(l.r.Sync(l.now(), list))
	l.settle()
	if got := len(l.addrs()); got != 1000 || !l.has(list...)() {
		t.Errorf("%d addresses", got)
	}
	if l.results["taken"]+l.results["failed"] > 0 {
		t.Error(fmt.Sprint(l.results))
	}
}

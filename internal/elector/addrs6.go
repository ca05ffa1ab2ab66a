package elector

import (
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/cpus"
	"hakeep/internal/netif"
)

// readyLimit bounds the wait for the kernel's notification of an IPv6 address;
// there is none for one that was there before. On a host that stands still for a
// while the kernel's work queue has been 230 ms late: an address that is announced
// before it is served loses all that is sent to it.
const readyLimit = 500 * time.Millisecond

// breath is how long the kernel's work queue is let to the lock of all network
// configuration, and to the CPU, after the first batch of IPv6 addresses: it puts
// them into service, and they can be announced. The rest goes in without a breath:
// each address in service is in a multicast group, and for each address that is
// added the kernel goes through all groups of the link, twice (ipv6_mc_up). With
// the work queue kept out 1,000 addresses take a tenth of the time.
const breath = 300 * time.Microsecond

// bulk is how many new IPv6 addresses keep to one CPU while they go in: the kernel's
// work queue is that CPU's, and stays behind the real-time thread.
const bulk = 64

// joinLimit is how many solicited-node groups of a link a backup is in. With more,
// what they cost when addresses are added (see breath) is worth more than what they
// spare: 128 addresses take 6 ms longer by it, 1,000 would take 0.4 s. Switches are
// told of the groups at the take-over then.
const joinLimit = 128

// unreadyAddr is a result that waits, at most until a time.
type unreadyAddr struct {
	result addrResult
	until  time.Duration
}

// bring has the Reconciler bring addresses about, by its Sync or Add.
func (t *addrThread) bring(addrs []netif.Addr, by func(time.Duration, []netif.Addr) error) error {
	fresh := 0
	groups := map[int][]netip.Addr{}
	for i := range addrs {
		a := &addrs[i]
		if _, known := t.known[a.Key()]; known || !a.Prefix.Addr().Is6() {
			continue
		}
		fresh++
		if l, ok := t.links[a.Link]; ok && t.unjoined[a.Link] {
			groups[l.Index] = append(groups[l.Index], netif.SolicitedNode(a.Prefix.Addr()))
		}
	}
	for index, list := range groups {
		// A link that is down, or has no address to send from, tells nobody. The
		// kernel's own reports follow.
		_ = netif.ReportGroups(index, list)
	}
	work := func() error { return by(t.clock.now(), addrs) }
	t.breathed = false
	var err error
	if fresh >= bulk && t.rt.granted {
		err = cpus.Work(work)
	} else {
		err = work()
	}
	if errors.Is(err, netif.ErrSuperseded) {
		return nil // the newer ones are in the slot and have woken us
	}
	return err
}

// between is called between two batches of addresses: those of IPv6 that are in
// service by now are handed on, so that the first need not wait for the last. It
// reports whether newer desired addresses wait.
func (t *addrThread) between() bool {
	if t.dropped {
		t.dropped = false
		t.breathe()
	}
	if len(t.unready) > 0 {
		if !t.breathed {
			t.breathed = true
			t.breathe()
		}
		t.peeked = t.slot.peek(t.peeked, func(ev *netif.Event) {
			if ev.Kind == netif.EventAddr && !ev.Addr.Tentative {
				t.ready(ev.Addr.Key())
			}
		})
		t.waited(t.clock.now())
	}
	t.flush()
	return t.slot.waiting()
}

// breathe lets the work queue work: after the first batch of addresses that is added,
// and after each that is removed, as the next master may be in a network namespace of
// the same kernel, and the lock is one for all of them. It sleeps without the Go
// runtime, which would wake this thread by another.
func (t *addrThread) breathe() {
	ts := unix.NsecToTimespec(int64(breath))
	_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, nil) // a signal may cut it short
}

// ready hands on an IPv6 address that the kernel says is in service.
func (t *addrThread) ready(key netif.Key) {
	if u, ok := t.unready[key]; ok {
		delete(t.unready, key)
		t.give(u.result)
	}
}

// waited hands on the IPv6 addresses that have waited for long enough.
func (t *addrThread) waited(now time.Duration) {
	for key, u := range t.unready {
		if now >= u.until {
			t.ready(key)
		}
	}
}

// joinGroups is a member of the solicited-node groups of all virtual addresses,
// also as a backup, but on links with more than joinLimit of them.
func (t *addrThread) joinGroups() {
	count := map[string]int{}
	each := func(f func(l netif.Link, name string, a netip.Addr)) {
		for i := range t.config.Instances {
			for _, a := range t.config.Instances[i].Addresses {
				if l, ok := t.links[a.Link]; ok && a.Prefix.Addr().Is6() && l.Multicast {
					f(l, a.Link, a.Prefix.Addr())
				}
			}
		}
	}
	each(func(_ netif.Link, name string, _ netip.Addr) { count[name]++ })
	t.unjoined = map[string]bool{}
	for name, n := range count {
		t.unjoined[name] = n > joinLimit
	}
	var want []netif.Membership
	each(func(l netif.Link, name string, a netip.Addr) {
		if !t.unjoined[name] {
			want = append(want, netif.Membership{Index: l.Index, Group: netif.SolicitedNode(a)})
		}
	})
	t.note(t.groups.Sync(want))
}

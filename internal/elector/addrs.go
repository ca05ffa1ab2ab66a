package elector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/arp"
	"hakeep/internal/netif"
	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// resyncEvery is how often everything is read again, against changes that the
// kernel did not tell of.
const resyncEvery = time.Minute

// resultBatch is how many results are handed to the loop at once.
const resultBatch = 64

// addrResultKind says what happened to an address.
type addrResultKind uint8

const (
	addrInstalled addrResultKind = iota + 1 // it is in the kernel, and to be announced
	addrRemoved                             // it is not there (any more)
	addrTaken                               // others keep removing it
	addrFinal                               // nothing is wanted and nothing is left: the elector may go
	addrNote                                // only the text counts
)

// addrResult tells the loop what happened to an address, a route or a rule.
type addrResult struct {
	kind addrResultKind
	key  netif.Key
	// item identifies a route or rule, owners are the instances that want it.
	item   string
	owners []vrrp.ID
	// target is how to announce it; Link is 0 where that is not possible.
	target arp.Target
	// level and text are for the journal, if not empty.
	level, text string
}

// addrThread brings the kernel's addresses in line with what the loop wants.
type addrThread struct {
	clock  clock
	kernel *netif.Kernel
	rec    *netif.Reconciler
	items  *itemKeeper
	inbox  *inbox
	slot   *desiredSlot
	rt     realtime

	// static tells the watch thread which addresses with our mark are the
	// host's own all the same.
	static func(*wire.Config) error

	groups  *netif.Groups
	config  *wire.Config
	links   map[string]netif.Link
	routers map[string]bool // whether an interface forwards IPv6
	known   map[netif.Key]netif.Addr
	results []addrResult
	// resyncAt is when everything is read again.
	resyncAt time.Duration
	// promoted are the interfaces, by index, that promote_secondaries was set on.
	promoted map[int]bool
	// unready are IPv6 addresses that the kernel has accepted but does not serve
	// yet: their local route is made by a work queue, some milliseconds later on
	// a busy machine. Announced before that, they would lose packets.
	unready  map[netif.Key]unreadyAddr
	lookAt   time.Duration // when unready is looked through for those that have waited enough
	dropped  bool          // IPv6 addresses were removed since the last breath
	breathed bool          // since the last desired addresses
	// unjoined are links with more solicited-node groups than joinLimit.
	unjoined map[string]bool
	peeked   int  // events in the slot that were looked at while a batch was worked off
	final    bool // nothing will be wanted any more, which was not reported yet
}

func newAddrThread(c clock, k *netif.Kernel, b *inbox, s *desiredSlot, rt realtime) *addrThread {
	t := &addrThread{
		clock: c, kernel: k, inbox: b, slot: s, rt: rt,
		groups: netif.NewGroups(), config: &wire.Config{},
		links: map[string]netif.Link{}, known: map[netif.Key]netif.Addr{},
		unready: map[netif.Key]unreadyAddr{}, promoted: map[int]bool{},
	}
	t.rec = netif.NewReconciler(k, netif.Options{
		Owned:      func(netif.Installed) bool { return false },
		Report:     t.report,
		Warn:       t.warn,
		Superseded: t.between,
	})
	t.items = newItemKeeper(k, t.give)
	return t
}

// run works until ctx ends.
func (t *addrThread) run(ctx context.Context) error {
	runtime.LockOSThread()
	if t.rt.granted {
		if err := setFIFO(priorityAddrs); err != nil {
			return fmt.Errorf("set priority of the address thread: %w", err)
		}
	}
	if err := t.readLinks(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, t.slot.signal)()
	fds := []unix.PollFd{{Fd: int32(t.slot.bell.fd), Events: unix.POLLIN}}
	t.resyncAt = t.clock.now() + resyncEvery
	for {
		if _, err := unix.Ppoll(fds, t.timeout(), nil); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for addresses: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		t.turn()
		t.timers()
		if _, pending := t.nextDeadline(); t.final && !pending && !t.slot.waiting() {
			t.final = false
			t.results = append(t.results, addrResult{kind: addrFinal})
		}
		t.flush()
	}
}

// timeout is how long the thread may sleep.
func (t *addrThread) timeout() *unix.Timespec {
	next := t.resyncAt
	if at, ok := t.nextDeadline(); ok {
		next = min(next, at)
	}
	if len(t.unready) > 0 {
		next = min(next, t.lookAt)
	}
	ts := unix.NsecToTimespec(int64(max(next-t.clock.now(), 0)))
	return &ts
}

// timers does what is due.
func (t *addrThread) timers() {
	now := t.clock.now()
	if len(t.unready) > 0 && now >= t.lookAt {
		t.waited(now)
		t.lookAt = now + readyLimit/10
	}
	if at, ok := t.nextDeadline(); ok && at <= now {
		t.note(t.rec.Tick(now))
		t.note(t.items.rec.Tick(now))
	}
	if now >= t.resyncAt {
		t.resyncAt = now + resyncEvery
		t.rec.Thaw()
		t.note(t.rec.Resync(now))
		t.note(t.items.resync(now))
	}
}

// turn handles what the slot has.
func (t *addrThread) turn() {
	desired, added, config, events := t.slot.take()
	t.peeked = 0
	if config != nil {
		t.config = config
		t.rec.SetOwned(ownedBy(config, t.kernel.MarksSupported()))
		t.note(t.items.configure(config))
		t.note(t.static(config))
	}
	if t.linkEvents(events) || config != nil {
		t.joinGroups()
		t.promote()
	}
	if desired != nil {
		t.routers = map[string]bool{} // forwarding may have been switched
		t.note(t.items.withdraw(desired.items))
		t.note(t.bring(desired.addrs, t.rec.Sync))
		t.final = desired.final
		t.flush() // announcing does not wait for routes
		if !t.slot.waiting() {
			t.note(t.items.sync(t.clock.now()))
		}
	}
	if len(added) > 0 {
		t.routers = map[string]bool{}
		t.note(t.bring(added, t.rec.Add))
		t.flush()
	}
	if len(events) > 0 {
		t.note(t.rec.HandleEvents(t.clock.now(), events))
		t.note(t.items.rec.HandleEvents(t.clock.now(), events))
	}
}

// nextDeadline is when one of the reconcilers has something to do.
func (t *addrThread) nextDeadline() (at time.Duration, ok bool) {
	at, ok = t.rec.NextDeadline()
	if other, also := t.items.rec.NextDeadline(); also && (!ok || other < at) {
		return other, true
	}
	return at, ok
}

// ownedBy is which addresses may be removed: those with our mark that the
// configuration names, or an earlier one did. Where the kernel keeps no marks,
// the names have to do.
func ownedBy(c *wire.Config, marks bool) func(netif.Installed) bool {
	named := make(map[netif.Key]bool, len(c.Leftovers))
	for _, k := range c.Leftovers {
		named[k] = true
	}
	for _, in := range c.Instances {
		for _, a := range in.Addresses {
			named[a.Key()] = true
		}
	}
	for _, a := range c.Static.Addresses {
		named[a.Key()] = true
	}
	return func(in netif.Installed) bool {
		return (in.Proto == netif.Protocol || !marks) && named[in.Key()]
	}
}

// report takes a result of the Reconciler.
func (t *addrThread) report(res netif.Result) {
	r := addrResult{key: res.Addr.Key()}
	switch res.Kind {
	case netif.ResultInstalled:
		r.kind, r.target = addrInstalled, t.target(res.Addr)
		if res.Repaired {
			delete(t.known, r.key)
			r.level, r.text = "warn", fmt.Sprintf("address %s was removed by another program: put back", r.key)
		} else if res.Foreign {
			r.level, r.text = "warn", fmt.Sprintf("address %s is not hakeep's: it was there already and is left as it is", r.key)
		}
	case netif.ResultRemoved:
		r.kind = addrRemoved
		delete(t.known, r.key)
		t.dropped = t.dropped || res.Addr.Prefix.Addr().Is6()
	case netif.ResultFailed:
		r.kind = addrRemoved
		delete(t.known, r.key)
		r.level, r.text = "error", fmt.Sprintf("address %s: %v", r.key, res.Err)
	case netif.ResultTaken:
		r.kind = addrTaken
		r.level, r.text = "error", fmt.Sprintf("address %s is removed again and again by another program", r.key)
	default:
		return
	}
	if _, was := t.known[r.key]; r.kind == addrInstalled && res.Addr.Prefix.Addr().Is6() && !was {
		if len(t.unready) == 0 {
			t.lookAt = t.clock.now() + readyLimit
		}
		t.unready[r.key] = unreadyAddr{result: r, until: t.clock.now() + readyLimit}
		t.known[r.key] = res.Addr
		return
	}
	if r.kind == addrInstalled {
		t.known[r.key] = res.Addr
	} else {
		delete(t.unready, r.key)
	}
	t.give(r)
}

// give adds a result; the first of several go to the loop without waiting for
// the rest.
func (t *addrThread) give(r addrResult) {
	t.results = append(t.results, r)
	if len(t.results) >= resultBatch {
		t.flush()
	}
}

// flush hands results to the loop.
func (t *addrThread) flush() {
	if len(t.results) > 0 {
		t.inbox.post(addrsMsg{results: t.results})
		t.results = nil
	}
}

func (t *addrThread) warn(err error) { t.note(err) }

// note tells of a failure that is of no single address. The Reconciler tries
// again by itself.
func (t *addrThread) note(err error) {
	if err != nil {
		t.results = append(t.results, addrResult{kind: addrNote, level: "error", text: err.Error()})
	}
}

// target is how an address is announced.
func (t *addrThread) target(a netif.Addr) arp.Target {
	l, ok := t.links[a.Link]
	if !ok {
		if t.readLinks() != nil {
			return arp.Target{}
		}
		l = t.links[a.Link]
	}
	if !l.Ethernet || l.NoARP || l.Loopback {
		return arp.Target{}
	}
	target := arp.Target{Addr: a.Prefix.Addr(), Link: l.Index, MAC: l.MAC}
	if target.Addr.Is6() {
		target.Router = t.forwards(a.Link)
	}
	return target
}

// forwards reports whether an interface forwards IPv6.
func (t *addrThread) forwards(link string) bool {
	if on, ok := t.routers[link]; ok {
		return on
	}
	b, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + link + "/forwarding")
	on := err == nil && strings.TrimSpace(string(b)) != "0"
	if t.routers == nil {
		t.routers = map[string]bool{}
	}
	t.routers[link] = on
	return on
}

func (t *addrThread) readLinks() error {
	links, err := t.kernel.Links()
	if err != nil {
		return fmt.Errorf("read links: %w", err)
	}
	t.links = make(map[string]netif.Link, len(links))
	for _, l := range links {
		t.links[l.Name] = l
	}
	return nil
}

// promote sets promote_secondaries where the configuration asks for it, once on
// each interface.
func (t *addrThread) promote() {
	for _, name := range t.config.Promote {
		l, ok := t.links[name]
		if !ok || t.promoted[l.Index] {
			continue
		}
		t.promoted[l.Index] = true
		if err := t.kernel.SetPromoteSecondaries(name); !errors.Is(err, netif.ErrNoLink) {
			t.note(err)
		}
	}
}

// linkEvents keeps the links up to date and reports whether one appeared or
// vanished. Addresses on one that has another MAC now (a bond that failed over)
// are announced with it.
func (t *addrThread) linkEvents(events []netif.Event) (changed bool) {
	for _, ev := range events {
		switch ev.Kind {
		case netif.EventAddr:
			if !ev.Addr.Tentative {
				t.ready(ev.Addr.Key())
			}
		case netif.EventLink:
			old, known := t.links[ev.Link.Name]
			t.links[ev.Link.Name] = ev.Link
			changed = changed || !known || old.Index != ev.Link.Index
			if known && old.MAC != ev.Link.MAC {
				t.announceAgain(ev.Link.Name)
			}
		case netif.EventLinkGone:
			delete(t.links, ev.Link.Name)
			t.groups.Forget(ev.Link.Index)
			changed = true
		case netif.EventResync:
			t.note(t.readLinks())
			changed = true
		}
	}
	return changed
}

func (t *addrThread) announceAgain(link string) {
	for key, a := range t.known {
		if key.Link == link {
			t.results = append(t.results, addrResult{kind: addrInstalled, key: key, target: t.target(a)})
		}
	}
}

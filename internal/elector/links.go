package elector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"hakeep/internal/netif"
	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// linkTable is what is known of the host's links, for the Router: names,
// states, and the addresses that are not ours. It is pure; the watch thread
// owns it.
type linkTable struct {
	links map[int]*linkEntry // by index
	// static are addresses that carry our mark and do not move.
	static map[netif.Key]bool
}

type linkEntry struct {
	link  netif.Link
	addrs []netip.Addr // in the kernel's order
}

func newLinkTable() *linkTable { return &linkTable{links: map[int]*linkEntry{}} }

// reset replaces the table by what was read from the kernel, and returns what
// changed by that.
func (t *linkTable) reset(links []netif.Link, addrs []netif.Installed) linksMsg {
	old := t.links
	t.links = make(map[int]*linkEntry, len(links))
	for _, l := range links {
		t.links[l.Index] = &linkEntry{link: l}
	}
	for _, a := range addrs {
		if e := t.links[a.Index]; e != nil && t.usable(a) {
			e.addrs = append(e.addrs, a.Prefix.Addr())
		}
	}
	var msg linksMsg
	for index, e := range old {
		n := t.links[index]
		if n == nil {
			msg.deleted = append(msg.deleted, index)
		}
		if n == nil || n.link.Name != e.link.Name {
			msg.gone = append(msg.gone, e.link.Name)
		}
	}
	for _, l := range links {
		msg.changed = append(msg.changed, t.links[l.Index].vrrp())
	}
	return msg
}

// usable reports whether adverts may leave from an address. The virtual ones,
// which carry our mark, are none of the link's own, unless they are static.
func (t *linkTable) usable(a netif.Installed) bool {
	return !a.Tentative && !a.DADFailed && t.own(a)
}

func (t *linkTable) own(a netif.Installed) bool {
	return a.Proto != netif.Protocol || t.static[a.Key()]
}

// event notes an event and returns what changed for the Router.
func (t *linkTable) event(ev netif.Event) (msg linksMsg, changed bool) {
	switch ev.Kind {
	case netif.EventLink:
		return t.link(ev.Link)
	case netif.EventLinkGone:
		e := t.links[ev.Link.Index]
		if e == nil {
			return msg, false
		}
		delete(t.links, ev.Link.Index)
		return linksMsg{gone: []string{e.link.Name}, deleted: []int{ev.Link.Index}}, true
	case netif.EventAddr, netif.EventAddrGone:
		e := t.links[ev.Addr.Index]
		if e == nil {
			return msg, false
		}
		addr := ev.Addr.Prefix.Addr()
		at := slices.Index(e.addrs, addr)
		want := ev.Kind == netif.EventAddr && t.usable(ev.Addr)
		switch {
		case want && at < 0:
			e.addrs = append(slices.Clip(e.addrs), addr)
		case !want && at >= 0 && t.own(ev.Addr):
			e.addrs = slices.Delete(slices.Clone(e.addrs), at, at+1)
		default:
			return msg, false
		}
		return linksMsg{changed: []vrrp.Link{e.vrrp()}}, true
	}
	return msg, false
}

// link notes a link that appeared or changed.
func (t *linkTable) link(l netif.Link) (msg linksMsg, changed bool) {
	e := t.links[l.Index]
	if e == nil {
		e = &linkEntry{}
		t.links[l.Index] = e
	} else {
		if e.link.Name != l.Name {
			msg.gone = []string{e.link.Name}
		} else if e.link.Up == l.Up {
			e.link = l
			return msg, false
		}
	}
	e.link = l
	msg.changed = []vrrp.Link{e.vrrp()}
	return msg, true
}

func (e *linkEntry) vrrp() vrrp.Link {
	return vrrp.Link{Name: e.link.Name, Index: e.link.Index, Up: e.link.Up, Addrs: e.addrs}
}

// watcher reads netlink and tells the loop of links, and the address thread of
// everything.
type watcher struct {
	watch *netif.Watch
	inbox *inbox
	addrs *desiredSlot

	mu     sync.Mutex // guards what follows
	kernel *netif.Kernel
	table  *linkTable
}

// static takes the static addresses of a configuration as the links' own. It is
// called by the address thread.
func (w *watcher) static(c *wire.Config) error {
	set := staticKeys(c)
	w.mu.Lock()
	defer w.mu.Unlock()
	if maps.Equal(set, w.table.static) {
		return nil
	}
	w.table.static = set
	msg, err := w.read()
	if err == nil {
		w.inbox.post(msg)
	}
	return err
}

func staticKeys(c *wire.Config) map[netif.Key]bool {
	set := make(map[netif.Key]bool, len(c.Static.Addresses))
	for _, a := range c.Static.Addresses {
		set[a.Key()] = true
	}
	return set
}

// first reads the present state, before anything else is decided.
func (w *watcher) first() error {
	msg, err := w.read()
	if err != nil {
		return err
	}
	w.inbox.post(msg)
	return nil
}

func (w *watcher) read() (linksMsg, error) {
	links, err := w.kernel.Links()
	if err != nil {
		return linksMsg{}, fmt.Errorf("read links: %w", err)
	}
	addrs, err := w.kernel.Addrs()
	if err != nil {
		return linksMsg{}, fmt.Errorf("read addresses: %w", err)
	}
	return w.table.reset(links, addrs), nil
}

func (w *watcher) run(ctx context.Context) error {
	var failed error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := w.watch.Run(ctx, func(ev netif.Event) {
		w.addrs.event(ev)
		w.mu.Lock()
		defer w.mu.Unlock()
		if ev.Kind != netif.EventResync {
			if msg, changed := w.table.event(ev); changed {
				w.inbox.post(msg)
			}
			return
		}
		msg, err := w.read()
		if err != nil {
			failed = err
			cancel()
			return
		}
		w.inbox.post(msg)
	})
	if failed != nil {
		return failed
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

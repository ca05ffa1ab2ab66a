package elector

import (
	"fmt"
	"slices"
	"time"

	"hakeep/internal/netif"
	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// itemKeeper brings the kernel's routes and rules in line with what the loop
// wants. The address thread owns it. Without any in the configuration nothing is
// read or watched: a router's table may be large.
type itemKeeper struct {
	rec  *netif.ItemReconciler
	give func(addrResult)
	// follow makes the watch thread tell of routes and rules.
	follow func(bool) error

	on      bool // there are, or may be, routes or rules of ours
	desired []netif.Item
	owners  map[string][]vrrp.ID // by text
	former  map[string][]vrrp.ID // of what is not desired any more and not gone yet
}

func newItemKeeper(k netif.ItemBackend, give func(addrResult)) *itemKeeper {
	t := &itemKeeper{give: give, follow: func(bool) error { return nil }, former: map[string][]vrrp.ID{}}
	t.rec = netif.NewItemReconciler(k, netif.ItemOptions{
		Owned:  func(netif.Item) bool { return false },
		Report: t.report,
	})
	return t
}

// configure takes over which routes and rules are named.
func (t *itemKeeper) configure(c *wire.Config) error {
	t.rec.SetOwned(ownedItems(c))
	if t.on || !namesItems(c) {
		return nil
	}
	t.on = true
	return t.follow(true)
}

// namesItems reports whether a configuration, or an earlier one, has routes or
// rules.
func namesItems(c *wire.Config) bool {
	if len(c.LeftItems.Routes)+len(c.LeftItems.Rules)+len(c.Static.Routes)+len(c.Static.Rules) > 0 {
		return true
	}
	for i := range c.Instances {
		if len(c.Instances[i].Routes)+len(c.Instances[i].Rules) > 0 {
			return true
		}
	}
	return false
}

// ownedItems is which routes and rules may be removed: those with our mark that
// the configuration names, or an earlier one did.
func ownedItems(c *wire.Config) func(netif.Item) bool {
	routes := make(map[netif.RouteKey]bool)
	rules := make(map[netif.Rule]bool)
	name := func(r []netif.Route, l []netif.Rule) {
		for i := range r {
			routes[r[i].Key()] = true
		}
		for i := range l {
			rules[l[i].Key()] = true
		}
	}
	for _, k := range c.LeftItems.Routes {
		routes[k] = true
	}
	name(c.Static.Routes, c.Static.Rules)
	name(nil, c.LeftItems.Rules)
	for i := range c.Instances {
		name(c.Instances[i].Routes, c.Instances[i].Rules)
	}
	return func(it netif.Item) bool {
		if it.Protocol() != netif.Protocol {
			return false
		}
		if it.Rule != nil {
			return rules[it.Rule.Key()]
		}
		k := it.Route.Key()
		vrf := k
		vrf.Table = 0 // named by the VRF, which may be gone
		return routes[k] || routes[vrf]
	}
}

// withdraw takes over what is desired and removes the rest that is known to be
// there, before the addresses go that it depends on.
func (t *itemKeeper) withdraw(desired []desiredItem) error {
	if !t.on {
		return nil
	}
	before := t.owners
	t.desired, t.owners = make([]netif.Item, 0, len(desired)), make(map[string][]vrrp.ID, len(desired))
	for _, d := range desired {
		text := d.item.String()
		t.desired = append(t.desired, d.item)
		t.owners[text] = append(slices.Clip(t.owners[text]), d.owners...)
		delete(t.former, text)
	}
	for text, ids := range before {
		if _, still := t.owners[text]; !still {
			t.former[text] = ids
		}
	}
	return t.rec.Withdraw(t.desired)
}

// sync brings the kernel to what withdraw was given.
func (t *itemKeeper) sync(now time.Duration) error {
	if !t.on {
		return nil
	}
	return t.rec.Sync(now, t.desired)
}

func (t *itemKeeper) resync(now time.Duration) error {
	if !t.on {
		return nil
	}
	t.rec.Thaw()
	return t.rec.Resync(now)
}

// report takes a result of the ItemReconciler.
func (t *itemKeeper) report(res netif.ItemResult) {
	text := res.Item.String()
	owners, desired := t.owners[text]
	if !desired {
		owners = t.former[text]
	}
	r := addrResult{item: text, owners: owners}
	switch res.Kind {
	case netif.ResultInstalled:
		r.kind = addrInstalled
		if res.Repaired {
			r.level, r.text = "warn", text+" was removed by another program, or with its link: put back"
		} else if res.Foreign {
			r.level, r.text = "warn", text+" is not hakeep's: it was there already and is left as it is"
		}
	case netif.ResultRemoved:
		r.kind = addrRemoved
		delete(t.former, text)
	case netif.ResultFailed:
		r.kind = addrNote
		r.level, r.text = "error", fmt.Sprintf("%s: %v", text, res.Err)
	case netif.ResultTaken:
		r.kind = addrTaken
		r.level, r.text = "error", text+" is removed again and again by another program"
	default:
		return
	}
	t.give(r)
}

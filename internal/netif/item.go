package netif

import "fmt"

// Item is a route or a rule: exactly one of both is set. What it points at is
// not changed.
type Item struct {
	Route *Route
	Rule  *Rule
}

// Items returns routes and rules as items, routes first: that is the order in
// which they are added.
func Items(routes []Route, rules []Rule) []Item {
	items := make([]Item, 0, len(routes)+len(rules))
	for i := range routes {
		items = append(items, Item{Route: &routes[i]})
	}
	for i := range rules {
		items = append(items, Item{Rule: &rules[i]})
	}
	return items
}

// String returns the text of the route or rule, which identifies it: equal
// items have equal texts.
func (it Item) String() string {
	if it.Route != nil {
		return "route " + it.Route.String()
	}
	return "rule " + it.Rule.String()
}

// Check is that of the route or rule.
func (it Item) Check() error {
	if it.Route != nil {
		return it.Route.Check()
	}
	return it.Rule.Check()
}

// Protocol is the owner's mark.
func (it Item) Protocol() uint8 {
	p := uint8(0)
	if it.Route != nil {
		p = it.Route.Protocol
	} else {
		p = it.Rule.Protocol
	}
	if p == 0 {
		p = Protocol
	}
	return p
}

// untracked reports whether a removal by others is accepted.
func (it Item) untracked() bool {
	if it.Route != nil {
		return it.Route.NoTrack || it.Route.Expires != 0
	}
	return it.Rule.NoTrack
}

// itemKey is the place of an item: items in different places have nothing to
// do with each other. It is comparable.
type itemKey struct {
	route RouteKey
	rule  Rule // of a rule, without its owner
}

func (it Item) key() itemKey {
	if it.Route != nil {
		return itemKey{route: it.Route.Key()}
	}
	k := it.Rule.Key()
	k.Protocol = 0
	return itemKey{rule: k}
}

// same reports whether got, from the kernel, is as it wants.
func (it Item) same(got Item) bool {
	switch {
	case it.Route != nil && got.Route != nil:
		return it.Route.same(*got.Route)
	case it.Rule != nil && got.Rule != nil:
		return it.Rule.Key() == got.Rule.Key()
	}
	return false
}

// equal is same, whoever owns it.
func (it Item) equal(got Item) bool {
	switch {
	case it.Route != nil && got.Route != nil:
		a, b := it.Route.normal(), got.Route.normal()
		return a.Key() == b.Key() && a.sameWay(b)
	case it.Rule != nil && got.Rule != nil:
		a, b := it.Rule.Key(), got.Rule.Key()
		a.Protocol = b.Protocol
		return a == b
	}
	return false
}

// ItemOp is one operation on the kernel's routes and rules.
type ItemOp struct {
	// Kind says what to do. OpReplace is for IPv6 routes only: it puts Item in
	// the place of whatever has its Key.
	Kind OpKind
	// Item is what is to be there, or to go.
	Item Item
}

// String returns the operation as in `add route 198.51.100.0/24 via 192.0.2.1`.
func (o ItemOp) String() string { return fmt.Sprintf("%s %s", o.Kind, o.Item) }

// ItemResult tells what became of a route or a rule. One is given when its fate
// changes.
type ItemResult struct {
	// Kind says what happened; ResultTentative does not occur.
	Kind ResultKind
	// Item is as it was desired.
	Item Item
	// Err is the reason of ResultFailed.
	Err error
	// Repaired says that it had been there and was put back.
	Repaired bool
	// Foreign says that another program's, equal to it, is there.
	Foreign bool
}

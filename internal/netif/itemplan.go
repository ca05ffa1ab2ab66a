package netif

import (
	"cmp"
	"slices"
)

// PlanItems returns the operations that lead from the actual routes and rules
// to the desired ones. Actual ones for which owned is false are neither changed
// nor deleted; where one of them is an equal rule, the desired one is not
// added. Desired items must have passed Check.
//
// Additions come first, routes before rules, then removals, rules before
// routes, so that a route that changes is never missing. The exception is the
// kernel's: the removal of an IPv4 route that says less than the new one, with
// the same next hops, would find the new one. There the old one goes first, in
// the same batch. The removal of a rule finds rules of the same priority that
// say more; these are added once more before it.
func PlanItems(desired, actual []Item, owned func(Item) bool) []ItemOp {
	at := make(map[itemKey]*itemPlace)
	var order []*itemPlace
	place := func(it Item) *itemPlace {
		k := it.key()
		p := at[k]
		if p == nil {
			p = &itemPlace{}
			at[k] = p
			order = append(order, p)
		}
		return p
	}
	for _, it := range desired {
		p := place(it)
		p.want = append(p.want, it)
	}
	for _, it := range actual {
		p := place(it)
		if owned(it) {
			p.have = append(p.have, it)
		} else {
			p.foreign = append(p.foreign, it)
		}
	}
	var plan itemPlan
	for _, p := range order {
		p.plan(&plan)
	}
	slices.SortStableFunc(plan.ruleDeletes, moreFirst)
	slices.SortStableFunc(plan.routeDeletes, moreFirst)
	ops := slices.Concat(plan.routeAdds, plan.ruleAdds, plan.removeRules(actual))
	for _, it := range plan.routeDeletes {
		ops = append(ops, ItemOp{Kind: OpDelete, Item: it})
	}
	return ops
}

// itemPlan collects operations by when they are done.
type itemPlan struct {
	routeAdds, ruleAdds       []ItemOp
	routeDeletes, ruleDeletes []Item
}

// removeRules removes rules one at a time, with an eye on what the kernel finds
// first.
func (p *itemPlan) removeRules(actual []Item) []ItemOp {
	var ops []ItemOp
	list := slices.DeleteFunc(slices.Clone(actual), func(it Item) bool { return it.Rule == nil })
	for _, op := range p.ruleAdds {
		list = append(list, op.Item)
	}
	for _, it := range p.ruleDeletes {
		for {
			i := slices.IndexFunc(list, func(other Item) bool { return it.Rule.covers(*other.Rule) })
			if i < 0 {
				break
			}
			first := list[i]
			list = slices.Delete(list, i, i+1)
			if first != it {
				ops = append(ops, ItemOp{Kind: OpAdd, Item: first})
				list = append(list, first)
			}
			ops = append(ops, ItemOp{Kind: OpDelete, Item: it})
			if first == it {
				break
			}
		}
	}
	return ops
}

// itemPlace is what is wanted and what there is in one place.
type itemPlace struct{ want, have, foreign []Item }

// moreFirst orders removals: what says more before what would cover it.
func moreFirst(a, b Item) int {
	detail := func(it Item) int {
		if it.Rule != nil {
			return it.Rule.detail()
		}
		return it.Route.detail()
	}
	return cmp.Compare(detail(b), detail(a))
}

// plan plans one place.
func (p *itemPlace) plan(out *itemPlan) {
	extra := slices.Clone(p.have)
	var missing []Item
	for _, it := range p.want {
		if i := slices.IndexFunc(extra, it.same); i >= 0 {
			extra = slices.Delete(extra, i, i+1)
		} else {
			missing = append(missing, it)
		}
	}
	adds := &out.routeAdds
	if len(p.want) > 0 && p.want[0].Rule != nil {
		adds = &out.ruleAdds
		missing = slices.DeleteFunc(missing, func(it Item) bool { return slices.ContainsFunc(p.foreign, it.equal) })
	}
	put := func(kind OpKind, items []Item) {
		for _, it := range items {
			*adds = append(*adds, ItemOp{Kind: kind, Item: it})
		}
	}
	switch {
	case len(extra) == 0:
		put(OpAdd, missing)
	case len(missing) == 1 && len(extra) == 1 && replaceable(missing[0], extra[0]):
		put(OpReplace, missing)
	case len(p.want) > 0 && p.breaks(extra):
		// All go, those that say more first, and come again.
		all := slices.Clone(p.have)
		slices.SortStableFunc(all, moreFirst)
		put(OpDelete, all)
		if len(all) > 1 {
			put(OpDelete, all) // one may have hit another
		}
		put(OpAdd, p.want)
	default:
		put(OpAdd, missing)
		for _, it := range extra {
			if it.Rule != nil {
				out.ruleDeletes = append(out.ruleDeletes, it)
			} else {
				out.routeDeletes = append(out.routeDeletes, it)
			}
		}
	}
}

// replaceable reports whether the kernel puts b in the place of a. IPv6 does
// so only among routes with a gateway, and among those without.
func replaceable(b, a Item) bool {
	if b.Route == nil || a.Route == nil || b.Route.is4() {
		return false
	}
	gateway := func(r *Route) bool { return len(r.NextHops) > 0 && r.NextHops[0].Via.IsValid() && !r.Type.silent() }
	return gateway(b.Route) == gateway(a.Route)
}

// breaks reports whether what is extra has to go before what is wanted comes.
func (p *itemPlace) breaks(extra []Item) bool {
	if p.want[0].Rule != nil {
		return false
	}
	if !p.want[0].Route.is4() {
		return true // the kernel keeps one
	}
	for _, want := range p.want {
		if want.Route.Placement == PlaceAlone {
			return true
		}
		for _, old := range extra {
			if old.Route.covers(*want.Route) {
				return true
			}
		}
	}
	return false
}

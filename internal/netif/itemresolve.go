package netif

import (
	"fmt"
	"slices"
)

// readLinks reads the interfaces if they are not known.
func (r *ItemReconciler) readLinks() error {
	if r.known {
		return nil
	}
	list, err := r.k.Links()
	if err != nil {
		return err
	}
	r.links, r.known = newLinkTable(list), true
	return nil
}

// resolve finds the tables of VRFs. What belongs to one that is not there is
// reported.
func (r *ItemReconciler) resolve() {
	r.byKey = make(map[itemKey][]*itemWant, len(r.wants))
	r.byItem = make(map[Item]*itemWant, len(r.wants))
	for _, w := range r.wants {
		w.resolved = w.item
		if w.item.Route != nil && w.item.Route.Table == 0 && w.item.Route.VRF != "" {
			l, known := r.links.named(w.item.Route.VRF)
			if !known || l.Table == 0 {
				w.resolved = Item{}
				r.failed(w, fmt.Errorf("add %s: VRF %s: %w", w.text, w.item.Route.VRF, ErrNoLink))
				continue
			}
			route := *w.item.Route
			route.Table, route.VRF = l.Table, ""
			w.resolved = Item{Route: &route}
		}
		k := w.resolved.key()
		r.byKey[k] = append(r.byKey[k], w)
		r.byItem[w.resolved] = w
	}
}

// protocols are the marks that routes of ours may have.
func (r *ItemReconciler) protocols() []uint8 {
	list := []uint8{Protocol}
	add := func(it Item) {
		if it.Route != nil && !slices.Contains(list, it.Protocol()) {
			list = append(list, it.Protocol())
		}
	}
	for _, w := range r.wants {
		add(w.item)
	}
	for _, w := range r.leaving {
		add(w.item)
	}
	return list
}

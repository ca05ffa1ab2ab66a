package elector

import (
	"net/netip"
	"sync/atomic"

	"hakeep/vrrp"
)

// place is an address on a link.
type place struct {
	link int
	addr netip.Addr
}

// lingers are the addresses that are kept for another router, and that it has not
// announced yet. When it has announced all of an instance, the Router is told: the
// neighbours send to that router now.
type lingers struct {
	owner   map[place]vrrp.ID
	waiting map[vrrp.ID]*waiting
	// any is for the thread that hears other hosts: there are some.
	any atomic.Bool
}

// waiting are the addresses of an instance, and how many of them were not announced.
type waiting struct {
	places []place
	left   int
}

// begin waits for the addresses of an instance that are announced at all.
func (s *lingers) begin(id vrrp.ID, m *member) {
	s.end(id)
	var places []place
	for key, t := range m.installed {
		if t.Link != 0 {
			places = append(places, place{t.Link, key.Prefix.Addr()})
		}
	}
	if len(places) == 0 {
		return
	}
	if s.owner == nil {
		s.owner, s.waiting = map[place]vrrp.ID{}, map[vrrp.ID]*waiting{}
	}
	for _, p := range places {
		s.owner[p] = id
	}
	s.waiting[id] = &waiting{places, len(places)}
	s.any.Store(true)
}

// end waits for those of an instance no more.
func (s *lingers) end(id vrrp.ID) {
	w := s.waiting[id]
	if w == nil {
		return
	}
	for _, p := range w.places {
		if s.owner[p] == id {
			delete(s.owner, p)
		}
	}
	delete(s.waiting, id)
	s.any.Store(len(s.waiting) > 0)
}

// claimed notes that another host has announced an address. It reports the instance
// whose last one that was.
func (s *lingers) claimed(p place) (id vrrp.ID, all bool) {
	id, ok := s.owner[p]
	if !ok {
		return 0, false
	}
	delete(s.owner, p)
	w := s.waiting[id]
	if w.left--; w.left > 0 {
		return 0, false
	}
	s.end(id)
	return id, true
}

package arp

import "slices"

// The schedule keeps its records in slices and links them by index, not by
// pointer: then a record is taken and given back without the allocator, and a
// copy of the slices is a copy of the schedule. Index 0 is never a record, so
// that the zero value of a link or a list is the empty one.

// slots is a set of records of one kind with stable indices.
type slots[T any] struct {
	items []T
	free  []int32
}

// take returns the index of an unused, zero record. Pointers into items do not
// survive it.
func (s *slots[T]) take() int32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i
	}
	var zero T
	if len(s.items) == 0 {
		s.items = append(s.items, zero)
	}
	s.items = append(s.items, zero)
	return int32(len(s.items) - 1)
}

// give returns the record at i to the unused ones.
func (s *slots[T]) give(i int32) {
	var zero T
	s.items[i] = zero
	s.free = append(s.free, i)
}

func (s *slots[T]) clone() slots[T] {
	return slots[T]{items: slices.Clone(s.items), free: slices.Clone(s.free)}
}

// list is a doubly linked list of indices. Its links are in a chain.
type list struct{ head, tail int32 }

func (l list) empty() bool { return l.head == 0 }

// chain holds the links of lists over one kind of record. A record is at any
// time in at most one list of a chain.
type chain struct{ links []link }

type link struct{ prev, next int32 }

// push appends i to l.
func (c *chain) push(l *list, i int32) {
	for int(i) >= len(c.links) {
		c.links = append(c.links, link{})
	}
	c.links[i] = link{prev: l.tail}
	if l.tail != 0 {
		c.links[l.tail].next = i
	} else {
		l.head = i
	}
	l.tail = i
}

// remove takes i, which is in l, out of it.
func (c *chain) remove(l *list, i int32) {
	at := c.links[i]
	if at.prev != 0 {
		c.links[at.prev].next = at.next
	} else {
		l.head = at.next
	}
	if at.next != 0 {
		c.links[at.next].prev = at.prev
	} else {
		l.tail = at.prev
	}
	c.links[i] = link{}
}

// next returns the index after i, or 0.
func (c *chain) next(i int32) int32 { return c.links[i].next }

func (c *chain) clone() chain { return chain{links: slices.Clone(c.links)} }

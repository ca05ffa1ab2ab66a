package lvs

import (
	"slices"
	"time"
)

// OpKind is what an [Op] does.
type OpKind uint8

// The operations, in the order in which [Diff] uses them.
const (
	AddService OpKind = iota + 1
	EditService
	AddServer
	EditServer
	DeleteServer
	DeleteService
)

// Op is one change of a kernel's table. It is comparable.
type Op struct {
	Kind OpKind
	// ID is the service that is changed, or whose server is.
	ID ID
	// Attr is all of the service's attributes after AddService and EditService.
	Attr Attr
	// Server is all of the server after AddServer and EditServer, and what it was
	// before DeleteServer.
	Server Server
}

// Diff returns what has to be done, in this order, to make the actual services the
// desired ones. Both are compared as [Canonical] forms, so neither has to be one, and
// the operations are in canonical form. Actual must hold only what the caller owns:
// everything in it that is not desired is deleted. Names and Masquerade are not
// looked at, since no kernel keeps them here.
//
// What is the same on both sides is not touched; what differs is edited in place, so
// that connections stay. New servers come before those that go, and a weight is
// raised before another is lowered: a service that has a server that takes
// connections in both states has one in between, too. Deleting a service deletes its
// servers, without operations of their own.
//
// A server that is not desired and for which drain returns true is not deleted but
// gets weight 0, and its service stays as long as it has such a server. The next Diff
// asks again. Drain may be nil.
func Diff(desired, actual []Service, drain func(ID, Server) bool) []Op {
	have := make(map[ID]*Service, len(actual))
	for i := range actual {
		s := Canonical(actual[i])
		have[s.ID] = &s
	}
	var p plan
	wanted := make(map[ID]bool, len(desired))
	for _, s := range canonicalSorted(desired) {
		if wanted[s.ID] {
			continue
		}
		wanted[s.ID] = true
		p.service(s, have[s.ID], drain)
	}
	for _, s := range canonicalSorted(actual) {
		if !wanted[s.ID] {
			wanted[s.ID] = true
			p.unwanted(s, drain)
		}
	}
	return slices.Concat(p.grow, p.shrink, p.remove)
}

// plan is the operations by what they do to the traffic.
type plan struct {
	grow, shrink, remove []Op
}

func (p *plan) service(want Service, have *Service, drain func(ID, Server) bool) {
	switch {
	case have == nil:
		p.grow = append(p.grow, Op{Kind: AddService, ID: want.ID, Attr: want.Attr})
		have = &Service{}
	case have.Attr != want.Attr:
		p.grow = append(p.grow, Op{Kind: EditService, ID: want.ID, Attr: want.Attr})
	}
	// Both lists are sorted by endpoint.
	i := 0
	for _, w := range want.Servers {
		for i < len(have.Servers) && have.Servers[i].Endpoint.Compare(w.Endpoint) < 0 {
			p.unwantedServer(want.ID, have.Servers[i], drain)
			i++
		}
		if i == len(have.Servers) || have.Servers[i].Endpoint != w.Endpoint {
			p.grow = append(p.grow, Op{Kind: AddServer, ID: want.ID, Server: w})
			continue
		}
		h := have.Servers[i]
		i++
		edit := Op{Kind: EditServer, ID: want.ID, Server: w}
		switch {
		case h == w:
		case w.Weight < h.Weight:
			p.shrink = append(p.shrink, edit)
		default:
			p.grow = append(p.grow, edit)
		}
	}
	for _, h := range have.Servers[i:] {
		p.unwantedServer(want.ID, h, drain)
	}
}

func (p *plan) unwantedServer(id ID, s Server, drain func(ID, Server) bool) {
	switch {
	case drain == nil || !drain(id, s):
		p.shrink = append(p.shrink, Op{Kind: DeleteServer, ID: id, Server: s})
	case s.Weight != 0:
		s.Weight = 0
		p.shrink = append(p.shrink, Op{Kind: EditServer, ID: id, Server: s})
	}
}

// unwanted deletes a service at once, or its servers one at a time while some of
// them drain.
func (p *plan) unwanted(s Service, drain func(ID, Server) bool) {
	drains := func(r Server) bool { return drain != nil && drain(s.ID, r) }
	if !slices.ContainsFunc(s.Servers, drains) {
		p.remove = append(p.remove, Op{Kind: DeleteService, ID: s.ID})
		return
	}
	for _, r := range s.Servers {
		p.unwantedServer(s.ID, r, drain)
	}
}

func canonicalSorted(services []Service) []Service {
	sorted := make([]Service, len(services))
	for i := range services {
		sorted[i] = Canonical(services[i])
	}
	slices.SortStableFunc(sorted, func(a, b Service) int { return a.ID.Compare(b.ID) })
	return sorted
}

// Canonical returns a service with one spelling for each meaning, so that what is
// wanted can be compared with what a kernel reports: the family of the address is
// filled in, a persistence of less than a second is none, the prefix of single hosts
// or without persistence is 0, [Hashed], which the kernel sets on every service, is
// not set, and servers are sorted, the first of those with the same endpoint alone,
// with the service's port instead of 0 and the details of a tunnel where there is
// one. The argument is not changed.
func Canonical(s Service) Service {
	s.ID = canonicalID(s.ID)
	s.Attr = canonicalAttr(s.Attr, s.ID.Family)
	servers := make([]Server, len(s.Servers))
	for i, r := range s.Servers {
		r.Endpoint.Addr = r.Endpoint.Addr.Unmap()
		if r.Endpoint.Port == 0 {
			r.Endpoint.Port = s.ID.Port
		}
		r.Forward = canonicalForward(r.Forward)
		servers[i] = r
	}
	byEndpoint := func(a, b Server) int { return a.Endpoint.Compare(b.Endpoint) }
	if !slices.IsSortedFunc(servers, byEndpoint) {
		slices.SortStableFunc(servers, byEndpoint)
	}
	s.Servers = slices.CompactFunc(servers, func(a, b Server) bool { return a.Endpoint == b.Endpoint })
	return s
}

func canonicalID(id ID) ID {
	if id.Mark != 0 {
		return ID{Mark: id.Mark, Family: id.Family}
	}
	id.Addr = id.Addr.Unmap().WithZone("")
	id.Family = FamilyOf(id.Addr)
	return id
}

func canonicalAttr(a Attr, family Family) Attr {
	a.Flags &^= Hashed
	a.Persistence = a.Persistence.Truncate(time.Second)
	if a.Persistence <= 0 || int(a.PersistenceBits) >= family.bits() {
		a.PersistenceBits = 0
	}
	return a
}

func canonicalForward(f Forward) Forward {
	if f.Method != TUN {
		return Forward{Method: f.Method}
	}
	if f.Tunnel == 0 {
		f.Tunnel = IPIP
	}
	if f.Tunnel != GUE {
		f.Port = 0
	}
	if f.Checksum == 0 {
		f.Checksum = NoChecksum
	}
	return f
}

// bits is the length of an address.
func (f Family) bits() int {
	if f == IPv6 {
		return 128
	}
	return 32
}

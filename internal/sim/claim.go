package sim

import (
	"net/netip"

	"hakeep/vrrp"
)

// waitsFor reports whether the process wants to know that another host has announced
// an address on one of its ports.
func (p *process) waitsFor(port int, addr netip.Addr) bool {
	for _, m := range p.members {
		if m.unclaimed[addr] && p.h.kernel.has(port, addr) {
			return true
		}
	}
	return false
}

// claimed tells the Router when another host has announced all addresses of an
// instance that lingers.
func (p *process) claimed(port int, addr netip.Addr) {
	for id := vrrp.ID(0); id <= p.lastID(); id++ { // in an order that is always the same
		m := p.members[id]
		if m == nil || !m.unclaimed[addr] || !p.h.kernel.has(port, addr) {
			continue
		}
		delete(m.unclaimed, addr)
		if len(m.unclaimed) == 0 {
			p.step(vrrp.WinnerAnnounced{ID: id})
		}
	}
}

// lastID is the greatest ID of a member.
func (p *process) lastID() (last vrrp.ID) {
	for id := range p.members {
		last = max(last, id)
	}
	return last
}

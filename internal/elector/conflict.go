package elector

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"hakeep/internal/acd"
	"hakeep/internal/wire"
)

// maxConflicts bounds the conflicts that are remembered of an instance.
const maxConflicts = 16

// conflict is another host that uses an address of an instance.
type conflict struct {
	addr  netip.Addr
	mac   acd.MAC
	by    acd.Evidence
	count uint64
	seen  time.Duration
	told  time.Duration
}

// OwnMAC and LinkMAC implement acd.Own by what the kernel said of the links.
func (w *watcher) OwnMAC(mac acd.MAC) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.table.links {
		if e.link.MAC == mac {
			return true
		}
	}
	return false
}

func (w *watcher) LinkMAC(link int) (mac acd.MAC, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.table.links[link]
	if e == nil || !e.link.Ethernet || e.link.NoARP || !e.link.Up {
		return mac, false
	}
	return e.link.MAC, true
}

var _ acd.Own = (*watcher)(nil)

// watchConflicts hears other hosts with our addresses. Without it everything else
// goes on.
func (e *elector) watchConflicts(ctx context.Context) error {
	if e.conflicts == nil {
		return nil
	}
	post := e.loop.inbox.post
	err := e.conflicts.Run(ctx, func(c acd.Conflict) { post(conflictMsg{c}) }, func(link int, addr netip.Addr) {
		if e.loop.lingers.any.Load() {
			post(claimMsg{link, addr})
		}
	})
	if err != nil {
		e.loop.journal.add(wire.Event{Kind: wire.EventLog, Level: "warn", Text: err.Error()})
	}
	return nil
}

// guarded are the addresses that nobody else may use: those that adverts leave
// from, and the virtual ones that are in the kernel. One of an instance that has
// heard of no other router is probed for: another master that it does not hear
// would answer.
func (l *loop) guarded() []acd.Address {
	out := make([]acd.Address, 0, len(l.byKey))
	seen := make(map[acd.Address]bool, len(l.byKey))
	add := func(a acd.Address) {
		key := acd.Address{Link: a.Link, Addr: a.Addr}
		if a.Link != 0 && a.Addr.IsValid() && !seen[key] {
			seen[key] = true
			out = append(out, a)
		}
	}
	for _, s := range l.snapshots() {
		m := l.members[s.ID]
		if m == nil {
			continue
		}
		add(acd.Address{Link: s.Link, Addr: s.Source})
		if !m.install {
			continue
		}
		probe := len(m.peers) == 0
		for _, a := range m.inst.Addresses {
			t, ok := m.installed[a.Key()]
			if !ok || t.Link == 0 {
				continue
			}
			add(acd.Address{Link: t.Link, Addr: a.Prefix.Addr(), Probe: probe && a.Prefix.Addr().Is4()})
			probe = probe && !a.Prefix.Addr().Is4()
		}
	}
	return out
}

// conflict notes another host with an address of ours, and tells of it now and
// then.
func (l *loop) conflict(now time.Duration, c *acd.Conflict) {
	for _, s := range l.snapshots() {
		m := l.members[s.ID]
		if m == nil || !(s.Link == c.Link && s.Source == c.Addr) && !m.serves(c) {
			continue
		}
		k := m.conflictOf(c)
		k.count += c.Count
		k.seen = now
		if k.told != 0 && now-k.told < noticeGap {
			continue
		}
		k.told = now
		text := fmt.Sprintf("another host, %s, uses this address, too (%s)", net.HardwareAddr(c.MAC[:]), c.By)
		if len(m.peers) == 0 && m.install {
			text += "; no other router was heard: if that is one, both are master and do not hear each other (firewall, VLAN, authentication)"
		}
		l.journal.add(wire.Event{
			Kind: wire.EventConflict, Level: "error", Instance: m.inst.Params.Name, Interface: l.links[c.Link],
			Peer: c.Addr, Count: k.count, Text: text,
		})
	}
}

// serves reports whether the address is one of those in the kernel.
func (m *member) serves(c *acd.Conflict) bool {
	for key, t := range m.installed {
		if m.install && t.Link == c.Link && key.Prefix.Addr() == c.Addr {
			return true
		}
	}
	return false
}

// conflictOf is the record of a host and address; the oldest makes room.
func (m *member) conflictOf(c *acd.Conflict) *conflict {
	oldest := 0
	for i := range m.conflicts {
		k := &m.conflicts[i]
		if k.addr == c.Addr && k.mac == c.MAC {
			return k
		}
		if k.seen < m.conflicts[oldest].seen {
			oldest = i
		}
	}
	fresh := conflict{addr: c.Addr, mac: c.MAC, by: c.By}
	if len(m.conflicts) < maxConflicts {
		m.conflicts = append(m.conflicts, fresh)
		return &m.conflicts[len(m.conflicts)-1]
	}
	m.conflicts[oldest] = fresh
	return &m.conflicts[oldest]
}

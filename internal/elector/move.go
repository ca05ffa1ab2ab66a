package elector

import (
	"time"

	"hakeep/arp"
	"hakeep/internal/netif"
	"hakeep/vrrp"
)

// movedAddr is an address in the kernel that a new configuration has taken away
// from an instance.
type movedAddr struct {
	key    netif.Key
	target arp.Target
}

// takeMoved ends what instances had of addresses that are not theirs any more,
// former says whose they were. The address thread does not tell of one that stays
// in the kernel, so what is known of it is returned for its new owner. Nothing of
// the others is announced from now on, although they are still to be removed:
// another host may have them already.
func (l *loop) takeMoved(former map[netif.Key]vrrp.ID) []movedAddr {
	var moved []movedAddr
	for key, id := range former {
		m := l.members[id]
		if now, ok := l.byKey[key]; m == nil || ok && now == id {
			continue
		}
		l.sched.StopAddr(uint32(id), key.Prefix.Addr())
		if target, ok := m.installed[key]; ok {
			delete(m.installed, key)
			moved = append(moved, movedAddr{key, target})
		}
	}
	return moved
}

// giveMoved hands them to their new owners, which announce them if they are
// master.
func (l *loop) giveMoved(now time.Duration, moved []movedAddr) {
	fresh := map[vrrp.ID][]arp.Target{}
	for _, a := range moved {
		id := l.byKey[a.key]
		m := l.members[id]
		if m == nil {
			continue
		}
		m.installed[a.key] = a.target
		if m.install && !m.silent && a.target.Link != 0 {
			fresh[id] = append(fresh[id], a.target)
		}
	}
	for id, targets := range fresh {
		l.sched.Begin(now, uint32(id), arp.CauseAdded, l.members[id].inst.Announce, targets)
	}
}

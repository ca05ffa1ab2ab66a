package daemon

import (
	"maps"
	"slices"
	"time"

	"hakeep/internal/config"
	"hakeep/lvs"
)

// balanceFile is what of load balancing outlives main: an upgrade, a restart by
// systemd, and its death. An orderly stop removes it.
type balanceFile struct {
	Version int `json:"version"`
	// Backend is the choice that was made, Reason why.
	Backend config.Backend `json:"backend,omitempty"`
	Reason  string         `json:"reason,omitempty"`
	// IPVS are the services that may be in the kernel's table: those that are not
	// wanted any more are found by it.
	IPVS []lvs.ID `json:"ipvs,omitempty"`
	// Hands are what was said by hand.
	Hands []handEntry `json:"hands,omitempty"`
	// Failed are the checks that were failed: their servers must not come back only
	// because main is new.
	Failed []string `json:"failed,omitempty"`
}

// handEntry is what was said by hand of one server.
type handEntry struct {
	VirtualServer string       `json:"virtual_server"`
	RealServer    lvs.Endpoint `json:"real_server"`
	Hand          lvs.Hand     `json:"hand"`
}

const balanceVersion = 1

// failed are the checks as a set.
func (f *balanceFile) failed() map[string]bool {
	set := make(map[string]bool, len(f.Failed))
	for _, n := range f.Failed {
		set[n] = true
	}
	return set
}

// restore says again what was said by hand. Servers that are not there any more
// are left out.
func (f *balanceFile) restore(p *lvs.Pool, now time.Time) (events []lvs.Event) {
	for _, h := range f.Hands {
		if told, err := p.Set(now, h.VirtualServer, h.RealServer, h.Hand); err == nil {
			events = append(events, told...)
		}
	}
	return events
}

// handsOf lists what was said by hand.
func handsOf(all []lvs.VirtualStatus) (hands []handEntry) {
	for i := range all {
		for j := range all[i].Servers {
			if s := &all[i].Servers[j]; !s.Hand.IsZero() {
				hands = append(hands, handEntry{all[i].Config.Name, s.Config.Endpoint, s.Hand})
			}
		}
	}
	return hands
}

// load reads the file of an earlier main. That it cannot be read is no reason not
// to balance.
func (b *balancer) load() {
	var f balanceFile
	if err := readJSON(b.file, &f); err != nil || f.Version > balanceVersion {
		b.log.Error("state of load balancing of an earlier run is not known", "file", b.file, "err", err)
		return
	}
	b.earlier = f
}

// save writes the file if something in it has changed.
func (b *balancer) save() {
	b.mu.Lock()
	if !b.unsaved || b.stopped || !b.loaded {
		b.mu.Unlock()
		return
	}
	b.unsaved = false
	f := b.fileNow()
	b.mu.Unlock()
	if err := writeJSON(b.file, f); err != nil {
		b.log.Warn("state of load balancing is not kept", "err", err)
	}
}

// fileNow is what the file should hold. The caller holds the mutex.
func (b *balancer) fileNow() balanceFile {
	f := balanceFile{Version: balanceVersion, Failed: b.pool.Failed(), Hands: handsOf(b.pool.Snapshot())}
	if b.backend != nil {
		f.Backend, f.Reason = b.kind, b.reason
	}
	f.IPVS = slices.SortedFunc(maps.Keys(b.may), lvs.ID.Compare)
	return f
}

package sim

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"hakeep/vrrp"
)

// searchKinds are the faults of the deepest search, allKinds also what is like
// them but for a detail. With an interval that is shorter than a linger the two
// moveKinds are enough for a take-over in the midst of one.
var (
	searchKinds = []FaultKind{FaultDrop, FaultPower, FaultStall, FaultReload}
	moveKinds   = []FaultKind{FaultStandby, FaultStall}
	allKinds    = []FaultKind{FaultDrop, FaultPower, FaultKill, FaultLeave, FaultStandby, FaultStall, FaultPause, FaultPort, FaultReload}
)

// modelRouter is one router of a model.
func modelRouter(i int, priority uint8, change func(*vrrp.Params)) *vrrp.Params {
	p := &vrrp.Params{
		Name: fmt.Sprintf("r%d", i), Family: vrrp.IPv4, Version: vrrp.V3, VRID: 1, Link: "eth0", Group: netip.AddrFrom4([4]byte{224, 0, 0, 18}),
		Priority: priority, Interval: time.Second, DownAdverts: vrrp.DefaultDownAdverts,
		Addrs: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 10})}, Auth: vrrp.AuthNone, Form: vrrp.ChecksumPseudo,
	}
	if change != nil {
		change(p)
	}
	return p
}

// models are the networks that are searched. Router 1 has the higher address.
func models() []*Model {
	type change = func(*vrrp.Params)
	pair := func(name string, p0 uint8, c0 change, p1 uint8, c1 change, reload *vrrp.Params) *Model {
		return &Model{
			Name: name, Faults: 2, Kinds: allKinds,
			Routers: []*vrrp.Params{modelRouter(0, p0, c0), modelRouter(1, p1, c1)},
			Reloads: []*vrrp.Params{nil, reload},
		}
	}
	startMaster := func(p *vrrp.Params) { p.StartMaster = true }
	nopreempt := func(p *vrrp.Params) { p.Nopreempt = true }
	ask := func(p *vrrp.Params) { p.HigherPrioSendAdvert = true }
	planned := func(p *vrrp.Params) {
		p.PlannedMoves, p.LeaveInterval, p.HigherPrioSendAdvert = true, 300*time.Millisecond, true
	}
	return []*Model{
		pair("plain", 200, nil, 100, nil, modelRouter(1, 220, nil)),
		pair("equal", 100, nil, 100, nil, modelRouter(1, 90, nil)),
		pair("nopreempt", 200, nopreempt, 100, nil, modelRouter(1, 220, nopreempt)),
		pair("preempt delay", 200, func(p *vrrp.Params) { p.PreemptDelay = 4 * time.Second }, 100, nil, nil),
		pair("owner", 255, startMaster, 100, startMaster, nil),
		pair("two owners", 255, startMaster, 255, nil, nil),
		pair("quick backup", 200, ask, 100, func(p *vrrp.Params) { p.Interval, p.HigherPrioSendAdvert = 500*time.Millisecond, true }, nil),
		pair("planned moves", 200, planned, 100, planned, modelRouter(1, 220, planned)),
		pair("planned moves at 10 ms", 200, func(p *vrrp.Params) { planned(p); p.Interval = 10 * time.Millisecond },
			100, func(p *vrrp.Params) { planned(p); p.Interval = 10 * time.Millisecond }, nil),
		pair("10 ms", 254, func(p *vrrp.Params) { p.Interval = 10 * time.Millisecond }, 253, func(p *vrrp.Params) { p.Interval = 10 * time.Millisecond }, nil),
	}
}

// missing is a planned move of which an advert is lost.
const missing = "planned moves that miss an advert"

// trios are three routers, and the two that are searched like them.
func trios() []*Model {
	planned := func(p *vrrp.Params) { p.PlannedMoves, p.LeaveInterval = true, 300*time.Millisecond }
	return []*Model{{
		Name: "three", Kinds: allKinds, Faults: 1,
		Routers: []*vrrp.Params{modelRouter(0, 200, nil), modelRouter(1, 100, nil), modelRouter(2, 150, nil)},
	}, {
		Name: "three, planned moves, two equal", Kinds: allKinds, Faults: 1,
		Routers: []*vrrp.Params{modelRouter(0, 200, planned), modelRouter(1, 100, planned), modelRouter(2, 100, planned)},
	}, {
		Name: missing, Kinds: []FaultKind{FaultLeave, FaultStandby, FaultDrop}, Faults: 2,
		Routers: []*vrrp.Params{modelRouter(0, 200, planned), modelRouter(1, 100, planned)},
	}}
}

// TestModel searches the models: two routers with two faults each until no new
// state appears, two of them with every kind of fault. HAKEEP_SIM_MODEL=full
// searches with every kind, then with three faults of the main kinds, and three
// routers further.
func TestModel(t *testing.T) {
	t.Parallel()
	full := os.Getenv("HAKEEP_SIM_MODEL") == "full"
	var list []*Model
	for _, m := range models() {
		switch {
		case testing.Short() || raceEnabled:
			m.Faults = 1
		case !full && m.Name == "planned moves at 10 ms":
			m.Kinds = moveKinds
		case !full && m.Name != "plain" && m.Name != "planned moves":
			m.Kinds = searchKinds
		}
		list = append(list, m)
	}
	if full {
		for _, m := range models() {
			m.Name, m.Faults, m.Kinds = m.Name+", deep", 3, searchKinds
			list = append(list, m)
		}
	}
	for _, m := range trios() {
		if full && len(m.Routers) == 3 {
			m.Faults, m.MaxStates = 2, 3_000_000
		}
		list = append(list, m)
	}
	var total ModelResult
	for _, m := range list {
		start := time.Now()
		r, err := m.Search()
		if err != nil {
			t.Errorf("%s, %d faults: %v", m.Name, m.Faults, err)
			continue
		}
		t.Logf("%s, %d faults: %v, %v", m.Name, m.Faults, &r, time.Since(start).Round(time.Millisecond))
		if !r.Complete && len(m.Routers) == 2 {
			t.Errorf("%s: not complete", m.Name)
		}
		total.States += r.States
		total.Steps += r.Steps
	}
	t.Logf("%d states, %d steps", total.States, total.Steps)
}

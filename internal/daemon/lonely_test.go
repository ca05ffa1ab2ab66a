package daemon

import (
	"net/netip"
	"testing"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/wire"
)

func TestLonely(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	peer := []config.Peer{{Addr: netip.MustParseAddr("192.0.2.2")}}
	heard := []wire.Peer{{Addr: netip.MustParseAddr("192.0.2.2")}}
	const down = 4 * time.Second
	for _, tt := range []struct {
		name    string
		c       config.Instance
		s       wire.InstanceStatus
		since   time.Duration // after the start
		now     time.Duration
		settled bool
		tell    bool
	}{
		{"alone for a minute", config.Instance{}, wire.InstanceStatus{State: "MASTER", DownInterval: down}, 4 * time.Second, 64 * time.Second, true, true},
		{"not yet", config.Instance{}, wire.InstanceStatus{State: "MASTER", DownInterval: down}, 4 * time.Second, 63 * time.Second, false, false},
		{"long intervals", config.Instance{}, wire.InstanceStatus{State: "MASTER", DownInterval: 40 * time.Second}, time.Minute, 6 * time.Minute, false, false},
		{"heard somebody", config.Instance{}, wire.InstanceStatus{State: "MASTER", Peers: heard}, 0, time.Second, true, false},
		{"backup hears its master soon", config.Instance{}, wire.InstanceStatus{State: "BACKUP"}, 0, time.Hour, false, false},
		{"fault", config.Instance{}, wire.InstanceStatus{State: "FAULT"}, 0, time.Hour, false, false},
		{"owner", config.Instance{Priority: 255}, wire.InstanceStatus{State: "MASTER"}, 0, time.Hour, true, false},
		{"begins as master", config.Instance{State: config.StateMaster}, wire.InstanceStatus{State: "MASTER"}, 0, time.Hour, true, false},
		{"unicast", config.Instance{Unicast: true, UnicastPeers: peer}, wire.InstanceStatus{State: "MASTER"}, 0, time.Hour, true, true},
		{"unicast without peers", config.Instance{Unicast: true}, wire.InstanceStatus{State: "MASTER"}, 0, time.Hour, true, false},
	} {
		tt.s.Since = start.Add(tt.since)
		settled, tell := lonely(start.Add(tt.now), &tt.c, &tt.s, start)
		if settled != tt.settled || tell != tt.tell {
			t.Errorf("%s: settled %v, tell %v; want %v, %v", tt.name, settled, tell, tt.settled, tt.tell)
		}
	}
}

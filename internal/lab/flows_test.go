package lab_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
)

// TestFlows: connections that are cut off are silent and go on when they can; what
// the stall was is told; those that the server closes have ended.
func TestFlows(t *testing.T) {
	p := newPair(t)
	at := netip.MustParseAddrPort("192.0.2.2:80")
	server, err := lab.StartBackend(p.b, at)
	if err != nil {
		t.Fatal(err)
	}
	flows, err := lab.StartFlows(p.a, at, 4, 10*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(flows.Stop)
	const limit = 10 * time.Second
	if s := flows.Survivors(time.Now(), limit); s.PingPong != 2 || s.Downloads != 2 || s.Ended+s.Silent != 0 {
		t.Fatalf("at first: %v", s)
	}
	if err := p.pb.Cut(); err != nil {
		t.Fatal(err)
	}
	cut := time.Now()
	flows.Mark()
	const gone = 200 * time.Millisecond
	if s := flows.Survivors(cut.Add(gone/2), gone); s.Silent != 4 || s.Alive() != 0 {
		t.Errorf("cut off: %v", s)
	}
	if err := p.pb.Restore(); err != nil {
		t.Fatal(err)
	}
	if s := flows.Survivors(time.Now(), limit); s.Alive() != 4 || s.Stall < gone || s.Stall > limit {
		t.Errorf("afterwards: %v", s)
	}
	server.Close()
	s := flows.Survivors(time.Now(), limit)
	if s.Ended != 4 || s.Err == nil || !strings.Contains(s.String(), "0 of 4 connections go on") {
		t.Errorf("the server closed them: %v", s)
	}
}

// TestFlowPace: what cannot be said to the server is refused.
func TestFlowPace(t *testing.T) {
	p := newPair(t)
	for _, pace := range []time.Duration{time.Millisecond, 15 * time.Millisecond, 3 * time.Second, -time.Second} {
		_, err := lab.StartFlow(p.a, netip.MustParseAddrPort("192.0.2.2:80"), lab.FlowOptions{Kind: lab.Download, Pace: pace})
		if err == nil || !strings.Contains(err.Error(), "want 10 ms to 2.55 s") {
			t.Errorf("%v: %v", pace, err)
		}
	}
}

package vrrp

import (
	"net/netip"
	"testing"
	"time"
)

// testParams is an IPv4 version 3 instance on eth0 with the given priority.
func testParams(priority uint8) *Params {
	return &Params{
		Name: "VI_1", Family: IPv4, Version: V3, VRID: 51, Link: "eth0", Group: netip.MustParseAddr("224.0.0.18"),
		Priority: priority, Interval: time.Second, DownAdverts: DefaultDownAdverts,
		Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.10")}, Auth: AuthNone, Form: ChecksumPseudo,
	}
}

// started returns a router with one instance on a link that is up.
func started(p *Params) *Router {
	r := NewRouter()
	r.Step(0, LinkChanged{Link{Name: "eth0", Index: 2, Up: true, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}})
	r.Step(0, Reconfigure{Instances: []*Params{p}})
	return r
}

// hear steps an advert of another router like p into r.
func hear(r *Router, now time.Duration, p *Params, src string, priority uint8) []Action {
	from := netip.MustParseAddr(src)
	a := Advert{Version: p.Version, VRID: p.VRID, Priority: priority, Interval: p.Interval, Addrs: p.Addrs, Auth: p.Auth, Password: p.Password, Form: p.Form}
	return r.Step(now, &AdvertReceived{Link: 2, Src: from, Dst: p.Group, TTL: 255, Payload: a.Append(nil, from, p.Group)})
}

func state(r *Router) InstanceState { return r.Snapshot(nil)[0] }

func TestBackupTakesOverAfterMasterDown(t *testing.T) {
	p := testParams(100)
	r := started(p)
	hear(r, time.Second, p, "192.0.2.2", 200)
	want := time.Second + 3*time.Second + 156*time.Second/256
	if d, _ := r.NextDeadline(); d != want {
		t.Fatalf("deadline %v, want %v", d, want)
	}
	var kinds []ActionKind
	for _, a := range r.Step(want, Timeout{}) {
		kinds = append(kinds, a.Kind)
	}
	if s := state(r); s.State != Master || s.Cause != CauseMasterTimeout {
		t.Fatalf("state %v because of %v", s.State, s.Cause)
	}
	if len(kinds) != 4 || kinds[0] != SendAdvert || kinds[1] != Transition || kinds[2] != Install || kinds[3] != Announce {
		t.Fatalf("actions %v", kinds)
	}
}

func TestPriorityZeroShortensTheWait(t *testing.T) {
	p := testParams(100)
	r := started(p)
	hear(r, time.Second, p, "192.0.2.2", 200)
	hear(r, 2*time.Second, p, "192.0.2.2", 0)
	if d, _ := r.NextDeadline(); d != 2*time.Second+156*time.Second/256 {
		t.Fatalf("deadline %v", d)
	}
}

package vrrp

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The host under test is on eth0 with these addresses, its peers have the
// others. Higher sorts after own, lower before.
const (
	ownAddr, lowerAddr, higherAddr    = "192.0.2.5", "192.0.2.1", "192.0.2.9"
	ownAddr6, lowerAddr6, higherAddr6 = "fe80::5", "fe80::1", "fe80::9"
	eth0                              = 2
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func ips(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range list {
		out = append(out, ip(s))
	}
	return out
}

// testParams is an IPv4 version 3 instance on eth0 with the given priority.
func testParams(priority uint8) *Params {
	return &Params{
		Name: "VI_1", Family: IPv4, Version: V3, VRID: 51, Link: "eth0", Group: ip("224.0.0.18"),
		Priority: priority, Interval: time.Second, DownAdverts: DefaultDownAdverts,
		Addrs: ips("192.0.2.10"), Auth: AuthNone, Form: ChecksumPseudo,
	}
}

// testParams2 is the same in version 2.
func testParams2(priority uint8) *Params {
	p := testParams(priority)
	p.Version, p.Form = V2, ChecksumPlain
	return p
}

// testParams6 is the same over IPv6.
func testParams6(priority uint8) *Params {
	p := testParams(priority)
	p.Family, p.Group, p.Addrs = IPv6, ip("ff02::12"), ips("fe80::10", "2001:db8::10")
	return p
}

// testUnicast is the same towards lowerAddr and higherAddr.
func testUnicast(priority uint8) *Params {
	p := testParams(priority)
	p.Group, p.Unicast, p.Source = netip.Addr{}, true, ip(ownAddr)
	p.Peers = []Peer{{ip(lowerAddr), 0, 255}, {ip(higherAddr), 0, 255}}
	p.CheckUnicastSource = true
	return p
}

// with returns a changed copy, for reloads and for peers.
func with(p *Params, change func(*Params)) *Params {
	q := *p
	change(&q)
	return &q
}

// host is a router and its clock.
type host struct {
	t   testing.TB
	r   *Router
	now time.Duration
}

// newHost starts a router with these instances at time 0; eth0 is up.
func newHost(t testing.TB, params ...*Params) *host {
	t.Helper()
	h := &host{t: t, r: NewRouter()}
	h.link(0, true, ownAddr, ownAddr6)
	h.reload(0, params...)
	return h
}

// newMaster is newHost run until its only instance is master.
func newMaster(t testing.TB, p *Params) *host {
	t.Helper()
	h := newHost(t, p)
	for h.state().State != Master {
		d, ok := h.r.NextDeadline()
		if !ok {
			t.Fatal("no master ever")
		}
		h.step(d, Timeout{})
	}
	return h
}

// step steps one event and tells what the router wants, see describe.
func (h *host) step(now time.Duration, ev Event) string {
	h.t.Helper()
	if now < h.now {
		h.t.Fatalf("the clock went from %v back to %v", h.now, now)
	}
	h.now = now
	return describe(h.r.Step(now, ev))
}

// until lets every deadline up to now act at its moment.
func (h *host) until(now time.Duration) string {
	h.t.Helper()
	var all []string
	for {
		d, ok := h.r.NextDeadline()
		if !ok || d > now {
			h.now = now
			return strings.Join(all, ", ")
		}
		if s := h.step(max(d, h.now), Timeout{}); s != "" {
			all = append(all, s)
		}
	}
}

func (h *host) reload(now time.Duration, params ...*Params) string {
	h.t.Helper()
	return h.step(now, Reconfigure{Instances: params})
}

func (h *host) link(now time.Duration, up bool, addrs ...string) string {
	h.t.Helper()
	return h.step(now, LinkChanged{Link{Name: "eth0", Index: eth0, Up: up, Addrs: ips(addrs...)}})
}

// hear steps an advert of a peer that is configured like the first instance.
func (h *host) hear(now time.Duration, src string, priority uint8) string {
	h.t.Helper()
	return h.hearFrom(now, h.r.instances[0].p, src, priority)
}

// hearFrom steps an advert of a peer that is configured like p.
func (h *host) hearFrom(now time.Duration, p *Params, src string, priority uint8) string {
	h.t.Helper()
	return h.step(now, packet(p, src, priority, nil))
}

func (h *host) state() InstanceState { return h.r.Snapshot(nil)[0] }

// expect compares what the router did with what it should have done.
func (h *host) expect(got, want string) {
	h.t.Helper()
	if got != want {
		h.t.Fatalf("at %v\n got: %s\nwant: %s", h.now, got, want)
	}
}

// expectState compares the state, cause and deadline of the first instance.
func (h *host) expectState(state State, cause Cause, deadline time.Duration) {
	h.t.Helper()
	if s := h.state(); s.State != state || s.Cause != cause || s.Deadline != deadline {
		h.t.Fatalf("at %v\n got: %v because of %v until %v\nwant: %v because of %v until %v",
			h.now, s.State, s.Cause, s.Deadline, state, cause, deadline)
	}
}

// packet is an advert of a peer that is configured like p, changed by change
// before it is encoded.
func packet(p *Params, src string, priority uint8, change func(*Advert)) *AdvertReceived {
	a := Advert{
		Version: p.Version, VRID: p.VRID, Priority: priority, Interval: p.Interval,
		Addrs: p.Addrs, Auth: p.Auth, Password: p.Password, Form: p.Form,
	}
	if change != nil {
		change(&a)
	}
	d := &AdvertReceived{Link: eth0, Src: ip(src), Dst: p.Group, TTL: 255}
	if p.Unicast {
		d.Dst = p.Source
	}
	d.Payload = a.Append(nil, d.Src, d.Dst)
	return d
}

// describe is a list of actions as text. The ID is told unless it is 1.
func describe(actions []Action) string {
	var out []string
	for i := range actions {
		a := &actions[i]
		s := a.Kind.String()
		switch a.Kind {
		case SendAdvert:
			s = fmt.Sprintf("send %d", a.Priority)
		case Transition:
			s = fmt.Sprintf("%v>%v %v", a.From, a.To, a.Cause)
		case Accepted:
			s = fmt.Sprintf("accepted %d", a.Priority)
		case Discarded, Noted:
			s += " " + a.Reason.String()
		case Added:
			s += " " + a.Params.Name
		case SourceChanged:
			s = fmt.Sprintf("source %v@%d", a.Src, a.Link)
		}
		if a.ID != 1 {
			s = fmt.Sprintf("#%d %s", a.ID, s)
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// tookOver is what an instance does when it becomes master.
func tookOver(priority uint8, from State, cause Cause) string {
	return fmt.Sprintf("send %d, %v>MASTER %v, install, announce", priority, from, cause)
}

const (
	second = time.Second
	ms     = time.Millisecond

	// down100 is the master down time of priority 100 at one second.
	down100 = 3*second + 156*second/256
	down200 = 3*second + 56*second/256
	skew100 = 156 * second / 256
)

// TestPackets is what leaves for a SendAdvert.
func TestPackets(t *testing.T) {
	t.Parallel()
	collect := func(a Action) []string {
		var out []string
		a.Packets(nil, func(o *Outgoing) {
			var got Advert
			if r := got.Parse(o.Payload, o.Src, o.Dst, 0); r != ReasonNone {
				t.Errorf("the packet for %v is wrong: %v", o.Dst, r)
			}
			out = append(out, fmt.Sprintf("%v>%v@%d v%v vrid %d priority %d every %v %v auth %v %q %v",
				o.Src, o.Dst, o.Link, got.Version, got.VRID, got.Priority, got.Interval, got.Addrs,
				got.Auth, string(got.Password[:6]), got.Form))
		})
		return out
	}
	send := func(p *Params, src string) Action {
		return Action{Kind: SendAdvert, ID: 1, Priority: 77, Params: p, Src: ip(src), Link: eth0}
	}
	for _, c := range []struct {
		name string
		a    Action
		want []string
	}{
		{"version 3", send(testParams(100), ownAddr), []string{
			`192.0.2.5>224.0.0.18@2 v3 vrid 51 priority 77 every 1s [192.0.2.10] auth unknown "\x00\x00\x00\x00\x00\x00" pseudo-header`,
		}},
		{"v3_checksum_as_v2", send(with(testParams(100), func(p *Params) { p.Form = ChecksumPlain }), ownAddr), []string{
			`192.0.2.5>224.0.0.18@2 v3 vrid 51 priority 77 every 1s [192.0.2.10] auth unknown "\x00\x00\x00\x00\x00\x00" message-only`,
		}},
		{"version 2 with password", send(secret(100), ownAddr), []string{
			`192.0.2.5>224.0.0.18@2 v2 vrid 51 priority 77 every 1s [192.0.2.10] auth PASS "secret" message-only`,
		}},
		{"ipv6", send(testParams6(100), ownAddr6), []string{
			`fe80::5>ff02::12@2 v3 vrid 51 priority 77 every 1s [fe80::10 2001:db8::10] auth unknown "\x00\x00\x00\x00\x00\x00" pseudo-header`,
		}},
		{"unicast: one each", send(testUnicast(100), ownAddr), []string{
			`192.0.2.5>192.0.2.1@2 v3 vrid 51 priority 77 every 1s [192.0.2.10] auth unknown "\x00\x00\x00\x00\x00\x00" pseudo-header`,
			`192.0.2.5>192.0.2.9@2 v3 vrid 51 priority 77 every 1s [192.0.2.10] auth unknown "\x00\x00\x00\x00\x00\x00" pseudo-header`,
		}},
		{"excluded addresses are not told", send(with(testParams(100), func(p *Params) { p.Excluded = ips("192.0.2.99") }), ownAddr), []string{
			`192.0.2.5>224.0.0.18@2 v3 vrid 51 priority 77 every 1s [192.0.2.10] auth unknown "\x00\x00\x00\x00\x00\x00" pseudo-header`,
		}},
		{"no source address", Action{Kind: SendAdvert, Params: testParams(100)}, nil},
	} {
		if d := cmp.Diff(c.want, collect(c.a)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

// TestSendTellsWhereFrom, so that it can be sent when the instance is gone.
func TestSendTellsWhereFrom(t *testing.T) {
	t.Parallel()
	p := testParams(100)
	h := newMaster(t, p)
	got := h.r.Step(h.now+second, Timeout{})
	want := Action{Kind: SendAdvert, ID: 1, Priority: 100, Params: p, Src: ip(ownAddr), Link: eth0}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

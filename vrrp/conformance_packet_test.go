package vrrp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// The tests of this and the other conformance_*_test.go files are named after
// the section of the specification that they are about. The table in
// conformance_rows_test.go lists them with what is required.

// sentBy is the first advert that a master sends from now on.
func sentBy(h *host) Outgoing {
	h.t.Helper()
	for range 3 {
		h.now, _ = h.r.NextDeadline()
		for _, a := range h.r.Step(h.now, Timeout{}) {
			if a.Kind == SendAdvert {
				return packetOf(h.t, &a)
			}
		}
	}
	h.t.Fatal("nothing was sent")
	return Outgoing{}
}

// packetOf is the only packet of a SendAdvert.
func packetOf(t testing.TB, a *Action) Outgoing {
	t.Helper()
	var all []Outgoing
	a.Packets(nil, func(o *Outgoing) { all = append(all, *o) })
	if len(all) != 1 {
		t.Fatalf("%d packets, want 1", len(all))
	}
	return all[0]
}

// deliver lets a backup like p hear what a peer like p sends, changed.
func deliver(t testing.TB, p *Params, change func(*AdvertReceived)) string {
	t.Helper()
	h := newHost(t, p)
	src := lowerAddr
	if p.Family == IPv6 {
		src = lowerAddr6
	}
	d := packet(p, src, 200, nil)
	change(d)
	return h.step(second, d)
}

// patched changes a message and puts its checksum right.
func patched(change func(b []byte)) func(*AdvertReceived) {
	return func(d *AdvertReceived) {
		change(d.Payload)
		b := d.Payload
		b[wireChecksum], b[wireChecksum+1] = 0, 0
		sum := sumWords(0, b)
		if b[0]>>4 == byte(V3) {
			sum += pseudoSum(d.Src, d.Dst, len(b))
		}
		binary.BigEndian.PutUint16(b[wireChecksum:], ^foldSum(sum))
	}
}

func TestRFC9568_2_5_DisplacementIsTold(t *testing.T) {
	t.Parallel()
	h := newMaster(t, with(testParams(100), func(p *Params) { p.Interval = 10 * ms }))
	// A backup that lost our adverts took over: told, with what is needed to log.
	got := h.r.Step(h.now+ms, packet(h.r.instances[0].p, lowerAddr, 50, nil))
	if got[0].Kind != Accepted || got[0].From != Master || got[0].Priority != 50 || got[0].Src != ip(lowerAddr) {
		t.Errorf("told as %+v", got[0])
	}
	h.expect(h.hear(h.now+2*ms, lowerAddr, 200), "accepted 200, remove, MASTER>BACKUP higher-priority-backup")
	again, _ := h.r.NextDeadline()
	h.expect(h.until(again), tookOver(100, Backup, CauseMasterTimeout))
}

func TestRFC9568_3_FamiliesAreIndependent(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams(100), with(testParams6(100), func(p *Params) { p.Name = "VI_6" }))
	h.hear(second, lowerAddr, 200)
	h.until(second + down100 - 1)
	for i, want := range []State{Backup, Master} {
		if got := h.r.Snapshot(nil)[i]; got.State != want {
			t.Errorf("%s is %v, want %v", got.Name, got.State, want)
		}
	}
}

func TestRFC9568_5_1_1_1_Source(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams(100))
	if o := sentBy(h); o.Src != ip(ownAddr) {
		t.Errorf("source %v, want the primary address %v", o.Src, ownAddr)
	}
	// Not the virtual address, though it is on the link of a master.
	h.link(h.now, true, "192.0.2.10", ownAddr)
	if o := sentBy(h); o.Src != ip(ownAddr) {
		t.Errorf("source %v, want the primary address %v", o.Src, ownAddr)
	}
}

func TestRFC9568_5_1_1_2_Destination(t *testing.T) {
	t.Parallel()
	if o := sentBy(newMaster(t, testParams(100))); o.Dst != ip("224.0.0.18") || o.Link != eth0 {
		t.Errorf("sent to %v on link %d", o.Dst, o.Link)
	}
}

func TestRFC9568_5_1_1_3_TTL(t *testing.T) {
	t.Parallel()
	for ttl := range 256 {
		want := "discarded ttl"
		if ttl == 255 {
			want = "accepted 200"
		}
		if got := deliver(t, testParams(100), func(d *AdvertReceived) { d.TTL = ttl }); got != want {
			t.Errorf("TTL %d: %s", ttl, got)
		}
	}
}

func TestRFC9568_5_1_2_1_Source(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams6(100))
	h.link(h.now, true, "2001:db8::5", ownAddr6, ownAddr)
	if o := sentBy(h); o.Src != ip(ownAddr6) {
		t.Errorf("source %v, want the link-local address %v", o.Src, ownAddr6)
	}
}

func TestRFC9568_5_1_2_2_Destination(t *testing.T) {
	t.Parallel()
	if o := sentBy(newMaster(t, testParams6(100))); o.Dst != ip("ff02::12") || o.Link != eth0 {
		t.Errorf("sent to %v on link %d", o.Dst, o.Link)
	}
}

func TestRFC9568_5_1_2_3_HopLimit(t *testing.T) {
	t.Parallel()
	for limit := range 256 {
		want := "discarded ttl"
		if limit == 255 {
			want = "accepted 200"
		}
		if got := deliver(t, testParams6(100), func(d *AdvertReceived) { d.TTL = limit }); got != want {
			t.Errorf("hop limit %d: %s", limit, got)
		}
	}
}

func TestRFC9568_5_2_1_Version(t *testing.T) {
	t.Parallel()
	if o := sentBy(newMaster(t, testParams(100))); o.Payload[0]>>4 != 3 {
		t.Errorf("version %d", o.Payload[0]>>4)
	}
}

func TestRFC9568_5_2_2_Type(t *testing.T) {
	t.Parallel()
	if o := sentBy(newMaster(t, testParams(100))); o.Payload[0]&0x0f != 1 {
		t.Errorf("type %d sent", o.Payload[0]&0x0f)
	}
	for typ := range byte(16) {
		want := "discarded type"
		if typ == 1 {
			want = "accepted 200"
		}
		got := deliver(t, testParams(100), patched(func(b []byte) { b[0] = 3<<4 | typ }))
		if got != want {
			t.Errorf("type %d: %s", typ, got)
		}
	}
}

func TestRFC9568_5_2_4_OwnerIs255(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	actions := h.r.Step(0, Reconfigure{Instances: []*Params{owner()}})
	if o := packetOf(t, &actions[2]); o.Payload[2] != 255 {
		t.Errorf("the owner advertises %d", o.Payload[2])
	}
}

func TestRFC9568_5_2_4_BackupPriorities(t *testing.T) {
	t.Parallel()
	for _, priority := range []uint8{1, 100, 254} {
		if o := sentBy(newMaster(t, testParams(priority))); o.Payload[2] != priority {
			t.Errorf("priority %d advertises %d", priority, o.Payload[2])
		}
	}
}

func TestRFC9568_5_2_4_ZeroMeansLeaving(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams(100))
	if o := sentBy(h); o.Payload[2] == 0 {
		t.Error("a master that stays advertises 0")
	}
	leave := h.r.Step(h.now, Shutdown{})
	if o := packetOf(t, &leave[0]); o.Payload[2] != 0 {
		t.Errorf("a leaving master advertises %d", o.Payload[2])
	}
	backup := newHost(t, testParams(100)) // has nothing to leave
	backup.expect(backup.step(0, Shutdown{}), "BACKUP>INIT shutdown")
}

func TestRFC9568_5_2_5_CountZero(t *testing.T) {
	t.Parallel()
	empty := func(strict bool) *Params {
		return with(testParams(100), func(p *Params) { p.Addrs, p.Strict = nil, strict })
	}
	none := func(p *Params) func(*AdvertReceived) {
		return func(d *AdvertReceived) { *d = *packet(p, lowerAddr, 200, func(a *Advert) { a.Addrs = nil }) }
	}
	for _, c := range []struct {
		name string
		p    *Params
		want string
	}{
		{"ignored", testParams(100), "discarded address-count"},
		{"no_virtual_ipaddress", empty(false), "noted no-addresses, accepted 200"},
		{"no_virtual_ipaddress, strict", empty(true), "discarded no-addresses"},
	} {
		if got := deliver(t, c.p, none(c.p)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestRFC9568_5_2_6_Reserve(t *testing.T) {
	t.Parallel()
	p := with(testParams(100), func(p *Params) { p.Interval = 40950 * ms })
	if o := sentBy(newMaster(t, p)); o.Payload[4]>>4 != 0 {
		t.Errorf("reserve %#x sent", o.Payload[4]>>4)
	}
	for reserve := range byte(16) {
		got := deliver(t, testParams(100), patched(func(b []byte) { b[4] |= reserve << 4 }))
		if got != "accepted 200" {
			t.Errorf("reserve %#x: %s", reserve, got)
		}
	}
}

func TestRFC9568_5_2_7_Interval(t *testing.T) {
	t.Parallel()
	for cs, interval := range map[uint16]time.Duration{1: 10 * ms, 100: second, 4095: 40950 * ms} {
		p := with(testParams(100), func(p *Params) { p.Interval = interval })
		if o := sentBy(newMaster(t, p)); binary.BigEndian.Uint16(o.Payload[4:]) != cs {
			t.Errorf("%v is sent as %d", interval, binary.BigEndian.Uint16(o.Payload[4:]))
		}
		h := newHost(t, testParams(100))
		d := packet(testParams(100), lowerAddr, 200, nil)
		patched(func(b []byte) { binary.BigEndian.PutUint16(b[4:], cs) })(d)
		h.step(0, d)
		if got := h.state().Interval; got != interval {
			t.Errorf("%d is received as %v", cs, got)
		}
	}
}

func TestRFC9568_5_2_8_ChecksumIPv4(t *testing.T) {
	t.Parallel()
	plain := with(testParams(100), func(p *Params) { p.Form = ChecksumPlain })
	// What RFC 9568 asks for is sent on request.
	if o := sentBy(newMaster(t, plain)); foldSum(sumWords(0, o.Payload)) != 0xffff {
		t.Error("v3_checksum_as_v2 does not send the form of RFC 9568")
	}
	// The default is what installed routers understand.
	o := sentBy(newMaster(t, testParams(100)))
	if foldSum(sumWords(0, o.Payload)+pseudoSum(o.Src, o.Dst, len(o.Payload))) != 0xffff {
		t.Error("the default does not send the form of installed keepalived")
	}
	// Both are accepted, with either setting, and nothing else.
	for _, p := range []*Params{plain, testParams(100)} {
		for form, want := range map[ChecksumForm]string{
			p.Form: "accepted 200", ChecksumPlain + ChecksumPseudo - p.Form: "noted checksum-form, accepted 200",
		} {
			h := newHost(t, p)
			h.expect(h.step(0, packet(p, lowerAddr, 200, func(a *Advert) { a.Form = form })), want)
		}
		for bit := range 16 {
			got := deliver(t, p, func(d *AdvertReceived) { d.Payload[wireChecksum+bit/8] ^= 1 << (bit % 8) })
			if got != "discarded checksum" {
				t.Errorf("bit %d of the checksum wrong: %s", bit, got)
			}
		}
	}
}

func TestRFC9568_5_2_8_ChecksumIPv6(t *testing.T) {
	t.Parallel()
	o := sentBy(newMaster(t, testParams6(100)))
	if foldSum(sumWords(0, o.Payload)+pseudoSum(o.Src, o.Dst, len(o.Payload))) != 0xffff {
		t.Error("sent without the pseudo-header")
	}
	if got := deliver(t, testParams6(100), func(*AdvertReceived) {}); got != "accepted 200" {
		t.Errorf("with the pseudo-header: %s", got)
	}
	got := deliver(t, testParams6(100), func(d *AdvertReceived) { reseal(d.Payload) })
	if got != "discarded checksum" {
		t.Errorf("without the pseudo-header: %s", got)
	}
}

func TestRFC9568_5_2_9_FirstIsLinkLocal(t *testing.T) {
	t.Parallel()
	// Sent as configured; the configuration is checked when it is read.
	o := sentBy(newMaster(t, testParams6(100)))
	if first := netip.AddrFrom16([16]byte(o.Payload[wireHeaderLen:])); first != ip("fe80::10") {
		t.Errorf("first address %v", first)
	}
	for strict, want := range map[bool]string{
		false: "noted not-link-local, noted address-list, accepted 200", true: "discarded not-link-local",
	} {
		p := with(testParams6(100), func(p *Params) { p.Strict = strict })
		h := newHost(t, p)
		h.expect(h.step(0, packet(p, lowerAddr6, 200, func(a *Advert) { a.Addrs = ips("2001:db8::10") })), want)
		h.expect(h.step(0, packet(p, lowerAddr6, 200, nil)), "accepted 200")
	}
}

func TestRFC9568_5_2_9_Family(t *testing.T) {
	t.Parallel()
	// A message over IPv4 is as long as its count of IPv4 addresses says: one
	// with an IPv6 address is not.
	six := packet(testParams6(100), lowerAddr6, 200, nil).Payload
	got := deliver(t, testParams(100), func(d *AdvertReceived) { d.Payload = six })
	if got != "discarded length" {
		t.Errorf("IPv6 addresses over IPv4: %s", got)
	}
	four := packet(testParams(100), lowerAddr, 200, nil).Payload
	got = deliver(t, testParams6(100), func(d *AdvertReceived) { d.Payload = four })
	if got != "discarded length" {
		t.Errorf("IPv4 addresses over IPv6: %s", got)
	}
	for _, mixed := range [][]netip.Addr{ips("192.0.2.10", "2001:db8::1"), ips("2001:db8::1")} {
		if !panics(func() { (&Advert{Version: V3, Addrs: mixed}).Append(nil, ip(ownAddr), ip("224.0.0.18")) }) {
			t.Errorf("%v was sent over IPv4", mixed)
		}
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

func TestRFC9568_6_1_SkewTime(t *testing.T) {
	t.Parallel()
	// After a leave the wait is the skew, by the learned interval.
	for _, interval := range []time.Duration{10 * ms, 250 * ms, second, 40950 * ms} {
		for _, priority := range []uint8{1, 100, 254} {
			h := newHost(t, testParams(priority))
			h.step(0, packet(testParams(priority), lowerAddr, 254, func(a *Advert) { a.Interval = interval }))
			h.hear(0, lowerAddr, 0)
			h.expectState(Backup, CauseStartup, interval*time.Duration(256-int(priority))/256)
		}
	}
}

func TestRFC9568_6_1_ActiveDownInterval(t *testing.T) {
	t.Parallel()
	for _, interval := range []time.Duration{10 * ms, 250 * ms, second, 40950 * ms} {
		for _, priority := range []uint8{1, 100, 254} {
			h := newHost(t, testParams(priority))
			h.step(0, packet(testParams(priority), lowerAddr, 254, func(a *Advert) { a.Interval = interval }))
			h.expectState(Backup, CauseStartup, 3*interval+interval*time.Duration(256-int(priority))/256)
		}
	}
}

func TestRFC9568_6_1_PreemptMode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		priority  uint8
		nopreempt bool
		preempts  bool
	}{
		{100, false, true}, // the default
		{100, true, false},
		{255, false, true},
		{255, true, true}, // the owner always does
	} {
		t.Run(fmt.Sprintf("priority %d, nopreempt %v", c.priority, c.nopreempt), func(t *testing.T) {
			t.Parallel()
			h := newHost(t, with(testParams(c.priority), func(p *Params) { p.Nopreempt = c.nopreempt }))
			for now := time.Duration(0); now < 10*second; now += second {
				h.until(now)
				h.hear(now, lowerAddr, 50)
			}
			if got := h.state().State == Master; got != c.preempts {
				t.Errorf("pre-empted: %v", got)
			}
		})
	}
}

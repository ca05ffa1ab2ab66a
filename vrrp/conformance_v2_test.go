package vrrp

import (
	"testing"
	"time"
)

func TestRFC3768_5_2_Header(t *testing.T) {
	t.Parallel()
	if o := sentBy(newMaster(t, testParams2(100))); o.Src != ip(ownAddr) || o.Dst != ip("224.0.0.18") || o.Link != eth0 {
		t.Errorf("sent from %v to %v on link %d", o.Src, o.Dst, o.Link)
	}
}

func TestRFC3768_5_2_3_TTL(t *testing.T) {
	t.Parallel()
	for _, ttl := range []int{0, 1, 64, 254, 255} {
		want := "discarded ttl"
		if ttl == 255 {
			want = "accepted 200"
		}
		if got := deliver(t, testParams2(100), func(d *AdvertReceived) { d.TTL = ttl }); got != want {
			t.Errorf("TTL %d: %s", ttl, got)
		}
	}
}

func TestRFC3768_5_3_2_Type(t *testing.T) {
	t.Parallel()
	for typ := range byte(16) {
		want := "discarded type"
		if typ == 1 {
			want = "accepted 200"
		}
		if got := deliver(t, testParams2(100), patched(func(b []byte) { b[0] = 2<<4 | typ })); got != want {
			t.Errorf("type %d: %s", typ, got)
		}
	}
}

func TestRFC3768_5_3_4_Priorities(t *testing.T) {
	t.Parallel()
	for _, priority := range []uint8{1, 100, 254, 255} {
		if o := sentBy(newMaster(t, testParams2(priority))); o.Payload[2] != priority {
			t.Errorf("priority %d advertises %d", priority, o.Payload[2])
		}
	}
}

func TestRFC3768_5_3_6_AuthType(t *testing.T) {
	t.Parallel()
	for typ := range byte(4) {
		for _, c := range []struct {
			p    *Params
			want byte
		}{{testParams2(100), 0}, {secret(100), 1}} {
			want := "discarded auth-type"
			if typ == c.want {
				want = "accepted 200"
			}
			if got := deliver(t, c.p, patched(func(b []byte) { b[4] = typ })); got != want {
				t.Errorf("%v hears type %d: %s", c.p.Auth, typ, got)
			}
		}
	}
}

func TestRFC3768_5_3_7_Interval(t *testing.T) {
	t.Parallel()
	for _, seconds := range []byte{1, 100, 255} {
		p := with(testParams2(100), func(p *Params) { p.Interval = time.Duration(seconds) * second })
		if o := sentBy(newMaster(t, p)); o.Payload[5] != seconds {
			t.Errorf("%d s is sent as %d", seconds, o.Payload[5])
		}
	}
}

func TestRFC3768_5_3_8_Checksum(t *testing.T) {
	t.Parallel()
	if o := sentBy(newMaster(t, testParams2(100))); foldSum(sumWords(0, o.Payload)) != 0xffff {
		t.Error("the checksum does not cover the message")
	}
	for bit := range 16 {
		got := deliver(t, testParams2(100), func(d *AdvertReceived) { d.Payload[wireChecksum+bit/8] ^= 1 << (bit % 8) })
		if got != "discarded checksum" {
			t.Errorf("bit %d of the checksum wrong: %s", bit, got)
		}
	}
	// The form of version 3 is wrong here.
	got := deliver(t, testParams2(100), func(d *AdvertReceived) {
		d.Payload[wireChecksum], d.Payload[wireChecksum+1] = 0, 0
		sum := ^foldSum(sumWords(0, d.Payload) + pseudoSum(d.Src, d.Dst, len(d.Payload)))
		d.Payload[wireChecksum], d.Payload[wireChecksum+1] = byte(sum>>8), byte(sum)
	})
	if got != "discarded checksum" {
		t.Errorf("with a pseudo-header: %s", got)
	}
}

func TestRFC3768_5_3_10_AuthData(t *testing.T) {
	t.Parallel()
	o := sentBy(newMaster(t, with(testParams2(100), func(p *Params) { p.Password = PasswordFrom("secret") })))
	if data := [8]byte(o.Payload[len(o.Payload)-8:]); data != [8]byte{} {
		t.Errorf("authentication data %x sent without authentication", data)
	}
	got := deliver(t, testParams2(100), patched(func(b []byte) { b[len(b)-1] = 0x77 }))
	if got != "accepted 200" {
		t.Errorf("authentication data without authentication: %s", got)
	}
}

func TestRFC3768_6_1_Timers(t *testing.T) {
	t.Parallel()
	for _, interval := range []time.Duration{second, 10 * second} {
		for _, priority := range []uint8{1, 100, 254} {
			h := newHost(t, with(testParams2(priority), func(p *Params) { p.Interval = interval }))
			skew := time.Duration(256-int(priority)) * second / 256
			h.expectState(Backup, CauseStartup, 3*interval+skew)
			h.hear(0, lowerAddr, 0)
			h.expectState(Backup, CauseStartup, skew)
		}
	}
}

func TestRFC3768_6_1_OwnerPreempts(t *testing.T) {
	t.Parallel()
	h := newHost(t, with(testParams2(255), func(p *Params) { p.Nopreempt = true }))
	h.hear(second, lowerAddr, 254)
	h.expect(h.until(3*second+second/256), tookOver(255, Backup, CauseOwner))
}

func TestRFC3768_6_4_1_Start(t *testing.T) {
	t.Parallel()
	h := newHost(t, with(testParams2(255), func(p *Params) { p.StartMaster = true }))
	h.expectState(Master, CauseStartup, second)
	h = newHost(t, testParams2(254))
	h.expectState(Backup, CauseStartup, 3*second+2*second/256)
}

func TestRFC3768_6_4_2_NoAddresses(t *testing.T) {
	t.Parallel()
	neverInstalled(t, testParams2(100), lowerAddr)
}

func TestRFC3768_6_4_2_Shutdown(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams2(100))
	h.expect(h.step(second, Shutdown{}), "BACKUP>INIT shutdown")
	h.expectState(Init, CauseShutdown, Forever)
}

func TestRFC3768_6_4_2_TimerFires(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams2(100))
	h.expect(h.until(down100-1), "")
	h.expect(h.until(down100), tookOver(100, Backup, CauseMasterTimeout))
	h.expectState(Master, CauseMasterTimeout, down100+second)
}

func TestRFC3768_6_4_2_PriorityZero(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams2(100))
	h.hear(second, lowerAddr, 200)
	h.hear(2*second, lowerAddr, 0)
	h.expectState(Backup, CauseStartup, 2*second+skew100)
}

func TestRFC3768_6_4_2_Follows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		nopreempt bool
		priority  uint8
		deadline  time.Duration
	}{
		{false, 101, second + down100},
		{false, 100, second + down100},
		{true, 99, second + down100},
		{false, 99, down100},
	} {
		h := newHost(t, with(testParams2(100), func(p *Params) { p.Nopreempt = c.nopreempt }))
		h.hear(second, lowerAddr, c.priority)
		h.expectState(Backup, CauseStartup, c.deadline)
	}
}

func TestRFC3768_6_4_3_Shutdown(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams2(100))
	h.expect(h.step(h.now+ms, Shutdown{}), "send 0, remove, MASTER>INIT shutdown")
	h.expectState(Init, CauseShutdown, Forever)
}

func TestRFC3768_6_4_3_AdverTimer(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams2(100))
	next := h.now + second
	h.expect(h.until(next-1), "")
	h.expect(h.until(next), "send 100")
	h.expectState(Master, CauseMasterTimeout, next+second)
}

func TestRFC3768_6_4_3_PriorityZero(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams2(100))
	now := h.now + 700*ms
	h.expect(h.hear(now, lowerAddr, 0), "accepted 0, send 100, announce-lower")
	h.expectState(Master, CauseMasterTimeout, now+second)
}

func TestRFC3768_6_4_3_GivesWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		src      string
		priority uint8
		gives    bool
	}{
		{lowerAddr, 101, true},
		{higherAddr, 100, true},
		{lowerAddr, 100, false},
		{higherAddr, 99, false},
	} {
		h := newMaster(t, testParams2(100))
		now := h.now + ms
		h.hear(now, c.src, c.priority)
		if c.gives {
			h.expectState(Backup, CauseHigherPriority, now+down100)
		} else {
			h.expectState(Master, CauseMasterTimeout, now+second)
		}
	}
}

// TestRFC3768_6_4_3_Loser: the specification only discards; like keepalived we
// also answer, which silences the loser.
func TestRFC3768_6_4_3_Loser(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams2(100))
	h.expect(h.hear(h.now+ms, lowerAddr, 99), "accepted 99, send 100, announce-lower")
	h = newMaster(t, with(testParams2(100), func(p *Params) { p.LowerPrioNoAdvert = true }))
	h.expect(h.hear(h.now+ms, lowerAddr, 99), "accepted 99, announce-lower")
}

func TestRFC3768_7_1_Ladder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*AdvertReceived)
		want   string
	}{
		{"nothing is wrong", func(*AdvertReceived) {}, "accepted 200"},
		{"version 3", patched(func(b []byte) { b[0] = 0x31 }), "discarded version"},
		{"version 1", patched(func(b []byte) { b[0] = 0x11 }), "discarded version"},
		{"no authentication data", func(d *AdvertReceived) { d.Payload = d.Payload[:12]; reseal(d.Payload) }, "discarded length"},
		{"half of it", func(d *AdvertReceived) { d.Payload = d.Payload[:16]; reseal(d.Payload) }, "discarded length"},
		{"one address less than counted", patched(func(b []byte) { b[3] = 2 }), "discarded length"},
		{"checksum", func(d *AdvertReceived) { d.Payload[2]++ }, "discarded checksum"},
		{"vrid not configured", patched(func(b []byte) { b[1]++ }), "#0 discarded vrid"},
		{"vrid configured on another interface", func(d *AdvertReceived) { d.Link++ }, "#0 discarded vrid"},
	} {
		if got := deliver(t, testParams2(100), c.change); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestRFC3768_7_1_Owner(t *testing.T) {
	t.Parallel()
	p := with(testParams2(255), func(p *Params) { p.StartMaster = true })
	h := newHost(t, p)
	h.expect(h.hear(ms, lowerAddr, 200), "accepted 200, send 255, announce-lower")
	h = newHost(t, with(p, func(p *Params) { p.OwnerIgnoreAdverts = true }))
	h.expect(h.hear(ms, lowerAddr, 200), "discarded owner-ignores")
}

func TestRFC3768_7_1_Password(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		got := deliver(t, secret(100), patched(func(b []byte) { b[len(b)-8+i] ^= 1 }))
		if got != "discarded auth" {
			t.Errorf("byte %d of the password wrong: %s", i, got)
		}
	}
	if got := deliver(t, secret(100), func(*AdvertReceived) {}); got != "accepted 200" {
		t.Errorf("the right password: %s", got)
	}
}

func TestRFC3768_7_1_Addresses(t *testing.T) {
	t.Parallel()
	for _, priority := range []uint8{200, 255} {
		for strict, want := range map[bool]string{false: "noted address-list, accepted", true: "discarded address-list"} {
			h := newHost(t, with(testParams2(100), func(p *Params) { p.Strict = strict }))
			got := h.step(0, packet(testParams2(100), lowerAddr, priority, func(a *Advert) { a.Addrs = ips("192.0.2.99") }))
			if len(got) < len(want) || got[:len(want)] != want {
				t.Errorf("priority %d, strict %v: %s", priority, strict, got)
			}
		}
	}
}

func TestRFC3768_7_1_Interval(t *testing.T) {
	t.Parallel()
	p := with(testParams2(100), func(p *Params) { p.Interval = 2 * second })
	for seconds, want := range map[byte]string{
		0: "discarded interval", 1: "discarded interval-mismatch", 2: "accepted 200", 3: "discarded interval-mismatch",
		255: "discarded interval-mismatch",
	} {
		if got := deliver(t, p, patched(func(b []byte) { b[5] = seconds })); got != want {
			t.Errorf("%d s: %s", seconds, got)
		}
	}
}

func TestRFC3768_7_2_Fields(t *testing.T) {
	t.Parallel()
	p := with(secret(77), func(p *Params) { p.VRID, p.Interval, p.Addrs = 9, 7*second, ips("192.0.2.11", "192.0.2.10") })
	o := sentBy(newMaster(t, p))
	var a Advert
	if r := a.Parse(o.Payload, o.Src, o.Dst, V2); r != ReasonNone {
		t.Fatalf("the receiver says %v", r)
	}
	if a.VRID != 9 || a.Priority != 77 || a.Interval != 7*second || a.Auth != AuthPass || a.Password != p.Password ||
		len(a.Addrs) != 2 || a.Addrs[0] != ip("192.0.2.11") || a.Addrs[1] != ip("192.0.2.10") {
		t.Errorf("sent %+v", a)
	}
}

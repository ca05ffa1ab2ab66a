package vrrp

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// rung is one check of the receive ladder: a change to a good packet that
// fails it and nothing before it.
type rung struct {
	name   string
	reason Reason
	// advert changes the message before it is encoded, packet the rest after.
	advert func(*Advert)
	packet func(*AdvertReceived)
	// found is 0 where the packet is not counted for the instance.
	found ID
}

// reseal puts the checksum of a changed version 2 message right.
func reseal(b []byte) {
	b[wireChecksum], b[wireChecksum+1] = 0, 0
	sum := ^foldSum(sumWords(0, b))
	b[wireChecksum], b[wireChecksum+1] = byte(sum>>8), byte(sum)
}

// ladder is every rung that a version 2 multicast packet can fail, in order.
// Version 2 has the most of them. Breaking one does not mend another.
func ladder() []rung {
	payload := func(change func(b []byte)) func(*AdvertReceived) {
		return func(d *AdvertReceived) { change(d.Payload); reseal(d.Payload) }
	}
	return []rung{
		{"ttl", ReasonTTL, nil, func(d *AdvertReceived) { d.TTL = 254 }, 1},
		{"version", ReasonVersion, nil, payload(func(b []byte) { b[0] = b[0]&0x0f | 0x40 }), 1},
		{"type", ReasonType, nil, payload(func(b []byte) { b[0] = b[0]&0xf0 | 2 }), 1},
		{"length", ReasonLength, nil, func(d *AdvertReceived) {
			d.Payload = append(d.Payload, 0, 0, 0, 0)
			reseal(d.Payload)
		}, 1},
		{"checksum", ReasonChecksum, nil, func(d *AdvertReceived) { d.Payload[wireChecksum] ^= 0x55 }, 1},
		{"interval 0", ReasonInterval, nil, payload(func(b []byte) { b[5] = 0 }), 1},
		{"vrid", ReasonVRID, func(a *Advert) { a.VRID++ }, nil, 0},
		{"own address", ReasonOwnAddress, nil, func(d *AdvertReceived) { d.Src = ip(ownAddr) }, 1},
		{"no addresses", ReasonAddrCount, func(a *Advert) { a.Addrs = nil }, nil, 1},
		{"auth type", ReasonAuthType, func(a *Advert) { a.Auth = AuthNone }, nil, 1},
		{"password", ReasonAuth, func(a *Advert) { a.Password[0]++ }, nil, 1},
		{"interval differs", ReasonIntervalMismatch, func(a *Advert) { a.Interval += second }, nil, 1},
	}
}

// broken is a packet for p that fails all the given rungs. What is done to the
// message comes first; then from the last rung to the first, so that a wrong
// checksum stays wrong.
func broken(p *Params, rungs ...rung) *AdvertReceived {
	d := packet(p, lowerAddr, 200, func(a *Advert) {
		for _, r := range rungs {
			if r.advert != nil {
				r.advert(a)
			}
		}
	})
	for i := len(rungs) - 1; i >= 0; i-- {
		if rungs[i].packet != nil {
			rungs[i].packet(d)
		}
	}
	return d
}

func secret(priority uint8) *Params {
	p := testParams2(priority)
	p.Auth, p.Password = AuthPass, PasswordFrom("secret")
	return p
}

func TestLadderAcceptsAGoodPacket(t *testing.T) {
	t.Parallel()
	h := newHost(t, secret(100))
	h.expect(h.step(second, broken(h.r.instances[0].p)), "accepted 200")
}

func TestLadderRungs(t *testing.T) {
	t.Parallel()
	for _, r := range ladder() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, secret(100))
			d := broken(h.r.instances[0].p, r)
			before, _ := h.r.NextDeadline()
			got := h.r.Step(second, d)
			if len(got) != 1 || got[0].Kind != Discarded || got[0].Reason != r.reason || got[0].ID != r.found {
				t.Fatalf("got %s, want it discarded because of %v", describe(got), r.reason)
			}
			if got[0].Src != d.Src || got[0].Link != eth0 {
				t.Errorf("from %v on link %d, want %v on %d", got[0].Src, got[0].Link, d.Src, eth0)
			}
			if !r.reason.Discards() {
				t.Errorf("%v is not listed as a reason to discard", r.reason)
			}
			if after, _ := h.r.NextDeadline(); after != before {
				t.Errorf("a discarded packet moved the timer from %v to %v", before, after)
			}
		})
	}
}

// TestLadderOrder is the rule that a packet is counted once, under the first
// check that it fails.
func TestLadderOrder(t *testing.T) {
	t.Parallel()
	rungs := ladder()
	for i, first := range rungs {
		for _, second := range rungs[i+1:] {
			if first.name == "auth type" && second.name == "password" {
				continue // a packet without a password has no wrong one
			}
			t.Run(first.name+" before "+second.name, func(t *testing.T) {
				t.Parallel()
				h := newHost(t, secret(100))
				h.expectReason(broken(h.r.instances[0].p, first, second), first.reason)
			})
		}
	}
}

// expectReason steps a packet that must be discarded for this reason.
func (h *host) expectReason(d *AdvertReceived, want Reason) {
	h.t.Helper()
	got := h.r.Step(h.now, d)
	if len(got) != 1 || got[0].Kind != Discarded || got[0].Reason != want {
		h.t.Fatalf("got %q, want it discarded because of %v", describe(got), want)
	}
}

// TestReasonsAreDeclaredInTheOrderOfTheLadder keeps the promise of reason.go.
func TestReasonsAreDeclaredInTheOrderOfTheLadder(t *testing.T) {
	t.Parallel()
	last := ReasonForeign
	for _, r := range ladder() {
		if r.reason <= last {
			t.Errorf("%v is tried after %v but declared before it", r.reason, last)
		}
		last = r.reason
	}
}

// carp is an announcement of CARP with our VRID as its virtual host ID.
func carp(ttl int) *AdvertReceived {
	b := make([]byte, carpLen)
	b[0], b[1], b[3] = 0x21, 51, carpAuthLen
	return &AdvertReceived{Link: eth0, Src: ip(lowerAddr), Dst: ip("224.0.0.18"), TTL: ttl, Payload: b}
}

func TestForeignProtocol(t *testing.T) {
	t.Parallel()
	for _, p := range []*Params{testParams2(100), testParams(100)} {
		for _, ttl := range []int{255, 64} {
			h := newHost(t, p)
			h.expectReason(carp(ttl), ReasonForeign)
		}
	}
}

func TestShortPackets(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams(100))
	whole := packet(h.r.instances[0].p, lowerAddr, 200, nil)
	for n := range len(whole.Payload) {
		d := *whole
		d.Payload = whole.Payload[:n]
		h.expectReason(&d, ReasonLength)
	}
}

func TestFamilyOfTheHeader(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams(100))
	d := packet(h.r.instances[0].p, lowerAddr, 200, nil)
	d.Src = ip(lowerAddr6)
	h.expectReason(d, ReasonFamily)
}

func TestTTL(t *testing.T) {
	t.Parallel()
	bounded := with(testUnicast(100), func(p *Params) {
		p.Peers = []Peer{{ip(lowerAddr), 10, 20}, {ip(higherAddr), 0, 255}}
	})
	for _, c := range []struct {
		name string
		p    *Params
		src  string
		ttl  int
		want string
	}{
		{"multicast 255", testParams(100), lowerAddr, 255, "accepted 200"},
		{"multicast 254", testParams(100), lowerAddr, 254, "discarded ttl"},
		{"multicast 1", testParams(100), lowerAddr, 1, "discarded ttl"},
		{"multicast 0", testParams(100), lowerAddr, 0, "discarded ttl"},
		{"multicast not told", testParams(100), lowerAddr, -1, "accepted 200"},
		{"ipv6 255", testParams6(100), lowerAddr6, 255, "accepted 200"},
		{"ipv6 64", testParams6(100), lowerAddr6, 64, "discarded ttl"},
		{"unicast below min_ttl", bounded, lowerAddr, 9, "discarded ttl"},
		{"unicast min_ttl", bounded, lowerAddr, 10, "accepted 200"},
		{"unicast max_ttl", bounded, lowerAddr, 20, "accepted 200"},
		{"unicast above max_ttl", bounded, lowerAddr, 21, "discarded ttl"},
		{"unicast not told", bounded, lowerAddr, -1, "accepted 200"},
		{"another peer is not bounded: 0", bounded, higherAddr, 0, "accepted 200"},
		{"another peer is not bounded: 255", bounded, higherAddr, 255, "accepted 200"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, c.p)
			d := packet(c.p, c.src, 200, nil)
			d.TTL = c.ttl
			h.expect(h.step(second, d), c.want)
		})
	}
	t.Run("multicast of no instance", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, testParams(100))
		d := packet(testParams(100), lowerAddr, 200, func(a *Advert) { a.VRID = 7 })
		d.TTL = 254
		h.expect(h.step(second, d), "#0 discarded ttl")
	})
	t.Run("unicast of no instance", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, testParams(100))
		d := packet(testUnicast(100), lowerAddr, 200, func(a *Advert) { a.VRID = 7 })
		d.TTL = 3
		h.expect(h.step(second, d), "#0 discarded vrid")
	})
}

func TestDemux(t *testing.T) {
	t.Parallel()
	const stranger = "192.0.2.77"
	open := with(testUnicast(100), func(p *Params) { p.CheckUnicastSource = false })
	noLink := with(testUnicast(100), func(p *Params) { p.Link = "" })
	for _, c := range []struct {
		name   string
		p      *Params
		src    string
		change func(*AdvertReceived)
		want   string
	}{
		{"the group", testParams(100), lowerAddr, nil, "accepted 200"},
		{"another link", testParams(100), lowerAddr, func(d *AdvertReceived) { d.Link++ }, "#0 discarded vrid"},
		{"another group", testParams(100), lowerAddr, func(d *AdvertReceived) { d.Dst = ip("224.0.0.77") }, "#0 discarded vrid"},
		{"unicast to a multicast instance", testParams(100), lowerAddr, func(d *AdvertReceived) { d.Dst = ip(ownAddr) }, "discarded destination"},
		{"a listed peer", testUnicast(100), higherAddr, nil, "accepted 200"},
		{"a stranger", testUnicast(100), stranger, nil, "discarded unicast-source"},
		{"a stranger without vrrp_check_unicast_src", open, stranger, nil, "accepted 200"},
		{"multicast to a unicast instance", testUnicast(100), lowerAddr, func(d *AdvertReceived) { d.Dst = ip("224.0.0.18") }, "discarded destination"},
		{"unicast to another address of ours", testUnicast(100), lowerAddr, func(d *AdvertReceived) { d.Dst = ip("192.0.2.6") }, "#0 discarded vrid"},
		{"unicast on another link", testUnicast(100), lowerAddr, func(d *AdvertReceived) { d.Link++ }, "#0 discarded vrid"},
		{"unicast without interface on any link", noLink, lowerAddr, func(d *AdvertReceived) { d.Link += 7 }, "accepted 200"},
		{"own address", testParams(100), ownAddr, nil, "discarded own-address"},
		{"own address by unicast", open, ownAddr, nil, "discarded own-address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, c.p)
			d := packet(c.p, c.src, 200, nil)
			if c.change != nil {
				c.change(d)
				// The addresses are part of the checksum.
				a := Advert{Version: V3, VRID: 51, Priority: 200, Interval: second, Addrs: c.p.Addrs}
				d.Payload = a.Append(nil, d.Src, d.Dst)
			}
			h.expect(h.step(second, d), c.want)
		})
	}
}

// TestDemuxByPeers is keepalived's re-use of a VRID for disjoint sets of peers.
func TestDemuxByPeers(t *testing.T) {
	t.Parallel()
	a := with(testUnicast(100), func(p *Params) { p.Name, p.Peers = "A", []Peer{{ip(lowerAddr), 0, 255}} })
	b := with(testUnicast(100), func(p *Params) { p.Name, p.Peers = "B", []Peer{{ip(higherAddr), 0, 255}} })
	h := newHost(t, a, b)
	h.expect(h.step(second, packet(a, lowerAddr, 200, nil)), "accepted 200")
	h.expect(h.step(second, packet(b, higherAddr, 200, nil)), "#2 accepted 200")
	h.expect(h.step(second, packet(b, "192.0.2.77", 200, nil)), "discarded unicast-source")
	open := with(b, func(p *Params) { p.CheckUnicastSource = false })
	h.reload(second, a, open)
	h.expect(h.step(second, packet(b, "192.0.2.77", 200, nil)), "#2 accepted 200")
}

// TestDemuxByFamily: IPv4 and IPv6 virtual routers with one VRID are two.
func TestDemuxByFamily(t *testing.T) {
	t.Parallel()
	four, six := testParams(100), with(testParams6(100), func(p *Params) { p.Name = "VI_6" })
	h := newHost(t, four, six)
	h.expect(h.hearFrom(second, four, lowerAddr, 200), "accepted 200")
	h.expect(h.hearFrom(second, six, lowerAddr6, 200), "#2 accepted 200")
}

func TestOwnerIgnoresAdverts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		priority uint8
		ignore   bool
		want     string
	}{
		{"owner that listens", 255, false, "accepted 200, send 255, announce-lower"},
		{"owner that ignores", 255, true, "discarded owner-ignores"},
		{"not the owner", 100, true, "accepted 200, MASTER>BACKUP higher-priority-backup"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newMaster(t, with(testParams(c.priority), func(p *Params) { p.OwnerIgnoreAdverts = c.ignore }))
			got := h.hear(h.now+10*ms, lowerAddr, 200)
			h.expect(strings.Replace(got, "remove, ", "", 1), c.want)
		})
	}
}

func TestStartupDelayIgnoresAdverts(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	p := testParams(100)
	h.expect(h.step(second, Reconfigure{Start: 5 * second, Instances: []*Params{p}}), "added VI_1, source 192.0.2.5@2")
	h.expect(h.hear(2*second, lowerAddr, 200), "discarded startup")
	h.expectState(Init, CauseStartup, 5*second)
	h.expect(h.until(5*second), "INIT>BACKUP startup")
	h.expect(h.hear(5*second, lowerAddr, 200), "accepted 200")
}

// TestToleratedOddities are adverts that are counted and followed; strict mode
// discards those of them that RFC 9568 calls wrong.
func TestToleratedOddities(t *testing.T) {
	t.Parallel()
	none := with(testParams(100), func(p *Params) { p.Addrs = nil })
	two := with(testParams(100), func(p *Params) { p.Addrs = ips("192.0.2.10", "192.0.2.11") })
	for _, c := range []struct {
		name   string
		p      *Params
		change func(*Advert)
		reason Reason
		strict bool // discards it
	}{
		{"none of the addresses", testParams(100), func(a *Advert) { a.Addrs = ips("192.0.2.99") }, ReasonAddrList, true},
		{"one address more", testParams(100), func(a *Advert) { a.Addrs = ips("192.0.2.10", "192.0.2.11") }, ReasonAddrList, true},
		{"one address twice", two, func(a *Advert) { a.Addrs = ips("192.0.2.10", "192.0.2.10") }, ReasonAddrList, true},
		{"version 2, other address", testParams2(100), func(a *Advert) { a.Addrs = ips("192.0.2.99") }, ReasonAddrList, true},
		{"other order", two, func(a *Advert) { a.Addrs = ips("192.0.2.11", "192.0.2.10") }, ReasonNone, false},
		{"no address on either side", none, nil, ReasonNoAddresses, true},
		{"first not link-local", with(testParams6(100), func(p *Params) { p.Addrs = ips("2001:db8::10", "fe80::10") }), nil, ReasonNotLinkLocal, true},
		{"first link-local", testParams6(100), nil, ReasonNone, false},
		{"ipv6 has one form whatever v3_checksum_as_v2 says", with(testParams6(100), func(p *Params) { p.Form = ChecksumPlain }), nil, ReasonNone, false},
		{"interval", testParams(100), func(a *Advert) { a.Interval = 2 * second }, ReasonIntervalDiffers, false},
		{"checksum form", testParams(100), func(a *Advert) { a.Form = ChecksumPlain }, ReasonChecksumForm, false},
		{"checksum form of v3_checksum_as_v2", with(testParams(100), func(p *Params) { p.Form = ChecksumPlain }), func(a *Advert) { a.Form = ChecksumPseudo }, ReasonChecksumForm, false},
	} {
		for _, strict := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, strict %v", c.name, strict), func(t *testing.T) {
				t.Parallel()
				p := with(c.p, func(p *Params) { p.Strict = strict })
				src := lowerAddr
				if p.Family == IPv6 {
					src = lowerAddr6
				}
				want := "accepted 200"
				switch {
				case strict && c.strict:
					want = "discarded " + c.reason.String()
				case c.reason != ReasonNone:
					want = "noted " + c.reason.String() + ", accepted 200"
				}
				h := newHost(t, p)
				h.expect(h.step(second, packet(p, src, 200, c.change)), want)
				if c.reason.Discards() {
					t.Errorf("%v is listed as a reason that always discards", c.reason)
				}
			})
		}
	}
}

func TestAddressCountZero(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams(100))
	h.expectReason(packet(h.r.instances[0].p, lowerAddr, 200, func(a *Advert) { a.Addrs = nil }), ReasonAddrCount)
}

func TestNotedAgainstAMaster(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams(100))
	h.expect(h.hear(h.now+ms, lowerAddr, 100), "noted equal-priority, accepted 100, send 100, announce-lower")
	h.expect(h.hear(h.now+ms, lowerAddr, 50), "accepted 50")
	owner := newMaster(t, with(testParams(255), func(p *Params) { p.StartMaster = true }))
	owner.expect(owner.hear(ms, lowerAddr, 255), "noted two-owners, accepted 255, send 255, announce-lower")
	backup := newHost(t, testParams(100))
	backup.expect(backup.hear(ms, lowerAddr, 100), "accepted 100")
}

// TestSkipCheckAdvAddr leaves out the comparison for the master that is
// followed already, and only for it.
func TestSkipCheckAdvAddr(t *testing.T) {
	t.Parallel()
	for _, skip := range []bool{false, true} {
		t.Run(fmt.Sprint(skip), func(t *testing.T) {
			t.Parallel()
			p := with(testParams(100), func(p *Params) { p.SkipCheckAdvAddr = skip })
			h := newHost(t, p)
			other := func(a *Advert) { a.Addrs = ips("192.0.2.99") }
			h.expect(h.step(second, packet(p, lowerAddr, 200, other)), "noted address-list, accepted 200")
			want := "noted address-list, accepted 200"
			if skip {
				want = "accepted 200"
			}
			h.expect(h.step(2*second, packet(p, lowerAddr, 200, other)), want)
			h.expect(h.step(2*second, packet(p, higherAddr, 200, other)), "noted address-list, accepted 200")
		})
	}
}

// TestAuthentication is version 2 only: version 3 neither sends nor checks it.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams2(100))
	h.expect(h.step(0, packet(secret(100), lowerAddr, 200, nil)), "discarded auth-type")
	v3 := with(testParams(100), func(p *Params) { p.Auth, p.Password = AuthPass, PasswordFrom("secret") })
	h = newHost(t, v3)
	h.expect(h.step(0, packet(testParams(100), lowerAddr, 200, nil)), "accepted 200")
}

// TestAcceptedTells what the counters of the outside need.
func TestAcceptedTells(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams(100))
	got := h.r.Step(0, packet(h.r.instances[0].p, lowerAddr, 200, func(a *Advert) { a.Interval = 40 * ms }))
	want := Action{Kind: Accepted, ID: 1, From: Backup, Priority: 200, Interval: 40 * ms, Src: ip(lowerAddr)}
	if len(got) != 2 || got[1] != want {
		t.Fatalf("got %+v\nwant %+v", got, want)
	}
}

func TestFaultyInstanceOnlyCounts(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams(100))
	h.link(second, false, ownAddr)
	h.expect(h.hear(2*second, lowerAddr, 200), "accepted 200")
	h.expectState(Fault, CauseInterfaceDown, Forever)
}

func TestReasonNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for r := range NumReasons {
		if s := r.String(); s == "" || s == "unknown" || seen[s] {
			t.Errorf("reason %d is called %q", r, s)
		}
		seen[r.String()] = true
	}
	if NumReasons.String() != "unknown" || ReasonNone.Discards() {
		t.Error("wrong at the ends")
	}
}

func TestInvalidAddressFamily(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams(100))
	d := packet(h.r.instances[0].p, lowerAddr, 200, nil)
	d.Src, d.Dst = netip.Addr{}, netip.Addr{}
	h.expect(h.step(time.Second, d), "#0 discarded family")
}

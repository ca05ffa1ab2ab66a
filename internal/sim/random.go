package sim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"hakeep/arp"
	"hakeep/vrrp"
)

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// chance is true n times of a hundred.
func chance(rng *rand.Rand, n int) bool { return rng.IntN(100) < n }

// randomSpec is a network as an operator might configure it, and some that he
// should not.
func randomSpec(rng *rand.Rand) *Spec {
	base := pick(rng, 10, 20, 50, 100, 300, 1000, 1000, 1000, 2000, 5000, 10000) * int(time.Millisecond)
	s := &Spec{Bounds: randomBounds(rng, time.Duration(base))}
	hosts := pick(rng, 2, 2, 2, 3, 3, 4, 5)
	delay := time.Duration(0)
	if chance(rng, 20) {
		delay = time.Duration(base) * time.Duration(rng.IntN(8))
	}
	for i := range hosts {
		s.Hosts = append(s.Hosts, HostSpec{
			Name: fmt.Sprintf("lb%d", i+1), Ports: []string{"eth0"},
			Addr4: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), Addr6: linkLocal(i + 1),
			StartupDelay: delay, ClockBase: time.Second + time.Duration(rng.Int64N(int64(time.Hour))), ClockPPM: int64(rng.IntN(401) - 200),
		})
	}
	routers := pick(rng, 1, 1, 1, 2, 2, 3, 5)
	if chance(rng, 3) {
		routers = 20
	}
	for n := range routers {
		addRouter(rng, s, n, time.Duration(base))
	}
	same := !slices.ContainsFunc(s.Hosts, func(h HostSpec) bool { return len(h.Instances) != routers })
	if routers > 1 && same && chance(rng, 35) {
		group(s)
	}
	s.Clients = []ClientSpec{{Name: "c1", Port: "eth0"}, {Name: "c2", Port: "eth0", Locktime: true}}
	return s
}

// group puts all instances of each host into one sync group. Every host has all
// of them, and the members of a host are equally good, else no host might be
// better as a whole.
func group(s *Spec) {
	for i := range s.Hosts {
		list := s.Hosts[i].Instances
		for _, in := range list {
			p, first := in.Params, list[0].Params
			p.SyncGroup = "G"
			p.Priority, p.Nopreempt, p.PreemptDelay, p.StartMaster = first.Priority, first.Nopreempt, first.PreemptDelay, first.StartMaster
		}
	}
}

func linkLocal(n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: byte(n)})
}

func randomBounds(rng *rand.Rand, base time.Duration) Bounds {
	most := min(base/20, 5*time.Millisecond)
	b := Bounds{Lateness: time.Duration(rng.Int64N(int64(most) / 2)), MinDelay: 20 * time.Microsecond}
	b.MaxDelay = b.MinDelay + time.Duration(rng.Int64N(int64(most)))
	b.Install = time.Duration(rng.Int64N(int64(10 * time.Millisecond)))
	b.MinInstall = b.Install / 2
	return b
}

// addRouter gives every host, or all but one, an instance of one more virtual
// router.
func addRouter(rng *rand.Rand, s *Spec, n int, base time.Duration) {
	p := vrrp.Params{
		Name: fmt.Sprintf("VI_%d", n+1), Family: vrrp.IPv4, Version: vrrp.V3, VRID: uint8(n + 1), Link: "eth0",
		Group: netip.AddrFrom4([4]byte{224, 0, 0, 18}), Interval: base * time.Duration(pick(rng, 1, 1, 1, 2)), DownAdverts: vrrp.DefaultDownAdverts,
		Auth: vrrp.AuthNone, Form: pick(rng, vrrp.ChecksumPseudo, vrrp.ChecksumPseudo, vrrp.ChecksumPlain),
		CheckUnicastSource: true,
	}
	for i := range 1 + rng.IntN(3) {
		p.Addrs = append(p.Addrs, netip.AddrFrom4([4]byte{198, 51, byte(n), byte(10 + i)}))
	}
	switch rng.IntN(5) {
	case 0:
		overIPv6(&p, n)
	case 1:
		if base >= time.Second {
			p.Version, p.Form = vrrp.V2, vrrp.ChecksumPlain
			if chance(rng, 50) {
				p.Auth, p.Password = vrrp.AuthPass, vrrp.PasswordFrom("secret")
			}
		}
	}
	p.Unicast = chance(rng, 25)
	if chance(rng, 10) {
		p.DownAdverts = 2 + rng.IntN(8)
	}
	p.PlannedMoves = chance(rng, 60)
	p.LeaveInterval = pick(rng, 0, 10*time.Millisecond, 300*time.Millisecond)
	announce := arp.DefaultSettings()
	announce.Delay = min(announce.Delay, 20*base)
	announce.LowerPrioDelay = announce.Delay
	if chance(rng, 40) {
		announce.Refresh = 10 * base
	}
	owner := -1
	if chance(rng, 15) {
		owner = rng.IntN(len(s.Hosts))
	}
	equal := chance(rng, 15)
	for i := range s.Hosts {
		if i >= 2 && chance(rng, 20) {
			continue
		}
		q := p
		q.Priority = uint8(1 + rng.IntN(254))
		if equal {
			q.Priority = 100
		}
		if i == owner {
			q.Priority = vrrp.OwnerPriority
		}
		randomSwitches(rng, &q)
		if q.Unicast {
			unicast(s, &q, i)
		}
		s.Hosts[i].Instances = append(s.Hosts[i].Instances, &Instance{Params: &q, Announce: announce})
	}
}

// overIPv6 makes the n-th virtual router one of IPv6.
func overIPv6(p *vrrp.Params, n int) {
	p.Family, p.Group = vrrp.IPv6, netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 0x12})
	for i := range p.Addrs {
		p.Addrs[i] = netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 2: 0xd, 3: 0xb8, 14: byte(n), 15: byte(10 + i)})
	}
	p.Addrs[0] = netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 13: 1, 14: byte(n), 15: 10})
	p.Form = vrrp.ChecksumPseudo
}

// randomSwitches sets what may differ between the hosts of one virtual router.
func randomSwitches(rng *rand.Rand, p *vrrp.Params) {
	p.StartMaster = chance(rng, 20) || p.Priority == vrrp.OwnerPriority && chance(rng, 40)
	p.HigherPrioSendAdvert = chance(rng, 60)
	p.LowerPrioNoAdvert = chance(rng, 5)
	if p.Version == vrrp.V3 && chance(rng, 10) {
		p.Interval *= 2
	}
	if p.StartMaster {
		return // keepalived clears the rest with it
	}
	p.Nopreempt = chance(rng, 20)
	if p.Priority == vrrp.OwnerPriority {
		return
	}
	if chance(rng, 20) {
		p.PreemptDelay = p.Interval * time.Duration(rng.IntN(20))
	}
}

// unicast makes all other hosts its peers.
func unicast(s *Spec, p *vrrp.Params, host int) {
	p.Group, p.Peers = netip.Addr{}, nil
	for i := range s.Hosts {
		a := s.Hosts[i].Addr4
		if p.Family == vrrp.IPv6 {
			a = s.Hosts[i].Addr6
		}
		if i == host {
			p.Source = a
			continue
		}
		p.Peers = append(p.Peers, vrrp.Peer{Addr: a, MaxTTL: 255})
	}
}

// randomRound is a time of faults. All of them end within it.
func randomRound(rng *rand.Rand, s *Spec) Round {
	base := s.Hosts[0].Instances[0].Params.Interval
	r := Round{Length: base * time.Duration(5+rng.IntN(40)), Singles: 1 + rng.IntN(4)}
	n := rng.IntN(8)
	if chance(rng, 20) {
		n = 0
	}
	for range n {
		f := randomFault(rng, s, base)
		f.At = time.Duration(rng.Int64N(int64(r.Length)))
		if len(r.Faults) > 0 && chance(rng, 40) {
			// Soon after another one has ended, on the same host.
			o := pick(rng, r.Faults...)
			f.Host = o.Host
			f.At = min(o.At+o.For+time.Duration(rng.Int64N(int64(2*base))), r.Length-1)
		}
		if f.For == 0 && f.Kind != FaultReload && f.Kind != FaultTaken && f.Kind != FaultSteal && f.Kind != FaultForget {
			f.For = time.Duration(rng.Int64N(int64(10 * base)))
		}
		f.For = min(f.For, r.Length-f.At)
		if f.Kind == FaultFlood {
			r.Longest = 4 * base
		}
		r.Faults = append(r.Faults, f)
		if f.Kind == FaultTaken {
			r.Extra = 30 * time.Second // it stays in FAULT so long
		}
	}
	if len(s.Hosts) > 2 && chance(rng, 15) {
		r.Off = []int{rng.IntN(len(s.Hosts))}
	}
	return r
}

func randomFault(rng *rand.Rand, s *Spec, base time.Duration) Fault {
	f := Fault{Host: rng.IntN(len(s.Hosts))}
	f.Kind = pick(rng, FaultLoss, FaultLoss, FaultDup, FaultHold, FaultCut, FaultCut, FaultCut, FaultDrop, FaultEcho, FaultPort, FaultPort,
		FaultKill, FaultPower, FaultLeave, FaultStall, FaultStall, FaultPause, FaultPause, FaultFreeze,
		FaultReload, FaultReload, FaultReload, FaultTaken, FaultSteal, FaultRenumber, FaultFlood, FaultForget,
		FaultStandby, FaultTracked, FaultTracked, FaultUpgrade)
	switch f.Kind {
	case FaultLoss:
		f.P = pick(rng, 0.05, 0.2, 0.5, 0.9, 1)
	case FaultDup, FaultHold:
		f.P, f.Time = pick(rng, 0.1, 0.5), base*time.Duration(1+rng.IntN(3))
	case FaultCut:
		f.From, f.To = randomSide(rng, s), randomSide(rng, s)
	case FaultDrop:
		f.From, f.To = []node{node(f.Host)}, []node{node(rng.IntN(len(s.Hosts)))}
		f.N = 1 + rng.IntN(6)
	case FaultReload:
		f.N = rng.IntN(1000)
		if chance(rng, 40) {
			f.N = 0
		}
	case FaultTaken, FaultSteal, FaultStandby:
		f.N = rng.IntN(100)
	case FaultTracked:
		f.N, f.Weight = rng.IntN(100), pick(rng, 0, 0, -50, -5, 5, 50, -200)
	case FaultFlood:
		f.N = 1 + rng.IntN(300)
	}
	return f
}

// randomSide is some of the stations.
func randomSide(rng *rand.Rand, s *Spec) []node {
	var side []node
	for i := range s.Hosts {
		if chance(rng, 50) {
			side = append(side, node(i))
		}
	}
	for i := range s.Clients {
		if chance(rng, 50) {
			side = append(side, clientNode(i))
		}
	}
	return side
}

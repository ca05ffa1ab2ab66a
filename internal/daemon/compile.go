package daemon

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"hakeep/arp"
	"hakeep/internal/config"
	"hakeep/internal/firewall"
	"hakeep/internal/netif"
	"hakeep/internal/wire"
	"hakeep/lvs"
	"hakeep/lvs/nft"
	"hakeep/vrrp"
)

// maxTTL is the TTL and hop limit of multicast adverts (RFC 9568, 5.1.1.3 and
// 5.1.2.3); unicast ones have unicast_ttl.
const maxTTL = 255

// ownerPriority is the priority of the address owner (RFC 9568, 5.2.4).
const ownerPriority = 255

// compile translates a configuration into what the elector has to know. owned
// are addresses that earlier configurations may have left in the kernel.
// StartupDelay is left out: it depends on when the elector was started.
func compile(cfg *config.Config, owned []netif.Key) *wire.Config {
	c := &wire.Config{
		MainTimeout:     cfg.Global.MainTimeout,
		LogUnknownVRIDs: cfg.Global.LogUnknownVRIDs,
		Instances:       make([]*wire.Instance, 0, len(cfg.Instances)),
		Promote:         promote(cfg),
	}
	for i := range cfg.Instances {
		c.Instances = append(c.Instances, compileInstance(&cfg.Instances[i]))
	}
	for _, d := range cfg.LinkDelays {
		if c.LinkDelays == nil {
			c.LinkDelays = map[string]wire.LinkDelay{}
		}
		c.LinkDelays[d.Link] = wire.LinkDelay{Down: d.Down, Up: d.Up}
	}
	c.Static = compileStatic(cfg)
	c.Digest = digest(c)
	c.Leftovers = union(owned, keys(c))
	c.LeftItems = items(c)
	return c
}

func compileInstance(in *config.Instance) *wire.Instance {
	out := &wire.Instance{
		Params: vrrp.Params{
			Name: in.Name, Family: family(in.Family), Version: vrrp.Version(in.Version), VRID: in.VRID,
			Link: in.Interface, Unicast: in.Unicast,
			Priority: in.Priority, StartMaster: in.State == config.StateMaster,
			Interval: in.AdvertInt, DownAdverts: in.DownTimerAdverts,
			Auth: vrrp.AuthNone, Form: vrrp.ChecksumPseudo,
			Nopreempt: in.Nopreempt, PreemptDelay: in.PreemptDelay,
			HigherPrioSendAdvert: in.HigherPrioSendAdvert, LowerPrioNoAdvert: in.LowerPrioNoAdvert,
			OwnerIgnoreAdverts: in.OwnerIgnoreAdverts, CheckUnicastSource: in.CheckUnicastSrc,
			SkipCheckAdvAddr: in.SkipCheckAdvAddr, Strict: in.Strict,
			DontTrackPrimary: in.DontTrackPrimary, TrackSource: in.TrackSrcIP,
		},
		Announce: arp.Settings{
			Repeat: in.Garp.Repeat, Delay: in.Garp.Delay,
			Refresh: in.Garp.Refresh, RefreshRepeat: in.Garp.RefreshRepeat,
			LowerPrioRepeat: in.Garp.LowerPrioRepeat, LowerPrioDelay: in.Garp.LowerPrioDelay,
			Interval: in.Garp.Interval, NAInterval: in.Garp.NAInterval,
		},
		TTL: maxTTL,
	}
	p := &out.Params
	if in.Auth.Type == config.AuthPass {
		p.Auth, p.Password = vrrp.AuthPass, vrrp.PasswordFrom(in.Auth.Password)
	}
	if in.V3ChecksumAsV2 {
		p.Form = vrrp.ChecksumPlain
	}
	if in.Unicast {
		p.Source, out.TTL = in.UnicastSrc, int(in.UnicastTTL)
		for _, peer := range in.UnicastPeers {
			p.Peers = append(p.Peers, vrrp.Peer{Addr: peer.Addr, MinTTL: peer.MinTTL, MaxTTL: peer.MaxTTL})
		}
	} else {
		p.Source, p.Group = in.McastSrc, in.McastDst
	}
	for _, a := range in.Addresses {
		p.Addrs = append(p.Addrs, a.Prefix.Addr())
		out.Addresses = append(out.Addresses, compileAddress(a))
	}
	for _, a := range in.Excluded {
		p.Excluded = append(p.Excluded, a.Prefix.Addr())
		out.Addresses = append(out.Addresses, compileAddress(a))
	}
	out.Routes, out.Rules = compileRoutes(in.Routes), compileRules(in.Rules)
	planMoves(in, p, out.Addresses)
	compileTracking(in, p)
	return out
}

// What a leaving master teaches the backups (fast_leave_interval). One backup
// may be as quick as can be; among several, a step of priority at 10 ms is worth
// 39 µs, and two of them would take over together: at 300 ms it is 1.2 ms.
const (
	leaveIntervalOne  = 10 * time.Millisecond
	leaveIntervalMany = 300 * time.Millisecond
)

// planMoves makes planned moves lose nothing (fast_leave).
func planMoves(in *config.Instance, p *vrrp.Params, addrs []netif.Addr) {
	p.PlannedMoves = in.FastLeave
	p.BreakBeforeMake = slices.ContainsFunc(addrs, func(a netif.Addr) bool { return a.DAD && a.Prefix.Addr().Is6() })
	switch {
	case !in.FastLeave:
	case in.FastLeaveInterval > 0:
		p.LeaveInterval = in.FastLeaveInterval
	case p.Unicast && len(p.Peers) == 1:
		p.LeaveInterval = leaveIntervalOne
	default:
		p.LeaveInterval = leaveIntervalMany
	}
}

func family(f config.Family) vrrp.Family {
	if f == config.FamilyIPv6 {
		return vrrp.IPv6
	}
	return vrrp.IPv4
}

func compileAddress(a config.Address) netif.Addr {
	out := netif.Addr{
		Prefix: a.Prefix, Link: a.Dev, Label: a.Label, Scope: a.Scope, Broadcast: a.Broadcast, Peer: a.Peer,
		PreferredLft: a.PreferredLft,
		DAD:          a.DAD, Home: a.Home, MngTmpAddr: a.MngTmpAddr, NoPrefixRoute: a.NoPrefixRoute, Autojoin: a.Autojoin,
		NoTrack: a.NoTrack,
	}
	switch a.PreferredLft {
	case 0:
		out.PreferredLft = netif.PreferredNever
	case config.Forever:
		out.PreferredLft = netif.PreferredForever
	}
	return out
}

// promote lists the interfaces of promote_secondaries. On those that IPv4
// addresses go to the elector does the same by itself.
func promote(cfg *config.Config) []string {
	links := map[string]bool{}
	for i := range cfg.Instances {
		in := &cfg.Instances[i]
		if in.PromoteSecondaries && in.Interface != "" {
			links[in.Interface] = true
		}
	}
	return slices.Sorted(maps.Keys(links))
}

// rules are the firewall rules of a configuration. They do not depend on who
// is master: in BACKUP the addresses are not there, and a takeover must not
// wait for a firewall.
func rules(cfg *config.Config) firewall.Rules {
	addrs := map[netip.Addr]bool{}
	for i := range cfg.Instances {
		in := &cfg.Instances[i]
		if in.Accept || in.Priority == ownerPriority {
			continue // the owner's addresses are its own (RFC 9568, 6.1)
		}
		for _, list := range [][]config.Address{in.Addresses, in.Excluded} {
			for _, a := range list {
				addr := a.Prefix.Addr()
				if addr.Is6() && addr.IsLinkLocalUnicast() {
					addr = addr.WithZone(a.Dev) // the same one may be on other links
				}
				addrs[addr] = true
			}
		}
	}
	return firewall.Rules{
		NoAccept:      slices.SortedFunc(maps.Keys(addrs), netip.Addr.Compare),
		Priority:      int32(cfg.Global.NFTPriority),
		Counters:      cfg.Global.NFTCounters,
		Contributions: untrackedProbes(cfg),
	}
}

// untrackedProbes keeps probes out of connection tracking, if that is wanted.
func untrackedProbes(cfg *config.Config) []firewall.Contribution {
	mark := cfg.Global.LVS.UntrackedMark
	if mark == 0 || len(cfg.VirtualServers) == 0 {
		return nil
	}
	var services []lvs.ID
	for i := range cfg.VirtualServers {
		for _, s := range cfg.VirtualServers[i].Services {
			services = append(services, lvsID(s))
		}
	}
	return []firewall.Contribution{nft.Probes(mark, services)}
}

// bothRules wants what a and b want.
func bothRules(a, b firewall.Rules) firewall.Rules {
	sum := b
	sum.NoAccept = slices.Concat(a.NoAccept, b.NoAccept)
	slices.SortFunc(sum.NoAccept, netip.Addr.Compare)
	sum.NoAccept = slices.Compact(sum.NoAccept)
	return sum
}

// startupDelay is how long instances that are new wait: what is left of
// vrrp_startup_delay since the elector's start and of vrrp_delay_after_boot
// since the boot of the host, whichever is longer.
func startupDelay(g *config.Global, sinceStart, sinceBoot time.Duration) time.Duration {
	return max(g.StartupDelay-sinceStart, g.DelayAfterBoot-sinceBoot, 0)
}

// digest identifies what a configuration makes an elector do, in any process.
func digest(c *wire.Config) string {
	plain := *c
	plain.Digest, plain.StartupDelay, plain.Leftovers = "", 0, nil
	plain.LeftItems = wire.LeftItems{}
	text, err := json.Marshal(&plain)
	if err != nil {
		panic(fmt.Sprintf("daemon: digest: %v", err)) // plain values only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// keys are the addresses of a configuration, sorted.
func keys(c *wire.Config) []netif.Key {
	var all []netif.Key
	for i := range c.Instances {
		for _, a := range c.Instances[i].Addresses {
			all = append(all, a.Key())
		}
	}
	for _, a := range c.Static.Addresses {
		all = append(all, a.Key())
	}
	return union(all, nil)
}

// union returns the keys of a and b once each, sorted.
func union(a, b []netif.Key) []netif.Key {
	all := slices.Concat(a, b)
	slices.SortFunc(all, compareKeys)
	return slices.Compact(all)
}

func compareKeys(x, y netif.Key) int {
	return cmp.Or(strings.Compare(x.Link, y.Link), x.Prefix.Compare(y.Prefix))
}

// minus returns the keys of a that are not in b; both are sorted.
func minus(a, b []netif.Key) []netif.Key {
	var rest []netif.Key
	for _, k := range a {
		if _, ok := slices.BinarySearchFunc(b, k, compareKeys); !ok {
			rest = append(rest, k)
		}
	}
	return rest
}

// changes says which instances a reload from old to next adds, changes and
// removes, by their names, and how many it leaves alone.
func changes(old, next *wire.Config) (added, changed, removed []string, unchanged int) {
	before := map[string]*wire.Instance{}
	for _, in := range old.Instances {
		before[in.Params.Name] = in
	}
	for _, in := range next.Instances {
		name := in.Params.Name
		was := before[name]
		delete(before, name)
		switch {
		case was == nil:
			added = append(added, name)
		case reflect.DeepEqual(was, in):
			unchanged++
		default:
			changed = append(changed, name)
		}
	}
	return added, changed, slices.Sorted(maps.Keys(before)), unchanged
}

// restartKeys names the keys of [global_defs] that differ and take effect only
// when the daemon is started again.
func restartKeys(old, next *config.Global) []string {
	var names []string
	differ := func(name string, changed bool) {
		if changed {
			names = append(names, name)
		}
	}
	differ("instance", old.Name != next.Name)
	differ("nftables", old.NFTable != next.NFTable)
	differ("realtime", old.Realtime != next.Realtime)
	differ("vrrp_startup_delay", old.StartupDelay != next.StartupDelay)
	differ("vrrp_delay_after_boot", old.DelayAfterBoot != next.DelayAfterBoot)
	differ("use_pid_dir", old.PIDDir != next.PIDDir)
	differ("net_namespace", old.NetNamespace != next.NetNamespace)
	differ("lvs_backend", old.LVS.Backend != next.LVS.Backend)
	differ("net_namespace_ipvs", old.LVS.NetNamespace != next.LVS.NetNamespace)
	differ("startup_script", !old.StartupScript.Equal(next.StartupScript))
	return names
}

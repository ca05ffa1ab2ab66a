package config

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sets returns the expectation that one field of the instance changes.
func sets(f func(in *Instance)) func(*Config, *Global, *Instance) {
	return func(_ *Config, _ *Global, in *Instance) { f(in) }
}

func instanceCases() []keywordCase {
	noVIP := "no_virtual_ipaddress = true"
	return []keywordCase{
		{key: "vrrp_instance/name", want: sets(func(*Instance) {})},
		{key: "vrrp_instance/interface", want: sets(func(*Instance) {})},
		{key: "vrrp_instance/virtual_router_id", want: sets(func(*Instance) {})},
		{key: "vrrp_instance/state", inst: "state = \"MASTER\"\npriority = 150", want: sets(func(in *Instance) { in.State, in.Priority = StateMaster, 150 })},
		{key: "vrrp_instance/state", inst: `state = "MASTER"`, want: sets(func(in *Instance) { in.State, in.Priority = StateMaster, 255 })},
		{key: "vrrp_instance/state", inst: "state = \"BACKUP\"\npriority = 255", want: sets(func(in *Instance) { in.State, in.Priority = StateBackup, 255 })},
		{key: "vrrp_instance/priority", inst: `priority = 254`, want: sets(func(in *Instance) { in.Priority = 254 })},
		{key: "vrrp_instance/priority", inst: `priority = 255`, want: sets(func(in *Instance) { in.State, in.Priority = StateMaster, 255 })},
		{key: "vrrp_instance/version", inst: `version = 2`, want: sets(func(in *Instance) { in.Version = 2 })},
		{key: "vrrp_instance/version", global: `vrrp_version = 2`, inst: `version = 3`, want: sets(func(*Instance) {})},
		{key: "vrrp_instance/advert_int", inst: `advert_int = "10ms"`, want: sets(func(in *Instance) { in.AdvertInt = 10 * time.Millisecond })},
		{key: "vrrp_instance/advert_int", inst: `advert_int = "40.95s"`, want: sets(func(in *Instance) { in.AdvertInt = 40950 * time.Millisecond })},
		{key: "vrrp_instance/advert_int", inst: "version = 2\nadvert_int = \"255s\"", want: sets(func(in *Instance) { in.Version, in.AdvertInt = 2, 255*time.Second })},
		{key: "vrrp_instance/down_timer_adverts", global: "vrrp_down_timer_adverts = 7", inst: `down_timer_adverts = 100`, want: sets(func(in *Instance) { in.DownTimerAdverts = 100 })},
		{key: "vrrp_instance/authentication", inst: "version = 2\nauthentication = { auth_type = \"PASS\", auth_pass = \"s\" }", want: sets(func(in *Instance) {
			in.Version, in.Auth = 2, Auth{AuthPass, "s"}
		})},
		{key: "authentication/auth_type", inst: "version = 2\n[vrrp_instance.authentication]\nauth_type = \"PASS\"\nauth_pass = \"12345678\"", want: sets(func(in *Instance) {
			in.Version, in.Auth = 2, Auth{AuthPass, "12345678"}
		})},
		{key: "authentication/auth_pass", inst: "version = 2\nauthentication = { auth_type = \"PASS\", auth_pass = \"1234567é\" }", want: sets(func(in *Instance) {
			in.Version, in.Auth = 2, Auth{AuthPass, "1234567\xc3"}
		})},
		{key: "vrrp_instance/virtual_ipaddress", vips: `virtual_ipaddress = ["192.0.2.10", "192.0.2.11/24 dev eth1"]`, want: sets(func(in *Instance) {
			in.Addresses = []Address{addr4("192.0.2.10/32"), {Prefix: netip.MustParsePrefix("192.0.2.11/24"), Dev: "eth1", PreferredLft: Forever}}
		})},
		{key: "vrrp_instance/virtual_ipaddress", vips: "[[vrrp_instance.virtual_ipaddress]]\naddress = \"192.0.2.10/24\"", want: sets(func(*Instance) {})},
		{key: "vrrp_instance/virtual_ipaddress_excluded", inst: `virtual_ipaddress_excluded = ["192.0.2.20/24", "2001:db8::1/64"]`, want: sets(func(in *Instance) {
			in.Excluded = []Address{addr4("192.0.2.20/24"), addr6("2001:db8::1/64")}
		})},
		{key: "vrrp_instance/no_virtual_ipaddress", vips: noVIP, want: sets(func(in *Instance) { in.Addresses, in.NoVirtualIPAddress = nil, true })},
		{key: "vrrp_instance/native_ipv6", vips: noVIP, inst: `native_ipv6 = true`, want: sets(func(in *Instance) {
			in.Addresses, in.NoVirtualIPAddress, in.Family, in.McastDst = nil, true, FamilyIPv6, ip("ff02::12")
		})},
		{key: "vrrp_instance/nopreempt", inst: `nopreempt = true`, want: sets(func(in *Instance) { in.Nopreempt = true })},
		{key: "vrrp_instance/nopreempt", inst: "nopreempt = true\nstate = \"MASTER\"\npriority = 9", want: sets(func(in *Instance) { in.State, in.Priority = StateMaster, 9 })},
		{key: "vrrp_instance/preempt", inst: `preempt = false`, want: sets(func(in *Instance) { in.Nopreempt = true })},
		{key: "vrrp_instance/preempt", inst: `preempt = true`, want: sets(func(*Instance) {})},
		{key: "vrrp_instance/preempt_delay", inst: `preempt_delay = "1000s"`, want: sets(func(in *Instance) { in.PreemptDelay = 1000 * time.Second })},
		{key: "vrrp_instance/preempt_delay", inst: "preempt_delay = \"5s\"\nnopreempt = true", want: sets(func(in *Instance) { in.Nopreempt = true })},
		{key: "vrrp_instance/higher_prio_send_advert", inst: `higher_prio_send_advert = false`, want: sets(func(in *Instance) { in.HigherPrioSendAdvert = false })},
		{key: "vrrp_instance/fast_leave", inst: `fast_leave = false`, want: sets(func(in *Instance) { in.FastLeave = false })},
		{key: "vrrp_instance/fast_leave_interval", global: `fast_leave_interval = "1s"`, inst: `fast_leave_interval = "auto"`, want: sets(func(*Instance) {})},
		{key: "vrrp_instance/lower_prio_no_advert", global: "vrrp_lower_prio_no_advert = true", inst: `lower_prio_no_advert = false`, want: sets(func(*Instance) {})},
		{key: "vrrp_instance/owner_ignore_adverts", inst: "owner_ignore_adverts = true\npriority = 255", want: sets(func(in *Instance) { in.State, in.Priority, in.OwnerIgnoreAdverts = StateMaster, 255, true })},
		{key: "vrrp_instance/accept", inst: `accept = false`, want: sets(func(in *Instance) { in.Accept = false })},
		{key: "vrrp_instance/accept", inst: "accept = true\nstrict_mode = true", want: sets(func(in *Instance) {
			in.HigherPrioSendAdvert = false
			in.Strict, in.LowerPrioNoAdvert = true, true
			in.Garp.LowerPrioDelay, in.Garp.LowerPrioRepeat = 0, 0
		})},
		{key: "vrrp_instance/no_accept", inst: `no_accept = true`, want: sets(func(in *Instance) { in.Accept = false })},
		{key: "vrrp_instance/strict_mode", global: "vrrp_strict = true", inst: `strict_mode = false`, want: sets(func(*Instance) {})},
		{key: "vrrp_instance/strict_mode", inst: "strict_mode = true\npriority = 255", want: sets(func(in *Instance) {
			in.HigherPrioSendAdvert = false
			in.Strict, in.LowerPrioNoAdvert, in.OwnerIgnoreAdverts, in.State, in.Priority = true, true, true, StateMaster, 255
			in.Garp.LowerPrioDelay, in.Garp.LowerPrioRepeat = 0, 0
		})},
		{key: "vrrp_instance/strict_mode", vips: `virtual_ipaddress = ["fe80::10/64"]`, inst: "strict_mode = true\nversion = 2\naccept = true", want: sets(func(in *Instance) {
			in.HigherPrioSendAdvert = false
			in.Strict, in.LowerPrioNoAdvert, in.Family, in.McastDst = true, true, FamilyIPv6, ip("ff02::12")
			in.Addresses = []Address{addr6("fe80::10/64")}
			in.Garp.LowerPrioDelay, in.Garp.LowerPrioRepeat = 0, 0
		})},
		{key: "vrrp_instance/skip_check_adv_addr", global: "vrrp_skip_check_adv_addr = true", inst: `skip_check_adv_addr = false`, want: sets(func(*Instance) {})},
		{key: "vrrp_instance/dont_track_primary", inst: `dont_track_primary = true`, want: sets(func(in *Instance) { in.DontTrackPrimary = true })},
		{key: "vrrp_instance/promote_secondaries", inst: `promote_secondaries = true`, want: sets(func(in *Instance) { in.PromoteSecondaries = true })},
		{key: "vrrp_instance/unicast_peer", inst: `unicast_peer = ["192.0.2.2", "192.0.2.3 min_ttl 254 max_ttl 255"]`, want: sets(func(in *Instance) {
			asUnicast(in, Peer{ip("192.0.2.2"), 0, 255}, Peer{ip("192.0.2.3"), 254, 255})
		})},
		{key: "vrrp_instance/unicast_src_ip", inst: unicast + `unicast_src_ip = "192.0.2.1"`, want: sets(func(in *Instance) { asUnicast(in); in.UnicastSrc = ip("192.0.2.1") })},
		{key: "vrrp_instance/unicast_src_ip", inst: `unicast_src_ip = "192.0.2.1"`, want: sets(func(in *Instance) { in.McastSrc = ip("192.0.2.1") })},
		{key: "vrrp_instance/mcast_src_ip", inst: `mcast_src_ip = "192.0.2.1"`, want: sets(func(in *Instance) { in.McastSrc = ip("192.0.2.1") })},
		{key: "vrrp_instance/mcast_src_ip", inst: unicast + `mcast_src_ip = "192.0.2.1"`, want: sets(func(in *Instance) { asUnicast(in); in.UnicastSrc = ip("192.0.2.1") })},
		{key: "vrrp_instance/mcast_dst_ip", inst: `mcast_dst_ip = "224.0.0.99"`, want: sets(func(in *Instance) { in.McastDst = ip("224.0.0.99") })},
		{key: "vrrp_instance/track_src_ip", inst: "track_src_ip = true\nmcast_src_ip = \"192.0.2.1\"", want: sets(func(in *Instance) { in.TrackSrcIP, in.McastSrc = true, ip("192.0.2.1") })},
		{key: "vrrp_instance/check_unicast_src", inst: unicast + `check_unicast_src = false`, want: sets(func(in *Instance) { asUnicast(in); in.CheckUnicastSrc = false })},
		{key: "vrrp_instance/check_unicast_src", inst: "check_unicast_src = false\nunicast_peer = [\"192.0.2.2 min_ttl 1\"]", want: sets(func(in *Instance) { asUnicast(in, Peer{ip("192.0.2.2"), 1, 255}) })},
		{key: "vrrp_instance/unicast_fault_no_peer", inst: "unicast_peer = []\nunicast_fault_no_peer = true", want: sets(func(in *Instance) { asUnicast(in, []Peer(nil)...); in.UnicastPeers = nil })},
		{key: "vrrp_instance/unicast_fault_no_peer", inst: "unicast_peer = []", want: sets(func(*Instance) {})},
		{key: "vrrp_instance/unicast_ttl", inst: unicast + `unicast_ttl = 64`, want: sets(func(in *Instance) { asUnicast(in); in.UnicastTTL = 64 })},
		{key: "vrrp_instance/unicast_ttl", vips: `virtual_ipaddress = ["fe80::10/64"]`, inst: `unicast_peer = ["fe80::2"]`, want: sets(func(in *Instance) {
			asUnicast(in, Peer{ip("fe80::2"), 0, 255})
			in.Family, in.Addresses = FamilyIPv6, []Address{addr6("fe80::10/64")}
		})},
		{key: "vrrp_instance/v3_checksum_as_v2", global: `v3_checksum_as_v2 = true`, inst: `v3_checksum_as_v2 = false`, want: sets(func(*Instance) {})},
		{key: "vrrp_instance/garp_master_delay", inst: `garp_master_delay = "1s"`, want: sets(func(in *Instance) { in.Garp.Delay = time.Second })},
		{key: "vrrp_instance/garp_master_delay", global: `vrrp_garp_lower_prio_delay = "2s"`, inst: `garp_master_delay = "1s"`, want: sets(func(in *Instance) {
			in.Garp.Delay, in.Garp.LowerPrioDelay = time.Second, 2*time.Second
		})},
		{key: "vrrp_instance/garp_master_repeat", inst: `garp_master_repeat = 1`, want: sets(func(in *Instance) { in.Garp.Repeat = 1 })},
		{key: "vrrp_instance/garp_master_refresh", inst: `garp_master_refresh = "10s"`, want: sets(func(in *Instance) { in.Garp.Refresh = 10 * time.Second })},
		{key: "vrrp_instance/garp_master_refresh_repeat", inst: `garp_master_refresh_repeat = 2`, want: sets(func(in *Instance) { in.Garp.RefreshRepeat = 2 })},
		{key: "vrrp_instance/garp_lower_prio_delay", inst: `garp_lower_prio_delay = "0s"`, want: sets(func(in *Instance) { in.Garp.LowerPrioDelay = 0 })},
		{key: "vrrp_instance/garp_lower_prio_repeat", global: "vrrp_garp_lower_prio_repeat = 3", inst: `garp_lower_prio_repeat = 4`, want: sets(func(in *Instance) { in.Garp.LowerPrioRepeat = 4 })},
	}
}

func entryCases() []keywordCase {
	line := func(key, entry string, f func(a *Address)) keywordCase {
		return keywordCase{key: "address entry/" + key, vips: "virtual_ipaddress = [" + entry + "]", want: sets(func(in *Instance) { f(&in.Addresses[0]) })}
	}
	six := func(key, entry string, f func(a *Address)) keywordCase {
		return keywordCase{key: "address entry/" + key, inst: "virtual_ipaddress_excluded = [" + entry + "]", want: sets(func(in *Instance) {
			in.Excluded = []Address{addr6("2001:db8::1/64")}
			f(&in.Excluded[0])
		})}
	}
	peer := func(key, entry string, p Peer) keywordCase {
		return keywordCase{key: "unicast_peer entry/" + key, inst: "unicast_peer = [" + entry + "]", want: sets(func(in *Instance) { asUnicast(in, p) })}
	}
	return []keywordCase{
		line("address", `{ address = "192.0.2.10" }`, func(a *Address) { a.Prefix = netip.MustParsePrefix("192.0.2.10/32") }),
		line("dev", `"192.0.2.10/24 dev eth1"`, func(a *Address) { a.Dev = "eth1" }),
		line("dev", `{ address = "192.0.2.10/24", dev = "eth1" }`, func(a *Address) { a.Dev = "eth1" }),
		line("scope", `"192.0.2.10/24 scope link"`, func(a *Address) { a.Scope = 253 }),
		line("scope", `{ address = "192.0.2.10/24", scope = "17" }`, func(a *Address) { a.Scope = 17 }),
		line("brd", `"192.0.2.10/24 brd +"`, func(a *Address) { a.Broadcast = ip("192.0.2.255") }),
		line("brd", `"192.0.2.10/24 broadcast 192.0.2.0"`, func(a *Address) { a.Broadcast = ip("192.0.2.0") }),
		line("brd", `{ address = "192.0.2.10/24", brd = "-" }`, func(*Address) {}),
		line("label", `"192.0.2.10/24 label eth0:1"`, func(a *Address) { a.Label = "eth0:1" }),
		line("label", `{ address = "192.0.2.10/24", label = "eth0:1" }`, func(a *Address) { a.Label = "eth0:1" }),
		line("peer", `"192.0.2.10/24 peer 192.0.2.11"`, func(a *Address) { a.Peer = netip.MustParsePrefix("192.0.2.11/32") }),
		line("peer", `{ address = "192.0.2.10/24", peer = "192.0.2.11/30" }`, func(a *Address) { a.Peer = netip.MustParsePrefix("192.0.2.11/30") }),
		line("noprefixroute", `"192.0.2.10/24 noprefixroute"`, func(a *Address) { a.NoPrefixRoute = true }),
		line("autojoin", `{ address = "192.0.2.10/24", autojoin = true }`, func(a *Address) { a.Autojoin = true }),
		line("no_track", `"192.0.2.10/24 no_track autojoin"`, func(a *Address) { a.NoTrack, a.Autojoin = true, true }),
		line("home", `{ address = "192.0.2.10/24", home = true, dad = true }`, func(*Address) {}),
		six("home", `"2001:db8::1/64 home"`, func(a *Address) { a.Home = true }),
		six("dad", `"2001:db8::1/64 -nodad"`, func(a *Address) { a.DAD = true }),
		six("dad", `{ address = "2001:db8::1/64", dad = true }`, func(a *Address) { a.DAD = true }),
		six("mngtmpaddr", `"2001:db8::1/64 mngtmpaddr"`, func(a *Address) { a.MngTmpAddr = true }),
		six("preferred_lft", `"2001:db8::1/64 preferred_lft 30"`, func(a *Address) { a.PreferredLft = 30 * time.Second }),
		six("preferred_lft", `{ address = "2001:db8::1/64", preferred_lft = "30s" }`, func(a *Address) { a.PreferredLft = 30 * time.Second }),
		six("preferred_lft", `"2001:db8::1"`, func(a *Address) { a.Prefix, a.PreferredLft = netip.MustParsePrefix("2001:db8::1/128"), 0 }),
		six("preferred_lft", `"2001:db8::1/128 preferred_lft forever"`, func(a *Address) { a.Prefix = netip.MustParsePrefix("2001:db8::1/128") }),
		six("label", `"2001:db8::1/64 label eth0:1 brd +"`, func(*Address) {}),
		peer("address", `{ address = "192.0.2.2" }`, Peer{ip("192.0.2.2"), 0, 255}),
		peer("min_ttl", `{ address = "192.0.2.2", min_ttl = 254 }`, Peer{ip("192.0.2.2"), 254, 255}),
		peer("max_ttl", `"192.0.2.2 max_ttl 64"`, Peer{ip("192.0.2.2"), 0, 64}),
	}
}

// TestMinimalPair is the smallest useful pair of routers: the same file but
// for the priority.
func TestMinimalPair(t *testing.T) {
	t.Parallel()
	const text = `
[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
priority = 150
virtual_ipaddress = ["192.0.2.10/24"]
`
	got, problems := Parse("test.toml", []byte(text))
	if len(problems) > 0 {
		t.Fatalf("problems:\n%s", problems)
	}
	want := baseConfig()
	want.Instances[0].Priority = 150
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if got.Instances[0].Line != 2 {
		t.Errorf("the instance is in line %d, want 2", got.Instances[0].Line)
	}
}

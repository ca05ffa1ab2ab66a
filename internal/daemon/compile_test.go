package daemon

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakeep/arp"
	"hakeep/internal/config"
	"hakeep/internal/netif"
	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// parse reads a configuration that has to be right.
func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, problems := config.Parse("test.toml", []byte(text))
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return cfg
}

// text makes values comparable that have unexported parts.
func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func addrs(s ...string) []netip.Addr {
	var out []netip.Addr
	for _, a := range s {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func TestCompileInstance(t *testing.T) {
	t.Parallel()
	// base is an instance with all defaults.
	base := func(change func(*wire.Instance)) wire.Instance {
		in := wire.Instance{
			Params: vrrp.Params{
				Name: "VI_1", Family: vrrp.IPv4, Version: vrrp.V3, VRID: 51, Link: "eth0",
				Group: netip.MustParseAddr("224.0.0.18"), Priority: 100, Interval: time.Second, DownAdverts: 3,
				Addrs: addrs("192.0.2.10"), Auth: vrrp.AuthNone, Form: vrrp.ChecksumPseudo, CheckUnicastSource: true,
				PlannedMoves: true, LeaveInterval: 300 * time.Millisecond, HigherPrioSendAdvert: true,
			},
			Addresses: []netif.Addr{{Prefix: netip.MustParsePrefix("192.0.2.10/24"), Link: "eth0", PreferredLft: netif.PreferredForever}},
			Announce:  arp.DefaultSettings(),
			TTL:       255,
		}
		change(&in)
		return in
	}
	tests := []struct {
		name string
		keys string // of the instance
		want wire.Instance
	}{
		{"defaults", `virtual_ipaddress = ["192.0.2.10/24"]`, base(func(*wire.Instance) {})},
		{
			"the timers and switches", `
state = "BACKUP"
priority = 150
advert_int = "250ms"
down_timer_adverts = 5
nopreempt = true
higher_prio_send_advert = false
lower_prio_no_advert = true
skip_check_adv_addr = true
dont_track_primary = true
track_src_ip = true
mcast_src_ip = "192.0.2.1"
mcast_dst_ip = "224.0.0.19"
v3_checksum_as_v2 = true
virtual_ipaddress = ["192.0.2.10/24"]`,
			base(func(in *wire.Instance) {
				p := &in.Params
				p.Priority, p.Interval, p.DownAdverts, p.Nopreempt = 150, 250*time.Millisecond, 5, true
				p.HigherPrioSendAdvert, p.LowerPrioNoAdvert, p.SkipCheckAdvAddr = false, true, true
				p.DontTrackPrimary, p.TrackSource, p.Form = true, true, vrrp.ChecksumPlain
				p.Source, p.Group = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("224.0.0.19")
			}),
		},
		{
			"preempt delay", `
preempt_delay = "5s"
virtual_ipaddress = ["192.0.2.10/24"]`,
			base(func(in *wire.Instance) { in.Params.PreemptDelay = 5 * time.Second }),
		},
		{
			"state MASTER", `
state = "MASTER"
priority = 150
virtual_ipaddress = ["192.0.2.10/24"]`,
			base(func(in *wire.Instance) { in.Params.StartMaster, in.Params.Priority = true, 150 }),
		},
		{
			"owner that ignores adverts", `
priority = 255
owner_ignore_adverts = true
virtual_ipaddress = ["192.0.2.10/24"]`,
			base(func(in *wire.Instance) {
				in.Params.StartMaster, in.Params.Priority, in.Params.OwnerIgnoreAdverts = true, 255, true
			}),
		},
		{
			"version 2 with a password", `
version = 2
authentication = { auth_type = "PASS", auth_pass = "secret" }
virtual_ipaddress = ["192.0.2.10/24"]`,
			base(func(in *wire.Instance) {
				in.Params.Version, in.Params.Auth, in.Params.Password = vrrp.V2, vrrp.AuthPass, vrrp.PasswordFrom("secret")
			}),
		},
		{
			"unicast", `
unicast_src_ip = "192.0.2.1"
unicast_peer = ["192.0.2.2", "192.0.2.3 min_ttl 250 max_ttl 254"]
unicast_ttl = 64
virtual_ipaddress = ["192.0.2.10/24"]`,
			base(func(in *wire.Instance) {
				p := &in.Params
				p.Group, p.Unicast, p.Source = netip.Addr{}, true, netip.MustParseAddr("192.0.2.1")
				p.Peers = []vrrp.Peer{
					{Addr: netip.MustParseAddr("192.0.2.2"), MaxTTL: 255},
					{Addr: netip.MustParseAddr("192.0.2.3"), MinTTL: 250, MaxTTL: 254},
				}
				in.TTL = 64
			}),
		},
		{
			"unicast without unicast_ttl leaves with 255", `
check_unicast_src = false
unicast_peer = ["192.0.2.2"]
virtual_ipaddress = ["192.0.2.10/24"]`,
			base(func(in *wire.Instance) {
				p := &in.Params
				p.Group, p.Unicast, p.CheckUnicastSource = netip.Addr{}, true, false
				p.Peers = []vrrp.Peer{{Addr: netip.MustParseAddr("192.0.2.2"), MaxTTL: 255}}
				p.LeaveInterval = 10 * time.Millisecond // one backup at the most
			}),
		},
		{
			"unicast that waits for peers", `
unicast_fault_no_peer = true
unicast_peer = []
virtual_ipaddress = ["192.0.2.10/24"]`,
			base(func(in *wire.Instance) { in.Params.Group, in.Params.Unicast = netip.Addr{}, true }),
		},
		{
			"IPv6", `
virtual_ipaddress = ["fe80::10/64", "2001:db8::10/128 preferred_lft 0"]`,
			base(func(in *wire.Instance) {
				p := &in.Params
				p.Family, p.Group, p.Addrs = vrrp.IPv6, netip.MustParseAddr("ff02::12"), addrs("fe80::10", "2001:db8::10")
				in.Addresses = []netif.Addr{
					{Prefix: netip.MustParsePrefix("fe80::10/64"), Link: "eth0", PreferredLft: netif.PreferredForever},
					{Prefix: netip.MustParsePrefix("2001:db8::10/128"), Link: "eth0", PreferredLft: netif.PreferredNever},
				}
			}),
		},
		{
			"all that an address can have", `
virtual_ipaddress = ["192.0.2.10/24 brd 192.0.2.255 dev eth1 label eth1:7 scope link no_track"]
virtual_ipaddress_excluded = ["198.51.100.1 peer 198.51.100.2/32 dev eth2", "2001:db8::1/64 dev eth2 preferred_lft 30 -nodad home mngtmpaddr noprefixroute"]`,
			base(func(in *wire.Instance) {
				in.Params.Excluded = addrs("198.51.100.1", "2001:db8::1")
				in.Params.BreakBeforeMake = true // by the duplicate address detection
				in.Addresses = []netif.Addr{
					{
						Prefix: netip.MustParsePrefix("192.0.2.10/24"), Link: "eth1", Label: "eth1:7", Scope: 253,
						Broadcast: netip.MustParseAddr("192.0.2.255"), NoTrack: true, PreferredLft: netif.PreferredForever,
					},
					{
						Prefix: netip.MustParsePrefix("198.51.100.1/32"), Link: "eth2", Peer: netip.MustParsePrefix("198.51.100.2/32"),
						PreferredLft: netif.PreferredForever,
					},
					{
						Prefix: netip.MustParsePrefix("2001:db8::1/64"), Link: "eth2", PreferredLft: 30 * time.Second,
						DAD: true, Home: true, MngTmpAddr: true, NoPrefixRoute: true,
					},
				}
			}),
		},
		{
			"announcements", `
garp_master_delay = "1s"
garp_master_repeat = 2
garp_master_refresh = "60s"
garp_master_refresh_repeat = 3
garp_lower_prio_delay = "7s"
garp_lower_prio_repeat = 4
virtual_ipaddress = ["192.0.2.10/24"]`,
			base(func(in *wire.Instance) {
				in.Announce = arp.Settings{
					Repeat: 2, Delay: time.Second, Refresh: time.Minute, RefreshRepeat: 3, LowerPrioDelay: 7 * time.Second, LowerPrioRepeat: 4,
				}
			}),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := parse(t, "[[vrrp_instance]]\nname = \"VI_1\"\ninterface = \"eth0\"\nvirtual_router_id = 51\n"+tt.keys+"\n")
			got := compile(cfg, nil)
			if diff := cmp.Diff(text(t, tt.want), text(t, got.Instances[0])); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			// The parts of a password and of bytes look the same in JSON or not at all.
			if got.Instances[0].Params.Password != tt.want.Params.Password {
				t.Error("another password")
			}
		})
	}
}

const twoInstances = `
[global_defs]
main_timeout = "20s"
log_unknown_vrids = true
[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
virtual_ipaddress = ["192.0.2.10/24", "192.0.2.11/24 dev eth1"]
[[vrrp_instance]]
name = "VI_6"
interface = "eth2"
virtual_router_id = 51
promote_secondaries = true
virtual_ipaddress = ["fe80::10/64"]
`

func TestCompile(t *testing.T) {
	t.Parallel()
	cfg := parse(t, twoInstances)
	gone := netif.Key{Link: "eth9", Prefix: netip.MustParsePrefix("203.0.113.1/32")}
	got := compile(cfg, []netif.Key{gone})
	if got.MainTimeout != 20*time.Second || !got.LogUnknownVRIDs || len(got.Instances) != 2 || got.StartupDelay != 0 {
		t.Errorf("got %+v", got)
	}
	if want := []string{"eth2"}; !slices.Equal(got.Promote, want) {
		t.Errorf("promote_secondaries on %v, want %v", got.Promote, want)
	}
	var left []string
	for _, k := range got.Leftovers {
		left = append(left, k.String())
	}
	want := []string{"192.0.2.10/24 dev eth0", "192.0.2.11/24 dev eth1", "fe80::10/64 dev eth2", "203.0.113.1/32 dev eth9"}
	if !slices.Equal(left, want) {
		t.Errorf("leftovers %q, want %q", left, want)
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	first := compile(parse(t, twoInstances), nil)
	same := compile(parse(t, "# comment\n"+strings.ReplaceAll(twoInstances, "\n[[", "\n\n[[")), []netif.Key{{Link: "eth9"}})
	if first.Digest == "" || first.Digest != same.Digest {
		t.Errorf("%q and %q differ", first.Digest, same.Digest)
	}
	for _, change := range [][2]string{
		{`"20s"`, `"21s"`},
		{"log_unknown_vrids = true", ""},
		{"192.0.2.11/24 dev eth1", "192.0.2.11/24 dev eth1 no_track"},
		{"virtual_router_id = 51", "virtual_router_id = 51\npriority = 101"},
		{"virtual_router_id = 51", "virtual_router_id = 51\ngarp_master_repeat = 7"},
		{"promote_secondaries = true", ""},
	} {
		other := compile(parse(t, strings.Replace(twoInstances, change[0], change[1], 1)), nil)
		if same := other.Digest == first.Digest; same != (change[0] == "promote_secondaries = true" && slices.Equal(other.Promote, first.Promote)) {
			t.Errorf("%q instead of %q: same digest is %v", change[1], change[0], same)
		}
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	instance := func(name, vrid, more string) string {
		return "[[vrrp_instance]]\nname = \"" + name + "\"\ninterface = \"eth0\"\nvirtual_router_id = " + vrid + "\n" + more + "\n"
	}
	cfg := parse(t, instance("accepts", "1", `virtual_ipaddress = ["192.0.2.1/24"]`)+
		instance("drops", "2", "no_accept = true\nvirtual_ipaddress = [\"192.0.2.2/24\"]\nvirtual_ipaddress_excluded = [\"2001:db8::2/64\", \"192.0.2.22/24 dev eth1\"]")+
		instance("owner", "3", "priority = 255\nno_accept = true\nvirtual_ipaddress = [\"192.0.2.3/24\"]")+
		instance("strict", "4", "strict_mode = true\nvirtual_ipaddress = [\"192.0.2.4/24\"]")+
		instance("six", "5", "accept = false\nvirtual_ipaddress = [\"fe80::5/64 dev eth1\", \"2001:db8::5/64\"]"))
	got := rules(cfg)
	want := addrs("192.0.2.2", "192.0.2.4", "192.0.2.22", "2001:db8::2", "2001:db8::5", "fe80::5%eth1")
	if !slices.Equal(got.NoAccept, want) {
		t.Errorf("got %v, want %v", got.NoAccept, want)
	}
	other := got
	other.NoAccept = addrs("192.0.2.2", "192.0.2.9")
	both := bothRules(got, other)
	if len(both.NoAccept) != len(want)+1 || !slices.IsSortedFunc(both.NoAccept, netip.Addr.Compare) {
		t.Errorf("both: %v", both.NoAccept)
	}
	if sameRules(got, other) || !sameRules(got, rules(cfg)) || sameRules(got, both) {
		t.Error("sameRules is wrong")
	}
}

func TestStartupDelay(t *testing.T) {
	t.Parallel()
	s := time.Second
	tests := []struct {
		name                         string
		delay, boot                  time.Duration
		sinceStart, sinceBoot, wants time.Duration
	}{
		{"none", 0, 0, 0, time.Hour, 0},
		{"at the start", 30 * s, 0, 0, time.Hour, 30 * s},
		{"what is left", 30 * s, 0, 10 * s, time.Hour, 20 * s},
		{"over", 30 * s, 0, 40 * s, time.Hour, 0},
		{"after boot", 0, 120 * s, 0, 50 * s, 70 * s},
		{"long after boot", 0, 120 * s, 0, time.Hour, 0},
		{"the longer one", 30 * s, 120 * s, 0, 50 * s, 70 * s},
		{"the longer one is the other", 90 * s, 120 * s, 0, 50 * s, 90 * s},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := &config.Global{StartupDelay: tt.delay, DelayAfterBoot: tt.boot}
			if got := startupDelay(g, tt.sinceStart, tt.sinceBoot); got != tt.wants {
				t.Errorf("got %v, want %v", got, tt.wants)
			}
		})
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	conf := func(names ...string) *wire.Config {
		c := &wire.Config{}
		for _, n := range names {
			name, priority, _ := strings.Cut(n, "/")
			c.Instances = append(c.Instances, &wire.Instance{Params: vrrp.Params{Name: name, Priority: uint8(len(priority))}})
		}
		return c
	}
	added, changed, removed, unchanged := changes(conf("a", "b", "c", "d"), conf("b/x", "e", "a", "c"))
	if !slices.Equal(added, []string{"e"}) || !slices.Equal(changed, []string{"b"}) || !slices.Equal(removed, []string{"d"}) || unchanged != 2 {
		t.Errorf("added %v, changed %v, removed %v, unchanged %d", added, changed, removed, unchanged)
	}
}

func TestRestartKeys(t *testing.T) {
	t.Parallel()
	a := config.Global{Realtime: true, NFTable: "hakeep", MainTimeout: time.Second}
	b := config.Global{Name: "blue", NFTable: "hakeep_blue", MainTimeout: time.Minute, StartupDelay: time.Second,
		NetNamespace: "/run/netns/blue", StartupScript: config.Command{Argv: []string{"/x"}}}
	if got := restartKeys(&a, &a); got != nil {
		t.Errorf("got %v", got)
	}
	if got, want := restartKeys(&a, &b), []string{"instance", "nftables", "realtime", "vrrp_startup_delay", "net_namespace", "startup_script"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

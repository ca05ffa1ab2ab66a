package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// equal compares configurations by their exported fields.
var equal = cmp.Options{
	cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}, netip.AddrPort{}),
	cmpopts.IgnoreUnexported(Config{}),
	cmpopts.IgnoreFields(Instance{}, "Line"),
	cmpopts.IgnoreFields(Script{}, "Line"), cmpopts.IgnoreFields(TrackFile{}, "Line"), cmpopts.IgnoreFields(TrackProcess{}, "Line"),
	cmpopts.IgnoreFields(Check{}, "Line"), cmpopts.IgnoreFields(SyncGroup{}, "Line"), cmpopts.IgnoreFields(TrackGroup{}, "Line"),
	cmpopts.IgnoreFields(LinkDelay{}, "Line"), cmpopts.IgnoreFields(VirtualServer{}, "Line"), cmpopts.IgnoreFields(RealServer{}, "Line"),
}

// base is a configuration without problems; keys of a test go to one of the
// three places.
func base(global, instance, vips string) string {
	if vips == "" {
		vips = `virtual_ipaddress = ["192.0.2.10/24"]`
	}
	return "[global_defs]\n" + global + "\n[[vrrp_instance]]\nname = \"VI_1\"\ninterface = \"eth0\"\nvirtual_router_id = 51\n" + vips + "\n" + instance + "\n"
}

// baseConfig is what base means: keepalived's defaults and hakeep's few
// departures, written out.
func baseConfig() *Config {
	return &Config{
		File: "test.toml",
		Global: Global{
			NFTable:          "hakeep",
			NFTPriority:      -1,
			DefaultInterface: "eth0",
			Realtime:         true,
			MainTimeout:      10 * time.Second,
			HealDoubleMaster: true,
			ScriptUser:       "hakeep_script",
			Umask:            0o22,
			Mail:             Mail{ConnectTimeout: 30 * time.Second},
			LVS:              LVS{Backend: BackendAuto, FlushOnStop: FlushNone, ExpireNodest: ChoiceUnset},
			Dumps:            Dumps{JSONVersion: 1},
		},
		Instances: []Instance{{
			Name:             "VI_1",
			State:            StateBackup,
			Interface:        "eth0",
			VRID:             51,
			Family:           FamilyIPv4,
			Version:          3,
			Priority:         100,
			AdvertInt:        time.Second,
			DownTimerAdverts: 3,
			Auth:             Auth{Type: AuthNone},
			Addresses:        []Address{addr4("192.0.2.10/24")},
			McastDst:         netip.MustParseAddr("224.0.0.18"),
			CheckUnicastSrc:  true,
			FastLeave:        true,

			HigherPrioSendAdvert: true,
			Garp: GarpSettings{
				Repeat: 5, Delay: 5 * time.Second, RefreshRepeat: 1,
				LowerPrioDelay: 5 * time.Second, LowerPrioRepeat: 5,
			},
			Accept: true,
		}},
	}
}

func addr4(prefix string) Address {
	return Address{Prefix: netip.MustParsePrefix(prefix), Dev: "eth0", PreferredLft: Forever}
}

func addr6(prefix string) Address { return addr4(prefix) }

// keywordCase shows what one keyword does to baseConfig.
type keywordCase struct {
	key    string // block/name, as in the table
	root   string // before the first table
	global string
	inst   string
	vips   string
	want   func(c *Config, g *Global, in *Instance)
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

const unicast = "unicast_peer = [\"192.0.2.2\"]\n"

func asUnicast(in *Instance, peers ...Peer) {
	if peers == nil {
		peers = []Peer{{Addr: ip("192.0.2.2"), MaxTTL: 255}}
	}
	in.Unicast, in.UnicastPeers, in.McastDst, in.UnicastTTL = true, peers, netip.Addr{}, 255
}

func TestKeywords(t *testing.T) {
	t.Parallel()
	cases := append(globalCases(), instanceCases()...)
	cases = append(cases, entryCases()...)
	cases = append(cases, aroundCases()...)
	for _, tt := range cases {
		t.Run(tt.key, func(t *testing.T) {
			t.Parallel()
			got, problems := Parse("test.toml", []byte(tt.root+"\n"+base(tt.global, tt.inst, tt.vips)))
			if problems.HasErrors() {
				t.Fatalf("problems:\n%s", problems)
			}
			checkPromises(t, got)
			checkAround(t, got)
			checkBalancing(t, got)
			want := baseConfig()
			tt.want(want, &want.Global, &want.Instances[0])
			if diff := cmp.Diff(want, got, equal); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		seen := make(map[string]bool)
		for _, tt := range cases {
			seen[tt.key] = true
		}
		for _, k := range Keywords() {
			if id := string(k.Block) + "/" + k.Name; k.Fate == Done && k.Block != BlockRoot && !seen[id] {
				t.Errorf("no case for %s", id)
			}
		}
	})
}

func TestKeywordTable(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, k := range Keywords() {
		id := string(k.Block) + "/" + k.Name
		if seen[id] {
			t.Errorf("%s is in the table twice", id)
		}
		seen[id] = true
		if k.Name == "" || k.Kind == 0 || k.Reload == 0 || k.Fate == 0 || k.Source == "" {
			t.Errorf("%s is not complete: %+v", id, k)
		}
		for _, s := range []string{k.Kind.String(), k.Reload.String(), k.Fate.String()} {
			if strings.ContainsAny(s, "0123456789") {
				t.Errorf("%s has a value without a name: %s", id, s)
			}
		}
		if k.Fate != Done && k.Reason == "" {
			t.Errorf("%s is not done and does not say why", id)
		}
		if k.Fate == Done && (k.Reason != "" || k.Doc == "") {
			t.Errorf("%s is done and needs a sentence for the manual, and no reason", id)
		}
		if k.Fate == Done && k.example() == "" && !k.Secret {
			t.Errorf("%s has no example", id)
		}
		if k.Fate == Done && k.Kind != KindTable && k.Kind != KindTables && k.example() != "" {
			checkExample(t, &k, id)
		}
	}
}

// checkExample converts the example and the default of a row by the row itself.
func checkExample(t *testing.T, k *Keyword, id string) {
	t.Helper()
	values := []string{k.example()}
	if k.fixedDefault() {
		values = append(values, k.Default)
	}
	for _, v := range values {
		if _, wrong := convert(k, tomlValue(t, v), &node{}); wrong != "" {
			t.Errorf("%s = %s: %s", id, v, wrong)
		}
	}
}

func globalCases() []keywordCase {
	return []keywordCase{
		{key: "global_defs/router_id", global: `router_id = "lb1"`, want: func(_ *Config, g *Global, _ *Instance) { g.RouterID = "lb1" }},
		{key: "global_defs/instance", global: `instance = "blue-1"`, want: func(_ *Config, g *Global, _ *Instance) { g.Name, g.NFTable = "blue-1", "hakeep_blue_1" }},
		{key: "global_defs/vrrp_version", global: `vrrp_version = 2`, want: func(_ *Config, _ *Global, in *Instance) { in.Version = 2 }},
		{key: "global_defs/vrrp_version", global: `vrrp_version = 2`, vips: `virtual_ipaddress = ["fe80::10/64"]`, want: func(_ *Config, _ *Global, in *Instance) {
			in.Family, in.McastDst, in.Addresses = FamilyIPv6, ip("ff02::12"), []Address{addr6("fe80::10/64")}
		}},
		{key: "global_defs/vrrp_mcast_group4", global: `vrrp_mcast_group4 = "224.0.0.19"`, want: func(_ *Config, _ *Global, in *Instance) { in.McastDst = ip("224.0.0.19") }},
		{key: "global_defs/vrrp_mcast_group6", global: `vrrp_mcast_group6 = "ff02::13"`, vips: `virtual_ipaddress = ["fe80::10/64"]`, want: func(_ *Config, _ *Global, in *Instance) {
			in.Family, in.McastDst, in.Addresses = FamilyIPv6, ip("ff02::13"), []Address{addr6("fe80::10/64")}
		}},
		{key: "global_defs/default_interface", global: `default_interface = "eth7"`, want: func(_ *Config, g *Global, _ *Instance) { g.DefaultInterface = "eth7" }},
		{key: "global_defs/nftables", global: `nftables = "vips"`, want: func(_ *Config, g *Global, _ *Instance) { g.NFTable = "vips" }},
		{key: "global_defs/nftables", global: `nftables = true`, want: func(*Config, *Global, *Instance) {}},
		{key: "global_defs/log_unknown_vrids", global: `log_unknown_vrids = true`, want: func(_ *Config, g *Global, _ *Instance) { g.LogUnknownVRIDs = true }},
		{key: "global_defs/realtime", global: `realtime = false`, want: func(_ *Config, g *Global, _ *Instance) { g.Realtime = false }},
		{key: "global_defs/main_timeout", global: `main_timeout = "1m"`, want: func(_ *Config, g *Global, _ *Instance) { g.MainTimeout = time.Minute }},
		{key: "global_defs/http_listen", global: `http_listen = "[::1]:9112"`, want: func(_ *Config, g *Global, _ *Instance) { g.HTTPListen = netip.MustParseAddrPort("[::1]:9112") }},
		{key: "global_defs/http_listen", global: `http_listen = "off"`, want: func(*Config, *Global, *Instance) {}},
		{key: "global_defs/vrrp_down_timer_adverts", global: `vrrp_down_timer_adverts = 5`, want: func(_ *Config, _ *Global, in *Instance) { in.DownTimerAdverts = 5 }},
		{key: "global_defs/nftables_priority", global: `nftables_priority = 5`, want: func(_ *Config, g *Global, _ *Instance) { g.NFTPriority = 5 }},
		{key: "global_defs/nftables_counters", global: `nftables_counters = true`, want: func(_ *Config, g *Global, _ *Instance) { g.NFTCounters = true }},
		{key: "global_defs/fast_leave", global: `fast_leave = false`, want: func(_ *Config, _ *Global, in *Instance) { in.FastLeave = false }},
		{key: "global_defs/fast_leave_interval", global: `fast_leave_interval = "100ms"`, want: func(_ *Config, _ *Global, in *Instance) { in.FastLeaveInterval = 100 * time.Millisecond }},
		{key: "global_defs/vrrp_lower_prio_no_advert", global: `vrrp_lower_prio_no_advert = true`, want: func(_ *Config, _ *Global, in *Instance) { in.LowerPrioNoAdvert = true }},
		{key: "global_defs/vrrp_higher_prio_send_advert", global: `vrrp_higher_prio_send_advert = false`, want: func(_ *Config, _ *Global, in *Instance) { in.HigherPrioSendAdvert = false }},
		{key: "global_defs/vrrp_check_unicast_src", global: `vrrp_check_unicast_src = false`, want: func(_ *Config, _ *Global, in *Instance) { in.CheckUnicastSrc = false }},
		{key: "global_defs/vrrp_skip_check_adv_addr", global: `vrrp_skip_check_adv_addr = true`, want: func(_ *Config, _ *Global, in *Instance) { in.SkipCheckAdvAddr = true }},
		{key: "global_defs/vrrp_strict", global: `vrrp_strict = true`, want: func(_ *Config, _ *Global, in *Instance) {
			in.HigherPrioSendAdvert = false
			in.Strict, in.Accept, in.LowerPrioNoAdvert = true, false, true
			in.Garp.LowerPrioDelay, in.Garp.LowerPrioRepeat = 0, 0
		}},
		{key: "global_defs/vrrp_owner_ignore_adverts", global: `vrrp_owner_ignore_adverts = true`, want: func(*Config, *Global, *Instance) {}},
		{key: "global_defs/vrrp_owner_ignore_adverts", global: `vrrp_owner_ignore_adverts = true`, inst: `priority = 255`, want: func(_ *Config, _ *Global, in *Instance) {
			in.Priority, in.State, in.OwnerIgnoreAdverts = 255, StateMaster, true
		}},
		{key: "global_defs/v3_checksum_as_v2", global: `v3_checksum_as_v2 = true`, want: func(_ *Config, _ *Global, in *Instance) { in.V3ChecksumAsV2 = true }},
		{key: "global_defs/vrrp_garp_master_delay", global: `vrrp_garp_master_delay = "0s"`, want: func(_ *Config, _ *Global, in *Instance) { in.Garp.Delay, in.Garp.LowerPrioDelay = 0, 0 }},
		{key: "global_defs/vrrp_garp_master_repeat", global: `vrrp_garp_master_repeat = 2`, want: func(_ *Config, _ *Global, in *Instance) { in.Garp.Repeat, in.Garp.LowerPrioRepeat = 2, 2 }},
		{key: "global_defs/vrrp_garp_master_refresh", global: `vrrp_garp_master_refresh = "1m"`, want: func(_ *Config, _ *Global, in *Instance) { in.Garp.Refresh = time.Minute }},
		{key: "global_defs/vrrp_garp_master_refresh_repeat", global: `vrrp_garp_master_refresh_repeat = 3`, want: func(_ *Config, _ *Global, in *Instance) { in.Garp.RefreshRepeat = 3 }},
		{key: "global_defs/vrrp_garp_lower_prio_delay", global: `vrrp_garp_lower_prio_delay = "2s"`, want: func(_ *Config, _ *Global, in *Instance) { in.Garp.LowerPrioDelay = 2 * time.Second }},
		{key: "global_defs/vrrp_garp_lower_prio_repeat", global: `vrrp_garp_lower_prio_repeat = 0`, want: func(_ *Config, _ *Global, in *Instance) { in.Garp.LowerPrioRepeat = 0 }},
		{key: "global_defs/vrrp_garp_interval", global: `vrrp_garp_interval = "1us"`, want: func(_ *Config, _ *Global, in *Instance) { in.Garp.Interval = time.Microsecond }},
		{key: "global_defs/vrrp_gna_interval", global: `vrrp_gna_interval = "1.5ms"`, want: func(_ *Config, _ *Global, in *Instance) { in.Garp.NAInterval = 1500 * time.Microsecond }},
		{key: "global_defs/vrrp_min_garp", global: `vrrp_min_garp = true`, want: func(_ *Config, _ *Global, in *Instance) { in.Garp = GarpSettings{Repeat: 1, LowerPrioRepeat: 1} }},
		{key: "global_defs/vrrp_min_garp", global: "vrrp_min_garp = true\nvrrp_garp_master_delay = \"3s\"", want: func(_ *Config, _ *Global, in *Instance) {
			in.Garp = GarpSettings{Repeat: 1, LowerPrioRepeat: 1, Delay: 3 * time.Second, LowerPrioDelay: 3 * time.Second}
		}},
		{key: "global_defs/vrrp_startup_delay", global: `vrrp_startup_delay = "2.5s"`, want: func(_ *Config, g *Global, _ *Instance) { g.StartupDelay = 2500 * time.Millisecond }},
		{key: "global_defs/vrrp_delay_after_boot", global: `vrrp_delay_after_boot = "30s"`, want: func(_ *Config, g *Global, _ *Instance) { g.DelayAfterBoot = 30 * time.Second }},
	}
}

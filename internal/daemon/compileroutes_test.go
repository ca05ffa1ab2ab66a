package daemon

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"hakeep/internal/netif"
	"hakeep/internal/wire"
)

const routed = `
static_ipaddress = ["198.51.100.7/24 dev eth3 track_group T"]
static_routes = ["10.9.0.0/16 dev eth0 track_group T"]
static_rules = ["from 10.9.0.0/16 table 9 preference 9"]
[[track_group]]
name = "T"
group = ["VI_1"]
[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
virtual_ipaddress = ["192.0.2.10/24"]
virtual_routes = [`

// What the configuration says is what the kernel is asked for, in its own
// words.
func TestCompileRoutes(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"10.0.0.0/8 via 192.0.2.1":                                                 "10.0.0.0/8 via 192.0.2.1",
		"10.0.0.0/8 via 192.0.2.1 dev eth0 onlink":                                 "10.0.0.0/8 via 192.0.2.1 dev eth0 onlink",
		"10.0.0.0/8 dev eth0 table 100 metric 5 src 192.0.2.10":                    "10.0.0.0/8 dev eth0 table 100 scope 253 src 192.0.2.10 metric 5",
		"10.0.0.0/8 dev eth0 vrf red":                                              "10.0.0.0/8 dev eth0 vrf red scope 253",
		"default via 192.0.2.1 mtu lock 1400 advmss 1300":                          "0.0.0.0/0 via 192.0.2.1 locks 4 mtu 1400 advmss 1300",
		"default via 192.0.2.1 rtt 10ms rttvar 10ms rto_min 200ms":                 "0.0.0.0/0 via 192.0.2.1 locks 8192 rtt 80 rttvar 40 rto_min 200",
		"default via 192.0.2.1 features ecn quickack 1":                            "0.0.0.0/0 via 192.0.2.1 features 1 quickack 1",
		"default via 192.0.2.1 congctl cubic initcwnd 20 realms 1/2":               "0.0.0.0/0 via 192.0.2.1 realms 0x10002 initcwnd 20 congctl cubic",
		"blackhole 10.0.0.0/8":                                                     "blackhole 10.0.0.0/8",
		"10.0.0.0/8 via inet6 fe80::1 dev eth0":                                    "10.0.0.0/8 via fe80::1 dev eth0",
		"10.0.0.0/8 nexthop via 192.0.2.1 weight 3 nexthop via 192.0.2.2 dev eth1": "10.0.0.0/8 nexthop via 192.0.2.1 weight 3 nexthop via 192.0.2.2 dev eth1 weight 1",
		"2001:db8::/32 via fe80::1 dev eth0 pref high expires 60":                  "2001:db8::/32 via fe80::1 dev eth0 metric 1024 pref high expires 60",
		"10.0.0.0/8 via 192.0.2.1 protocol 4 no_track":                             "10.0.0.0/8 via 192.0.2.1 proto 4",
	} {
		c := compile(parse(t, routed+`"`+line+`"]`), nil)
		r := c.Instances[0].Routes[0]
		if err := r.Check(); err != nil || r.String() != want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", line, r, err, want)
		}
		if !slices.Contains(c.LeftItems.Routes, r.Key()) {
			t.Errorf("%s is not among the leftovers", r)
		}
	}
	for line, want := range map[string]netif.Placement{"": netif.PlacePrepend, "append": netif.PlaceAppend, "add": netif.PlaceAlone} {
		c := compile(parse(t, routed+`"10.0.0.0/8 via 192.0.2.1 `+line+`"]`), nil)
		if got := c.Instances[0].Routes[0].Placement; got != want {
			t.Errorf("%s: %s", line, got)
		}
	}
}

func TestCompileRules(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"from 10.0.0.0/8 table 100 preference 1000":                        "from 10.0.0.0/8 lookup 100 priority 1000",
		"not from 10.0.0.0/8 to 10.1.0.0/16 lookup 100 priority 1000":      "not from 10.0.0.0/8 to 10.1.0.0/16 lookup 100 priority 1000",
		"iif eth0 oif eth1 tos 0x10 fwmark 1/255 table 100 preference 1":   "from all tos 0x10 fwmark 0x1/0xff iif eth0 oif eth1 lookup 100 priority 1",
		"fwmark 7 table 100 preference 1":                                  "from all fwmark 0x7/0xffffffff lookup 100 priority 1",
		"table 100 suppress_prefixlength 0 preference 1":                   "from all lookup 100 suppress_prefixlength 0 priority 1",
		"table 100 suppress_ifgroup 3 preference 1":                        "from all lookup 100 suppress_ifgroup 3 priority 1",
		"uidrange 0-0 ipproto tcp sport 1-2 dport 80 table 1 preference 1": "from all uidrange 0-0 ipproto 6 sport 1-2 dport 80-80 lookup 1 priority 1",
		"l3mdev preference 1":                                              "from all l3mdev priority 1",
		"tunnel-id 7 table 9 preference 1":                                 "from all tun_id 7 lookup 9 priority 1",
		"goto 5 preference 1":                                              "from all goto 5 priority 1",
		"blackhole inet6 preference 1":                                     "inet6 from all blackhole priority 1",
	} {
		c := compile(parse(t, routed+"]\nvirtual_rules = [\""+line+`"]`), nil)
		r := c.Instances[0].Rules[0]
		if err := r.Check(); err != nil || r.String() != want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", line, r, err, want)
		}
		if !slices.Contains(c.LeftItems.Rules, r.Key()) {
			t.Errorf("%s is not among the leftovers", r)
		}
	}
}

func TestCompileStatic(t *testing.T) {
	t.Parallel()
	c := compile(parse(t, routed+"]"), nil)
	s := c.Static
	if len(s.Addresses) != 1 || len(s.Routes) != 1 || len(s.Rules) != 1 {
		t.Fatalf("got %+v", s)
	}
	if !slices.Contains(c.Leftovers, s.Addresses[0].Key()) ||
		!slices.Contains(c.LeftItems.Routes, s.Routes[0].Key()) || !slices.Contains(c.LeftItems.Rules, s.Rules[0].Key()) {
		t.Errorf("left %+v %+v", c.Leftovers, c.LeftItems)
	}
	want := map[string][]string{
		"198.51.100.7/24 dev eth3":             {"VI_1"},
		"route 10.9.0.0/16 dev eth0 scope 253": {"VI_1"},
	}
	if !reflect.DeepEqual(s.Followers, want) {
		t.Errorf("followers %v", s.Followers)
	}
	// It is the same for the elector after the way through the socket.
	b, err := json.Marshal(c)
	var again wire.Config
	if err == nil {
		err = json.Unmarshal(b, &again)
	}
	if err != nil || !reflect.DeepEqual(again.Static, c.Static) || !reflect.DeepEqual(again.LeftItems, c.LeftItems) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, again.Static, c.Static)
	}
	if other := compile(parse(t, "[[vrrp_instance]]\nname=\"VI_1\"\ninterface=\"eth0\"\nvirtual_router_id=51\nvirtual_ipaddress=[\"192.0.2.10/24\"]"), nil); other.Digest == c.Digest {
		t.Error("static items do not count for the digest")
	}
}

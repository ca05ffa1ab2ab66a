package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// virtual is a virtual router that all four routers share.
type virtual struct {
	name     string
	vrid     int
	version  int
	interval time.Duration
	// password is that of version 2.
	password string
	// unicast: adverts go from router to router.
	unicast bool
	// silent: no_accept; the address is resolved but does not answer.
	silent bool
	// route moves with the master.
	route string
	addrs []string
}

var virtuals = []virtual{
	{name: "V4", vrid: 51, version: 3, interval: 100 * time.Millisecond, route: "198.51.100.0/24 via 192.0.2.100 dev eth0",
		addrs: []string{"192.0.2.10/24", "192.0.2.11/24", "192.0.2.12/24"}},
	{name: "V6", vrid: 52, version: 3, interval: 100 * time.Millisecond, addrs: []string{"fe80::10/64", "2001:db8::10/64"}},
	{name: "SILENT", vrid: 53, version: 3, interval: 100 * time.Millisecond, silent: true, addrs: []string{"192.0.2.20/24"}},
	{name: "V2", vrid: 54, version: 2, interval: time.Second, password: "secret", addrs: []string{"192.0.2.30/24"}},
	{name: "UNI", vrid: 55, version: 3, interval: 100 * time.Millisecond, unicast: true, addrs: []string{"192.0.2.40/24"}},
}

// target is the address that the client asks.
func (v *virtual) target() netip.Addr {
	return netip.MustParsePrefix(v.addrs[len(v.addrs)-1]).Addr()
}

// down is how long the worst backup waits for a master that is silent: 3
// intervals and a skew of less than one (RFC 9568, 6.1).
func (v *virtual) down() time.Duration { return 4 * v.interval }

// variant is what a reload changes, a router's own part of its configuration.
type variant struct {
	// lower takes from the priority.
	lower int
	// extra adds an address, comment changes nothing.
	extra, comment bool
}

// toml is the configuration of a router that runs hakeep.
func (r *router) toml(v variant) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[global_defs]\nrouter_id = %q\nscript_user = \"root\"\nhttp_listen = \"127.0.0.1:9112\"\nlvs_backend = \"nftables\"\n\n", r.name)
	fmt.Fprintf(&b, "[[vrrp_script]]\nname = \"chk\"\nscript = [\"/usr/bin/test\", \"!\", \"-e\", %q]\ninterval = \"300ms\"\ntimeout = \"5s\"\nweight = -70\n\n", r.flag())
	if v.comment {
		b.WriteString("# nothing that matters\n")
	}
	for i := range virtuals {
		in := &virtuals[i]
		fmt.Fprintf(&b, "[[vrrp_instance]]\nname = %q\ninterface = \"eth0\"\nvirtual_router_id = %d\nversion = %d\npriority = %d\nadvert_int = %q\n",
			in.name, in.vrid, in.version, r.priority-v.lower, in.interval)
		addrs := in.addrs
		if v.extra && in.name == "V4" {
			addrs = append(addrs[:len(addrs):len(addrs)], extraAddr)
		}
		fmt.Fprintf(&b, "virtual_ipaddress = [\"%s\"]\ntrack_script = [\"chk\"]\n", strings.Join(addrs, `", "`))
		if in.route != "" {
			fmt.Fprintf(&b, "virtual_routes = [%q]\n", in.route)
		}
		if in.silent {
			b.WriteString("no_accept = true\n")
		}
		if in.unicast {
			fmt.Fprintf(&b, "unicast_src_ip = %q\nunicast_peer = [\"%s\"]\n", r.addr(), strings.Join(r.peers(), `", "`))
		}
		if in.password != "" {
			fmt.Fprintf(&b, "  [vrrp_instance.authentication]\n  auth_type = \"PASS\"\n  auth_pass = %q\n", in.password)
		}
		b.WriteString("\n")
	}
	b.WriteString("[[vrrp_sync_group]]\nname = \"G\"\ngroup = [\"V4\", \"V6\"]\n")
	b.WriteString(r.balancing)
	return b.String()
}

// extraAddr is the address that a reload adds.
const extraAddr = "192.0.2.13/24"

// conf is the configuration of the router that runs keepalived. It has real-time
// scheduling, or it would take over whenever this machine is busy, and says an
// advert when it loses, or a better router that was cut off need never hear it and
// clients stay with keepalived's MAC.
func (r *router) conf() string {
	var b strings.Builder
	b.WriteString("global_defs {\n vrrp_rt_priority 50\n vrrp_rlimit_rttime 10000000\n max_auto_priority -1\n vrrp_higher_prio_send_advert\n}\n")
	for i := range virtuals {
		in := &virtuals[i]
		fmt.Fprintf(&b, "vrrp_instance %s {\n interface eth0\n virtual_router_id %d\n version %d\n priority %d\n advert_int %g\n virtual_ipaddress {\n",
			in.name, in.vrid, in.version, r.priority, in.interval.Seconds())
		for _, a := range in.addrs {
			fmt.Fprintf(&b, "  %s\n", a)
		}
		b.WriteString(" }\n")
		if in.route != "" {
			fmt.Fprintf(&b, " virtual_routes {\n  %s\n }\n", in.route)
		}
		if in.unicast {
			fmt.Fprintf(&b, " unicast_src_ip %s\n unicast_peer {\n  %s\n }\n", r.addr(), strings.Join(r.peers(), "\n  "))
		}
		if in.password != "" {
			fmt.Fprintf(&b, " authentication {\n  auth_type PASS\n  auth_pass %s\n }\n", in.password)
		}
		b.WriteString("}\n")
	}
	b.WriteString("vrrp_sync_group G {\n group {\n  V4\n  V6\n }\n}\n")
	return b.String()
}

package hostcheck

import (
	"net"
	"net/netip"
	"slices"

	"hakeep/internal/config"
)

// Check looks at this machine and returns what it found, the same things in the
// same order. cfg may be nil: then only what every configuration needs is
// looked at. It belongs to the calling thread's network namespace and takes
// some milliseconds.
func Check(cfg *config.Config) []Finding {
	r := &report{}
	if cfg == nil {
		cfg = &config.Config{}
		cfg.Global.Realtime = true
	}
	uses := usesOf(cfg)
	checkKernel(r)
	checkCapabilities(r)
	if cfg.Global.Realtime {
		checkRealtime(r)
	}
	checkUsers(r)
	checkForwarding(r, uses)
	for _, u := range uses {
		checkLink(r, u)
	}
	for _, name := range addressLinks(cfg) {
		checkPromote(r, name)
	}
	checkFirewall(r, uses)
	checkBalancing(r, cfg)
	return r.findings
}

// use is an interface and family that instances speak on.
type use struct {
	link string
	ipv6 bool
	// unicast and multicast say how; group is the multicast group.
	unicast, multicast bool
	group              netip.Addr
	// needsAddress says that an instance takes its source address from the link.
	needsAddress bool
	// instance is one of them, for texts.
	instance string
}

// usesOf lists the interfaces and families of a configuration, in its order.
func usesOf(cfg *config.Config) []use {
	var out []use
	for i := range cfg.Instances {
		in := &cfg.Instances[i]
		if in.Interface == "" {
			continue
		}
		ipv6 := in.Family == config.FamilyIPv6
		j := slices.IndexFunc(out, func(u use) bool { return u.link == in.Interface && u.ipv6 == ipv6 })
		if j < 0 {
			j = len(out)
			out = append(out, use{link: in.Interface, ipv6: ipv6, instance: in.Name})
		}
		u := &out[j]
		if in.Unicast {
			u.unicast = true
			u.needsAddress = u.needsAddress || !in.UnicastSrc.IsValid()
		} else {
			u.multicast, u.group = true, in.McastDst
			u.needsAddress = u.needsAddress || !in.McastSrc.IsValid()
		}
	}
	return out
}

// addressLinks lists the interfaces that get virtual IPv4 addresses.
func addressLinks(cfg *config.Config) []string {
	var out []string
	for i := range cfg.Instances {
		in := &cfg.Instances[i]
		for _, a := range slices.Concat(in.Addresses, in.Excluded) {
			if a.Prefix.Addr().Is4() && !slices.Contains(out, a.Dev) {
				out = append(out, a.Dev)
			}
		}
	}
	return out
}

// checkLink looks at an interface that adverts go over. That it is missing is
// said by the check of the configuration.
func checkLink(r *report, u use) {
	link, err := net.InterfaceByName(u.link)
	if err != nil {
		return
	}
	if link.Flags&net.FlagUp == 0 {
		r.add(Warning, "interface", "%s is down; %s waits in FAULT until it is up", u.link, u.instance)
	} else if link.Flags&net.FlagRunning == 0 {
		r.add(Warning, "interface", "%s has no carrier; %s waits in FAULT until it has", u.link, u.instance)
	}
	if u.multicast && link.Flags&net.FlagMulticast == 0 {
		r.add(Warning, "interface", "%s does not do multicast; %s needs unicast_peer there", u.link, u.instance)
	}
	if u.ipv6 {
		if v, err := sysctl("ipv6", "conf", u.link, "disable_ipv6"); err == nil && v != "0" {
			r.add(Warning, "interface", "IPv6 is switched off on %s (net.ipv6.conf.%s.disable_ipv6 = %s)", u.link, u.link, v)
			return
		}
	}
	if u.needsAddress && !hasAddress(link, u.ipv6) {
		what := "no IPv4 address"
		if u.ipv6 {
			what = "no link-local IPv6 address"
		}
		r.add(Warning, "interface", "%s has %s to send adverts from; %s waits in FAULT until it has", u.link, what, u.instance)
	}
	if !u.ipv6 {
		checkReversePath(r, u)
	}
}

// hasAddress reports whether adverts of a family can be sent from an address of
// the interface: IPv6 takes a link-local one (RFC 9568, 5.1.2.1).
func hasAddress(link *net.Interface, ipv6 bool) bool {
	addrs, err := link.Addrs()
	if err != nil {
		return true // not known
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			return false
		}
		if ipv6 {
			return p.Addr().Is6() && p.Addr().IsLinkLocalUnicast()
		}
		return p.Addr().Is4()
	})
}

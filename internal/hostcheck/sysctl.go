package hostcheck

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sysctl reads net.PATH. What is below /proc/sys/net follows the reader's
// network namespace.
func sysctl(path ...string) (string, error) {
	text, err := os.ReadFile(sysctlFile(path...))
	return strings.TrimSpace(string(text)), err
}

func sysctlFile(path ...string) string {
	return filepath.Join(append([]string{"/proc/sys/net"}, path...)...)
}

// checkForwarding asks whether this host forwards packets, without which
// virtual addresses are no gateways.
func checkForwarding(r *report, uses []use) {
	const advice = "right where the virtual addresses are of services on this host, wrong where they are gateways of others"
	for _, f := range []struct {
		ipv6 bool
		path []string
		name string
	}{
		{false, []string{"ipv4", "ip_forward"}, "net.ipv4.ip_forward"},
		{true, []string{"ipv6", "conf", "all", "forwarding"}, "net.ipv6.conf.all.forwarding"},
	} {
		if !slices.ContainsFunc(uses, func(u use) bool { return u.ipv6 == f.ipv6 }) {
			continue
		}
		if v, err := sysctl(f.path...); err == nil && v == "0" {
			r.add(Note, "ip_forward", "%s = 0: this host does not forward packets, which is %s", f.name, advice)
		}
	}
}

// checkReversePath warns of the strict filter: the kernel drops a packet that
// came over another interface than the route to its source goes over.
func checkReversePath(r *report, u use) {
	own, err := sysctl("ipv4", "conf", u.link, "rp_filter")
	all, err2 := sysctl("ipv4", "conf", "all", "rp_filter")
	if err != nil || err2 != nil || max(own, all) != "1" { // the greater one counts
		return
	}
	severity, what := Note, "adverts of a router that this host reaches over another interface are dropped"
	if u.unicast {
		severity = Warning
		what += ", which happens with unicast between several networks"
	}
	r.add(severity, "rp_filter", "the strict reverse path filter is on for %s: %s; net.ipv4.conf.%s.rp_filter = 2 is the loose one", u.link, what, u.link)
}

// checkPromote asks whether the removal of one virtual address would take
// others with it. hakeep sets the sysctl itself, where it may.
func checkPromote(r *report, link string) {
	own, err := sysctl("ipv4", "conf", link, "promote_secondaries")
	all, err2 := sysctl("ipv4", "conf", "all", "promote_secondaries")
	if err != nil || err2 != nil || own != "0" || all != "0" {
		return
	}
	f, err := os.OpenFile(sysctlFile("ipv4", "conf", link, "promote_secondaries"), os.O_WRONLY, 0)
	if err == nil {
		_ = f.Close()
		return
	}
	r.add(Warning, "promote_secondaries", "net.ipv4.conf.%s.promote_secondaries = 0 and cannot be set here (%v): when one address of a network goes, "+
		"the kernel removes the others of that network, until hakeep puts them back; set it to 1 where it can be", link, err)
}

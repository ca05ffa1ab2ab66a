package hostcheck

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"hakeep/internal/config"
)

// balancer is what load balancing needs of a host.
type balancer struct {
	release string
	ipvs    bool // the kernel has IPVS, loaded or to be loaded
	// forward4 and forward6 say that packets are forwarded.
	forward4, forward6 bool
	// connections is how many the kernel can keep track of, 0 if that is not known;
	// loose says that it takes up connections in the middle, liberal that it lets
	// those come back that went on elsewhere meanwhile.
	connections    int
	loose, liberal bool
}

// checkBalancing asks whether this host can balance what the configuration wants.
func checkBalancing(r *report, cfg *config.Config) {
	b := balancer{release: kernelRelease(), ipvs: hasIPVS()}
	on := func(path ...string) bool {
		v, err := sysctl(path...)
		return err != nil || v != "0"
	}
	b.forward4, b.forward6 = on("ipv4", "ip_forward"), on("ipv6", "conf", "all", "forwarding")
	b.loose = on("netfilter", "nf_conntrack_tcp_loose")
	liberal, err := sysctl("netfilter", "nf_conntrack_tcp_be_liberal")
	b.liberal = err == nil && liberal != "0" // the kernel's default is 0
	if v, err := sysctl("netfilter", "nf_conntrack_max"); err == nil {
		b.connections, _ = strconv.Atoi(v)
	}
	b.judge(r, cfg)
}

// hasIPVS asks whether the kernel has IPVS, without loading it.
func hasIPVS() bool {
	if _, err := os.Stat("/proc/net/ip_vs"); err == nil {
		return true
	}
	for _, list := range []string{"modules.dep", "modules.builtin"} {
		text, err := os.ReadFile(filepath.Join("/lib/modules", kernelRelease(), list))
		if err == nil && strings.Contains(string(text), "/ip_vs.ko") {
			return true
		}
	}
	return false
}

// judge says what is missing for a configuration.
func (b *balancer) judge(r *report, cfg *config.Config) {
	const none = "this kernel (%s) shows no IPVS, neither loaded nor as a module"
	kind, why := cfg.ChooseBackend(b.ipvs)
	switch {
	case b.ipvs:
	case len(cfg.VirtualServers) == 0:
		r.add(Note, "ipvs", none+"; load balancing by IPVS is not possible", b.release)
	case kind == config.BackendIPVS:
		r.add(Warning, "ipvs", none+", but the configuration needs it (%s): hakeep will not start with it", b.release, why)
	case cfg.Global.LVS.Backend == config.BackendAuto && cfg.NeedsNFT() == "":
		r.add(Note, "ipvs", none+", so load balancing is done by nftables (lvs_backend)", b.release)
	}
	if len(cfg.VirtualServers) == 0 {
		return
	}
	b.forwarding(r, cfg)
	if kind == config.BackendNFT {
		b.tracking(r, cfg)
	}
}

// forwarding looks at what NAT needs.
func (b *balancer) forwarding(r *report, cfg *config.Config) {
	for _, f := range []struct {
		family config.Family
		on     bool
		name   string
	}{
		{config.FamilyIPv4, b.forward4, "net.ipv4.ip_forward"},
		{config.FamilyIPv6, b.forward6, "net.ipv6.conf.all.forwarding"},
	} {
		if name := natOf(cfg, f.family); name != "" && !f.on {
			r.add(Warning, "ip_forward", "%s = 0: nothing gets from clients to the servers of %s and back; set it to 1", f.name, name)
		}
	}
}

// natOf names the first virtual server that reaches a server by NAT, or is empty.
func natOf(cfg *config.Config, family config.Family) string {
	for i := range cfg.VirtualServers {
		v := &cfg.VirtualServers[i]
		ours := slices.ContainsFunc(v.Services, func(s config.VirtualService) bool { return s.Family == family })
		if ours && slices.ContainsFunc(v.Servers, func(s config.RealServer) bool { return s.Forward.Method == config.MethodNAT }) {
			return v.Name
		}
	}
	return ""
}

// tracking looks at the table of connections, which nftables lives by.
func (b *balancer) tracking(r *report, cfg *config.Config) {
	const few = 1 << 16 // the kernel's own default for a host with 1 GiB of memory (nf_conntrack_max)
	if b.connections != 0 && b.connections < few {
		r.add(Warning, "conntrack", "net.netfilter.nf_conntrack_max = %d: with more connections than that at a time, of which closed ones count for two more minutes, the kernel drops new ones; "+
			"262144 takes some 80 MB of memory", b.connections)
	}
	hashes := slices.IndexFunc(cfg.VirtualServers, func(v config.VirtualServer) bool { return v.Scheduler == "mh" || v.Scheduler == "sh" })
	if hashes < 0 {
		return
	}
	if !b.loose {
		r.add(Warning, "conntrack", "net.netfilter.nf_conntrack_tcp_loose = 0: connections of %s do not survive a takeover, because this host does not take them up in the middle; set it to 1",
			cfg.VirtualServers[hashes].Name)
	}
	if !b.liberal {
		r.add(Warning, "conntrack", "net.netfilter.nf_conntrack_tcp_be_liberal = 0: connections of %s go over to another router, but do not come back to one that still remembers them; "+
			"on both routers: sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1", cfg.VirtualServers[hashes].Name)
	}
	if cfg.Global.LVS.Backend == config.BackendAuto && cfg.NeedsNFT() == "" { // else the configuration's own check says it
		for _, n := range cfg.FailoverNotes() {
			r.add(Note, "takeover", "%s: %s", n.Name, n.Why)
		}
	}
}

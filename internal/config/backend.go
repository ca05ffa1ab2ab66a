package config

import (
	"fmt"
	"slices"
	"strings"
)

// BalancingDone says whether the daemon carries out virtual servers. While it is
// false, Load and package keepalived's Load refuse a configuration that has any, so
// that nothing is silently ignored; Parse reads them all the same. Who makes the
// daemon do it sets it to true.
const BalancingDone = true

// NotYet says of each virtual server that it is not carried out, unless
// BalancingDone.
func (c *Config) NotYet() Problems {
	if BalancingDone {
		return nil
	}
	s := &sink{file: c.File}
	for i := range c.VirtualServers {
		s.add(Error, c.VirtualServers[i].Line, "virtual_server."+c.VirtualServers[i].Name, "not yet: load balancing")
	}
	return c.placed(s.sorted())
}

// ChooseBackend says what puts the services into the kernel, and why in one
// sentence for status: what lvs_backend says; with BackendAuto IPVS if something
// needs it, nftables if something needs that, else IPVS if the kernel has it. It is
// never BackendAuto. The choice is made at the start and outlives reloads.
func (c *Config) ChooseBackend(kernelHasIPVS bool) (Backend, string) {
	if b := c.Global.LVS.Backend; b != BackendAuto {
		return b, "lvs_backend says so"
	}
	if why := c.NeedsIPVS(); why != "" {
		return BackendIPVS, why
	}
	if why := c.NeedsNFT(); why != "" {
		return BackendNFT, why
	}
	if kernelHasIPVS {
		return BackendIPVS, "the kernel has IPVS"
	}
	return BackendNFT, "the kernel has no IPVS"
}

// NeedsIPVS names something of the configuration that only IPVS does, or is empty.
func (c *Config) NeedsIPVS() string {
	l := &c.Global.LVS
	if l.Sync.Interface != "" {
		return "lvs_sync_daemon needs IPVS"
	}
	if l.NetNamespace != "" {
		return "net_namespace_ipvs needs IPVS"
	}
	for i := range c.VirtualServers {
		if why := c.VirtualServers[i].NeedsIPVS(); why != "" {
			return c.VirtualServers[i].Name + ": " + why
		}
	}
	return ""
}

// NeedsNFT names something of the configuration that only the nftables back end
// does, or is empty.
func (c *Config) NeedsNFT() string {
	for i := range c.VirtualServers {
		if why := c.VirtualServers[i].NeedsNFT(); why != "" {
			return c.VirtualServers[i].Name + ": " + why
		}
	}
	return ""
}

// NFTSchedulers are those that the nftables back end has.
func NFTSchedulers() []string { return []string{"rr", "wrr", "sh", "mh", SchedulerRandom} }

// SchedulerRandom takes any server by its weight; only the nftables back end has
// it.
const SchedulerRandom = "random"

// NeedsIPVS names something of the virtual server that only IPVS does, or is empty.
func (v *VirtualServer) NeedsIPVS() string {
	forwards := []Forward{v.Sorry.Forward}
	families := v.families()
	for i := range v.Servers {
		s := &v.Servers[i]
		forwards = append(forwards, s.Forward)
		if s.UThreshold != 0 || s.LThreshold != 0 {
			return "uthreshold and lthreshold need IPVS"
		}
		if len(families) > 1 || len(families) == 1 && families[0] != familyOf(s.Addr.Addr()) {
			return "servers of another address family need IPVS"
		}
	}
	for _, f := range forwards {
		if f.Method == MethodDR || f.Method == MethodTUN {
			return fmt.Sprintf("lvs_method %v needs IPVS", f.Method)
		}
	}
	switch {
	case slices.ContainsFunc(v.Services, func(s VirtualService) bool { return s.Mark != 0 }):
		return "a firewall mark needs IPVS"
	case slices.ContainsFunc(v.Services, func(s VirtualService) bool { return s.Port == 0 }):
		return "a service of all ports needs IPVS"
	case !slices.Contains(NFTSchedulers(), v.Scheduler):
		return "lvs_sched " + v.Scheduler + " needs IPVS"
	case v.PersistenceEngine != "":
		return "persistence_engine needs IPVS"
	case v.OnePacket:
		return "ops needs IPVS"
	case v.Flag3, (v.Flag1 || v.Flag2) && v.Scheduler != "sh" && v.Scheduler != "mh":
		return "a flag that lvs_sched " + v.Scheduler + " does not know needs IPVS"
	}
	return ""
}

// families are those of the services.
func (v *VirtualServer) families() []Family {
	var out []Family
	for _, s := range v.Services {
		if !slices.Contains(out, s.Family) {
			out = append(out, s.Family)
		}
	}
	return out
}

// NeedsNFT names something of the virtual server that only the nftables back end
// does, or is empty.
func (v *VirtualServer) NeedsNFT() string {
	switch {
	case v.Masquerade:
		return "masquerade needs nftables"
	case v.Scheduler == SchedulerRandom:
		return "lvs_sched random needs nftables"
	}
	return ""
}

// wordOf returns the word with a number from 1 on, or what it is and the number.
func wordOf[T ~uint8](what string, n T, words ...string) string {
	if n >= 1 && int(n) <= len(words) {
		return words[n-1]
	}
	return fmt.Sprintf("%s %d", what, n)
}

// String returns auto, ipvs or nftables.
func (b Backend) String() string { return wordOf("back end", b, backendWords()...) }

func backendWords() []string { return []string{"auto", "ipvs", "nftables"} }

// String returns none, all or services.
func (f Flush) String() string { return wordOf("flush", f, "none", "all", "services") }

// String returns keepalived's word: NAT, DR or TUN.
func (m Method) String() string { return wordOf("method", m, methodWords()...) }

func methodWords() []string { return []string{"NAT", "DR", "TUN"} }

// String returns keepalived's word: ipip, gue or gre.
func (t Tunnel) String() string { return wordOf("tunnel", t, tunnelWords()...) }

func tunnelWords() []string { return []string{"ipip", "gue", "gre"} }

// String returns keepalived's word: nocsum, csum or remcsum.
func (c Checksum) String() string { return wordOf("checksum", c, checksumWords()...) }

func checksumWords() []string { return []string{"nocsum", "csum", "remcsum"} }

// String returns keepalived's word: 1.0, 1.0C, 1.1 or 2.
func (v HTTPVersion) String() string { return wordOf("HTTP version", v, httpVersionWords()...) }

func httpVersionWords() []string { return []string{"1.0", "1.0C", "1.1", "2"} }

// String returns keepalived's word: TCP, UDP or SCTP.
func (p Protocol) String() string {
	for word, q := range protocols() {
		if p == q {
			return word
		}
	}
	return fmt.Sprintf("protocol %d", uint8(p))
}

func protocols() map[string]Protocol {
	return map[string]Protocol{"TCP": ProtocolTCP, "UDP": ProtocolUDP, "SCTP": ProtocolSCTP}
}

// lower is the protocol in the name of a virtual server.
func (p Protocol) lower() string { return strings.ToLower(p.String()) }

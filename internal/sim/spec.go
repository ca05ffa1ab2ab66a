package sim

import (
	"net/netip"
	"slices"
	"time"

	"hakeep/arp"
	"hakeep/vrrp"
)

// Spec is a network of routers and clients, before anything happens to it.
type Spec struct {
	Hosts   []HostSpec
	Clients []ClientSpec
	Bounds  Bounds
}

// Bounds are what the surroundings promise while nothing is wrong with them.
type Bounds struct {
	// Lateness bounds how late a process runs after a packet or a deadline.
	Lateness time.Duration
	// MinDelay and MaxDelay bound how long a packet is on its way.
	MinDelay, MaxDelay time.Duration
	// MinInstall and Install bound how long the kernel takes to add and remove
	// addresses.
	MinInstall, Install time.Duration
}

// HostSpec is one router.
type HostSpec struct {
	Name string
	// Addr4 and Addr6 are its addresses on every port; Addr6 is link-local.
	Addr4, Addr6 netip.Addr
	// Ports are the names of its interfaces; each is a LAN of that name.
	Ports     []string
	Instances []*Instance
	// StartupDelay is vrrp_startup_delay.
	StartupDelay time.Duration
	// ClockBase is what its clock shows at the start, ClockPPM how much faster
	// than the world's it runs, in parts of a million.
	ClockBase time.Duration
	ClockPPM  int64
}

// Instance is one configured instance: the protocol's part and the announcing.
type Instance struct {
	Params   *vrrp.Params
	Announce arp.Settings
}

// addrs are all addresses that come and go with the instance.
func (in *Instance) addrs() []netip.Addr {
	return slices.Concat(in.Params.Addrs, in.Params.Excluded)
}

// clone copies the instance, so that it can be changed for a reload.
func (in *Instance) clone() *Instance {
	p := *in.Params
	p.Addrs = slices.Clone(p.Addrs)
	p.Excluded = slices.Clone(p.Excluded)
	p.Peers = slices.Clone(p.Peers)
	return &Instance{Params: &p, Announce: in.Announce}
}

// ClientSpec is one host of the LAN that talks to the virtual addresses.
type ClientSpec struct {
	Name string
	Port string
	// Locktime makes it ignore an answer that comes within a second of the last
	// change, as Linux does; gratuitous announcements always count. Without it
	// the last packet counts.
	Locktime bool
}

// hostMAC is the hardware address of a host's port.
func hostMAC(host, port int) [6]byte { return [6]byte{2, 0, 0, byte(port), 0, byte(host)} }

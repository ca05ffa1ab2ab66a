package lab

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const bridgeName = "br0"

// firstPortIndex keeps the interface indexes on the switch's side away from
// the small ones that hosts use. The kernel reports a carrier change of a
// veth at once only if its index differs from its peer's, even when they are
// in different namespaces; else up to a second later (linkwatch).
const firstPortIndex = 10000

// Bridge port states of the kernel, uapi/linux/if_bridge.h.
const (
	brStateDisabled   = 0
	brStateForwarding = 3
)

// LAN is an Ethernet switch: a bridge in a namespace of its own, without
// spanning tree and without multicast snooping.
type LAN struct {
	ns *Namespace

	mu    sync.Mutex
	ports int
}

// NewLAN makes a switch without ports.
func NewLAN(name string) (*LAN, error) {
	ns, err := NewNamespace(name)
	if err != nil {
		return nil, err
	}
	l := &LAN{ns: ns}
	if err := l.create(); err != nil {
		ns.Close()
		return nil, fmt.Errorf("make LAN %s: %w", name, err)
	}
	return l, nil
}

func (l *LAN) create() error {
	// The switch has no addresses and speaks no protocol of its own.
	if err := l.ns.Sysctl("net.ipv6.conf.default.disable_ipv6", "1"); err != nil {
		return err
	}
	snooping := false
	br := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs(), MulticastSnooping: &snooping}
	br.Name = bridgeName
	if err := l.ns.nl.LinkAdd(br); err != nil {
		return fmt.Errorf("add bridge: %w", err)
	}
	// Spanning tree is off unless asked for, so ports forward at once and
	// the forward delay has no meaning.
	if err := l.ns.nl.LinkSetUp(br); err != nil {
		return fmt.Errorf("set bridge up: %w", err)
	}
	return nil
}

// Namespace is the switch's own namespace, for captures of all traffic (on
// its interface "br0", which sees flooded frames, or on Port.SwitchName) and
// for traffic control.
func (l *LAN) Namespace() *Namespace { return l.ns }

// Close removes the switch and its cables: the interfaces of the hosts vanish.
func (l *LAN) Close() { l.ns.Close() }

// Port is a cable between a host and a switch.
type Port struct {
	lan        *LAN
	host       *Namespace
	ifname     string
	switchName string
	index      int // on the switch's side

	mu   sync.Mutex
	cut  bool
	down bool
}

// Attach makes an interface named ifname in the host's namespace, connected
// to the switch and up, with the given addresses.
func (l *LAN) Attach(host *Namespace, ifname string, addrs ...netip.Prefix) (*Port, error) {
	l.mu.Lock()
	l.ports++
	number := l.ports
	l.mu.Unlock()
	p := &Port{
		lan: l, host: host, ifname: ifname,
		switchName: fmt.Sprintf("port%d", number),
		index:      firstPortIndex + number,
	}
	if err := p.plug(addrs); err != nil {
		return nil, fmt.Errorf("attach %s of %s to %s: %w", ifname, host.name, l.ns.name, err)
	}
	return p, nil
}

func (p *Port) plug(addrs []netip.Prefix) error {
	br, err := p.lan.ns.nl.LinkByName(bridgeName)
	if err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = p.switchName
	attrs.Index = p.index
	attrs.MasterIndex = br.Attrs().Index
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: p.ifname, PeerNamespace: netlink.NsFd(p.host.Fd())}
	if err := p.lan.ns.nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("add veth: %w", err)
	}
	if err := p.lan.ns.nl.LinkSetUp(veth); err != nil {
		return fmt.Errorf("set %s up: %w", p.switchName, err)
	}
	link, err := p.host.nl.LinkByName(p.ifname)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		if err := p.host.AddAddr(p.ifname, a); err != nil {
			return err
		}
	}
	if err := p.host.nl.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", p.ifname, err)
	}
	return p.awaitForwarding()
}

// awaitForwarding waits until both ends have seen the carrier, which the
// kernel tells them later (linkwatch); until then the bridge drops frames,
// and the first address resolution of a host would take a second.
func (p *Port) awaitForwarding() error {
	var up [2]bool
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(200 * time.Microsecond) {
		for i, end := range []struct {
			nl   *netlink.Handle
			name string
		}{{p.lan.ns.nl, p.switchName}, {p.host.nl, p.ifname}} {
			link, err := end.nl.LinkByName(end.name)
			if err != nil {
				return fmt.Errorf("find %s: %w", end.name, err)
			}
			up[i] = link.Attrs().OperState == netlink.OperUp
		}
		if up[0] && up[1] {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no carrier on %s", p.switchName)
		}
	}
}

// Connect joins two switches with a cable. Cutting the port that it returns
// divides the network into two, each with working carriers.
func (l *LAN) Connect(other *LAN) (*Port, error) {
	other.mu.Lock()
	other.ports++
	ifname := fmt.Sprintf("trunk%d", other.ports)
	other.mu.Unlock()
	p, err := l.Attach(other.ns, ifname)
	if err != nil {
		return nil, err
	}
	br, err := other.ns.nl.LinkByName(bridgeName)
	if err != nil {
		return nil, fmt.Errorf("connect %s to %s: %w", l.ns.name, other.ns.name, err)
	}
	link, err := other.ns.nl.LinkByName(ifname)
	if err != nil {
		return nil, fmt.Errorf("connect %s to %s: %w", l.ns.name, other.ns.name, err)
	}
	if err := other.ns.nl.LinkSetMaster(link, br); err != nil {
		return nil, fmt.Errorf("connect %s to %s: %w", l.ns.name, other.ns.name, err)
	}
	return p, nil
}

// Name is the interface's name in the host.
func (p *Port) Name() string { return p.ifname }

// SwitchName is the interface's name in the switch's namespace.
func (p *Port) SwitchName() string { return p.switchName }

// Cut makes the switch port dead: frames are dropped silently in both
// directions while the host keeps its carrier. The switch keeps what it has
// learned, as a failed line card would.
func (p *Port) Cut() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	return p.setState(brStateDisabled)
}

// Restore undoes Cut.
func (p *Port) Restore() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
	if p.down {
		return nil
	}
	return p.setState(brStateForwarding)
}

// Down takes the carrier from the host: its interface stays up
// administratively and is no longer running.
func (p *Port) Down() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	if err := p.lan.ns.nl.LinkSetDown(p.link()); err != nil {
		return fmt.Errorf("take carrier of %s in %s: %w", p.ifname, p.host.name, err)
	}
	return nil
}

// Up undoes Down. A port that is cut stays cut.
func (p *Port) Up() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
	if err := p.lan.ns.nl.LinkSetUp(p.link()); err != nil {
		return fmt.Errorf("give carrier to %s in %s: %w", p.ifname, p.host.name, err)
	}
	if p.cut {
		// The bridge enables the port when it sees the carrier.
		if err := p.awaitForwarding(); err != nil {
			return err
		}
		return p.setState(brStateDisabled)
	}
	return nil
}

// Detach pulls the interface out of the host: it no longer exists.
func (p *Port) Detach() error {
	if err := p.lan.ns.nl.LinkDel(p.link()); err != nil {
		return fmt.Errorf("remove %s of %s: %w", p.ifname, p.host.name, err)
	}
	return nil
}

func (p *Port) link() netlink.Link {
	return &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Index: p.index, Name: p.switchName}}
}

// setState sets the bridge port's state, which the netlink library has no
// call for.
func (p *Port) setState(state uint8) error {
	err := p.lan.ns.Do(func() error {
		req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
		msg := nl.NewIfInfomsg(unix.AF_BRIDGE)
		msg.Index = int32(p.index)
		req.AddData(msg)
		info := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
		info.AddRtAttr(nl.IFLA_BRPORT_STATE, []byte{state})
		req.AddData(info)
		_, err := req.Execute(unix.NETLINK_ROUTE, 0)
		return err
	})
	if err != nil {
		return fmt.Errorf("set state of %s in %s: %w", p.switchName, p.lan.ns.name, err)
	}
	return nil
}

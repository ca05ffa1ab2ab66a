package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Namespace is an anonymous network namespace with its loopback up. It lives
// until Close, or until the program ends. Its methods may be called from any
// goroutine at any time.
type Namespace struct {
	name string
	file *os.File
	nl   *netlink.Handle

	mu      sync.Mutex
	closed  bool
	nextID  int
	closers map[int]func()
}

// baseSysctls make a new namespace the same on every machine (IPv4 settings
// are otherwise copied from the host's namespace) and its IPv6 addresses
// usable at once. Keys a kernel lacks are left out.
func baseSysctls() [][2]string {
	var s [][2]string
	for _, conf := range []string{"all", "default"} {
		s = append(s,
			[2]string{"net.ipv4.conf." + conf + ".rp_filter", "0"},
			[2]string{"net.ipv4.conf." + conf + ".forwarding", "0"},
			[2]string{"net.ipv4.conf." + conf + ".promote_secondaries", "0"},
			[2]string{"net.ipv4.conf." + conf + ".arp_ignore", "0"},
			[2]string{"net.ipv4.conf." + conf + ".arp_announce", "0"},
			[2]string{"net.ipv4.conf." + conf + ".arp_filter", "0"},
			[2]string{"net.ipv4.conf." + conf + ".arp_notify", "0"},
			[2]string{"net.ipv6.conf." + conf + ".disable_ipv6", "0"},
			[2]string{"net.ipv6.conf." + conf + ".accept_dad", "0"},
			[2]string{"net.ipv6.conf." + conf + ".dad_transmits", "0"},
			[2]string{"net.ipv6.conf." + conf + ".accept_ra", "0"},
			[2]string{"net.ipv6.conf." + conf + ".router_solicitations", "0"},
		)
	}
	return s
}

// NewNamespace makes a network namespace. The name appears in errors and
// logs only. Duplicate address detection and router solicitation are off for
// interfaces that appear in it, so that IPv6 addresses work at once; switch
// them on with Sysctl before attaching the interface.
func NewNamespace(name string) (*Namespace, error) {
	n := &Namespace{name: name, closers: make(map[int]func())}
	var err error
	onThread(func() { err = n.create() })
	if err != nil {
		n.Close()
		return nil, fmt.Errorf("make network namespace %s: %w", name, err)
	}
	return n, nil
}

// create runs on a thread of its own, which enters the new namespace.
func (n *Namespace) create() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	var err error
	if n.file, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return err
	}
	if n.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("open route netlink: %w", err)
	}
	for _, kv := range baseSysctls() {
		if err := writeSysctl(kv[0], kv[1]); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	lo, err := n.nl.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := n.nl.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

// Name is the name given to NewNamespace.
func (n *Namespace) Name() string { return n.name }

// Fd is the descriptor that refers to the namespace, for interfaces that take
// one. It is valid until Close.
func (n *Namespace) Fd() int { return int(n.file.Fd()) }

// Path names the namespace in /proc while this program runs, for
// `nsenter --net=PATH`.
func (n *Namespace) Path() string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.Fd())
}

// Do runs fn inside the namespace, on a thread of its own, and returns its
// error. Sockets that fn opens stay in the namespace; goroutines that it
// starts do not run in it. /proc/thread-self/net is the namespace's, while
// /proc/net and /sys are the program's. fn must not call t.FatalNow and the
// like: it does not run on the caller's goroutine.
func (n *Namespace) Do(fn func() error) error {
	var err error
	onThread(func() {
		if err = n.enter(); err == nil {
			err = fn()
		}
	})
	return err
}

// enter moves the calling thread, which must be disposable.
func (n *Namespace) enter() error {
	if err := unix.Setns(n.Fd(), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %s: %w", n.name, err)
	}
	return nil
}

// Sysctl sets a kernel parameter of the namespace, named with dots or
// slashes ("net.ipv4.ip_forward"). Write slashes for interface names that
// have dots in them.
func (n *Namespace) Sysctl(key, value string) error {
	return n.Do(func() error { return writeSysctl(key, value) })
}

// ReadSysctl reads a kernel parameter of the namespace.
func (n *Namespace) ReadSysctl(key string) (string, error) {
	var value string
	err := n.Do(func() error {
		b, err := os.ReadFile(sysctlPath(key))
		value = strings.TrimSpace(string(b))
		return err
	})
	return value, err
}

func sysctlPath(key string) string {
	if !strings.Contains(key, "/") {
		key = strings.ReplaceAll(key, ".", "/")
	}
	return filepath.Join("/proc/sys", key)
}

func writeSysctl(key, value string) error {
	f, err := os.OpenFile(sysctlPath(key), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// Netlink is a handle for route netlink inside the namespace. It is closed by
// Close.
func (n *Namespace) Netlink() *netlink.Handle { return n.nl }

// AddAddr adds an address to an interface; IPv6 without duplicate address
// detection.
func (n *Namespace) AddAddr(ifname string, p netip.Prefix) error {
	link, err := n.nl.LinkByName(ifname)
	if err != nil {
		return fmt.Errorf("find %s in %s: %w", ifname, n.name, err)
	}
	if err := n.nl.AddrAdd(link, netlinkAddr(p)); err != nil {
		return fmt.Errorf("add %v to %s in %s: %w", p, ifname, n.name, err)
	}
	return nil
}

// DelAddr removes an address from an interface.
func (n *Namespace) DelAddr(ifname string, p netip.Prefix) error {
	link, err := n.nl.LinkByName(ifname)
	if err != nil {
		return fmt.Errorf("find %s in %s: %w", ifname, n.name, err)
	}
	if err := n.nl.AddrDel(link, netlinkAddr(p)); err != nil {
		return fmt.Errorf("remove %v from %s in %s: %w", p, ifname, n.name, err)
	}
	return nil
}

// Addrs are the addresses of an interface, in the kernel's order.
func (n *Namespace) Addrs(ifname string) ([]netip.Prefix, error) {
	link, err := n.nl.LinkByName(ifname)
	if err != nil {
		return nil, fmt.Errorf("find %s in %s: %w", ifname, n.name, err)
	}
	list, err := n.nl.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("read addresses of %s in %s: %w", ifname, n.name, err)
	}
	out := make([]netip.Prefix, 0, len(list))
	for _, a := range list {
		ip, ok := netip.AddrFromSlice(a.IP)
		if !ok {
			continue
		}
		bits, _ := a.Mask.Size()
		out = append(out, netip.PrefixFrom(ip.Unmap(), bits))
	}
	return out, nil
}

// AddRoute adds a route to dst through the gateway via. The zero prefix of a
// family (0.0.0.0/0, ::/0) is the default route.
func (n *Namespace) AddRoute(dst netip.Prefix, via netip.Addr) error {
	r := &netlink.Route{Dst: ipNet(dst), Gw: via.AsSlice()}
	if via.Zone() != "" {
		link, err := n.nl.LinkByName(via.Zone())
		if err != nil {
			return fmt.Errorf("find %s in %s: %w", via.Zone(), n.name, err)
		}
		r.LinkIndex = link.Attrs().Index
	}
	if err := n.nl.RouteAdd(r); err != nil {
		return fmt.Errorf("add route %v via %v in %s: %w", dst, via, n.name, err)
	}
	return nil
}

// onClose registers fn to run at Close; the returned function unregisters it.
// It reports false if the namespace is closed already.
func (n *Namespace) onClose(fn func()) (unregister func(), ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return func() {}, false
	}
	id := n.nextID
	n.nextID++
	n.closers[id] = fn
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.closers, id)
	}, true
}

// Close ends everything that was started in the namespace (children by
// SIGKILL, probes, captures) and lets go of it; the kernel removes it and its
// links then. A second call does nothing. It must not overlap with a call
// that starts something in the namespace.
func (n *Namespace) Close() {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return
	}
	n.closed = true
	closers := n.closers
	n.closers = nil
	n.mu.Unlock()
	for _, fn := range closers {
		fn()
	}
	if n.nl != nil {
		n.nl.Close()
	}
	if n.file != nil {
		n.file.Close()
	}
}

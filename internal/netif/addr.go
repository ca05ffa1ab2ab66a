package netif

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"
)

// Protocol is the mark of hakeep's addresses in the kernel: IFA_PROTO 112, the
// IP protocol number of VRRP. No other program of iproute2's
// rt_addrprotos(.d) uses it.
const Protocol = 112

// Values of Addr.PreferredLft other than a span of time.
const (
	// PreferredDefault is keepalived's default for preferred_lft: never
	// preferred for an IPv6 address with prefix length 128, so that it is not
	// chosen as a source address, and for ever otherwise.
	PreferredDefault time.Duration = 0
	// PreferredNever is `preferred_lft 0`: deprecated from the start.
	PreferredNever time.Duration = -1
	// PreferredForever is `preferred_lft forever`.
	PreferredForever time.Duration = math.MaxInt64
)

// Errors that callers branch on.
var (
	// ErrNoLink says that there is no interface of that name (any more).
	ErrNoLink = errors.New("no such interface")
	// ErrLinkDown says that the kernel dropped the address because its
	// interface was shut down; it is put back when the interface comes up.
	ErrLinkDown = errors.New("interface is down")
	// ErrExists says that the kernel has the address with other attributes.
	ErrExists = errors.New("address exists with other attributes")
	// ErrDuplicate says that duplicate address detection found another holder.
	ErrDuplicate = errors.New("duplicate address detected on the link")
	// ErrInvalid says that an address cannot be expressed to the kernel.
	ErrInvalid = errors.New("invalid address")
)

// Addr is an address to be on an interface, with everything that a line of
// keepalived's virtual_ipaddress can say. It is comparable.
type Addr struct {
	// Prefix is the address with its prefix length, not masked.
	Prefix netip.Prefix
	// Link is the interface's name (dev). An interface that appears later, or
	// comes back with another index, is meant too; alternative names are not.
	Link string
	// Label is for IPv4, at most 15 bytes; empty means the interface's name.
	// It is ignored for IPv6.
	Label string
	// Scope is one of RT_SCOPE_*, 0 being global. It is ignored for IPv6,
	// where the address itself says it.
	Scope uint8
	// Broadcast is for IPv4; none if not valid.
	Broadcast netip.Addr
	// Peer, if valid, makes the address point-to-point: the other end with the
	// prefix length, which then counts instead of that of Prefix.
	Peer netip.Prefix
	// PreferredLft is for how long the address may be chosen as a source
	// address: one of the Preferred constants or whole seconds (IPv6 only; IPv4
	// addresses with an unlimited valid lifetime know for ever and never).
	PreferredLft time.Duration
	// DAD asks for duplicate address detection (IPv6, keepalived's `-nodad`).
	// Otherwise the address is usable at once (IFA_F_NODAD).
	DAD bool
	// Home, MngTmpAddr, NoPrefixRoute and Autojoin are the kernel's flags of
	// these names. The first two are ignored for IPv4.
	Home, MngTmpAddr, NoPrefixRoute, Autojoin bool
	// NoTrack says that a removal by another program is accepted: the address
	// is not put back and nothing is reported (keepalived's no_track).
	NoTrack bool
}

// Key identifies an address in a configuration. It is comparable.
//
// The kernel's idea of identity is another one: IPv6 addresses that differ in
// the prefix length only are the same address to it, IPv4 ones are not, and
// IPv4 addresses with peers in different networks are two.
type Key struct {
	// Link is the interface's name.
	Link string
	// Prefix is the address with its prefix length, not masked.
	Prefix netip.Prefix
}

// String returns the key as in `192.0.2.1/24 dev eth0`.
func (k Key) String() string { return k.Prefix.String() + " dev " + k.Link }

// Key returns the identity of a.
func (a Addr) Key() Key { return Key{Link: a.Link, Prefix: a.Prefix} }

// Installed is an address as the kernel has it. Its Label is never empty for
// IPv4, its Prefix has the length that the kernel uses, and its PreferredLft
// is one of PreferredForever, PreferredNever or the rest that was left.
type Installed struct {
	Addr
	// Index is the interface's index.
	Index int
	// Proto is the owner's mark (IFA_PROTO), 0 if there is none.
	Proto uint8
	// Tentative says that duplicate address detection is not finished.
	Tentative bool
	// DADFailed says that it found another holder.
	DADFailed bool
	// Permanent says that the valid lifetime is unlimited.
	Permanent bool
	// Secondary says that it goes when the network's primary address is
	// removed, unless promote_secondaries is set (IPv4).
	Secondary bool
}

// Link is an interface as the kernel has it.
type Link struct {
	// Index is the kernel's number for it.
	Index int
	// Name is its name.
	Name string
	// Kind is the driver's kind as in `ip link add type`, empty for hardware.
	Kind string
	// Up says that it is administratively up and has carrier (IFF_UP and
	// IFF_RUNNING: operational state up or unknown).
	Up bool
	// AdminUp says that it is administratively up (IFF_UP).
	AdminUp bool
	// MTU is its MTU in bytes.
	MTU int
	// MAC is its address if that has six bytes, else zero.
	MAC [6]byte
	// NoARP says that it does no address resolution (IFF_NOARP).
	NoARP bool
	// Loopback is IFF_LOOPBACK.
	Loopback bool
	// Ethernet says that its frames are Ethernet's (ARPHRD_ETHER).
	Ethernet bool
	// Multicast is IFF_MULTICAST.
	Multicast bool
	// Master is the index of the bridge, bond or VRF that it belongs to, or 0.
	Master int
	// Parent is the index of the interface below it (VLAN, macvlan) if that is
	// in the same network namespace, or 0. It is 0 for the ends of a veth pair.
	Parent int
	// Table is the routing table of a VRF, else 0.
	Table uint32
}

// slot is the kernel's identity of an address on a named link: for IPv4 the
// local address, the prefix length and the network (of the peer if there is
// one), for IPv6 the address alone.
type slot struct {
	link string
	addr netip.Addr
	net  netip.Prefix
}

func (a Addr) slot() slot {
	s := slot{link: a.Link, addr: a.Prefix.Addr()}
	if a.is4() {
		s.net = a.network()
	}
	return s
}

func (a Addr) is4() bool { return a.Prefix.Addr().Is4() }

// network is the network that the address is in, or its peer is.
func (a Addr) network() netip.Prefix {
	if a.Peer.IsValid() {
		return a.Peer.Masked()
	}
	return a.Prefix.Masked()
}

// bits is the prefix length that the kernel gets.
func (a Addr) bits() int {
	if a.Peer.IsValid() {
		return a.Peer.Bits()
	}
	return a.Prefix.Bits()
}

// label is the label that an IPv4 address gets.
func (a Addr) label() string {
	switch {
	case !a.is4():
		return ""
	case a.Label == "":
		return a.Link
	}
	return a.Label
}

// preferred resolves PreferredLft to what the kernel will report: for ever,
// never, or whole seconds.
func (a Addr) preferred() time.Duration {
	lft := a.PreferredLft
	if lft == PreferredDefault {
		lft = PreferredForever
		if !a.is4() && a.bits() == 128 {
			lft = PreferredNever
		}
	}
	switch seconds := (lft + time.Second - 1) / time.Second; {
	case lft < 0:
		return PreferredNever
	case lft == PreferredForever, a.is4(), seconds >= math.MaxUint32:
		return PreferredForever
	default:
		return seconds * time.Second
	}
}

// Check reports why the kernel could not be asked for a, wrapping ErrInvalid.
// Interfaces and addresses that do not exist are not looked at.
func (a Addr) Check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("address %s: %w: %s", a.Key(), ErrInvalid, fmt.Sprintf(format, args...))
	}
	switch {
	case !a.Prefix.IsValid():
		return bad("no address")
	case a.Prefix.Addr().Is4In6():
		return bad("an IPv4-mapped IPv6 address cannot be on an interface")
	case a.Link == "" || len(a.Link) > maxName:
		return bad("interface name %q, want 1 to %d bytes", a.Link, maxName)
	case a.is4() && len(a.Label) > maxName:
		return bad("label %q, want at most %d bytes", a.Label, maxName)
	case a.Peer.IsValid() && a.Peer.Addr().Is4() != a.is4():
		return bad("peer %s is of the other family", a.Peer)
	case a.is4() && a.Broadcast.IsValid() && !a.Broadcast.Is4():
		return bad("broadcast %s is not IPv4", a.Broadcast)
	}
	return nil
}

// same reports whether in is as a wants it, so that nothing has to be done.
func (a Addr) same(in Installed) bool {
	return a.sameFixed(in) && a.sameInPlace(in)
}

// sameFixed compares what the kernel does not change in an existing address.
func (a Addr) sameFixed(in Installed) bool {
	peer, inPeer := a.Peer, in.Peer
	if peer.IsValid() && peer.Addr() == a.Prefix.Addr() {
		peer = netip.Prefix{} // the kernel's form of "no peer"
	}
	if peer != inPeer || a.bits() != in.bits() || a.Autojoin != in.Autojoin {
		return false
	}
	if !a.is4() {
		// An address that failed detection stays unusable when its flags change.
		return a.DAD || !in.DADFailed
	}
	return a.label() == in.label() && a.Scope == in.Scope &&
		a.Broadcast == in.Broadcast && a.NoPrefixRoute == in.NoPrefixRoute
}

// sameInPlace compares what NLM_F_REPLACE changes in an existing address.
func (a Addr) sameInPlace(in Installed) bool {
	want, got := a.preferred(), in.PreferredLft
	finite := want != PreferredForever && want != PreferredNever
	switch {
	case !in.Permanent:
		return false
	case finite && got > want: // includes for ever
		return false
	case !finite && got != want:
		return false
	case a.is4():
		return true
	}
	return a.DAD == in.DAD && a.Home == in.Home && a.MngTmpAddr == in.MngTmpAddr &&
		a.NoPrefixRoute == in.NoPrefixRoute
}

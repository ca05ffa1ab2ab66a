package lvs

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
)

// String is ADDR:PORT/tcp, or fwmark:N, with /inet6 for IPv6.
func (id ID) String() string {
	if id.Mark != 0 {
		s := "fwmark:" + strconv.FormatUint(uint64(id.Mark), 10)
		if id.Family == IPv6 {
			s += "/inet6"
		}
		return s
	}
	return netip.AddrPortFrom(id.Addr, id.Port).String() + "/" + id.Protocol.String()
}

// Compare orders services: by address, port and protocol, then by firewall mark.
func (id ID) Compare(o ID) int {
	return cmp.Or(
		cmp.Compare(id.Mark, o.Mark), cmp.Compare(id.Family, o.Family), id.Addr.Compare(o.Addr),
		cmp.Compare(id.Port, o.Port), cmp.Compare(id.Protocol, o.Protocol),
	)
}

// String is ADDR:PORT.
func (e Endpoint) String() string { return netip.AddrPortFrom(e.Addr, e.Port).String() }

// Compare orders servers by address, then by port.
func (e Endpoint) Compare(o Endpoint) int {
	return cmp.Or(e.Addr.Compare(o.Addr), cmp.Compare(e.Port, o.Port))
}

// FamilyOf is the family of an address.
func FamilyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

// String is keepalived's word: inet or inet6.
func (f Family) String() string {
	switch f {
	case IPv4:
		return "inet"
	case IPv6:
		return "inet6"
	}
	return fmt.Sprintf("Family(%d)", uint8(f))
}

// String is the protocol in lower case.
func (p Protocol) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case SCTP:
		return "sctp"
	}
	return fmt.Sprintf("Protocol(%d)", uint8(p))
}

// String is keepalived's word: NAT, DR or TUN.
func (m Method) String() string {
	switch m {
	case NAT:
		return "NAT"
	case DR:
		return "DR"
	case TUN:
		return "TUN"
	}
	return fmt.Sprintf("Method(%d)", uint8(m))
}

// String is what the operation does, for messages.
func (o Op) String() string {
	switch o.Kind {
	case AddService:
		return "add " + o.ID.String()
	case EditService:
		return "change " + o.ID.String()
	case DeleteService:
		return "delete " + o.ID.String()
	case AddServer:
		return "add server " + o.Server.Endpoint.String() + " to " + o.ID.String()
	case EditServer:
		return "change server " + o.Server.Endpoint.String() + " of " + o.ID.String()
	case DeleteServer:
		return "delete server " + o.Server.Endpoint.String() + " of " + o.ID.String()
	}
	return fmt.Sprintf("Op(%d)", uint8(o.Kind))
}

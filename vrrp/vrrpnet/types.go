package vrrpnet

import (
	"errors"
	"fmt"
	"net/netip"

	"hakeep/vrrp"
)

// Endpoint says what one virtual router listens to.
type Endpoint struct {
	// Family is the address family of Group and Local.
	Family vrrp.Family
	// Link is the index of the interface to listen on, the parent for a virtual
	// router with its own MAC. 0 is unicast without interface: packets to Local
	// are taken from any.
	Link int
	// Group is the multicast group to be a member of: 224.0.0.18, ff02::12 or
	// what mcast_dst_ip says. It is invalid for unicast.
	Group netip.Addr
	// Local is our own source address, which peers send unicast to. Beside a
	// Group it is optional: with it, a peer that wrongly sends unicast is seen.
	Local netip.Addr
}

// check reports why e cannot be listened to.
func (e *Endpoint) check() error {
	switch {
	case e.Family != vrrp.IPv4 && e.Family != vrrp.IPv6:
		return fmt.Errorf("address family %d", e.Family)
	case e.Link < 0:
		return fmt.Errorf("interface index %d", e.Link)
	case !e.Group.IsValid() && !e.Local.IsValid():
		return errors.New("neither group nor local address")
	case e.Group.IsValid() && vrrp.FamilyOf(e.Group) != e.Family:
		return fmt.Errorf("group %v is not %v", e.Group, e.Family)
	case e.Group.IsValid() && !e.Group.IsMulticast():
		return fmt.Errorf("group %v is not multicast", e.Group)
	case e.Group.IsValid() && e.Link == 0:
		return fmt.Errorf("group %v without interface", e.Group)
	case e.Local.IsValid() && vrrp.FamilyOf(e.Local) != e.Family:
		return fmt.Errorf("address %v is not %v", e.Local, e.Family)
	case e.Local.IsMulticast() || e.Local.IsValid() && e.Local.IsUnspecified():
		return fmt.Errorf("address %v is not unicast", e.Local)
	}
	return nil
}

func (e *Endpoint) String() string {
	return fmt.Sprintf("%v link %d group %v local %v", e.Family, e.Link, e.Group, e.Local)
}

// EndpointError is what kept one endpoint from being listened to. The error of
// Sync joins one for each (its Unwrap method returns them all).
type EndpointError struct {
	Endpoint Endpoint
	Err      error
}

func (e *EndpointError) Error() string {
	return fmt.Sprintf("listen to %s: %v", e.Endpoint.String(), e.Err)
}

// Unwrap returns the cause.
func (e *EndpointError) Unwrap() error { return e.Err }

// Datagram is one received packet of IP protocol 112. It is valid until the
// function that it was handed to returns. Addresses have no zone.
type Datagram struct {
	// Link is the interface that it arrived on.
	Link     int
	Src, Dst netip.Addr
	// TTL is the TTL or hop limit, -1 if the kernel did not tell.
	TTL int
	// Payload is the VRRP message. One longer than any legal message is cut.
	Payload []byte
}

// Packet is a VRRP message to be sent.
type Packet struct {
	// Family is that of Src and Dst; 0 takes it from Dst.
	Family vrrp.Family
	// Link is the interface to leave by. 0 lets the routing table decide, for
	// unicast only.
	Link     int
	Src, Dst netip.Addr
	// TTL is the TTL or hop limit, 1 to 255; 0 means 255. -1 is the kernel's
	// default, for IPv6 unicast only (keepalived's default there).
	TTL int
	// SrcMAC, unless zero, is the source of the Ethernet frame: the virtual
	// router's MAC (RFC 9568, 7.3). Such a packet goes to a multicast group by
	// the packet socket of Link, past the firewall's output hook and without
	// regard to the interface's addresses; it cannot be fragmented.
	SrcMAC [6]byte
	// Tag is handed to the function of OnSendError.
	Tag uint32
	// Payload is the VRRP message with its checksum.
	Payload []byte
}

// Reasons that Prepare refuses a packet for.
var (
	errFamily  = errors.New("source and destination are not of one family")
	errTTL     = errors.New("ttl is not 1-255")
	errLink    = errors.New("no interface to send by")
	errMAC     = errors.New("a source MAC needs a multicast destination")
	errPayload = fmt.Errorf("message is longer than %d bytes", maxMessage)
)

// check reports why p cannot be sent.
func (p *Packet) check() error {
	f := vrrp.FamilyOf(p.Dst)
	multicast := p.Dst.IsMulticast()
	switch {
	case f == 0 || vrrp.FamilyOf(p.Src) != f || p.Family != 0 && p.Family != f:
		return errFamily
	case p.TTL < -1 || p.TTL > 255 || p.TTL == -1 && (f != vrrp.IPv6 || multicast):
		return errTTL
	case p.Link < 0 || p.Link == 0 && (multicast || p.SrcMAC != [6]byte{}):
		return errLink
	case p.SrcMAC != [6]byte{} && !multicast:
		return errMAC
	case len(p.Payload) > maxMessage:
		return errPayload
	}
	return nil
}

// maxMessage is the longest VRRP message: version 3 with 255 IPv6 addresses
// (RFC 9568, 5.1) and keepalived's HMAC trailer of 28 bytes.
const maxMessage = 8 + 255*16 + 28

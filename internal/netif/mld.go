package netif

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

const (
	// A multicast listener report, version 2 (RFC 3810, 5.2), and the record for a
	// group that has become one from any source.
	typeReport      = 143
	changeToExclude = 4
	reportHeader    = 8
	reportRecord    = 20
	// reportRecords of one report fit into IPv6's least MTU of 1,280 bytes.
	reportRecords = 60
)

// allMLDv2Routers is where reports go.
var allMLDv2Routers = netip.MustParseAddr("ff02::16")

// appendReport appends a report that the host has joined these groups. The kernel
// fills in the checksum.
func appendReport(b []byte, groups []netip.Addr) []byte {
	b = append(b, typeReport, 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(groups)))
	for _, g := range groups {
		a := g.As16()
		b = append(append(b, changeToExclude, 0, 0, 0), a[:]...)
	}
	return b
}

// ReportGroups tells the switches of an interface that neighbours' questions in these
// groups are for this host, before the kernel has joined them; the kernel does so up
// to a second after it has. Nothing is joined. It needs CAP_NET_RAW.
func ReportGroups(index int, groups []netip.Addr) (err error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_ICMPV6)
	if err != nil {
		return fmt.Errorf("report multicast groups: socket: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	none := unix.ICMPv6Filter{}
	for i := range none.Data {
		none.Data[i] = 1<<32 - 1 // a bit blocks
	}
	// A router alert in a hop-by-hop header (RFC 2711, RFC 3810, 5), padded.
	const alert = "\x00\x00\x05\x02\x00\x00\x01\x00"
	for _, set := range []error{
		unix.SetsockoptICMPv6Filter(fd, unix.SOL_ICMPV6, unix.ICMPV6_FILTER, &none),
		unix.SetsockoptString(fd, unix.IPPROTO_IPV6, unix.IPV6_HOPOPTS, alert),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0),
	} {
		if set != nil {
			return fmt.Errorf("report multicast groups: set option: %w", set)
		}
	}
	to := &unix.SockaddrInet6{Addr: allMLDv2Routers.As16(), ZoneId: uint32(index)}
	for list := range slices.Chunk(groups, reportRecords) {
		if err := unix.Sendto(fd, appendReport(nil, list), 0, to); err != nil {
			return fmt.Errorf("report multicast groups: send: %w", err)
		}
	}
	return nil
}

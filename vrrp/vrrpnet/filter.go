package vrrpnet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"hakeep/vrrp"
)

const (
	// netOff is SKF_NET_OFF of linux/filter.h: loads from there on are relative
	// to the network header, wherever the packet starts for the socket.
	netOff = 0xfff00000

	dst4Off = 16 // destination in the IPv4 header (RFC 791)
	dst6Off = 24 // destination in the IPv6 header (RFC 8200)

	// maxFiltered is how many destinations a filter lists. 64 IPv6 addresses
	// are 577 instructions: they fit in 20 KiB, net.core.optmem_max of older
	// kernels. With more, everything passes and the check is made afterwards.
	maxFiltered = 64

	keepAll = 1<<32 - 1
)

// dropAll is the filter of a socket that must not receive.
func dropAll() []bpf.Instruction {
	return []bpf.Instruction{bpf.RetConstant{Val: 0}}
}

// destinationFilter passes packets of the family to the addresses.
func destinationFilter(f vrrp.Family, addrs []netip.Addr) []bpf.Instruction {
	if len(addrs) > maxFiltered {
		return []bpf.Instruction{bpf.RetConstant{Val: keepAll}}
	}
	var prog []bpf.Instruction
	if f == vrrp.IPv4 {
		prog = append(prog, bpf.LoadAbsolute{Off: dst4Off, Size: 4})
	}
	for _, a := range addrs {
		if f == vrrp.IPv4 {
			raw := a.As4()
			prog = append(prog,
				bpf.JumpIf{Cond: bpf.JumpEqual, Val: binary.BigEndian.Uint32(raw[:]), SkipFalse: 1},
				bpf.RetConstant{Val: keepAll})
			continue
		}
		raw := a.As16()
		for i := 12; i >= 0; i -= 4 { // addresses differ in their end
			// From the jump over word i to the next address: two
			// instructions for each word left, and the return.
			prog = append(prog,
				bpf.LoadAbsolute{Off: netOff + dst6Off + uint32(i), Size: 4},
				bpf.JumpIf{Cond: bpf.JumpEqual, Val: binary.BigEndian.Uint32(raw[i:]), SkipFalse: uint8(i/2 + 1)})
		}
		prog = append(prog, bpf.RetConstant{Val: keepAll})
	}
	return append(prog, bpf.RetConstant{Val: 0})
}

// attach makes prog the filter of the socket. It replaces the one before
// without a gap.
func attach(fd int, prog []bpf.Instruction) error {
	raw, err := bpf.Assemble(prog)
	if err != nil {
		return fmt.Errorf("assemble filter: %w", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(filter)), Filter: unsafe.SliceData(filter)}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &fprog); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	return nil
}

// addrSet is a set of addresses that is asked for every packet.
type addrSet struct {
	list []netip.Addr // sorted, without duplicates
	big  map[netip.Addr]struct{}
}

// smallSet is the size up to which comparing all beats hashing.
const smallSet = 8

func newAddrSet(sorted []netip.Addr) addrSet {
	s := addrSet{list: sorted}
	if len(sorted) > smallSet {
		s.big = make(map[netip.Addr]struct{}, len(sorted))
		for _, a := range sorted {
			s.big[a] = struct{}{}
		}
	}
	return s
}

func (s *addrSet) has(a netip.Addr) bool {
	if s.big != nil {
		_, ok := s.big[a]
		return ok
	}
	for i := range s.list {
		if s.list[i] == a {
			return true
		}
	}
	return false
}

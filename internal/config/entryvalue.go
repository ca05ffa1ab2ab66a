package config

import (
	"net/netip"
	"strconv"
	"strings"
)

// The methods of spot below read values of an entry and report what is wrong.

// link reads the name of an interface.
func (s *spot) link(name, value string) string {
	if wrong := wrongLink(value); wrong != "" {
		s.errorf("has the %s %s, which %s", name, describe(value), wrong)
	}
	return value
}

// address reads an address.
func (s *spot) address(name, value string) netip.Addr {
	a, wrong := parseAddr(value)
	switch {
	case wrong != "":
		s.errorf("has the %s %s, which %s", name, describe(value), wrong)
	case a.IsMulticast() || a.IsUnspecified():
		s.errorf("has the %s %s, which is not the address of one host", name, describe(value))
	}
	return a
}

// network reads a prefix, or default, any or all; those are of the family
// given. Host bits mean nothing and are taken away with a warning.
func (s *spot) network(name, value string, family Family) netip.Prefix {
	if isDefault(value) {
		return everything(family)
	}
	p, wrong := parsePrefix(value)
	if wrong != "" {
		s.errorf("has the %s %s, which %s", name, describe(value), wrong)
		return netip.Prefix{}
	}
	if m := p.Masked(); m != p {
		s.warnf("%s %s has more bits set than its length says; %s is used", name, p, m)
		return m
	}
	return p
}

// isDefault reports whether a word stands for all addresses.
func isDefault(word string) bool { return word == "default" || word == "any" || word == "all" }

// everything returns the prefix of length 0.
func everything(family Family) netip.Prefix {
	if family == FamilyIPv6 {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
}

// uint32 reads a number, which may also be a hexadecimal one.
func (s *spot) uint32(name, value string, most uint32) uint32 {
	v, err := strconv.ParseUint(value, 0, 32)
	if err != nil || v > uint64(most) {
		s.errorf("has the %s %s; allowed: 0 to %d", name, describe(value), most)
	}
	return uint32(v)
}

// named reads a number or a name of iproute2.
func (s *spot) named(name, file, value string, least, most uint32) uint32 {
	v, wrong := s.d.names.number(file, value, least, most)
	if wrong != "" {
		s.errorf("has the %s %s, %s", name, describe(value), wrong)
	}
	return v
}

// realms reads [FROM/]TO.
func (s *spot) realms(value string) uint32 {
	const most = 1<<16 - 1
	from, to, both := strings.Cut(value, "/")
	if !both {
		return s.named("realms", fileRealms, value, 0, most)
	}
	return s.named("realms", fileRealms, from, 0, most)<<16 | s.named("realms", fileRealms, to, 0, most)
}

// tos reads a type of service: a hexadecimal number as iproute2 has it, or a
// name.
func (s *spot) tos(value string) uint8 {
	if v, err := strconv.ParseUint(strings.TrimPrefix(value, "0x"), 16, 8); err == nil {
		return uint8(v)
	}
	return uint8(s.named("tos", fileDSField, value, 0, 255))
}

// mark reads the protocol number that goes with an entry. Without no_track it
// is always hakeep's own, by which the entry is known again.
func (s *spot) mark(proto string, noTrack bool) uint8 {
	if proto == "" {
		return ProtocolHakeep
	}
	p := uint8(s.named("protocol", fileProtocols, proto, 0, 255))
	if !noTrack && p != ProtocolHakeep && !s.failed {
		s.warnf("protocol %s is not used: hakeep marks what it watches with its own number %d; add no_track to have another one", proto, ProtocolHakeep)
		return ProtocolHakeep
	}
	return p
}

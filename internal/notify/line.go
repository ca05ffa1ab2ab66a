package notify

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
)

// arguments are what keepalived appends to the arguments of `notify`.
func arguments(t Target, s State, priority uint8) []string {
	if t.Kind == Group {
		priority = 0
	}
	return []string{t.Kind.String(), t.Name, s.String(), strconv.Itoa(int(priority))}
}

// Line is what FIFOs receive for a VRRP event: kind, quoted name, state and
// priority (groups: 0) and a newline.
func Line(t Target, s State, priority uint8) []byte {
	if t.Kind == Group {
		priority = 0
	}
	return fmt.Appendf(nil, "%s \"%s\" %s %d\n", t.Kind, t.Name, s, priority)
}

// Service names a virtual or real server in lines of FIFOs: by Group (of
// virtual servers) and port, by FWMark, or by address, Proto ("tcp", "udp",
// "sctp"; empty for the servers of a mark) and port.
type Service struct {
	Addr   netip.AddrPort
	Proto  string
	FWMark uint32
	Group  string
}

// String is keepalived's form: "[192.0.2.1]:tcp:80", "FWM 7", "[NAME]:0".
func (s Service) String() string {
	switch {
	case s.Group != "":
		return fmt.Sprintf("[%s]:%d", s.Group, s.Addr.Port())
	case s.FWMark != 0:
		return fmt.Sprintf("FWM %d", s.FWMark)
	}
	return fmt.Sprintf("[%s]:%s:%d", s.Addr.Addr(), cmp.Or(s.Proto, "none"), s.Addr.Port())
}

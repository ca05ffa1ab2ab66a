package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// convertDuration reads a duration such as "100ms" or "1.5s". A bare number is
// refused, because keepalived counts some of its keywords in seconds and
// others in milliseconds.
func convertDuration(k *Keyword, raw any) (any, string) {
	allowed := inBrackets("allowed", k.Allowed())
	s, ok := raw.(string)
	if !ok {
		switch raw.(type) {
		case int64, float64:
			return nil, fmt.Sprintf(`%s has no unit; write a text with a unit, such as "1s" or "100ms"%s`, describe(raw), allowed)
		}
		return nil, wrongType(k, raw, `a duration such as "1s" or "100ms"`)
	}
	d, wrong := parseDuration(s)
	if wrong != "" {
		return nil, fmt.Sprintf("%q %s%s", printable(s), wrong, allowed)
	}
	if k.Max != 0 && (int64(d) < k.Min || int64(d) > k.Max) {
		return nil, fmt.Sprintf("%q is out of range; allowed: %s; for example %s = %s", s, k.Allowed(), k.Name, k.example())
	}
	if k.Step != 0 && int64(d)%k.Step != 0 {
		return nil, fmt.Sprintf("%q is finer than %s; allowed: %s; for example %s = %s", s, formatDuration(time.Duration(k.Step)), k.Allowed(), k.Name, k.example())
	}
	return d, ""
}

// parseDuration reads a duration that is not negative.
func parseDuration(s string) (time.Duration, string) {
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, `has no unit; write for example "1s" or "100ms"`
	}
	d, err := time.ParseDuration(s)
	if err != nil || strings.HasPrefix(s, "+") {
		return 0, `is not a duration; write a number and a unit (us, ms, s, m, h) without blanks, such as "1s" or "100ms"`
	}
	if d < 0 || strings.HasPrefix(s, "-") {
		return 0, "is negative"
	}
	return d, ""
}

// formatDuration writes a duration in the largest unit up to seconds, the way
// network engineers write intervals: 40.95s, 10ms, 100us.
func formatDuration(d time.Duration) string {
	unit, name := time.Microsecond, "us"
	switch {
	case d == 0 || d >= time.Second:
		unit, name = time.Second, "s"
	case d >= time.Millisecond:
		unit, name = time.Millisecond, "ms"
	case d%time.Microsecond != 0:
		unit, name = time.Nanosecond, "ns"
	}
	return strconv.FormatFloat(float64(d)/float64(unit), 'f', -1, 64) + name
}

// parseAddr reads an address that can be put into a packet: without zone, and
// not IPv4 written as IPv6.
func parseAddr(s string) (netip.Addr, string) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil && strings.Contains(s, "/"):
		return netip.Addr{}, "has a prefix length, which does not belong here"
	case err != nil:
		return netip.Addr{}, `is not an IP address such as "192.0.2.10" or "2001:db8::10"`
	case a.Zone() != "":
		return netip.Addr{}, "names an interface after the %; leave it out, the interface is set elsewhere"
	case a.Is4In6():
		return netip.Addr{}, "is an IPv4 address in IPv6 notation; write it as " + a.Unmap().String()
	}
	return a, ""
}

// wrongLink says why a text cannot be the name of an interface: the rules of
// the Linux kernel (dev_valid_name).
func wrongLink(s string) string {
	const longest = 15 // IFNAMSIZ less the final NUL
	switch {
	case s == "":
		return "is empty; write the name of an interface, such as \"eth0\""
	case len(s) > longest:
		return fmt.Sprintf("is too long for an interface; the name may have %d characters", longest)
	case s == "." || s == ".." || strings.ContainsAny(s, "/: \t\n\v\f\r") || printable(s) != s:
		return "cannot be the name of an interface, which has no blanks, '/' and ':'"
	}
	return ""
}

// familyOf returns the family of a valid address.
func familyOf(a netip.Addr) Family {
	if a.Is4() {
		return FamilyIPv4
	}
	return FamilyIPv6
}

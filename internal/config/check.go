package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CheckKind is what a Check does.
type CheckKind uint8

const (
	// CheckPing sends ICMP echo requests.
	CheckPing CheckKind = iota + 1
	// CheckTCP opens TCP connections.
	CheckTCP
	// CheckHTTP asks for URLs by HTTP or HTTPS.
	CheckHTTP
	// CheckDNS asks name servers.
	CheckDNS
)

// String returns ping, tcp, http or dns.
func (k CheckKind) String() string {
	if k >= CheckPing && k <= CheckDNS {
		return checkKinds()[k-CheckPing]
	}
	return "check kind " + strconv.Itoa(int(k))
}

func checkKinds() []string { return []string{"ping", "tcp", "http", "dns"} }

// Check looks at the network without a process of its own and can be tracked
// like a script (hakeep's keyword track_check).
type Check struct {
	// Name is unique among the checks.
	Name string
	// Line is where the block begins in the file.
	Line int `json:"-"`
	// Kind says what is done.
	Kind CheckKind
	// Targets are at least one and all different.
	Targets []Target
	// Quorum is how many targets have to answer for the check to be well: 1 to
	// the number of Targets.
	Quorum int
	// Interval is the time from one round to the next, 10 ms or more; Timeout
	// is how long an answer may take.
	Interval, Timeout time.Duration
	// Rise and Fall are how many equal results in a row it takes to change the
	// state, at least 1.
	Rise, Fall int
	// Dampen is how long a changed state has to last before it counts, 0 to
	// 3600 s.
	Dampen time.Duration
	// Weight and Reverse are what those who track it without a weight of their
	// own use; Tracks has them already resolved. The weight is -253 to 253.
	Weight  int
	Reverse bool
	// Bind is the source address (bindto); the zero value means the kernel's
	// choice. It is of the family of all targets.
	Bind netip.Addr
	// BindLink is the interface that packets have to take (bind_if), or empty.
	// It is never empty with link-local targets.
	BindLink string
	// Host is the name in the request and, with TLS, the one that the
	// certificate has to have; empty means the target's address. CheckHTTP only.
	Host string
	// Status are the answers that count as well. CheckHTTP only.
	Status []StatusRange
	// TLSVerify checks the certificate of an HTTPS target. CheckHTTP only.
	TLSVerify bool
	// Query and Type are the question to a name server. Query is a name without
	// the dot at its end, empty for the root. CheckDNS only.
	Query string
	Type  RRType
}

// Target is what a Check looks at.
type Target struct {
	// Addr is the address; its port is 0 with CheckPing only.
	Addr netip.AddrPort
	// TLS and Path are those of a CheckHTTP; Path begins with a slash and
	// includes a query.
	TLS  bool
	Path string
}

// StatusRange is a range of HTTP status codes, both ends included: 100 to 599.
type StatusRange struct{ First, Last uint16 }

// RRType is the type of a DNS record by its number (IANA, "Resource Record
// (RR) TYPEs").
type RRType uint16

// String returns the name of the type, such as SOA.
func (t RRType) String() string {
	for name, number := range rrTypes() {
		if number == t {
			return name
		}
	}
	return "TYPE" + strconv.Itoa(int(t)) // RFC 3597, 5
}

// rrTypes are the types that keepalived's DNS_CHECK knows.
func rrTypes() map[string]RRType {
	return map[string]RRType{"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "RRSIG": 46, "DNSKEY": 48}
}

// readCheck reads one [[track_check]].
func (b *block) readCheck() Check {
	c := Check{
		Name: b.text("name"), Line: b.node.line,
		Quorum: b.num("quorum"), Interval: b.dur("interval"), Rise: b.num("rise"), Fall: b.num("fall"),
		Dampen: b.dur("dampen"), BindLink: b.text("bind_if"), Bind: b.addr("bindto"),
	}
	c.Timeout = b.durOr("timeout", c.Interval)
	c.Weight, c.Reverse = b.weight()
	if c.BindLink != "" {
		b.d.links = append(b.d.links, linkRef{c.BindLink, b.line("bind_if"), b.join("bind_if"), "the check fails until it appears"})
	}
	if c.Bind.IsMulticast() || c.Bind.IsValid() && c.Bind.IsUnspecified() {
		b.errorf("bindto", "%s is not an address that a host can have", c.Bind)
	}
	kind := slices.Index(checkKinds(), b.text("kind"))
	if kind < 0 {
		return c // said already
	}
	c.Kind = CheckKind(kind) + CheckPing
	b.foreign(c.Kind, CheckHTTP, "host", "status_code", "tls_verify")
	b.foreign(c.Kind, CheckDNS, "dns_name", "dns_type")
	b.readTargets(&c)
	switch c.Kind {
	case CheckHTTP:
		b.readHTTP(&c)
	case CheckDNS:
		b.readDNS(&c)
	}
	return c
}

// foreign reports keys that belong to another kind of check.
func (b *block) foreign(have, want CheckKind, keys ...string) {
	for _, key := range keys {
		if have != want && b.given[key] != nil {
			b.errorf(key, "belongs to kind = %q, but this is %q", want, have)
		}
	}
}

// readTargets reads what is looked at.
func (b *block) readTargets(c *Check) {
	seen := map[Target]bool{}
	list := b.texts("targets")
	for _, t := range list {
		at := spot{d: b.d, line: t.line, key: b.join("targets"), shown: describe(t.text)}
		if strings.Contains(t.text, "@") {
			at.shown = "a target" // there may be a password in it
		}
		target, wrong := parseTarget(c.Kind, t.text)
		switch {
		case wrong != "":
			at.errorf("%s", wrong)
			continue
		case seen[target]:
			at.warnf("is listed twice; the second one is dropped")
			continue
		}
		addr := target.Addr.Addr()
		switch {
		case addr.IsMulticast() || addr.IsUnspecified():
			at.errorf("is not the address of one host")
		case addr.Is6() && addr.IsLinkLocalUnicast() && c.BindLink == "" && !b.wrong("bind_if"):
			at.errorf(`is a link-local address, which says nothing without an interface; add for example bind_if = "eth0"`)
		case c.Bind.IsValid() && familyOf(c.Bind) != familyOf(addr):
			at.errorf("is not %s like the address in bindto", familyOf(c.Bind))
		}
		seen[target] = true
		c.Targets = append(c.Targets, target)
	}
	switch {
	case b.has("targets") && len(b.items("targets")) == 0:
		b.errorf("targets", "is empty; write for example targets = %s", b.row("targets").example())
	case len(c.Targets) == len(list) && c.Quorum > len(c.Targets) && len(list) > 0:
		b.errorf("quorum", "%d is more than there are targets (%d), so it could never be well", c.Quorum, len(c.Targets))
	}
}

// parseTarget reads one target. The second result says what is wrong.
func parseTarget(kind CheckKind, text string) (Target, string) {
	switch kind {
	case CheckPing:
		a, wrong := parseAddr(text)
		return Target{Addr: netip.AddrPortFrom(a, 0)}, wrong
	case CheckHTTP:
		return parseURL(text)
	case CheckDNS:
		if a, wrong := parseAddr(text); wrong == "" {
			return Target{Addr: netip.AddrPortFrom(a, 53)}, ""
		}
		if _, err := netip.ParseAddrPort(text); err != nil {
			return Target{}, `is not the address of a name server, such as "192.0.2.53" or "192.0.2.53:5353"`
		}
	}
	ap, wrong := parseAddrPort(text)
	return Target{Addr: ap}, wrong
}

// parseAddrPort reads an address and a port.
func parseAddrPort(s string) (netip.AddrPort, string) {
	ap, err := netip.ParseAddrPort(s)
	if err != nil || ap.Port() == 0 {
		return ap, `is not an address with a port, such as "192.0.2.1:443" or "[2001:db8::1]:443"`
	}
	_, wrong := parseAddr(ap.Addr().String())
	return ap, wrong
}

// parseURL reads a URL whose host is an address: what is checked must not
// depend on a name server.
func parseURL(s string) (Target, string) {
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil:
		return Target{}, "has a user or a password, which is not possible here"
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.Fragment != "":
		return Target{}, `is not a URL such as "http://192.0.2.1:8080/health" or "https://[2001:db8::1]/"`
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	addr, wrong := parseAddr(u.Hostname())
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case wrong != "" && !strings.Contains(u.Hostname(), "%") && strings.ContainsAny(u.Hostname(), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"):
		return Target{}, fmt.Sprintf("names the host %s, which only a name server could find; write its address there, and host = %s", describe(u.Hostname()), describe(u.Hostname()))
	case wrong != "":
		return Target{}, "has a host that " + wrong
	case err != nil || n == 0:
		return Target{}, "has no port from 1 to 65535"
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return Target{Addr: netip.AddrPortFrom(addr, uint16(n)), TLS: u.Scheme == "https", Path: path}, ""
}

// readHTTP reads what belongs to CheckHTTP alone.
func (b *block) readHTTP(c *Check) {
	c.Host = b.text("host")
	if b.has("host") && (c.Host == "" || printable(c.Host) != c.Host || strings.ContainsAny(c.Host, " /@#?\\")) {
		b.errorf("host", "%s is not the name of a host; write for example host = %s", describe(c.Host), b.row("host").example())
	}
	c.TLSVerify = b.flag("tls_verify")
	if b.has("tls_verify") && len(c.Targets) > 0 && !slices.ContainsFunc(c.Targets, func(t Target) bool { return t.TLS }) {
		b.warnf("tls_verify", "has no effect, because no target begins with https")
	}
	c.Status = []StatusRange{{200, 299}}
	if !b.has("status_code") {
		return
	}
	c.Status = nil
	for _, t := range b.texts("status_code") {
		first, last, found := strings.Cut(t.text, "-")
		if !found {
			last = first
		}
		lo, err1 := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
		hi, err2 := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
		if err1 != nil || err2 != nil || lo < 100 || hi > 599 || lo > hi {
			b.d.add(Error, t.line, b.join("status_code"), "%s is not a status code; allowed: %s", describe(t.text), b.row("status_code").Allowed())
			continue
		}
		c.Status = append(c.Status, StatusRange{uint16(lo), uint16(hi)})
	}
	if len(b.items("status_code")) == 0 {
		b.errorf("status_code", "is empty, so no answer would do; allowed: %s", b.row("status_code").Allowed())
	}
}

// readDNS reads what belongs to CheckDNS alone.
func (b *block) readDNS(c *Check) {
	c.Type = rrTypes()[b.text("dns_type")]
	name := strings.TrimSuffix(b.text("dns_name"), ".")
	if !isDomain(name) {
		b.errorf("dns_name", "%s is not a name; allowed: %s", describe(name), b.row("dns_name").Allowed())
	}
	c.Query = name
}

// isDomain reports whether a text can be a name in the DNS, without the dot at its
// end; the empty one is the root.
func isDomain(name string) bool {
	const longest, longestLabel = 253, 63 // RFC 1035, 2.3.4
	labels := strings.Split(name, ".")
	return name == "" || len(name) <= longest && printable(name) == name && !strings.ContainsAny(name, " \"\\") &&
		!slices.ContainsFunc(labels, func(l string) bool { return l == "" || len(l) > longestLabel })
}

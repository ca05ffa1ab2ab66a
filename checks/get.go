package checks

import (
	"net/netip"
)

// Protocol is the way in which a page is asked for (keepalived: http_protocol).
type Protocol int

// The protocols.
const (
	// Get10 is HTTP/1.0.
	Get10 Protocol = iota + 1
	// Get10C is HTTP/1.0 with "Connection: close".
	Get10C
	// Get11 is HTTP/1.1 with "Connection: close".
	Get11
	// Get2 is HTTP/2, agreed on by ALPN with TLS and spoken without asking else.
	// keepalived has none.
	Get2
)

// String is keepalived's word: "1.0", "1.0C", "1.1"; and "2".
func (p Protocol) String() string {
	switch p {
	case Get10:
		return "1.0"
	case Get10C:
		return "1.0C"
	case Get11:
		return "1.1"
	case Get2:
		return "2"
	}
	return "unknown protocol"
}

// Get asks a server for pages, one after the other, each by a connection of its
// own; it is well when all are (keepalived: HTTP_GET, SSL_GET). Redirections are
// not followed but judged by their status. The time limit of the Policy counts
// for each page.
type Get struct {
	Address netip.AddrPort
	// TLS makes it SSL_GET; nil is HTTP_GET.
	TLS *TLS
	// SNI sends the name of the page's Host (without port) where TLS.ServerName is
	// empty (keepalived: enable_sni).
	SNI bool
	// Host is the Host header of pages that have none of their own (keepalived:
	// virtualhost); empty means the address.
	Host string
	// Protocol is 0 for HTTP/1.0, as in keepalived.
	Protocol Protocol
	// Pages are at least one (keepalived: url).
	Pages []Page
	// FastRecovery is keepalived's fast_recovery.
	FastRecovery bool
	Via
}

var _ Target = Get{}

// Page is a page and what it has to be like (keepalived: url).
type Page struct {
	// Path begins with "/" and may have a query.
	Path string
	// Host is the page's own Host header (virtualhost); empty means that of the Get.
	Host string
	// Status are the codes that are well (status_code); empty means 200 to 299.
	Status []StatusRange
	// Digest is the MD5 of the page in 32 hexadecimal digits, empty for any (digest).
	Digest string
	// Regex is what the page must match, or with Absent must not (regex,
	// regex_no_match); empty for no condition. It is a pattern of PCRE as far as
	// Go's regexp knows it; the rest is an error of Checker.
	Regex  string
	Absent bool
	// Options are keepalived's regex_options, in lower case.
	Options []string
	// MinOffset and MaxOffset are the first byte of the page, from 0, at which a
	// match may begin, and the last; MaxOffset 0 means that there is no last
	// (regex_min_offset, regex_max_offset).
	MinOffset, MaxOffset int
	// Compliant wants the server to end TLS as the standard says; otherwise a
	// connection that just ends also ends the page (tls_compliant).
	Compliant bool
}

// Checker is not there yet.
func (c Get) Checker(*Pinger) (Checker, error) { return nil, errNotYet }

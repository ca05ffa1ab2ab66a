package checks

import "net/netip"

// SMTP reads the greeting of a mail server, says HELO and quits (keepalived:
// SMTP_CHECK). It is well with the codes 220 and 250.
type SMTP struct {
	Address netip.AddrPort
	// Helo is the name to say (helo_name); empty means smtpchecker.hakeep.org.
	Helo string
	Via
}

var _ Target = SMTP{}

// Checker is not there yet.
func (c SMTP) Checker(*Pinger) (Checker, error) { return nil, errNotYet }

package checks

import "net/netip"

// MySQL reads the greeting of a MySQL or MariaDB server; with User it also logs
// in and pings. Without, the server counts an aborted connection each time, and
// may block the host after max_connect_errors.
type MySQL struct {
	Address netip.AddrPort
	// TLS is nil for none; it needs User.
	TLS *TLS
	// User, Password and Database are for the login; User empty for none.
	User     string
	Password Secret
	Database string
	Via
}

var _ Target = MySQL{}

// Checker is not there yet.
func (c MySQL) Checker(*Pinger) (Checker, error) { return nil, errNotYet }

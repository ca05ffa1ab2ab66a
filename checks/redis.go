package checks

import "net/netip"

// Redis sends PING and is well with PONG: a server that is loading, or lost its
// master, answers otherwise.
type Redis struct {
	Address netip.AddrPort
	// TLS is nil for none.
	TLS *TLS
	// User and Password log in first; without Password nothing does. User is empty
	// for the default one.
	User     string
	Password Secret
	Via
}

var _ Target = Redis{}

// Checker is not there yet.
func (c Redis) Checker(*Pinger) (Checker, error) { return nil, errNotYet }

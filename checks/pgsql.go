package checks

import "net/netip"

// PgSQL begins a connection to a PostgreSQL server and is well when the server is
// ready to let somebody in, as pg_isready(1) has it: while it starts, stops,
// recovers or has no room for more it is not. No login is made.
type PgSQL struct {
	Address netip.AddrPort
	// TLS is asked for first, and must be granted; nil for none.
	TLS *TLS
	// User and Database are said to the server; User empty means hakeep, Database
	// empty the same as User. If User is set, a server that refuses it is a failure.
	User, Database string
	Via
}

var _ Target = PgSQL{}

// Checker is not there yet.
func (c PgSQL) Checker(*Pinger) (Checker, error) { return nil, errNotYet }

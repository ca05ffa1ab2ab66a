package checks

import "net/netip"

// GRPC asks the standard health service of gRPC (grpc.health.v1.Health/Check) and
// is well with SERVING.
type GRPC struct {
	Address netip.AddrPort
	// TLS is nil for HTTP/2 without TLS.
	TLS *TLS
	// Service is the one to ask about; empty means the server as a whole.
	Service string
	// Host is the :authority; empty means the address.
	Host string
	Via
}

var _ Target = GRPC{}

// Checker is not there yet.
func (c GRPC) Checker(*Pinger) (Checker, error) { return nil, errNotYet }

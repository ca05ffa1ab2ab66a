package checks

import "net/netip"

// UDP sends a packet (keepalived: UDP_CHECK). An ICMP error is a failure. Without
// Reply, no answer until the time limit is well.
type UDP struct {
	Address netip.AddrPort
	// Payload is what to send; empty is an empty packet.
	Payload []byte
	// Reply, if not nil, wants an answer (require_reply).
	Reply *UDPReply
	Via
}

// UDPReply is what an answer has to be like.
type UDPReply struct {
	// Data is what it begins with, in hexadecimal digits, where X stands for any
	// digit; empty for any answer.
	Data string
	// MinLength and MaxLength bound its length in bytes, where Data is not empty
	// (min_reply_length 0, max_reply_length 255). MaxLength 0 means 255.
	MinLength, MaxLength int
}

var _ Target = UDP{}

// Checker is not there yet.
func (c UDP) Checker(*Pinger) (Checker, error) { return nil, errNotYet }

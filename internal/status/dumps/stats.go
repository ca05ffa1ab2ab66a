package dumps

import (
	"bytes"
	"fmt"
)

// Stats is keepalived.stats: one block of fixed lines for each instance, with the
// lines and indentation of keepalived 2.2.7.
func Stats(in *Input) []byte {
	var b bytes.Buffer
	for _, v := range in.views() {
		s := &v.stats
		fmt.Fprintf(&b, "VRRP Instance: %s\n", v.Name)
		fmt.Fprintf(&b, "  Advertisements:\n    Received: %d\n    Sent: %d\n", s.received, s.sent)
		fmt.Fprintf(&b, "  Became master: %d\n  Released master: %d\n", s.became, s.released)
		fmt.Fprintf(&b, "  Packet Errors:\n    Length: %d\n    TTL: %d\n    Invalid Type: %d\n    Advertisement Interval: %d\n    Address List: %d\n",
			s.length, s.ttl, s.kind, s.interval, s.list)
		fmt.Fprintf(&b, "  Authentication Errors:\n    Invalid Type: 0\n    Type Mismatch: %d\n    Failure: %d\n", s.authMismatch, s.authFailure)
		fmt.Fprintf(&b, "  Priority Zero:\n    Received: %d\n    Sent: %d\n", s.zeroReceived, s.zeroSent)
	}
	return b.Bytes()
}

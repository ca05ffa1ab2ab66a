package checks

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// maxDatagram is the longest answer: an IP packet has room for no more.
const maxDatagram = 65535

// UDP sends a packet (keepalived: UDP_CHECK). An ICMP error is a failure. Without
// Reply, any answer is well, and none until the time limit too.
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
	// Data is what it begins with, in pairs of hexadecimal digits, where X stands for
	// any digit; empty for any answer. An answer that is shorter is a failure, unlike
	// in keepalived, which compares what there is.
	Data string
	// MinLength and MaxLength bound its length in bytes, 0 to 65535, where Data is
	// not empty (min_reply_length 0, max_reply_length 255). MaxLength 0 means 255.
	MinLength, MaxLength int
}

var _ Target = UDP{}

// Checker makes the check.
func (c UDP) Checker(*Pinger) (Checker, error) {
	if err := reachable(c.Address); err != nil {
		return nil, fmt.Errorf("udp: %w", err)
	}
	u := &udpChecker{UDP: c}
	if c.Reply == nil {
		return u, nil
	}
	u.least, u.most = c.Reply.MinLength, c.Reply.MaxLength
	if u.most == 0 {
		u.most = 255
	}
	if u.least < 0 || u.most > maxDatagram || u.least > u.most {
		return nil, fmt.Errorf("udp: no answer can have %d to %d bytes", u.least, u.most)
	}
	var err error
	if u.want, u.mask, err = nibbles(c.Reply.Data); err != nil {
		return nil, fmt.Errorf("udp: require_reply: %w", err)
	}
	if len(u.want) > u.most {
		return nil, fmt.Errorf("udp: require_reply has %d bytes, max_reply_length is %d", len(u.want), u.most)
	}
	return u, nil
}

// nibbles reads digits of which some may be X; mask has the bits that count.
func nibbles(text string) (want, mask []byte, err error) {
	if len(text)%2 != 0 {
		return nil, nil, errors.New("an odd number of hexadecimal digits")
	}
	digits, known := []byte(text), make([]byte, len(text))
	for i, d := range digits {
		known[i] = 'f'
		if d == 'x' || d == 'X' {
			digits[i], known[i] = '0', '0'
		}
	}
	want, err = hex.DecodeString(string(digits))
	if err != nil {
		return nil, nil, fmt.Errorf("%q is not made of hexadecimal digits and X", text)
	}
	mask, _ = hex.DecodeString(string(known))
	return want, mask, nil
}

// udpChecker is a UDP made ready.
type udpChecker struct {
	UDP
	want, mask  []byte
	least, most int
}

var _ Checker = (*udpChecker)(nil)

// Check sends the packet once. A first answer decides.
func (c *udpChecker) Check(ctx context.Context) Result {
	begin := time.Now()
	conn, err := c.dial(ctx, "udp", c.Address.String())
	if err != nil {
		return Result{Err: err}
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(c.Payload); err != nil {
		return Result{Err: err}
	}
	buf := make([]byte, max(c.most, 255)+1)
	n, err := conn.Read(buf)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && c.Reply == nil:
		return Result{OK: true, Detail: "no ICMP error in " + short(time.Since(begin)), final: true}
	case err != nil:
		return failed(ctx, "", err)
	}
	if err := c.judge(buf[:n]); err != nil {
		return Result{Detail: err.Error(), Err: err}
	}
	return Result{OK: true, Detail: fmt.Sprintf("answer in %s", short(time.Since(begin)))}
}

// judge holds an answer against what it has to be like.
func (c *udpChecker) judge(b []byte) error {
	if len(c.want) == 0 {
		return nil
	}
	if len(b) < c.least || len(b) > c.most {
		return fmt.Errorf("answer of %d bytes, not %d to %d", len(b), c.least, c.most)
	}
	if len(b) < len(c.want) {
		return fmt.Errorf("answer of %d bytes, require_reply has %d", len(b), len(c.want))
	}
	for i, w := range c.want {
		if (b[i]^w)&c.mask[i] != 0 {
			return fmt.Errorf("answer %s differs from require_reply in byte %d", strings.ToUpper(hex.EncodeToString(b[:min(len(b), 16)])), i)
		}
	}
	return nil
}

package checks

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// TCP connects, and closes at once (keepalived: TCP_CHECK). The connection is
// closed by a reset, so that it leaves nothing in the connection table of a
// router on the way.
type TCP struct {
	Address netip.AddrPort
	Via
}

var (
	_ Target  = TCP{}
	_ Checker = TCP{}
)

// Checker is the check itself.
func (c TCP) Checker(*Pinger) (Checker, error) {
	if !c.Address.IsValid() || c.Address.Port() == 0 {
		return nil, errors.New("tcp: no address and port")
	}
	return c, nil
}

// Check connects once.
func (c TCP) Check(ctx context.Context) Result {
	begin := time.Now()
	conn, err := c.dial(ctx, "tcp", c.Address.String())
	if err != nil {
		return Result{Err: err}
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
	return Result{OK: true, Detail: "connected in " + short(time.Since(begin))}
}

// short is a duration for people.
func short(d time.Duration) string {
	unit := time.Millisecond
	if d < 100*time.Millisecond {
		unit = 10 * time.Microsecond
	}
	return d.Round(unit).String()
}

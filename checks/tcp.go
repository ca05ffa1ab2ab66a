package checks

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// TCP connects, and closes at once (keepalived: TCP_CHECK).
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
	if err := reachable(c.Address); err != nil {
		return nil, fmt.Errorf("tcp: %w", err)
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

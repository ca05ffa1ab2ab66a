package checks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// errNoTime says that the limit of an attempt was over.
var errNoTime = errors.New("no answer in time")

// talk connects, by TLS if conf is not nil, and lets a protocol do the rest. found
// says what was found, in an error's case too if that is worth more than the error.
func (v Via) talk(ctx context.Context, to netip.AddrPort, conf *tls.Config, protocol func(net.Conn) (found string, err error)) Result {
	begin := time.Now()
	conn, err := v.dial(ctx, "tcp", to.String())
	if err != nil {
		return failed(ctx, "", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if conf != nil {
		if conn, err = client(ctx, conn, conf); err != nil {
			return failed(ctx, "", err)
		}
	}
	found, err := protocol(conn)
	if err != nil {
		return failed(ctx, found, err)
	}
	return Result{OK: true, Detail: found + " in " + short(time.Since(begin))}
}

// failed is a failure, which a context that is done explains better than what it
// did to the connection.
func failed(ctx context.Context, found string, err error) Result {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return Result{Detail: errNoTime.Error(), Err: fmt.Errorf("%w: %w", errNoTime, ctx.Err())}
	}
	if found == "" {
		found = err.Error()
	}
	return Result{Detail: found, Err: err}
}

// tlsConfig is that of a check which may go without TLS: then nil.
func tlsConfig(t *TLS, to netip.AddrPort) (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	return t.config(to.Addr().WithZone("").String())
}

// reachable reports whether there is an address with a port.
func reachable(to netip.AddrPort) error {
	if !to.IsValid() || to.Port() == 0 {
		return errors.New("no address and port")
	}
	return nil
}

// ended says in words that a connection was closed.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the connection ended")
	}
	return err
}

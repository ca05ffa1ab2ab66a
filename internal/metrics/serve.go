package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/net/netutil"
)

const (
	// connectionsAtOnce bounds open connections; more wait in the kernel.
	connectionsAtOnce = 64
	// These end connections that do not get on.
	headerTimeout = 5 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
	// closeTimeout bounds the wait for answers that are under way at the end.
	closeTimeout = time.Second
	// listenRetry is how long Follow waits before it tries an address again: one
	// that is not there yet, such as a virtual address.
	listenRetry = 5 * time.Second
)

// Serve listens on addr and answers with h until ctx ends; then it returns nil.
// An error says that it could not listen, or could no longer.
func Serve(ctx context.Context, addr netip.AddrPort, h http.Handler) error {
	l, err := listen(ctx, addr)
	if err != nil {
		return err
	}
	return serve(ctx, l, h)
}

// Check says why addr cannot be listened on now; nil if it can.
func Check(ctx context.Context, addr netip.AddrPort) error {
	l, err := listen(ctx, addr)
	if err != nil {
		return err
	}
	return l.Close()
}

func listen(ctx context.Context, addr netip.AddrPort) (net.Listener, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", addr.String())
	if err != nil {
		return nil, fmt.Errorf("serve metrics: %w", err)
	}
	return l, nil
}

// serve answers on l until ctx ends, and closes it.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context { return ctx },
		// Mistakes of clients, which would fill the log.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if s.Shutdown(bounded) != nil {
			_ = s.Close()
		}
	})
	err := s.Serve(netutil.LimitListener(l, connectionsAtOnce))
	if stop() {
		// It was not ctx that ended it.
		return errors.Join(fmt.Errorf("serve metrics: %w", err), s.Close())
	}
	<-ended
	return nil
}

// Follow serves h on the latest address that came from addrs until ctx ends, and
// then returns nil. An invalid address means to serve nowhere. One that cannot
// be listened on is tried again every few seconds; problem is told once why not,
// and nil when it is no longer so. It is called by one goroutine.
func Follow(ctx context.Context, addrs <-chan netip.AddrPort, h http.Handler, problem func(error)) error {
	f := &follower{handler: h, problem: problem, retry: listenRetry}
	return f.run(ctx, addrs)
}

// follower owns the listener. All of it belongs to run.
type follower struct {
	handler http.Handler
	problem func(error)
	retry   time.Duration

	addr   netip.AddrPort
	told   string             // the problem that was told last
	stop   context.CancelFunc // ends the server; nil if there is none
	server chan error         // its outcome
}

func (f *follower) run(ctx context.Context, addrs <-chan netip.AddrPort) error {
	defer f.close()
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case addr := <-addrs:
			if addr == f.addr {
				continue
			}
			f.close()
			f.addr = addr
			again = f.open(ctx)
		case <-again:
			again = f.open(ctx)
		case err := <-f.server:
			f.stop()
			f.stop, f.server = nil, nil
			if err != nil {
				f.tell(err)
				again = time.After(f.retry)
			}
		}
	}
}

// open starts the server, or returns when to try again.
func (f *follower) open(ctx context.Context) <-chan time.Time {
	if !f.addr.IsValid() {
		f.tell(nil)
		return nil
	}
	l, err := listen(ctx, f.addr)
	if err != nil {
		f.tell(err)
		return time.After(f.retry)
	}
	f.tell(nil)
	own, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	f.stop, f.server = stop, done
	go func() { done <- serve(own, l, f.handler) }() // close and run wait for it
	return nil
}

// close ends the server and waits for its end.
func (f *follower) close() {
	if f.stop != nil {
		f.stop()
		<-f.server
		f.stop, f.server = nil, nil
	}
}

// tell hands a problem on when it is another one than before.
func (f *follower) tell(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != f.told {
		f.told = text
		f.problem(err)
	}
}

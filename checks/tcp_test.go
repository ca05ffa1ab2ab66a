package checks

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// check makes a checker of a target and does one attempt.
func check(t *testing.T, target Target, p *Pinger, timeout time.Duration) Result {
	t.Helper()
	c, err := target.Checker(p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	begin := time.Now()
	res := c.Check(ctx)
	if took := time.Since(begin); took > timeout+3*time.Second {
		t.Errorf("%+v took %v, its limit is %v", target, took, timeout)
	}
	return res
}

func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	case *net.UDPAddr:
		return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	}
	return netip.AddrPort{}
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestTCP(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1:0", "[::1]:0"} {
		l := listen(t, host)
		to := addrPort(l.Addr())
		reset := make(chan error, 1)
		go func() {
			conn, err := l.Accept()
			if err != nil {
				reset <- err
				return
			}
			defer conn.Close()
			_, err = conn.Read(make([]byte, 1))
			reset <- err
		}()
		if res := check(t, TCP{Address: to}, nil, 5*time.Second); !res.OK || !strings.HasPrefix(res.Detail, "connected in ") {
			t.Errorf("%s: %+v", host, res)
		}
		if err := <-reset; err == nil || !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: the server saw %v, want a reset", host, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if res := check(t, TCP{Address: to}, nil, 5*time.Second); res.OK || !strings.Contains(res.String(), "connection refused") {
			t.Errorf("%s: nobody listens: %+v", host, res)
		}
	}
	if _, err := (TCP{}).Checker(nil); err == nil {
		t.Error("no address was accepted")
	}
}

func TestVia(t *testing.T) {
	t.Parallel()
	l := listen(t, "127.0.0.1:0")
	from := make(chan string, 2)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			from <- addrPort(conn.RemoteAddr()).Addr().String()
			_ = conn.Close()
		}
	}()
	target := TCP{Address: addrPort(l.Addr()), Via: Via{Source: netip.MustParseAddr("127.0.0.77"), Interface: "lo"}}
	if res := check(t, target, nil, 5*time.Second); !res.OK {
		t.Fatal(res)
	}
	if got := <-from; got != "127.0.0.77" {
		t.Errorf("came from %s", got)
	}
	target.Interface = "nosuchlink"
	if res := check(t, target, nil, 5*time.Second); res.OK || !strings.Contains(res.String(), "bind to interface nosuchlink") {
		t.Errorf("missing interface: %+v", res)
	}
}

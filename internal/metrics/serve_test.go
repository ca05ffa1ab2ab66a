package metrics

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hakeep/internal/nstest"
	"hakeep/internal/status"
)

// free returns an address of this host that nobody listens on.
func free(t *testing.T) netip.AddrPort {
	t.Helper()
	l, addr := occupy(t)
	l.Close()
	return addr
}

// occupy listens on an address.
func occupy(t *testing.T) (net.Listener, netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, netip.MustParseAddrPort(l.Addr().String())
}

// get asks a server; the error says that nobody answers.
func get(addr netip.AddrPort, path string) (string, error) {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get(fmt.Sprintf("http://%s%s", addr, path))
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return string(b), err
}

// eventually waits until something answers on addr, or nothing does.
func eventually(t *testing.T, addr netip.AddrPort, up bool) {
	t.Helper()
	nstest.Eventually(t, 5*time.Second, func() error {
		if _, err := get(addr, "/"); (err == nil) != up {
			return fmt.Errorf("%s answers: %v (%w), want %v", addr, err == nil, err, up)
		}
		return nil
	})
}

func TestServe(t *testing.T) {
	t.Parallel()
	addr := free(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, addr, handlerOf(document())) }()
	eventually(t, addr, true)
	body, err := get(addr, "/metrics")
	if err != nil || !strings.Contains(body, "hakeep_elector_up 1\n") {
		t.Errorf("%v:\n%s", err, body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("end: %v", err)
	}
	if _, err := get(addr, "/"); err == nil {
		t.Error("still answers")
	}
}

// TestServeEndsWithRequestsUnderWay: the daemon's stop does not wait for a
// reader, and the reader is not kept either.
func TestServeEndsWithRequestsUnderWay(t *testing.T) {
	t.Parallel()
	addr := free(t)
	entered := make(chan struct{}, 1)
	document := func(ctx context.Context) (*status.Document, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	h := Handler(document, document)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, addr, h) }()
	eventually(t, addr, true)
	answer := make(chan error, 1)
	go func() {
		_, err := get(addr, "/status")
		answer <- err
	}()
	<-entered
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("does not end")
	}
	<-answer
}

func TestServeInUse(t *testing.T) {
	t.Parallel()
	_, addr := occupy(t)
	err := Serve(t.Context(), addr, handlerOf(document()))
	if err == nil || !strings.Contains(err.Error(), addr.String()) {
		t.Errorf("%v does not name %s", err, addr)
	}
}

// TestFollow: a reload may set, move and remove http_listen, and an address that
// is taken is served as soon as it is free.
func TestFollow(t *testing.T) {
	t.Parallel()
	problems := make(chan error, 16)
	f := &follower{handler: handlerOf(document()), problem: func(err error) { problems <- err }, retry: 10 * time.Millisecond}
	addrs := make(chan netip.AddrPort)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.run(ctx, addrs) }()

	first, second := free(t), free(t)
	addrs <- first
	eventually(t, first, true)
	addrs <- first // the same again: nothing is interrupted
	eventually(t, first, true)
	addrs <- second
	eventually(t, second, true)
	eventually(t, first, false)
	addrs <- netip.AddrPort{}
	eventually(t, second, false)

	taken, third := occupy(t)
	addrs <- third
	if err := <-problems; err == nil || !strings.Contains(err.Error(), third.String()) {
		t.Errorf("problem %v does not name %s", err, third)
	}
	taken.Close()
	if err := <-problems; err != nil {
		t.Errorf("a second problem: %v", err)
	}
	eventually(t, third, true)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := get(third, "/"); err == nil {
		t.Error("still answers after the end")
	}
}

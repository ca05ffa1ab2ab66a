package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hakeep/internal/status"
)

// fake is a daemon of which the test says what it answers.
type fake struct {
	doc    *status.Document
	reload *status.Reload
	err    error

	mu      sync.Mutex // guards what follows
	holds   []Hold
	orders  []ServerOrder
	events  []status.Event
	changed chan struct{}
}

var _ Backend = (*fake)(nil)

func (f *fake) Status(context.Context) (*status.Document, error) { return f.doc, f.err }
func (f *fake) Reload(context.Context) (*status.Reload, error)   { return f.reload, f.err }

func (f *fake) Dump(_ context.Context, form DumpForm, version int) ([]byte, error) {
	return fmt.Appendf(nil, "%s %d\n", form, version), f.err
}

func (f *fake) Upgrade(context.Context) (*status.Upgrade, error) {
	return &status.Upgrade{From: "1", To: "2"}, f.err
}

func (f *fake) Hold(_ context.Context, h *Hold) (*status.Moved, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.holds = append(f.holds, *h)
	if h.Instance == "VI_9" {
		return nil, fmt.Errorf("%w: %q", ErrUnknownInstance, h.Instance)
	}
	return &status.Moved{Instances: []string{h.Instance}}, f.err
}

func (f *fake) Order(_ context.Context, o *ServerOrder) (*status.ServerAnswer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.orders = append(f.orders, *o)
	if o.RealServer == "192.0.2.9:80" {
		return nil, fmt.Errorf("%w: %q", ErrUnknownServer, o.RealServer)
	}
	return &status.ServerAnswer{VirtualServer: o.VirtualServer, RealServer: status.RealServer{Address: o.RealServer, Drained: true}}, f.err
}

func (f *fake) Events(seq uint64, n int) ([]status.Event, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from := int(min(seq, uint64(len(f.events))))
	return append([]status.Event(nil), f.events[from:min(from+n, len(f.events))]...), f.changed
}

func (f *fake) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.events = append(f.events, status.Event{Seq: uint64(len(f.events) + 1), Kind: "log", Level: "info"})
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// serve runs a server on a socket in a directory of the test.
func serve(t *testing.T, f *fake) *Client {
	t.Helper()
	f.changed = make(chan struct{})
	path := filepath.Join(t.TempDir(), SocketName)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- NewServer(l, f, f, f, slog.New(slog.DiscardHandler)).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return NewClient(path)
}

func TestStatusAndVersion(t *testing.T) {
	t.Parallel()
	c := serve(t, &fake{doc: &status.Document{Schema: status.Schema, OK: true, Instances: []status.Instance{{Name: "VI_1"}}}})
	doc, err := c.Status(t.Context())
	if err != nil || !doc.OK || doc.Instance("VI_1") == nil {
		t.Errorf("got %+v, %v", doc, err)
	}
	info, err := c.Version(t.Context())
	if err != nil || info.Version == "" {
		t.Errorf("got %+v, %v", info, err)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		reload *status.Reload
		err    error
		want   string
	}{
		{"in force", &status.Reload{OK: true, Added: []string{"VI_2"}}, nil, ""},
		{"refused", &status.Reload{Problems: []status.Problem{{Severity: "error", Text: "f:1: k: bad"}}}, nil, ""},
		{"stopping", nil, errors.New("the daemon is stopping"), "the daemon says: the daemon is stopping"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, &fake{reload: tt.reload, err: tt.err})
			got, err := c.Reload(t.Context())
			if tt.want != "" {
				if err == nil || err.Error() != tt.want {
					t.Errorf("got error %v, want %s", err, tt.want)
				}
				return
			}
			if err != nil || got.OK != tt.reload.OK || got.Summary() != tt.reload.Summary() {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	f := &fake{}
	c := serve(t, f)
	for _, want := range []Hold{{Instance: "VI_1", On: true, For: time.Minute, Persist: true}, {Instance: "VI_1"}} {
		got, err := c.Hold(t.Context(), &want)
		if err != nil || got.Instances[0] != "VI_1" || f.holds[len(f.holds)-1] != want {
			t.Errorf("got %+v, %v; asked for %+v", got, err, f.holds)
		}
	}
	if _, err := c.Hold(t.Context(), &Hold{Instance: "VI_9"}); !errors.Is(err, ErrUnknownInstance) {
		t.Errorf("unknown instance: %v", err)
	}
	f.err = errors.New("disk full")
	if _, err := c.Hold(t.Context(), &Hold{}); err == nil || errors.Is(err, ErrUnknownInstance) || err.Error() != "the daemon says: disk full" {
		t.Errorf("got %v", err)
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	f := &fake{}
	c := serve(t, f)
	weight := 5
	want := ServerOrder{VirtualServer: "192.0.2.10:80", RealServer: "10.0.0.1:80", Action: ActWeight, Weight: &weight}
	got, err := c.Server(t.Context(), &want)
	if err != nil || got.RealServer.Address != "10.0.0.1:80" || !got.RealServer.Drained {
		t.Errorf("got %+v, %v", got, err)
	}
	if o := f.orders[0]; o.Action != ActWeight || *o.Weight != 5 || o.VirtualServer != want.VirtualServer {
		t.Errorf("asked for %+v", o)
	}
	_, err = c.Server(t.Context(), &ServerOrder{RealServer: "192.0.2.9:80"})
	if !errors.Is(err, ErrUnknownServer) || errors.Is(err, ErrUnknownInstance) {
		t.Errorf("unknown server: %v", err)
	}
	f.err = errors.New("no such action")
	if _, err := c.Server(t.Context(), &want); err == nil || err.Error() != "the daemon says: no such action" {
		t.Errorf("got %v", err)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	f := &fake{}
	c := serve(t, f)
	const first = 2*eventBatch + 7
	f.add(first)
	var got []uint64
	note := func(ev *status.Event) error { got = append(got, ev.Seq); return nil }
	if err := c.Events(t.Context(), false, note); err != nil || len(got) != first || got[first-1] != first {
		t.Fatalf("got %d events, %v; want %d", len(got), err, first)
	}
	// A follower gets the later ones, and ends when it wants to.
	enough := errors.New("enough")
	seen := 0
	err := c.Events(t.Context(), true, func(ev *status.Event) error {
		if seen++; seen == first {
			f.add(3)
		}
		if ev.Seq == first+3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || seen != first+3 {
		t.Errorf("got %d events, %v", seen, err)
	}
}

func TestFollowerEndsWithTheDaemon(t *testing.T) {
	t.Parallel()
	f := &fake{changed: make(chan struct{})}
	path := filepath.Join(t.TempDir(), SocketName)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- NewServer(l, f, f, f, slog.New(slog.DiscardHandler)).Run(ctx) }()
	f.add(1)
	began := time.Now()
	err = NewClient(path).Events(t.Context(), true, func(*status.Event) error { cancel(); return nil })
	if err != nil {
		t.Errorf("follower: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("server: %v", err)
	}
	if took := time.Since(began); took > shutdownTimeout {
		t.Errorf("took %v", took)
	}
}

func TestClientErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	for _, path := range []string{filepath.Join(dir, "none"), stale} {
		if _, err := NewClient(path).Status(t.Context()); !errors.Is(err, ErrNoDaemon) {
			t.Errorf("%s: got %v, want ErrNoDaemon", path, err)
		}
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), SocketName)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != socketMode {
		t.Errorf("got %v, %v, want mode %o", info.Mode(), err, socketMode)
	}
	if _, err := Listen(path); !errors.Is(err, ErrInUse) {
		t.Errorf("second daemon: got %v, want ErrInUse", err)
	}
	l.Close()
	l, err = Listen(path) // a killed daemon's
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := errors.Join(Remove(path), Remove(path)); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("over a file: got %v", err)
	}
	left, err := filepath.Glob(path + ".*")
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The dumps come through as they are, and what is no form is refused.
func TestDump(t *testing.T) {
	t.Parallel()
	c := serve(t, &fake{})
	for _, tt := range []struct {
		form    DumpForm
		version int
		want    string
	}{{DumpJSON, 2, "json 2\n"}, {DumpJSON, 0, "json 0\n"}, {DumpData, 0, "data 0\n"}, {DumpStats, 0, "stats 0\n"}} {
		if got, err := c.Dump(t.Context(), tt.form, tt.version); err != nil || string(got) != tt.want {
			t.Errorf("%s %d: %q, %v; want %q", tt.form, tt.version, got, err, tt.want)
		}
	}
	for form, version := range map[DumpForm]int{"xml": 0, DumpJSON: 3} {
		if got, err := c.Dump(t.Context(), form, version); err == nil || !strings.Contains(err.Error(), "allowed are") {
			t.Errorf("%s %d: %q, %v", form, version, got, err)
		}
	}
	failing := serve(t, &fake{err: errors.New("the elector does not answer")})
	if _, err := failing.Dump(t.Context(), DumpJSON, 0); err == nil || !strings.Contains(err.Error(), "elector does not answer") {
		t.Errorf("%v", err)
	}
}

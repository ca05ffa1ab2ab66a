package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"hakeep/arp"
	"hakeep/internal/netif"
	"hakeep/vrrp"
)

// messages is one of each kind that matters.
func messages() []*Message {
	vip := netip.MustParsePrefix("192.0.2.10/24")
	return []*Message{
		{Hello: &Hello{Version: Version, PID: 7, Seq: 9, Digest: "x"}},
		{Config: &Config{
			Digest: "x", MainTimeout: time.Second,
			Instances: []*Instance{{
				Params: vrrp.Params{
					Name: "VI_1", Family: vrrp.IPv4, Version: vrrp.V3, VRID: 51, Link: "eth0", Group: netip.MustParseAddr("224.0.0.18"),
					Priority: 150, Interval: 10 * time.Millisecond, Addrs: []netip.Addr{vip.Addr()}, Password: [8]byte{1, 2},
					Peers: []vrrp.Peer{{Addr: netip.MustParseAddr("192.0.2.2"), MaxTTL: 255}},
				},
				Addresses: []netif.Addr{{Prefix: vip, Link: "eth0", PreferredLft: netif.PreferredForever}},
				Announce:  arp.DefaultSettings(), TTL: 255,
			}},
			Leftovers:  []netif.Key{{Link: "eth0", Prefix: vip}},
			LinkDelays: map[string]LinkDelay{"eth0": {Down: time.Second}},
		}},
		{SnapshotRequest: &SnapshotRequest{Number: 3, Brief: true}},
		{Shutdown: &Shutdown{}},
		{Standby: &Standby{Instances: []string{"VI_1"}, On: true}},
		{Tracked: []Tracked{{Instance: "VI_1", Weight: -20, Fault: true}}},
		{Applied: &Applied{Digest: "x", Kept: []string{"VI_1"}}},
		{Event: &Event{Seq: 1, Kind: EventTransition, Instance: "VI_1", From: "BACKUP", To: "MASTER"}},
		{Stopped: &Stopped{}},
	}
}

// TestRoundTrip sends every message through a pipe and gets it back.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	a, b := net.Pipe()
	from, to := NewConn(a), NewConn(b)
	sent := make(chan error, 1)
	go func() {
		var err error
		for _, m := range messages() {
			err = errors.Join(err, from.Send(m))
		}
		sent <- errors.Join(err, from.Close())
	}()
	for _, want := range messages() {
		got, err := to.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if _, err := to.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// stream is a Conn's other end that only has these bytes.
type stream struct{ bytes.Reader }

func (*stream) Write(p []byte) (int, error) { return len(p), nil }
func (*stream) Close() error                { return nil }

func receive(b []byte) (*Message, error) {
	s := &stream{}
	s.Reset(b)
	return NewConn(s).Receive()
}

func frame(body string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func TestReceiveWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   []byte
		want error // nil: any
	}{
		{"nothing", nil, io.EOF},
		{"half a length", []byte{0, 0}, io.ErrUnexpectedEOF},
		{"cut", frame("{}")[:5], io.ErrUnexpectedEOF},
		{"too large", []byte{0xff, 0xff, 0xff, 0xff}, ErrTooLarge},
		{"not JSON", frame("hello"), nil},
		{"wrong type", frame(`{"Hello": 7}`), nil},
	} {
		m, err := receive(c.in)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", c.name, m, err)
		}
	}
}

// FuzzReceive: whatever the other side sends, it is a message or an error, and
// memory is taken as bytes arrive, not as the length claims.
func FuzzReceive(f *testing.F) {
	for _, m := range messages() {
		body, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame(string(body)))
	}
	f.Add([]byte{0x0f, 0xff, 0xff, 0xff, '{'})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := receive(b)
		if (m == nil) == (err == nil) {
			t.Fatalf("message %v and error %v", m, err)
		}
		if err != nil {
			return
		}
		// What was understood can be said again.
		if err := NewConn(&stream{}).Send(m); err != nil {
			t.Fatal(err)
		}
	})
}

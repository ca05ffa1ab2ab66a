package vrrpnet

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/nstest"
	"hakeep/vrrp"
)

// memHost is a virtual host with one interface on the segment "lan".
func memHost(t *testing.T, m *Mem, notify func(), ends ...Endpoint) *MemNet {
	t.Helper()
	h := m.Host(notify)
	h.Attach(1, "lan")
	if err := h.Sync(ends); err != nil {
		t.Fatal(err)
	}
	return h
}

func memSend(t *testing.T, h *MemNet, p Packet) {
	t.Helper()
	h.Queue(&p)
	if n, err := h.Flush(); n != 1 || err != nil {
		t.Fatalf("sent %d, %v", n, err)
	}
}

func memTake(t *testing.T, h *MemNet) (got []string) {
	t.Helper()
	if _, more, err := h.RecvReady(1000, func(d *Datagram) { got = append(got, string(d.Payload)) }); more || err != nil {
		t.Fatalf("more %v, %v", more, err)
	}
	return got
}

func TestMemDelivery(t *testing.T) {
	t.Parallel()
	m := NewMem()
	notified := 0
	a := memHost(t, m, nil, everything(1, a4, a6, ga)...)
	b := memHost(t, m, func() { notified++ }, everything(1, b4, b6, gb)...)
	far := memHost(t, m, nil, everything(1, b4, b6, gb)...)
	far.Attach(1, "elsewhere")
	for _, tt := range []struct {
		p   Packet
		ttl int
	}{
		{Packet{Link: 1, Src: a4, Dst: group4, Payload: []byte("multicast 4")}, 255},
		{Packet{Link: 1, Src: a6, Dst: group6, SrcMAC: testMAC, Payload: []byte("multicast 6")}, 255},
		{Packet{Link: 1, Src: a4, Dst: b4, TTL: 3, Payload: []byte("unicast 4")}, 3},
		{Packet{Link: 1, Src: ga, Dst: gb, TTL: -1, Payload: []byte("unicast 6")}, 64},
	} {
		s, err := Prepare(&tt.p)
		if err != nil {
			t.Fatal(err)
		}
		notified = 0
		a.QueuePrepared(s)
		if n, err := a.Flush(); n != 1 || err != nil || notified != 1 || !b.Pending() {
			t.Fatalf("sent %d, %v, notified %d", n, err, notified)
		}
		n, _, err := b.RecvReady(10, func(d *Datagram) {
			if d.Src != tt.p.Src || d.Dst != tt.p.Dst || d.TTL != tt.ttl || d.Link != 1 || !slices.Equal(d.Payload, tt.p.Payload) {
				t.Errorf("received %v, sent %v", *d, tt.p)
			}
		})
		if n != 1 || err != nil || b.Pending() || a.Pending() || far.Pending() {
			t.Errorf("%s: received %d, %v", tt.p.Payload, n, err)
		}
	}
}

func TestMemEndpoints(t *testing.T) {
	t.Parallel()
	m := NewMem()
	a := memHost(t, m, nil)
	b := memHost(t, m, nil, Endpoint{Family: vrrp.IPv4, Link: 1, Group: group4}, Endpoint{Family: vrrp.IPv4, Local: b4})
	blast := func() {
		memSend(t, a, Packet{Link: 1, Src: a4, Dst: group4, Payload: []byte("group")})
		memSend(t, a, Packet{Link: 1, Src: a4, Dst: other4, Payload: []byte("other group")})
		memSend(t, a, Packet{Src: a4, Dst: b4, Payload: []byte("unicast")})
	}
	blast()
	if got := memTake(t, b); !slices.Equal(got, []string{"unicast", "group"}) { // link 0 is first
		t.Errorf("received %q", got)
	}
	// A Sync keeps what is queued.
	blast()
	if err := b.Sync([]Endpoint{{Family: vrrp.IPv4, Link: 1, Group: group4}, {Family: vrrp.IPv4, Link: 7, Group: group4}, {}}); err == nil {
		t.Error("no error for an empty endpoint")
	}
	if got := memTake(t, b); !slices.Equal(got, []string{"group"}) {
		t.Errorf("received %q", got)
	}
	if got := len(b.FDs()); got != 1 {
		t.Errorf("%d sockets", got)
	}
	b.Detach(1)
	blast()
	if b.Pending() || len(b.FDs()) != 0 {
		t.Error("a deleted interface received")
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	blast()
}

func TestMemFaults(t *testing.T) {
	t.Parallel()
	m := NewMem()
	a := memHost(t, m, nil)
	b := memHost(t, m, nil, Endpoint{Family: vrrp.IPv4, Link: 1, Group: group4})
	p := Packet{Link: 1, Src: a4, Dst: group4}
	m.Drop(func(from, to *MemNet, _ *Packet) bool { return from == a && to == b })
	memSend(t, a, p)
	if b.Pending() {
		t.Error("a lost packet came")
	}
	m.Drop(nil)
	for range 5 {
		memSend(t, a, p)
	}
	if n, more, err := b.Recv(b.FDs()[0], 3, func(*Datagram) {}); n != 3 || !more || err != nil {
		t.Errorf("received %d, more %v, %v", n, more, err)
	}
	if n, more, err := b.Recv(b.FDs()[0], 3, func(*Datagram) {}); n != 2 || more || err != nil {
		t.Errorf("received %d, more %v, %v", n, more, err)
	}
	if _, _, err := b.Recv(-1, 3, func(*Datagram) {}); !errors.Is(err, unix.EBADF) {
		t.Errorf("unknown descriptor: %v", err)
	}
	var told []SendError
	a.OnSendError(func(_ uint32, _ int, kind SendError, _ unix.Errno) { told = append(told, kind) })
	a.Attach(1, "")
	a.Queue(&p)
	a.Queue(&Packet{Link: 2, Src: a4, Dst: group4})
	a.Queue(&Packet{Src: a4, Dst: b4})
	a.Queue(&Packet{})
	if n, err := a.Flush(); n != 0 || !errors.Is(err, unix.ENETDOWN) {
		t.Errorf("sent %d, %v", n, err)
	}
	if want := []SendError{SendLinkDown, SendNoLink, SendUnreachable}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	if st := a.Stats(); st.SendErrors[SendInvalid] != 1 || st.Sent != 6 {
		t.Errorf("counters: %+v", st)
	}
	queued := 0
	for a.Queue(&p) {
		queued++
	}
	if queued != queueLen {
		t.Errorf("%d packets fit", queued)
	}
}

// Hosts that send and receive at the same time, and sleep when there is nothing
// to do.
func TestMemConcurrent(t *testing.T) {
	t.Parallel()
	const hosts, each = 4, 500
	m := NewMem()
	var wg sync.WaitGroup
	ctx := nstest.Context(t, 20*time.Second)
	start := make(chan struct{})
	for range hosts {
		wake := make(chan struct{}, 1)
		h := memHost(t, m, func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		}, Endpoint{Family: vrrp.IPv4, Link: 1, Group: group4})
		wg.Go(func() {
			<-start
			received := 0
			take := func(*Datagram) { received++ }
			for range each {
				h.Queue(&Packet{Link: 1, Src: a4, Dst: group4})
				if _, err := h.Flush(); err != nil {
					t.Error(err)
				}
				_, _, _ = h.RecvReady(100, take)
			}
			for {
				_, _, _ = h.RecvReady(each*hosts, take)
				if received == each*(hosts-1) {
					return
				}
				select {
				case <-wake:
				case <-ctx.Done():
					t.Errorf("received %d, want %d", received, each*(hosts-1))
					return
				}
			}
		})
	}
	close(start)
	wg.Wait()
}

package lab

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// FlowKind is what goes over a connection.
type FlowKind uint8

// The kinds.
const (
	// PingPong: the client sends, waits for what it sent to come back, and sends
	// again 20 ms later.
	PingPong FlowKind = iota + 1
	// Download: the server sends, the client only reads.
	Download
)

// String is the kind in lower case.
func (k FlowKind) String() string {
	if k == PingPong {
		return "ping-pong"
	}
	return "download"
}

// Flow is a connection to a [Backend] that lasts, and is watched: does it go on
// after what happens to the network?
type Flow struct {
	kind   FlowKind
	conn   *net.TCPConn
	answer Answer
	done   chan struct{}

	mu     sync.Mutex
	result FlowResult
	last   time.Time // of progress
}

// FlowResult is what became of a flow.
type FlowResult struct {
	// Steps is how many times data arrived.
	Steps int
	// Stall is the longest time without data, of those that ended.
	Stall time.Duration
	// Err is why the connection ended before Stop, nil if it did not.
	Err error
}

const flowPace = 20 * time.Millisecond

// StartFlow connects from source (invalid: the kernel chooses) to the target and
// returns when the server has answered.
func StartFlow(ns *Namespace, source netip.Addr, target netip.AddrPort, kind FlowKind) (*Flow, error) {
	f := &Flow{kind: kind, done: make(chan struct{})}
	d := net.Dialer{Timeout: 5 * time.Second, KeepAlive: -1}
	if source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	err := ns.Do(func() error {
		// The address is a number: the socket is made on this thread.
		c, err := d.Dial("tcp", target.String())
		if err == nil {
			f.conn = c.(*net.TCPConn)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("start %v to %v: %w", kind, target, err)
	}
	r := bufio.NewReader(f.conn)
	_ = f.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if f.answer, err = readAnswer(r); err != nil {
		f.conn.Close()
		return nil, fmt.Errorf("start %v to %v: %w", kind, target, err)
	}
	_ = f.conn.SetReadDeadline(time.Time{})
	f.last = time.Now()
	if _, ok := ns.onClose(func() { f.Stop() }); !ok {
		f.conn.Close()
		return nil, fmt.Errorf("start %v to %v: namespace is closed", kind, target)
	}
	go f.run(r)
	return f, nil
}

// Kind is what was asked for.
func (f *Flow) Kind() FlowKind { return f.kind }

// Answer is what the server said.
func (f *Flow) Answer() Answer { return f.answer }

func (f *Flow) run(r io.Reader) {
	defer close(f.done)
	var err error
	if f.kind == PingPong {
		err = f.pingPong(r)
	} else {
		err = f.download(r)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !errors.Is(err, net.ErrClosed) {
		f.result.Err = err
	}
}

func (f *Flow) pingPong(r io.Reader) error {
	if _, err := f.conn.Write([]byte{askEcho}); err != nil {
		return err
	}
	msg := []byte("01234567")
	for {
		if _, err := f.conn.Write(msg); err != nil {
			return err
		}
		if _, err := io.ReadFull(r, msg); err != nil {
			return err
		}
		f.progress()
		<-time.After(flowPace)
	}
}

func (f *Flow) download(r io.Reader) error {
	if _, err := f.conn.Write([]byte{askDownload}); err != nil {
		return err
	}
	buf := make([]byte, downloadChunk)
	for {
		if _, err := io.ReadFull(r, buf); err != nil {
			return err
		}
		f.progress()
	}
}

func (f *Flow) progress() {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.result.Steps++
	f.result.Stall = max(f.result.Stall, now.Sub(f.last))
	f.last = now
}

// Mark begins a new measurement: Steps and Stall are 0 again, and a stall that has
// begun counts from now.
func (f *Flow) Mark() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.result.Steps, f.result.Stall, f.last = 0, 0, time.Now()
}

// Result is what became of the flow since it was started or marked.
func (f *Flow) Result() FlowResult {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.result
}

// Stop ends the flow and returns what became of it. It may be called again.
func (f *Flow) Stop() FlowResult {
	f.conn.Close()
	<-f.done
	return f.Result()
}

// String says what the flow is, for messages.
func (f *Flow) String() string {
	return fmt.Sprintf("%v of %v at %v", f.kind, f.answer.Client, f.answer.Server)
}

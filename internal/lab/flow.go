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
	// again after the pace.
	PingPong FlowKind = iota + 1
	// Download: the server sends at the pace, the client only reads.
	Download
)

// String is the kind in lower case.
func (k FlowKind) String() string {
	if k == PingPong {
		return "ping-pong"
	}
	return "download"
}

// FlowOptions are the settings of a flow.
type FlowOptions struct {
	Kind FlowKind
	// Source address; the zero value lets the kernel choose.
	Source netip.Addr
	// Pace is the time between two messages, from 10 ms to 2.55 s in steps of 10 ms;
	// 0 means 20 ms.
	Pace time.Duration
}

// Flow is a connection to a [Backend] that lasts, and is watched: does it go on
// after what happens to the network?
type Flow struct {
	opts   FlowOptions
	conn   *net.TCPConn
	answer Answer
	done   chan struct{}

	mu     sync.Mutex // guards result
	result FlowResult
}

// FlowResult is what became of a flow.
type FlowResult struct {
	// Steps is how many times data arrived.
	Steps int
	// Stall is the longest time without data, of those that ended.
	Stall time.Duration
	// Last is when data arrived last, or when the flow was started or marked.
	Last time.Time
	// Err is why the connection ended before Stop, nil if it did not.
	Err error
}

// StartFlow connects to the target and returns when the server has answered.
func StartFlow(ns *Namespace, target netip.AddrPort, opts FlowOptions) (*Flow, error) {
	if opts.Pace == 0 {
		opts.Pace = 20 * time.Millisecond
	}
	if steps := opts.Pace / paceUnit; steps < 1 || steps > 255 || opts.Pace%paceUnit != 0 {
		return nil, fmt.Errorf("start %v to %v: pace %v, want 10 ms to 2.55 s in steps of 10 ms", opts.Kind, target, opts.Pace)
	}
	f := &Flow{opts: opts, done: make(chan struct{})}
	d := net.Dialer{Timeout: 5 * time.Second, KeepAlive: -1}
	if opts.Source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(opts.Source, 0))
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
		return nil, fmt.Errorf("start %v to %v: %w", opts.Kind, target, err)
	}
	r := bufio.NewReader(f.conn)
	_ = f.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if f.answer, err = readAnswer(r); err != nil {
		f.conn.Close()
		return nil, fmt.Errorf("start %v to %v: %w", opts.Kind, target, err)
	}
	_ = f.conn.SetReadDeadline(time.Time{})
	f.result.Last = time.Now()
	if _, ok := ns.onClose(func() { f.Stop() }); !ok {
		f.conn.Close()
		return nil, fmt.Errorf("start %v to %v: namespace is closed", opts.Kind, target)
	}
	go f.run(r)
	return f, nil
}

// Kind is what was asked for.
func (f *Flow) Kind() FlowKind { return f.opts.Kind }

// Answer is what the server said.
func (f *Flow) Answer() Answer { return f.answer }

func (f *Flow) run(r io.Reader) {
	defer close(f.done)
	var err error
	if f.opts.Kind == PingPong {
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

// ask is what the client says first.
func (f *Flow) ask(what byte) []byte { return []byte{what, byte(f.opts.Pace / paceUnit)} }

func (f *Flow) pingPong(r io.Reader) error {
	if _, err := f.conn.Write(f.ask(askEcho)); err != nil {
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
		<-time.After(f.opts.Pace)
	}
}

func (f *Flow) download(r io.Reader) error {
	if _, err := f.conn.Write(f.ask(askDownload)); err != nil {
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
	f.result.Stall = max(f.result.Stall, now.Sub(f.result.Last))
	f.result.Last = now
}

// Mark begins a new measurement: Steps and Stall are 0 again, and a stall that has
// begun counts from now.
func (f *Flow) Mark() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.result.Steps, f.result.Stall, f.result.Last = 0, 0, time.Now()
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
	return fmt.Sprintf("%v of %v at %v", f.opts.Kind, f.answer.Client, f.answer.Server)
}

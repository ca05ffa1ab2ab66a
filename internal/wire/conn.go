package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// MaxMessage bounds a message: 4,080 instances with 255 addresses each fit.
const MaxMessage = 256 << 20

// ErrTooLarge is a message over MaxMessage.
var ErrTooLarge = errors.New("message too large")

// Conn sends and receives messages over a stream. Send may be called by
// several goroutines, Receive by one.
type Conn struct {
	rw io.ReadWriteCloser

	mu sync.Mutex // guards writes to rw
}

// NewConn returns a Conn over rw.
func NewConn(rw io.ReadWriteCloser) *Conn { return &Conn{rw: rw} }

// Send writes one message.
func (c *Conn) Send(m *Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if len(body) > MaxMessage {
		return fmt.Errorf("send %d bytes: %w", len(body), ErrTooLarge)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, len(body)+4), uint32(len(body)))
	frame = append(frame, body...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.rw.Write(frame); err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	return nil
}

// Receive reads one message. It returns io.EOF when the other side closed
// between messages.
func (c *Conn) Receive() (*Message, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.rw, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > MaxMessage {
		return nil, fmt.Errorf("receive %d bytes: %w", n, ErrTooLarge)
	}
	// The length is a claim: memory is taken as the bytes arrive.
	body, err := io.ReadAll(io.LimitReader(c.rw, int64(n)))
	if err != nil {
		return nil, fmt.Errorf("receive message: %w", err)
	}
	if len(body) < int(n) {
		return nil, fmt.Errorf("receive message: %w", io.ErrUnexpectedEOF)
	}
	return Decode(body)
}

// Decode decodes the body of a message.
func Decode(body []byte) (*Message, error) {
	m := new(Message)
	if err := json.Unmarshal(body, m); err != nil {
		return nil, fmt.Errorf("decode message: %w", err)
	}
	return m, nil
}

// Close closes the stream.
func (c *Conn) Close() error { return c.rw.Close() }

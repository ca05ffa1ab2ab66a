package daemon

import (
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"hakeep/internal/version"
	"hakeep/internal/wire"
)

// session is one conversation with an elector.
type session struct {
	conn     net.Conn
	wire     *wire.Conn
	proc     process
	hello    *wire.Hello
	incoming chan *wire.Message // closed at the end; then err says why
	err      error
	done     chan struct{}
	once     sync.Once
	// born is when the elector was started; zero if this main found it.
	born time.Time
	// digest is that of the configuration that the elector runs.
	digest string
}

// greet exchanges greetings. seq is the last event that is known of this
// elector.
func greet(conn net.Conn, proc process, seq uint64) (*session, error) {
	s := &session{
		conn: conn, wire: wire.NewConn(conn), proc: proc,
		incoming: make(chan *wire.Message), done: make(chan struct{}),
	}
	if err := conn.SetDeadline(time.Now().Add(helloTimeout)); err != nil {
		return nil, fmt.Errorf("greet elector: %w", err)
	}
	hello := &wire.Hello{Version: wire.Version, PID: os.Getpid(), Program: version.String(), Seq: seq}
	if err := s.wire.Send(&wire.Message{Hello: hello}); err != nil {
		return nil, fmt.Errorf("greet elector: %w", err)
	}
	m, err := s.wire.Receive()
	if err != nil {
		return nil, fmt.Errorf("greet elector: %w", err)
	}
	if m.Hello == nil {
		return nil, fmt.Errorf("greet elector: it does not begin with a greeting")
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("greet elector: %w", err)
	}
	s.hello, s.digest = m.Hello, m.Hello.Digest
	return s, nil
}

// read hands over what the elector sends until the conversation ends. It runs
// as a goroutine of the supervisor.
func (s *session) read() {
	defer close(s.incoming)
	for {
		m, err := s.wire.Receive()
		if err != nil {
			s.err = err
			return
		}
		select {
		case s.incoming <- m:
		case <-s.done:
			s.err = net.ErrClosed
			return
		}
	}
}

// send sends one message. An elector that does not read is an error.
func (s *session) send(m *wire.Message) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	return s.wire.Send(m)
}

func (s *session) close() {
	s.once.Do(func() {
		close(s.done)
		_ = s.conn.Close()
	})
}

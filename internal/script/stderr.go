package script

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

const (
	// tailSize is how much of standard error is kept.
	tailSize = 4 << 10
	// leftover bounds what is read after the end of the command: the pipe's own
	// capacity (64 KiB by default), so that a process left behind that writes on
	// cannot hold up the result.
	leftover = 64 << 10
)

// tail keeps the end of what was written to it.
type tail struct {
	buf []byte
	cut bool // the beginning is missing
}

func (t *tail) add(p []byte) {
	if over := len(t.buf) + len(p) - tailSize; over > 0 {
		t.cut = true
		if len(p) >= tailSize {
			t.buf = append(t.buf[:0], p[len(p)-tailSize:]...)
			return
		}
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	t.buf = append(t.buf, p...)
}

// String is what was kept: from the start of a line if the beginning is missing,
// and without what could harm a terminal or a log.
func (t *tail) String() string {
	text := string(t.buf)
	if t.cut {
		if i := strings.IndexByte(text, '\n'); i >= 0 && i < len(text)-1 {
			text = text[i+1:]
		}
	}
	text = strings.ToValidUTF8(text, "�")
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		if r == '\r' {
			return -1
		}
		return '�'
	}, text)
	return strings.TrimRight(text, "\n")
}

// stderr is the reading end of a command's standard error.
type stderr struct {
	r    *os.File
	done chan struct{} // closed when read has ended
	eof  bool
	tail tail
}

// newStderr makes the pipe; the caller closes the writing end.
func newStderr() (*stderr, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make pipe: %w", err)
	}
	return &stderr{r: r, done: make(chan struct{})}, w, nil
}

// abandon closes a pipe that read was never started for.
func (s *stderr) abandon() { _ = s.r.Close() }

// read reads until the end, or until finish sets a deadline.
func (s *stderr) read() {
	defer close(s.done)
	var buf [tailSize]byte
	for {
		n, err := s.r.Read(buf[:])
		s.tail.add(buf[:n])
		if err != nil {
			s.eof = errors.Is(err, io.EOF)
			return
		}
	}
}

// finish takes what the command had written before it ended, without waiting for
// processes that it left behind. Those are drained as long as they live, since a
// closed pipe would kill them (SIGPIPE): a hook may have started a service. That
// goroutine ends with the last of them.
func (s *stderr) finish() {
	_ = s.r.SetReadDeadline(time.Unix(1, 0))
	<-s.done
	if !s.eof {
		s.takeRest()
	}
	if s.eof || s.r.SetReadDeadline(time.Time{}) != nil {
		_ = s.r.Close()
		return
	}
	go func() {
		defer s.r.Close()
		_, _ = io.Copy(io.Discard, s.r)
	}()
}

// takeRest reads what is in the pipe.
func (s *stderr) takeRest() {
	conn, err := s.r.SyscallConn()
	if err != nil {
		s.eof = true
		return
	}
	_ = conn.Control(func(fd uintptr) {
		var buf [tailSize]byte
		for got := 0; got < leftover; {
			n, err := unix.Read(int(fd), buf[:])
			switch {
			case errors.Is(err, unix.EINTR):
				continue
			case err != nil: // EAGAIN: somebody still holds the other end
				return
			case n == 0:
				s.eof = true
				return
			}
			s.tail.add(buf[:n])
			got += n
		}
	})
}

package checks

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
)

// Redis sends PING and is well with PONG: a server that is loading, or lost its
// master, answers otherwise.
type Redis struct {
	Address netip.AddrPort
	// TLS is nil for none.
	TLS *TLS
	// User and Password log in first; without Password nothing does. User is empty
	// for the default one.
	User     string
	Password Secret
	Via
}

var _ Target = Redis{}

// Checker reads the files of TLS and makes the check.
func (c Redis) Checker(*Pinger) (Checker, error) {
	if err := reachable(c.Address); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	if c.User != "" && c.Password == "" {
		return nil, errors.New("redis: a user without password")
	}
	conf, err := tlsConfig(c.TLS, c.Address)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	return &redisChecker{Redis: c, conf: conf}, nil
}

// redisChecker is a Redis made ready.
type redisChecker struct {
	Redis
	conf *tls.Config
}

var _ Checker = (*redisChecker)(nil)

// Check pings once.
func (c *redisChecker) Check(ctx context.Context) Result {
	return c.talk(ctx, c.Address, c.conf, func(conn net.Conn) (string, error) {
		r := bufio.NewReader(io.LimitReader(conn, maxTalk))
		if c.Password != "" {
			words := []string{"AUTH", string(c.Password)}
			if c.User != "" {
				words = []string{"AUTH", c.User, string(c.Password)}
			}
			if err := redisCall(conn, r, "OK", words...); err != nil {
				return "", fmt.Errorf("log in: %w", err)
			}
		}
		if err := redisCall(conn, r, "PONG", "PING"); err != nil {
			return "", err
		}
		return "PONG", nil
	})
}

// redisCall sends a command as RESP has it, and wants one answer.
func redisCall(w io.Writer, r *bufio.Reader, want string, words ...string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	got, err := redisReply(r)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("answer %q", printable(got))
	}
	return nil
}

// redisReply reads a simple string or a simple error (RESP 2).
func redisReply(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF):
		return "", errors.New("the connection ended")
	case errors.Is(err, bufio.ErrBufferFull):
		return "", errors.New("not an answer of Redis")
	case err != nil:
		return "", err
	}
	text := strings.TrimRight(string(line), "\r\n")
	switch {
	case strings.HasPrefix(text, "+"):
		return text[1:], nil
	case strings.HasPrefix(text, "-"):
		return "", errors.New(printable(text[1:]))
	}
	return "", errors.New("not an answer of Redis")
}

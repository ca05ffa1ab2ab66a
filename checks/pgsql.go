package checks

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
)

// Codes that begin a connection (PostgreSQL, Frontend/Backend Protocol, Message
// Formats: SSLRequest, StartupMessage).
const (
	pgTLS      = 80877103
	pgVersion3 = 3 << 16
)

// pgMessages is how many messages a server may send before it is ready: it
// reports some twenty parameters.
const pgMessages = 100

// PgSQL begins a connection to a PostgreSQL server and is well when the server is
// ready to let somebody in, as pg_isready(1) has it: while it starts, stops,
// recovers or has no room for more it is not. No password is sent.
type PgSQL struct {
	Address netip.AddrPort
	// TLS is asked for first, and must be granted; nil for none.
	TLS *TLS
	// User and Database are said to the server; User empty means hakeep, Database
	// empty the same as User. If User is set, a server that refuses it, or the
	// database, without having asked for a password is a failure.
	User, Database string
	Via
}

var _ Target = PgSQL{}

// Checker reads the files of TLS and makes the check.
func (c PgSQL) Checker(*Pinger) (Checker, error) {
	if err := reachable(c.Address); err != nil {
		return nil, fmt.Errorf("pgsql: %w", err)
	}
	if strings.Contains(c.User+c.Database, "\x00") {
		return nil, errors.New("pgsql: a zero byte in a name")
	}
	conf, err := tlsConfig(c.TLS, c.Address)
	if err != nil {
		return nil, fmt.Errorf("pgsql: %w", err)
	}
	return &pgChecker{PgSQL: c, conf: conf}, nil
}

// pgChecker is a PgSQL made ready.
type pgChecker struct {
	PgSQL
	conf *tls.Config
}

var _ Checker = (*pgChecker)(nil)

// Check begins a connection once.
func (c *pgChecker) Check(ctx context.Context) Result {
	return c.talk(ctx, c.Address, nil, func(conn net.Conn) (string, error) {
		defer pgLeave(conn)
		if c.conf != nil {
			var err error
			if conn, err = pgStartTLS(ctx, conn, c.conf); err != nil {
				return "", err
			}
		}
		user := cmp.Or(c.User, "hakeep")
		if _, err := conn.Write(pgStartup(user, cmp.Or(c.Database, user))); err != nil {
			return "", err
		}
		return pgAnswer(io.LimitReader(conn, maxTalk), c.User != "")
	})
}

// pgLeave ends the connection in an orderly way: PostgreSQL logs every reset.
func pgLeave(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok && tcp.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, tcp)
	}
}

func pgStartTLS(ctx context.Context, conn net.Conn, conf *tls.Config) (net.Conn, error) {
	ask := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 8), pgTLS)
	if _, err := conn.Write(ask); err != nil {
		return nil, err
	}
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return nil, ended(err)
	}
	if answer[0] != 'S' {
		return nil, errors.New("the server has no TLS")
	}
	return client(ctx, conn, conf)
}

// pgStartup is the first message.
func pgStartup(user, database string) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 4), pgVersion3)
	for _, text := range []string{"user", user, "database", database, "application_name", "hakeep"} {
		b = append(append(b, text...), 0)
	}
	b = append(b, 0)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// pgAnswer reads until it is clear whether the server lets somebody in.
func pgAnswer(r io.Reader, strict bool) (string, error) {
	for range pgMessages {
		var head [5]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return "", ended(err)
		}
		n := binary.BigEndian.Uint32(head[1:])
		if n < 4 || n > maxTalk {
			return "", errors.New("not an answer of PostgreSQL")
		}
		body := make([]byte, n-4)
		if _, err := io.ReadFull(r, body); err != nil {
			return "", ended(err)
		}
		if found, done, err := pgMessage(head[0], body, strict); done || err != nil {
			return found, err
		}
	}
	return "", errors.New("too many messages")
}

// pgMessage judges one message; done says that no other is needed.
func pgMessage(kind byte, body []byte, strict bool) (found string, done bool, err error) {
	switch kind {
	case 'R': // an authentication request; 0 is "you are in", and more is to come
		if len(body) < 4 {
			return "", false, errors.New("not an answer of PostgreSQL")
		}
		return "asks for authentication", binary.BigEndian.Uint32(body) != 0, nil
	case 'Z':
		return "ready", true, nil
	case 'v', 'S', 'K', 'N': // protocol version, parameter, key, notice
		return "", false, nil
	case 'E':
		code, text := pgError(body)
		err := fmt.Errorf("%s (SQLSTATE %s)", printable(text), printable(code))
		// 57: shutting down, starting, recovering; 53: no room; 08: protocol; XX and
		// 58: broken. The rest is about whom we said to be.
		for _, class := range []string{"57", "53", "08", "XX", "58"} {
			if strict || strings.HasPrefix(code, class) {
				return "", true, err
			}
		}
		if code == "" {
			return "", true, errors.New("not an answer of PostgreSQL")
		}
		return "refuses the user, so it works", true, nil
	}
	return "", false, errors.New("not an answer of PostgreSQL")
}

// pgError reads the SQLSTATE and the message of an ErrorResponse.
func pgError(b []byte) (code, text string) {
	for len(b) > 0 && b[0] != 0 {
		field := b[0]
		value, rest, ok := bytes.Cut(b[1:], []byte{0})
		if !ok {
			return code, text
		}
		switch field {
		case 'C':
			code = string(value)
		case 'M':
			text = string(value)
		}
		b = rest
	}
	return code, text
}

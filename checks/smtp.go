package checks

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"
)

// maxTalk bounds what is read of a server that should say a few words.
const maxTalk = 64 << 10

// defaultHelo is what keepalived's checks call themselves.
const defaultHelo = "smtpchecker.keepalived.org"

// SMTP reads the greeting of a mail server, says HELO and quits (keepalived:
// SMTP_CHECK). It is well with the codes 220 and 250.
type SMTP struct {
	Address netip.AddrPort
	// Helo is the name to say (helo_name); empty means keepalived's,
	// smtpchecker.keepalived.org.
	Helo string
	Via
}

var (
	_ Target  = SMTP{}
	_ Checker = SMTP{}
)

// Checker is the check itself.
func (c SMTP) Checker(*Pinger) (Checker, error) {
	c.Helo = cmp.Or(c.Helo, defaultHelo)
	if err := reachable(c.Address); err != nil {
		return nil, fmt.Errorf("smtp: %w", err)
	}
	if strings.ContainsFunc(c.Helo, notInRequest) {
		return nil, fmt.Errorf("smtp: helo_name %q has blanks", c.Helo)
	}
	return c, nil
}

// Check greets once.
func (c SMTP) Check(ctx context.Context) Result {
	return c.talk(ctx, c.Address, nil, func(conn net.Conn) (string, error) { return greet(conn, c.Helo) })
}

// greet is a session (RFC 5321, 3.1, 3.2 and 3.8).
func greet(conn io.ReadWriter, helo string) (string, error) {
	r := textproto.NewReader(bufio.NewReader(io.LimitReader(conn, maxTalk)))
	if err := expectCode(r, "greeting", 220); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(conn, "HELO %s\r\n", helo); err != nil {
		return "", err
	}
	if err := expectCode(r, "answer to HELO", 250); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, "QUIT\r\n"); err != nil {
		return "", err
	}
	_, _, _ = smtpReply(r) // so that the server is done; it has said that it works
	return "greeting 220, HELO 250", nil
}

func expectCode(r *textproto.Reader, what string, want int) error {
	code, text, err := smtpReply(r)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, ended(err))
	case code != want:
		return fmt.Errorf("%s %d %s", what, code, printable(text))
	}
	return nil
}

// smtpReply reads a reply of one or many lines (RFC 5321, 4.2) and returns the
// last. textproto's own waits for more of what is no reply at all.
func smtpReply(r *textproto.Reader) (code int, text string, err error) {
	for more := true; more; {
		line, err := r.ReadLine()
		if err != nil {
			return 0, "", err
		}
		if len(line) < 3 {
			return 0, "", errNotSMTP
		}
		number, err := strconv.ParseUint(line[:3], 10, 16)
		if err != nil || number < 100 || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
			return 0, "", errNotSMTP
		}
		code, text = int(number), line[min(4, len(line)):]
		more = len(line) > 3 && line[3] == '-'
	}
	return code, text, nil
}

var errNotSMTP = errors.New("not a reply of SMTP")

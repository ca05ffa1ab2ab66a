package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	netmail "net/mail"
	"net/textproto"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

const (
	// talkTimeout bounds a conversation after it is connected. RFC 5321, 4.5.3.2,
	// allows minutes for each step; a server that takes longer is tried again.
	talkTimeout = time.Minute
	// replyLimit bounds what a server may say in one conversation.
	replyLimit = 1 << 20
)

// smtpSender sends over plain SMTP, one connection for each message.
type smtpSender struct{}

var _ sender = smtpSender{}

func (smtpSender) send(ctx context.Context, m Mail, msg *message, to []string) sent {
	mime, err := build(m, msg)
	if err != nil { // an address that is none: no later attempt will do better
		return sent{refused: []string{err.Error()}}
	}
	fail := func(err error) sent { return sent{later: to, err: err, unreachable: true} }
	conn, err := connect(ctx, m)
	if err != nil {
		return fail(fmt.Errorf("connect to %s: %w", m.Server, err))
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c, err := greet(conn, m)
	if err != nil {
		return fail(fmt.Errorf("greet %s: %w", m.Server, err))
	}
	res := deliver(c, m, mime, to)
	if res.err != nil && ctx.Err() != nil {
		res.unreachable = true
	}
	if res.err != nil {
		res.err = fmt.Errorf("send by %s: %w", m.Server, res.err)
	}
	return res
}

// connect makes the connection, bounded in time and in what it reads.
func connect(ctx context.Context, m Mail) (net.Conn, error) {
	d := net.Dialer{Timeout: m.ConnectTimeout}
	conn, err := d.DialContext(ctx, "tcp", m.Server)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(talkTimeout)); err != nil {
		conn.Close()
		return nil, err
	}
	return &boundedConn{Conn: conn, left: replyLimit}, nil
}

// boundedConn ends after a number of bytes were read.
type boundedConn struct {
	net.Conn
	left int
}

func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errors.New("the server says too much")
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

func greet(conn net.Conn, m Mail) (*smtp.Client, error) {
	host, _, err := net.SplitHostPort(m.Server)
	if err != nil {
		return nil, err
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return nil, err
	}
	c.SkipSMTPUTF8(true)
	helo := m.HELO
	if helo == "" {
		helo = "localhost"
	}
	return c, c.Hello(helo)
}

// deliver does the conversation of one message. Recipients that are refused do
// not keep it from others.
func deliver(c *smtp.Client, m Mail, mime *mail.Msg, to []string) sent {
	from, err := envelope(m.From)
	if err != nil {
		return sent{refused: []string{err.Error()}}
	}
	if err := c.Mail(from); err != nil {
		return whole(to, "sender "+m.From, err)
	}
	var res sent
	var taken []string
	for _, addr := range to {
		rcpt, err := envelope(addr)
		if err == nil {
			err = c.Rcpt(rcpt)
		}
		switch {
		case err == nil:
			taken = append(taken, addr)
		case lost(err):
			return sent{later: to, err: err, unreachable: true}
		case permanent(err):
			res.refused = append(res.refused, fmt.Sprintf("%s: %v", addr, err))
		default:
			res.later, res.err = append(res.later, addr), fmt.Errorf("%s: %w", addr, err)
		}
	}
	if len(taken) == 0 {
		return res
	}
	if err := data(c, mime); err != nil {
		w := whole(taken, "message", err)
		w.later, w.refused = append(w.later, res.later...), append(w.refused, res.refused...)
		if w.err == nil {
			w.err = res.err
		}
		return w
	}
	res.taken = true
	_ = c.Quit() // the server has taken it
	return res
}

// data sends the message itself.
func data(c *smtp.Client, mime *mail.Msg) error {
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := mime.WriteTo(w); err != nil {
		return err
	}
	return w.Close()
}

// whole is the outcome when the server refuses for all of to.
func whole(to []string, what string, err error) sent {
	if permanent(err) {
		return sent{refused: []string{fmt.Sprintf("%s: %v", what, err)}}
	}
	return sent{later: to, err: fmt.Errorf("%s: %w", what, err), unreachable: lost(err)}
}

// permanent reports whether trying again is of no use (RFC 5321, 4.2.1: 5yz, or
// an address that is none).
func permanent(err error) bool {
	var reply *textproto.Error
	var addr *addressError
	return errors.As(err, &reply) && reply.Code >= 500 || errors.As(err, &addr)
}

// lost reports whether the connection is of no use any more: anything but a
// reply. A server that shuts down says 421.
func lost(err error) bool {
	var reply *textproto.Error
	var addr *addressError
	if errors.As(err, &addr) {
		return false
	}
	return !errors.As(err, &reply) || reply.Code == 421
}

// addressError is an address that cannot be used.
type addressError struct{ err error }

func (e *addressError) Error() string { return e.err.Error() }

// envelope is an address as MAIL and RCPT want it.
func envelope(addr string) (string, error) {
	a, err := netmail.ParseAddress(addr)
	if err != nil {
		return "", &addressError{fmt.Errorf("address %q: %w", addr, err)}
	}
	return "<" + a.Address + ">", nil
}

// build makes the message that all recipients get.
func build(m Mail, msg *message) (*mail.Msg, error) {
	mime := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := mime.From(m.From); err != nil {
		return nil, fmt.Errorf("sender: %w", err)
	}
	mime.ToIgnoreInvalid(m.To...)
	mime.Subject(msg.subject)
	mime.SetDateWithValue(msg.at)
	mime.SetMessageID()
	mime.SetGenHeader("X-Mailer", "hakeep")
	mime.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834, 5: no vacation replies
	mime.SetBodyString(mail.TypeTextPlain, msg.body)
	if _, err := mime.WriteTo(io.Discard); err != nil {
		return nil, fmt.Errorf("message: %w", err)
	}
	return mime, nil
}

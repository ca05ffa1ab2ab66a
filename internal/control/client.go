package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"

	"hakeep/internal/status"
	"hakeep/internal/version"
)

// Errors that commands turn into exit codes.
var (
	// ErrNoDaemon says that nobody listens on the socket.
	ErrNoDaemon = errors.New("no daemon is running there")
	// ErrPermission says that the caller may not use the socket.
	ErrPermission = errors.New("not permitted: only root and the group " + Group + " may talk to the daemon")
)

// maxAnswer bounds what is read of an answer: the status of 4,080 instances
// with 255 addresses each is about 100 MB.
const maxAnswer = 512 << 20

// maxEvent bounds one event.
const maxEvent = 1 << 20

// Client talks to the daemon on one socket.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient returns a client for the control socket at path. It does not
// connect yet.
func NewClient(path string) *Client {
	return &Client{socket: path, http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			d := net.Dialer{Timeout: dialTimeout}
			return d.DialContext(ctx, "unix", path)
		},
	}}}
}

// Status asks for the state.
func (c *Client) Status(ctx context.Context) (*status.Document, error) {
	doc := new(status.Document)
	return doc, c.ask(ctx, http.MethodGet, "/status", nil, doc)
}

// Version asks which hakeep the daemon is.
func (c *Client) Version(ctx context.Context) (*version.Info, error) {
	info := new(version.Info)
	return info, c.ask(ctx, http.MethodGet, "/version", nil, info)
}

// Reload asks for a reload and waits for the outcome, which may be a refusal.
func (c *Client) Reload(ctx context.Context) (*status.Reload, error) {
	out := new(status.Reload)
	return out, c.ask(ctx, http.MethodPost, "/reload", nil, out)
}

// Hold holds instances back or lets them go. The answer comes when the elector
// was told; who takes over shows in the status.
func (c *Client) Hold(ctx context.Context, h *Hold) (*status.Moved, error) {
	path := "/resume"
	if h.On {
		path = "/standby"
	}
	out := new(status.Moved)
	return out, c.ask(ctx, http.MethodPost, path, h, out)
}

// Server says something about a real server. The answer comes when the kernel was
// told.
func (c *Client) Server(ctx context.Context, o *ServerOrder) (*status.ServerAnswer, error) {
	out := new(status.ServerAnswer)
	err := c.ask(ctx, http.MethodPost, "/server", o, out)
	var refused *refusedError
	if errors.As(err, &refused) {
		return nil, &refusedError{refused.text, ErrUnknownServer}
	}
	return out, err
}

// Upgrade asks the daemon to execute the binary that is installed now. The answer
// comes before it does.
func (c *Client) Upgrade(ctx context.Context) (*status.Upgrade, error) {
	out := new(status.Upgrade)
	return out, c.ask(ctx, http.MethodPost, "/upgrade", nil, out)
}

// Events hands the events that the daemon remembers to fn, oldest first, and
// with follow also those to come, until ctx or the daemon ends or fn returns
// an error.
func (c *Client) Events(ctx context.Context, follow bool, fn func(*status.Event) error) error {
	q := url.Values{}
	if follow {
		q.Set("follow", strconv.Itoa(1))
	}
	resp, err := c.do(ctx, http.MethodGet, "/events?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	sc := bufio.NewScanner(resp.Body)
	sc.Buffer(nil, maxEvent)
	for sc.Scan() {
		var ev status.Event
		if err := json.Unmarshal(sc.Bytes(), &ev); err != nil {
			return fmt.Errorf("read event: %w", err)
		}
		if err := fn(&ev); err != nil {
			return err
		}
	}
	if err := sc.Err(); err != nil && ctx.Err() == nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read events: %w", err)
	}
	return nil
}

// ask sends a request with a body, if there is one, and decodes the answer. A
// refused reload is an answer.
func (c *Client) ask(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("ask the daemon: %w", err)
		}
		body = bytes.NewReader(text)
	}
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK, http.StatusUnprocessableEntity:
	default:
		return refusal(resp)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("read answer of the daemon: %w", err)
	}
	return nil
}

func (c *Client) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://hakeep"+path, body)
	if err != nil {
		return nil, fmt.Errorf("ask the daemon: %w", err)
	}
	resp, err := c.http.Do(req)
	if err == nil {
		return resp, nil
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		switch {
		case errors.Is(err, os.ErrPermission):
			return nil, fmt.Errorf("%s: %w", c.socket, ErrPermission)
		case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
			return nil, fmt.Errorf("%s: %w", c.socket, ErrNoDaemon)
		}
	}
	return nil, fmt.Errorf("ask the daemon on %s: %w", c.socket, err)
}

// refusedError is what the daemon said, and which error it was there.
type refusedError struct {
	text  string
	cause error
}

// Error returns the daemon's words.
func (e *refusedError) Error() string { return e.text }

// Unwrap returns the error that a caller may look for.
func (e *refusedError) Unwrap() error { return e.cause }

// refusal is the error that an answer carries.
func refusal(resp *http.Response) error {
	var body errorBody
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxEvent))
	if json.Unmarshal(text, &body) == nil && body.Error != "" {
		if resp.StatusCode == http.StatusNotFound {
			return &refusedError{body.Error, ErrUnknownInstance}
		}
		return fmt.Errorf("the daemon says: %s", body.Error)
	}
	return fmt.Errorf("the daemon answers %s", resp.Status)
}

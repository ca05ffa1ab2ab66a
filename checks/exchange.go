package checks

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// getAgent is what keepalived's checks call themselves: servers have rules for it.
const getAgent = "KeepAliveClient"

// exchange sends the request and reads the head of the answer. finish ends the
// connection.
func (c *getChecker) exchange(ctx context.Context, p *getPage) (res *http.Response, finish func(), err error) {
	if c.Protocol == Get2 {
		return c.exchange2(ctx, p)
	}
	conn, err := c.dial(ctx, "tcp", c.Address.String())
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	end := func() { stop(); _ = conn.Close() }
	defer func() {
		if err != nil {
			end()
		}
	}()
	stream, raw := conn, &endConn{Conn: conn}
	if p.tls != nil {
		if stream, err = client(ctx, raw, p.tls); err != nil {
			return nil, nil, err
		}
	}
	if _, err := io.WriteString(stream, request(c.Protocol, p.Path, p.authority)); err != nil {
		return nil, nil, err
	}
	if res, err = readResponse(stream); err != nil {
		return nil, nil, err
	}
	if p.Compliant {
		res.Body = &compliantBody{ReadCloser: res.Body, stream: stream, raw: raw}
	}
	return res, end, nil
}

// request is what is sent. HTTP/1.0 needs no Host, but servers of many names do.
func request(version Protocol, path, authority string) string {
	number, closing := "1.0", ""
	if version == Get11 {
		number = "1.1"
	}
	if version != Get10 {
		closing = "Connection: close\r\n"
	}
	return fmt.Sprintf("GET %s HTTP/%s\r\nUser-Agent: %s\r\n%sHost: %s\r\n\r\n", path, number, getAgent, closing, authority)
}

// readResponse reads the head of an answer of at most maxHeader bytes.
func readResponse(r io.Reader) (*http.Response, error) {
	head := &headLimit{r: r, left: maxHeader}
	res, err := http.ReadResponse(bufio.NewReader(head), &http.Request{Method: http.MethodGet})
	head.left = -1
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.New("the connection ended before an answer")
	}
	if err != nil {
		return nil, fmt.Errorf("not an answer of HTTP/1: %w", err)
	}
	return res, nil
}

// headLimit ends what is read after left bytes, unless left is negative.
type headLimit struct {
	r    io.Reader
	left int
}

// Read reads as far as the limit.
func (h *headLimit) Read(b []byte) (int, error) {
	if h.left < 0 {
		return h.r.Read(b)
	}
	if h.left == 0 {
		return 0, fmt.Errorf("the headers exceed %d bytes", maxHeader)
	}
	n, err := h.r.Read(b[:min(len(b), h.left)])
	h.left -= n
	return n, err
}

// endConn is the connection below TLS. crypto/tls takes its end between two
// records for the end of TLS, as many servers do it so; here one can tell.
type endConn struct {
	net.Conn
	ended bool
}

// Read notices the end.
func (c *endConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.ended = c.ended || errors.Is(err, io.EOF)
	return n, err
}

// compliantBody is a page that ends well only with TLS.
type compliantBody struct {
	io.ReadCloser
	stream io.Reader
	raw    *endConn
}

// Read reads on behind the page.
func (b *compliantBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if _, err := io.Copy(io.Discard, b.stream); err != nil {
		return n, err
	}
	if b.raw.ended {
		return n, errNoCloseNotify
	}
	return n, err
}

var errNoCloseNotify = errors.New("the server did not end TLS (tls_compliant)")

// exchange2 is exchange by HTTP/2.
func (c *getChecker) exchange2(ctx context.Context, p *getPage) (*http.Response, func(), error) {
	transport := transport2(c.Via, c.Address.String(), p.tls)
	u := *p.url
	u.Scheme, u.Host = "http", c.Address.String()
	if p.tls != nil {
		u.Scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	req.Host = p.authority
	req.Header.Set("User-Agent", getAgent)
	res, err := transport.RoundTrip(req)
	if err != nil {
		return nil, nil, explain2(err)
	}
	return res, func() { _ = res.Body.Close(); transport.CloseIdleConnections() }, nil
}

// transport2 speaks HTTP/2 with one address, by a connection for each request.
func transport2(v Via, address string, conf *tls.Config) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP2(conf != nil)
	protocols.SetUnencryptedHTTP2(conf == nil)
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return v.dial(ctx, "tcp", address)
		},
		TLSClientConfig: conf, Protocols: &protocols,
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
	}
}

// explain2 takes the URL, which is known, off an error of net/http.
func explain2(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if strings.Contains(err.Error(), "malformed HTTP") {
		return errors.New("the server does not speak HTTP/2")
	}
	return err
}

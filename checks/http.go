package checks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"time"
)

const (
	// maxHeader and maxBody bound what is read of an answer.
	maxHeader = 64 << 10
	maxBody   = 64 << 10
	// userAgent lets a server tell checks from clients.
	userAgent = "hakeep-check"
)

// HTTPVersion is a version of HTTP.
type HTTPVersion int

// The versions.
const (
	// HTTP11 is HTTP/1.1.
	HTTP11 HTTPVersion = iota + 1
	// HTTP2 is HTTP/2; without TLS it is spoken without asking first.
	HTTP2
)

// String is "1.1" or "2".
func (v HTTPVersion) String() string {
	switch v {
	case HTTP11:
		return "1.1"
	case HTTP2:
		return "2"
	}
	return fmt.Sprintf("HTTPVersion(%d)", int(v))
}

// StatusRange is a range of status codes.
type StatusRange struct{ First, Last int }

// HTTP gets a page (keepalived: HTTP_GET, SSL_GET). Every attempt is a new
// connection; redirections are not followed but judged by their status.
type HTTP struct {
	// URL is absolute, with http or https. A name in it is looked up at every
	// attempt, unless Connect is set.
	URL string
	// Connect, if valid, is where to connect instead of to the URL's host.
	Connect netip.AddrPort
	// Host is the Host header (keepalived: virtualhost) and ServerName the name
	// for SNI and the certificate (sni_name); empty means the URL's host, and Host.
	Host, ServerName string
	// Status are the codes that are well; empty means 200 to 299.
	Status []StatusRange
	// SkipVerify accepts any certificate, as keepalived does. CAFile holds the
	// authorities to trust; empty means the system's.
	SkipVerify bool
	CAFile     string
	// Version is the one to speak; 0 means HTTP/2 where TLS agrees on it, else 1.1.
	Version HTTPVersion
	Via
}

var _ Target = HTTP{}

// Checker reads the file with authorities and makes the check.
func (c HTTP) Checker(*Pinger) (Checker, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("http: %q is not an absolute URL of http or https", c.URL)
	}
	conf := &tls.Config{InsecureSkipVerify: c.SkipVerify, ServerName: c.serverName()}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("http: read authorities: %w", err)
		}
		if conf.RootCAs = x509.NewCertPool(); !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("http: no certificate in %s", c.CAFile)
		}
	}
	var protocols http.Protocols
	protocols.SetHTTP1(c.Version != HTTP2)
	protocols.SetHTTP2(c.Version != HTTP11)
	protocols.SetUnencryptedHTTP2(c.Version == HTTP2)
	transport := &http.Transport{
		DialContext:       c.connect,
		TLSClientConfig:   conf,
		DisableKeepAlives: true, DisableCompression: true,
		MaxResponseHeaderBytes: maxHeader, Protocols: &protocols,
	}
	return &httpChecker{HTTP: c, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// serverName is the name for the certificate; empty means that net/http takes
// the URL's.
func (c HTTP) serverName() string {
	if c.ServerName != "" || c.Host == "" {
		return c.ServerName
	}
	if host, _, err := net.SplitHostPort(c.Host); err == nil {
		return host
	}
	return c.Host
}

// connect dials where the check says, whatever the URL's host is.
func (c HTTP) connect(ctx context.Context, network, address string) (net.Conn, error) {
	if c.Connect.IsValid() {
		address = c.Connect.String()
	}
	return c.dial(ctx, network, address)
}

// httpChecker is an HTTP with its client.
type httpChecker struct {
	HTTP
	client *http.Client
}

var _ Checker = (*httpChecker)(nil)

// Check gets the page once.
func (c *httpChecker) Check(ctx context.Context) Result {
	begin := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return Result{Err: err}
	}
	req.Host = c.Host
	req.Header.Set("User-Agent", userAgent)
	res, err := c.client.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // the URL is known
		}
		return Result{Err: err}
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxBody)); err != nil {
		return Result{Detail: fmt.Sprintf("status %d, and then: %v", res.StatusCode, err), Err: err}
	}
	detail := fmt.Sprintf("status %d in %s (%s)", res.StatusCode, short(time.Since(begin)), res.Proto)
	return Result{OK: expects(c.Status, res.StatusCode), Detail: detail}
}

// expects reports whether a status code is well; without ranges 200 to 299 are.
func expects(well []StatusRange, code int) bool {
	for _, r := range well {
		if r.First <= code && code <= r.Last {
			return true
		}
	}
	return len(well) == 0 && code >= 200 && code <= 299
}

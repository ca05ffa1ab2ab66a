package checks

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// maxSearch is how much of a page a pattern is looked for in.
const maxSearch = 1 << 20

// Protocol is the way in which a page is asked for (keepalived: http_protocol).
type Protocol int

// The protocols.
const (
	// Get10 is HTTP/1.0.
	Get10 Protocol = iota + 1
	// Get10C is HTTP/1.0 with "Connection: close".
	Get10C
	// Get11 is HTTP/1.1 with "Connection: close".
	Get11
	// Get2 is HTTP/2, agreed on by ALPN with TLS and spoken without asking else.
	// keepalived has none.
	Get2
)

// String is keepalived's word: "1.0", "1.0C", "1.1"; and "2".
func (p Protocol) String() string {
	switch p {
	case Get10:
		return "1.0"
	case Get10C:
		return "1.0C"
	case Get11:
		return "1.1"
	case Get2:
		return "2"
	}
	return "unknown protocol"
}

// Get asks a server for pages, one after the other, each by a connection of its
// own; it is well when all are (keepalived: HTTP_GET, SSL_GET). Redirections are
// not followed but judged by their status. The time limit of the Policy counts
// for each page. keepalived asks for one page each delay_loop, and for all of them
// at once only after a failure, with fast_recovery; here it is always all of them.
type Get struct {
	Address netip.AddrPort
	// TLS makes it SSL_GET; nil is HTTP_GET.
	TLS *TLS
	// SNI sends the name of the page's Host (without port) where TLS.ServerName is
	// empty (keepalived: enable_sni).
	SNI bool
	// Host is the Host header of pages that have none of their own (keepalived:
	// virtualhost); empty means the address.
	Host string
	// Protocol is 0 for HTTP/1.0, as in keepalived.
	Protocol Protocol
	// Pages are at least one (keepalived: url).
	Pages []Page
	Via
}

var _ Target = Get{}

// Page is a page and what it has to be like (keepalived: url).
type Page struct {
	// Path begins with "/" and may have a query.
	Path string
	// Host is the page's own Host header (virtualhost); empty means that of the Get.
	Host string
	// Status are the codes that are well (status_code); empty means 200 to 299.
	Status []StatusRange
	// Digest is the MD5 of the page in 32 hexadecimal digits, empty for any (digest).
	Digest string
	// Regex is what the page must match, or with Absent must not (regex,
	// regex_no_match); empty for no condition. It is a pattern of PCRE as far as
	// Go's regexp knows it; the rest is an error of Checker.
	Regex  string
	Absent bool
	// Options are keepalived's regex_options, in lower case.
	Options []string
	// MinOffset is the first byte of the page, from 0, at which a match may begin
	// (regex_min_offset), MaxOffset the first at which it no longer may
	// (regex_max_offset), 0 for none. The first MiB of a page is searched.
	MinOffset, MaxOffset int
	// Compliant wants the server to end TLS as the standard says (RFC 8446, 6.1;
	// tls_compliant); otherwise a connection that just ends also ends the page. Not
	// with HTTP/2, where the connection goes on.
	Compliant bool
}

// Checker reads the files of certificates and makes the check.
func (c Get) Checker(*Pinger) (Checker, error) {
	if err := c.valid(); err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	if c.Protocol == 0 {
		c.Protocol = Get10
	}
	g := &getChecker{Get: c}
	for _, p := range c.Pages {
		one, err := c.page(p)
		if err != nil {
			return nil, fmt.Errorf("get: page %s: %w", p.Path, err)
		}
		g.pages = append(g.pages, one)
	}
	return g, nil
}

func (c Get) valid() error {
	switch {
	case !c.Address.IsValid() || c.Address.Port() == 0:
		return errors.New("no address and port")
	case len(c.Pages) == 0:
		return errors.New("no pages")
	case c.Protocol < 0 || c.Protocol > Get2:
		return errors.New("unknown protocol")
	case c.SNI && c.TLS == nil:
		return errors.New("SNI without TLS")
	}
	return nil
}

// page makes what asks for a page and looks at it.
func (c Get) page(p Page) (*getPage, error) {
	g := &getPage{Page: p, authority: cmp.Or(p.Host, c.Host, c.Address.String())}
	if !strings.HasPrefix(p.Path, "/") || strings.ContainsFunc(p.Path+g.authority, notInRequest) {
		return nil, errors.New("the path begins with / and has no blanks, nor has the host")
	}
	u, err := url.ParseRequestURI(p.Path)
	if err != nil {
		return nil, err
	}
	g.url = u
	if p.Digest != "" {
		if g.digest, err = hex.DecodeString(p.Digest); err != nil || len(g.digest) != md5.Size {
			return nil, fmt.Errorf("digest %q is not the MD5 of something in 32 hexadecimal digits", p.Digest)
		}
	}
	if g.regex, err = newPattern(p); err != nil {
		return nil, err
	}
	if p.Compliant && (c.TLS == nil || c.Protocol == Get2) {
		return nil, errors.New("tls_compliant is for HTTP/1 over TLS")
	}
	if c.TLS != nil {
		if g.tls, err = c.TLS.config(c.Address.Addr().WithZone("").String()); err != nil {
			return nil, err
		}
		if c.SNI && g.tls.ServerName == "" {
			if _, err := netip.ParseAddr(hostOnly(g.authority)); err != nil { // SNI has no addresses (RFC 6066, 3)
				g.tls.ServerName = hostOnly(g.authority)
			}
		}
	}
	return g, nil
}

// notInRequest are characters that would end a part of a request.
func notInRequest(r rune) bool { return r <= ' ' || r == 0x7f }

// hostOnly is an authority without port and brackets.
func hostOnly(authority string) string {
	if host, _, err := net.SplitHostPort(authority); err == nil {
		return host
	}
	return strings.Trim(authority, "[]")
}

// getPage is a Page made ready.
type getPage struct {
	Page
	authority string
	url       *url.URL
	tls       *tls.Config // nil for none
	digest    []byte      // nil for any
	regex     *pattern    // nil for none
}

// getChecker is a Get made ready.
type getChecker struct {
	Get
	pages []*getPage
}

var _ Checker = (*getChecker)(nil)

// Steps is how many time limits an attempt may take.
func (c *getChecker) Steps() int { return len(c.pages) }

// Check asks for all pages until one is not well.
func (c *getChecker) Check(ctx context.Context) Result {
	begin := time.Now()
	each := time.Duration(0)
	if end, ok := ctx.Deadline(); ok {
		each = time.Until(end) / time.Duration(len(c.pages))
	}
	detail := ""
	for _, p := range c.pages {
		own, cancel := ctx, context.CancelFunc(func() {})
		if each > 0 && len(c.pages) > 1 {
			own, cancel = context.WithTimeout(ctx, each)
		}
		found, err := c.get(own, p)
		if err != nil {
			res := failed(own, found, err)
			res.Detail = p.Path + ": " + res.Detail
			cancel()
			return res
		}
		cancel()
		detail = found
	}
	if n := len(c.pages); n > 1 {
		detail = fmt.Sprintf("%d pages, last %s", n, detail)
	}
	return Result{OK: true, Detail: detail + " in " + short(time.Since(begin))}
}

// get asks for one page. found is what was found, also in an error's case.
func (c *getChecker) get(ctx context.Context, p *getPage) (found string, err error) {
	res, finish, err := c.exchange(ctx, p)
	if err != nil {
		return "", err
	}
	defer finish()
	found = fmt.Sprintf("status %d (%s)", res.StatusCode, res.Proto)
	if !expects(p.Status, res.StatusCode) {
		return found, fmt.Errorf("status %d", res.StatusCode)
	}
	if err := p.judge(res.Body); err != nil {
		return fmt.Sprintf("status %d, and then: %v", res.StatusCode, err), err
	}
	return found, nil
}

// judge reads the page and holds it against what it has to be like.
func (p *getPage) judge(body io.Reader) error {
	limit := int64(maxBody)
	if p.regex != nil {
		limit = maxSearch
	}
	if p.digest != nil || p.Compliant {
		limit = math.MaxInt64 // the time limit bounds it
	}
	var text []byte
	sum := md5.New()
	into := io.Writer(io.Discard)
	if p.digest != nil {
		into = sum
	}
	body = io.TeeReader(io.LimitReader(body, limit), into)
	if p.regex != nil {
		var err error
		if text, err = io.ReadAll(io.LimitReader(body, maxSearch)); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return err
	}
	if got := sum.Sum(nil); p.digest != nil && !bytes.Equal(got, p.digest) {
		return fmt.Errorf("digest is %x", got)
	}
	if p.regex != nil && p.regex.match(text) == p.Absent {
		if p.Absent {
			return errors.New("the page matches regex")
		}
		return errors.New("the page does not match regex")
	}
	return nil
}

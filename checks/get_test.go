package checks

import (
	"bufio"
	"crypto/md5"
	"crypto/tls"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// site is a server with pages to judge.
func site(t *testing.T, kind string) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		var code int
		_, _ = fmt.Sscan(r.PathValue("code"), &code)
		w.WriteHeader(code)
	})
	// request repeats what was asked.
	mux.HandleFunc("/request", func(w http.ResponseWriter, r *http.Request) {
		sni := "-"
		certs := 0
		if r.TLS != nil {
			sni, certs = r.TLS.ServerName, len(r.TLS.PeerCertificates)
		}
		fmt.Fprintf(w, "proto=%s host=%s agent=%s close=%v sni=%q certs=%d query=%s\n", r.Proto, r.Host, r.UserAgent(), r.Close, sni, certs, r.URL.RawQuery)
	})
	mux.HandleFunc("/text", func(w http.ResponseWriter, _ *http.Request) {
		if f, ok := w.(http.Flusher); ok { // in chunks, as far as the protocol has them
			_, _ = io.WriteString(w, "all systems ")
			f.Flush()
		}
		_, _ = io.WriteString(w, "nominal\n")
	})
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 3<<20))
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/wait", func(http.ResponseWriter, *http.Request) { time.Sleep(60 * time.Millisecond) }) // the peer's slowness
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "short")
	})
	s := httptest.NewUnstartedServer(mux)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.Protocols = new(http.Protocols)
	switch kind {
	case "http":
		s.Config.Protocols.SetHTTP1(true)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
	case "https":
		s.Config.Protocols.SetHTTP1(true)
		s.Config.Protocols.SetHTTP2(true)
		s.EnableHTTP2 = true
		s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
		s.StartTLS()
	}
	t.Cleanup(s.Close)
	return s
}

// keyPair writes the certificate and key of a test server to files.
func keyPair(t *testing.T, s *httptest.Server) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	own := s.TLS.Certificates[0]
	der, err := marshalKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: own.Certificate[0]},
		key:  {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func digest(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestGet(t *testing.T) {
	t.Parallel()
	plain, secure := site(t, "http"), site(t, "https")
	cert, key := keyPair(t, secure)
	clear, tlsAt := addrPort(plain.Listener.Addr()), addrPort(secure.Listener.Addr())
	const limit = 5 * time.Second
	one := func(p Page) []Page { return []Page{p} }
	says := func(re string) []Page { return one(Page{Path: "/request?a=b", Regex: re}) }
	for _, c := range []struct {
		name    string
		target  Get
		timeout time.Duration
		ok      bool
		says    string
	}{
		{"200", Get{Address: clear, Pages: one(Page{Path: "/status/200"})}, limit, true, "status 200 (HTTP/1.0) in "},
		{"299 is well", Get{Address: clear, Pages: one(Page{Path: "/status/299"})}, limit, true, "status 299"},
		{"302 is not", Get{Address: clear, Pages: one(Page{Path: "/status/302"})}, limit, false, "/status/302: status 302"},
		{"503", Get{Address: clear, Pages: one(Page{Path: "/status/503"})}, limit, false, "status 503"},
		{"range", Get{Address: clear, Pages: one(Page{Path: "/status/404", Status: []StatusRange{{200, 200}, {400, 410}}})}, limit, true, "status 404"},
		{"outside", Get{Address: clear, Pages: one(Page{Path: "/status/204", Status: []StatusRange{{200, 200}, {400, 410}}})}, limit, false, "status 204"},
		{"1.0", Get{Address: clear, Pages: says(`^proto=HTTP/1\.0 host=127\.0\.0\.1:\d+ agent=KeepAliveClient close=true sni="-" certs=0 query=a=b$`)}, limit, true, ""},
		{"1.0C", Get{Address: clear, Protocol: Get10C, Pages: says(`proto=HTTP/1\.0`)}, limit, true, ""},
		{"1.1", Get{Address: clear, Protocol: Get11, Pages: says(`proto=HTTP/1\.1 .* close=true`)}, limit, true, "HTTP/1.1"},
		{"2, clear", Get{Address: clear, Protocol: Get2, Pages: says(`proto=HTTP/2\.0 .*agent=KeepAliveClient`)}, limit, true, "HTTP/2.0"},
		{"2, TLS", Get{Address: tlsAt, TLS: &TLS{}, Protocol: Get2, Pages: says(`proto=HTTP/2\.0`)}, limit, true, "HTTP/2.0"},
		{"host", Get{Address: clear, Host: "www.example.org", Pages: says(`host=www\.example\.org `)}, limit, true, ""},
		{"host of the page", Get{Address: clear, Host: "x", Pages: one(Page{Path: "/request", Host: "y:81", Regex: "host=y:81 "})}, limit, true, ""},
		{"TLS without SNI", Get{Address: tlsAt, TLS: &TLS{}, Host: "www.example.org", Pages: says(`proto=HTTP/1\.0 .*sni=""`)}, limit, true, ""},
		{"SNI of the host", Get{Address: tlsAt, TLS: &TLS{}, SNI: true, Host: "www.example.org:443", Pages: says(`sni="www\.example\.org"`)}, limit, true, ""},
		{"SNI with HTTP/2", Get{Address: tlsAt, TLS: &TLS{}, SNI: true, Protocol: Get2, Host: "www.example.org", Pages: says(`sni="www\.example\.org"`)}, limit, true, ""},
		{"no address in SNI", Get{Address: tlsAt, TLS: &TLS{}, SNI: true, Pages: says(`sni=""`)}, limit, true, ""},
		{"SNI by name", Get{Address: tlsAt, TLS: &TLS{ServerName: "a.test"}, SNI: true, Host: "b.test", Pages: says(`host=b\.test .*sni="a\.test"`)}, limit, true, ""},
		{"verified by name", Get{Address: tlsAt, TLS: &TLS{Verify: true, CAFile: cert, ServerName: "example.com"}, Pages: says("sni")}, limit, true, ""},
		{"verified by address", Get{Address: tlsAt, TLS: &TLS{Verify: true, CAFile: cert}, Pages: says("sni")}, limit, true, ""},
		{"another name", Get{Address: tlsAt, TLS: &TLS{Verify: true, CAFile: cert, ServerName: "other.test"}, Pages: says("sni")}, limit, false, "other.test"},
		{"unknown authority", Get{Address: tlsAt, TLS: &TLS{Verify: true}, Pages: says("sni")}, limit, false, "certificate"},
		{"own certificate", Get{Address: tlsAt, TLS: &TLS{CertFile: cert, KeyFile: key}, Pages: says("certs=1")}, limit, true, ""},
		{"TLS to a clear port", Get{Address: clear, TLS: &TLS{}, Pages: says("")}, limit, false, "TLS"},
		{"clear to a TLS port", Get{Address: tlsAt, Pages: one(Page{Path: "/"})}, limit, false, "status 400"},
		{"digest", Get{Address: clear, Pages: one(Page{Path: "/text", Digest: digest("all systems nominal\n")})}, limit, true, ""},
		{"digest of chunks", Get{Address: clear, Protocol: Get11, Pages: one(Page{Path: "/text", Digest: digest("all systems nominal\n")})}, limit, true, ""},
		{"digest of a long page", Get{Address: clear, Pages: one(Page{Path: "/long", Digest: digest(string(make([]byte, 3<<20)))})}, limit, true, ""},
		{"other digest", Get{Address: clear, Pages: one(Page{Path: "/text", Digest: digest("x")})}, limit, false, "digest is " + digest("all systems nominal\n")},
		{"regex", Get{Address: clear, Pages: one(Page{Path: "/text", Regex: "NOM.nal$", Options: []string{"caseless"}})}, limit, true, ""},
		{"no match", Get{Address: clear, Pages: one(Page{Path: "/text", Regex: "NOM.nal$"})}, limit, false, "does not match"},
		{"absent", Get{Address: clear, Pages: one(Page{Path: "/text", Regex: "alarm", Absent: true})}, limit, true, ""},
		{"not absent", Get{Address: clear, Pages: one(Page{Path: "/text", Regex: "all", Absent: true})}, limit, false, "matches regex"},
		{"all pages", Get{Address: clear, Pages: []Page{{Path: "/status/200"}, {Path: "/text", Regex: "nominal"}}}, limit, true, "2 pages, last status 200"},
		{"second page", Get{Address: clear, Pages: []Page{{Path: "/status/200"}, {Path: "/status/500"}, {Path: "/slow"}}}, limit, false, "/status/500: status 500"},
		{"each page has its time", Get{Address: clear, Pages: []Page{{Path: "/wait"}, {Path: "/wait"}, {Path: "/wait"}}}, 3 * limit, true, "3 pages"},
		{"slow", Get{Address: clear, Pages: one(Page{Path: "/slow"})}, 100 * time.Millisecond, false, "/slow: no answer in time"},
		{"cut", Get{Address: clear, Protocol: Get11, Pages: one(Page{Path: "/cut"})}, limit, false, "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.name == "TLS to a clear port" {
				c.target.Pages = one(Page{Path: "/"})
			}
			res := check(t, c.target, nil, c.timeout)
			if res.OK != c.ok || !strings.Contains(res.String(), c.says) {
				t.Errorf("got %+v (%s), want ok %v and %q", res, res, c.ok, c.says)
			}
		})
	}
}

// TestGetOnePageTooSlow: a page may take its share of the attempt only, so that
// a dead server is found in one time limit.
func TestGetOnePageTooSlow(t *testing.T) {
	t.Parallel()
	s := site(t, "http")
	g := Get{Address: addrPort(s.Listener.Addr()), Pages: []Page{{Path: "/slow"}, {Path: "/text"}, {Path: "/text"}, {Path: "/text"}}}
	c, err := g.Checker(nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := c.(stepper).Steps(); n != 4 {
		t.Errorf("%d steps", n)
	}
	begin := time.Now()
	if res := check(t, g, nil, 4*500*time.Millisecond); res.OK || !strings.Contains(res.String(), "no answer in time") {
		t.Errorf("got %+v", res)
	}
	if took := time.Since(begin); took > 1900*time.Millisecond {
		t.Errorf("took %v of a limit of 500ms for each page", took)
	}
}

// TestGetEndOfTLS: a page may end with the connection, or must not (tls_compliant).
func TestGetEndOfTLS(t *testing.T) {
	t.Parallel()
	cert := site(t, "https").TLS.Certificates[0]
	serve := func(answer string, polite bool) netip.AddrPort {
		l := listen(t, "127.0.0.1:0")
		go func() {
			for {
				raw, err := l.Accept()
				if err != nil {
					return
				}
				conn := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{cert}})
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, answer)
				if polite {
					_ = conn.CloseWrite()
				}
				_ = raw.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, raw)
				_ = raw.Close()
			}
		}()
		return addrPort(l.Addr())
	}
	const open, length = "HTTP/1.0 200 OK\r\n\r\nhello", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	for _, c := range []struct {
		name              string
		answer            string
		polite, compliant bool
		ok                bool
	}{
		{"open end, polite", open, true, false, true},
		{"open end, just ends", open, false, false, true},
		{"open end, polite, compliant", open, true, true, true},
		{"open end, just ends, compliant", open, false, true, false},
		{"length, just ends", length, false, false, true},
		{"length, polite, compliant", length, true, true, true},
		{"length, just ends, compliant", length, false, true, false},
		{"cut, just ends", "HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello", false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := Get{Address: serve(c.answer, c.polite), TLS: &TLS{}, Pages: []Page{{Path: "/", Digest: digest("hello"), Compliant: c.compliant}}}
			if res := check(t, g, nil, 5*time.Second); res.OK != c.ok {
				t.Errorf("got %+v", res)
			}
		})
	}
}

func TestGetWrong(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddrPort("192.0.2.1:80")
	one := func(p Page) []Page { return []Page{p} }
	for want, c := range map[string]Get{
		"no address":             {Pages: one(Page{Path: "/"})},
		"no pages":               {Address: at},
		"unknown protocol":       {Address: at, Protocol: 9, Pages: one(Page{Path: "/"})},
		"SNI without TLS":        {Address: at, SNI: true, Pages: one(Page{Path: "/"})},
		"begins with /":          {Address: at, Pages: one(Page{Path: "index.html"})},
		"has no blanks":          {Address: at, Pages: one(Page{Path: "/a b"})},
		"nor has the host":       {Address: at, Host: "a\r\nEvil: x", Pages: one(Page{Path: "/"})},
		"32 hexadecimal digits":  {Address: at, Pages: one(Page{Path: "/", Digest: "abcd"})},
		"options of a regex":     {Address: at, Pages: one(Page{Path: "/", Absent: true})},
		"no place for a match":   {Address: at, Pages: one(Page{Path: "/", Regex: "a", MinOffset: 5, MaxOffset: 5})},
		"tls_compliant":          {Address: at, Pages: one(Page{Path: "/", Compliant: true})},
		"without verification":   {Address: at, TLS: &TLS{CAFile: "x"}, Pages: one(Page{Path: "/"})},
		"certificate needs":      {Address: at, TLS: &TLS{CertFile: "x"}, Pages: one(Page{Path: "/"})},
		"load certificate /nil/": {Address: at, TLS: &TLS{CertFile: "/nil/a", KeyFile: "/nil/b"}, Pages: one(Page{Path: "/"})},
		"read authorities":       {Address: at, TLS: &TLS{Verify: true, CAFile: "/nil/ca"}, Pages: one(Page{Path: "/"})},
	} {
		if _, err := c.Checker(nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}

// FuzzReadResponse: any server.
func FuzzReadResponse(f *testing.F) {
	f.Add("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "")
	f.Add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "h")
	f.Add("220 mail ESMTP\r\n", "$")
	f.Fuzz(func(t *testing.T, answer, regex string) {
		p := &getPage{digest: []byte(strings.Repeat("x", 16))}
		p.regex, _ = newPattern(Page{Regex: regex, MinOffset: len(answer) % 7})
		res, err := readResponse(strings.NewReader(answer))
		if err != nil {
			return
		}
		if len(answer) > maxHeader && res.StatusCode == 0 {
			t.Error("an answer without status")
		}
		_ = p.judge(res.Body)
	})
}

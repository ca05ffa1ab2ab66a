package checks

import (
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

// web is a server that answers in all the ways that servers answer in.
func web(t *testing.T, kind string) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		var code int
		_, _ = fmt.Sscan(r.PathValue("code"), &code)
		if code == http.StatusFound {
			w.Header().Set("Location", "/status/200")
		}
		w.WriteHeader(code)
	})
	mux.HandleFunc("/host", func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "www.example.org" || r.TLS != nil && r.TLS.ServerName != "www.example.org" {
			w.WriteHeader(http.StatusMisdirectedRequest)
		}
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 2*maxHeader))
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "short")
	})
	s := httptest.NewUnstartedServer(mux)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	switch kind {
	case "http":
		s.Start()
	case "h2c":
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
	case "https":
		s.StartTLS()
	case "h2":
		s.EnableHTTP2 = true
		s.StartTLS()
	}
	t.Cleanup(s.Close)
	return s
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	plain, secure, two, clear2 := web(t, "http"), web(t, "https"), web(t, "h2"), web(t, "h2c")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(s *httptest.Server) netip.AddrPort { return addrPort(s.Listener.Addr()) }
	const limit = 5 * time.Second
	for _, c := range []struct {
		name    string
		target  HTTP
		timeout time.Duration
		ok      bool
		says    string
	}{
		{"200", HTTP{URL: plain.URL + "/status/200"}, limit, true, "status 200 in "},
		{"204 is well", HTTP{URL: plain.URL + "/status/204"}, limit, true, "status 204"},
		{"503", HTTP{URL: plain.URL + "/status/503"}, limit, false, "status 503"},
		{"redirections are not followed", HTTP{URL: plain.URL + "/status/302"}, limit, false, "status 302"},
		{"list of codes", HTTP{URL: plain.URL + "/status/404", Status: []StatusRange{{200, 204}, {404, 404}}}, limit, true, "status 404"},
		{"not in the list", HTTP{URL: plain.URL + "/status/205", Status: []StatusRange{{200, 204}, {404, 404}}}, limit, false, "status 205"},
		{"no answer", HTTP{URL: plain.URL + "/slow"}, 100 * time.Millisecond, false, "context deadline exceeded"},
		{"endless page", HTTP{URL: plain.URL + "/endless"}, limit, true, "status 200"},
		{"endless headers", HTTP{URL: plain.URL + "/headers"}, limit, false, "exceeded"},
		{"cut page", HTTP{URL: plain.URL + "/cut"}, limit, false, "status 200, and then: unexpected EOF"},
		{"host", HTTP{URL: plain.URL + "/host", Host: "www.example.org"}, limit, true, "status 200"},
		{"without host", HTTP{URL: plain.URL + "/host"}, limit, false, "status 421"},
		{"name in the URL, address apart", HTTP{URL: "http://www.example.org/host", Connect: at(plain)}, limit, true, "status 200"},
		{"TLS, not verified", HTTP{URL: secure.URL + "/status/200", SkipVerify: true}, limit, true, "HTTP/1.1"},
		{"TLS, unknown authority", HTTP{URL: secure.URL + "/status/200"}, limit, false, "certificate"},
		{"TLS, own authority", HTTP{URL: secure.URL + "/status/200", CAFile: ca}, limit, true, "status 200"},
		{"TLS, another name", HTTP{URL: secure.URL + "/status/200", CAFile: ca, ServerName: "other.test"}, limit, false, "other.test"},
		{"SNI by host", HTTP{URL: secure.URL + "/host", SkipVerify: true, Host: "www.example.org"}, limit, true, "status 200"},
		{"SNI by URL", HTTP{URL: "https://www.example.org/host", Connect: at(secure), SkipVerify: true}, limit, true, "status 200"},
		{"SNI on its own", HTTP{URL: secure.URL + "/host", SkipVerify: true, Host: "x", ServerName: "www.example.org"}, limit, false, "status 421"},
		{"HTTP/2 where agreed", HTTP{URL: two.URL + "/status/200", SkipVerify: true}, limit, true, "HTTP/2.0"},
		{"HTTP/1.1 if said", HTTP{URL: two.URL + "/status/200", SkipVerify: true, Version: HTTP11}, limit, true, "HTTP/1.1"},
		{"HTTP/2 if said, not spoken", HTTP{URL: secure.URL + "/status/200", SkipVerify: true, Version: HTTP2}, limit, false, ""},
		{"HTTP/2 without TLS", HTTP{URL: clear2.URL + "/status/200", Version: HTTP2}, limit, true, "HTTP/2.0"},
		{"plain to a TLS port", HTTP{URL: "http://" + at(secure).String() + "/"}, limit, false, "status 400"},
		{"TLS to a plain port", HTTP{URL: "https://" + at(plain).String() + "/"}, limit, false, "server gave HTTP response to HTTPS client"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			res := check(t, c.target, nil, c.timeout)
			if res.OK != c.ok || !strings.Contains(res.String(), c.says) {
				t.Errorf("got %+v (%s), want ok %v and %q", res, res, c.ok, c.says)
			}
			if strings.Contains(res.String(), "\n") {
				t.Errorf("more than one line: %q", res)
			}
		})
	}
}

func TestHTTPWrong(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]HTTP{
		"not an absolute URL": {URL: "/health"},
		"is not an absolute":  {URL: "ftp://host/"},
		"http: parse":         {URL: "http://[::1/"},
		"read authorities":    {URL: "https://x/", CAFile: empty + ".gone"},
		"no certificate in":   {URL: "https://x/", CAFile: empty},
	} {
		if _, err := c.Checker(nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}

// TestHTTPGarbage: a server that answers something else.
func TestHTTPGarbage(t *testing.T) {
	t.Parallel()
	l := listen(t, "127.0.0.1:0")
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func(conn net.Conn) {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 100))
				_, _ = io.WriteString(conn, "220 mail.example.org ESMTP\r\n")
			}(conn)
		}
	}()
	if res := check(t, HTTP{URL: "http://" + l.Addr().String()}, nil, 5*time.Second); res.OK || !strings.Contains(res.String(), "malformed HTTP") {
		t.Errorf("got %+v", res)
	}
}

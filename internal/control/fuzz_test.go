package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hakeep/internal/status"
)

// FuzzRequest: whatever somebody writes to the control socket, the answer is one of
// the codes that clients know, with a body of its kind, and the daemon is asked to
// do something only by the request for it, with a body that says it.
func FuzzRequest(f *testing.F) {
	post := func(path, body string) string {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		var b bytes.Buffer
		if err := r.Write(&b); err != nil {
			f.Fatal(err)
		}
		return b.String()
	}
	for _, path := range []string{"/status", "/version", "/events?after=1&follow=1", "/events?after=18446744073709551615", "/events?after=-1", "/dump?form=json&version=2", "/dump?form=x", "/", "//status", "/status/../reload"} {
		f.Add("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	f.Add(post("/reload", ""))
	f.Add(post("/standby", ""))
	f.Add(post("/standby", `{"instance":"VI_1","for":60000000000,"persist":true}`))
	f.Add(post("/resume", `{"instance":"VI_9"}`))
	f.Add(post("/resume", `{"instance":1}`))
	f.Add(post("/server", `{"virtual_server":"v","real_server":"192.0.2.1:80","action":"weight","weight":-1}`))
	f.Add(post("/server", `{"real_server":"192.0.2.9:80"}`))
	f.Add(post("/upgrade", "{"))
	f.Add(post("/standby", strings.Repeat(" ", maxRequest+1)+"{}"))
	f.Fuzz(func(t *testing.T, text string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return
		}
		b := &fake{doc: &status.Document{}, reload: &status.Reload{OK: true}, changed: make(chan struct{})}
		b.add(3)
		ctx, cancel := context.WithCancel(t.Context())
		if r.URL.Path == "/events" {
			cancel() // whoever follows them is never done otherwise
		}
		defer cancel()
		w := httptest.NewRecorder()
		NewServer(nil, b, b, b, slog.New(slog.DiscardHandler)).handler().ServeHTTP(w, r.WithContext(ctx))
		switch w.Code {
		case http.StatusOK:
			if w.Header().Get("Content-Type") == "application/json" && r.URL.Path != "/dump" && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%q: answered with what is no JSON: %q", text, w.Body)
			}
		case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusMovedPermanently, http.StatusTemporaryRedirect:
		default:
			t.Errorf("%q: answered with code %d: %q", text, w.Code, w.Body)
		}
		asked := len(b.holds) + len(b.orders)
		switch {
		case asked > 1:
			t.Errorf("%q: the daemon was asked %d times", text, asked)
		case len(b.holds) == 1 && (r.Method != http.MethodPost || r.URL.Path != "/standby" && r.URL.Path != "/resume"):
			t.Errorf("%q moves instances: %+v", text, b.holds)
		case len(b.holds) == 1 && b.holds[0].On != (r.URL.Path == "/standby"):
			t.Errorf("%q does the opposite: %+v", text, b.holds)
		case len(b.orders) == 1 && (r.Method != http.MethodPost || r.URL.Path != "/server"):
			t.Errorf("%q gives orders for servers: %+v", text, b.orders)
		}
	})
}

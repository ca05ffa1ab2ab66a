package checks

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// health is a server of gRPC whose health service has a status for each service,
// or a status code.
func health(t *testing.T, secure bool) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.ProtoMajor != 2 || r.Method != http.MethodPost || r.URL.Path != "/grpc.health.v1.Health/Check" ||
			r.Header.Get("Content-Type") != "application/grpc" || r.Header.Get("Te") != "trailers" {
			http.Error(w, "what?", http.StatusBadRequest)
			return
		}
		answer, code := map[string]string{
			"\x00\x00\x00\x00\x00":                 "\x00\x00\x00\x00\x02\x08\x01",
			"\x00\x00\x00\x00\x06\x0a\x04down":     "\x00\x00\x00\x00\x02\x08\x02",
			"\x00\x00\x00\x00\x06\x0a\x04zero":     "\x00\x00\x00\x00\x00",
			"\x00\x00\x00\x00\x06\x0a\x04more":     "\x00\x00\x00\x00\x07\x12\x03abc\x08\x01",
			"\x00\x00\x00\x00\x06\x0a\x04junk":     "\x00\x00\x00\x00\x02\xff\xff",
			"\x00\x00\x00\x00\x06\x0a\x04half":     "\x00\x00\x00\x00\x09\x08\x01",
			"\x00\x00\x00\x00\x07\x0a\x05three":    "\x00\x00\x00\x00\x02\x08\x03",
			"\x00\x00\x00\x00\x09\x0a\x07" + "www": "",
		}[string(body)], "0"
		w.Header().Set("Content-Type", "application/grpc+proto")
		switch {
		case string(body) == "\x00\x00\x00\x00\x04\x0a\x02no":
			w.Header().Set("Grpc-Status", "12") // without messages
			w.Header().Set("Grpc-Message", "unknown service")
			return
		case answer == "":
			code = "5"
		}
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = io.WriteString(w, answer)
		w.Header().Set("Grpc-Status", code)
	}))
	s.Config.Protocols = new(http.Protocols)
	if secure {
		s.Config.Protocols.SetHTTP2(true)
		s.EnableHTTP2 = true
		s.StartTLS()
	} else {
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func TestGRPC(t *testing.T) {
	t.Parallel()
	clear, secure, web := addrPort(health(t, false).Listener.Addr()), addrPort(health(t, true).Listener.Addr()), addrPort(site(t, "http").Listener.Addr())
	outcome(t, "serving", GRPC{Address: clear}, enough, true, "SERVING in ")
	for service, want := range map[string]string{
		"down": "NOT_SERVING", "zero": "UNKNOWN", "junk": "not an answer", "half": "not an answer", "three": "SERVICE_UNKNOWN",
		"gone": "NOT_FOUND", "no": "UNIMPLEMENTED: the server has no health service unknown service",
	} {
		outcome(t, service, GRPC{Address: clear, Service: service}, enough, false, want)
	}
	outcome(t, "unknown fields", GRPC{Address: clear, Service: "more"}, enough, true, "SERVING")
	outcome(t, "TLS", GRPC{Address: secure, TLS: &TLS{}}, enough, true, "SERVING")
	outcome(t, "TLS, verified", GRPC{Address: secure, TLS: &TLS{Verify: true}}, enough, false, "certificate")
	outcome(t, "a web server", GRPC{Address: web}, enough, false, "not gRPC: status 404")
	outcome(t, "silent", GRPC{Address: says(t, "")}, soon, false, "no answer in time")
	outcome(t, "HTTP/1", GRPC{Address: says(t, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")}, enough, false, "")
	if got := fmt.Sprintf("%q", healthRequest("abc")); got != `"\x00\x00\x00\x00\x05\n\x03abc"` {
		t.Errorf("request %s", got)
	}
}

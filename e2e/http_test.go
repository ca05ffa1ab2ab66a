package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"hakeep/internal/nstest"
)

// TestHTTP: http_listen serves metrics, status and health, and a reload moves or
// ends it.
func TestHTTP(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	config := func(listen string) string {
		return strings.Replace(instance{}.TOML(), "vrrp_version = 3", "vrrp_version = 3\nhttp_listen = \""+listen+"\"", 1)
	}
	h := nstest.Hakeep(t, p.a, config("127.0.0.1:9112"))
	awaitState(t, h, "MASTER")
	get := func(addr, path string) (body string, err error) {
		err = p.a.Do(func() error {
			// An http.Client would connect on a thread outside of the namespace.
			conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
			if err != nil {
				return err
			}
			defer conn.Close()
			fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, addr)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			body = resp.Status + "\n" + string(b)
			return err
		})
		return body, err
	}
	nstest.Eventually(t, patience, func() error { _, err := get("127.0.0.1:9112", "/metrics"); return err })
	for path, want := range map[string]string{
		"/metrics": "hakeep_vrrp_adverts_sent_total", "/status": `"schema"`, "/healthz": "200 OK",
	} {
		if body, err := get("127.0.0.1:9112", path); err != nil || !strings.Contains(body, want) {
			t.Errorf("%s: %v, no %s in %.300s", path, err, want, body)
		}
	}
	if err := h.WriteConfig(config("127.0.0.1:9113")); err != nil {
		t.Fatal(err)
	}
	if code, out := reload(t, h); code != 0 {
		t.Fatalf("reload: %s", out)
	}
	nstest.Eventually(t, patience, func() error { _, err := get("127.0.0.1:9113", "/metrics"); return err })
	if _, err := get("127.0.0.1:9112", "/metrics"); err == nil {
		t.Error("the old address still answers")
	}
}

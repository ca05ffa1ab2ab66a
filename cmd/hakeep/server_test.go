package main

import (
	"slices"
	"strings"
	"testing"

	"hakeep/internal/status"
)

func TestServer(t *testing.T) {
	t.Parallel()
	dir := serve(t, &backend{doc: document("MASTER")})
	for _, tt := range []struct {
		args string
		code int
		text string
	}{
		{"disable 192.0.2.10:80 10.0.0.1:80", 0, "10.0.0.1:80 of 192.0.2.10:80/tcp: down (disabled by hand), weight 1, disabled by hand\n"},
		{"enable 192.0.2.10:80 10.0.0.1:80", 0, "10.0.0.1:80 of 192.0.2.10:80/tcp: up, weight 1\n"},
		{"drain 192.0.2.10:80 10.0.0.1:80", 0, "up, weight 0 (configured 1), drained by hand\n"},
		{"weight 192.0.2.10:80 10.0.0.1:80 65535", 0, "up, weight 65535 (configured 1), weight by hand\n"},
		{"weight 192.0.2.10:80 10.0.0.1:80", 0, "up, weight 1\n"},
		{"weight 192.0.2.10:80 10.0.0.1:80 65536", 64, `"65536" is not a weight; allowed: 0 to 65535`},
		{"drain 192.0.2.10:80 10.0.0.9:80", 1, `192.0.2.10:80 has no real server "10.0.0.9:80"`},
		{"drain 192.0.2.10:80", 64, "See 'hakeep server drain --help'"},
		{"drain a b c", 64, "See 'hakeep server drain --help'"},
		{"", 0, "hakeep server weight group:WEB"},
	} {
		out, errs, code := execute(t, append([]string{"server"}, append(strings.Fields(tt.args), "--runtime-dir", dir)...)...)
		if tt.args == "" {
			out, errs, code = execute(t, "server")
		}
		if code != tt.code || !strings.Contains(out+errs, tt.text) {
			t.Errorf("server %s: exit code %d, want %d; printed %q and %q, want %q", tt.args, code, tt.code, out, errs, tt.text)
		}
	}
	if _, _, code := execute(t, "server", "drain", "a", "b", "--runtime-dir", t.TempDir()); code != exitNoDaemon {
		t.Errorf("without a daemon: exit code %d", code)
	}
}

func TestServerNames(t *testing.T) {
	t.Parallel()
	b := &status.Balancing{VirtualServers: []status.VirtualServer{
		{Name: "192.0.2.10:80/tcp", Servers: []status.RealServer{{Address: "10.0.0.1:80"}, {Address: "10.0.0.2:80"}}},
		{Name: "192.0.2.10:801/tcp", Servers: []status.RealServer{{Address: "10.0.0.3:80"}}},
	}}
	for _, c := range []struct{ args, want []string }{
		{nil, []string{"192.0.2.10:80/tcp", "192.0.2.10:801/tcp"}},
		{[]string{"192.0.2.10:80"}, []string{"10.0.0.1:80", "10.0.0.2:80"}},
		{[]string{"192.0.2.10:80/tcp"}, []string{"10.0.0.1:80", "10.0.0.2:80"}},
		{[]string{"192.0.2.1"}, nil},
	} {
		if got := serverNames(b, c.args); !slices.Equal(got, c.want) {
			t.Errorf("after %q: %q, want %q", c.args, got, c.want)
		}
	}
}

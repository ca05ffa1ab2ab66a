package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"hakeep/internal/nstest"
)

// TestGatewayCheck: a gateway that stops answering ping moves the address
// without a process being started.
//
//	gateway .254     a (better)        b
//	   |               |               |       198.51.100.0/24 (eth1 of a)
//	===+===============+
//	                   |  192.0.2.0/24 |
//	               ====+===============+====
func TestGatewayCheck(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	lan := nstest.LAN(t)
	nstest.Attach(t, lan, p.a, "eth1", "198.51.100.1/24")
	gateway := nstest.Host(t, "gateway")
	port := nstest.Attach(t, lan, gateway, "eth0", "198.51.100.254/24")
	check := "[[track_check]]\nname = \"gw\"\nkind = \"ping\"\ntargets = [\"198.51.100.254\"]\ninterval = \"50ms\"\nfall = 3\nrise = 2\n"
	hk := nstest.Hakeep(t, p.a, check+instance{priority: "150", toml: "track_check = [\"gw\"]"}.TOML())
	awaitState(t, hk, "MASTER")
	kd := nstest.Keepalived(t, p.b, instance{}.Conf())
	awaitState(t, kd, "BACKUP")
	forks := children(t, hk.Pid())
	if err := port.Cut(); err != nil {
		t.Fatal(err)
	}
	awaitState(t, hk, "FAULT")
	awaitState(t, kd, "MASTER")
	p.awaitHolder(t, vip4, "b")
	if err := port.Restore(); err != nil {
		t.Fatal(err)
	}
	awaitState(t, hk, "MASTER")
	p.awaitHolder(t, vip4, "a")
	if n := children(t, hk.Pid()); n != forks {
		t.Errorf("%d children, had %d", n, forks)
	}
}

// children is the number of processes that a process has waited for or has: its
// faults of ended children grow with each.
func children(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	// Field 11 is cminflt, the page faults of children that were waited for.
	var n int
	if _, err := fmt.Sscan(strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+2:]))[8], &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestServiceCheck: tcp, http and dns checks as trackers.
func TestServiceCheck(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	check := "[[track_check]]\nname = \"web\"\nkind = \"http\"\ntargets = [\"http://127.0.0.1:8080/\"]\ninterval = \"50ms\"\nfall = 2\nrise = 1\n" +
		"[[track_check]]\nname = \"port\"\nkind = \"tcp\"\ntargets = [\"127.0.0.1:8080\", \"127.0.0.1:8081\"]\nquorum = 1\ninterval = \"50ms\"\nfall = 2\nrise = 1\n"
	hk := nstest.Hakeep(t, p.a, check+instance{toml: "track_check = [\"web\", \"port\"]"}.TOML())
	awaitState(t, hk, "FAULT")
	var listener net.Listener
	if err := p.a.Do(func() (err error) { // the socket stays in the namespace
		listener, err = net.Listen("tcp", "127.0.0.1:8080")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "well") })}
	go func() { _ = server.Serve(listener) }()
	awaitState(t, hk, "MASTER")
	_ = server.Close()
	awaitState(t, hk, "FAULT")
}

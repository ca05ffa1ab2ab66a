package checks

import (
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMark: fwmark is on every socket that a check sends by.
func TestMark(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		if os.Getenv("HAKEEP_E2E") == "strict" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	const mark = 77
	marked := func(what string, fd int) {
		t.Helper()
		if got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK); err != nil || got != mark {
			t.Errorf("%s: mark %d, %v", what, got, err)
		}
	}
	raw := func(what string, conn syscall.Conn) {
		t.Helper()
		c, err := conn.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Control(func(fd uintptr) { marked(what, int(fd)) }); err != nil {
			t.Fatal(err)
		}
	}
	to := addrPort(listen(t, "127.0.0.1:0").Addr())
	via := Via{Mark: mark}
	for _, network := range []string{"tcp", "udp"} {
		conn, err := via.dial(t.Context(), network, to.String())
		if err != nil {
			t.Fatal(err)
		}
		raw(network, conn.(syscall.Conn))
		_ = conn.Close()
	}
	fd, err := TCP{Address: to, Via: via}.begin()
	if err != nil {
		t.Fatal(err)
	}
	marked("connector", fd)
	_ = unix.Close(fd)
	for _, v6 := range []bool{false, true} {
		s, err := openPing(pingKey{v6: v6, mark: mark})
		if err != nil {
			t.Fatal(err)
		}
		raw("ping", s.file)
		_ = s.file.Close()
	}
}

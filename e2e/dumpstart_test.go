package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hakeep/internal/daemon"
	"hakeep/internal/nstest"
)

const oneInstance = `[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
advert_int = "100ms"
virtual_ipaddress = ["192.0.2.10/24"]
`

// TestDumpSignalAtStart sends a signal for a dump as soon as the file with the number
// of the process is there, as a program may that looks at it all the time.
func TestDumpSignalAtStart(t *testing.T) {
	t.Parallel()
	ns := nstest.Host(t, "start")
	nstest.Attach(t, nstest.LAN(t), ns, "eth0", "192.0.2.1/24")
	dir := nstest.ShortDir(t)
	done := make(chan error, 1)
	go func() {
		path := filepath.Join(dir, "hakeep.lock")
		for end := time.Now().Add(patience); ; {
			if text, err := os.ReadFile(path); err == nil {
				if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
					done <- syscall.Kill(pid, daemon.SignalData)
					return
				}
			}
			if time.Now().After(end) {
				done <- os.ErrDeadlineExceeded
				return
			}
		}
	}()
	h := nstest.HakeepIn(t, ns, dir, oneInstance)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := h.WaitState(nstest.Context(t, patience), "VI_1", "MASTER"); err != nil {
		t.Fatal(err)
	}
	nstest.Eventually(t, patience, func() error {
		_, err := os.Stat(filepath.Join(h.Dir(), "keepalived.data"))
		return err
	})
}

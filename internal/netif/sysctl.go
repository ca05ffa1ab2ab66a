package netif

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// SetPromoteSecondaries makes the kernel keep an interface's other IPv4
// addresses when the primary address of their network is removed (sysctl
// net.ipv4.conf.LINK.promote_secondaries). Nothing is written if it is so
// already, for the interface or for all. It acts on the network namespace of
// the calling thread: what is below /proc/sys/net follows the reader.
//
// The error wraps ErrNoLink if there is no such interface; where /proc/sys is
// read-only (containers) it wraps syscall.EROFS, and the Reconciler puts back
// what the kernel dropped.
func SetPromoteSecondaries(link string) error {
	if link == "" || len(link) > maxName || link == "." || link == ".." || strings.ContainsRune(link, '/') {
		return fmt.Errorf("promote secondaries on %q: %w", link, ErrNoLink)
	}
	file := func(name string) string {
		return filepath.Join("/proc/sys/net/ipv4/conf", name, "promote_secondaries")
	}
	for _, name := range []string{link, "all"} {
		value, err := os.ReadFile(file(name))
		if err != nil {
			return fmt.Errorf("promote secondaries on %s: %w", link, noLink(err))
		}
		if value = bytes.TrimSpace(value); len(value) > 0 && !bytes.Equal(value, []byte("0")) {
			return nil
		}
	}
	f, err := os.OpenFile(file(link), os.O_WRONLY, 0) // never created
	if err != nil {
		return fmt.Errorf("promote secondaries on %s: %w", link, noLink(err))
	}
	_, err = f.WriteString("1\n")
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("promote secondaries on %s: %w", link, err)
	}
	return nil
}

// SetPromoteSecondaries is the function of the same name; the calling thread
// must be in the network namespace that k was opened in.
func (k *Kernel) SetPromoteSecondaries(link string) error { return SetPromoteSecondaries(link) }

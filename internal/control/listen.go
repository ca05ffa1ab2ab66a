package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"strconv"
	"time"
)

// Group is the group that may use the control socket, where it exists.
const Group = "hakeep"

// ErrInUse says that another daemon listens on the socket.
var ErrInUse = errors.New("another daemon listens there")

const (
	socketMode  = 0o660
	dialTimeout = 2 * time.Second
)

// Listen makes the control socket at path, readable and writable for its owner
// and for Group. What a killed daemon left there is replaced; it fails with
// ErrInUse when somebody listens. Remove the socket with [Remove].
func Listen(path string) (net.Listener, error) {
	if conn, err := net.DialTimeout("unix", path, dialTimeout); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("listen on %s: %w", path, ErrInUse)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("listen on %s: it exists and is not a socket", path)
	}
	// Nobody can connect before the mode is right: it is made under another name.
	fresh := fmt.Sprintf("%s.%d", path, os.Getpid())
	_ = os.Remove(fresh)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	if err := publish(fresh, path); err != nil {
		_ = l.Close()
		_ = os.Remove(fresh)
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return l, nil
}

// publish gives the socket its owner and mode, and then its name.
func publish(fresh, path string) error {
	if g, err := user.LookupGroup(Group); err == nil {
		gid, err := strconv.Atoi(g.Gid)
		if err != nil {
			return fmt.Errorf("group %s has the number %q", Group, g.Gid)
		}
		// Refused without CAP_CHOWN: then it stays the owner's.
		if err := os.Chown(fresh, -1, gid); err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
	}
	if err := os.Chmod(fresh, socketMode); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// Remove removes the socket; that it is gone already is success.
func Remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove control socket: %w", err)
	}
	return nil
}

package daemon

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"

	"hakeep/internal/config"
)

// HostOf is the host that a configuration would run on, for
// [config.Config.CheckOn]. Interfaces of a network namespace that this process is
// not in are not looked at: they count as being there.
func HostOf(cfg *config.Config) config.Host {
	return thisHost{elsewhere: cfg.Global.NetNamespace != "" && !inNamespace(cfg.Global.NetNamespace)}
}

// thisHost asks the system.
type thisHost struct {
	elsewhere bool // the interfaces are in another network namespace
}

var _ config.Host = thisHost{}

// LinkExists asks the kernel.
func (h thisHost) LinkExists(name string) bool {
	if h.elsewhere {
		return true
	}
	_, err := net.InterfaceByName(name)
	return err == nil
}

// UserExists asks the user database. A number is a user without being there.
func (thisHost) UserExists(name string) bool {
	_, err := user.Lookup(name)
	return err == nil || isID(name)
}

// GroupExists asks the group database. A number is a group without being there.
func (thisHost) GroupExists(name string) bool {
	_, err := user.LookupGroup(name)
	return err == nil || isID(name)
}

func isID(text string) bool {
	_, err := strconv.ParseUint(text, 10, 32)
	return err == nil
}

// Lookup looks at the file. What this process may not look at, because a
// directory is another user's, is not said to be missing.
func (thisHost) Lookup(program string) error {
	if !filepath.IsAbs(program) {
		_, err := exec.LookPath(program)
		return err
	}
	info, err := os.Stat(program)
	switch {
	case os.IsPermission(err):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file", program)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("%s may not be executed by anybody", program)
	}
	return nil
}

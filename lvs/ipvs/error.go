package ipvs

import (
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"hakeep/lvs"
)

// ErrUnavailable is in the chain of [Open]'s error when the kernel has no IPVS and
// could not load it.
var ErrUnavailable = errors.New("the kernel has no IPVS")

// UnavailableError says why there is no IPVS, and what can be done. It is an
// [ErrUnavailable].
type UnavailableError struct {
	// Kernel is the running kernel's release.
	Kernel string
	// Err is what the kernel answered.
	Err error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("%v (Linux %s: the module ip_vs is neither loaded nor could the kernel load it): "+
		"install the kernel's modules or load ip_vs on the host, or use lvs_backend = \"nftables\"", ErrUnavailable, e.Kernel)
}

// Unwrap returns ErrUnavailable and the kernel's answer.
func (e *UnavailableError) Unwrap() []error { return []error{ErrUnavailable, e.Err} }

func unavailable(err error) error {
	var u unix.Utsname
	kernel := "of unknown release"
	if unix.Uname(&u) == nil {
		kernel = unix.ByteSliceToString(u.Release[:])
	}
	return &UnavailableError{Kernel: kernel, Err: err}
}

// OpError is one change that the kernel refused.
type OpError struct {
	Op  lvs.Op
	Err error
}

// Error names the change and what may be the matter.
func (e *OpError) Error() string {
	return fmt.Sprintf("IPVS: %v: %s", e.Op, e.reason())
}

func (e *OpError) Unwrap() error { return e.Err }

// reason explains the kernel's errors, which have a meaning of their own for services
// and servers.
func (e *OpError) reason() string {
	service := e.Op.Kind == lvs.AddService || e.Op.Kind == lvs.EditService
	server := e.Op.Kind == lvs.AddServer || e.Op.Kind == lvs.EditServer
	text := errnoText(e.Err)
	switch {
	case errors.Is(e.Err, unix.ENOENT) && service && e.Op.Attr.Engine != "":
		return fmt.Sprintf("%s: the kernel has no scheduler %q (module ip_vs_%s) or no persistence engine %q (module ip_vs_pe_%s)",
			text, e.Op.Attr.Scheduler, e.Op.Attr.Scheduler, e.Op.Attr.Engine, e.Op.Attr.Engine)
	case errors.Is(e.Err, unix.ENOENT) && service:
		return fmt.Sprintf("%s: the kernel has no scheduler %q (module ip_vs_%s)", text, e.Op.Attr.Scheduler, e.Op.Attr.Scheduler)
	case errors.Is(e.Err, unix.EAFNOSUPPORT):
		return text + ": the kernel's IPVS has no IPv6"
	case errors.Is(e.Err, unix.EINVAL) && server && max(e.Op.Server.UThreshold, e.Op.Server.LThreshold) > math.MaxInt32:
		return fmt.Sprintf("%s: a threshold above %d", text, math.MaxInt32)
	case errors.Is(e.Err, unix.EINVAL) && server && lvs.FamilyOf(e.Op.Server.Endpoint.Addr) != e.Op.ID.Family:
		return text + ": a server of the other address family needs lvs_method TUN, and no lvs_sync_daemon"
	case errors.Is(e.Err, unix.EINVAL) && server && e.Op.Server.Forward.Method == lvs.TUN:
		return text + ": the kernel does not take this tunnel (gue and gre need Linux 5.3, and gue a port)"
	case errors.Is(e.Err, os.ErrPermission):
		return text + ": CAP_NET_ADMIN is needed, and in the first user namespace"
	}
	return text
}

// errnoText is the bare words of the kernel's error, without the library's.
func errnoText(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// race tells of an answer that only means that somebody else changed the table
// after it was read.
func race(op lvs.Op, err error) bool {
	switch op.Kind {
	case lvs.AddService, lvs.AddServer:
		return errors.Is(err, unix.EEXIST) || op.Kind == lvs.AddServer && errors.Is(err, unix.ESRCH)
	case lvs.EditService, lvs.DeleteService:
		return errors.Is(err, unix.ESRCH)
	}
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH)
}

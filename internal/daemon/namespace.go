package daemon

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// namespaceMarker is set in the environment of a process that was executed again
// inside net_namespace: one that is still outside must not go on for ever.
const namespaceMarker = "HAKEEP_NET_NAMESPACE"

// ownNamespace is the network namespace of the calling process.
const ownNamespace = "/proc/self/ns/net"

// inNamespace reports whether this process is in the network namespace that a
// path names.
func inNamespace(path string) bool {
	var here, there unix.Stat_t
	return unix.Stat(ownNamespace, &here) == nil && unix.Stat(path, &there) == nil &&
		here.Dev == there.Dev && here.Ino == there.Ino
}

// enterNamespace sees to it that the whole process is in a network namespace
// (net_namespace). Each thread has a namespace of its own, and Go makes threads
// as it likes: so one thread enters, and executes the program again. Process id,
// descriptors of the service manager and arguments stay. It returns only if
// nothing was to be done, or with an error.
func enterNamespace(path string) error {
	marked := os.Getenv(namespaceMarker)
	_ = os.Unsetenv(namespaceMarker) // scripts have no use for it
	if path == "" || inNamespace(path) {
		return nil
	}
	if marked != "" {
		return fmt.Errorf("net_namespace: this process is not in %s although it has entered it: was it made anew meanwhile?", path)
	}
	ns, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("net_namespace: there is no network namespace %s; make it with ip netns add", path)
	}
	if err != nil {
		return fmt.Errorf("net_namespace: open %s: %w", path, err)
	}
	defer unix.Close(ns)
	runtime.LockOSThread() // never unlocked on success: exec makes this thread the process
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		if errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("net_namespace: %s is no network namespace", path)
		}
		return refused("CAP_SYS_ADMIN is missing, which net_namespace needs", fmt.Errorf("enter network namespace %s: %w", path, err))
	}
	env := append(slices.DeleteFunc(os.Environ(), isNamespaceMarker), namespaceMarker+"="+path)
	// The program that is running, also when its file was replaced meanwhile.
	err = unix.Exec("/proc/self/exe", os.Args, env)
	return fmt.Errorf("net_namespace: execute hakeep again inside %s: %w", path, err)
}

func isNamespaceMarker(variable string) bool {
	return strings.HasPrefix(variable, namespaceMarker+"=")
}

package lab

import (
	"os"
	"os/exec"
	"syscall"
)

// Supported reports why namespaces cannot be made here, or nil. It decides by
// making one: a system may allow user namespaces and still deny every
// capability in them.
func Supported() error {
	n, err := NewNamespace("probe")
	if err != nil {
		return err
	}
	n.Close()
	return nil
}

// UserNamespaceCommand prepares a program that runs as root of a new user
// namespace, with a network namespace of its own: this is how an ordinary
// user gets a lab. A program re-executes itself this way when Supported fails
// and it is not root.
//
// The caller's user and group are root's inside. Inside, Supported must be
// asked again: the kernel may grant the namespace and deny its use.
func UserNamespaceCommand(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	return c
}

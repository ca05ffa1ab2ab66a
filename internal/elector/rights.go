package elector

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rights are the capabilities that the elector keeps: addresses and routes, sysctls
// and large socket buffers; raw and packet sockets; priorities of threads that it
// starts later; and memory that stays locked as it grows.
const rights = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_SYS_NICE | 1<<unix.CAP_IPC_LOCK

// giveUpRights takes all other capabilities from every thread of the process, and
// from those that they start. The elector reads what anybody on the link sends, and
// needs less than main. It does not take them from the bounding set: that needs
// CAP_SETPCAP, and a new version to which the elector hands over decides for itself.
func giveUpRights() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	for i, keep := range rightsOf(rights) {
		sets[i].Permitted &= keep
		sets[i].Effective &= keep
		// What is inheritable stays so, and with it what is ambient: a new version
		// under another user than root has nothing else.
		sets[i].Inheritable &= keep
	}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&sets[0])), 0)
	if errno != 0 { // ENOTSUP in a program with cgo
		return fmt.Errorf("give up capabilities: %w", errno)
	}
	return nil
}

// rightsOf is a set in the two words that capset(2) takes.
func rightsOf(set uint64) [2]uint32 { return [2]uint32{uint32(set), uint32(set >> 32)} }

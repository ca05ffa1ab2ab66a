package acd

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	// maxFiltered is how many addresses a filter lists: 2,000 instructions fit into
	// the 20 KiB of net.core.optmem_max of older kernels. With more, everything
	// passes and is looked at here.
	maxFiltered = 1000
	keepAll     = 1<<32 - 1
)

// filter passes packets that begin with guard and have one of the addresses (the
// last word of it) at off.
func filter(guard []bpf.Instruction, off uint32, addrs []netip.Addr) []bpf.Instruction {
	if len(addrs) == 0 {
		return []bpf.Instruction{bpf.RetConstant{Val: 0}}
	}
	prog := append([]bpf.Instruction{}, guard...)
	if len(addrs) > maxFiltered {
		return append(prog, bpf.RetConstant{Val: keepAll})
	}
	prog = append(prog, bpf.LoadAbsolute{Off: off, Size: 4})
	for _, a := range addrs {
		raw := a.As16()
		prog = append(prog,
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: binary.BigEndian.Uint32(raw[12:]), SkipFalse: 1},
			bpf.RetConstant{Val: keepAll})
	}
	return append(prog, bpf.RetConstant{Val: 0})
}

// advertGuard lets IPv4 packets of VRRP go on; everything else ends at the third
// instruction.
func advertGuard() []bpf.Instruction {
	const protocol, vrrp = 9, 112
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: protocol, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: vrrp, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	}
}

func attach(fd int, prog []bpf.Instruction) error {
	raw, err := bpf.Assemble(prog)
	if err != nil {
		return fmt.Errorf("assemble filter: %w", err)
	}
	list := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		list[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	prg := unix.SockFprog{Len: uint16(len(list)), Filter: unsafe.SliceData(list)}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prg); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	return nil
}

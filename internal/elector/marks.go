package elector

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/vrrp"
)

// The marks say until when each instance may go on as master should both
// processes die now and start again (see vrrp.Resumed). They are in a file in the
// runtime directory that is mapped into memory: one store for each advert, no
// system call that writes. That needs a file system in memory, as /run is: with
// a disk below it, a store may have to wait for the disk.
//
// The file is a header and a slot for each instance:
//
//	offset 0   magic
//	       8   boot id, 36 bytes of text, then zeros up to 56
//	      56   number of slots
//	      64   slots of 40 bytes: SHA-256 of what the instance is on the wire, then
//	           nanoseconds of CLOCK_BOOTTIME, 0 for not master
//
// Numbers are in the machine's own byte order.
const (
	marksName   = "masters"
	marksMagic  = "HKMARKS1"
	marksHeader = 64
	marksSlot   = 40
	marksLimit  = 1 << 20 // slots; more is no file of ours
)

// bootIDFile changes with each boot.
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// identity is what an instance is on the wire, as a hash.
type identity [sha256.Size]byte

func identityOf(p *vrrp.Params) identity {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d %d %q %v %v", p.Family, p.Version, p.VRID, p.Link, p.Group, p.Unicast)
	if p.Unicast {
		fmt.Fprintf(h, " %v", p.Source)
		for _, peer := range p.Peers {
			fmt.Fprintf(h, " %v", peer.Addr)
		}
	}
	return identity(h.Sum(nil))
}

// markKey is a member's identity, and the parameters that it was computed from.
type markKey struct {
	identity identity
	of       *vrrp.Params
}

// identify brings the identity up to date, and reports whether it has changed.
func (m *member) identify() bool {
	p := &m.inst.Params
	if m.known.of == p {
		return false
	}
	before := m.known.identity
	m.known = markKey{identityOf(p), p}
	return m.known.identity != before
}

// marks is the file.
type marks struct {
	path   string
	bootID string
	mem    []byte
	slots  int
}

// errNoMemory is a runtime directory that is not in memory.
var errNoMemory = errors.New("it is not on a file system in memory (tmpfs)")

// openMarks returns the marks of a runtime directory, to be laid out, and those
// that an earlier process of this boot has left there.
func openMarks(dir string) (*marks, map[identity]time.Duration, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return nil, nil, fmt.Errorf("look at %s: %w", dir, err)
	}
	if fs.Type != unix.TMPFS_MAGIC && fs.Type != unix.RAMFS_MAGIC {
		return nil, nil, fmt.Errorf("%s: %w", dir, errNoMemory)
	}
	id, err := os.ReadFile(bootIDFile)
	if err != nil {
		return nil, nil, fmt.Errorf("read boot id: %w", err)
	}
	m := &marks{path: filepath.Join(dir, marksName), bootID: string(bytes.TrimSpace(id))}
	text, err := os.ReadFile(m.path)
	if errors.Is(err, os.ErrNotExist) {
		return m, nil, nil
	}
	if err != nil {
		return m, nil, fmt.Errorf("read marks: %w", err)
	}
	return m, parseMarks(text, m.bootID), nil
}

// parseMarks reads the marks of a boot; what is of another one, or damaged, is
// none.
func parseMarks(text []byte, bootID string) map[identity]time.Duration {
	if len(text) < marksHeader || string(text[:8]) != marksMagic || string(bytes.TrimRight(text[8:56], "\x00")) != bootID {
		return nil
	}
	n := binary.NativeEndian.Uint64(text[56:])
	if n > marksLimit || len(text) < marksHeader+int(n)*marksSlot {
		return nil
	}
	found := make(map[identity]time.Duration, n)
	for i := range int(n) {
		slot := text[marksHeader+i*marksSlot:][:marksSlot]
		if until := time.Duration(binary.NativeEndian.Uint64(slot[sha256.Size:])); until > 0 {
			found[identity(slot[:sha256.Size])] = until
		}
	}
	return found
}

// appendMarks is the text of a file.
func appendMarks(b []byte, bootID string, members []*member) []byte {
	header := make([]byte, marksHeader)
	copy(header, marksMagic)
	copy(header[8:56], bootID)
	binary.NativeEndian.PutUint64(header[56:], uint64(len(members)))
	b = append(b, header...)
	for _, m := range members {
		m.identify()
		b = append(b, m.known.identity[:]...)
		b = binary.NativeEndian.AppendUint64(b, uint64(m.until))
	}
	return b
}

// layout makes the file anew for these members, and gives each its slot. The old
// one stays in force until the new one is complete.
func (f *marks) layout(members []*member) error {
	text := appendMarks(nil, f.bootID, members)
	mem, err := f.create(text)
	if err != nil {
		return fmt.Errorf("lay out marks: %w", err)
	}
	f.unmap()
	f.mem, f.slots = mem, len(members)
	for i, m := range members {
		m.slot = marksHeader + i*marksSlot + sha256.Size
	}
	return nil
}

func (f *marks) create(text []byte) ([]byte, error) {
	fresh := f.path + ".new"
	file, err := os.OpenFile(fresh, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := file.Write(text); err != nil { // the pages exist now: no store can fail
		return nil, err
	}
	mem, err := unix.Mmap(int(file.Fd()), 0, len(text), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, err
	}
	_ = unix.Mlock(mem) // refused where memory is not locked at all
	if err := os.Rename(fresh, f.path); err != nil {
		_ = unix.Munmap(mem)
		return nil, err
	}
	return mem, nil
}

// put stores one mark; slot is 0 for a member that has none yet.
func (f *marks) put(slot int, until time.Duration) {
	if f.mem != nil && slot > 0 {
		binary.NativeEndian.PutUint64(f.mem[slot:], uint64(until))
	}
}

func (f *marks) unmap() {
	if f.mem != nil {
		_ = unix.Munmap(f.mem)
		f.mem = nil
	}
}

// remove forgets everything: the elector leaves.
func (f *marks) remove() {
	f.unmap()
	_ = os.Remove(f.path)
}

// sinceBoot is how long the machine has been up, suspended time included: a
// mark is over after a suspend.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0 // all marks are over
	}
	return time.Duration(ts.Nano())
}

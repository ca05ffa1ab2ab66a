package notify

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"
)

// fifoMode is that of FIFOs that are made here (keepalived: rw-r--r--).
const fifoMode = 0o644

// pipe is an open FIFO.
type pipe struct {
	file *os.File
	path string
	// created says that it was made here, so that it is removed at the end.
	created  bool
	dev, ino uint64
}

// openPipe opens a FIFO for writing, and makes it if it is not there. It is open
// for reading too: then it can be opened, and written to, without a reader.
func openPipe(cfg FIFO) (*pipe, error) {
	uid, gid, err := owner(cfg)
	if err != nil {
		return nil, err
	}
	created := false
	var before unix.Stat_t
	err = unix.Lstat(cfg.Path, &before)
	if errors.Is(err, unix.ENOENT) {
		if err := unix.Mkfifo(cfg.Path, fifoMode); err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, &os.PathError{Op: "make FIFO", Path: cfg.Path, Err: err}
		}
		created = true
		err = unix.Lstat(cfg.Path, &before)
	}
	if err != nil {
		return nil, &os.PathError{Op: "look at", Path: cfg.Path, Err: err}
	}
	if before.Mode&unix.S_IFMT != unix.S_IFIFO { // opening a device can do harm
		return nil, fmt.Errorf("%s exists and is not a FIFO: remove it or use another path", cfg.Path)
	}
	const flags = unix.O_RDWR | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Open(cfg.Path, flags|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.EACCES) && !created && int(before.Uid) == uid {
		fd, err = openGiven(cfg.Path, uid, flags)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: cfg.Path, Err: err}
	}
	p := &pipe{file: os.NewFile(uintptr(fd), cfg.Path), path: cfg.Path, created: created}
	if err := p.claim(fd, uid, gid); err != nil {
		p.file.Close()
		return nil, err
	}
	return p, nil
}

// openGiven opens a FIFO that an earlier run has given to its user and that root
// may not write to without CAP_DAC_OVERRIDE: it is taken back before, and claim
// gives it away again.
func openGiven(path string, uid, flags int) (int, error) {
	at, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(at)
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return -1, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFIFO || int(st.Uid) != uid {
		return -1, unix.EACCES // another one by now
	}
	if err := unix.Fchownat(at, "", os.Geteuid(), -1, unix.AT_EMPTY_PATH); err != nil {
		return -1, err
	}
	return unix.Open(fmt.Sprintf("/proc/self/fd/%d", at), flags, 0)
}

// claim looks whether it is a FIFO that may be ours, and gives it its owner.
func (p *pipe) claim(fd, uid, gid int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &os.PathError{Op: "look at", Path: p.path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return fmt.Errorf("%s is not a FIFO", p.path)
	}
	if int(st.Uid) != uid && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d: remove it, or name that user as the owner of the FIFO", p.path, st.Uid)
	}
	p.dev, p.ino = st.Dev, st.Ino
	if p.created {
		if err := unix.Fchmod(fd, fifoMode); err != nil { // the umask may have cut it
			return &os.PathError{Op: "change mode of", Path: p.path, Err: err}
		}
	}
	if int(st.Uid) == uid && (gid < 0 || int(st.Gid) == gid) {
		return nil
	}
	return p.give(uid, gid)
}

func (p *pipe) give(uid, gid int) error {
	if err := p.file.Chown(uid, gid); err != nil {
		return fmt.Errorf("give FIFO to user %d: %w (needs root or CAP_CHOWN)", uid, err)
	}
	return nil
}

// chown gives an open FIFO its new owner.
func (p *pipe) chown(cfg FIFO) error {
	uid, gid, err := owner(cfg)
	if err != nil {
		return err
	}
	return p.give(uid, gid)
}

// inPlace reports whether the path still leads to this FIFO.
func (p *pipe) inPlace() bool {
	var st unix.Stat_t
	return unix.Lstat(p.path, &st) == nil && st.Dev == p.dev && st.Ino == p.ino
}

// remove takes away what was made here, unless it is another's by now.
func (p *pipe) remove() {
	if p.created && p.inPlace() {
		_ = os.Remove(p.path) // a leftover does no harm
	}
}

// owner finds whom a FIFO is for; gid is -1 if any group will do.
func owner(cfg FIFO) (uid, gid int, err error) {
	if cfg.User == "" {
		return os.Geteuid(), -1, nil
	}
	u, err := user.Lookup(cfg.User)
	if err != nil {
		byID, idErr := user.LookupId(cfg.User)
		if idErr != nil {
			return numericOwner(cfg, err)
		}
		u = byID
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, fmt.Errorf("owner of %s: %w", cfg.Path, err)
	}
	if cfg.Group == "" {
		gid, err = strconv.Atoi(u.Gid)
	} else {
		gid, err = groupID(cfg.Group)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("owner of %s: %w", cfg.Path, err)
	}
	return uid, gid, nil
}

// numericOwner is a user by number that has no name.
func numericOwner(cfg FIFO, lookup error) (uid, gid int, err error) {
	uid, err = strconv.Atoi(cfg.User)
	if err != nil || uid < 0 {
		return 0, 0, fmt.Errorf("owner of %s: %w", cfg.Path, lookup)
	}
	if cfg.Group == "" {
		return uid, -1, nil
	}
	if gid, err = groupID(cfg.Group); err != nil {
		return 0, 0, fmt.Errorf("owner of %s: %w", cfg.Path, err)
	}
	return uid, gid, nil
}

func groupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err == nil {
		return strconv.Atoi(g.Gid)
	}
	if id, numErr := strconv.Atoi(name); numErr == nil && id >= 0 {
		return id, nil
	}
	return 0, fmt.Errorf("group %s: %w", name, err)
}

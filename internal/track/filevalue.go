package track

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxFile is how much of a tracked file is read: a number with room around it.
const maxFile = 256

// networked are file systems on which changes made elsewhere are not told
// (network, FUSE), and made-up ones whose files do not change by being written
// (proc, sysfs …). Magic numbers from linux/magic.h and statfs(2).
var networked = map[int64]string{
	unix.PROC_SUPER_MAGIC: "proc", unix.SYSFS_MAGIC: "sysfs", unix.DEBUGFS_MAGIC: "debugfs", unix.TRACEFS_MAGIC: "tracefs",
	unix.SECURITYFS_MAGIC: "securityfs", unix.DEVPTS_SUPER_MAGIC: "devpts", unix.CGROUP_SUPER_MAGIC: "cgroup", unix.CGROUP2_SUPER_MAGIC: "cgroup2",
	unix.BPF_FS_MAGIC: "bpf", unix.EFIVARFS_MAGIC: "efivarfs", unix.PSTOREFS_MAGIC: "pstore", 0x62656570: "configfs",
	unix.NFS_SUPER_MAGIC: "NFS", unix.SMB_SUPER_MAGIC: "SMB", unix.CIFS_SUPER_MAGIC: "CIFS", unix.SMB2_SUPER_MAGIC: "SMB2",
	unix.AFS_SUPER_MAGIC: "AFS", unix.AFS_FS_MAGIC: "AFS", unix.CODA_SUPER_MAGIC: "Coda", unix.CEPH_SUPER_MAGIC: "Ceph", unix.V9FS_MAGIC: "9p",
	unix.FUSE_SUPER_MAGIC: "FUSE", unix.OCFS2_SUPER_MAGIC: "OCFS2", 0x01161970: "GFS2", 0x0bd00bd0: "Lustre", 0x47504653: "GPFS",
}

// CheckFileSystem refuses a tracked file on a file system that does not tell of
// changes. The file need not exist; the nearest directory that does decides.
func CheckFileSystem(path string) error {
	dir := filepath.Dir(path)
	var st unix.Statfs_t
	for {
		err := unix.Statfs(dir, &st)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.ENOENT) || dir == "/" {
			return fmt.Errorf("look at the file system of %s: %w", dir, err)
		}
		dir = filepath.Dir(dir)
	}
	if name := networked[int64(st.Type)]; name != "" {
		return fmt.Errorf("%s is on %s, which does not tell of every change: use a local file system, such as /run", path, name)
	}
	return nil
}

// readValue reads the number in a tracked file. A missing file is 0, and so is
// one that holds something else, with problem saying what is wrong with it.
func readValue(path string) (value int, problem string) {
	// Not blocking: it could have been replaced by a FIFO.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, ""
	}
	if err != nil {
		return 0, err.Error()
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return 0, "not a regular file"
	}
	var buf [maxFile]byte
	n, err := io.ReadFull(f, buf[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, fmt.Sprintf("read %s: %v", path, err)
	}
	return parseValue(string(buf[:n]))
}

// parseValue reads a decimal number with white space around it. Numbers that no
// weight could tell apart from larger ones are cut.
func parseValue(text string) (value int, problem string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, "" // as keepalived: nothing is no news
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if errors.Is(err, strconv.ErrRange) {
		if text[0] == '-' {
			return math.MinInt32, ""
		}
		return math.MaxInt32, ""
	}
	if err != nil {
		return 0, fmt.Sprintf("%.40q is not a number", text)
	}
	return int(n), ""
}

// create writes what init_file wants to a tracked file.
func (f File) create() error {
	if f.Init == nil {
		return nil
	}
	// Never through a symbolic link, which could lead anywhere.
	flags := os.O_WRONLY | os.O_CREATE | unix.O_NOFOLLOW | unix.O_NONBLOCK
	if f.Init.Overwrite {
		flags |= os.O_TRUNC
	} else {
		flags |= os.O_EXCL
	}
	w, err := os.OpenFile(f.Path, flags, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("init_file: %w", err)
	}
	_, err = fmt.Fprintln(w, f.Init.Value)
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("init_file: %w", err)
	}
	return nil
}

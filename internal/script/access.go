package script

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links a path may contain (the kernel's
// MAXSYMLINKS).
const maxLinks = 40

// InsecureError says that somebody other than root can change what would run
// with root's rights.
type InsecureError struct {
	// Path is the program as it is configured, Element the part of it that others
	// can change, with symbolic links followed.
	Path, Element string
	// Why says who can, and what to do.
	Why string
}

// Error names the element.
func (e *InsecureError) Error() string {
	if e.Element == e.Path {
		return fmt.Sprintf("%s must not run as root: it %s", e.Path, e.Why)
	}
	return fmt.Sprintf("%s must not run as root: %s %s", e.Path, e.Element, e.Why)
}

// walk visits every part of an absolute path from the root on, symbolic links
// themselves and then what they point to.
func walk(path string, visit func(path string, st *syscall.Stat_t) error) error {
	done, links := "/", 0
	if err := visitAt(done, visit); err != nil {
		return err
	}
	todo := strings.Split(path, "/")
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			done = filepath.Dir(done)
			continue
		}
		next := filepath.Join(done, part)
		if err := visitAt(next, visit); err != nil {
			return err
		}
		target, err := os.Readlink(next)
		if err != nil { // not a link
			done = next
			continue
		}
		if links++; links > maxLinks {
			return fmt.Errorf("%s: %w", path, syscall.ELOOP)
		}
		if filepath.IsAbs(target) {
			done = "/"
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return nil
}

func visitAt(path string, visit func(string, *syscall.Stat_t) error) error {
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		return &os.PathError{Op: "look at", Path: path, Err: err}
	}
	return visit(path, &st)
}

// secure applies script security (keepalived.conf: enable_script_security).
func (r *Runnable) secure(on bool) error {
	var st syscall.Stat_t
	if err := syscall.Stat(r.Path, &st); err != nil {
		return &os.PathError{Op: "look at", Path: r.Path, Err: err}
	}
	setuid := st.Mode&syscall.S_ISUID != 0 && st.Uid == 0
	setgid := st.Mode&syscall.S_ISGID != 0 && st.Gid == 0
	if r.UID != 0 && r.GID != 0 && !setuid && !setgid {
		return nil
	}
	err := checkSecure(r.Path)
	var insecure *InsecureError
	if !on && errors.As(err, &insecure) {
		r.Notes = append(r.Notes, insecure.Error()+" (allowed because enable_script_security is off)")
		return nil
	}
	r.Secured = on
	return err
}

// checkSecure wants every part of a path to be root's and not writable by group
// or others; a sticky directory may be writable, for there only root can replace
// what is root's.
func checkSecure(path string) error {
	return walk(path, func(part string, st *syscall.Stat_t) error {
		why := ""
		link := st.Mode&syscall.S_IFMT == syscall.S_IFLNK // has no mode of its own
		sticky := st.Mode&syscall.S_IFMT == syscall.S_IFDIR && st.Mode&syscall.S_ISVTX != 0
		switch {
		case st.Uid != 0:
			why = fmt.Sprintf("belongs to user %d (chown root %s)", st.Uid, part)
		case link || sticky:
		case st.Mode&syscall.S_IWGRP != 0:
			why = fmt.Sprintf("is writable by its group (chmod g-w %s)", part)
		case st.Mode&syscall.S_IWOTH != 0:
			why = fmt.Sprintf("is writable by everybody (chmod o-w %s)", part)
		}
		if why != "" {
			return &InsecureError{Path: path, Element: part, Why: why}
		}
		return nil
	})
}

// checkAccess says which part of the path the user may not pass. The kernel says
// it at each run; this says it when the configuration is read. An interpreter
// has to read its file too.
func (r *Runnable) checkAccess(text bool) error {
	return walk(r.Path, func(part string, st *syscall.Stat_t) error {
		kind := st.Mode & syscall.S_IFMT
		if kind == syscall.S_IFLNK || hasACL(part) {
			return nil
		}
		if r.may(st, 1) {
			if text && kind == syscall.S_IFREG && r.UID != 0 && !r.may(st, 4) {
				return fmt.Errorf("%s: user %s may not read it (mode %04o), and its interpreter runs as that user: chmod +r", r.Path, r.User, st.Mode&0o7777)
			}
			return nil
		}
		if kind == syscall.S_IFDIR {
			return fmt.Errorf("%s: user %s may not enter %s (mode %04o): make it accessible (chmod o+x) or move the program", r.Path, r.User, part, st.Mode&0o7777)
		}
		return fmt.Errorf("%s: user %s may not execute it (mode %04o): chmod +x", r.Path, r.User, st.Mode&0o7777)
	})
}

// may reports whether the mode bits give the user a permission (4 read, 2 write,
// 1 execute).
func (r *Runnable) may(st *syscall.Stat_t, bit uint32) bool {
	switch {
	case r.UID == 0:
		return st.Mode&0o111 != 0 || st.Mode&syscall.S_IFMT == syscall.S_IFDIR
	case st.Uid == r.UID:
		return st.Mode&(bit<<6) != 0
	case st.Gid == r.GID || slices.Contains(r.Groups, st.Gid):
		return st.Mode&(bit<<3) != 0
	}
	return st.Mode&bit != 0
}

// hasACL reports whether access is decided by more than the mode.
func hasACL(path string) bool {
	n, err := syscall.Getxattr(path, "system.posix_acl_access", nil)
	return err == nil && n > 0
}

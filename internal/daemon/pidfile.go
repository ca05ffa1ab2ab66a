package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// pidFile is a file with the number of the main process in one of keepalived's
// places. It is locked while the daemon runs, by an OFD lock as keepalived's since
// 2.3.
type pidFile struct {
	f    *os.File
	path string
}

// writePIDFiles makes and locks pid files. Another daemon that holds one, or a
// keepalived that is named in one, is a *RunningError.
func writePIDFiles(paths []string) (files []*pidFile, err error) {
	defer func() {
		if err != nil {
			removePIDFiles(files)
			files = nil
		}
	}()
	for _, path := range paths {
		p, err := writePIDFile(path)
		if err != nil {
			return files, err
		}
		files = append(files, p)
	}
	return files, nil
}

func writePIDFile(path string) (*pidFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, refused(filepath.Dir(path)+" cannot be made by this user", fmt.Errorf("write pid file: %w", err))
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, refused(path+" cannot be written by this user", fmt.Errorf("write pid file: %w", err))
	}
	if err := fillPIDFile(f, path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &pidFile{f: f, path: path}, nil
}

func fillPIDFile(f *os.File, path string) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("write pid file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("write pid file: %s is no file and stays as it is", path)
	}
	const most = 32
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return fmt.Errorf("read pid file: %w", err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		return &RunningError{What: path, PID: pid}
	}
	// keepalived 2.2 does not lock its file.
	if pid > 0 && pid != os.Getpid() && isKeepalived(pid) {
		return &RunningError{What: path, PID: pid}
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("write pid file: %w", err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("write pid file: %w", err)
	}
	return nil
}

// isKeepalived reports whether a process has keepalived's name.
func isKeepalived(pid int) bool {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err == nil && strings.TrimSpace(string(name)) == "keepalived"
}

// removePIDFiles removes the files and lets them go.
func removePIDFiles(files []*pidFile) {
	for _, p := range files {
		_ = os.Remove(p.path)
		_ = p.f.Close()
	}
}

package daemon

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPIDFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "new", "keepalived.pid"), filepath.Join(dir, "vrrp.pid")
	// One that was left behind by a process that is no keepalived.
	if err := os.WriteFile(b, []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	files, err := writePIDFiles([]string{a, b})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{a, b} {
		if text, err := os.ReadFile(path); string(text) != strconv.Itoa(os.Getpid())+"\n" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
	// Another daemon is refused, and takes away none of the files.
	var running *RunningError
	if _, err := writePIDFiles([]string{filepath.Join(dir, "own.pid"), b}); !errors.As(err, &running) || running.PID != os.Getpid() || running.What != b {
		t.Errorf("second: %v", err)
	}
	if _, err := os.Stat(b); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "own.pid")); err == nil {
		t.Error("the refused one leaves a file behind")
	}
	removePIDFiles(files)
	for _, path := range []string{a, b} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A keepalived that does not lock its file is found by its name.
func TestPIDFileOfKeepalived(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	fake := filepath.Join(dir, "keepalived")
	if err := os.Symlink(sleep, fake); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), fake, "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	path := filepath.Join(dir, "keepalived.pid")
	if err := os.WriteFile(path, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var running *RunningError
	if _, err := writePIDFiles([]string{path}); !errors.As(err, &running) || running.PID != cmd.Process.Pid {
		t.Errorf("%v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != strconv.Itoa(cmd.Process.Pid)+"\n" {
		t.Errorf("the file has %q now", text)
	}
}

// What is no file, or a link, is left alone.
func TestPIDFileTraps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "link")
	if err := errors.Join(unix.Mkfifo(fifo, 0o600), os.Symlink(filepath.Join(dir, "victim"), link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, link} {
		if _, err := writePIDFiles([]string{path}); err == nil {
			t.Errorf("%s was written", path)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode().IsRegular() {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
}

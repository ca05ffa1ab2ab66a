package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// hogMemory is what each process of the load "memory" maps, fills and gives back,
// again and again; hogFile is what each of the load "disk" writes.
const (
	hogMemory = 256 << 20
	hogFile   = 128 << 20
)

// hogs are the loads that are processes of their own, and how many of them run.
var hogs = map[string]struct {
	count int
	run   func(dir string) error
}{
	"busy loops": {16, func(string) error {
		for n := 0; ; n++ {
			_ = n
		}
	}},
	"fork storm": {4, func(string) error {
		for {
			if err := exec.Command("/bin/true").Run(); err != nil {
				return err
			}
		}
	}},
	"disk writes": {2, writeAgain},
	"memory":      {4, fillAgain},
}

// writeAgain writes a file, waits for the disk, and removes it.
func writeAgain(dir string) error {
	path := filepath.Join(dir, fmt.Sprintf("hog%d", os.Getpid()))
	defer os.Remove(path)
	block := make([]byte, 1<<20)
	for {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		for range hogFile / len(block) {
			if _, err := f.Write(block); err != nil {
				f.Close()
				return err
			}
		}
		if err := f.Sync(); err != nil {
			f.Close()
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
}

// fillAgain maps memory, touches each page, and gives it back: page faults, and
// pages that have to be cleared.
func fillAgain(string) error {
	for {
		b, err := unix.Mmap(-1, 0, hogMemory, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			return err
		}
		for i := 0; i < len(b); i += os.Getpagesize() {
			b[i] = 1
		}
		if err := unix.Munmap(b); err != nil {
			return err
		}
	}
}

// startHogs starts a load; what it returns ends it.
func startHogs(s settings, p *pair, name string) (stop func(), err error) {
	var running []func()
	stop = func() {
		for _, f := range running {
			f()
		}
	}
	self, err := os.Executable()
	if err != nil {
		return stop, err
	}
	for range hogs[name].count {
		cmd := p.client.Command(self, "-hog", name, "-hog-dir", s.dir)
		if err := cmd.Start(); err != nil {
			return stop, err
		}
		running = append(running, func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
	}
	return stop, nil
}

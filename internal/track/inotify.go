package track

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// dirEvents are what can change what a path in a directory means.
	dirEvents = unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR | unix.IN_EXCL_UNLINK
	// dirGone are those after which a directory has to be looked for again.
	dirGone = unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_UNMOUNT | unix.IN_IGNORED
)

// inEvent is one event of inotify.
type inEvent struct {
	wd   int32
	mask uint32
	name string
}

// parseInotify reads what read(2) on an inotify descriptor returned.
func parseInotify(b []byte) []inEvent {
	var list []inEvent
	for len(b) >= unix.SizeofInotifyEvent {
		ev := inEvent{wd: int32(binary.NativeEndian.Uint32(b)), mask: binary.NativeEndian.Uint32(b[4:])}
		length := int(binary.NativeEndian.Uint32(b[12:]))
		b = b[unix.SizeofInotifyEvent:]
		if length < 0 || length > len(b) {
			break
		}
		ev.name, _, _ = strings.Cut(string(b[:length]), "\x00")
		b = b[length:]
		list = append(list, ev)
	}
	return list
}

// dirWatch watches directories.
type dirWatch struct {
	fd     int
	file   *os.File // of the same descriptor, for reading
	events chan []inEvent
	stop   chan struct{}
	byDir  map[string]int32 // several may be the same directory
}

func newDirWatch() (*dirWatch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("start inotify: %w (fs.inotify.max_user_instances)", err)
	}
	return &dirWatch{
		fd: fd, file: os.NewFile(uintptr(fd), "inotify"), events: make(chan []inEvent), stop: make(chan struct{}),
		byDir: map[string]int32{},
	}, nil
}

// read hands over events until close.
func (w *dirWatch) read() {
	buf := make([]byte, 16<<10)
	for {
		n, err := w.file.Read(buf)
		if err != nil {
			return
		}
		select {
		case w.events <- parseInotify(buf[:n]):
		case <-w.stop:
			return
		}
	}
}

func (w *dirWatch) close() {
	close(w.stop)
	_ = w.file.Close()
}

// keep makes the watched directories those given, and reports whether all are.
func (w *dirWatch) keep(dirs map[string]bool) (all bool) {
	for dir := range w.byDir {
		if !dirs[dir] {
			w.drop(dir)
		}
	}
	all = true
	for dir := range dirs {
		// Also for one that is watched: it may be another directory by now.
		wd, err := unix.InotifyAddWatch(w.fd, dir, dirEvents)
		if err != nil {
			all = false
			continue
		}
		if old, ok := w.byDir[dir]; ok && old != int32(wd) {
			w.drop(dir)
		}
		w.byDir[dir] = int32(wd)
	}
	return all
}

// drop ends the watch of a directory.
func (w *dirWatch) drop(dir string) {
	wd := w.byDir[dir]
	delete(w.byDir, dir)
	for _, other := range w.byDir {
		if other == wd {
			return
		}
	}
	_, _ = unix.InotifyRmWatch(w.fd, uint32(wd)) // gone is fine
}

// concern reports whether one of the events is about a name that matters.
func (w *dirWatch) concern(events []inEvent, matter map[hop]bool) (concern bool) {
	for _, ev := range events {
		if ev.mask&unix.IN_Q_OVERFLOW != 0 {
			concern = true
			continue
		}
		for dir, wd := range w.byDir {
			switch {
			case wd != ev.wd:
			case ev.mask&dirGone != 0:
				delete(w.byDir, dir)
				concern = true
			case matter[hop{dir, ev.name}]:
				concern = true
			}
		}
	}
	return concern
}

package track

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// rereadSlow heals what inotify cannot tell of (a mount over a directory, the
	// renaming of one further up), rereadFast stands in where it is not available.
	rereadSlow = 10 * time.Second
	rereadFast = time.Second
)

// fileWatcher reads tracked files at first and whenever they may have changed.
type fileWatcher struct {
	log    *slog.Logger
	report func(f File, value int, problem, source string)
	poke   chan struct{} // room for one

	mu    sync.Mutex
	want  []File
	start bool // want is that of the daemon's start: init_file

	// slow is rereadSlow; tests have their own.
	slow time.Duration

	// Owned by run.
	files  []File
	matter map[hop]bool
	watch  *dirWatch // nil before there are files, or where it is not available
}

func newFileWatcher(log *slog.Logger, report func(f File, value int, problem, source string)) *fileWatcher {
	return &fileWatcher{log: log, report: report, poke: make(chan struct{}, 1), slow: rereadSlow}
}

// set replaces the files. start says that the daemon starts.
func (w *fileWatcher) set(files []File, start bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.want, w.start = files, w.start || start
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// run watches until ctx is done.
func (w *fileWatcher) run(ctx context.Context) error {
	var reader sync.WaitGroup
	defer reader.Wait()
	defer func() {
		if w.watch != nil {
			w.watch.close()
		}
	}()
	timer := time.NewTimer(w.slow)
	defer timer.Stop()
	for {
		var events chan []inEvent
		if w.watch != nil {
			events = w.watch.events
		}
		var healing <-chan time.Time
		if len(w.files) > 0 {
			healing = timer.C
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.poke:
			w.take()
			if w.watch == nil && len(w.files) > 0 {
				w.open(&reader)
			}
		case list := <-events:
			if !w.watch.concern(list, w.matter) {
				continue
			}
		case <-healing:
		}
		timer.Reset(w.look())
	}
}

// take makes the wanted files those that are watched.
func (w *fileWatcher) take() {
	w.mu.Lock()
	start := w.start
	w.files, w.start = w.want, false
	w.mu.Unlock()
	if !start {
		return
	}
	for _, f := range w.files {
		if err := f.create(); err != nil {
			w.log.Warn("tracked file was not written", "name", f.Name, "file", f.Path, "err", err)
		}
	}
}

func (w *fileWatcher) open(reader *sync.WaitGroup) {
	watch, err := newDirWatch()
	if err != nil {
		w.log.Warn("tracked files are polled", "err", err)
		return
	}
	w.watch = watch
	reader.Go(watch.read)
}

// look follows the paths, watches what is on them, reads the files, and says
// when to look again.
func (w *fileWatcher) look() time.Duration {
	refused := make([]error, len(w.files))
	dirs := map[string]bool{}
	w.matter = map[hop]bool{}
	for i, f := range w.files {
		if refused[i] = CheckFileSystem(f.Path); refused[i] != nil {
			continue
		}
		for _, h := range hops(f.Path) {
			w.matter[h] = true
			dirs[h.dir] = true
		}
	}
	again, source := w.slow, "inotify"
	// Watch first, read then: a change between the two is read twice at worst.
	if w.watch == nil || !w.watch.keep(dirs) {
		again, source = rereadFast, "read every second: inotify is not available"
	}
	for i, f := range w.files {
		if refused[i] != nil {
			w.report(f, 0, refused[i].Error(), "")
			continue
		}
		value, problem := readValue(f.Path)
		w.report(f, value, problem, source)
	}
	return again
}

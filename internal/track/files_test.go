package track

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// readings is what a watcher of files reports.
type readings struct {
	mu    sync.Mutex
	value map[string]int
	what  map[string]string // the problem
	count int
}

func (r *readings) report(f File, value int, problem, _ string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	r.value[f.Name], r.what[f.Name] = value, problem
}

// watchFiles runs a watcher until the test ends.
func watchFiles(t *testing.T, start bool, files ...File) (*fileWatcher, *readings) {
	t.Helper()
	r := &readings{value: map[string]int{}, what: map[string]string{}}
	w := newFileWatcher(slog.New(slog.DiscardHandler), r.report)
	w.set(files, start)
	runFiles(t, w)
	return w, r
}

func runFiles(t *testing.T, w *fileWatcher) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// wants waits for a value; it must come by an event, that is soon.
func (r *readings) wants(t *testing.T, name string, value int) {
	t.Helper()
	eventually(t, rereadSlow/2, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if got, ok := r.value[name]; !ok || got != value {
			return fmt.Errorf("%s is %d (%s), want %d", name, got, r.what[name], value)
		}
		return nil
	})
}

// eventually asks until there is no error.
func eventually(t *testing.T, timeout time.Duration, fn func() error) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(timeout); ; {
		err := fn()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-tick.C
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

// TestFileChanges changes files in all the ways that files are changed in.
func TestFileChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := dir + "/value"
	_, r := watchFiles(t, true, File{Name: "f", Path: path})
	r.wants(t, "f", 0)
	put(t, path, "5\n") // created
	r.wants(t, "f", 5)
	put(t, path, "-254") // written in place
	r.wants(t, "f", -254)
	put(t, dir+"/tmp", "7")
	must(t, os.Rename(dir+"/tmp", path)) // replaced
	r.wants(t, "f", 7)
	must(t, os.Remove(path)) // removed
	r.wants(t, "f", 0)
	put(t, dir+"/tmp", "8")
	must(t, os.Link(dir+"/tmp", path)) // linked
	r.wants(t, "f", 8)
	must(t, os.Rename(path, dir+"/away"))
	r.wants(t, "f", 0)
	must(t, os.Symlink(dir+"/tmp", path))
	r.wants(t, "f", 8)
	put(t, dir+"/tmp", "9") // what a link points to
	r.wants(t, "f", 9)
	put(t, dir+"/tmp", "nine")
	r.wants(t, "f", 0)
	must(t, os.Remove(path))
	must(t, unix.Mkfifo(path, 0o644)) // must not block
	put(t, dir+"/noise", "1")
	r.wants(t, "f", 0)
	must(t, os.Remove(path))
	put(t, path, "10")
	r.wants(t, "f", 10)
}

// TestFileInMissingDirectory: directories may appear, vanish and come back.
func TestFileInMissingDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, r := watchFiles(t, true, File{Name: "f", Path: dir + "/a/b/value"})
	r.wants(t, "f", 0)
	put(t, dir+"/a/b/value", "1")
	r.wants(t, "f", 1)
	must(t, os.Rename(dir+"/a/b", dir+"/a/old"))
	r.wants(t, "f", 0)
	put(t, dir+"/a/b/value", "2")
	r.wants(t, "f", 2)
	put(t, dir+"/a/old/value", "3") // no longer ours
	must(t, os.RemoveAll(dir+"/a/b"))
	r.wants(t, "f", 0)
	must(t, os.Rename(dir+"/a/old", dir+"/a/b"))
	r.wants(t, "f", 3)
}

// TestFileHealing: what causes no event is seen by looking.
func TestFileHealing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/a/b/c/value", "1")
	r := &readings{value: map[string]int{}, what: map[string]string{}}
	w := newFileWatcher(slog.New(slog.DiscardHandler), r.report)
	w.slow = 100 * time.Millisecond
	runFiles(t, w)
	w.set([]File{{Name: "f", Path: dir + "/a/b/c/value"}}, true)
	r.wants(t, "f", 1)
	must(t, os.Rename(dir+"/a", dir+"/old"))
	r.wants(t, "f", 0)
	must(t, os.Rename(dir+"/old", dir+"/a"))
	r.wants(t, "f", 1)
	put(t, dir+"/a/b/c/value", "2")
	r.wants(t, "f", 2)
}

// TestFileBehindDirectoryLink is how a Kubernetes ConfigMap changes.
func TestFileBehindDirectoryLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/..1/value", "1")
	put(t, dir+"/..2/value", "2")
	must(t, os.Symlink("..1", dir+"/..data"))
	must(t, os.Symlink("..data/value", dir+"/value"))
	_, r := watchFiles(t, true, File{Name: "f", Path: dir + "/value"})
	r.wants(t, "f", 1)
	must(t, os.Symlink("..2", dir+"/..tmp"))
	must(t, os.Rename(dir+"/..tmp", dir+"/..data"))
	r.wants(t, "f", 2)
}

func TestFilesSetAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/a", "1")
	put(t, dir+"/x/b", "2")
	w, r := watchFiles(t, true)
	w.set([]File{{Name: "a", Path: dir + "/a"}}, false)
	r.wants(t, "a", 1)
	w.set([]File{{Name: "b", Path: dir + "/x/b"}, {Name: "b2", Path: dir + "/x/../x/b"}}, false)
	r.wants(t, "b", 2)
	r.wants(t, "b2", 2)
	r.mu.Lock()
	r.value["a"] = -1
	r.mu.Unlock()
	put(t, dir+"/a", "3")
	put(t, dir+"/x/b", "4")
	r.wants(t, "b", 4)
	r.wants(t, "b2", 4)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.value["a"] != -1 {
		t.Error("a file that is no longer tracked was read")
	}
}

// TestOtherFilesAreNoise: events of other files in the directory cause no
// reading.
func TestOtherFilesAreNoise(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/f", "1")
	_, r := watchFiles(t, true, File{Name: "f", Path: dir + "/f"})
	r.wants(t, "f", 1)
	for i := range 100 {
		put(t, fmt.Sprintf("%s/noise%d", dir, i), "x")
	}
	put(t, dir+"/f", "2")
	r.wants(t, "f", 2)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count > 5 {
		t.Errorf("read %d times", r.count)
	}
}

func TestInitFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/old", "1")
	put(t, dir+"/over", "a long text that goes")
	must(t, os.Symlink(dir+"/target", dir+"/link"))
	files := []File{
		{Name: "new", Path: dir + "/new", Init: &InitFile{Value: 5}},
		{Name: "old", Path: dir + "/old", Init: &InitFile{Value: 6}},
		{Name: "over", Path: dir + "/over", Init: &InitFile{Value: -7, Overwrite: true}},
		{Name: "link", Path: dir + "/link", Init: &InitFile{Value: 8, Overwrite: true}},
	}
	w, r := watchFiles(t, true, files...)
	for name, want := range map[string]int{"new": 5, "old": 1, "over": -7, "link": 0} {
		r.wants(t, name, want)
	}
	if _, err := os.Lstat(dir + "/target"); err == nil {
		t.Error("init_file was written through a symbolic link")
	}
	put(t, dir+"/over", "9")
	r.wants(t, "over", 9)
	w.set(files, false) // a reload
	must(t, os.Remove(dir+"/new"))
	r.wants(t, "new", 0)
	r.wants(t, "over", 9)
}

func TestCheckFileSystem(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/proc/sys/net/core/somaxconn": "proc",
		"/proc/no/such/file":           "proc",
		"/sys/class/net/lo/carrier":    "sysfs",
		t.TempDir() + "/x":             "",
		"/no/such/dir/x":               "",
	} {
		err := CheckFileSystem(path)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), " is on "+want)) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	_, r := watchFiles(t, true, File{Name: "p", Path: "/proc/sys/net/core/somaxconn"})
	r.wants(t, "p", 0)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !strings.Contains(r.what["p"], "does not tell of every change") {
		t.Errorf("problem %q", r.what["p"])
	}
}

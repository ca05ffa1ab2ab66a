package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"hakeep/internal/nstest"
)

// TestPairs runs the files of testdata as the command runs those of any folder.
func TestPairs(t *testing.T) {
	nstest.Require(t)
	nstest.RequireTool(t, "keepalived")
	// The routers' /tmp is empty, and this tree may be in it.
	dir := outside(t)
	if err := os.CopyFS(dir, os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	list, err := choose(dir, []string{"group.conf", "six.conf"}, "low", 0)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{hakeep: visible(t, nstest.Binary(t)), id: "low"}
	for _, r := range runAll(list, 2, nil, h) {
		if r.idle || len(r.problems) > 0 || r.addresses != "same" || r.adverts != "same" || r.calls == "none" || r.link != "good" {
			t.Errorf("%s: addresses %s, adverts %s, calls %s, one link %s: %q\n%s", r.file, r.addresses, r.adverts, r.calls, r.link, r.problems, r.logs)
		}
	}
}

// visible copies a program to where the routers, whose /tmp is empty, see it.
func visible(t *testing.T, path string) string {
	t.Helper()
	dir := outside(t)
	from, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(dir, "hakeep"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return to.Name()
}

// outside is a directory that the routers see.
func outside(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "hakeep-pairs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

package script

import (
	"os"
	"path/filepath"
	"testing"
)

// openDir is a directory that every user may enter, which t.TempDir's is not.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "script")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// write makes a file with a mode that no umask cuts.
func write(t testing.TB, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// shell makes a runnable of a shell script, as the user of the test.
func shell(t testing.TB, text string) Runnable {
	t.Helper()
	path := write(t, filepath.Join(openDir(t), "check.sh"), "#!/bin/sh\n"+text+"\n", 0o755)
	return Runnable{
		Path: path, Argv: []string{path}, User: "me", Dir: "/",
		UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()),
	}
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		skipOrFail(t, "needs root")
	}
}

// skipOrFail is nstest.SkipOrFail, which is of a layer above.
func skipOrFail(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("HAKEEP_E2E") == "strict" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

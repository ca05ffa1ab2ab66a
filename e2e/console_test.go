package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hakeep/internal/nstest"
)

// TestUmaskAndReloadFile: what a program makes has the rights of umask, which a
// reload changes; reload_file is gone after a reload, also a refused one, and
// does not empty what a symbolic link leads to.
func TestUmaskAndReloadFile(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	dir := nstest.ShortDir(t)
	script := writeFile(t, dir, "s.sh", "#!/bin/sh\ntouch "+dir+"/made.$1\n", 0o755)
	flag := filepath.Join(dir, "reload")
	config := func(umask, arg string) string {
		return globals(instance{toml: "track_script = [\"s\"]"}, asRoot+fmt.Sprintf("umask = %q\nreload_file = %q\n", umask, flag)+
			fmt.Sprintf("[[vrrp_script]]\nname = \"s\"\nscript = [%q, %q]\ninterval = \"200ms\"\n", script, arg))
	}
	made := func(arg string, want os.FileMode) {
		t.Helper()
		nstest.Eventually(t, patience, func() error {
			info, err := os.Stat(filepath.Join(dir, "made."+arg))
			if err == nil && info.Mode().Perm() != want {
				err = fmt.Errorf("mode %v, want %v", info.Mode().Perm(), want)
			}
			return err
		})
	}
	h := nstest.Hakeep(t, p.a, config("077", "one"))
	made("one", 0o600)
	gone := func(what string) {
		t.Helper()
		if _, err := os.Lstat(flag); !os.IsNotExist(err) {
			t.Errorf("after %s: reload_file is still there (%v)", what, err)
		}
	}
	gone("the start")
	write := func(text string) {
		t.Helper()
		if err := h.WriteConfig(text); err != nil {
			t.Fatal(err)
		}
	}
	write(config("IWGRP|IRWX", "two"))
	writeFile(t, dir, "reload", "not empty", 0o644)
	if code, out := reload(t, h); code == 0 {
		t.Errorf("a wrong umask is accepted: %s", out)
	}
	gone("a refused reload")
	write(config("IWGRP|IROTH|IWOTH", "two"))
	writeFile(t, dir, "reload", "not empty", 0o644)
	if code, out := reload(t, h); code != 0 || !strings.Contains(out, `global_defs.umask: "077" -> "IWGRP|IROTH|IWOTH"`) {
		t.Errorf("reload: exit %d\n%s", code, out)
	}
	gone("a reload")
	made("two", 0o640)
	precious := writeFile(t, dir, "precious", "text", 0o644)
	if err := os.Symlink(precious, flag); err != nil {
		t.Fatal(err)
	}
	if code, out := reload(t, h); code != 0 || !strings.Contains(out, "warning: reload_file") {
		t.Errorf("reload with a symbolic link: exit %d\n%s", code, out)
	}
	if readText(precious) != "text" {
		t.Error("what the symbolic link leads to was emptied")
	}
}

// TestConsole is what a newcomer stumbles over: a port that is taken, and a main
// process that has died.
func TestConsole(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	var taken net.Listener
	if err := p.a.Do(func() (err error) {
		taken, err = net.Listen("tcp", "127.0.0.1:9112")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	config := func(text string) string {
		return strings.Replace(instance{}.TOML(), "vrrp_version = 3", "vrrp_version = 3\n"+text, 1)
	}
	h := nstest.Hakeep(t, p.a, config(""))
	awaitState(t, h, "MASTER")
	if err := h.WriteConfig(config(`http_listen = "127.0.0.1:9112"`)); err != nil {
		t.Fatal(err)
	}
	if code, out := reload(t, h); code != 0 || !strings.Contains(out, "warning: http_listen: ") || !strings.Contains(out, "address already in use") {
		t.Errorf("reload: exit %d, does not say that the port is taken:\n%s", code, out)
	}
	told := func(text string) error {
		stdout, stderr, _, err := h.CLI(nstest.Context(t, patience), "events")
		if err == nil && !strings.Contains(stdout, text) {
			err = fmt.Errorf("no event %q: %s%s; log: %s", text, stdout, stderr, h.LogText())
		}
		return err
	}
	nstest.Eventually(t, patience, func() error { return told("error: daemon: http_listen: ") })
	if !strings.Contains(h.LogText(), "metrics are not served") {
		t.Error("the log does not say it")
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	nstest.Eventually(t, patience, func() error { return told("http_listen: metrics are served") })

	elector, err := h.ElectorPid()
	if err != nil {
		t.Fatal(err)
	}
	h.KillMain()
	stdout, stderr, code, err := h.CLI(nstest.Context(t, patience), "status")
	if want := fmt.Sprintf("its elector (process %d) lives", elector); err != nil || code != 2 || !strings.Contains(stderr, want) {
		t.Errorf("status without main: exit %d, %v, want %q in %q %q", code, err, want, stdout, stderr)
	}
}

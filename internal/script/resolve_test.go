package script

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// fakeUsers is a user database with root, hakeep_script (unless missing) and
// bob.
func fakeUsers(euid int, missing ...string) users {
	accounts := map[string]*user.User{
		"root":      {Uid: "0", Gid: "0", Username: "root", HomeDir: "/root"},
		DefaultUser: {Uid: "990", Gid: "991", Username: DefaultUser, HomeDir: "/nonexistent"},
		"bob":       {Uid: "1000", Gid: "1000", Username: "bob", HomeDir: "/home/bob"},
	}
	for _, name := range missing {
		delete(accounts, name)
	}
	return users{
		euid: euid,
		byN: func(name string) (*user.User, error) {
			if u := accounts[name]; u != nil {
				return u, nil
			}
			return nil, user.UnknownUserError(name)
		},
		byID: func(id string) (*user.User, error) {
			for _, u := range accounts {
				if u.Uid == id {
					return u, nil
				}
			}
			return nil, fmt.Errorf("user %s: unknown", id)
		},
		group: func(name string) (*user.Group, error) {
			if name == "adm" {
				return &user.Group{Gid: "4", Name: "adm"}, nil
			}
			return nil, user.UnknownGroupError(name)
		},
		ids: func(u *user.User) ([]string, error) { return []string{u.Gid, "27"}, nil },
	}
}

func TestWhoRunsIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name              string
		user, group, deft string
		euid              int
		missing           []string
		uid, gid          uint32
		err               string
	}{
		{name: "nothing said: the package's user, never root", uid: 990, gid: 991},
		{name: "no such user: an error, never root", missing: []string{DefaultUser}, err: "neither user nor script_user is set, and user hakeep_script does not exist"},
		{name: "script_user", deft: "bob", uid: 1000, gid: 1000},
		{name: "script_user with group", deft: "bob adm", uid: 1000, gid: 4},
		{name: "own user before script_user", user: "bob", deft: "root", uid: 1000, gid: 1000},
		{name: "own user does not take the group of script_user", user: "bob", deft: "root adm", uid: 1000, gid: 1000},
		{name: "user and group in one", user: "bob adm", uid: 1000, gid: 4},
		{name: "group apart", user: "bob", group: "adm", uid: 1000, gid: 4},
		{name: "only a group", group: "adm", deft: "bob", uid: 1000, gid: 4},
		{name: "root when said", user: "root"},
		{name: "root by script_user", deft: "root"},
		{name: "by number", user: "1000", uid: 1000, gid: 1000},
		{name: "unknown number with group", user: "4711", group: "12", uid: 4711, gid: 12},
		{name: "unknown number", user: "4711", err: "has no group"},
		{name: "unknown user", user: "eve", err: "user eve does not exist"},
		{name: "unknown group", user: "bob", group: "wheels", err: "group wheels does not exist"},
		{name: "daemon without root's rights", euid: 1000, missing: []string{DefaultUser}, uid: 1000, gid: 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := Command{Argv: []string{"/bin/sh"}, User: c.user, Group: c.group}
			r, err := resolve(cmd, c.deft, false, fakeUsers(c.euid, c.missing...), "")
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one with %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.UID != c.uid || r.GID != c.gid {
				t.Errorf("runs as %d:%d, want %d:%d", r.UID, r.GID, c.uid, c.gid)
			}
		})
	}
}

func TestWhatCanRun(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	ok := write(t, dir+"/ok.sh", "#!/bin/sh\nexit 0\n", 0o755)
	for _, c := range []struct {
		name, program, want string
	}{
		{"script", ok, ""},
		{"binary", "/bin/sh", ""},
		{"without path", "sh", ""},
		{"nothing", "", "the command is empty"},
		{"relative", "./ok.sh", "write the full path"},
		{"not in PATH", "no-such-program", "not found in PATH"},
		{"missing", dir + "/gone.sh", "gone.sh: no such file"},
		{"directory", dir, "a directory"},
		{"not executable", write(t, dir+"/noexec.sh", "#!/bin/sh\n", 0o644), "may not execute it (mode 0644)"},
		{"empty", write(t, dir+"/empty.sh", "", 0o755), "the file is empty"},
		{"no interpreter line", write(t, dir+"/shell.sh", "exit 0\n", 0o755), `write "#!/bin/sh" as its first line, or run it as ["/bin/sh", "` + dir},
		{"interpreter missing", write(t, dir+"/lua.sh", "#!/usr/bin/no-such-lua\n", 0o755), "interpreter: stat /usr/bin/no-such-lua"},
		{"no interpreter", write(t, dir+"/hash.sh", "#!\n", 0o755), `no interpreter after "#!"`},
		{"lines of another system", write(t, dir+"/crlf.sh", "#!/bin/sh\r\nexit 0\r\n", 0o755), "CR LF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := resolve(Command{Argv: []string{c.program}, User: "root"}, "", false, fakeUsers(0), "relative::/usr/bin:/bin")
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if c.name == "without path" && (!filepath.IsAbs(r.Path) || len(r.Notes) == 0) {
					t.Errorf("got %+v, want an absolute path and a note", r)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestUserMayNot(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	const sh = "#!/bin/sh\n"
	write(t, dir+"/private/in.sh", sh, 0o755)
	if err := os.Chmod(dir+"/private", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{dir + "/private/in.sh", "may not enter " + dir + "/private (mode 0700)"},
		{write(t, dir+"/mine.sh", sh, 0o744), "may not execute it (mode 0744)"},
		{write(t, dir+"/unread.sh", sh, 0o751), "may not read it"},
	} {
		_, err := resolve(Command{Argv: []string{c.path}, User: "4711", Group: "4711"}, "", false, fakeUsers(0), "")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.path, err, c.want)
		}
	}
}

func TestScriptSecurity(t *testing.T) {
	t.Parallel()
	needRoot(t)
	const sh = "#!/bin/sh\n"
	dir := openDir(t)
	mode := func(path string, m uint32) string {
		if err := os.Chmod(path, os.FileMode(m&0o777)|stickyBit(m)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := func(name string, m os.FileMode) string { return write(t, filepath.Join(dir, name), sh, m) }
	link := func(target, name string) string {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	good := file("good.sh", 0o755)
	inGroup, inOthers, inSticky := file("g/x.sh", 0o755), file("o/x.sh", 0o755), file("s/x.sh", 0o755)
	mode(dir+"/g", 0o775)
	mode(dir+"/o", 0o757)
	mode(dir+"/s", 0o1777)
	bobs := file("bobs.sh", 0o755)
	if err := os.Chown(bobs, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	viaLink := link(inGroup, "link.sh")
	loop := link("loop.sh", "loop.sh")
	for _, c := range []struct{ name, path, element, why string }{
		{"fine", good, "", ""},
		{"in a sticky directory", inSticky, "", ""},
		{"by a link", link("good.sh", "good-link.sh"), "", ""},
		{"up and down", dir + "/g/../good.sh", dir + "/g", "writable by its group"},
		{"file of the group", file("fg.sh", 0o775), dir + "/fg.sh", "writable by its group"},
		{"file of all", file("fo.sh", 0o757), dir + "/fo.sh", "writable by everybody"},
		{"directory of the group", inGroup, dir + "/g", "writable by its group"},
		{"directory of all", inOthers, dir + "/o", "writable by everybody"},
		{"another owner", bobs, bobs, "belongs to user 1000"},
		{"what a link points to", viaLink, dir + "/g", "writable by its group"},
		{"link to itself", loop, "", "too many levels"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := Command{Argv: []string{c.path}, User: "root"}
			_, err := resolve(cmd, "", true, fakeUsers(0), "")
			if c.why == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.why) {
				t.Fatalf("error %v, want one with %q", err, c.why)
			}
			var insecure *InsecureError
			if c.element == "" {
				return
			}
			if !errors.As(err, &insecure) || insecure.Element != c.element {
				t.Errorf("error %v names %+v, want element %s", err, insecure, c.element)
			}
			if r, err := resolve(cmd, "", false, fakeUsers(0), ""); err != nil || len(r.Notes) == 0 {
				t.Errorf("security off: %v, notes %q; want a note", err, r.Notes)
			}
			cmd.User = "bob"
			if _, err := resolve(cmd, "", true, fakeUsers(0), ""); err != nil {
				t.Errorf("as another user: %v", err)
			}
		})
	}
}

func stickyBit(m uint32) os.FileMode {
	if m&0o1000 != 0 {
		return os.ModeSticky
	}
	return 0
}

func TestSetuidRootIsSecuredToo(t *testing.T) {
	t.Parallel()
	needRoot(t)
	path := write(t, openDir(t)+"/suid.sh", "#!/bin/sh\n", 0o757|os.ModeSetuid)
	if _, err := resolve(Command{Argv: []string{path}, User: "bob"}, "", true, fakeUsers(0), ""); err == nil {
		t.Error("a set-user-ID program of root that everybody may write was accepted")
	}
}

func TestSecurityIsCheckedAtEachRun(t *testing.T) {
	t.Parallel()
	needRoot(t)
	path := write(t, openDir(t)+"/later.sh", "#!/bin/sh\n", 0o755)
	r, err := Resolve(Command{Argv: []string{path}, User: "root"}, "", true)
	if err != nil {
		t.Fatal(err)
	}
	if res := Run(t.Context(), r, 0); !res.OK() {
		t.Fatalf("first run: %v", res)
	}
	if err := os.Chmod(path, 0o757); err != nil {
		t.Fatal(err)
	}
	var insecure *InsecureError
	if res := Run(t.Context(), r, 0); !errors.As(res.Err, &insecure) {
		t.Errorf("run after chmod o+w: %v, want it refused", res)
	}
}

package script

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// defaultPath is searched when the daemon has no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Resolve finds out what is to be executed, and as whom. defaultUser is the
// configured script_user ("USER" or "USER GROUP") and may be empty. With
// securityOn (keepalived: enable_script_security) a command that would run as
// root, or is set-user-ID or set-group-ID root, must be such that nobody else can
// change it: otherwise the error is an *[InsecureError] that names the part of
// the path. With securityOn false the same is a note.
//
// An error means that the command cannot run now. A caller that watches
// something counts that as failed, and may resolve again later: a user or a file
// may be installed meanwhile.
func Resolve(cmd Command, defaultUser string, securityOn bool) (Runnable, error) {
	return resolve(cmd, defaultUser, securityOn, systemUsers(), os.Getenv("PATH"))
}

func resolve(cmd Command, defaultUser string, securityOn bool, db users, path string) (Runnable, error) {
	if len(cmd.Argv) == 0 || cmd.Argv[0] == "" {
		return Runnable{}, errors.New("the command is empty")
	}
	program := cmd.Argv[0]
	id, err := db.choose(cmd, defaultUser)
	if err != nil {
		return Runnable{}, fmt.Errorf("%s: %w", program, err)
	}
	r := Runnable{
		Path: program, Argv: cmd.Argv, Env: cmd.Env, Dir: cmd.Dir,
		User: id.name, UID: id.uid, GID: id.gid, Groups: id.groups, Home: id.home,
	}
	if r.Dir == "" {
		r.Dir = "/"
	}
	if err := r.find(path); err != nil {
		return Runnable{}, err
	}
	text, err := r.checkFormat()
	if err != nil {
		return Runnable{}, err
	}
	if err := r.checkAccess(text); err != nil {
		return Runnable{}, err
	}
	if err := r.secure(securityOn); err != nil {
		return Runnable{}, err
	}
	return r, nil
}

// find makes Path absolute.
func (r *Runnable) find(path string) error {
	program := r.Path
	switch {
	case filepath.IsAbs(program):
		return nil
	case strings.Contains(program, "/"):
		return fmt.Errorf("%s: write the full path: the working directory of a daemon is arbitrary", program)
	}
	if path == "" {
		path = defaultPath
	}
	for dir := range strings.SplitSeq(path, ":") {
		if !filepath.IsAbs(dir) {
			continue // would depend on the working directory
		}
		candidate := filepath.Join(dir, program)
		if info, err := os.Stat(candidate); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			r.Path = candidate
			r.Notes = append(r.Notes, fmt.Sprintf("%s was found in PATH as %s: better write the full path", program, candidate))
			return nil
		}
	}
	return fmt.Errorf("%s: not found in PATH (%s)", program, path)
}

// checkFormat looks at the first bytes: the kernel executes binaries and files
// with an interpreter line. keepalived hands anything else to a shell, which is
// not done here. text says that it has an interpreter line.
func (r *Runnable) checkFormat() (text bool, err error) {
	info, err := os.Stat(r.Path)
	if err != nil {
		return false, fmt.Errorf("find program: %w", err)
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("%s is not a file that can be executed (%s)", r.Path, kindOf(info.Mode()))
	}
	f, err := os.Open(r.Path)
	if errors.Is(err, os.ErrPermission) {
		return false, nil // may be executed nevertheless
	}
	if err != nil {
		return false, fmt.Errorf("read program: %w", err)
	}
	defer f.Close()
	head := make([]byte, 256) // BINPRM_BUF_SIZE: the kernel reads no more of the line
	n, err := f.Read(head)
	if n == 0 {
		return false, fmt.Errorf("%s: %w", r.Path, emptyFile(err))
	}
	line, _, _ := strings.Cut(string(head[:n]), "\n")
	switch {
	case strings.HasPrefix(line, "\x7fELF"):
		return false, nil
	case strings.HasPrefix(line, "#!"):
		return true, r.checkInterpreter(line[2:])
	}
	return false, fmt.Errorf(`%s is neither a binary nor a script with an interpreter line: write "#!/bin/sh" as its first line, or run it as ["/bin/sh", %q]`, r.Path, r.Path)
}

func emptyFile(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return errors.New("the file is empty")
	}
	return fmt.Errorf("read program: %w", err)
}

// checkInterpreter says what execve only calls "no such file".
func (r *Runnable) checkInterpreter(line string) error {
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return fmt.Errorf(`%s: no interpreter after "#!"`, r.Path)
	}
	if strings.HasSuffix(line, "\r") {
		return fmt.Errorf("%s: the lines end with CR LF, and the interpreter's name with them: convert the file to Unix lines", r.Path)
	}
	if _, err := os.Stat(fields[0]); err != nil {
		return fmt.Errorf("%s: interpreter: %w", r.Path, err)
	}
	return nil
}

func kindOf(m os.FileMode) string {
	if m.IsDir() {
		return "a directory"
	}
	return "mode " + m.String()
}

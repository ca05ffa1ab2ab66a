package keepalived

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"hakeep/internal/config"
)

// Load reads and validates a configuration file of either format, told apart by
// what is in it. It is config.Load for a TOML file. For a keepalived.conf,
// what is lost is an error, and what is changed a warning, each at its place in
// the file; configID is for its conditions, and empty for the host's name.
func Load(path, configID string) (*config.Config, config.Problems, error) {
	return LoadWith(path, LoadOptions{ConfigID: configID})
}

// LoadOptions are how a file is read.
type LoadOptions struct {
	// ConfigID is for the conditions of a keepalived.conf, empty for the host's
	// name up to the first dot.
	ConfigID string
	// AllIncludes wants every file that a keepalived.conf includes to be there, as
	// if all its includes were includea (keepalived -e).
	AllIncludes bool
}

// LoadWith is Load with more options.
func LoadWith(path string, o LoadOptions) (*config.Config, config.Problems, error) {
	ours, err := IsFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	if !ours {
		return config.Load(path)
	}
	res, err := ConvertFileWith(path, o)
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	problems := res.Problems()
	if res.Config != nil {
		problems = append(problems, res.Config.NotYet()...)
	}
	if problems.HasErrors() {
		return nil, problems, nil
	}
	return res.Config, problems, nil
}

// IsFile reports whether the file at path is a keepalived.conf. What is no
// regular file, such as a pipe, is not read and never one.
func IsFile(path string) (bool, error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxText))
	if err != nil {
		return false, err
	}
	return Is(text), nil
}

// ConvertFile is Convert with the files, host name and environment of this
// host. The error says that there is no such path.
func ConvertFile(path, configID string) (*Result, error) {
	return convertFile(path, Options{ConfigID: configID, Lookup: lookup})
}

// lookup says why a program cannot be run on this host.
func lookup(program string) error {
	_, err := exec.LookPath(program)
	var named *exec.Error
	if errors.As(err, &named) {
		return named.Err
	}
	return err
}

// ConvertFileWith is ConvertFile with more options, and without a Text.
func ConvertFileWith(path string, o LoadOptions) (*Result, error) {
	return convertFile(path, Options{ConfigID: o.ConfigID, AllIncludes: o.AllIncludes, ConfigOnly: true})
}

func convertFile(path string, o Options) (*Result, error) {
	whole, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if o.ConfigID == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, err
		}
		o.ConfigID, _, _ = strings.Cut(host, ".")
	}
	o.Root, o.Env = os.DirFS("/"), os.Getenv
	res := Convert(whole, path, o)
	if info, err := os.Stat(path); err == nil && res.Secrets && info.Mode().Perm()&0o004 != 0 {
		res.Issues = append(res.Issues, Issue{
			Pos: Pos{File: path}, Kind: Note,
			Message: fmt.Sprintf("holds a password and can be read by every user of this host (mode %04o); run chmod o= %s", info.Mode().Perm(), path),
		})
		res.Worst = max(res.Worst, Note)
	}
	return res, nil
}

// Problems returns the issues as problems of a configuration: errors for what
// is lost or broken, warnings for the rest.
func (r *Result) Problems() config.Problems {
	var out config.Problems
	for _, i := range r.Issues {
		sev := config.Warning
		if i.Kind >= Lost {
			sev = config.Error
		}
		out = append(out, config.Problem{File: i.Pos.File, Line: i.Pos.Line, Key: i.Key, Message: i.text(), Severity: sev})
	}
	return out
}

// Is reports whether a text is a keepalived.conf rather than TOML: what its
// first telling line looks like.
func Is(text []byte) bool {
	const longest = 4096
	words := map[string]bool{}
	for _, k := range config.Keywords() {
		if k.Block == config.BlockRoot {
			words[k.Name] = true
		}
	}
	for _, w := range []string{"include", "includer", "includem", "includew", "includeb", "includea"} {
		words[w] = true
	}
	for l := range strings.Lines(string(text)) {
		l = strings.Trim(l[:min(len(l), longest)], blanks+"\n\ufeff")
		if l == "" || l[0] == '#' {
			continue
		}
		if strings.ContainsRune("!@$~", rune(l[0])) {
			return true
		}
		first := l
		if i := strings.IndexAny(l, blanks+"={#!"); i >= 0 {
			first = l[:i]
		}
		if l[0] == '[' || strings.HasPrefix(strings.TrimLeft(l[len(first):], blanks), "=") {
			return false
		}
		if words[first] {
			return true
		}
	}
	return false
}

// Exit returns the exit code of hakeep import: 0 if everything was converted, 2
// if something is lost, 4 if there is no conversion.
func (r *Result) Exit() int {
	switch {
	case r.Config == nil:
		return 4
	case r.Worst >= Lost:
		return 2
	}
	return 0
}

// TestExit returns the exit code of keepalived -t since version 2.2.5: 0 if the
// file is fine, 4 if keepalived could not run with it, 5 if there is something
// to complain about, 6 if programs are run without script security. The highest
// one counts, as in keepalived. missing says that an interface is not there.
func (r *Result) TestExit(missing bool) int {
	const fine, unusable, complaint, insecure = 0, 4, 5, 6
	code := fine
	if missing || r.Config == nil {
		code = unusable
	}
	for _, i := range r.Issues {
		if i.Kind >= Changed && !i.Own {
			code = complaint
		}
	}
	if r.Scripts && !r.Security {
		code = insecure
	}
	return code
}

package keepalived

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// include takes a line with include or one of its variants and puts the files
// on the stack.
func (r *reader) include(l line) bool {
	word, rest := l.text, ""
	if i := strings.IndexAny(word, blanks); i >= 0 {
		word, rest = word[:i], strings.Trim(word[i:], blanks)
	}
	strict, ok := strings.CutPrefix(word, "include")
	if !ok || !slices.Contains([]string{"", "r", "m", "w", "b", "a"}, strict) {
		return false
	}
	if r.o.AllIncludes {
		strict = "a"
	}
	pattern, ok := r.inline(strings.Trim(rest, `"`), l)
	if !ok {
		return true
	}
	if pattern == "" {
		r.add(Lost, l.pos, word, "missing the name of a file")
		return true
	}
	dir := r.file().dir
	alternatives, ok := braces(pattern)
	if !ok {
		r.add(Lost, l.pos, word, "%s has too many alternatives", quote(pattern))
		return true
	}
	var files []string
	for _, p := range alternatives {
		found := r.glob(absolute(dir, p))
		if len(found) == 0 {
			wild := strings.ContainsAny(p, "*?[")
			must := strict == "a" || strict == "b" && len(alternatives) > 1 || strict == "w" && wild || strict == "r" && !wild
			r.missing(l, word, p, must)
		}
		files = append(files, found...)
	}
	if len(files) == 0 && strict == "m" {
		r.stop(l.pos, "%s %s: there is no such file", word, quote(pattern))
		return true
	}
	if len(r.frames) >= maxDepth {
		r.stop(l.pos, "files are included more than %d levels deep; does one include itself?", maxDepth)
		return true
	}
	r.frames = append(r.frames, &includeFrame{files: files, word: word, pos: l.pos})
	return true
}

// includeFrame opens files one after the other. It has no lines of its own.
type includeFrame struct {
	files []string
	word  string
	pos   Pos
}

func (f *includeFrame) next() (line, bool) { return line{}, false }

// openNext puts the next file of an include on the stack; false means that
// there is none.
func (r *reader) openNext(f *includeFrame) bool {
	if len(f.files) == 0 {
		return false
	}
	name := f.files[0]
	f.files = f.files[1:]
	err := r.open(name, "/"+name)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist):
		r.add(Lost, f.pos, f.word, "%s cannot be read: %v", quote("/"+name), cause(err))
	default:
		r.stop(f.pos, "%s %s: %v", f.word, quote("/"+name), cause(err))
	}
	return true
}

// missing reports a pattern that matches nothing.
func (r *reader) missing(l line, word, pattern string, must bool) {
	switch {
	case must:
		r.stop(l.pos, "%s %s: there is no such file", word, quote(pattern))
	case strings.ContainsAny(pattern, "*?["):
		r.add(Note, l.pos, word, "%s matches no file", quote(pattern))
	default:
		r.add(Lost, l.pos, word, "%s: there is no such file; keepalived goes on without it", quote(pattern))
	}
}

// cause takes the path out of an error, which the message names itself.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// glob returns the files that a whole path matches, in order.
func (r *reader) glob(name string) []string {
	if !strings.ContainsAny(name, "*?[") {
		if r.exists(name) {
			return []string{name}
		}
		return nil
	}
	found, err := fs.Glob(r.o.Root, name)
	if err != nil {
		return nil
	}
	var files []string
	for _, f := range found {
		if info, err := fs.Stat(r.o.Root, f); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 == 0 {
			files = append(files, f)
		}
	}
	return files
}

// absolute returns a path as fs.FS wants it, without the first slash.
func absolute(dir, name string) string {
	if !path.IsAbs(name) {
		name = path.Join("/", dir, name)
	}
	if name = strings.TrimPrefix(path.Clean(name), "/"); name == "" {
		return "."
	}
	return name
}

// cleanDir returns a directory as users write it.
func cleanDir(dir string) string { return path.Join("/", dir) }

// braces puts the alternatives of {a,b} into a pattern, as shells do.
func braces(p string) ([]string, bool) {
	const most = 256
	todo, done := []string{p}, []string(nil)
	for len(todo) > 0 {
		s := todo[0]
		todo = todo[1:]
		end := strings.IndexByte(s, '}')
		start := -1
		if end >= 0 {
			start = strings.LastIndexByte(s[:end], '{')
		}
		if start < 0 {
			done = append(done, s)
			continue
		}
		for _, alt := range strings.Split(s[start+1:end], ",") {
			todo = append(todo, s[:start]+alt+s[end+1:])
		}
		if len(todo)+len(done) > most {
			return nil, false
		}
	}
	return done, true
}

package keepalived

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// line is one line of the configuration after everything is put in.
type line struct {
	text    string
	comment string // without its mark
	pos     Pos
	more    bool // a \ at the end, also that of a comment
	depth   int  // how many definitions and repetitions it came through
}

// frame is a source of lines: a file, the lines of a definition or a
// repetition. The last one of the stack is read first.
type frame interface {
	next() (line, bool)
}

// fileFrame reads a file.
type fileFrame struct {
	rest, dir, name string
	n               int
}

func (f *fileFrame) next() (line, bool) {
	if f.rest == "" {
		return line{}, false
	}
	text, rest, _ := strings.Cut(f.rest, "\n")
	f.rest = rest
	f.n++
	return line{text: strings.TrimSuffix(text, "\r"), pos: Pos{File: f.name, Line: f.n}}, true
}

// listFrame reads the lines of a definition.
type listFrame struct {
	lines []line
}

func (f *listFrame) next() (line, bool) {
	if len(f.lines) == 0 {
		return line{}, false
	}
	l := f.lines[0]
	f.lines = f.lines[1:]
	return l, true
}

// reader yields lines. It is owned by one call of Convert.
type reader struct {
	*issues
	o      Options
	frames []frame
	defs   map[string]definition

	lines, made, bytes, text, files int
	stopped                         bool
	instance                        string
	random                          uint32
}

func newReader(o Options, is *issues) *reader {
	return &reader{issues: is, o: o, defs: map[string]definition{}, random: 1}
}

// stop ends reading with a message.
func (r *reader) stop(pos Pos, format string, args ...any) {
	if !r.stopped {
		r.add(Broken, pos, "", format, args...)
	}
	r.stopped = true
}

// open pushes a file; name is its whole path without the first slash, shown
// how messages name it.
func (r *reader) open(name, shown string) error {
	if r.files++; r.files > maxFiles {
		return fmt.Errorf("more than %d files are included", maxFiles)
	}
	// Opening comes second: that of a FIFO would wait for a writer.
	if info, err := fs.Stat(r.o.Root, name); err != nil {
		return err
	} else if !info.Mode().IsRegular() {
		return errors.New("is not a regular file")
	}
	f, err := r.o.Root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(maxText-r.text)+1))
	if err != nil {
		return err
	}
	if r.text += len(text); r.text > maxText {
		return fmt.Errorf("the files are larger than %d MiB and cannot be a configuration", maxText>>20)
	}
	r.frames = append(r.frames, &fileFrame{rest: strings.TrimPrefix(string(text), "\ufeff"), dir: "/" + path.Dir(name), name: shown})
	return nil
}

// file returns the file that is being read.
func (r *reader) file() *fileFrame {
	for i := len(r.frames) - 1; i >= 0; i-- {
		if f, ok := r.frames[i].(*fileFrame); ok {
			return f
		}
	}
	return &fileFrame{dir: "/"}
}

// raw returns the next line of the stack, without its comment.
func (r *reader) raw() (line, bool) {
	for len(r.frames) > 0 && !r.stopped {
		top := r.frames[len(r.frames)-1]
		if in, ok := top.(*includeFrame); ok && r.openNext(in) {
			continue
		}
		l, ok := top.next()
		if !ok {
			r.frames = r.frames[:len(r.frames)-1]
			continue
		}
		_, file := top.(*fileFrame)
		if !r.count(l, file) {
			return line{}, false
		}
		if strings.IndexByte(l.text, 0) >= 0 {
			r.add(Lost, l.pos, "", "a NUL character; the line is left out")
			continue
		}
		if file {
			whole := strings.TrimRight(l.text, blanks)
			l.text, l.comment = cutComment(whole)
			l.text, l.more = strings.CutSuffix(l.text, `\`)
			if c, more := strings.CutSuffix(l.comment, `\`); more {
				l.comment, l.more = strings.TrimRight(c, blanks), true
			}
		}
		l.text = strings.Trim(l.text, blanks)
		return l, true
	}
	return line{}, false
}

// count sees to it that there are not too many lines.
func (r *reader) count(l line, file bool) bool {
	r.bytes += len(l.text)
	if file {
		r.lines++
	} else {
		r.made++
	}
	if r.lines <= maxLines && r.made <= maxMade && r.bytes <= maxExpanded {
		return true
	}
	r.stop(l.pos, "more than %d lines, %d lines of definitions and repetitions, or %d MiB of both; this is not read further", maxLines, maxMade, maxExpanded>>20)
	return false
}

const blanks = " \t\f\r\v"

// next returns the next line after everything is put in. A line may have a
// comment only.
func (r *reader) next() (line, bool) {
	for {
		l, ok := r.raw()
		if !ok {
			return line{}, false
		}
		if !r.condition(&l) {
			continue
		}
		if l.text == "" {
			if l.more && l.comment == "" {
				r.add(Changed, l.pos, "", "a \\ that continues no definition is left out; keepalived skips it")
			}
			if l.comment != "" {
				return l, true
			}
			continue
		}
		if r.define(l) || r.repeat(l) || r.include(l) {
			continue
		}
		if r.substitute(l) {
			continue
		}
		if l.more {
			r.add(Changed, l.pos, "", "the \\ at the end of the line continues no definition, so it is left out")
		}
		if unmark(&l); l.text == "" {
			if l.comment != "" {
				return l, true
			}
			continue
		}
		if len(l.text) > maxLine {
			r.add(Lost, l.pos, "", "the line is longer than %d characters and is left out; keepalived cannot read it either", maxLine)
			continue
		}
		if strings.HasPrefix(l.text, "instance") {
			if w := strings.Fields(l.text); len(w) > 1 && w[0] == "instance" {
				r.instance = strings.Trim(w[1], `"`)
			}
		}
		return l, true
	}
}

// condition evaluates @id and @^id at the start of the line; false means that
// the line does not count.
func (r *reader) condition(l *line) bool {
	for strings.HasPrefix(l.text, "@") {
		id, rest := l.text[1:], ""
		if i := strings.IndexAny(id, blanks); i >= 0 {
			id, rest = id[:i], strings.Trim(id[i:], blanks)
		}
		want := true
		if after, not := strings.CutPrefix(id, "^"); not {
			id, want = after, false
		}
		if id == "" {
			r.add(Lost, l.pos, "", "a condition without an id; write @ID and a line. The line is left out")
			return false
		}
		if (id == r.o.ConfigID) != want {
			return false
		}
		l.text = rest
	}
	return true
}

// cutComment splits a line at # or ! outside of double quotes. \# and \! stay
// as the characters.
func cutComment(s string) (text, comment string) {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && (s[i+1] == '#' || s[i+1] == '!') && !quoted:
			i++
			b.WriteByte(s[i])
			continue
		case c == '\\' && i+1 < len(s) && s[i+1] == '"':
			b.WriteString(s[i : i+2])
			i++
			continue
		case c == '"':
			quoted = !quoted
		case (c == '#' || c == '!') && !quoted:
			return b.String(), strings.Trim(s[i+1:], blanks)
		}
		b.WriteByte(c)
	}
	return b.String(), ""
}

// exists reports whether a path can be opened.
func (r *reader) exists(name string) bool {
	_, err := fs.Stat(r.o.Root, name)
	return err == nil
}

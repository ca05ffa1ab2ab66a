package keepalived

import (
	"strconv"
	"strings"
)

// definition is what a $NAME stands for: one or several lines, in which further
// definitions are put in when it is used.
type definition struct {
	lines []line
}

// define takes a line "$NAME=VALUE" with the lines that continue it.
func (r *reader) define(l line) bool {
	name, value, ok := assignment(l.text)
	if !ok {
		return false
	}
	var lines []line
	for {
		lines = append(lines, line{text: value, comment: l.comment, pos: l.pos})
		if !l.more {
			break
		}
		if l, ok = r.raw(); !ok {
			break
		}
		value = l.text
	}
	if _, known := r.defs[name]; !known && len(r.defs) >= maxDefinitions {
		r.stop(l.pos, "more than %d definitions", maxDefinitions)
		return true
	}
	// The first line of a whole block is empty: $NAME= \
	if len(lines) > 1 && lines[0].text == "" {
		lines = lines[1:]
	}
	r.defs[name] = definition{lines}
	return true
}

// assignment splits "$NAME=VALUE"; blanks are allowed around the sign.
func assignment(s string) (name, value string, ok bool) {
	rest, ok := strings.CutPrefix(s, "$")
	if !ok {
		return "", "", false
	}
	n := nameLen(rest)
	if n == 0 {
		return "", "", false
	}
	value, ok = strings.CutPrefix(strings.TrimLeft(rest[n:], blanks), "=")
	return rest[:n], strings.Trim(value, blanks), ok
}

// nameLen returns how long the name of a definition at the start of s is.
func nameLen(s string) int {
	n := 0
	for n < len(s) && (s[n] == '_' || s[n] >= '0' && s[n] <= '9' || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z') {
		n++
	}
	return n
}

// use is a place in a line where a definition is put in.
type use struct {
	start, end int
	name       string
	param      string
}

// findUse returns the first $NAME or ${NAME …} from position from on.
func findUse(s string, from int) (use, bool) {
	for i := from; i < len(s); i++ {
		if s[i] != '$' {
			continue
		}
		rest := s[i+1:]
		if inner, ok := strings.CutPrefix(rest, "{"); ok {
			n := nameLen(inner)
			end := strings.IndexByte(inner, '}')
			if n == 0 || end < n {
				continue
			}
			param := strings.Trim(inner[n:end], blanks)
			if param != "" && !strings.ContainsAny(inner[n:n+1], blanks) {
				continue
			}
			return use{i, i + 2 + end + 1, inner[:n], param}, true
		}
		n := nameLen(rest)
		if n == 0 || n < len(rest) && !strings.ContainsRune(" \t,)\r", rune(rest[n])) {
			continue
		}
		return use{i, i + 1 + n, rest[:n], ""}, true
	}
	return use{}, false
}

// substitute puts the definitions into a line. It returns false if there are
// none; otherwise what came out is on the stack, to be read again.
func (r *reader) substitute(l line) bool {
	text, from, uses := l.text, 0, 0
	var after []line
	changed := false
	for {
		u, ok := findUse(text, from)
		if !ok {
			break
		}
		lines, known := r.value(u, l.pos)
		if !known {
			from = u.start + 1
			continue
		}
		if uses++; uses > maxUses || l.depth >= maxDepth || len(text) > 8*maxLine {
			r.stop(l.pos, "definitions are put in too often in this line; does $%s use itself?", u.name)
			return true
		}
		changed = true
		tail := text[u.end:]
		text = text[:u.start] + lines[0].text
		if len(lines) == 1 {
			text, from = text+tail, u.start
			continue
		}
		// The text behind a definition of several lines follows its last line.
		for _, d := range lines[1:] {
			d.pos.Used, d.depth = used(l.pos), l.depth+1
			after = append(after, d)
		}
		after[len(after)-1].text += tail
		if u.start == 0 {
			l.pos = Pos{File: lines[0].pos.File, Line: lines[0].pos.Line, Used: used(l.pos)}
		}
		break
	}
	if !changed {
		return false
	}
	first := line{text: text, comment: l.comment, pos: l.pos, depth: l.depth + 1}
	if len(after) == 0 && !strings.ContainsAny(text, "~@$") && !strings.HasPrefix(text, "include") {
		first.depth = l.depth
	}
	if len(r.frames) >= 4*maxDepth {
		r.stop(l.pos, "definitions are nested more than %d levels deep", 4*maxDepth)
		return true
	}
	r.frames = append(r.frames, &listFrame{append([]line{first}, after...)})
	return true
}

// used returns the line that began the use of definitions.
func used(p Pos) int {
	if p.Used != 0 {
		return p.Used
	}
	return p.Line
}

// value returns what a definition stands for.
func (r *reader) value(u use, pos Pos) ([]line, bool) {
	if d, ok := r.defs[u.name]; ok {
		return d.lines, true
	}
	one := func(s string) ([]line, bool) { return []line{{text: s, pos: pos}}, true }
	switch u.name {
	case "_PWD":
		return one(cleanDir(r.file().dir))
	case "_INSTANCE":
		return one(r.instance)
	case "_HASH":
		return one(markHash)
	case "_BANG":
		return one(markBang)
	case "_ENV":
		if r.o.Env == nil {
			return one("")
		}
		v := r.o.Env(u.param)
		if strings.ContainsAny(v, "\n$~") || len(v) > maxLine {
			r.add(Lost, pos, "", "the environment variable %s cannot be put in", quote(u.param))
			v = ""
		}
		return one(v)
	case "_RANDOM":
		return one(strconv.Itoa(r.nextRandom(u.param)))
	}
	return nil, false
}

// What _HASH and _BANG stand for until the line is complete: they begin a
// comment then, so that a definition can switch lines off.
const markHash, markBang = "\x02", "\x03"

// unmark cuts a line at such a comment. In quotes they are the characters.
func unmark(l *line) {
	quoted := false
	for i := range len(l.text) {
		switch l.text[i] {
		case '"':
			quoted = !quoted
		case markHash[0], markBang[0]:
			if !quoted {
				l.comment = strings.Trim(plainMarks(l.text[i+1:])+" "+l.comment, blanks)
				l.text = strings.Trim(l.text[:i], blanks)
				l.text = plainMarks(l.text)
				return
			}
		}
	}
	l.text = plainMarks(l.text)
}

func plainMarks(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, markHash, "#"), markBang, "!")
}

// nextRandom returns a number for _RANDOM [MIN [MAX]]. It is the same at every
// reading, so that a reload of an unchanged file changes nothing.
func (r *reader) nextRandom(param string) int {
	const highest = 32767
	least, most := 0, highest
	words := strings.Fields(param)
	if len(words) > 0 {
		least, _ = strconv.Atoi(words[0])
	}
	if len(words) > 1 {
		most, _ = strconv.Atoi(words[1])
	}
	least = min(max(least, 0), highest)
	most = min(max(most, least), highest)
	r.random = r.random*1103515245 + 12345 // ISO C, 7.22.2.2
	return least + int(r.random>>16)%(most-least+1)
}

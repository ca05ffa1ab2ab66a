package keepalived

import (
	"strconv"
	"strings"
)

// repetition is one ~SEQ(…), ~SEQx(…) or ~LST(…) of a line.
type repetition struct {
	names  []string
	count  int
	values func(i int) []string
}

// repeatFrame yields a line several times, each time with other definitions.
type repeatFrame struct {
	r   *reader
	rep repetition
	l   line
	i   int
}

func (f *repeatFrame) next() (line, bool) {
	if f.i >= f.rep.count {
		return line{}, false
	}
	values := f.rep.values(f.i)
	f.i++
	for k, name := range f.rep.names {
		f.r.defs[name] = definition{[]line{{text: values[k], pos: f.l.pos}}}
	}
	return f.l, true
}

// repeat takes a line with a repetition and puts the repeated lines on the
// stack.
func (r *reader) repeat(l line) bool {
	start := findRepeat(l.text)
	if start < 0 {
		return false
	}
	word := l.text[start:]
	kind := word[1:4]
	rest := word[4:]
	hex := false
	if kind == "SEQ" && strings.HasPrefix(rest, "x") {
		hex, rest = true, rest[1:]
	}
	open := strings.TrimLeft(rest, blanks)
	args, tail, ok := cutParens(open)
	if !ok {
		r.add(Lost, l.pos, "", "~%s without ( and ); the line is left out", kind)
		return true
	}
	if args, ok = r.inline(args, l); !ok {
		return true
	}
	var rep repetition
	var wrong string
	if kind == "SEQ" {
		rep, wrong = sequence(args, hex)
	} else {
		rep, wrong = list(args)
	}
	if wrong == "" && (len(r.frames) >= 4*maxDepth || l.depth >= maxDepth) {
		r.stop(l.pos, "repetitions are nested too deeply")
		return true
	}
	if wrong != "" {
		r.add(Lost, l.pos, "", "~%s(%s): %s; the line is left out", kind, printable(args), wrong)
		return true
	}
	before := strings.Trim(l.text[:start], blanks)
	next := line{text: strings.Trim(tail, blanks), pos: l.pos, depth: l.depth + 1}
	braced := strings.HasSuffix(before, "{") || strings.HasSuffix(before, "}")
	if before != "" && !braced {
		next.text = before + " " + next.text
	}
	r.frames = append(r.frames, &repeatFrame{r: r, rep: rep, l: next})
	if braced { // what stands before a brace is not repeated
		r.frames = append(r.frames, &listFrame{[]line{{text: before, comment: l.comment, pos: l.pos, depth: l.depth + 1}}})
	}
	return true
}

// findRepeat returns where the first repetition of a line is, or -1.
func findRepeat(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '~' && !quoted && (strings.HasPrefix(s[i:], "~SEQ") || strings.HasPrefix(s[i:], "~LST")):
			return i
		}
	}
	return -1
}

// cutParens splits "(args) tail".
func cutParens(s string) (args, tail string, ok bool) {
	if !strings.HasPrefix(s, "(") {
		return "", "", false
	}
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return s[1:i], s[i+1:], true
			}
		}
	}
	return "", "", false
}

// inline puts definitions of one line into the arguments of a repetition.
func (r *reader) inline(s string, l line) (string, bool) {
	for n := 0; ; n++ {
		u, ok := findUse(s, 0)
		if !ok {
			return s, true
		}
		lines, known := r.value(u, l.pos)
		if !known || len(lines) != 1 || n > maxUses || len(s) > maxLine {
			r.add(Lost, l.pos, "", "$%s cannot be put into a repetition; the line is left out", u.name)
			return "", false
		}
		s = s[:u.start] + lines[0].text + s[u.end:]
	}
}

// sequence reads VAR[,START[,STEP]],END.
func sequence(args string, hex bool) (repetition, string) {
	parts := strings.Split(args, ",")
	for i := range parts {
		parts[i] = strings.Trim(parts[i], blanks)
	}
	if len(parts) < 2 || len(parts) > 4 || parts[0] == "" || nameLen(parts[0]) != len(parts[0]) {
		return repetition{}, "write ~SEQ(NAME,START,STEP,END) or less of these"
	}
	num := []int64{1, 1, 0}
	at := map[int][]int{2: {2}, 3: {0, 2}, 4: {0, 1, 2}}[len(parts)]
	for i, k := range at {
		v, err := strconv.ParseInt(parts[i+1], 0, 64)
		if err != nil && hex {
			v, err = strconv.ParseInt(parts[i+1], 16, 64)
		}
		if err != nil || v > 1<<40 || v < -1<<40 {
			return repetition{}, quote(parts[i+1]) + " is not a number that is allowed here"
		}
		num[k] = v
	}
	start, step, end := num[0], num[1], num[2]
	if step == 0 || (end-start)/step < 0 || step > 0 && end < start || step < 0 && end > start {
		return repetition{}, "it never ends"
	}
	count := (end-start)/step + 1
	if count > maxMade {
		return repetition{}, "these are " + strconv.FormatInt(count, 10) + " lines; at most " + strconv.Itoa(maxMade)
	}
	base := 10
	if hex {
		base = 16
	}
	return repetition{names: parts[:1], count: int(count), values: func(i int) []string {
		return []string{strconv.FormatInt(start+int64(i)*step, base)}
	}}, ""
}

// list reads VAR,VALUE… or {VAR,VAR},{VALUE,VALUE}….
func list(args string) (repetition, string) {
	var groups [][]string
	for rest := strings.Trim(args, blanks); rest != ""; {
		var group string
		if inner, braces := strings.CutPrefix(rest, "{"); braces {
			var ok bool
			if group, rest, ok = strings.Cut(inner, "}"); !ok {
				return repetition{}, "a { has no }"
			}
			groups = append(groups, split(group))
			rest = strings.TrimLeft(rest, blanks)
			if rest != "" && rest[0] != ',' {
				return repetition{}, "a comma is missing behind }"
			}
			rest = strings.Trim(strings.TrimPrefix(rest, ","), blanks)
			continue
		}
		group, rest, _ = strings.Cut(rest, ",")
		groups = append(groups, []string{strings.Trim(group, blanks)})
		rest = strings.Trim(rest, blanks)
	}
	if len(groups) < 2 {
		return repetition{}, "write ~LST(NAME,VALUE,…)"
	}
	names, values := groups[0], groups[1:]
	for _, n := range names {
		if n == "" || nameLen(n) != len(n) {
			return repetition{}, quote(n) + " is not a name"
		}
	}
	for i, v := range values {
		if len(v) > len(names) {
			return repetition{}, "there are more values than names"
		}
		values[i] = append(v, make([]string, len(names)-len(v))...)
	}
	return repetition{names: names, count: len(values), values: func(i int) []string { return values[i] }}, ""
}

func split(s string) []string {
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.Trim(parts[i], blanks)
	}
	return parts
}

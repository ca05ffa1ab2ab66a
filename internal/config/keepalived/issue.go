package keepalived

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind says what an Issue means for the user.
type Kind uint8

const (
	// Note is something that is left out or said without any change of what
	// the configuration does.
	Note Kind = iota + 1
	// Changed is something that was changed on the way, mostly because
	// keepalived does the same.
	Changed
	// Lost is something the file asks for that hakeep will not do.
	Lost
	// Broken is something with which there is no conversion at all.
	Broken
)

// String returns "note", "changed", "lost" or "broken".
func (k Kind) String() string {
	switch k {
	case Note:
		return "note"
	case Changed:
		return "changed"
	case Lost:
		return "lost"
	case Broken:
		return "broken"
	}
	return "kind " + strconv.Itoa(int(k))
}

// Pos is a place in the user's files.
type Pos struct {
	// File is the name of the file, the first one as it was given.
	File string
	// Line counts from 1; 0 means the whole file.
	Line int
	// Used is the line that uses the definition in which Line is, if that is
	// another one; else 0.
	Used int
}

// Issue is one message about a keepalived.conf.
type Issue struct {
	// Pos is where in the user's files.
	Pos Pos
	// Key is the path of the keyword, such as vrrp_instance.VI_1.priority; it
	// may be empty.
	Key string
	// Kind says what it means.
	Kind Kind
	// Own says that this is only about what hakeep does otherwise or cannot do:
	// keepalived has nothing to say here.
	Own bool
	// Message is one sentence. It never contains a password.
	Message string
}

// String returns the issue as "file:line: key: message".
func (i Issue) String() string {
	var b strings.Builder
	b.WriteString(i.Pos.File)
	if i.Pos.Line > 0 {
		b.WriteString(":" + strconv.Itoa(i.Pos.Line))
	}
	b.WriteString(": ")
	if i.Key != "" {
		b.WriteString(i.Key + ": ")
	}
	b.WriteString(i.text())
	return b.String()
}

// text is the message with the place of use.
func (i Issue) text() string {
	if i.Pos.Used == 0 {
		return i.Message
	}
	return fmt.Sprintf("%s (used in line %d)", i.Message, i.Pos.Used)
}

// issues collects messages up to a limit. Owned by one Convert.
type issues struct {
	all     []Issue
	counts  [Broken + 1]int // by kind
	dropped int
	worst   Kind
}

func (s *issues) add(kind Kind, pos Pos, key, format string, args ...any) {
	s.put(false, kind, pos, key, format, args...)
}

// addOwn is add for what keepalived has nothing to say about.
func (s *issues) addOwn(kind Kind, pos Pos, key, format string, args ...any) {
	s.put(true, kind, pos, key, format, args...)
}

func (s *issues) put(own bool, kind Kind, pos Pos, key, format string, args ...any) {
	s.worst = max(s.worst, kind)
	if s.counts[kind]++; s.counts[kind] > maxIssues {
		s.dropped++
		return
	}
	msg := format
	if len(args) > 0 {
		msg = fmt.Sprintf(format, args...)
	}
	s.all = append(s.all, Issue{Pos: pos, Key: key, Kind: kind, Own: own, Message: msg})
}

// printable shortens text from the file for a message and takes out what would
// garble a terminal.
func printable(s string) string {
	const longest = 80
	s = strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(s, "?"))
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest]) + "…"
	}
	return s
}

func quote(s string) string { return strconv.Quote(printable(s)) }

package config

import (
	"errors"
	"fmt"
	"strings"
)

// SplitCommand splits a command line into the program and its arguments by
// keepalived's quoting rules; no shell is involved. Blanks separate arguments.
// Within '…' and "…" they do not, and the other quote stands for itself; quoted
// parts and others that touch make one argument, and ” is an empty one. A
// backslash is special everywhere, within quotes too: \a \b \E \f \n \r \t and
// \v are the usual control characters, \ooo is a byte by up to three octal
// digits, \xHH one by up to two hexadecimal digits, \cC is control-C; before any
// other character it only takes away its meaning.
//
// The error says what is wrong with the line: a quote that is not closed, a
// backslash at the end, a byte that an argument cannot hold, or no argument at
// all. (keepalived 2.4 documents two hexadecimal digits; 2.2 reads more.)
func SplitCommand(line string) ([]string, error) {
	s := splitter{rest: line}
	for s.rest != "" {
		c := s.rest[0]
		switch {
		case c == '\\':
			b, err := s.escape()
			if err != nil {
				return nil, err
			}
			s.add(b)
			continue
		case c == 0:
			return nil, errors.New("contains a NUL byte")
		case s.quote != 0 && c == s.quote:
			s.quote = 0
		case s.quote != 0:
			s.add(c)
		case c == '"' || c == '\'':
			s.quote, s.open = c, true
		case strings.IndexByte(" \t\n\r\v\f", c) >= 0:
			s.end()
		default:
			s.add(c)
		}
		s.rest = s.rest[1:]
	}
	if s.quote != 0 {
		return nil, fmt.Errorf("has a %c that is not closed", s.quote)
	}
	s.end()
	if len(s.argv) == 0 {
		return nil, errors.New("is empty")
	}
	return s.argv, nil
}

// splitter is a command line that is being split.
type splitter struct {
	rest  string
	argv  []string
	arg   []byte
	open  bool // there is an argument, even if arg is empty
	quote byte // the quote we are in, or 0
}

func (s *splitter) add(b byte) { s.arg, s.open = append(s.arg, b), true }

func (s *splitter) end() {
	if s.open {
		s.argv = append(s.argv, string(s.arg))
	}
	s.arg, s.open = s.arg[:0], false
}

// escape reads a backslash and what belongs to it.
func (s *splitter) escape() (byte, error) {
	if len(s.rest) < 2 {
		return 0, errors.New("ends with a backslash")
	}
	c := s.rest[1]
	s.rest = s.rest[2:]
	if at := strings.IndexByte("abEfnrtv", c); at >= 0 {
		return "\a\b\x1b\f\n\r\t\v"[at], nil
	}
	var v int
	switch {
	case c == 'c' && s.rest != "":
		v = int(s.rest[0] & 0x1f)
		s.rest = s.rest[1:]
	case c == 'x' && s.rest != "" && digit(s.rest[0], 16) >= 0:
		v = s.number(0, 16, 2)
	case digit(c, 8) >= 0:
		v = s.number(digit(c, 8), 8, 2)
	default:
		v = int(c)
	}
	if v == 0 || v > 255 {
		return 0, fmt.Errorf("has an escape for the value %d, which an argument cannot hold", v)
	}
	return byte(v), nil
}

// number reads up to most digits behind the value v.
func (s *splitter) number(v, base, most int) int {
	for ; most > 0 && s.rest != "" && digit(s.rest[0], base) >= 0; most-- {
		v = v*base + digit(s.rest[0], base)
		s.rest = s.rest[1:]
	}
	return v
}

// digit returns the value of a digit, or -1.
func digit(c byte, base int) int {
	v := -1
	switch {
	case '0' <= c && c <= '9':
		v = int(c - '0')
	case 'a' <= c && c <= 'f':
		v = int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		v = int(c-'A') + 10
	}
	if v >= base {
		return -1
	}
	return v
}

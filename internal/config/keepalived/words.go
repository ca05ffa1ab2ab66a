package keepalived

import "strings"

// word is one word of a statement.
type word struct {
	text   string
	quoted bool
	raw    string // as it stands in the file, with its quotes
}

// splitWords splits a line into words, with { and } as words of their own where
// they end or begin one. What is in double quotes is one word.
func splitWords(s string) (words []word, wrong string) {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case strings.IndexByte(blanks, c) >= 0:
			i++
		case c == '"':
			text, n, closed := quotedWord(s[i+1:])
			if !closed {
				wrong = "a quote \" is not closed; it ends here"
			}
			words = append(words, word{text: text, quoted: true, raw: s[i:min(i+1+n, len(s))]})
			i += 1 + n
		case c == '{' || c == '}':
			words = append(words, word{text: s[i : i+1]})
			i++
		default:
			n := plainWord(s[i:])
			w := s[i : i+n]
			if body, ok := strings.CutSuffix(w, "{"); ok {
				if body != "" {
					words = append(words, word{text: body, raw: body})
				}
				words = append(words, word{text: "{"})
			} else {
				words = append(words, word{text: w, raw: w})
			}
			i += n
		}
	}
	return words, wrong
}

// quotedWord returns what is up to the closing quote and how long it is with
// that.
func quotedWord(s string) (text string, n int, closed bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[:i], i + 1, true
		}
	}
	return s, len(s), false
}

// plainWord returns the length of the word at the start of s. A } ends it
// unless it closes a { of the word.
func plainWord(s string) int {
	open, quoted := 0, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case strings.IndexByte(blanks, c) >= 0:
			return i
		case c == '{':
			open++
		case c == '}' && open == 0:
			return i
		case c == '}':
			open--
		}
	}
	return len(s)
}

// brace reports whether the word is the brace c.
func (w word) brace(c string) bool { return !w.quoted && w.text == c }

package checks

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWords is how much of what a server says is repeated.
const maxWords = 120

// printable is what a server said, fit for a log line.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, strings.TrimSpace(text))
	if r := []rune(text); len(r) > maxWords {
		text = string(r[:maxWords]) + "..."
	}
	return text
}

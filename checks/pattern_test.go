package checks

import (
	"crypto/x509"
	"strings"
	"testing"
)

func marshalKey(key any) ([]byte, error) { return x509.MarshalPKCS8PrivateKey(key) }

// TestPattern: what pcre2test(1) says of the same patterns, options and texts.
func TestPattern(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		regex, options, text string
		min, max             int
		want                 bool
	}{
		{regex: "b", text: "abc", want: true},
		{regex: "d", text: "abc"},
		{regex: "^b", text: "abc"},
		{regex: "c$", text: "abc\n", want: true},
		{regex: "c$", text: "abc\n\n"},
		{regex: "c$", text: "abc\n", options: "dollar_endonly"},
		{regex: "c$", text: "abc", options: "dollar_endonly", want: true},
		{regex: `c\z`, text: "abc\n"},
		{regex: "b$", text: "ab\nc", options: "multiline", want: true},
		{regex: "^c", text: "ab\nc", options: "multiline", want: true},
		{regex: "(?m)^c", text: "ab\nc", want: true},
		{regex: "^c", text: "ab\nc"},
		{regex: "A.C", text: "a\nc", options: "caseless dotall", want: true},
		{regex: "A.C", text: "a\nc", options: "caseless"},
		{regex: "c", text: "ab\nc", options: "firstline"},
		{regex: "b", text: "ab\nc", options: "firstline", want: true},
		{regex: "b", text: "abc", min: 1, want: true},
		{regex: "b", text: "abc", min: 2},
		{regex: "b", text: "abcb", min: 2, want: true},
		{regex: "aba", text: "ababa", min: 1, want: true}, // overlaps an earlier one
		{regex: "b", text: "abc", max: 1},
		{regex: "b", text: "abc", max: 2, want: true},
		{regex: "a", text: "xaxa", min: 2, max: 3},
		{regex: "a", text: "xaxa", min: 2, max: 4, want: true},
		{regex: "^b", text: "ab", min: 1},
		{regex: `\Ab`, text: "ab", min: 1},
		{regex: `\bb`, text: "ab", min: 1},
		{regex: `\bb`, text: "-b", min: 1, want: true},
		{regex: "^b", text: "\nb", min: 1, options: "multiline", want: true},
		{regex: "b", text: "ab", min: 9},
		{regex: "é", text: "caf\xc3\xa9", options: "utf", want: true},
		{regex: "x", text: "\xc3\xa9x", min: 1, want: true},
	} {
		var options []string
		if c.options != "" {
			options = strings.Fields(c.options)
		}
		p, err := newPattern(Page{Regex: c.regex, Options: options, MinOffset: c.min, MaxOffset: c.max})
		if err != nil || p == nil {
			t.Errorf("%q: %v, %v", c.regex, p, err)
			continue
		}
		if got := p.match([]byte(c.text)); got != c.want {
			t.Errorf("%q (%s) from %d to %d in %q: %v", c.regex, c.options, c.min, c.max, c.text, got)
		}
	}
}

// TestPatternRefused: what PCRE has and RE2 has not is no silent difference.
func TestPatternRefused(t *testing.T) {
	t.Parallel()
	for regex, options := range map[string]string{
		`a(?=b)`: "", `(?<!a)b`: "", `(a)\1`: "", `(?>a+)b`: "", `a++b`: "", `a\Z`: "", `\Ka`: "", `(?#note)a`: "", `(?R)`: "", `\hx`: "", `a(`: "",
		`a b`: "extended", `a`: "ucp", `b`: "alt_bsux", `c`: "anchored",
	} {
		var list []string
		if options != "" {
			list = []string{options}
		}
		if _, err := newPattern(Page{Regex: regex, Options: list}); err == nil || !strings.Contains(err.Error(), "RE2") {
			t.Errorf("%q %s: %v", regex, options, err)
		}
	}
}

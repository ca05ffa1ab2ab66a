package checks

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// pattern is a regular expression of PCRE, as far as RE2 knows it. What RE2 has
// not (look-around, back references, atomic groups, possessive repetition) it
// refuses, so that what compiles means the same, in linear time.
type pattern struct {
	re        *regexp.Regexp // with the place where the match begins as first group
	min, max  int
	firstLine bool // a match begins before or at the first newline
}

// patternOptions are what keepalived's regex_options do: flags of the syntax, or
// nothing where they only change how PCRE works or what it refuses.
var patternOptions = map[string]syntax.Flags{
	"caseless": syntax.FoldCase, "dotall": syntax.DotNL, "ungreedy": syntax.NonGreedy,
	"multiline": 0, "dollar_endonly": 0, "firstline": 0, // see newPattern
	"auto_callout": 0, "never_backslash_c": 0, "never_ucp": 0, "never_utf": 0, "no_auto_capture": 0, "no_auto_possess": 0,
	"no_dotstar_anchor": 0, "no_start_optimize": 0, "use_offset_limit": 0, "utf": 0,
}

// newPattern compiles the pattern of a page, nil if it has none.
func newPattern(p Page) (*pattern, error) {
	if p.MinOffset < 0 || p.MaxOffset < 0 || p.MaxOffset > 0 && p.MaxOffset <= p.MinOffset {
		return nil, fmt.Errorf("regex offsets %d and %d leave no place for a match", p.MinOffset, p.MaxOffset)
	}
	if p.Regex == "" {
		if p.Absent || len(p.Options) > 0 || p.MinOffset > 0 || p.MaxOffset > 0 {
			return nil, errors.New("options of a regex without the regex")
		}
		return nil, nil
	}
	flags := syntax.Perl
	has := map[string]bool{}
	for _, o := range p.Options {
		f, ok := patternOptions[o]
		if !ok {
			return nil, fmt.Errorf("regex option %q has no counterpart in RE2, which this program uses instead of PCRE", o)
		}
		flags |= f
		has[o] = true
	}
	if has["multiline"] {
		flags &^= syntax.OneLine
	}
	tree, err := syntax.Parse(p.Regex, flags)
	if err != nil {
		return nil, refused(p.Regex, err)
	}
	if !has["dollar_endonly"] {
		dollars(tree)
	}
	// The place where the match begins is looked for as PCRE does: the first.
	text := `\A(?s:.*?)()(?:` + tree.String() + `)`
	if p.MinOffset > 0 {
		text = `\A(?s:.)(?s:.*?)()(?:` + tree.String() + `)`
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, refused(p.Regex, err)
	}
	return &pattern{re: re, min: p.MinOffset, max: p.MaxOffset, firstLine: has["firstline"]}, nil
}

func refused(text string, err error) error {
	var bad *syntax.Error
	if errors.As(err, &bad) {
		return fmt.Errorf("regex %q: RE2, which this program uses instead of PCRE, does not know %q (%s)", text, bad.Expr, bad.Code)
	}
	return fmt.Errorf("regex %q: %w", text, err)
}

// dollars lets "$" match before a newline at the very end too, as in PCRE.
func dollars(tree *syntax.Regexp) {
	for _, sub := range tree.Sub {
		dollars(sub)
	}
	if tree.Op == syntax.OpEndText && tree.Flags&syntax.WasDollar != 0 {
		newline := &syntax.Regexp{Op: syntax.OpLiteral, Rune: []rune{'\n'}}
		*tree = syntax.Regexp{Op: syntax.OpConcat, Sub: []*syntax.Regexp{
			{Op: syntax.OpQuest, Sub: []*syntax.Regexp{newline}},
			{Op: syntax.OpEndText},
		}}
	}
}

// match looks for the pattern. It overwrites a byte of the page.
func (p *pattern) match(page []byte) bool {
	skip := 0
	if p.min > 0 {
		if p.min > len(page) {
			return false
		}
		// The byte before stays, as far as "^" and "\b" want to know of it.
		skip = p.min - 1
		page[skip] = context1(page[skip])
	}
	at := p.re.FindSubmatchIndex(page[skip:])
	if at == nil {
		return false
	}
	begin := skip + at[2]
	if p.firstLine && strings.Contains(string(page[:begin]), "\n") {
		return false
	}
	return p.max == 0 || begin < p.max
}

// context1 is a byte of the same kind that is a character by itself.
func context1(b byte) byte {
	switch {
	case b == '\n':
		return b
	case b == '_' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z':
		return 'a'
	}
	return ' '
}

package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSplitCommand has the rules of keepalived; the cases up to the empty line
// follow what keepalived 2.2.7 gave to a script that wrote its arguments down.
func TestSplitCommand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line string
		want []string
	}{
		{`/x ' spaces\x0file ' '"s p a c e "' last`, []string{"/x", " spaces\x0file ", `"s p a c e "`, "last"}},
		{`/x e g\ h x"y z"w '' k \q \cA \101 \E`, []string{"/x", "e", "g h", "xy zw", "", "k", "q", "\x01", "A", "\x1b"}},
		{`/x 'i\'j' "c d" 'e\tf' g\th "i\tj"`, []string{"/x", "i'j", "c d", "e\tf", "g\th", "i\tj"}},

		{`killall -0 haproxy`, []string{"killall", "-0", "haproxy"}},
		{" \t/x\n  y\r\n", []string{"/x", "y"}},
		{`""`, []string{""}},
		{`'a'"b"c`, []string{"abc"}},
		{`"it's" 'say "x"'`, []string{"it's", `say "x"`}},
		{`\\ \" \' \ `, []string{`\`, `"`, "'", " "}},
		{`\a\b\f\n\r\v`, []string{"\a\b\f\n\r\v"}},
		{`\7 \77 \1011 \x7 \x4a \x4A1 \xg`, []string{"\a", "?", "A1", "\a", "J", "J1", "xg"}},
		{`\377 \xff`, []string{"\xff", "\xff"}},
		{`grün # nicht`, []string{"grün", "#", "nicht"}},
		{`a;b $HOME *`, []string{"a;b", "$HOME", "*"}},
		{`\c[ x\c`, []string{"\x1b", "xc"}},
	} {
		got, err := SplitCommand(tt.line)
		if err != nil {
			t.Errorf("%s: %v", tt.line, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.line, diff)
		}
	}
}

func TestSplitCommandWrong(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		``:          "is empty",
		" \t":       "is empty",
		`/x "y`:     `has a " that is not closed`,
		`/x 'y\'`:   `has a ' that is not closed`,
		`/x \`:      "ends with a backslash",
		"/x \x00":   "NUL",
		`/x \0`:     "value 0",
		`/x \x00`:   "value 0",
		`/x \c@`:    "value 0",
		`/x \777`:   "value 511",
		`/x "\x0"`:  "value 0",
		"/x \\\x00": "value 0",
	} {
		if got, err := SplitCommand(line); err == nil || !strings.Contains(err.Error(), want) || got != nil {
			t.Errorf("%q: %q, %v, want an error with %q", line, got, err, want)
		}
	}
}

// FuzzSplitCommand checks that arguments that are quoted again split into the
// same ones, and that no argument holds a NUL byte.
func FuzzSplitCommand(f *testing.F) {
	for _, s := range []string{`/x 'a b' "c\x20d" e\ f`, `\q\cA\101`, `''`, `"`, `\`, `a\777`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		argv, err := SplitCommand(line)
		if err != nil {
			if argv != nil {
				t.Fatalf("%q besides %v", argv, err)
			}
			return
		}
		quoted := make([]string, len(argv))
		for i, a := range argv {
			if strings.Contains(a, "\x00") {
				t.Fatalf("%q has a NUL byte", a)
			}
			quoted[i] = "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(a) + "'"
		}
		again, err := SplitCommand(strings.Join(quoted, " "))
		if err != nil || !slices.Equal(argv, again) {
			t.Fatalf("%q quoted as %q gives %q, %v", argv, quoted, again, err)
		}
	})
}

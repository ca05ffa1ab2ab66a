package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

// lineOf walks down the index: words are keys, numbers are list entries.
func lineOf(root *node, path string) int {
	n := root
	for _, part := range strings.Fields(path) {
		var i int
		if _, err := fmt.Sscanf(part, "#%d", &i); err == nil {
			n = n.elem(i)
			continue
		}
		n = n.child(part)
	}
	return n.line
}

func TestPositions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		text string
		want map[string]int
	}{
		{"plain keys", "a = 1\n\nb = 2 # c = 3\nd = 4", map[string]int{"a": 1, "b": 3, "d": 4}},
		{"table", "\n[t]\na = 1\n[t.u]\na = 2\n", map[string]int{"t": 2, "t a": 3, "t u": 4, "t u a": 5}},
		{"implicit table", "[t.u]\nx = 1\n[t]\ny = 2\n", map[string]int{"t": 3, "t u": 1, "t u x": 2, "t y": 4}},
		{
			"same key in two entries of an array of tables",
			"[[i]]\nname = 'a'\np = 1\n[[i]]\nname = 'b'\n\np = 2\n",
			map[string]int{"i": 1, "i #0": 1, "i #0 p": 3, "i #1": 4, "i #1 name": 5, "i #1 p": 7},
		},
		{
			"table below the last entry",
			"[[i]]\n[i.auth]\np = 1\n[[i]]\n[i.auth]\np = 2\n[[i.peer]]\na = 1\n[[i.peer]]\na = 2",
			map[string]int{"i #0 auth p": 3, "i #1 auth p": 6, "i #1 peer #0 a": 8, "i #1 peer #1 a": 10},
		},
		{
			"inline tables",
			"a = { x = 1, y = { z = 2 } }\nb = [{ x = 1 },\n { x = 2,\n y = 3 }]\nc = 1",
			map[string]int{"a x": 1, "a y z": 1, "b #0 x": 2, "b #1": 3, "b #1 x": 3, "b #1 y": 4, "c": 5},
		},
		{"dotted keys", "a.b.c = 1\na.b.d = 2\na . e = 3\n", map[string]int{"a": 1, "a b c": 1, "a b d": 2, "a e": 3}},
		{
			"array over several lines",
			"a = [\n  'x', # one ]\n\n  \"y]\",\n  3\n]\nb = 1\n",
			map[string]int{"a": 1, "a #0": 2, "a #1": 4, "a #2": 5, "b": 7},
		},
		{
			"multi-line strings",
			"a = \"\"\"x\n[no]\n\\\"\"\" b = 1\n\"\"\"\"\"\nb = '''\n'' [[no]]\n'''\nc = ''\nd = \"\"\ne = 1",
			map[string]int{"a": 1, "b": 5, "c": 8, "d": 9, "e": 10},
		},
		{"strings with signs", "a = \"# [ { \\\" \"\nb = '#\\'\nc = 1", map[string]int{"a": 1, "b": 2, "c": 3}},
		{
			"quoted keys",
			"\"a b\" = 1\n'c.d' = 2\n\"e\\u0041\\x41\\t\" = 3\n[\"x.y\".'z']\nk = 1",
			map[string]int{"c.d": 2, "x.y z k": 5},
		},
		{"carriage returns", "a = 1\r\n[t]\r\nb = [1,\r\n2]\r\n", map[string]int{"a": 1, "t b": 3, "t b #1": 4}},
		{"dates", "a = [1979-05-27 07:32:00, 1]\nb = 1", map[string]int{"a #1": 1, "b": 2}},
		{"byte order mark", "\ufeffa = 1\nb = 1", map[string]int{"a": 1, "b": 2}},
		{"unknown key", "a = 1\n[t]\n", map[string]int{"t nothing": 2, "t nothing at all": 2, "t #4": 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var tree map[string]any
			if _, err := toml.Decode(tt.text, &tree); err != nil {
				t.Fatalf("the text is not TOML: %v", err)
			}
			idx := scan(tt.text)
			got := make(map[string]int)
			for path := range tt.want {
				got[path] = lineOf(idx.root, path)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			if len(idx.duplicates) > 0 {
				t.Errorf("duplicates: %v", idx.duplicates)
			}
			checkMirror(t, "", tree, idx.root)
		})
	}
}

// checkMirror fails unless every key and entry that the decoder found is in
// the index.
func checkMirror(t *testing.T, path string, v any, n *node) {
	t.Helper()
	if n == nil {
		t.Fatalf("no position for %s", path)
	}
	switch v := v.(type) {
	case map[string]any:
		for k, w := range v {
			checkMirror(t, path+" "+k, w, n.keys[k])
		}
	case []map[string]any:
		for i, w := range v {
			if i >= len(n.elems) {
				t.Fatalf("no position for %s #%d", path, i)
			}
			checkMirror(t, fmt.Sprintf("%s #%d", path, i), w, n.elems[i])
		}
	case []any:
		for i, w := range v {
			if i >= len(n.elems) {
				t.Fatalf("no position for %s #%d", path, i)
			}
			checkMirror(t, fmt.Sprintf("%s #%d", path, i), w, n.elems[i])
		}
	}
}

func TestPositionsDuplicates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want []duplicate
	}{
		{"a = 1\n\na = 2\na = 3", []duplicate{{"a", 3, 1, false}, {"a", 4, 1, false}}},
		{"[t]\nx = 1\n[u]\n[t]\nx = 2", []duplicate{{"t", 4, 1, true}, {"t.x", 5, 2, false}}},
		{"a.b = 1\na = 2", []duplicate{{"a", 2, 1, false}}},
		{"a = 1\na.b = 2", []duplicate{{"a", 2, 1, false}}},
		{"a = { b = 1,\n b = 2 }", []duplicate{{"a.b", 2, 1, false}}},
		{"a = { b = 1 }\n[a]\nc = 1", []duplicate{{"a", 2, 1, false}}},
		{"a = []\n[[a]]\n", []duplicate{{"a", 2, 1, false}}},
		{"[a]\n[[a]]\n", []duplicate{{"a", 2, 1, true}}},
		{"[[a]]\n[a]\n", []duplicate{{"a", 2, 1, true}}},
		{"[[a]]\nx = 1\n[[a]]\nx = 1\n", nil},
		{"[a.b]\n[a]\nc.d = 1\nc.e = 1\n", nil},
	}
	for _, tt := range tests {
		got := scan(tt.text).duplicates
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(duplicate{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestPositionsBounds(t *testing.T) {
	t.Parallel()
	const many = 1 << 20
	for name, text := range map[string]string{
		"arrays":        "\na = " + strings.Repeat("[", many),
		"inline tables": "\na = " + strings.Repeat("{a=", many),
		"mixed":         "\na = " + strings.Repeat("[{a=", many),
		"dotted key":    "\na" + strings.Repeat(".a", many) + " = 1",
		"header":        "\n[a" + strings.Repeat(".a", many) + "]",
	} {
		if got := scan(text).tooDeep; got != 2 {
			t.Errorf("%s: given up at line %d, want 2", name, got)
		}
	}
	for _, text := range []string{`"`, `'`, `"""`, `'''`, `"\`, `[`, `[[`, `]`, `{`, `}`, `=`, `.`, `a`, `a.`, `a=`, `a=[`, `a={`, `a="\`, "\x00", `"\u12`, `"\U`} {
		scan(text)
		scan("a = 1\n" + text)
	}
}

package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// comparePlain reports whether a text is plain, and fails if what comes out of it is
// not what the decoder makes of it.
func comparePlain(t *testing.T, text string) bool {
	t.Helper()
	got, ok := plainTree(text)
	if !ok {
		return false
	}
	want := map[string]any{}
	if _, err := toml.Decode(text, &want); err != nil {
		t.Errorf("taken for plain: %q\nthe decoder says: %v", text, err)
	} else if !reflect.DeepEqual(got, want) {
		t.Errorf("%q\ngot  %#v\nwant %#v", text, got, want)
	}
	return true
}

func plainSeeds(tb testing.TB) []string {
	tb.Helper()
	seeds := []string{balancedText, strings.Replace(balancedText, `"""`, "", 1), uncomment(Reference()), Reference()}
	files, err := filepath.Glob("testdata/wrong/*.toml")
	if err != nil || len(files) == 0 {
		tb.Fatal("no files", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		seeds = append(seeds, string(text))
	}
	return seeds
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for _, text := range plainSeeds(t) {
		comparePlain(t, text)
	}
	for text, want := range map[string]bool{
		"": true, "\n# x\n\t # y": true, "a=1": true, "a = -12 # x": true, "a = 0\nb = true\nc = \"\"\nd = \"#\" # \"": true,
		"[a]\nb = 1\n[a.c]\nd = 2\n[[a.e]]\n[[a.e]]\nf = \"x\"\n[a.e.g]":           true,
		"a = [\"x\", \"y\"]\nb = [ # c\n  \"x\", # ]\n  { c = 1 },\n ] # d\ne = 1": true,
		"a = { b = \"\\\"\", c = 'x' }":                                            true, "a = 1.5\nb = 0x10\nc = +1\nd = 1_000\ne = 1979-05-27\nf = \"\\t\"\ng = ''": true,
		"a = \"ü\"": true,
		// What is left to the decoder.
		"a.b = 1": false, "\"a\" = 1": false, "a = 1\na = 2": false, "[a]\n[a]": false, "[a.b]": false, "[[a]]\n[a]": false, "[a]\n[[a]]": false,
		"a = \"\"\"\nx\"\"\"": false, "a = '''\n'''": false, "a = 01": false, "a = --1": false, "a = 99999999999999999999": false, "a = ": false,
		"a = [\n\"\"\"\n]\n\"\"\"]": false, "a = [\n1": false, "a\n= 1": false, "a = \x00": false, "a = 1\r\n": false, "\ufeffa = 1": false,
		"a = 1 b": false, "[a] b": false, "[ a ]": false, "[a": false, "[[a]": false, "a = [{b = 1}]\n[[a]]": false, "a = {b = {c = 1}}\n[a.b]": false, "a = {b = 1}\n[a.c]": false,
	} {
		if got := comparePlain(t, text); got != want {
			t.Errorf("%q: plain: %v, want %v", text, got, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	for _, text := range plainSeeds(f) {
		f.Add(text)
	}
	f.Add("a = 1\n[b]\nc = \"x\"\n[[d]]\ne = [\n\"f\",\n]\n[d.g]\nh = { i = 1 }\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) <= 1<<16 {
			comparePlain(t, text)
		}
	})
}

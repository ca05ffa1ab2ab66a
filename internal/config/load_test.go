package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	secret := base("", "version = 2\nauthentication = { auth_type = \"PASS\", auth_pass = \"hunter2\" }", "")
	tests := []struct {
		name string
		text string
		mode os.FileMode
		want string
	}{
		{"no secret, readable by all", base("", "", ""), 0o644, ""},
		{"secret, readable by owner", secret, 0o600, ""},
		{"secret, readable by group", secret, 0o640, ""},
		{
			"secret, readable by all", secret, 0o644,
			"FILE:9: vrrp_instance.VI_1.authentication.auth_pass: can be read by every user of this host (mode 0644); run chmod o= FILE",
		},
		{
			"secret and errors, readable by all", secret + "color = 1\n", 0o604,
			"FILE:9: vrrp_instance.VI_1.authentication.auth_pass: can be read by every user of this host (mode 0604); run chmod o= FILE\n" +
				"FILE:10: vrrp_instance.VI_1.color: unknown key; [[vrrp_instance]] has no such keyword",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "hakeep.toml")
			if err := os.WriteFile(path, []byte(tt.text), tt.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil { // whatever the umask
				t.Fatal(err)
			}
			cfg, problems, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, strings.ReplaceAll(problems.String(), path, "FILE")); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if (cfg == nil) != problems.HasErrors() {
				t.Errorf("there is a configuration: %t, there are errors: %t", cfg != nil, problems.HasErrors())
			}
		})
	}
}

func TestLoadUnreadable(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "none.toml")
	cfg, problems, err := Load(path)
	if cfg != nil || problems != nil || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("Load of a missing file: %v, %v, %v", cfg, problems, err)
	}
	if cfg, _, err := Load(t.TempDir()); cfg != nil || err == nil {
		t.Errorf("Load of a directory: %v, %v", cfg, err)
	}
}

func TestParseBounds(t *testing.T) {
	t.Parallel()
	if cfg, problems := Parse("big", make([]byte, maxSize+1)); cfg != nil || len(problems) != 1 || problems[0].Line != 0 {
		t.Errorf("a file that is too large: %v", problems)
	}
	var many strings.Builder
	for i := range maxProblems + 500 {
		fmt.Fprintf(&many, "unknown_%d = 1\n", i)
	}
	cfg, problems := Parse("many", []byte(many.String()))
	if cfg != nil || len(problems) != maxProblems+1 {
		t.Fatalf("%d problems, want %d", len(problems), maxProblems+1)
	}
	// The 501st is that there is no instance.
	if got, want := problems[maxProblems].String(), "many: 501 more problems are not shown"; got != want {
		t.Errorf("last problem is %q, want %q", got, want)
	}
	// An error behind a thousand warnings is not forgotten.
	var text string
	for i := range maxProblems + 1 {
		text += fmt.Sprintf("[[vrrp_instance]]\nname = \"V%d\"\ninterface = \"e%d\"\nvirtual_router_id = 1\n", i, i)
	}
	if cfg, warnings := Parse("w", []byte(text)); cfg == nil || warnings.HasErrors() {
		t.Errorf("warnings alone: %v", warnings.Errors())
	}
	if cfg, late := Parse("w", []byte(text+"priority = 0\n")); cfg != nil || !late.HasErrors() {
		t.Errorf("an error behind many warnings is forgotten")
	}
	for i := range 10 {
		if problems[i].Line != i+1 {
			t.Errorf("problem %d is in line %d", i, problems[i].Line)
		}
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	ps := Problems{
		{File: "f", Line: 3, Key: "k", Message: "m", Severity: Warning},
		{File: "f", Message: "n", Severity: Error},
		{File: "f", Line: 9, Message: "o", Severity: Warning},
	}
	if got, want := ps.String(), "f:3: k: m\nf: n\nf:9: o"; got != want {
		t.Errorf("String is %q, want %q", got, want)
	}
	if !ps.HasErrors() || ps.Warnings().HasErrors() || len(ps.Errors()) != 1 || len(ps.Warnings()) != 2 {
		t.Errorf("errors: %v, warnings: %v", ps.Errors(), ps.Warnings())
	}
	if got := Error.String() + " " + Warning.String(); got != "error warning" {
		t.Errorf("severities are %s", got)
	}
}

// linksOnly is a host that lacks nothing but links.
type linksOnly func(string) bool

func (f linksOnly) LinkExists(name string) bool { return f(name) }
func (f linksOnly) UserExists(string) bool      { return true }
func (f linksOnly) GroupExists(string) bool     { return true }
func (f linksOnly) Lookup(string) error         { return nil }

func TestCheckOnLinks(t *testing.T) {
	t.Parallel()
	cfg, problems := Parse("f", []byte(base("", "virtual_ipaddress_excluded = [\n\"192.0.2.20 dev eth9\"]",
		`virtual_ipaddress = ["192.0.2.10/24", "192.0.2.11/24 dev eth1"]`)))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	asked := make(map[string]int)
	got := cfg.CheckOn(linksOnly(func(link string) bool { asked[link]++; return link == "eth1" }))
	want := "f:5: vrrp_instance.VI_1.interface: there is no interface eth0 on this host now; the instance waits in fault until it appears\n" +
		"f:9: vrrp_instance.VI_1.virtual_ipaddress_excluded: there is no interface eth9 on this host now; the instance waits in fault until it appears"
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if got.HasErrors() {
		t.Error("a missing interface is an error")
	}
	if diff := cmp.Diff(map[string]int{"eth0": 1, "eth1": 1, "eth9": 1}, asked); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	digest := func(text string) string {
		t.Helper()
		cfg, problems := Parse("f", []byte(text))
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		return cfg.Digest()
	}
	auth := func(pass string) string {
		return base("", `authentication = { auth_type = "PASS", auth_pass = "`+pass+`" }`+"\nversion = 2", "")
	}
	first := digest(base("", "", ""))
	for name, text := range map[string]string{
		"a comment":          "# hello\n\n" + base("", "", ""),
		"a written default":  base("vrrp_version = 3", "priority = 100", ""),
		"an address as text": base("", "", `virtual_ipaddress = [{ address = "192.0.2.10/24" }]`),
	} {
		if digest(text) != first {
			t.Errorf("%s changes the digest", name)
		}
	}
	seen := map[string]string{first: "the base"}
	for name, text := range map[string]string{
		"a priority":              base("", "priority = 101", ""),
		"an address":              base("", "", `virtual_ipaddress = ["192.0.2.11/24"]`),
		"a prefix length":         base("", "", `virtual_ipaddress = ["192.0.2.10/25"]`),
		"an excluded":             base("", `virtual_ipaddress_excluded = ["192.0.2.11/24"]`, ""),
		"a global":                base("main_timeout = \"11s\"", "", ""),
		"a password":              auth("secret"),
		"another password":        auth("Secret"),
		"half a letter":           auth("1234567é"),
		"half of another letter":  auth("1234567ā"),
		"http_listen":             base("http_listen = \"127.0.0.1:1\"", "", ""),
		"the name of a processor": base("instance = \"blue\"", "", ""),
	} {
		d := digest(text)
		if other, ok := seen[d]; ok {
			t.Errorf("%s has the digest of %s", name, other)
		}
		seen[d] = name
	}
}

// TestSecrets checks that a password does not get out by printing.
func TestSecrets(t *testing.T) {
	t.Parallel()
	cfg, problems := Parse("f", []byte(base("", "version = 2\nauthentication = { auth_type = \"PASS\", auth_pass = \"hunter2\" }", "")))
	if problems.HasErrors() || cfg.Instances[0].Auth.Password != "hunter2" {
		t.Fatal(problems)
	}
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprintf("%v", *cfg), fmt.Sprintf("%+v", cfg), fmt.Sprintf("%#v", cfg.Instances[0]), string(text), cfg.Digest()} {
		if strings.Contains(s, "hunter2") {
			t.Errorf("the password is in %s", s)
		}
	}
}

// TestSyntaxSecrets checks that no mistake in the notation shows a password.
func TestSyntaxSecrets(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"auth_pass = hunter2",
		"auth_pass = 'hunter2",
		"auth_pass = \"hunt\\qer2\"",
		"auth_pass = \"hunter2\" hunter2",
		"auth_pass hunter2",
		"auth_pass = 0xhunter2",
		"auth_pass = [hunter2]",
		"auth_pass = \"\"\"\nhunter2\\q\"\"\"",
		"auth_pass = \"\"\"hunter2",
		"auth_pass = 12hunter2",
		"auth_pass = 1e999hunter2",
		"authentication = { auth_type = \"PASS\", auth_pass = hunter2 }",
		"authentication = {\n auth_type = \"PASS\",\n auth_pass = hunter2\n }",
		"auth_pass = \"a\"\nauth_pass = \"hunter2\"",
	} {
		text = "[[vrrp_instance]]\n" + text + "\n"
		cfg, problems := Parse("f", []byte(text))
		if cfg != nil || !problems.HasErrors() {
			t.Errorf("%q is accepted", text)
		}
		for _, p := range problems {
			if strings.Contains(p.String(), "hunter") || strings.Contains(p.String(), "er2") {
				t.Errorf("%q: %s", text, p)
			}
		}
	}
}

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// TestNames looks up names as iproute2 does: the file in the first directory
// hides the one in the second, what is added counts in both.
func TestNames(t *testing.T) {
	t.Parallel()
	root := fstest.MapFS{
		"etc/iproute2/rt_tables":                {Data: []byte("# comment\n100 web # more\n0x65 hex\nx bad\n\n7\n200 main\n")},
		"usr/share/iproute2/rt_tables":          {Data: []byte("300 hidden\n")},
		"usr/share/iproute2/rt_tables.d/a.conf": {Data: []byte("301 dropin\n")},
		"etc/iproute2/rt_tables.d/b.conf":       {Data: []byte("302 dropin\n")},
		"etc/iproute2/rt_tables.d/c":            {Data: []byte("303 notconf\n")},
		"usr/share/iproute2/rt_protos":          {Data: []byte("77 mine\n999 large\n")},
		"opt/etc/rt_tables":                     {Data: []byte("400 web\n")},
		"opt/usr/group":                         {Data: []byte("5 uplinks\n")},
		"etc/iproute2/rt_scopes/x":              {Data: []byte("a directory")},
		"etc/iproute2/rt_realms":                {Data: []byte("9 office\n")},
		"etc/iproute2/rt_dsfield":               {Data: []byte("0x10 lowdelay\n")},
	}
	for _, tt := range []struct {
		name, global, rule string
		want               string // what the rule becomes, or the problem
	}{
		{"a table", "", "table web", "table 100"},
		{"a hexadecimal number", "", "table hex", "table 101"},
		{"the file goes before what is built in", "", "table main", "table 200"},
		{"what is built in", "", "table local", "table 255"},
		{"the other directory is hidden", "", "table hidden", `has the table "hidden", which is not known; allowed: a number from 1 to 4294967295, default, local, main, or a name from /etc/iproute2/rt_tables`},
		{"added files, the more important one last", "", "table dropin", "table 302"},
		{"another file", "", "table notconf", "is not known"},
		{"the other directory", "", "table 5 protocol mine no_track", "protocol 77"},
		{"a number that does not fit", "", "table 5 protocol large no_track", "out of range"},
		{"a directory", "", "table 5 realms office/3", "realms 589827"},
		{"a type of service", "", "table 5 tos lowdelay", "tos 16"},
		{"iproute_etc_dir", `iproute_etc_dir = "/opt/etc/"`, "table web", "table 400"},
		{"iproute_usr_dir", `iproute_usr_dir = "/opt/usr"`, "table 5 suppress_ifgroup uplinks", "group 5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := base(tt.global, `virtual_rules = ["preference 7 `+tt.rule+`"]`, "")
			cfg, problems := ParseFS("f", []byte(text), root)
			got := problems.String()
			if cfg != nil {
				r := cfg.Instances[0].Rules[0]
				got = strings.Join([]string{
					num("table", r.Table), num("protocol", uint32(r.Protocol)), num("realms", r.Realms), num("tos", uint32(r.TOS)), num("group", uint32(r.SuppressIfGroup)),
				}, ", ") + ","
				tt.want += ","
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			// Without the host, only what is built in is known.
			if cfg, _ := Parse("f", []byte(text)); cfg != nil && tt.rule != "table local" && tt.rule != "table main" {
				t.Error("Parse looks at more than the text")
			}
		})
	}
}

func num(name string, v uint32) string { return fmt.Sprintf("%s %d", name, v) }

// TestLoadNames checks that Load reads the names of this host.
func TestLoadNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rt_tables"), []byte("123 mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "hakeep.toml")
	text := base(`iproute_etc_dir = "`+dir+`"`, `virtual_rules = ["preference 7 table mine"]`, "")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, problems, err := Load(file)
	if err != nil || len(problems) > 0 || cfg.Instances[0].Rules[0].Table != 123 {
		t.Errorf("%v, %v, %+v", err, problems, cfg)
	}
}

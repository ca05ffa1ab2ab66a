package config

import (
	"slices"
	"strings"
	"testing"
)

// TestChanges: what a reload changes is named by its keys.
func TestChanges(t *testing.T) {
	t.Parallel()
	const base = `
[global_defs]
router_id = "a"
[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 1
version = 2
priority = 100
virtual_ipaddress = ["192.0.2.10/24", "192.0.2.11/24"]
[vrrp_instance.authentication]
auth_type = "PASS"
auth_pass = "geheim"
[[vrrp_instance]]
name = "VI_2"
interface = "eth0"
virtual_router_id = 2
virtual_ipaddress = ["192.0.2.20/24"]
`
	for _, tt := range []struct {
		name, old, new string
		want           []string
	}{
		{"nothing", "", "", nil},
		{"a value", "priority = 100", "priority = 150", []string{"vrrp_instance.VI_1.priority: 100 -> 150"}},
		{"a key that is new", "priority = 100", "priority = 100\nadvert_int = \"2s\"", []string{`vrrp_instance.VI_1.advert_int: + "2s"`}},
		{"a key that goes", "version = 2\npriority = 100\n", "version = 2\n", []string{"vrrp_instance.VI_1.priority: - 100"}},
		{"entries of a list", `"192.0.2.11/24"]`, `"192.0.2.12/24"]`, []string{`vrrp_instance.VI_1.virtual_ipaddress: ["192.0.2.11/24"] -> ["192.0.2.12/24"]`}},
		{"an entry more", `"192.0.2.11/24"]`, `"192.0.2.11/24", "192.0.2.12/24"]`, []string{`vrrp_instance.VI_1.virtual_ipaddress: + ["192.0.2.12/24"]`}},
		{
			"the order of a list", `"192.0.2.10/24", "192.0.2.11/24"`, `"192.0.2.11/24", "192.0.2.10/24"`,
			[]string{`vrrp_instance.VI_1.virtual_ipaddress: ["192.0.2.10/24", "192.0.2.11/24"] -> ["192.0.2.11/24", "192.0.2.10/24"]`},
		},
		{"a password", `"geheim"`, `"anders"`, []string{"vrrp_instance.VI_1.authentication.auth_pass: (not shown) -> (not shown)"}},
		{"a name", `"VI_2"`, `"VI_3"`, []string{"vrrp_instance.VI_2: - (block)", "vrrp_instance.VI_3: + (block)"}},
		{"a global key", `router_id = "a"`, "router_id = \"b\"\nvrrp_version = 3", []string{`global_defs.router_id: "a" -> "b"`, "global_defs.vrrp_version: + 3"}},
		{"comments and blanks", "priority = 100", "# more\npriority  =  100", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			read := func(text string) *Config {
				cfg, problems := Parse("t.toml", []byte(text))
				if cfg == nil {
					t.Fatalf("%v", problems)
				}
				return cfg
			}
			if !strings.Contains(base, tt.old) {
				t.Fatalf("%q is not in the text", tt.old)
			}
			var got []string
			for _, c := range Changes(read(base), read(strings.Replace(base, tt.old, tt.new, 1))) {
				got = append(got, c.String())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n %s\nwant\n %s", strings.Join(got, "\n "), strings.Join(tt.want, "\n "))
			}
		})
	}
}

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

// balancedText is three virtual servers, two of them of one address.
const balancedText = `# head
[global_defs]
router_id = "a" # before
[[virtual_server]]
address = "192.0.2.10:53"
protocol = "TCP"
[[virtual_server.real_server]]
address = "10.0.0.1:53"
[[virtual_server.real_server]]
address = "10.0.0.2:53"
[virtual_server.real_server.TCP_CHECK]
connect_timeout = "1s"
# between
[[virtual_server]]
address = "192.0.2.10:53"
protocol = "UDP"
[[virtual_server.real_server]]
address = "10.0.0.3:53"
[[virtual_server]]
address = "192.0.2.11:80"
quorum_up = """
[[virtual_server]]
"""
[[virtual_server.real_server]]
address = "10.0.0.4:80"
[[virtual_server.real_server]]
address = "10.0.0.5:80"
`

// TestChangesOfServers: virtual servers are compared by what they are for, and real
// servers by their addresses, wherever they stand.
func TestChangesOfServers(t *testing.T) {
	t.Parallel()
	_, rest, _ := strings.Cut(balancedText, "# between\n")
	first := strings.TrimSuffix(balancedText, rest)
	for _, tt := range []struct {
		name, old, new string
		want           []string
	}{
		{"nothing", "# between", "# other", nil},
		{"the first server goes", "[[virtual_server.real_server]]\naddress = \"10.0.0.4:80\"\n", "", []string{"virtual_server.192.0.2.11:80.real_server.10.0.0.4:80: - (block)"}},
		{"the first virtual server goes", strings.TrimPrefix(first, "# head\n[global_defs]\nrouter_id = \"a\" # before\n"), "", []string{"virtual_server.192.0.2.10:53: - (block)"}},
		{"one of UDP", `"10.0.0.3:53"`, "\"10.0.0.3:53\"\nweight = 5", []string{"virtual_server.192.0.2.10:53.real_server.10.0.0.3:53.weight: + 5"}},
		{"both of one address", "", "", []string{
			"virtual_server.192.0.2.10:53.real_server.10.0.0.1:53.weight: + 6",
			"virtual_server.192.0.2.10:53 UDP.real_server.10.0.0.3:53.weight: + 6",
		}},
		{"a checker", `connect_timeout = "1s"`, `connect_timeout = "2s"`, []string{`virtual_server.192.0.2.10:53.real_server.10.0.0.2:53.TCP_CHECK.connect_timeout: "1s" -> "2s"`}},
		{"the order", rest, "", []string{}},
		{"before the first table", "# head\n", "\ufeff# head\n", nil},
		{"the last one", "address = \"10.0.0.5:80\"\n", "address = \"10.0.0.5:80\"\nweight = 3", []string{"virtual_server.192.0.2.11:80.real_server.10.0.0.5:80.weight: + 3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(balancedText, tt.old, tt.new, 1)
			switch tt.name {
			case "both of one address":
				changed = strings.NewReplacer(`"10.0.0.1:53"`, "\"10.0.0.1:53\"\nweight = 6", `"10.0.0.3:53"`, "\"10.0.0.3:53\"\nweight = 6").Replace(balancedText)
			case "the order":
				head, vs, _ := strings.Cut(first, "[[virtual_server]]")
				changed = head + rest + "[[virtual_server]]" + vs
			}
			before, after := sourceOf(balancedText), sourceOf(changed)
			var got []string
			for _, c := range changesOf(differing(before, after)) {
				got = append(got, c.String())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n %s\nwant\n %s", strings.Join(got, "\n "), strings.Join(tt.want, "\n "))
			}
			if a, _ := differing(before, after); len(before.heads) != 4 || len(a) >= len(before.text) {
				t.Errorf("compared in %d pieces, %d of %d bytes", len(before.heads), len(a), len(before.text))
			}
		})
	}
}

func sourceOf(text string) source {
	return newSource(text, scan(text))
}

// TestSourceInOnePiece: tables that stand apart from what they belong to are not taken
// from each other.
func TestSourceInOnePiece(t *testing.T) {
	t.Parallel()
	const text = "[[virtual_server]]\naddress = \"192.0.2.10:53\"\n[global_defs]\n[[virtual_server.real_server]]\naddress = \"10.0.0.1:53\"\n"
	if s := sourceOf(text); s.heads != nil {
		t.Errorf("divided at %v", s.heads)
	}
}

package config

import (
	"strings"
	"testing"
)

// TestFailoverNotes: what keeps connections from surviving is said of mh and sh, whatever
// it is, and not of schedulers that nobody expects it of.
func TestFailoverNotes(t *testing.T) {
	t.Parallel()
	const text = "[global_defs]\nlvs_backend = \"nftables\"\n[[virtual_server]]\naddress = \"192.0.2.10:80\"\nprotocol = \"TCP\"\nlvs_sched = \"mh\"\n" +
		"[[virtual_server.real_server]]\naddress = \"10.0.0.11:80\"\n"
	for _, tt := range []struct{ name, old, new, want string }{
		{"mh", "", "", ""},
		{"persistence", `"mh"`, "\"mh\"\npersistence_timeout = \"60s\"", "connections do not survive a takeover: persistence_timeout: "},
		{"sctp", `"TCP"`, `"SCTP"`, "connections do not survive a takeover: protocol sctp: "},
		{"two", `"TCP"`, "\"SCTP\"\nmasquerade = true", "connections do not survive a takeover: masquerade: "},
		{"rr", `"mh"`, "\"rr\"\nmasquerade = true", ""},
	} {
		cfg, problems := Parse("t.toml", []byte(strings.Replace(text, tt.old, tt.new, 1)))
		if cfg == nil {
			t.Fatalf("%s: %v", tt.name, problems)
		}
		got := ""
		for _, n := range cfg.FailoverNotes() {
			got += n.Why
		}
		if (got == "") != (tt.want == "") || !strings.HasPrefix(got, tt.want) || (tt.name == "two") != strings.Contains(got, "; protocol sctp") {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

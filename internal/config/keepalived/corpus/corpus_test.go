package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hakeep/internal/config/keepalived"
	"hakeep/internal/nstest"
)

// vrrp wraps lines into an instance that has all it needs.
func vrrp(lines string) string {
	return "vrrp_instance V {\ninterface eth7\nvirtual_router_id 7\n" + lines + "\nvirtual_ipaddress {\n192.0.2.7\n}\n}\n"
}

// lvs wraps lines into a virtual server that has all it needs.
func lvs(lines string) string {
	return "virtual_server 192.0.2.10 80 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\n" + lines + "\nreal_server 192.0.2.20 80 {\nTCP_CHECK {\n}\n}\n}\n"
}

// ourSamples are files about which keepalived says nothing, by class.
var ourSamples = map[string]string{
	"word behind a flag":       lvs("alpha 1"),
	"word behind a value":      strings.Replace(lvs(""), "TCP_CHECK {\n", "MISC_CHECK {\nmisc_path /bin/true one\n", 1),
	"empty definition":         "net_namespace ${_INSTANCE}\n" + vrrp(""),
	"strict mode with unicast": vrrp("strict_mode true\nunicast_peer {\n10.200.1.2\n}"),
	"a word twice in a rule":   "static_rules {\nfrom 192.0.2.0/24 table 100 preference 7 preference 8\n}\n" + vrrp(""),
}

// theirSamples are files about which hakeep says nothing, or nothing of the line.
var theirSamples = map[string]string{
	"old keyword":                strings.Replace(lvs(""), "TCP_CHECK {\n", "HTTP_GET {\nurl {\npath /\nstatus_code 200\n}\nnb_get_retry 2\n", 1),
	"not in Debian's build":      "global_defs {\nvrrp_iptables IN OUT\nvrrp_ipsets\n}\n" + vrrp(""),
	"backslash":                  "! a comment \\\n\n" + vrrp(""),
	`\# and \!`:                  strings.Replace(vrrp(""), "vrrp_instance V {", `vrrp_instance V_\#1 {`, 1),
	"VMAC":                       vrrp("use_vmac\nunicast_peer {\n10.200.1.2\n}"),
	"inside of what is left out": "vrrp_defs {\ntrack_vips\n}\n" + vrrp(""),
	"said at another line":       vrrp("virtual_rules {\nfrom 192.0.2.0/24 table 100\n}"),
	"route without an interface": vrrp("virtual_routes {\n198.51.100.0/24 via 10.200.1.9\n}"),
	"name of a mail relay":       "global_defs {\nsmtp_server mail.invalid 25\n}\n" + vrrp(""),
	"interval of 0":              "global_defs {\nvrrp_garp_interval 0\n}\n" + vrrp(""),
	"unicast_ttl without peers":  vrrp("unicast_ttl 2"),
}

// unanswered are keepalived's messages about a file, without those about lines that
// hakeep judges, too.
func (o *outcome) unanswered() []string {
	judged := *o
	judged.messages = slices.DeleteFunc(slices.Clone(o.messages), func(m keepalived.Issue) bool { return m.Own || m.Pos.Line == 0 })
	return slices.DeleteFunc(slices.Clone(o.theirs.about), func(m string) bool { return strings.Contains(m, "Line") && judged.hasLine(m) })
}

// judge reads a file with both.
func judge(t *testing.T, text string) *outcome {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := convert(file, "low")
	var err error
	if o.theirs, err = oracle(nstest.RequireTool(t, "keepalived"), file, "low", o.namespaces); err != nil {
		t.Fatal(err)
	}
	return &o
}

// TestClassesHold runs a file of each class with both: one side says what the class
// is about, the other one nothing.
func TestClassesHold(t *testing.T) {
	nstest.Require(t)
	for _, side := range []struct {
		classes []class
		samples map[string]string
		ours    bool
	}{{ourClasses, ourSamples, true}, {theirClasses, theirSamples, false}} {
		for _, c := range side.classes {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				text, ok := side.samples[c.name]
				if !ok {
					t.Fatal("no sample")
				}
				o := judge(t, text)
				said := o.judged()
				if !side.ours {
					said = o.unanswered()
				}
				if len(said) == 0 {
					t.Fatalf("nothing is said; hakeep: %v; keepalived: %+v", o.messages, o.theirs)
				}
				for _, m := range said {
					if got := find(side.classes, o, m); got == nil || got.name != c.name {
						t.Errorf("%q has the class %+v, want %s", m, got, c.name)
					}
				}
				if side.ours && len(o.theirs.about) > 0 {
					t.Errorf("keepalived is not silent: %q", o.theirs.about)
				}
			})
		}
	}
}

// TestOracleLooksBehindWhatIsMissing: a namespace or an interface that this host does
// not have keeps keepalived from nothing.
func TestOracleLooksBehindWhatIsMissing(t *testing.T) {
	nstest.Require(t)
	o := judge(t, "net_namespace nosuch\n"+vrrp("frobnicate"))
	if !slices.ContainsFunc(o.theirs.about, func(m string) bool { return strings.Contains(m, "Unknown keyword 'frobnicate'") }) {
		t.Errorf("keepalived does not see the unknown keyword: %+v", o.theirs)
	}
	if len(o.theirs.host) > 0 {
		t.Errorf("something is missing: %q", o.theirs.host)
	}
}

// TestUnexplained counts the files with a disagreement that no class explains.
func TestUnexplained(t *testing.T) {
	t.Parallel()
	ours := func(kind keepalived.Kind, own bool, message string) outcome {
		return outcome{name: "a.conf", messages: []keepalived.Issue{{Key: "k", Kind: kind, Own: own, Message: message}}}
	}
	theirs := func(messages ...string) outcome {
		return outcome{name: "b.conf", theirs: verdict{about: messages}}
	}
	both := ours(keepalived.Changed, false, "m")
	both.messages[0].Pos.Line = 3
	both.theirs.about = []string{"(Line 3) something", "something else"}
	line := both
	line.theirs.about = []string{"(Line 4) something"}
	for _, tt := range []struct {
		name string
		o    outcome
		want int
	}{
		{"nothing", outcome{}, 0},
		{"a note", ours(keepalived.Note, false, "m"), 0},
		{"what hakeep does not do", ours(keepalived.Lost, true, "m"), 0},
		{"hakeep alone", ours(keepalived.Changed, false, "m"), 1},
		{"keepalived alone", theirs("something"), 1},
		{"keepalived alone, explained", theirs("(Line 7) nb_get_retry is deprecated - please use 'retry'"), 0},
		{"keepalived alone, one of two explained", theirs("(Line 7) nb_get_retry is deprecated - please use 'retry'", "something"), 1},
		{"both", both, 0},
		{"a line of which hakeep says nothing", line, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := verdicts([]outcome{tt.o}); got != tt.want {
				t.Errorf("%d are not explained, want %d", got, tt.want)
			}
		})
	}
}

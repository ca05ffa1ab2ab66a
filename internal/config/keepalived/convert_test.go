package keepalived

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
)

// convert converts a text.
func convert(text string) *Result {
	return Convert("/etc/k.conf", "k.conf", Options{Root: fstest.MapFS{"etc/k.conf": {Data: []byte(text), Mode: 0o644}}})
}

// body returns the TOML text without the header.
func body(r *Result) string {
	_, text, _ := strings.Cut(string(r.Text), "\n\n")
	return text
}

const minimal = "vrrp_instance V {\n interface eth0\n virtual_router_id 5\n virtual_ipaddress {\n 192.0.2.1\n }\n}\n"

func TestConvertWhole(t *testing.T) {
	t.Parallel()
	res := convert(`! the cluster
global_defs {
    router_id lb1   # this one
    notification_email { a@example.com
      # the other one
      b@example.com }
    vrrp_garp_interval 0.01
    script_user root adm
    enable_snmp_vrrp
}
net_namespace blue

# checks
vrrp_script chk {
    script "/bin/check 'a b'"
    interval 0.5
    weight -20 reverse
    user haproxy
}
vrrp_track_file tf {
    file /run/tf
    init_file 5 overwrite
}
vrrp_instance VI_1 {
    # where
    interface eth0
    state MASTER
    virtual_router_id 51
    priority 150
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass 0123456789
    }
    virtual_ipaddress
    {
        192.0.2.1/24 dev eth0 label eth0:1 # first
        # second
        192.0.2.2/24
    }
    track_script { chk weight -30 }
    track_interface {
        eth1
    }
    notify_master "/bin/m \"x y\"" root
    nopreempt
}
vrrp_sync_group G {
    group { VI_1 }
    notify /bin/g
}
static_ipaddress { 198.51.100.1/32 dev eth1 }
interface_up_down_delays {
    eth0 2 3
}
`)
	const want = `static_ipaddress = ["198.51.100.1/32 dev eth1"]

# the cluster
[global_defs]
router_id = "lb1" # this one
notification_email = [
  "a@example.com",
  # the other one
  "b@example.com",
]
vrrp_garp_interval = "10ms"
script_user = "root adm"
# no effect in hakeep: enable_snmp_vrrp
net_namespace = "blue"
vrrp_version = 2 # keepalived's default

# checks
[[vrrp_script]]
name = "chk"
script = "/bin/check 'a b'"
interval = "500ms"
weight = "-20 reverse"
user = "haproxy"

[[track_file]]
name = "tf"
file = "/run/tf"
init_file = "5 overwrite"

[[vrrp_instance]]
name = "VI_1"
# where
interface = "eth0"
state = "MASTER"
virtual_router_id = 51
priority = 150
advert_int = "1s"
authentication = { auth_type = "PASS", auth_pass = "01234567" }
virtual_ipaddress = [
  "192.0.2.1/24 dev eth0 label eth0:1", # first
  # second
  "192.0.2.2/24",
]
track_script = ["chk weight -30"]
track_interface = ["eth1"]
notify_master = { command = "/bin/m \"x y\"", user = "root" }
nopreempt = true

[[vrrp_sync_group]]
name = "G"
group = ["VI_1"]
notify = "/bin/g"

[interface_up_down_delays]
eth0 = "2 3"
`
	if res.Config == nil {
		t.Fatalf("no configuration: %v", res.Issues)
	}
	if got := body(res); got != want {
		t.Errorf("got:\n%s\nwant:\n%s\nissues: %v", got, want, res.Issues)
	}
	if !res.Secrets || res.Exit() != 0 {
		t.Errorf("secrets %v, exit %d: %v", res.Secrets, res.Exit(), res.Issues)
	}
}

// TestMissingProgram: import says which checks will fail here, in the header too.
func TestMissingProgram(t *testing.T) {
	t.Parallel()
	text := "vrrp_script gone {\n script \"/opt/gone a\"\n}\nvrrp_script here {\n script /bin/here\n}\n" +
		strings.TrimSuffix(minimal, "}\n") + "track_script {\ngone\nhere\n}\n}\n"
	res := Convert("/k.conf", "k.conf", Options{Root: fstest.MapFS{"k.conf": {Data: []byte(text)}}, Lookup: func(program string) error {
		if program == "/opt/gone" {
			return errors.New("not there")
		}
		return nil
	}})
	var said []string
	for _, i := range res.Issues {
		if strings.Contains(i.Message, "cannot be run") {
			said = append(said, i.Kind.String()+" "+i.String())
		}
	}
	want := []string{"changed k.conf:2: vrrp_script.gone.script: cannot be run on this host (not there): keepalived leaves the script out, hakeep counts it as failed"}
	if !slices.Equal(said, want) || !strings.Contains(string(res.Text), "vrrp_script.gone.script: cannot be run") {
		t.Errorf("%q\n%s", said, res.Text)
	}
}

// TestBareParamMatch: without a word behind it, param_match wants the very same
// arguments, or none if the process has none, and not any.
func TestBareParamMatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, lines, want string
		not               string
	}{
		{"no arguments", "process nginx\nparam_match", `param_match = "initial"`, ""},
		{"before the process", "param_match\nprocess nginx", `param_match = "initial"`, ""},
		{"arguments", "process nginx -g\nparam_match", `process = "nginx -g"`, "\nparam_match"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := convert("vrrp_track_process p {\n" + tt.lines + "\n}\n" + minimal)
			if res.Exit() != 0 || res.Worst > Note {
				t.Fatalf("exit %d: %v", res.Exit(), res.Issues)
			}
			if text := body(res); !strings.Contains(text, tt.want) || tt.not != "" && strings.Contains(text, tt.not) {
				t.Errorf("want %q and not %q:\n%s", tt.want, tt.not, text)
			}
		})
	}
}

func TestConvertLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, line string // of an instance
		want       string // in the text; empty for nothing to look at
		not        string
		kind       Kind
		issue      string
	}{
		{"priority out of range", "priority 300", "priority = 100", "", Changed, "300 is out of range"},
		{"number with garbage", "priority 10x", "", "priority =", Changed, `"10x" is not a number`},
		{"interval of version 2", "advert_int 1.6", `advert_int = "2s"`, "", Changed, "not possible in version 2"},
		{"short interval of version 2", "advert_int 0.1", `advert_int = "1s"`, "", Changed, "so it is 1s"},
		{"interval of version 3", "version 3\nadvert_int 0.105", `advert_int = "110ms"`, "", Changed, "rounded to 110ms"},
		{"password of version 3", "version 3\nauthentication {\nauth_type PASS\nauth_pass x\n}", "", "auth_pass", Changed, "version 2 only"},
		{"long password", "authentication {\nauth_type PASS\nauth_pass 123456789\n}", `"12345678"`, "", Changed, "more than 8 bytes"},
		{"AH", "authentication {\nauth_type AH\nauth_pass 123456789\n}", "", "1234", Lost, "auth_type AH"},
		{"unknown keyword", "frobnicate 5", "# unknown: frobnicate 5", "", Changed, "keepalived has no such keyword here"},
		{"unknown block", "frob {\n a {\n b\n }\n}", "#   a {\n#     b\n", "", Changed, "no such keyword"},
		{"not yet", "use_vmac vrrp.5", "# NOT CONVERTED: use_vmac vrrp.5", "", Lost, "hakeep does not do it (not yet: VMAC)"},
		{"no effect", "debug 3", "# no effect in hakeep: debug 3", "", Note, "has no effect"},
		{"old spelling", "vmac_garp_intvl 5", "# NOT CONVERTED: vmac_garp_intvl 5", "", Lost, "announcements on further interfaces"},
		{"later counts", "priority 10\npriority 20", "priority = 20", "priority = 10", Changed, "stands in line"},
		{"opposite", "nopreempt\npreempt", "preempt = true", "nopreempt", Changed, "is left out, because preempt"},
		{"lists add up", "virtual_ipaddress {\n192.0.2.7\n}", `"192.0.2.7"`, "", 0, ""},
		{"other family", "virtual_ipaddress {\n2001:db8::1\n}", "left out: 2001:db8::1", "", Changed, "not of the family"},
		{"bad address", "virtual_ipaddress {\n192.0.2.999\n}", "left out: 192.0.2.999", "", Lost, "is not an IP address"},
		{"VMAC of an address", "virtual_ipaddress {\n192.0.2.7 use_vmac\n}", `"192.0.2.7"`, "", Lost, "use_vmac is left out"},
		{"unknown script", "track_script {\nnothing\n}", "left out: track_script", "", Changed, `"nothing" is not in this file`},
		{"flag with a word", "dont_track_primary yes\nhigher_prio_send_advert off", "higher_prio_send_advert = false", "", 0, ""},
		{"flag with a wrong word", "higher_prio_send_advert maybe", "", "higher_prio_send_advert =", Changed, "neither on nor off"},
		{"no value", "priority", "", "priority =", Lost, "value is missing"},
		{"own interface with a weight", "track_interface {\neth0 weight 20\neth1\n}", "left out: eth0 weight 20\n  \"eth1\"", `"eth0 weight`, Changed, "own interface and is left out, with its weight"},
		{"own interface that is not tracked", "dont_track_primary\ntrack_interface {\neth0\n}", "left out: track_interface", "", Changed, "own interface and is left out"},
		{"own interface", "track_interface {\neth0\n}", "left out: track_interface", "track_interface =", Note, "tracked in any case"},
		{"user of a script", "notify /bin/n", `notify = "/bin/n"`, "", Changed, "as root if there is no such user"},
		{"script of root", "notify /bin/n root", `user = "root"`, "", 0, ""},
		{"route", "virtual_routes {\nsrc 192.0.2.1 to 198.51.100.0/24 via 192.0.2.9\n}", `"198.51.100.0/24 src 192.0.2.1 via 192.0.2.9"`, "", 0, ""},
		{"control characters", "# a\x01b\x7f\npriority 9", "# a b\n", "", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := convert(strings.TrimSuffix(minimal, "}\n") + tt.line + "\n}\n")
			if res.Config == nil {
				t.Fatalf("no configuration: %v", res.Issues)
			}
			text := body(res)
			if !strings.Contains(text, tt.want) {
				t.Errorf("the text lacks %q:\n%s", tt.want, text)
			}
			if _, after, _ := strings.Cut(text, "[[vrrp_instance]]"); tt.not != "" && strings.Contains(after, tt.not) {
				t.Errorf("the text has %q:\n%s", tt.not, text)
			}
			var all []string
			for _, i := range res.Issues {
				all = append(all, i.Kind.String()+" "+i.String())
				if i.Kind == tt.kind && strings.Contains(i.Message, tt.issue) {
					if i.Pos.File != "k.conf" || i.Pos.Line < 7 {
						t.Errorf("%v is at the wrong place", i)
					}
					return
				}
			}
			if tt.issue != "" || len(all) > 0 {
				t.Errorf("issues %q, want %v %q", all, tt.kind, tt.issue)
			}
		})
	}
}

func TestConvertBlocks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		exit       int
		want       []string // issues, each in part
	}{
		{"nothing but instances", minimal, 0, nil},
		{"load balancing without servers", minimal + "virtual_server 192.0.2.1 80 {\n lb_algo rr\n}\n", 0, []string{"k.conf:8: virtual_server.192.0.2.1 80: has no real_server, so it is left out, as keepalived does"}},
		{"same name", minimal + minimal, 0, []string{"k.conf:8: vrrp_instance.V: there is a block of this name in line 1 already"}},
		{"no VRID", "vrrp_instance V {\n interface eth0\n}\n" + strings.ReplaceAll(minimal, " V ", " W "), 2, []string{"k.conf:1: vrrp_instance.V.virtual_router_id: missing"}},
		{"wrong keyword", minimal + "frob 1\n", 0, []string{"k.conf:8: frob: keepalived has no such keyword outside of blocks"}},
		{"not a configuration", "\x7fELF\x01\x02 abc\n\xff\xfe\n", 4, []string{"nothing in this file is a keyword"}},
		{"password in an unknown place", minimal + "auth_pass secret\n", 0, []string{"auth_pass"}},
		{"strict unicast", "global_defs {\nvrrp_strict\n}\n" + strings.TrimSuffix(minimal, "}\n") + "unicast_src_ip 192.0.2.8\nunicast_peer {\n192.0.2.9\n}\n}\n", 2, []string{"has no [[vrrp_instance]]", "k.conf:11: vrrp_instance.V.unicast_peer: strict mode has no unicast (RFC 9568, 5.1.1.2); remove unicast_peer, or write strict_mode = false; the whole block is left out"}},
		{"empty group", minimal + "vrrp_sync_group G {\n group {\n W\n }\n}\n", 0, []string{"has no instances", `"W" is not in this file`}},
		{"script comes later", strings.TrimSuffix(minimal, "}\n") + "track_script {\nc\n}\n}\nvrrp_script c {\nscript /bin/true\nuser root\n}\n", 0, []string{`"c" comes later`}},
		{"version of IPv6", "vrrp_instance V {\n interface eth0\n virtual_router_id 5\n version 2\n virtual_ipaddress {\n fe80::1\n }\n}\n", 0, []string{"IPv6 needs version 3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := convert(tt.text)
			if res.Exit() != tt.exit {
				t.Errorf("exit %d, want %d", res.Exit(), tt.exit)
			}
			if len(res.Issues) < len(tt.want) || len(tt.want) == 0 && len(res.Issues) > 0 {
				t.Fatalf("issues %v, want %q", res.Issues, tt.want)
			}
			for i, want := range tt.want {
				if got := res.Issues[i].String(); !strings.Contains(got, want) {
					t.Errorf("issue %q, want %q", got, want)
				}
			}
			if strings.Contains(string(res.Text), "secret") {
				t.Errorf("the text has the password:\n%s", res.Text)
			}
		})
	}
}

func TestPositions(t *testing.T) {
	t.Parallel()
	res := Convert("/etc/k.conf", "k.conf", Options{Root: files(map[string]string{
		"etc/k.conf": "$V= \\\nvrrp_instance V${N} { \\\n interface eth0 \\\n virtual_router_id ${N} \\\n priority 999 \\\n virtual_ipaddress { 192.0.2.${N} } \\\n}\n$N=1\n$V\n$N=2\n$V\ninclude i.conf\n",
		"etc/i.conf": "\nfrob 1\n",
	})})
	want := []string{
		"k.conf:5: vrrp_instance.V1.priority: 999 is out of range (1 to 255), so it is 100, as in keepalived (used in line 9)",
		"k.conf:5: vrrp_instance.V2.priority: 999 is out of range (1 to 255), so it is 100, as in keepalived (used in line 11)",
		"/etc/i.conf:2: frob: keepalived has no such keyword outside of blocks and skips it; it is left out",
	}
	for i, w := range want {
		if i >= len(res.Issues) || res.Issues[i].String() != w {
			t.Errorf("issues %v, want %q", res.Issues, w)
		}
	}
	if res.Config == nil || len(res.Config.Instances) != 2 {
		t.Fatalf("got %v", res.Config)
	}
	// What is asked of the host is reported at the place in the conf file.
	problems := res.Config.CheckOn(bareHost{})
	if len(problems) != 2 || problems[0].Line != 3 || problems[0].File != "k.conf" {
		t.Errorf("got %v", problems)
	}
}

func TestIs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want bool
	}{
		{"", false},
		{"# x\n[global_defs]\n", false},
		{"vrrp_instance = 1\n", false},
		{"[[vrrp_instance]]\n", false},
		{"static_ipaddress = [\n", false},
		{"foo bar\n", false},
		{"! x\n", true},
		{"# x\n\nglobal_defs {\n}\n", true},
		{"global_defs{\n", true},
		{"vrrp_instance V\n{\n", true},
		{"$X=1\n", true},
		{"include a\n", true},
		{"foo bar\nvrrp_instance V {\n", true},
	} {
		if got := Is([]byte(tt.text)); got != tt.want {
			t.Errorf("%q: got %v", tt.text, got)
		}
	}
}

// bareHost has no interface; everything else is there.
type bareHost struct{}

func (bareHost) LinkExists(string) bool  { return false }
func (bareHost) UserExists(string) bool  { return true }
func (bareHost) GroupExists(string) bool { return true }
func (bareHost) Lookup(string) error     { return nil }

// TestPipe: a pipe cannot be read twice, so it is left to the reader of TOML,
// and an include of one is refused rather than waited for.
func TestPipe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo, conf := filepath.Join(dir, "fifo"), filepath.Join(dir, "k.conf")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, []byte(minimal+"include fifo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if ours, err := IsFile(fifo); ours || err != nil {
		t.Errorf("got %v, %v", ours, err)
	}
	if ours, err := IsFile(conf); !ours || err != nil {
		t.Errorf("got %v, %v", ours, err)
	}
	res, err := ConvertFile(conf, "")
	if err != nil || res.Exit() != 4 || !strings.Contains(res.Issues[0].String(), ":8: include \"") && !strings.Contains(res.Issues[0].String(), "not a regular file") {
		t.Errorf("got %v, %v", res.Issues, err)
	}
}

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// conf is a keepalived.conf with a secret, a change and, for the config-id
// lossy, a loss.
const conf = `! two routers
global_defs {
    script_user root
    enable_script_security
}
vrrp_instance V {
    interface lo   # the link
    virtual_router_id 5
    priority 300
    authentication {
        auth_type PASS
        auth_pass secret
    }
@lossy use_vmac
    virtual_ipaddress {
        192.0.2.1
    }
}
`

func writeConf(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "keepalived.conf")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestImport(t *testing.T) {
	t.Parallel()
	file := writeConf(t, conf)
	stdout, stderr, code := execute(t, "import", file)
	if code != 0 || !strings.Contains(stdout, "[[vrrp_instance]]\nname = \"V\"\ninterface = \"lo\" # the link\n") {
		t.Errorf("exit %d, output:\n%s", code, stdout)
	}
	for _, want := range []string{"changed: " + file + ":9: vrrp_instance.V.priority: 300 is out of range", "1 instances; 1 changed, 0 lost", "holds a password"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("standard error lacks %q:\n%s", want, stderr)
		}
	}
	out := filepath.Join(t.TempDir(), "out.toml")
	stdout, stderr, code = execute(t, "import", file, "-o", out)
	info, err := os.Stat(out)
	if err != nil || code != 0 || stdout != "" || info.Mode().Perm() != 0o600 || strings.Contains(stderr, "password") {
		t.Fatalf("exit %d, %v, mode %v, output %q %q", code, err, info.Mode(), stdout, stderr)
	}
	if stdout, _, code := execute(t, "check", "--config", out); code != 0 {
		t.Errorf("check of the result: exit %d: %s", code, stdout)
	}
	if _, stderr, code := execute(t, "import", file, "-o", file); code != exitUsage {
		t.Errorf("output over the input: exit %d: %s", code, stderr)
	}
}

func TestImportLosses(t *testing.T) {
	t.Parallel()
	file := writeConf(t, conf)
	stdout, _, code := execute(t, "import", file, "--config-id", "lossy", "--json")
	var r importResult
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != exitLosses {
		t.Fatalf("exit %d, %v: %s", code, err, stdout)
	}
	if r.Outcome != "losses" || r.Instances != 1 || !r.Secrets || len(r.Problems) != 2 || r.Problems[1].Kind != "lost" || r.Problems[1].Line != 14 || r.TOML == "" {
		t.Errorf("got %+v", r)
	}
	if _, stderr, code := execute(t, "import", filepath.Join(t.TempDir(), "nothing")); code != exitConfig || !strings.Contains(stderr, "cannot be read") {
		t.Errorf("no such file: exit %d: %s", code, stderr)
	}
}

func TestCheckConf(t *testing.T) {
	t.Parallel()
	file := writeConf(t, conf)
	for _, tt := range []struct {
		name string
		args []string
		text string
		want string
		code int
	}{
		{"warnings", nil, conf, ":9: vrrp_instance.V.priority: warning: 300", 0},
		{"losses", []string{"--config-id", "lossy"}, conf, ":14: vrrp_instance.V.use_vmac: is left out", exitConfig},
		{"as keepalived", []string{"--as-keepalived"}, conf, ":9: vrrp_instance.V.priority: 300", 5},
		{"as keepalived, losses", []string{"--as-keepalived", "--config-id", "lossy"}, strings.Replace(conf, "300", "30", 1), "", 0},
		{"as keepalived, no interface", []string{"--as-keepalived"}, strings.NewReplacer("300", "30", "interface lo", "interface nope0").Replace(conf), "nope0", 4},
		{"as keepalived, script", []string{"--as-keepalived"}, strings.NewReplacer("enable_script_security", "", "priority 300", "notify /bin/true").Replace(conf), "", 6},
		{"as keepalived, TOML", []string{"--as-keepalived"}, "[global_defs]\n", "", 4},
	} {
		name := file
		if tt.text != conf {
			name = writeConf(t, tt.text)
		}
		stdout, stderr, code := execute(t, append([]string{"check", "--config", name}, tt.args...)...)
		if code != tt.code || !strings.Contains(stdout, tt.want) {
			t.Errorf("%s: exit %d, want %d: %s%s", tt.name, code, tt.code, stdout, stderr)
		}
	}
}

package packaging

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// install runs install.sh with a program and a manual that stand for the real
// ones, and returns the directory that stands for /.
func install(t *testing.T, env ...string) (dest, output string, err error) {
	t.Helper()
	build, dest := t.TempDir(), t.TempDir()
	for _, name := range []string{"hakeep", "share/man5/hakeep.toml.5", "share/man8/hakeep.8", "share/man8/hakeep-run.8",
		"share/bash/hakeep", "share/zsh/_hakeep", "share/fish/hakeep.fish"} {
		path := filepath.Join(build, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("./install.sh")
	cmd.Env = append(os.Environ(), "DESTDIR="+dest, "BIN="+filepath.Join(build, "hakeep"), "SHARE="+filepath.Join(build, "share"))
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return dest, string(out), err
}

func TestInstall(t *testing.T) {
	t.Parallel()
	for prefix, program := range map[string]string{"": "/usr/local/sbin/hakeep", "/usr": "/usr/sbin/hakeep", "/opt/hakeep/": "/opt/hakeep/sbin/hakeep"} {
		t.Run(prefix, func(t *testing.T) {
			t.Parallel()
			env := []string{}
			if prefix != "" {
				env = append(env, "PREFIX="+prefix)
			}
			dest, out, err := install(t, env...)
			if err != nil || out != "" {
				t.Fatalf("%v: %s", err, out)
			}
			under := strings.TrimSuffix(program, "/sbin/hakeep")
			got := map[string]string{}
			if err := filepath.WalkDir(dest, func(path string, e fs.DirEntry, err error) error {
				if err != nil || e.IsDir() {
					return err
				}
				info, err := e.Info()
				name, _ := filepath.Rel(dest, path)
				if !strings.Contains(name, "/share/doc/") {
					got["/"+name] = info.Mode().String()
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			const file = "-rw-r--r--"
			want := map[string]string{
				program: "-rwxr-xr-x",
				under + "/lib/systemd/system/hakeep.service": file, under + "/lib/systemd/system/hakeep-sleep.service": file, under + "/lib/sysusers.d/hakeep.conf": file,
				under + "/share/man/man5/hakeep.toml.5": file, under + "/share/man/man8/hakeep.8": file, under + "/share/man/man8/hakeep-run.8": file,
				under + "/share/bash-completion/completions/hakeep": file, under + "/share/zsh/site-functions/_hakeep": file,
				under + "/share/fish/vendor_completions.d/hakeep.fish": file,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			for _, name := range []string{"grafana.json", "alerts.yaml", "reference.toml", "LICENSE", "docs/operation.md", "docs/configuration.md"} {
				if _, err := os.Stat(filepath.Join(dest, under, "share/doc/hakeep", name)); err != nil {
					t.Error(err)
				}
			}
			unit := parseUnit(t, read(t, dest, under, "lib/systemd/system/hakeep.service"))["Service"]
			if diff := cmp.Diff([][]string{{program + " run"}, {program + " reload"}}, [][]string{unit["ExecStart"], unit["ExecReload"]}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestInstallRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ env, want string }{
		"relative prefix": {"PREFIX=usr", "not an absolute path"},
		"not built":       {"BIN=/nonexistent/hakeep", "is missing"},
		"no manual":       {"SHARE=/nonexistent", "is missing"},
	} {
		dest, out, err := install(t, c.env)
		if err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		if left, _ := os.ReadDir(dest); len(left) > 0 {
			t.Errorf("%s: installed %v", name, left)
		}
	}
}

package layers

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers is the order of the packages, lowest first. A package may import those
// of lower layers only; a sub-package also its parent.
var layers = [][]string{
	{"internal/reconcile", "internal/version", "internal/script", "internal/acd", "internal/cpus", "internal/takeover"},
	{"vrrp", "arp", "internal/config", "internal/netif"},
	{"internal/wire", "vrrp/vrrpnet", "internal/config/keepalived", "lvs", "checks", "internal/track",
		"internal/firewall", "internal/notify", "internal/sim", "internal/lab"},
	{"internal/status", "internal/nstest", "internal/hostcheck", "lvs/nft", "lvs/ipvs"},
	{"internal/control", "internal/metrics"},
	{"internal/elector", "internal/daemon"},
	{"internal/demo", "internal/bench", "internal/sim/proof", "internal/steady"},
	{"cmd/hakeep", "e2e"},
}

// forbidden lists, for each package that has to stay small or pure, what it
// must not depend on, directly or through others.
var forbidden = map[string][]string{
	"vrrp":             {"log/slog", "golang.org/x/sys/unix", "net/http"},
	"arp":              {"net/http", "hakeep/vrrp", "hakeep/internal/config"},
	"lvs":              {"log/slog", "golang.org/x/sys/unix", "net/http", "hakeep/internal/config"},
	"internal/elector": {"net/http", "hakeep/internal/config", "hakeep/checks", "hakeep/lvs", "hakeep/internal/metrics", "github.com/BurntSushi/toml"},
	"internal/config":  {"hakeep/vrrp", "hakeep/internal/netif"},
}

// direct lists what a package must not import itself.
var direct = map[string][]string{
	"vrrp": {"os", "net", "syscall", "log", "log/slog", "sync", "context"},
}

type goPackage struct {
	ImportPath             string
	Imports, Deps, GoFiles []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps,GoFiles", "hakeep/...")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(out); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return pkgs
}

func layerOf(name string) int {
	return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, name) })
}

// parentLayer finds the layer of a package, or of the nearest one above it:
// sub-packages that are not listed belong to their parent's layer.
func parentLayer(name string) int {
	for ; name != "."; name = parent(name) {
		if l := layerOf(name); l >= 0 {
			return l
		}
	}
	return -1
}

func parent(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i]
	}
	return "."
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, "hakeep/")
		if name == "internal/layers" || len(p.GoFiles) == 0 {
			continue
		}
		own := parentLayer(name)
		if own < 0 {
			t.Errorf("%s is in no layer: add it to the list in layers_test.go", name)
			continue
		}
		for _, imp := range p.Imports {
			other, ok := strings.CutPrefix(imp, "hakeep/")
			if !ok || strings.HasPrefix(name, other+"/") || strings.HasPrefix(other, name+"/") && parentLayer(other) == own {
				continue
			}
			if parentLayer(other) >= own {
				t.Errorf("%s imports %s, which is not below it", name, other)
			}
		}
	}
}

func TestForbiddenDependencies(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, "hakeep/")
		for _, bad := range direct[name] {
			if slices.Contains(p.Imports, bad) {
				t.Errorf("%s imports %s", name, bad)
			}
		}
		for _, bad := range forbidden[name] {
			if slices.Contains(p.Deps, bad) {
				t.Errorf("%s depends on %s", name, bad)
			}
		}
	}
}

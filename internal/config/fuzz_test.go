package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// FuzzParse checks that no text makes Parse panic, that a text is either
// refused with an error or gives a configuration that holds the promises of
// Config, and that every key the decoder finds has a position.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/wrong/*.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(uncomment(Reference())))
	for _, c := range slices.Concat(globalCases(), instanceCases(), entryCases(), aroundCases()) {
		f.Add([]byte(c.root + "\n" + base(c.global, c.inst, c.vips)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			return
		}
		cfg, problems := Parse("f", text)
		if (cfg == nil) != problems.HasErrors() {
			t.Fatalf("there is a configuration: %t, problems: %v", cfg != nil, problems)
		}
		for _, p := range problems {
			if p.Message == "" || p.Severity == 0 || p.Line < 0 || !utf8.ValidString(p.Message) || len(p.Message) > 2000 {
				t.Errorf("problem %+v", p)
			}
		}
		if cfg == nil {
			return
		}
		var tree map[string]any
		if _, err := toml.Decode(string(text), &tree); err != nil {
			t.Fatalf("accepted although it is not TOML: %v", err)
		}
		checkMirror(t, "", tree, scan(string(text)).root)
		checkPromises(t, cfg)
		again, _ := Parse("f", text)
		if again.Digest() != cfg.Digest() {
			t.Error("the digest is not stable")
		}
	})
}

// FuzzScan checks the index alone, on texts that need not be configurations.
func FuzzScan(f *testing.F) {
	for _, text := range []string{"a.b = [1, {c = 'x'}]\n[[d.e]]\nf = \"\"\"x\n\"\"\"\n", "a = 1979-05-27 07:32:00\n[b]\n'c' = {\n}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<16 {
			return
		}
		idx := scan(text)
		if idx.tooDeep != 0 || len(idx.duplicates) > 0 {
			return
		}
		var tree map[string]any
		if _, err := toml.Decode(text, &tree); err == nil {
			checkMirror(t, "", tree, idx.root)
		}
	})
}

// checkPromises checks what the documentation of Instance promises.
func checkPromises(t *testing.T, cfg *Config) {
	t.Helper()
	names := make(map[string]bool)
	for i := range cfg.Instances {
		in := &cfg.Instances[i]
		bad := func(what string) { t.Errorf("%s: %s: %+v", in.Name, what, in) }
		if in.Name == "" || names[in.Name] {
			bad("name")
		}
		names[in.Name] = true
		if in.VRID == 0 || in.Priority == 0 || in.DownTimerAdverts < 1 || in.Garp.Repeat < 1 {
			bad("zero")
		}
		if in.State != StateMaster && in.State != StateBackup || in.Family != FamilyIPv4 && in.Family != FamilyIPv6 {
			bad("enum")
		}
		if in.Version != 2 && in.Version != 3 || in.Family == FamilyIPv6 && in.Version != 3 {
			bad("version")
		}
		if !validInterval(in) {
			bad("interval")
		}
		if in.Auth.Type == AuthPass && (in.Version != 2 || in.Auth.Password == "" || len(in.Auth.Password) > 8) {
			bad("authentication")
		}
		if in.Unicast == in.McastDst.IsValid() || !in.Unicast && (in.UnicastSrc.IsValid() || len(in.UnicastPeers) > 0 || in.Interface == "") {
			bad("unicast")
		}
		if in.Interface == "" && !in.UnicastSrc.IsValid() {
			bad("interface")
		}
		if in.Nopreempt && (in.PreemptDelay != 0 || in.State == StateMaster) {
			bad("preempt")
		}
		for _, a := range in.Addresses {
			if familyOf(a.Prefix.Addr()) != in.Family {
				bad("family")
			}
		}
		for _, a := range append(in.Addresses[:len(in.Addresses):len(in.Addresses)], in.Excluded...) {
			if !a.Prefix.IsValid() || a.Dev == "" || a.PreferredLft < 0 || a.Prefix.Addr().Zone() != "" {
				bad("address")
			}
		}
	}
}

func validInterval(in *Instance) bool {
	const ms = 1000 * 1000
	if in.Version == 2 {
		return in.AdvertInt >= 1000*ms && in.AdvertInt <= 255*1000*ms && in.AdvertInt%(1000*ms) == 0
	}
	return in.AdvertInt >= 10*ms && in.AdvertInt <= 40950*ms && in.AdvertInt%(10*ms) == 0
}

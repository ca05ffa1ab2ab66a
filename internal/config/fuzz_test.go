package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
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
		checkAround(t, cfg)
		checkBalancing(t, cfg)
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

// checkAround checks what the documentation of the rest of Config promises.
func checkAround(t *testing.T, cfg *Config) {
	t.Helper()
	known := map[string]map[string]bool{"track_script": {}, "track_file": {}, "track_process": {}, "track_check": {}}
	for _, s := range cfg.Scripts {
		known["track_script"][s.Name] = true
		if s.Command.IsZero() || s.Command.Timeout <= 0 || s.Interval <= 0 || s.Rise < 1 || s.Fall < 1 {
			t.Errorf("script: %+v", s)
		}
	}
	for _, f := range cfg.Files {
		known["track_file"][f.Name] = true
		if !strings.HasPrefix(f.Path, "/") {
			t.Errorf("file: %+v", f)
		}
	}
	for _, p := range cfg.Processes {
		known["track_process"][p.Name] = true
		if p.Process == "" || p.Match == 0 || p.QuorumMax != NoQuorumMax && p.QuorumMax < p.Quorum {
			t.Errorf("process: %+v", p)
		}
	}
	for _, c := range cfg.Checks {
		known["track_check"][c.Name] = true
		if c.Kind == 0 || len(c.Targets) == 0 || c.Quorum > len(c.Targets) || c.Timeout <= 0 || c.Kind == CheckHTTP && len(c.Status) == 0 || c.Kind == CheckDNS && c.Type == 0 {
			t.Errorf("check: %+v", c)
		}
		for _, a := range c.Targets {
			if !a.Addr.IsValid() || a.Addr.Port() == 0 != (c.Kind == CheckPing) || strings.HasPrefix(a.Path, "/") != (c.Kind == CheckHTTP) {
				t.Errorf("target: %+v", a)
			}
		}
	}
	group := map[string]string{}
	for _, g := range cfg.Groups {
		if len(g.Instances) == 0 || !g.Notify.Deleted.IsZero() || !g.Notify.MasterRxLowerPri.IsZero() {
			t.Errorf("group: %+v", g)
		}
		for _, name := range g.Instances {
			if group[name] != "" {
				t.Errorf("%s is in two groups", name)
			}
			group[name] = g.Name
		}
	}
	for _, ref := range cfg.commands {
		if len(ref.command.Argv) == 0 || ref.command.User == "" || ref.command.Argv[0] == "" {
			t.Errorf("command: %+v", ref)
		}
	}
	for i := range cfg.Instances {
		in := &cfg.Instances[i]
		if in.SyncGroup != group[in.Name] {
			t.Errorf("%s is in the group %q, want %q", in.Name, in.SyncGroup, group[in.Name])
		}
		for _, kind := range trackKinds() {
			seen := map[string]bool{}
			for _, track := range *in.Tracks.list(kind.key) {
				if seen[track.Name] || kind.block != "" && !known[kind.key][track.Name] || track.Weight < -kind.most || track.Weight > kind.most || in.Priority == 255 && track.Weight != 0 {
					t.Errorf("%s: %s: %+v", in.Name, kind.key, track)
				}
				seen[track.Name] = true
			}
		}
		checkRouting(t, in.Routes, in.Rules)
	}
	checkRouting(t, cfg.StaticRoutes, cfg.StaticRules)
}

func checkRouting(t *testing.T, routes []Route, rules []Rule) {
	t.Helper()
	for _, r := range routes {
		way := r.Via.IsValid() || r.Dev != "" || len(r.NextHops) > 0
		if !r.Dst.IsValid() || r.Dst != r.Dst.Masked() || familyOf(r.Dst.Addr()) != r.Family || r.Type == 0 || r.Placement == 0 ||
			way == r.Type.silent() && r.Family == FamilyIPv4 || (r.Table == 0) != (r.VRF != "") || r.Protocol != ProtocolHakeep && !r.NoTrack {
			t.Errorf("route: %+v", r)
		}
	}
	for _, r := range rules {
		if r.Action == 0 || r.Priority == 0 || (r.Table == 0) != (r.Action != RuleLookup || r.L3mdev) || r.Action == RuleGoto && r.Goto <= r.Priority ||
			r.From.IsValid() && familyOf(r.From.Addr()) != r.Family || r.To.IsValid() && r.To != r.To.Masked() {
			t.Errorf("rule: %+v", r)
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

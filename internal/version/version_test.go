package version

import (
	"runtime/debug"
	"testing"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	vcs := func(version string) *debug.BuildInfo {
		return &debug.BuildInfo{
			Main: debug.Module{Version: version},
			Settings: []debug.BuildSetting{
				{Key: "vcs.revision", Value: "0123abc"}, {Key: "vcs.modified", Value: "true"},
			},
		}
	}
	tests := []struct {
		name     string
		released string
		bi       *debug.BuildInfo
		want     string
		revision string
	}{
		{"release wins", "1.2.3", vcs("v9.9.9"), "1.2.3", "0123abc"},
		{"module", "", vcs("v1.0.1"), "v1.0.1", "0123abc"},
		{"built from a tree", "", vcs("(devel)"), "devel", "0123abc"},
		{"nothing known", "", nil, "devel", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := describe(tt.released, tt.bi)
			if got.Version != tt.want || got.Revision != tt.revision || got.Modified != (tt.bi != nil) {
				t.Errorf("got %+v, want version %q revision %q", got, tt.want, tt.revision)
			}
			if got.Go == "" || got.Platform == "" {
				t.Errorf("no compiler or platform in %+v", got)
			}
		})
	}
	if String() == "" {
		t.Error("no version")
	}
}

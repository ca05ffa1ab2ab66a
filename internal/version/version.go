package version

import (
	"runtime"
	"runtime/debug"
)

// version is set when a release is built:
// -ldflags '-X hakeep/internal/version.version=1.2.3'. Nothing else writes it.
var version string

// unknown is the version of a binary that was built without saying one.
const unknown = "devel"

// Info describes the binary.
type Info struct {
	// Version is that of the release, or of the module, or "devel".
	Version string `json:"version"`
	// Revision is the commit that it was built from; empty if not known.
	Revision string `json:"revision,omitempty"`
	// Modified says that the sources differed from that commit.
	Modified bool `json:"modified,omitempty"`
	// Go is the version of the compiler.
	Go string `json:"go"`
	// Platform is the operating system and architecture, as in "linux/amd64".
	Platform string `json:"platform"`
}

// Build describes the running binary.
func Build() Info {
	bi, _ := debug.ReadBuildInfo()
	return describe(version, bi)
}

// String is the version alone.
func String() string { return Build().Version }

// describe puts an Info together; bi may be nil.
func describe(released string, bi *debug.BuildInfo) Info {
	info := Info{Version: released, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if bi != nil {
		if info.Version == "" && bi.Main.Version != "(devel)" {
			info.Version = bi.Main.Version
		}
		for _, s := range bi.Settings {
			switch s.Key {
			case "vcs.revision":
				info.Revision = s.Value
			case "vcs.modified":
				info.Modified = s.Value == "true"
			}
		}
	}
	if info.Version == "" {
		info.Version = unknown
	}
	return info
}

package daemon

import (
	"fmt"
	"log/slog"
	"path/filepath"

	"hakeep/internal/config/keepalived"
	"hakeep/internal/control"
)

// Options are what `hakeep run` was started with.
type Options struct {
	// ConfigFile is the configuration: TOML, or a keepalived.conf.
	ConfigFile string
	// ConfigID is for the conditions of a keepalived.conf; empty for the host's
	// name up to the first dot.
	ConfigID string
	// AllIncludes is as in keepalived.LoadOptions.
	AllIncludes bool
	// Namespace is the path of the network namespace to run in; empty for that of
	// the configuration.
	Namespace string
	// PIDFiles are files that get the number of this process and are locked while
	// it runs.
	PIDFiles []string
	// IgnoreInterrupt takes no notice of SIGINT.
	IgnoreInterrupt bool
	// Ready is called once, when the first configuration is in force; nil for
	// nothing.
	Ready func()
	// RuntimeDir holds the sockets, the lock and the ownership file; one daemon
	// uses it at a time. It is made if it does not exist.
	RuntimeDir string
	// Socket is the control socket; empty means hakeep.sock in RuntimeDir.
	Socket string
	// DumpDir is where keepalived's dumps go unless the configuration says;
	// empty means RuntimeDir.
	DumpDir string
	// KeepIPVS leaves the services of IPVS in the kernel at a stop (keepalived:
	// --dont-release-ipvs).
	KeepIPVS bool
	// Logger receives the log.
	Logger *slog.Logger
}

// load is how the configuration is read.
func (o *Options) load() keepalived.LoadOptions {
	return keepalived.LoadOptions{ConfigID: o.ConfigID, AllIncludes: o.AllIncludes}
}

// complete fills in defaults. Paths become absolute: the elector and the next
// reload use them as well.
func (o Options) complete() (Options, error) {
	if o.Socket == "" {
		o.Socket = filepath.Join(o.RuntimeDir, control.SocketName)
	}
	for _, p := range []*string{&o.ConfigFile, &o.RuntimeDir, &o.Socket} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return o, fmt.Errorf("find %s: %w", *p, err)
		}
		*p = abs
	}
	return o, nil
}

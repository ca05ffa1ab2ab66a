package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/control"
	"hakeep/internal/status"
	"hakeep/internal/status/dumps"
	"hakeep/internal/version"
	"hakeep/internal/wire"
)

// keepalived's signals for dumps. The numbers are those of programs with glibc,
// whose SIGRTMIN is 34 and SIGRTMAX 64 (signal(7)).
const (
	SignalData       = syscall.SIGUSR1
	SignalStats      = syscall.SIGUSR2
	SignalJSON       = syscall.Signal(34 + 2)
	SignalStatsClear = syscall.Signal(64 - 1)
)

// dumpQueue is how many dumps may wait. One more is forgotten: a dump of the same
// kind is then still to be written.
const dumpQueue = 8

// dumper remembers what counters were when they were cleared, in a file, too, since
// the elector goes on counting when main is started again. Its other work is done
// by the daemon's writeDumps, one dump at a time.
type dumper struct {
	wanted chan syscall.Signal // has room for dumpQueue
	file   string

	mu      sync.Mutex // guards cleared
	cleared cleared
}

// cleared is what counters were. It is also the file's content.
type cleared struct {
	// Started is when the elector started that has counted; another one has begun
	// at 0.
	Started time.Time                `json:"started"`
	Base    map[string]wire.Counters `json:"base"` // by instance
}

func newDumper(dir string) *dumper {
	return &dumper{wanted: make(chan syscall.Signal, dumpQueue), file: filepath.Join(dir, clearedName)}
}

// load reads what an earlier main process has cleared.
func (d *dumper) load() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return readJSON(d.file, &d.cleared)
}

// base is what is to be taken off the counters of a snapshot.
func (d *dumper) base(s *wire.Snapshot) map[string]wire.Counters {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.cleared.Started.Equal(s.Started) {
		return nil
	}
	return d.cleared.Base
}

// wants takes a signal that asks for a dump, and reports whether it is one.
func (d *dumper) wants(sig os.Signal) bool {
	switch sig {
	case SignalData, SignalStats, SignalJSON, SignalStatsClear:
		select {
		case d.wanted <- sig.(syscall.Signal):
		default:
		}
		return true
	}
	return false
}

// clear makes the counters of a snapshot the ones to count from.
func (d *dumper) clear(s *wire.Snapshot) error {
	base := make(map[string]wire.Counters, len(s.Instances))
	for i := range s.Instances {
		base[s.Instances[i].Name] = s.Instances[i].Counters
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cleared = cleared{Started: s.Started, Base: base}
	return writeJSON(d.file, &d.cleared)
}

// writeDumps is the task that writes dumps when signals ask for them.
func (d *daemon) writeDumps(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case sig := <-d.dumper.wanted:
			in, inErr := d.dumpInput(ctx)
			for _, form := range dumpForms(sig, d.current.Load().config) {
				if path, err := d.writeDump(in, inErr, form); err != nil && ctx.Err() == nil {
					d.log.Error("dump is not written", "file", path, "err", err)
				} else if err == nil {
					d.log.Debug("dump is written", "file", path)
				}
			}
			if sig == SignalStatsClear && inErr == nil {
				if err := d.dumper.clear(in.Snapshot); err != nil {
					d.log.Warn("cleared counters are not kept", "err", err)
				}
			}
		}
	}
}

// dumpForms are the dumps that a signal asks for. keepalived has a process for
// checkers, which writes its own one, as soon as there is a virtual server.
func dumpForms(sig syscall.Signal, c *config.Config) []control.DumpForm {
	switch {
	case sig == SignalData && len(c.VirtualServers) > 0:
		return []control.DumpForm{control.DumpData, control.DumpChecks}
	case sig == SignalData:
		return []control.DumpForm{control.DumpData}
	case sig == SignalJSON:
		return []control.DumpForm{control.DumpJSON}
	}
	return []control.DumpForm{control.DumpStats}
}

// writeDump writes one dump; inErr is why there is nothing to write. One that cannot
// be made leaves no file behind: an old one would tell of a state that is over.
func (d *daemon) writeDump(in *dumps.Input, inErr error, form control.DumpForm) (path string, err error) {
	path = dumpPath(&d.current.Load().config.Global, form, d.opts.dumpDir())
	err = inErr
	var text []byte
	if err == nil {
		text, err = dumpText(in, form, 0)
	}
	if err != nil {
		if gone := removeDump(path); gone != nil {
			err = errors.Join(err, gone)
		}
		return path, err
	}
	return path, replaceDump(path, text)
}

// Dump returns a dump as a text. version is the layout of JSON, 0 for the
// configured one.
func (d *daemon) Dump(ctx context.Context, form control.DumpForm, version int) ([]byte, error) {
	in, err := d.dumpInput(ctx)
	if err != nil {
		return nil, err
	}
	return dumpText(in, form, version)
}

func dumpText(in *dumps.Input, form control.DumpForm, version int) ([]byte, error) {
	switch form {
	case control.DumpData:
		return dumps.Data(in), nil
	case control.DumpStats:
		return dumps.Stats(in), nil
	case control.DumpChecks:
		return dumps.Checks(in), nil
	}
	if version == 0 {
		version = in.Config.Global.Dumps.JSONVersion
	}
	return dumps.JSON(in, version)
}

// dumpInput asks the elector. Without its answer there is nothing to dump.
func (d *daemon) dumpInput(ctx context.Context) (*dumps.Input, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, statusTimeout, fmt.Errorf("not within %v", statusTimeout))
	defer cancel()
	cur := d.current.Load()
	snap, err := d.supervisor.state(ctx)
	if err != nil {
		return nil, fmt.Errorf("the elector does not answer: %w", err)
	}
	in := &dumps.Input{
		Version: version.String(), Host: d.host, Config: cur.config, Snapshot: snap, Tracked: d.tracker.Snapshot(),
		Routes: map[string][]string{}, Rules: map[string][]string{},
	}
	for i := range cur.config.Instances {
		c := &cur.config.Instances[i]
		for _, r := range compileRoutes(c.Routes) {
			in.Routes[c.Name] = append(in.Routes[c.Name], r.String())
		}
		for _, r := range compileRules(c.Rules) {
			in.Rules[c.Name] = append(in.Rules[c.Name], r.String())
		}
	}
	in.Balancing = status.Balance(d.balancer.view())
	in.Base = d.dumper.base(snap)
	return in, nil
}

// dumpDir is where dumps go that have no path of their own.
func (o *Options) dumpDir() string {
	if o.DumpDir != "" {
		return o.DumpDir
	}
	return o.RuntimeDir
}

// dumpPath is the file of a dump.
func dumpPath(g *config.Global, form control.DumpForm, dir string) string {
	if form == control.DumpChecks { // keepalived puts the word before the ending
		data := dumpPath(g, control.DumpData, dir)
		ending := filepath.Ext(data)
		return strings.TrimSuffix(data, ending) + "_check" + ending
	}
	path := map[control.DumpForm]string{control.DumpData: g.Dumps.State, control.DumpStats: g.Dumps.Stats, control.DumpJSON: g.Dumps.JSON}[form]
	if path == "" {
		path = filepath.Join(dir, "keepalived."+string(form))
	}
	return path
}

// dumpMode is keepalived 2.2.7's: the arguments of scripts may be secrets.
const dumpMode = 0o600

// replaceDump replaces a file as a whole. It never follows a symbolic link that
// stands in its place, for the directory may be one that everybody may write to,
// and replaces nothing but files and such links.
func replaceDump(path string, text []byte) error {
	if err := replaceable(path); err != nil {
		return err
	}
	dir, name := filepath.Split(path)
	fresh := filepath.Join(dir, "."+name+"."+strconv.Itoa(os.Getpid())+"."+strconv.FormatInt(time.Now().UnixNano(), 36))
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, dumpMode)
	if err != nil {
		return fmt.Errorf("write dump: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write dump: %w", err), os.Remove(fresh))
	}
	return nil
}

// replaceable reports what stands in the place of a dump and must stay.
func replaceable(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("write dump: %w", err)
	case !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0:
		return fmt.Errorf("write dump: %s is no file (%s) and stays as it is", path, strings.TrimSpace(info.Mode().Type().String()))
	}
	return nil
}

func removeDump(path string) error {
	if err := replaceable(path); err != nil {
		return nil // it is not ours
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove old dump: %w", err)
	}
	return nil
}

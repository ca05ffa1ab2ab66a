package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"hakeep/internal/control"
	"hakeep/internal/status"
	"hakeep/internal/wire"
)

// standbyName is the file that keeps which instances are held back. In the
// runtime directory it is for the next main: a crash, a restart or an upgrade
// does not end a standby, an orderly stop does. In the state directory it is for
// the next start, and has only those that shall outlive a stop.
const standbyName = "standby.json"

const (
	// orphanLook is how often the supervision looks whether the instances that
	// are held back have a master, orphanAgain when it says again that they have
	// none.
	orphanLook  = time.Second
	orphanAgain = time.Minute
)

// standbys are the instances that an operator holds back. Requests and run use
// it at the same time.
type standbys struct {
	runtimeDir, stateDir string
	changed              chan struct{} // has room for one: run looks again

	mu   sync.Mutex // guards held
	held map[string]standby
}

// standby is one of them, as it is kept in a file.
type standby struct {
	Since time.Time `json:"since"`
	// Until is when it ends by itself; zero if it does not.
	Until   time.Time `json:"until,omitzero"`
	Persist bool      `json:"persist,omitempty"`
	// Sleep says that no operator holds it back: the machine is about to sleep.
	Sleep bool `json:"sleep,omitempty"`
}

type standbyFile struct {
	Version   int                `json:"version"`
	Instances map[string]standby `json:"instances"`
}

const standbyVersion = 1

// stateDir is where a standby outlives a stop: what systemd says, or the
// directory in /var/lib of the same name as the runtime directory in /run, or
// the runtime directory itself.
func stateDir(runtimeDir string) string {
	if dirs := os.Getenv("STATE_DIRECTORY"); dirs != "" {
		first, _, _ := strings.Cut(dirs, ":")
		return first
	}
	if filepath.Dir(runtimeDir) == "/run" {
		return filepath.Join("/var/lib", filepath.Base(runtimeDir))
	}
	return runtimeDir
}

// persistPath is the file that outlives a stop.
func (s *standbys) persistPath() string {
	if s.stateDir == s.runtimeDir {
		return filepath.Join(s.stateDir, "persistent-"+standbyName)
	}
	return filepath.Join(s.stateDir, standbyName)
}

func (s *standbys) runtimePath() string { return filepath.Join(s.runtimeDir, standbyName) }

// openStandbys reads what earlier mains have kept. What has ended meanwhile
// ends here; what cannot be read is an error, and the rest counts.
func openStandbys(runtimeDir, stateDir string) (*standbys, error) {
	s := &standbys{
		runtimeDir: runtimeDir, stateDir: stateDir,
		changed: make(chan struct{}, 1), held: map[string]standby{},
	}
	var errs []error
	for _, path := range []string{s.persistPath(), s.runtimePath()} {
		var f standbyFile
		err := readJSON(path, &f)
		if err == nil && f.Version > standbyVersion {
			err = fmt.Errorf("version %d is of a newer hakeep", f.Version)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read %s: %w", path, err))
			continue
		}
		for name, h := range f.Instances {
			s.held[name] = h
		}
	}
	return s, errors.Join(errs...)
}

// names are those that are held back, sorted.
func (s *standbys) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]string, 0, len(s.held))
	for name := range s.held {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// all is a copy for status.
func (s *standbys) all() map[string]status.Standby {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]status.Standby, len(s.held))
	for name, h := range s.held {
		out[name] = status.Standby{Since: h.Since, Until: h.Until, Persist: h.Persist}
	}
	return out
}

// hold holds instances back, or changes for how long, and returns those that it
// concerns: a sleep changes nothing for who is held back already.
func (s *standbys) hold(names []string, h standby) (concerned []string, err error) {
	err = s.change(func(held map[string]standby) {
		for _, name := range names {
			h := h
			if old, ok := held[name]; ok {
				if h.Sleep {
					continue
				}
				h.Since = old.Since
			}
			held[name] = h
			concerned = append(concerned, name)
		}
	})
	return concerned, err
}

// release lets instances go and returns those that were held back; with asleep
// only those that a sleep holds back.
func (s *standbys) release(names []string, asleep bool) (released []string, err error) {
	err = s.change(func(held map[string]standby) {
		for _, name := range names {
			if h, ok := held[name]; ok && (h.Sleep || !asleep) {
				released = append(released, name)
				delete(held, name)
			}
		}
	})
	return released, err
}

// change changes the set and keeps it. If it cannot be kept, it has not changed.
func (s *standbys) change(fn func(map[string]standby)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[string]standby, len(s.held))
	for name, h := range s.held {
		next[name] = h
	}
	fn(next)
	if err := s.write(next); err != nil {
		_ = s.write(s.held)
		return err
	}
	s.held = next
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return nil
}

// write keeps a set in both files.
func (s *standbys) write(held map[string]standby) error {
	lasting := map[string]standby{}
	for name, h := range held {
		if h.Persist {
			lasting[name] = h
		}
	}
	if err := writeStandbys(s.persistPath(), lasting); err != nil {
		return fmt.Errorf("keep standby through restarts: %w", err)
	}
	if err := writeStandbys(s.runtimePath(), held); err != nil {
		return fmt.Errorf("keep standby: %w", err)
	}
	return nil
}

// writeStandbys writes a file, or removes it if there is nothing to keep.
func writeStandbys(path string, held map[string]standby) error {
	if len(held) > 0 {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return writeJSON(path, standbyFile{Version: standbyVersion, Instances: held})
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// due are those whose time is over, and when the next one's is; zero for never.
func (s *standbys) due(now time.Time) (over []string, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, h := range s.held {
		switch {
		case h.Until.IsZero():
		case !now.Before(h.Until):
			over = append(over, name)
		case next.IsZero() || h.Until.Before(next):
			next = h.Until
		}
	}
	slices.Sort(over)
	return over, next
}

// together are the instances that move when one does: itself and its sync group.
// The empty name means all. None means that there is no such instance.
func together(c *wire.Config, name string) []string {
	group := ""
	for i := range c.Instances {
		if p := &c.Instances[i].Params; p.Name == name {
			group = p.SyncGroup
		}
	}
	var out []string
	for i := range c.Instances {
		p := &c.Instances[i].Params
		if name == "" || p.Name == name || group != "" && p.SyncGroup == group {
			out = append(out, p.Name)
		}
	}
	return out
}

// Hold holds instances back, or lets them go. It returns when the elector was
// told; an elector that does not answer is told later.
func (d *daemon) Hold(ctx context.Context, h *control.Hold) (*status.Moved, error) {
	names := together(d.current.Load().wire, h.Instance)
	if h.Instance != "" && len(names) == 0 {
		return nil, fmt.Errorf("%w: %q", control.ErrUnknownInstance, h.Instance)
	}
	if !h.On {
		if h.Instance == "" {
			names = d.standbys.names() // also those that a reload has removed meanwhile
		}
		why := "by hakeep resume"
		if h.Sleep {
			why = "the machine woke up"
		}
		released, err := d.resume(ctx, names, why, h.Sleep)
		if err != nil {
			return nil, err
		}
		return &status.Moved{Instances: released}, nil
	}
	hold := standby{Since: time.Now(), Persist: h.Persist, Sleep: h.Sleep}
	text := "held back by hakeep standby"
	if h.Sleep {
		text = "held back: the machine is about to sleep"
	}
	if h.For > 0 {
		hold.Until = hold.Since.Add(h.For)
		text += " for " + h.For.String()
	}
	names, err := d.standbys.hold(names, hold)
	if err != nil {
		return nil, err
	}
	d.tellStandby(names, slog.LevelWarn, text)
	if err := d.tellHeld(ctx); err != nil {
		return nil, err
	}
	return &status.Moved{Instances: names}, nil
}

// resume lets instances go and returns those that were held back.
func (d *daemon) resume(ctx context.Context, names []string, why string, asleep bool) ([]string, error) {
	released, err := d.standbys.release(names, asleep)
	if err != nil {
		return nil, err
	}
	d.tellStandby(released, slog.LevelInfo, "takes part again: "+why)
	return released, d.tellHeld(ctx)
}

// tellHeld tells the elector which instances are held back.
func (d *daemon) tellHeld(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, statusTimeout, fmt.Errorf("not within %v", statusTimeout))
	defer cancel()
	if err := d.supervisor.hold(ctx); err != nil {
		return fmt.Errorf("the elector will be told when it answers: %w", err)
	}
	return nil
}

// tellStandby logs and remembers an event of instances.
func (d *daemon) tellStandby(names []string, lvl slog.Level, text string) {
	for _, name := range names {
		d.log.Log(context.Background(), lvl, "standby", "instance", name, "text", text)
		d.history.add(status.Event{
			Time: time.Now(), Kind: status.KindStandby, Level: strings.ToLower(lvl.String()), Instance: name, Text: text,
		})
	}
}

// watchStandbys ends what was for a time, and says so as long as an instance is
// held back while nobody is master.
func (d *daemon) watchStandbys(ctx context.Context) error {
	orphans := map[string]time.Time{} // when it was said of each
	for {
		now := time.Now()
		over, next := d.standbys.due(now)
		if len(over) > 0 {
			if _, err := d.resume(ctx, over, "the time is over", false); err != nil && ctx.Err() == nil {
				d.log.Error("standby does not end", "instances", over, "err", err)
			}
		}
		var wake <-chan time.Time
		var wait time.Duration
		if len(d.standbys.names()) > 0 {
			d.lookForOrphans(ctx, orphans, now)
			wait = orphanLook
			if !next.IsZero() {
				wait = max(min(wait, next.Sub(now)), time.Millisecond)
			}
			wake = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-d.standbys.changed:
		}
	}
}

func (d *daemon) lookForOrphans(ctx context.Context, orphans map[string]time.Time, now time.Time) {
	bounded, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	snap, err := d.supervisor.state(bounded)
	if err != nil {
		return // who keeps the elector running says so
	}
	doc := status.Build(&status.Input{Now: now, Config: d.current.Load().config, Snapshot: snap, Standby: d.standbys.all()})
	for i := range doc.Instances {
		in := &doc.Instances[i]
		told, known := orphans[in.Name]
		switch {
		case in.Orphaned() && now.Sub(told) >= orphanAgain:
			orphans[in.Name] = now
			d.tellStandby([]string{in.Name}, slog.LevelWarn, status.NoMaster(in.Name))
		case known && !in.Orphaned():
			delete(orphans, in.Name)
			if in.Standby != nil && in.Master != nil {
				d.tellStandby([]string{in.Name}, slog.LevelInfo, "is held back, and "+in.Master.Address.String()+" is master now")
			}
		}
	}
}

// forgetStandbys drops those of instances that the configuration has no more.
func (d *daemon) forgetStandbys(c *wire.Config) {
	all := together(c, "")
	gone := slices.DeleteFunc(d.standbys.names(), func(name string) bool { return slices.Contains(all, name) })
	if len(gone) == 0 {
		return
	}
	if _, err := d.standbys.release(gone, false); err != nil {
		d.log.Error("standby of removed instances is kept", "instances", gone, "err", err)
		return
	}
	d.tellStandby(gone, slog.LevelWarn, "is not configured any more; its standby is forgotten")
}

// hold tells the elector which instances are held back.
func (s *supervisor) hold(ctx context.Context) error {
	reply := make(chan struct{})
	if err := s.ask(ctx, holdRequest{reply}); err != nil {
		return err
	}
	select {
	case <-reply:
		return nil
	case <-s.ended:
		return errStopping
	case <-ctx.Done():
		return s.silent(ctx)
	}
}

// catchUp tells the elector what is not in the configuration that it runs.
func (t *talk) catchUp() error {
	if err := t.hold(); err != nil {
		return err
	}
	return t.sendTracked(true)
}

// hold tells the elector which instances of the desired configuration are held
// back, and which are not. What it knows already changes nothing.
func (t *talk) hold() error {
	if t.s.desired == nil || t.digest != t.s.desired.config.Digest {
		return nil // the configuration says it
	}
	held := t.s.held()
	var on, off []string
	for i := range t.s.desired.config.Instances {
		name := t.s.desired.config.Instances[i].Params.Name
		if slices.Contains(held, name) {
			on = append(on, name)
		} else {
			off = append(off, name)
		}
	}
	t.moved = true
	if len(on) > 0 {
		if err := t.send(&wire.Message{Standby: &wire.Standby{Instances: on, On: true}}); err != nil {
			return err
		}
	}
	if len(off) == 0 {
		return nil
	}
	return t.send(&wire.Message{Standby: &wire.Standby{Instances: off}})
}

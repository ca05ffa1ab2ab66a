package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"hakeep/internal/netif"
	"hakeep/internal/wire"
)

// Files in the runtime directory.
const (
	lockName    = "hakeep.lock"
	ownedName   = "owned.json"
	eventsName  = "events.json"
	balanceName = "balance.json"
	clearedName = "cleared.json"
)

// makeRuntimeDir makes the runtime directory if it is not there. Users of the
// control socket's group have to get through it, whatever the umask says.
func makeRuntimeDir(dir string) error {
	_, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		const mode = 0o755
		if err = os.MkdirAll(dir, mode); err == nil {
			err = os.Chmod(dir, mode)
		}
	}
	if err != nil {
		return refused(dir+" cannot be made by this user", fmt.Errorf("make runtime directory: %w", err))
	}
	return nil
}

// lock makes sure that one daemon uses a runtime directory. It is held until
// the file is closed, also by the death of the process; the elector does not
// inherit it.
func lock(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, refused(dir+" cannot be written by this user", fmt.Errorf("open lock: %w", err))
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		text, _ := os.ReadFile(path)
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return nil, &RunningError{What: dir, PID: pid}
	}
	// The number is for people; the lock does not depend on it.
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return f, nil
}

// ownedFile is the ownership file: which addresses, routes and rules this
// daemon put, or may have put, into the kernel. It is written before an elector
// learns of them, so that a start after the death of everything knows what was left behind, also
// when the configuration has changed meanwhile.
type ownedFile struct {
	Version   int              `json:"version"`
	Addresses []netif.Key      `json:"addresses"`
	Routes    []netif.RouteKey `json:"routes,omitempty"`
	Rules     []netif.Rule     `json:"rules,omitempty"`
}

const ownedVersion = 1

// readOwned reads the ownership file of a runtime directory; without one
// nothing is owned.
func readOwned(dir string) ([]netif.Key, wire.LeftItems, error) {
	var f ownedFile
	if err := readJSON(filepath.Join(dir, ownedName), &f); err != nil {
		return nil, wire.LeftItems{}, fmt.Errorf("read ownership file: %w", err)
	}
	if f.Version > ownedVersion {
		return nil, wire.LeftItems{}, fmt.Errorf("read ownership file: version %d is of a newer hakeep", f.Version)
	}
	return f.Addresses, wire.LeftItems{Routes: f.Routes, Rules: f.Rules}, nil
}

func writeOwned(dir string, keys []netif.Key, left wire.LeftItems) error {
	f := ownedFile{Version: ownedVersion, Addresses: keys, Routes: left.Routes, Rules: left.Rules}
	if err := writeJSON(filepath.Join(dir, ownedName), f); err != nil {
		return fmt.Errorf("write ownership file: %w", err)
	}
	return nil
}

// progress is how far the events of an elector were logged, so that a main
// that attaches to a running elector does not log them again.
type progress struct {
	Elector int    `json:"elector"`
	Seq     uint64 `json:"seq"`
}

// readProgress reads it; what cannot be read means that nothing was logged.
func readProgress(dir string) progress {
	var p progress
	if readJSON(filepath.Join(dir, eventsName), &p) != nil {
		return progress{}
	}
	return p
}

func writeProgress(dir string, p progress) error {
	if err := writeJSON(filepath.Join(dir, eventsName), p); err != nil {
		return fmt.Errorf("write progress of events: %w", err)
	}
	return nil
}

// readJSON reads a file; that there is none leaves v as it is.
func readJSON(path string, v any) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// writeJSON replaces a file as a whole.
func writeJSON(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// removeFiles removes what must not outlive an orderly stop.
func removeFiles(dir string) error {
	var errs []error
	for _, name := range []string{ownedName, eventsName, standbyName, balanceName, clearedName, "keepalived_check.data", "keepalived.data", "keepalived.stats", "keepalived.json"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

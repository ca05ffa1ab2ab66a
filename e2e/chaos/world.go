package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/lab"
)

// patience is how long the network may take until everything is as it should be
// after the last fault has been mended. It is much longer than anything takes,
// also on a busy machine: what is judged is that it ends well.
const patience = 30 * time.Second

// stormPatience is the same on a machine that never gets to run for long.
const stormPatience = 5 * time.Minute

// router is one of the four.
type router struct {
	name     string
	number   int
	priority int
	dir      string
	binary   string
	// balancing is the part of the configuration about servers.
	balancing    string
	ns           *lab.Namespace
	port         *lab.Port
	mac          string
	isKeepalived bool

	hakeep     *lab.Hakeep
	keepalived *lab.Keepalived
	// out: it is not there for this round and maybe the next ones.
	out bool
	// died: its addresses are still in its kernel, as no kernel died.
	died bool
}

func (r *router) addr() string { return fmt.Sprintf("192.0.2.%d", r.number) }

// peers are the addresses of the other routers.
func (r *router) peers() []string {
	var out []string
	for n := 1; n <= 4; n++ {
		if n != r.number {
			out = append(out, fmt.Sprintf("192.0.2.%d", n))
		}
	}
	return out
}

// flag is the file whose presence makes the tracked script fail.
func (r *router) flag() string { return filepath.Join(r.dir, "fail") }

// start starts the daemon, or a new main beside an elector that lives.
func (r *router) start() (err error) {
	if r.isKeepalived {
		// It takes another program that has got a number of its pid files for itself.
		stale, _ := filepath.Glob(filepath.Join(r.dir, "*.pid"))
		for _, path := range stale {
			_ = os.Remove(path)
		}
		r.keepalived, err = lab.StartKeepalived(r.ns, lab.KeepalivedOptions{Conf: r.conf(), Dir: r.dir, Terse: true})
		return err
	}
	r.hakeep, err = lab.StartHakeep(r.ns, lab.HakeepOptions{Config: r.toml(variant{}), Dir: r.dir, Binary: r.binary})
	return err
}

// stop stops the daemon in order.
func (r *router) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if r.isKeepalived {
		return r.keepalived.Stop(ctx)
	}
	return r.hakeep.Stop(ctx)
}

// kill ends all of it at once.
func (r *router) kill() {
	switch {
	case r.keepalived != nil:
		r.keepalived.Kill()
	case r.hakeep != nil:
		r.hakeep.Kill()
	}
}

// removeRoutes takes away what a keepalived that was killed as master has left: when it
// starts again it removes its addresses, but not its routes.
func (r *router) removeRoutes() {
	for i := range virtuals {
		if route := virtuals[i].route; route != "" {
			_, _ = r.ns.Run("ip", "route", "del", strings.Fields(route)[0]) // there may be none
		}
	}
}

// running reports whether the daemon has not ended.
func (r *router) running() bool {
	done := func() <-chan struct{} {
		if r.isKeepalived {
			return r.keepalived.Done()
		}
		return r.hakeep.Done()
	}()
	select {
	case <-done:
		return false
	default:
		return true
	}
}

// pids are main and the elector.
func (r *router) pids() []int {
	pids := []int{r.hakeep.Pid()}
	if pid, err := r.hakeep.ElectorPid(); err == nil {
		pids = append(pids, pid)
	}
	return pids
}

// signalAll sends a signal to the processes.
func signalAll(pids []int, sig unix.Signal) {
	for _, pid := range pids {
		_ = unix.Kill(pid, sig)
	}
}

// world is the network.
type world struct {
	settings
	rnd              *rand.Rand
	lan              *lab.LAN
	client, stranger *lab.Namespace
	routers          []*router
	capture          *sight
	servers          []*server
	rounds           int
}

// newRand is what decides.
func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func newWorld(s settings, dir string) (*world, error) {
	w := &world{settings: s, rnd: newRand(s.seed)}
	var err error
	if w.lan, err = lab.NewLAN("lan"); err != nil {
		return nil, err
	}
	host := func(name string, n int) (*lab.Namespace, *lab.Port, error) {
		ns, err := lab.NewNamespace(name)
		if err != nil {
			return nil, nil, err
		}
		port, err := w.lan.Attach(ns, "eth0", netip.MustParsePrefix(fmt.Sprintf("192.0.2.%d/24", n)), netip.MustParsePrefix(fmt.Sprintf("2001:db8::%d/64", n)))
		return ns, port, err
	}
	if w.client, _, err = host("client", 100); err != nil {
		return w, err
	}
	if w.stranger, _, err = host("stranger", 66); err != nil {
		return w, err
	}
	if err := w.addServers(); err != nil {
		return w, err
	}
	for i, name := range []string{"a", "b", "c", "k"} {
		r := &router{balancing: w.balancing(), name: name, number: i + 1, priority: 150 - 20*i, binary: s.binary, isKeepalived: name == "k", dir: filepath.Join(dir, name)}
		if err := os.Mkdir(r.dir, 0o755); err != nil {
			return w, err
		}
		w.routers = append(w.routers, r)
		if r.ns, r.port, err = host(name, r.number); err != nil {
			return w, err
		}
		if err := r.ns.Sysctl("net.ipv4.ip_forward", "1"); err != nil {
			return w, err
		}
		link, err := r.ns.Netlink().LinkByName("eth0")
		if err != nil {
			return w, err
		}
		r.mac = link.Attrs().HardwareAddr.String()
	}
	w.capture, err = watch(w.client)
	return w, err
}

// close ends everything that is still there.
func (w *world) close() {
	for _, r := range w.routers {
		r.kill()
		if r.ns != nil {
			r.ns.Close()
		}
	}
	for _, s := range w.servers {
		if s.listener != nil {
			s.listener.Close()
		}
		s.ns.Close()
	}
	for _, ns := range []*lab.Namespace{w.client, w.stranger} {
		if ns != nil {
			ns.Close()
		}
	}
	w.lan.Close()
}

// begin starts the routers and waits until the network is as it should be.
func (w *world) begin(ctx context.Context, r *report) error {
	for _, ro := range w.routers {
		if err := ro.start(); err != nil {
			return err
		}
	}
	if bad := w.settle(ctx); len(bad) > 0 {
		return fmt.Errorf("the network does not come up: %v", bad)
	}
	r.first = w.sizes()
	return nil
}

// end stops the routers and looks for what is left behind.
func (w *world) end(ctx context.Context, r *report) error {
	r.last = w.sizes()
	if grown := r.growth(); len(grown) > 0 {
		r.violate(w, "in the course of time", grown)
	}
	for _, ro := range w.routers {
		if ro.out {
			if err := w.comeBack(ro); err != nil {
				return err
			}
		}
	}
	if bad := w.settle(ctx); len(bad) > 0 {
		r.violate(w, "at the end", bad)
	}
	for _, ro := range w.routers {
		if err := ro.stop(ctx); err != nil {
			r.violate(w, "at the stop", []string{fmt.Sprintf("%s: %v", ro.name, err)})
		}
	}
	for _, ro := range w.routers {
		if left := ro.leftovers(); len(left) > 0 {
			r.violate(w, "after the stop", left)
			r.leftovers += len(left)
		}
	}
	return nil
}

// best is the router that should be master: the best of those that are there.
func (w *world) best() *router {
	for _, r := range w.routers {
		if !r.out {
			return r
		}
	}
	return nil
}

// goAway takes a router out for some rounds.
func (w *world) goAway(ctx context.Context, r *router) (string, error) {
	r.out = true
	if w.rnd.IntN(2) == 0 {
		return "stopped " + r.name, r.stop(ctx)
	}
	// The machine dies: nobody hears of it again.
	r.died = true
	if err := r.port.Cut(); err != nil {
		return "", err
	}
	r.kill()
	return "machine of " + r.name + " gone", nil
}

// comeBack brings it in again. The kernel of a machine that died has forgotten
// its addresses by now, but the namespace has not: hakeep, and keepalived, remove
// at their start what they left.
func (w *world) comeBack(r *router) error {
	if err := r.start(); err != nil {
		return err
	}
	if r.died {
		deadline := time.Now().Add(patience)
		for r.isKeepalived && r.keepalived.State("V4") == "" || !r.isKeepalived && r.hakeep.State("V4") == "" {
			if time.Now().After(deadline) || !r.running() {
				return errors.New(r.name + " does not start again")
			}
			time.Sleep(5 * time.Millisecond)
		}
		if err := r.port.Restore(); err != nil {
			return err
		}
	}
	r.out, r.died = false, false
	return nil
}

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// effect is what a single fault of the master may mean for a client.
type effect int

const (
	// unnoticed: nobody moves and nothing is lost.
	unnoticed effect = iota + 1
	// planned: the master moves and nothing is lost.
	planned
	// repaired: what was taken away is back within 100 ms.
	repaired
	// failover: nobody answers until the backup's timer has run out.
	failover
)

// fault is one way to break a router.
type fault struct {
	name   string
	effect effect
	// hakeepOnly faults need a router that runs hakeep; restarts ends processes,
	// which the router whose size is watched is spared.
	hakeepOnly, restarts bool
	// hostile faults are packets of the stranger, which are counted unless they are
	// no adverts.
	hostile, uncounted bool
	// blind faults keep a master from checking servers, which checked ones need.
	blind, checked bool
	// hold is how long it lasts at most.
	hold  time.Duration
	apply func(ctx context.Context, w *world, r *router) (undo func() error, err error)
}

func nothing() error { return nil }

var faults = []fault{
	{name: "main killed", effect: unnoticed, hakeepOnly: true, restarts: true, blind: true, hold: 3 * time.Second,
		apply: func(_ context.Context, _ *world, r *router) (func() error, error) {
			r.hakeep.KillMain()
			return r.start, nil
		}},
	{name: "elector killed", effect: failover, hakeepOnly: true, restarts: true, hold: time.Second,
		apply: func(_ context.Context, _ *world, r *router) (func() error, error) {
			return nothing, r.hakeep.KillElector()
		}},
	{name: "all killed", effect: failover, restarts: true, hold: 3 * time.Second,
		apply: func(_ context.Context, _ *world, r *router) (func() error, error) {
			r.kill()
			return func() error {
				if r.isKeepalived {
					r.removeRoutes()
				}
				return r.start()
			}, nil
		}},
	{name: "stopped and started", effect: planned, restarts: true, hold: 2 * time.Second,
		apply: func(ctx context.Context, _ *world, r *router) (func() error, error) {
			return r.start, r.stop(ctx)
		}},
	{name: "elector stands still", effect: failover, hakeepOnly: true, hold: 3 * time.Second,
		apply: func(_ context.Context, _ *world, r *router) (func() error, error) { return pause(r.pids()[1:]) }},
	{name: "main stands still", effect: unnoticed, hakeepOnly: true, blind: true, hold: 3 * time.Second,
		apply: func(_ context.Context, _ *world, r *router) (func() error, error) { return pause(r.pids()[:1]) }},
	{name: "both stand still", effect: failover, hakeepOnly: true, hold: 3 * time.Second,
		apply: func(_ context.Context, _ *world, r *router) (func() error, error) { return pause(r.pids()) }},
	{name: "port dead", effect: failover, hold: 3 * time.Second,
		apply: func(_ context.Context, _ *world, r *router) (func() error, error) {
			return r.port.Restore, r.port.Cut()
		}},
	{name: "carrier lost", effect: failover, hold: 3 * time.Second,
		apply: func(_ context.Context, _ *world, r *router) (func() error, error) { return r.port.Up, r.port.Down() }},
	{name: "address removed", effect: repaired, hakeepOnly: true,
		apply: func(_ context.Context, w *world, r *router) (func() error, error) {
			v := &virtuals[w.rnd.IntN(len(virtuals))]
			a := v.addrs[w.rnd.IntN(len(v.addrs))]
			_, _ = r.ns.Run("ip", "address", "del", a, "dev", "eth0") // a backup has none
			return nothing, nil
		}},
	{name: "route removed", effect: unnoticed, hakeepOnly: true,
		apply: func(_ context.Context, _ *world, r *router) (func() error, error) {
			_, _ = r.ns.Run("ip", "route", "del", strings.Fields(virtuals[0].route)[0])
			return nothing, nil
		}},
	{name: "ruleset flushed", effect: unnoticed, hakeepOnly: true,
		apply: func(_ context.Context, _ *world, r *router) (func() error, error) {
			_, err := r.ns.Run("nft", "flush", "ruleset")
			return nothing, err
		}},
	{name: "reload", effect: planned, hakeepOnly: true, hold: 2 * time.Second, apply: reload},
	{name: "broken reload", effect: unnoticed, hakeepOnly: true, apply: brokenReload},
	{name: "script fails", effect: planned, hakeepOnly: true, hold: 2 * time.Second,
		apply: func(_ context.Context, _ *world, r *router) (func() error, error) {
			return func() error { return os.Remove(r.flag()) }, os.WriteFile(r.flag(), nil, 0o644)
		}},
	{name: "upgrade", effect: unnoticed, hakeepOnly: true, restarts: true,
		apply: func(ctx context.Context, _ *world, r *router) (func() error, error) {
			return nothing, r.do(ctx, 0, "upgrade")
		}},
	{name: "standby", effect: planned, hakeepOnly: true, hold: time.Second,
		apply: func(ctx context.Context, _ *world, r *router) (func() error, error) {
			return func() error { return r.do(ctx, 0, "resume") }, r.do(ctx, 0, "standby", "--no-wait")
		}},
	{name: "server dies", effect: unnoticed, checked: true, hold: time.Second, apply: serverDies},
	{name: "garbage", effect: unnoticed, hostile: true, apply: hostile((*world).garbage)},
	{name: "adverts with another TTL", effect: unnoticed, hostile: true, apply: hostile((*world).wrongTTL)},
	{name: "adverts with a wrong checksum", effect: unnoticed, hostile: true, apply: hostile((*world).wrongChecksum)},
	{name: "adverts with a wrong password", effect: unnoticed, hostile: true, apply: hostile((*world).wrongPassword)},
	{name: "adverts of an unlisted peer", effect: unnoticed, hostile: true, apply: hostile((*world).unlistedPeer)},
	{name: "neighbour flood", effect: unnoticed, hostile: true, uncounted: true, apply: hostile((*world).neighbourFlood)},
}

// hostile makes a fault of what the stranger does.
func hostile(send func(*world) error) func(context.Context, *world, *router) (func() error, error) {
	return func(_ context.Context, w *world, _ *router) (func() error, error) { return nothing, send(w) }
}

// pause lets processes stand still.
func pause(pids []int) (func() error, error) {
	signalAll(pids, unix.SIGSTOP)
	return func() error { signalAll(pids, unix.SIGCONT); return nil }, nil
}

// do runs a command of hakeep.
func (r *router) do(ctx context.Context, want int, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, stderr, code, err := r.hakeep.CLI(ctx, args...)
	if err != nil || code != want {
		return fmt.Errorf("%s: hakeep %v: exit code %d, want %d (%v): %s%s", r.name, args, code, want, err, out, stderr)
	}
	return nil
}

// reload changes the configuration, by the command or the signal.
func reload(ctx context.Context, w *world, r *router) (func() error, error) {
	v := []variant{{lower: 60}, {extra: true}, {comment: true}}[w.rnd.IntN(3)]
	set := func(v variant) error {
		if err := r.hakeep.WriteConfig(r.toml(v)); err != nil {
			return err
		}
		return r.do(ctx, 0, "reload")
	}
	return func() error { return set(variant{}) }, set(v)
}

// brokenReload is a file that is refused; the signal says nothing, the command
// does.
func brokenReload(ctx context.Context, w *world, r *router) (func() error, error) {
	good := r.toml(variant{})
	text := []string{
		good[:len(good)/2] + "\npriority = 999\n",
		strings.Replace(good, "virtual_router_id", "virtual_router_identity", 1),
		strings.Replace(good, `"192.0.2.10/24"`, `"192.0.2.300/24"`, 1),
		"\x00\xff",
	}[w.rnd.IntN(4)]
	if err := r.hakeep.WriteConfig(text); err != nil {
		return nil, err
	}
	if err := r.do(ctx, 4, "reload"); err != nil {
		return nil, err
	}
	if err := r.hakeep.Signal(syscall.SIGHUP); err != nil {
		return nil, err
	}
	return func() error { return r.hakeep.WriteConfig(good) }, nil
}

package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/config"
	"hakeep/internal/status"
	"hakeep/lvs"
	"hakeep/lvs/ipvs"
)

// ipvsBackend balances by the kernel's IPVS.
type ipvsBackend struct {
	mu     sync.Mutex // held while the kernel is asked, guards what follows
	client *ipvs.Client
	// owned are services that may be in the kernel and are ours.
	owned  map[lvs.ID]bool
	lvs    config.LVS
	master bool // of the sync daemon's instance
	flush  bool // the table is cleared first (lvs_flush)
	// set are the timeouts that were set last, synced the sync daemon.
	set    ipvs.Timeouts
	expire config.Choice // what was said last
	wanted []lvs.Service
	syncs  bool
	closed bool
	// known are the services that the kernel has, nil if that is not
	// known; look is when its table is read again.
	known []lvs.Service
	look  time.Time
}

// lookRest is how many times as long as reading the kernel's table took it is not read
// again, up to lookMax: it is done for the case that others change it.
const (
	lookRest = 20
	lookMax  = 5 * time.Minute
)

var _ backend = (*ipvsBackend)(nil)

// openIPVS opens the table of the daemon's network namespace, or of another one
// (net_namespace_ipvs).
func openIPVS(path string) (client *ipvs.Client, err error) {
	if path == "" {
		return ipvs.Open()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Never unlocked: the thread ends with this goroutine, in its namespace.
		runtime.LockOSThread()
		ns, openErr := os.Open(path)
		if openErr != nil {
			err = fmt.Errorf("net_namespace_ipvs: %w", openErr)
			return
		}
		defer ns.Close()
		if setErr := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); setErr != nil {
			err = fmt.Errorf("net_namespace_ipvs: enter %s: %w", path, setErr)
			return
		}
		client, err = ipvs.Open()
	}()
	<-done
	return client, err
}

// kernelHasIPVS reports whether there is IPVS, and has the kernel load it.
func kernelHasIPVS() bool {
	c, err := ipvs.Open()
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// newIPVSBackend opens the table. owned are what an earlier process may have left;
// without any the table may be cleared.
func newIPVSBackend(cfg *config.Config, owned []lvs.ID) (*ipvsBackend, error) {
	client, err := openIPVS(cfg.Global.LVS.NetNamespace)
	if err != nil {
		return nil, fmt.Errorf("load balancing by IPVS: %w", err)
	}
	b := &ipvsBackend{client: client, owned: map[lvs.ID]bool{}, lvs: cfg.Global.LVS, flush: cfg.Global.LVS.Flush && len(owned) == 0}
	for _, id := range owned {
		b.owned[id] = true
	}
	return b, nil
}

func (b *ipvsBackend) configure(cfg *config.Config) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lvs = cfg.Global.LVS
}

// follow says whether the instance of the sync daemon is master, and reports
// whether that is new.
func (b *ipvsBackend) follow(master bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := b.master != master
	b.master = master
	return changed
}

func (b *ipvsBackend) apply(ctx context.Context, services []lvs.Service) (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, nil
	}
	if b.flush {
		if err := b.client.Flush(ctx); err != nil {
			return 0, fmt.Errorf("lvs_flush: %w", err)
		}
		b.flush = false
	}
	for i := range services {
		b.owned[services[i].ID] = true
	}
	errs := []error{b.setTimeouts(ctx), b.setExpire()}
	err := b.put(ctx, services)
	if err == nil {
		clear(b.owned)
		for i := range services {
			b.owned[services[i].ID] = true
		}
	}
	b.wanted = services
	return max(time.Until(b.look), time.Millisecond), errors.Join(append(errs, err, b.setSync(ctx))...)
}

// put makes the kernel have the services. The caller holds the mutex.
func (b *ipvsBackend) put(ctx context.Context, services []lvs.Service) error {
	before := b.known
	b.known = nil
	if before != nil && time.Now().Before(b.look) {
		if done, err := b.client.Amend(ctx, before, services); done || err != nil {
			if done {
				b.known = services
			}
			return err
		}
	}
	began := time.Now()
	_, err := b.client.Reconcile(ctx, services, func(id lvs.ID) bool { return b.owned[id] }, nil)
	now := time.Now()
	b.look = now.Add(min(max(ipvs.Resync, lookRest*now.Sub(began)), lookMax))
	if err == nil {
		b.known = services
	}
	return err
}

func (b *ipvsBackend) setTimeouts(ctx context.Context) error {
	want := ipvs.Timeouts{TCP: b.lvs.TCPTimeout, TCPFin: b.lvs.TCPFinTimeout, UDP: b.lvs.UDPTimeout}
	if want == b.set || want == (ipvs.Timeouts{}) {
		return nil
	}
	if err := b.client.SetTimeouts(ctx, want); err != nil {
		return fmt.Errorf("lvs_timeouts: %w", err)
	}
	b.set = want
	return nil
}

// setExpire says what becomes of connections, where the configuration says it.
func (b *ipvsBackend) setExpire() error {
	if b.lvs.ExpireNodest == config.ChoiceUnset || b.lvs.ExpireNodest == b.expire {
		return nil
	}
	if err := b.client.SetExpireNodest(b.lvs.ExpireNodest == config.ChoiceOn); err != nil {
		return fmt.Errorf("lvs_expire_nodest_conn: %w", err)
	}
	b.expire = b.lvs.ExpireNodest
	return nil
}

// setSync has the sync daemon follow its instance: it sends while that is master
// and receives otherwise. Without an instance it does both.
func (b *ipvsBackend) setSync(ctx context.Context) error {
	c := b.lvs.Sync
	if c.Interface == "" {
		if !b.syncs {
			return nil
		}
		b.syncs = false
		return b.client.SetSyncDaemons(ctx)
	}
	daemon := func(state ipvs.SyncState) ipvs.Sync {
		return ipvs.Sync{State: state, Interface: c.Interface, ID: c.ID, MaxLen: c.MaxLen, Port: c.Port, TTL: c.TTL, Group: c.Group}
	}
	var want []ipvs.Sync
	if b.master || c.Instance == "" {
		want = append(want, daemon(ipvs.SyncMaster))
	}
	if !b.master || c.Instance == "" {
		want = append(want, daemon(ipvs.SyncBackup))
	}
	if err := b.client.SetSyncDaemons(ctx, want...); err != nil {
		return fmt.Errorf("lvs_sync_daemon: %w", err)
	}
	b.syncs = true
	return nil
}

func (b *ipvsBackend) describe(in *status.BalancingInput) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in.Active = true
	if in.Error == "" {
		in.Digest = lvs.Digest(b.wanted)
		in.Digests = make(map[lvs.ID]string, len(b.wanted))
		for i := range b.wanted {
			in.Digests[b.wanted[i].ID] = lvs.Digest(b.wanted[i : i+1])
		}
	}
}

func (*ipvsBackend) warnings() []string { return nil }

func (b *ipvsBackend) counters(ctx context.Context) ([]lvs.ServiceCounters, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, nil
	}
	list, err := b.client.Counters(ctx, func(id lvs.ID) bool { return b.owned[id] })
	if err != nil {
		return nil, fmt.Errorf("counters are not known: %w", err)
	}
	return list, nil
}

// close removes the services as lvs_flush_on_stop says, or leaves them to the next
// main, and lets go of the kernel.
func (b *ipvsBackend) close(ctx context.Context, remove bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	var errs []error
	if remove {
		if b.lvs.FlushOnStop == config.FlushAll {
			errs = append(errs, b.client.Flush(ctx))
		} else {
			// Deleting a service deletes its servers, so FlushServices is no less.
			_, err := b.client.Reconcile(ctx, nil, func(id lvs.ID) bool { return b.owned[id] }, nil)
			errs = append(errs, err)
		}
		if b.syncs {
			errs = append(errs, b.client.SetSyncDaemons(ctx))
		}
	}
	return errors.Join(slices.Concat(errs, []error{b.client.Close()})...)
}

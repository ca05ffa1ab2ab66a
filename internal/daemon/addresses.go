package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"hakeep/internal/netif"
)

const (
	// addressSettle puts together what comes at once: a takeover of a hundred
	// addresses is one look.
	addressSettle = 20 * time.Millisecond
	// addressRetry is the pause after addresses could not be watched.
	addressRetry = 5 * time.Second
)

// localAddresses reads the addresses of this host.
func localAddresses() (map[netip.Addr]bool, error) {
	k, err := netif.OpenKernel()
	if err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	defer k.Close()
	list, err := k.Addrs()
	if err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	all := make(map[netip.Addr]bool, len(list))
	for i := range list {
		all[list[i].Prefix.Addr()] = true
	}
	return all, nil
}

// watchAddresses keeps the pool's knowledge of local addresses, while a virtual
// server asks for it (ha_suspend).
func (b *balancer) watchAddresses(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.look:
		}
		for b.suspends() {
			if err := b.follow(ctx); err == nil || ctx.Err() != nil {
				break
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(addressRetry):
			}
		}
	}
}

func (b *balancer) suspends() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pool.Suspends()
}

// follow watches addresses until nobody asks for them any more.
func (b *balancer) follow(ctx context.Context) error {
	w, err := netif.OpenWatch()
	if err != nil {
		b.takeAddresses(nil, err)
		return err
	}
	defer w.Close()
	g, ctx := errgroup.WithContext(ctx)
	moved := make(chan struct{}, 1)
	over := errors.New("over")
	g.Go(func() error {
		err := w.Run(ctx, func(ev netif.Event) {
			switch ev.Kind {
			case netif.EventAddr, netif.EventAddrGone, netif.EventLinkGone, netif.EventResync:
				kick(moved)
			}
		})
		if errors.Is(err, os.ErrClosed) || ctx.Err() != nil {
			return nil
		}
		return err
	})
	g.Go(func() error {
		for {
			b.takeAddresses(b.local())
			select {
			case <-ctx.Done():
				return nil
			case <-b.look: // another configuration
				if !b.suspends() {
					return over
				}
				continue
			case <-moved:
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(addressSettle):
			}
		}
	})
	if err := g.Wait(); !errors.Is(err, over) {
		return err
	}
	return nil
}

// takeAddresses takes what was read. After an error what was known stays.
func (b *balancer) takeAddresses(addrs map[netip.Addr]bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		if b.addrsErr == nil || b.addrsErr.Error() != err.Error() {
			b.log.Error("local addresses are not known, ha_suspend keeps what was", "err", err)
		}
		b.addrsErr = err
		return
	}
	b.addrsErr = nil
	if maps.Equal(b.addrs, addrs) {
		return
	}
	b.addrs = addrs
	if !b.pool.SetLocal(b.isLocal) {
		return
	}
	if err := b.runner.Apply(b.starts(b.probes, b.pool.Checks())); err != nil {
		// They were accepted before; files of certificates may be gone.
		b.log.Error("checks of servers are not those of the local addresses", "err", err)
	}
}

// isLocal reports whether an address is on this host. The pool asks while the
// mutex is held.
func (b *balancer) isLocal(a netip.Addr) bool { return b.addrs[a] }

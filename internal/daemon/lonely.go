package daemon

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/status"
	"hakeep/internal/wire"
)

const (
	// lonelyAfter is the least time for which nobody was heard before it is told;
	// lonelyDowns how many master down times it has to be as well.
	lonelyAfter = time.Minute
	lonelyDowns = 10
	// lonelyLook is how often that is looked at while it is not known of all
	// instances.
	lonelyLook = 20 * time.Second
)

// lonely decides whether it is worth telling that an instance has heard no other
// router: whether what is known is settled, and whether it is to be told. A
// backup is silent, so the first master of a healthy pair hears nobody either.
// It is not told of an owner, of one that is configured to begin as master, and
// of one without peers.
func lonely(now time.Time, c *config.Instance, s *wire.InstanceStatus, started time.Time) (settled, tell bool) {
	const owner = 255
	if c.Priority == owner || c.State == config.StateMaster || c.Unicast && len(c.UnicastPeers) == 0 || len(s.Peers) > 0 {
		return true, false
	}
	alone := min(now.Sub(started), now.Sub(s.Since))
	if s.State != "MASTER" || alone < max(lonelyAfter, lonelyDowns*s.DownInterval) {
		return false, false
	}
	return true, true
}

// watchPeers tells once, for each instance and elector, that nobody was heard.
func (d *daemon) watchPeers(ctx context.Context) error {
	settled := map[string]bool{}
	elector := 0
	tick := time.NewTicker(lonelyLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		cfg := d.current.Load().config
		open := false
		for i := range cfg.Instances {
			open = open || !settled[cfg.Instances[i].Name]
		}
		if !open && elector != 0 {
			continue // asking costs the elector time
		}
		bounded, cancel := context.WithTimeout(ctx, statusTimeout)
		snap, err := d.supervisor.state(bounded)
		cancel()
		if err != nil {
			continue // who keeps the elector running says so
		}
		if snap.PID != elector {
			elector = snap.PID
			clear(settled)
		}
		d.tellLonely(cfg, snap, settled)
	}
}

func (d *daemon) tellLonely(cfg *config.Config, snap *wire.Snapshot, settled map[string]bool) {
	byName := map[string]*wire.InstanceStatus{}
	for i := range snap.Instances {
		byName[snap.Instances[i].Name] = &snap.Instances[i]
	}
	for i := range cfg.Instances {
		c := &cfg.Instances[i]
		s := byName[c.Name]
		if s == nil || settled[c.Name] {
			continue
		}
		done, tell := lonely(snap.Time, c, s, snap.Started)
		settled[c.Name] = done
		if !tell {
			continue
		}
		const lvl = slog.LevelWarn
		d.log.Warn("no other router was heard", "instance", c.Name, "text", status.NoPeer)
		d.history.add(status.Event{
			Time: time.Now(), Kind: status.KindNoPeer, Level: strings.ToLower(lvl.String()), Instance: c.Name, Text: status.NoPeer,
		})
	}
}

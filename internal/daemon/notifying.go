package daemon

import (
	"net"
	"strconv"
	"sync"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/notify"
	"hakeep/internal/wire"
)

// healQuiet is how long no other master must have been heard until a double
// master counts as over.
const healQuiet = time.Second

// notifySpec translates whom to tell of transitions.
func notifySpec(cfg *config.Config, host string) notify.Spec {
	g := &cfg.Global
	s := notify.Spec{
		RouterID: g.RouterID, WriteStatesOnReload: g.FIFOWriteStatesOnReload,
		Policy: notify.Policy{User: scriptUser(g), Secure: g.ScriptSecurity},
		Mail:   notifyMail(&g.Mail, host),
	}
	if s.RouterID == "" {
		s.RouterID = host
	}
	for _, f := range []struct {
		fifo      config.FIFO
		vrrp, lvs bool
	}{{g.NotifyFIFO, true, true}, {g.VRRPNotifyFIFO, true, false}, {g.LVSNotifyFIFO, false, true}} {
		if f.fifo.Path == "" {
			continue
		}
		s.FIFOs = append(s.FIFOs, notify.FIFO{
			Path: f.fifo.Path, User: f.fifo.User, Group: f.fifo.Group, VRRP: f.vrrp, LVS: f.lvs,
			Script: notifyCommand(f.fifo.Script),
		})
	}
	s.Servers = serverTargets(balancingHooks(cfg))
	for i := range cfg.Groups {
		c := &cfg.Groups[i]
		s.Hooks = append(s.Hooks, notifyHooks(notify.Group, c.Name, "", c.Notify, c.SMTPAlert))
	}
	for i := range cfg.Instances {
		c := &cfg.Instances[i]
		s.Hooks = append(s.Hooks, notifyHooks(notify.Instance, c.Name, c.SyncGroup, c.Notify, c.SMTPAlert))
	}
	return s
}

func notifyHooks(kind notify.Kind, name, group string, n config.Notify, mail bool) notify.Hooks {
	return notify.Hooks{
		Target: notify.Target{Kind: kind, Name: name}, SyncGroup: group,
		Notify: notifyCommand(n.Any), NotifyMaster: notifyCommand(n.Master), NotifyBackup: notifyCommand(n.Backup),
		NotifyFault: notifyCommand(n.Fault), NotifyStop: notifyCommand(n.Stop), NotifyDeleted: notifyCommand(n.Deleted),
		NotifyMasterRxLowerPri: notifyCommand(n.MasterRxLowerPri),
		DeletedState:           n.DeletedState,
		SMTPAlert:              mail, PriorityChanges: n.PriorityChanges,
	}
}

func notifyCommand(c config.Command) notify.Command {
	return notify.Command{Command: scriptCommand(c), Timeout: c.Timeout}
}

func notifyMail(m *config.Mail, host string) notify.Mail {
	out := notify.Mail{HELO: m.Helo, From: m.From, To: m.To, ConnectTimeout: m.ConnectTimeout, NoFaults: m.NoFaults}
	if m.Server != "" {
		out.Server = net.JoinHostPort(m.Server, strconv.Itoa(int(m.Port)))
	}
	if out.HELO == "" {
		out.HELO = host
	}
	if out.From == "" {
		out.From = "root@" + host
	}
	return out
}

// notifyEvent translates an event of the elector; false if it is nobody's
// business.
func notifyEvent(ev *wire.Event) (notify.Event, bool) {
	out := notify.Event{
		Target:   notify.Target{Kind: notify.Instance, Name: ev.Instance},
		Priority: ev.Priority, Time: ev.Time, Reason: ev.Cause,
	}
	switch ev.Kind {
	case wire.EventTransition:
		out.State = notifyState(ev.To, ev.Cause)
	case wire.EventGroup:
		out.Target = notify.Target{Kind: notify.Group, Name: ev.Group}
		out.State = notifyState(ev.To, "")
	case wire.EventLowerPriority:
		out.State = notify.MasterRxLowerPri
	case wire.EventPriority:
		switch ev.To {
		case "MASTER":
			out.State = notify.MasterPriority
		case "BACKUP":
			out.State = notify.BackupPriority
		}
	}
	return out, out.State != 0
}

// notifyState is keepalived's word for a state; INIT is the end of an instance.
func notifyState(to, cause string) notify.State {
	switch to {
	case "MASTER":
		return notify.Master
	case "BACKUP":
		return notify.Backup
	case "FAULT":
		return notify.Fault
	}
	if cause == "removed" {
		return notify.Deleted
	}
	return notify.Stop
}

// healer finds the end of short double masters, after which the surviving
// master's take-over commands run again (heal_double_master): the other one's
// may have moved away what they set up.
type healer struct {
	tell func(instance string)

	mu     sync.Mutex // guards timers
	timers map[string]*time.Timer
}

func newHealer(tell func(string)) *healer {
	return &healer{tell: tell, timers: map[string]*time.Timer{}}
}

// heard notes that a master heard another one.
func (h *healer) heard(instance string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.timers[instance]; t != nil {
		t.Reset(healQuiet)
		return
	}
	h.timers[instance] = time.AfterFunc(healQuiet, func() {
		h.forget(instance)
		h.tell(instance)
	})
}

// forget ends the observation: the instance is master no more.
func (h *healer) forget(instance string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.timers[instance]; t != nil {
		t.Stop()
		delete(h.timers, instance)
	}
}

func (h *healer) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.timers {
		t.Stop()
	}
}

// notifyOf tells scripts, FIFOs and mail of an event. Replayed events are only
// noted: they were told by an earlier main.
func (d *daemon) notifyOf(ev *wire.Event, replayed bool) {
	out, ok := notifyEvent(ev)
	if !ok {
		return
	}
	out.Silent = replayed
	d.notifier.Notify(out)
	switch {
	case ev.Kind == wire.EventLowerPriority && !replayed && d.heals(ev.Instance):
		d.healer.heard(ev.Instance)
	case ev.Kind == wire.EventTransition:
		d.healer.forget(ev.Instance)
	}
}

// heals reports whether heal_double_master is in force for an instance.
func (d *daemon) heals(instance string) bool {
	cfg := d.current.Load().config
	for i := range cfg.Instances {
		if cfg.Instances[i].Name == instance {
			return cfg.Global.HealDoubleMaster && !cfg.Instances[i].Strict
		}
	}
	return false
}

// healed is called when a short double master is over.
func (d *daemon) healed(instance string) {
	d.notifier.Notify(notify.Event{
		Target: notify.Target{Kind: notify.Instance, Name: instance}, State: notify.Master, Healed: true, Time: time.Now(),
	})
}

package notify

import (
	"slices"
	"time"

	"hakeep/internal/script"
)

// DefaultTimeout ends a notify script whose command has no time limit of its
// own. keepalived has none; a minute leaves room for the interfaces of cloud
// providers.
const DefaultTimeout = time.Minute

// Spec is all that is configured. It is not changed after it was handed over.
type Spec struct {
	// RouterID is in the subject of mail (router_id).
	RouterID string
	// Policy is for all scripts.
	Policy Policy
	// Hooks are those of instances and groups; a target that has none is listed
	// nevertheless, since FIFOs and groups need to know it.
	Hooks []Hooks
	// Servers are the virtual and real servers that have scripts; what is known of
	// those of others is forgotten.
	Servers []Target
	FIFOs   []FIFO
	// WriteStatesOnReload repeats all states to the FIFOs of VRRP when a Spec
	// replaces another (fifo_write_vrrp_states_on_reload): groups, then instances.
	// keepalived 2.2.7 leaves out the instances, its manual does not.
	WriteStatesOnReload bool
	Mail                Mail
}

// Policy says how scripts are resolved; see [script.Resolve].
type Policy struct {
	// User is script_user, "USER" or "USER GROUP"; empty is the default.
	User string
	// Secure is enable_script_security.
	Secure bool
}

// Command is a command and its time limit; without arguments there is none.
type Command struct {
	script.Command
	// Timeout is how long it may run; 0 means [DefaultTimeout], and for the scripts
	// of FIFOs without end.
	Timeout time.Duration
}

// IsZero reports whether there is no command.
func (c Command) IsZero() bool { return len(c.Argv) == 0 }

func (c Command) equal(o Command) bool {
	return c.Command.Equal(o.Command) && c.Timeout == o.Timeout
}

// Hooks is what is configured for one target.
type Hooks struct {
	Target Target
	// SyncGroup is the group of an instance, empty without one.
	SyncGroup string
	// Notify runs at each state with four further arguments; the others run at
	// theirs with exactly the arguments that are configured.
	Notify, NotifyMaster, NotifyBackup, NotifyFault, NotifyStop, NotifyDeleted, NotifyMasterRxLowerPri Command
	// DeletedState says DELETED, rather than FAULT, to Notify and the FIFOs when
	// the instance is deleted (notify_deleted without a command).
	DeletedState bool
	// SMTPAlert sends mail at each state.
	SMTPAlert bool
	// PriorityChanges writes changes of the priority to FIFOs
	// (notify_priority_changes).
	PriorityChanges bool
}

// hook is a configured command under keepalived's keyword.
type hook struct {
	name    string
	command Command
}

// hooks are the commands that run for an event, in order. State is the word for
// scripts.
func (h *Hooks) hooks(e Event, state State) []hook {
	specific := map[State]hook{
		Master: {"notify_master", h.NotifyMaster}, Backup: {"notify_backup", h.NotifyBackup},
		Fault: {"notify_fault", h.NotifyFault}, Stop: {"notify_stop", h.NotifyStop},
		Deleted:          {"notify_deleted", h.NotifyDeleted},
		MasterRxLowerPri: {"notify_master_rx_lower_pri", h.NotifyMasterRxLowerPri},
	}[state]
	var all []hook
	if !specific.command.IsZero() {
		all = append(all, specific)
	}
	if state.isState() && !h.Notify.IsZero() {
		c := h.Notify
		c.Argv = slices.Concat(c.Argv, arguments(h.Target, state, e.Priority))
		all = append(all, hook{"notify", c})
	}
	return all
}

// word is the state as scripts and FIFOs say it: an instance that was deleted is
// in FAULT unless somebody asked for more.
func (h *Hooks) word(s State) State {
	if s == Deleted && h.NotifyDeleted.IsZero() && !h.DeletedState {
		return Fault
	}
	return s
}

// FIFO is a named pipe that events are written to (notify_fifo,
// vrrp_notify_fifo, lvs_notify_fifo).
type FIFO struct {
	Path string
	// User and Group own it, by name or number. Empty means the daemon's own, and
	// for Group the user's. What exists is given to them too.
	User, Group string
	// VRRP and LVS say which lines it receives.
	VRRP, LVS bool
	// Script reads the FIFO; Path is appended to its arguments. It runs as long as
	// the FIFO is configured.
	Script Command
}

func (f FIFO) equal(o FIFO) bool {
	return f.Path == o.Path && f.User == o.User && f.Group == o.Group && f.VRRP == o.VRRP && f.LVS == o.LVS &&
		f.Script.equal(o.Script)
}

// Mail says how mail is sent. Without Server or To nothing is.
type Mail struct {
	// Server is HOST:PORT of an SMTP relay (smtp_server).
	Server string
	// HELO is the name to greet with (smtp_helo_name).
	HELO string
	// From and To are addresses (notification_email_from, notification_email).
	From string
	To   []string
	// ConnectTimeout bounds the connection (smtp_connect_timeout).
	ConnectTimeout time.Duration
	// NoFaults sends none for FAULT (no_email_faults).
	NoFaults bool
}

func (m Mail) enabled() bool { return m.Server != "" && len(m.To) > 0 }

// merge puts FIFOs of the same path together: each line is written once.
func merge(fifos []FIFO) []FIFO {
	var all []FIFO
	for _, f := range fifos {
		i := slices.IndexFunc(all, func(o FIFO) bool { return o.Path == f.Path })
		if i < 0 {
			all = append(all, f)
			continue
		}
		all[i].VRRP, all[i].LVS = all[i].VRRP || f.VRRP, all[i].LVS || f.LVS
		if all[i].Script.IsZero() {
			all[i].Script = f.Script
		}
	}
	return all
}

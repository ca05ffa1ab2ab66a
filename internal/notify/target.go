package notify

import "time"

// Kind is what a [Target] is. String gives the word of notify scripts and FIFOs.
type Kind uint8

// The kinds of targets.
const (
	Instance Kind = iota + 1
	Group
	// VirtualServer and RealServer are those of load balancing. The names are those
	// of FIFO lines: "[192.0.2.1]:tcp:80", and the real server before its virtual one.
	VirtualServer
	RealServer
)

func (k Kind) String() string {
	switch k {
	case Instance:
		return "INSTANCE"
	case Group:
		return "GROUP"
	case VirtualServer:
		return "VS"
	case RealServer:
		return "RS"
	}
	return "unknown"
}

// Target is an instance, a sync group or a server.
type Target struct {
	Kind Kind
	Name string
}

// key is the attribute name of the target in the log.
func (t Target) key() string {
	switch t.Kind {
	case Group:
		return "group"
	case VirtualServer:
		return "virtual_server"
	case RealServer:
		return "real_server"
	}
	return "instance"
}

func (t Target) isServer() bool { return t.Kind == VirtualServer || t.Kind == RealServer }

// State is what a target enters, or what happens to it. String gives
// keepalived's word.
type State uint8

// The states of instances; those of groups are [Master], [Backup], [Fault] and
// [Stop].
const (
	Master State = iota + 1
	Backup
	Fault
	// Stop is the end of the daemon.
	Stop
	// Deleted is the end of an instance that the configuration has no more. Scripts
	// and FIFOs say FAULT unless notify_deleted is configured, as keepalived's do.
	Deleted
)

// The events of instances. They are no states: nothing is superseded by them.
const (
	// MasterRxLowerPri is a master that heard one of lower priority
	// (notify_master_rx_lower_pri).
	MasterRxLowerPri State = iota + 6
	// MasterPriority and BackupPriority are a change of the effective priority
	// (notify_priority_changes); they only go to FIFOs.
	MasterPriority
	BackupPriority
)

// The states of servers.
const (
	Up State = iota + 9
	Down
)

var stateNames = [...]string{
	Master: "MASTER", Backup: "BACKUP", Fault: "FAULT", Stop: "STOP", Deleted: "DELETED",
	Up: "UP", Down: "DOWN",
	MasterRxLowerPri: "MASTER_RX_LOWER_PRI", MasterPriority: "MASTER_PRIORITY", BackupPriority: "BACKUP_PRIORITY",
}

func (s State) String() string {
	if s > 0 && int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// isState reports whether it is a state rather than an event.
func (s State) isState() bool { return s >= Master && s <= Deleted || s == Up || s == Down }

// Event is something that happened to a target. When a group changes, its
// members come first, as keepalived tells them: the other way round they would
// be silent (see Groups in the package's documentation).
type Event struct {
	Target Target
	State  State
	// Priority is the effective priority of an instance. For groups it is ignored:
	// scripts and FIFOs say 0.
	Priority uint8
	// Healed says that an instance stayed master through a short double master, or
	// that a group did. State is Master. Its scripts for MASTER run once more, since
	// those of the other router may have taken what they had set up; FIFOs and mail
	// say nothing. It is ignored when the target is not master any more.
	Healed bool
	// Silent records the state and tells nobody: for a daemon that finds its
	// instances running (design: a new main attaches to an elector).
	Silent bool
	// Time is when it happened (wall clock); zero means now. Reason says why, for
	// people. Both go into mail.
	Time   time.Time
	Reason string
}

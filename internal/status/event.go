package status

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"hakeep/internal/wire"
)

// The kinds of events that main adds to those of the elector (package wire).
const (
	// KindReload is the outcome of a reload.
	KindReload = "reload"
	// KindElector is an elector that was started, found or lost.
	KindElector = "elector"
	// KindDaemon is the start and the end of the daemon.
	KindDaemon = "daemon"
	// KindStandby is an instance that is held back, takes part again, or is held
	// back while no master is heard.
	KindStandby = "standby"
	// KindServer is a real server that came up or went down, a virtual server that
	// gained or lost its quorum, or something that was said of a server by hand.
	KindServer = "server"
	// KindNoPeer is a master that has heard no other router since it began.
	KindNoPeer = "no-peer"
)

// NoPeer explains KindNoPeer.
const NoPeer = "no other router was heard since the start; a backup is silent, so this is all right if the others are backups: " +
	"see there that this one is their master. If they are master, too, adverts are lost between them (firewall, VLAN)"

// Level is the word for the level of an event.
func Level(l slog.Level) string { return strings.ToLower(l.String()) }

// Moved is the answer to `hakeep standby` and `hakeep resume`.
type Moved struct {
	// Instances are those that it is about, with the other members of their sync
	// groups.
	Instances []string `json:"instances"`
}

// ServerAnswer is the answer to `hakeep server`.
type ServerAnswer struct {
	VirtualServer string `json:"virtual_server"`
	// RealServer is the server as it is now.
	RealServer RealServer `json:"real_server"`
	// Warning says what to know, such as that the kernel was not told yet.
	Warning string `json:"warning,omitempty"`
}

// Upgrade is the answer to `hakeep upgrade`.
type Upgrade struct {
	// From is the version that runs, To the one that is executed.
	From string `json:"from"`
	To   string `json:"to"`
	// Executable is its path.
	Executable string `json:"executable"`
	// Started is when the main process that answers was started.
	Started time.Time `json:"started"`
}

// Event is something that happened, as `hakeep events --json` prints it.
type Event struct {
	// Seq counts within one life of the main process, from 1.
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	// Kind is "transition", "group", "priority", "notice", "lower-priority-master",
	// "address", "log", "reload", "elector", "daemon", "standby", "conflict", "no-peer" or "server".
	Kind string `json:"kind"`
	// Level is "info", "warn" or "error".
	Level    string `json:"level"`
	Instance string `json:"instance,omitempty"`
	// VirtualServer and RealServer are of a server; Reason is then "server-up",
	// "server-down", "quorum-up", "quorum-down", "check-up", "check-down" or "by-hand".
	VirtualServer string `json:"virtual_server,omitempty"`
	RealServer    string `json:"real_server,omitempty"`
	// Group is the sync group whose transition this is.
	Group string `json:"group,omitempty"`
	// From, To, Why and Priority are of a transition; To and Priority also of a
	// priority that changed.
	From     string `json:"from,omitempty"`
	To       string `json:"to,omitempty"`
	Why      string `json:"why,omitempty"`
	Priority int    `json:"priority,omitempty"`
	// Reason and Count are of a notice: the packets of this kind since the one
	// before.
	Reason    string     `json:"reason,omitempty"`
	Count     uint64     `json:"count,omitempty"`
	Peer      netip.Addr `json:"peer,omitzero"`
	Interface string     `json:"interface,omitempty"`
	// Text says what there is no field for.
	Text string `json:"text,omitempty"`
	// Lost is the number of events right before this one that nobody kept.
	Lost uint64 `json:"lost,omitempty"`
}

// FromElector turns an event of the elector into ours, without Seq.
func FromElector(ev *wire.Event) Event {
	level := ev.Level
	if level == "" {
		level = "info"
	}
	text := ev.Text
	if text == "" {
		text = Explain(ev.Reason)
	}
	return Event{
		Time: ev.Time, Kind: string(ev.Kind), Level: level, Instance: ev.Instance, Group: ev.Group,
		From: ev.From, To: ev.To, Why: ev.Cause, Priority: int(ev.Priority),
		Reason: ev.Reason, Count: ev.Count, Peer: ev.Peer, Interface: ev.Interface, Text: text, Lost: ev.Lost,
	}
}

// String is the event in one line for people, without its time.
func (e *Event) String() string {
	var b strings.Builder
	if e.Lost > 0 {
		fmt.Fprintf(&b, "(%d events lost before) ", e.Lost)
	}
	if e.Level == "warn" || e.Level == "error" {
		b.WriteString(e.Level + ": ")
	}
	switch {
	case e.Instance != "":
		b.WriteString(e.Instance + ": ")
	case e.VirtualServer != "" && e.RealServer != "":
		b.WriteString(e.VirtualServer + ", " + e.RealServer + ": ")
	case e.VirtualServer != "":
		b.WriteString(e.VirtualServer + ": ")
	case e.Interface != "":
		b.WriteString(e.Interface + ": ")
	}
	switch e.Kind {
	case string(wire.EventTransition):
		fmt.Fprintf(&b, "%s -> %s (%s), priority %d", e.From, e.To, e.Why, e.Priority)
	case string(wire.EventGroup):
		fmt.Fprintf(&b, "sync group %s: %s -> %s", e.Group, e.From, e.To)
	case string(wire.EventPriority):
		fmt.Fprintf(&b, "priority %d in %s", e.Priority, e.To)
	case string(wire.EventNotice):
		fmt.Fprintf(&b, "%d x %s", e.Count, e.Reason)
		e.from(&b)
	case string(wire.EventLowerPriority):
		b.WriteString("master of lower priority heard")
		e.from(&b)
	case KindServer:
		b.WriteString(e.Text)
		return b.String()
	default:
		b.WriteString(e.Kind)
		if e.Reason != "" {
			b.WriteString(" " + e.Reason)
		}
		e.from(&b)
	}
	if e.Text != "" {
		b.WriteString(": " + e.Text)
	}
	return b.String()
}

func (e *Event) from(b *strings.Builder) {
	if e.Peer.IsValid() {
		b.WriteString(" from " + e.Peer.String())
	}
}

package config

import (
	"net/mail"
	"path"
	"strconv"
	"strings"
	"time"
)

// Notify is whom to tell of the transitions of an instance or a sync group.
// Commands are run one at a time and in order; each has a time limit.
type Notify struct {
	// Any is run at every transition, after the one for the state, with four
	// further arguments: INSTANCE or GROUP, the name, the state, the priority
	// (keyword notify).
	Any Command
	// Master, Backup, Fault and Stop are run with exactly their arguments when
	// the state is reached (notify_master and so on).
	Master, Backup, Fault, Stop Command
	// Deleted is run when a reload removes the instance (notify_deleted).
	Deleted Command
	// DeletedState says DELETED, rather than keepalived's FAULT, to Any and to
	// the FIFOs when a reload removes the instance. It is true with a Deleted.
	DeletedState bool
	// MasterRxLowerPri is run when a master hears another one of lower priority
	// (notify_master_rx_lower_pri).
	MasterRxLowerPri Command
	// PriorityChanges writes changes of the priority to the FIFOs
	// (notify_priority_changes).
	PriorityChanges bool
}

// FIFO is a named pipe that transitions are written to.
type FIFO struct {
	// Path is absolute; empty for no FIFO.
	Path string
	// User and Group own it, if it has to be made; empty for the daemon's own.
	User, Group string
	// Script is started to read it, with Path as an additional last argument;
	// it has no time limit. Empty for none.
	Script Command
}

// Mail is how mails are sent.
type Mail struct {
	// To are the addresses of the recipients (notification_email), each with a
	// name or without; empty for no mails.
	To []string
	// From is the address of the sender (notification_email_from); empty means
	// the daemon's user at this host.
	From string
	// Server is the host name or address of the relay (smtp_server), empty for
	// no mails; Port is its port, 25 unless set.
	Server string
	Port   uint16
	// Helo is the name that this host gives itself (smtp_helo_name); empty
	// means the host's name.
	Helo string
	// ConnectTimeout is how long to wait for the relay, 1 s or more.
	ConnectTimeout time.Duration
	// NoFaults sends no mails about faults (no_email_faults).
	NoFaults bool
}

// Choice is a flag that may be unset.
type Choice uint8

const (
	// ChoiceUnset leaves it to others.
	ChoiceUnset Choice = iota + 1
	// ChoiceOff is false.
	ChoiceOff
	// ChoiceOn is true.
	ChoiceOn
)

// String returns unset, off or on.
func (c Choice) String() string {
	switch c {
	case ChoiceUnset:
		return "unset"
	case ChoiceOff:
		return "off"
	case ChoiceOn:
		return "on"
	}
	return "choice " + strconv.Itoa(int(c))
}

// choice reads a flag that may be unset.
func (b *block) choice(key string) Choice {
	switch {
	case !b.has(key):
		return ChoiceUnset
	case b.flagOr(key, false):
		return ChoiceOn
	}
	return ChoiceOff
}

// or returns the flag, or def if it is unset.
func (c Choice) or(def bool) bool {
	if c == ChoiceUnset {
		return def
	}
	return c == ChoiceOn
}

// notify reads the notifications of an instance or a group.
func (b *block) notify(priorityChanges bool) Notify {
	n := Notify{
		Any: b.command("notify", notifyTimeout), Master: b.command("notify_master", notifyTimeout),
		Backup: b.command("notify_backup", notifyTimeout), Fault: b.command("notify_fault", notifyTimeout),
		Stop:            b.command("notify_stop", notifyTimeout),
		PriorityChanges: b.flagOr("notify_priority_changes", priorityChanges),
	}
	if b.kind != BlockInstance {
		return n
	}
	n.MasterRxLowerPri = b.command("notify_master_rx_lower_pri", notifyTimeout)
	if e, ok := b.vals["notify_deleted"]; ok {
		if flag, ok := e.val.(bool); ok {
			n.DeletedState = flag
		} else {
			n.Deleted, n.DeletedState = b.command("notify_deleted", notifyTimeout), true
		}
	}
	return n
}

// readMail reads how mails are sent.
func (b *block) readMail() Mail {
	m := Mail{
		From: b.text("notification_email_from"), Helo: b.text("smtp_helo_name"),
		ConnectTimeout: b.dur("smtp_connect_timeout"), NoFaults: b.flag("no_email_faults"),
	}
	for _, t := range b.texts("notification_email") {
		if _, err := mail.ParseAddress(t.text); err != nil {
			b.d.add(Error, t.line, b.join("notification_email"), `%s is not an address for mails; write for example "admin@example.com" or "Admin <admin@example.com>"`, describe(t.text))
			continue
		}
		m.To = append(m.To, t.text)
	}
	if _, err := mail.ParseAddress(m.From); m.From != "" && err != nil {
		b.errorf("notification_email_from", `%s is not an address for mails; write for example %s`, describe(m.From), b.row("notification_email_from").example())
	}
	if b.has("smtp_helo_name") && !isHost(m.Helo) {
		b.errorf("smtp_helo_name", "%s is not the name of a host; write for example %s", describe(m.Helo), b.row("smtp_helo_name").example())
	}
	if s := b.fields("smtp_server", "host", "port"); s != nil {
		m.Server, m.Port = s.get("host"), 25
		if !isHost(m.Server) {
			s.errorf("names the server %s; allowed: the name or address of a host, and a port after a blank, for example %s", describe(m.Server), b.row("smtp_server").example())
		}
		if p := s.get("port"); p != "" {
			n, err := strconv.ParseUint(p, 10, 16)
			if err != nil || n == 0 {
				s.errorf("has the port %s; allowed: 1 to 65535", describe(p))
			}
			m.Port = uint16(n)
		}
	}
	return m
}

// isHost reports whether a text can be the name or address of a host.
func isHost(s string) bool {
	return s != "" && len(s) <= 253 && printable(s) == s && !strings.ContainsAny(s, " /@[]<>\"'\\")
}

// checkMail warns if mails are wanted that cannot be sent.
func (d *decoder) checkMail(b *block, m *Mail, wanted bool) {
	switch {
	case !wanted:
	case m.Server == "" && !b.wrong("smtp_server"):
		b.warnf("smtp_server", `missing, so no mails are sent although smtp_alert asks for them; write for example smtp_server = "192.0.2.25"`)
	case len(m.To) == 0 && !b.wrong("notification_email") && len(b.items("notification_email")) == 0:
		b.warnf("notification_email", `missing, so no mails are sent although smtp_alert asks for them; write for example notification_email = ["admin@example.com"]`)
	}
}

// readFIFOs reads the named pipes.
func (b *block) readFIFOs(g *Global) {
	seen := map[string]string{}
	for _, f := range []struct {
		key string
		to  *FIFO
	}{{"notify_fifo", &g.NotifyFIFO}, {"vrrp_notify_fifo", &g.VRRPNotifyFIFO}, {"lvs_notify_fifo", &g.LVSNotifyFIFO}} {
		script := b.command(f.key+"_script", 0)
		parts := b.fields(f.key, "path", "user", "group")
		if parts == nil {
			if b.has(f.key+"_script") && b.given[f.key] == nil {
				b.warnf(f.key+"_script", "has no effect without %s", f.key)
			}
			continue
		}
		p := parts.get("path")
		if wrong := wrongPath(p); wrong != "" {
			parts.errorf("names the file %s, which %s; write for example %s = %s", describe(p), wrong, f.key, b.row(f.key).example())
			continue
		}
		p = path.Clean(p)
		if other, ok := seen[p]; ok {
			parts.errorf("is also the one of %s; every one needs a file of its own", other)
		}
		seen[p] = f.key
		*f.to = FIFO{Path: p, Script: script}
		if parts.get("user") != "" {
			a := parts.account(account{})
			f.to.User, f.to.Group = a.user, a.group
			if a.supplementary {
				parts.errorf("has a ':' before the group, which means nothing for a file")
			}
		} else if parts.get("group") != "" {
			parts.errorf("has a group without a user; add the user")
		}
	}
}

// notifyRows are the rows of notifications of an instance or a sync group.
func notifyRows(whom string) []Keyword {
	command := func(name, doc string) Keyword {
		return Keyword{
			Name: name, Kind: KindCommand, Entries: BlockCommand, Example: `["/etc/hakeep/` + name + `.sh"]`,
			Departure: "keepalived: runs without end; here for 1m unless the command's timeout says otherwise",
			Doc:       doc,
		}
	}
	return []Keyword{
		command("notify", "Run at every transition of "+whom+", with the kind, name, state and priority as further arguments."),
		command("notify_master", "Run when "+whom+" becomes master."),
		command("notify_backup", "Run when "+whom+" becomes backup."),
		command("notify_fault", "Run when "+whom+" gets into fault."),
		command("notify_stop", "Run when hakeep stops."),
		{
			Name: "notify_priority_changes", Kind: KindBool, Default: "<that of the group, else vrrp_notify_priority_changes>", Example: "false",
			Doc: "Write changes of the priority to the FIFOs.",
		},
	}
}

// instanceNotifyKeywords are those of [[vrrp_instance]] about notifications.
func instanceNotifyKeywords() []Keyword {
	rows := notifyRows("the instance")
	lower := rows[1]
	lower.Name, lower.Doc = "notify_master_rx_lower_pri", "Run when a master hears another one of lower priority."
	lower.Example = `["/etc/hakeep/reclaim.sh"]`
	deleted := lower
	deleted.Name, deleted.Kind, deleted.Doc = "notify_deleted", KindBoolOrCommand, "Run when a reload removes the instance; with true or a command, DELETED is said rather than FAULT."
	deleted.Example = "true"
	return fill(BlockInstance, Done, "", rows, []Keyword{lower, deleted, {
		Name: "smtp_alert", Kind: KindBool, Default: "<smtp_alert_vrrp, else smtp_alert, else false>", Example: "false",
		Doc: "Send mails on transitions of the instance.",
	}})
}

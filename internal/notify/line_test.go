package notify

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for want, got := range map[string][]byte{
		"INSTANCE \"VI_1\" MASTER 100\n":              Line(inst("VI_1"), Master, 100),
		"INSTANCE \"VI_1\" BACKUP 1\n":                Line(inst("VI_1"), Backup, 1),
		"INSTANCE \"VI_1\" FAULT 0\n":                 Line(inst("VI_1"), Fault, 0),
		"INSTANCE \"VI_1\" STOP 254\n":                Line(inst("VI_1"), Stop, 254),
		"INSTANCE \"VI_1\" DELETED 255\n":             Line(inst("VI_1"), Deleted, 255),
		"INSTANCE \"VI_1\" MASTER_RX_LOWER_PRI 100\n": Line(inst("VI_1"), MasterRxLowerPri, 100),
		"INSTANCE \"VI_1\" MASTER_PRIORITY 90\n":      Line(inst("VI_1"), MasterPriority, 90),
		"INSTANCE \"VI_1\" BACKUP_PRIORITY 90\n":      Line(inst("VI_1"), BackupPriority, 90),
		"GROUP \"G1\" MASTER 0\n":                     Line(grp("G1"), Master, 100),
	} {
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestServerLine(t *testing.T) {
	t.Parallel()
	v4 := Service{Addr: netip.MustParseAddrPort("192.0.2.1:80"), Proto: "tcp"}
	v6 := Service{Addr: netip.MustParseAddrPort("[2001:db8::1]:53"), Proto: "udp"}
	for want, e := range map[string]ServerEvent{
		"VS [192.0.2.1]:tcp:80 UP\n":                        {Virtual: v4, Up: true},
		"VS [2001:db8::1]:udp:53 DOWN\n":                    {Virtual: v6},
		"VS FWM 7 DOWN\n":                                   {Virtual: Service{FWMark: 7}},
		"VS [web]:0 UP\n":                                   {Virtual: Service{Group: "web"}, Up: true},
		"RS [2001:db8::1]:udp:53 [192.0.2.1]:tcp:80 DOWN\n": {Virtual: v4, Real: &v6},
		"RS [192.0.2.1]:tcp:80 FWM 4294967295 UP\n":         {Virtual: Service{FWMark: 1<<32 - 1}, Real: &v4, Up: true},
	} {
		if got := string(ServerLine(e)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// said is what a scenario leads to.
type said struct{ lines, calls, mails []string }

// say runs events through decisions and formats, without time passing.
func say(s Spec, events []Event) said {
	var out said
	b := make(book)
	for _, e := range events {
		i := slices.IndexFunc(s.Hooks, func(h Hooks) bool { return h.Target == e.Target })
		h := &s.Hooks[i]
		d := b.decide(e, h, s.Mail.NoFaults, 0)
		if d.line {
			out.lines = append(out.lines, strings.TrimSuffix(string(Line(e.Target, d.state, e.Priority)), "\n"))
		}
		if d.scripts {
			for _, k := range h.hooks(e, d.state) {
				out.calls = append(out.calls, k.command.String())
			}
		}
		if d.mail {
			out.mails = append(out.mails, compose(s.RouterID, e, d.state).subject)
		}
	}
	return out
}

// TestAsKeepalived holds what keepalived 2.2.7 (Debian 12) wrote to a FIFO, gave
// to scripts and sent by mail, for a start, the deletion of two instances, the
// loss and return of the link, and a stop. It has no order among scripts.
func TestAsKeepalived(t *testing.T) {
	t.Parallel()
	s := Spec{RouterID: "rtr", Hooks: []Hooks{
		{
			Target: inst("VI_1"), SyncGroup: "G1", SMTPAlert: true, Notify: command("i_any", "x"),
			NotifyMaster: command("i_master", "one", "two three"), NotifyBackup: command("i_backup"),
			NotifyFault: command("i_fault"), NotifyStop: command("i_stop"), NotifyDeleted: command("i_deleted"),
			NotifyMasterRxLowerPri: command("i_lower"),
		},
		{Target: inst("VI_2"), SyncGroup: "G1", SMTPAlert: true, Notify: command("i_any")},
		{Target: inst("VI_3"), SMTPAlert: true, Notify: command("i_any")},
		{Target: inst("VI_4"), SMTPAlert: true, Notify: command("i_any"), NotifyDeleted: command("i_deleted")},
		{
			Target: grp("G1"), SMTPAlert: true, Notify: command("g_any", "y"), NotifyMaster: command("g_master"),
			NotifyBackup: command("g_backup"), NotifyFault: command("g_fault"), NotifyStop: command("g_stop"),
		},
	}}
	priority := map[Target]uint8{inst("VI_1"): 100, inst("VI_2"): 90, inst("VI_3"): 90, inst("VI_4"): 90}
	var events []Event
	on := func(s State, targets ...Target) {
		for _, target := range targets {
			events = append(events, Event{Target: target, State: s, Priority: priority[target]})
		}
	}
	v1, v2, v3, v4, g := inst("VI_1"), inst("VI_2"), inst("VI_3"), inst("VI_4"), grp("G1")
	on(Backup, g, v1, v2, v3, v4)
	on(Master, v2, v1, g, v3, v4)
	on(Deleted, v3, v4)
	on(Fault, v1, v2, g)
	on(Backup, v2, v1, g)
	on(Master, v2, v1, g)
	on(Stop, v1, v2, g)
	got := say(s, events)
	if diff := cmp.Diff(recordedLines(), got.lines); diff != "" {
		t.Errorf("FIFO (-keepalived +got):\n%s", diff)
	}
	if diff := cmp.Diff(sorted(recordedCalls()), sorted(got.calls)); diff != "" {
		t.Errorf("scripts (-keepalived +got):\n%s", diff)
	}
	if diff := cmp.Diff(sorted(recordedMails()), sorted(got.mails)); diff != "" {
		t.Errorf("mail (-keepalived +got):\n%s", diff)
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

func recordedLines() []string {
	return []string{
		`GROUP "G1" BACKUP 0`, `INSTANCE "VI_1" BACKUP 100`, `INSTANCE "VI_2" BACKUP 90`, `INSTANCE "VI_3" BACKUP 90`, `INSTANCE "VI_4" BACKUP 90`,
		`INSTANCE "VI_2" MASTER 90`, `INSTANCE "VI_1" MASTER 100`, `GROUP "G1" MASTER 0`, `INSTANCE "VI_3" MASTER 90`, `INSTANCE "VI_4" MASTER 90`,
		`INSTANCE "VI_3" FAULT 90`, `INSTANCE "VI_4" DELETED 90`,
		`INSTANCE "VI_1" FAULT 100`, `INSTANCE "VI_2" FAULT 90`, `GROUP "G1" FAULT 0`,
		`INSTANCE "VI_2" BACKUP 90`, `INSTANCE "VI_1" BACKUP 100`, `GROUP "G1" BACKUP 0`,
		`INSTANCE "VI_2" MASTER 90`, `INSTANCE "VI_1" MASTER 100`, `GROUP "G1" MASTER 0`,
		`INSTANCE "VI_1" STOP 100`, `INSTANCE "VI_2" STOP 90`, `GROUP "G1" STOP 0`,
	}
}

func recordedCalls() []string {
	return []string{
		"g_any y GROUP G1 BACKUP 0", "g_backup", "i_backup", "i_any INSTANCE VI_3 BACKUP 90", "i_any INSTANCE VI_4 BACKUP 90",
		"i_any INSTANCE VI_2 BACKUP 90", "i_any x INSTANCE VI_1 BACKUP 100",
		"i_any INSTANCE VI_2 MASTER 90", "g_any y GROUP G1 MASTER 0", "i_master one two three", "i_any x INSTANCE VI_1 MASTER 100",
		"g_master", "i_any INSTANCE VI_3 MASTER 90", "i_any INSTANCE VI_4 MASTER 90",
		"i_any INSTANCE VI_3 FAULT 90", "i_deleted", "i_any INSTANCE VI_4 DELETED 90",
		"i_fault", "i_any x INSTANCE VI_1 FAULT 100", "i_any INSTANCE VI_2 FAULT 90", "g_fault", "g_any y GROUP G1 FAULT 0",
		"i_any INSTANCE VI_2 BACKUP 90", "i_any x INSTANCE VI_1 BACKUP 100", "i_backup", "g_any y GROUP G1 BACKUP 0", "g_backup",
		"i_any INSTANCE VI_2 MASTER 90", "i_master one two three", "i_any x INSTANCE VI_1 MASTER 100", "g_master", "g_any y GROUP G1 MASTER 0",
		"i_any x INSTANCE VI_1 STOP 100", "g_stop", "i_any INSTANCE VI_2 STOP 90", "i_stop", "g_any y GROUP G1 STOP 0",
	}
}

// recordedMails lacks those about the stop: keepalived ends before it has sent
// them. Their subject is in its source.
func recordedMails() []string {
	var all []string
	add := func(what string, names ...string) {
		for _, n := range names {
			all = append(all, "[rtr] VRRP "+n+" - "+what)
		}
	}
	add("Entering BACKUP state", "Instance VI_1", "Instance VI_2", "Instance VI_3", "Instance VI_4", "Group G1")
	add("Entering MASTER state", "Instance VI_1", "Instance VI_2", "Instance VI_3", "Instance VI_4", "Group G1")
	add("Entering FAULT state", "Instance VI_3", "Instance VI_1", "Instance VI_2", "Group G1")
	add("Deleted", "Instance VI_4")
	add("Entering BACKUP state", "Instance VI_1", "Instance VI_2", "Group G1")
	add("Entering MASTER state", "Instance VI_1", "Instance VI_2", "Group G1")
	add("Stopping", "Instance VI_1", "Instance VI_2", "Group G1")
	return all
}

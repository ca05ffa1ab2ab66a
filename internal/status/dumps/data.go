package dumps

import (
	"bytes"
	"fmt"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/status"
	"hakeep/internal/track"
)

// Data is keepalived.data: what is configured and how things stand, in the words,
// indentation and order of keepalived 2.2.7.
func Data(in *Input) []byte {
	d := &data{in: in, views: in.views()}
	d.line(0, "------< Global definitions >------")
	d.global()
	d.line(0, "------< VRRP Topology >------")
	for i := range d.views {
		d.instance(&d.views[i])
	}
	d.groups()
	d.scripts()
	d.files()
	d.processes()
	return d.b.Bytes()
}

// data is a .data that is being written.
type data struct {
	in    *Input
	views []view
	b     bytes.Buffer
}

// line writes a line, indented as keepalived does: one blank for an object, three
// for what is said of it, five for an entry of a list.
func (d *data) line(indent int, format string, args ...any) {
	fmt.Fprintf(&d.b, "%*s", indent, "")
	fmt.Fprintf(&d.b, format, args...)
	d.b.WriteByte('\n')
}

// say writes a line about an object.
func (d *data) say(format string, args ...any) { d.line(3, format, args...) }

// list writes a heading and entries, or nothing without entries.
func (d *data) list(heading string, entries []string) {
	if len(entries) == 0 {
		return
	}
	d.say("%s", heading)
	for _, e := range entries {
		d.line(5, "%s", e)
	}
}

// choose returns one of two words.
func choose(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

func (d *data) global() {
	g := &d.in.Config.Global
	router := g.RouterID
	if router == "" {
		router = d.in.Host
	}
	d.line(1, "Written by = hakeep %s", d.in.Version)
	namespace := g.NetNamespace
	if namespace == "" {
		namespace = "(default)"
	}
	d.line(1, "Network namespace = %s", namespace)
	if g.Name != "" {
		d.line(1, "Instance name = %s", g.Name)
	}
	d.line(1, "Router ID = %s", router)
	if g.Mail.Server != "" {
		d.line(1, "Smtp server = %s", g.Mail.Server)
		d.line(1, "Smtp server port = %d", g.Mail.Port)
		d.line(1, "Smtp server connection timeout = %d", whole(g.Mail.ConnectTimeout))
		if g.Mail.From != "" {
			d.line(1, "Email notification from = %s", g.Mail.From)
		}
		for _, to := range g.Mail.To {
			d.line(1, "Email notification = %s", to)
		}
	}
	d.line(1, "Default interface = %s", g.DefaultInterface)
	d.line(1, "FIFO write vrrp states on reload = %t", g.FIFOWriteStatesOnReload)
	d.line(1, "Script security %s", choose(g.ScriptSecurity, "enabled", "disabled"))
	d.line(1, "Default script user = %s", g.ScriptUser)
	for _, f := range []struct{ what, path string }{
		{"Global notify fifo", g.NotifyFIFO.Path}, {"VRRP notify fifo", g.VRRPNotifyFIFO.Path}, {"LVS notify fifo", g.LVSNotifyFIFO.Path},
	} {
		if f.path != "" {
			d.line(1, "%s = %s", f.what, f.path)
		}
	}
}

func (d *data) instance(v *view) {
	st := &v.status
	d.line(1, "VRRP Instance = %s", v.Name)
	d.say("VRRP Version = %d", v.Version)
	if v.Family == config.FamilyIPv6 {
		d.say("Using Native IPv6")
	}
	if v.SyncGroup != "" {
		d.say("Sync group = %s", v.SyncGroup)
	}
	d.say("State = %s", st.State)
	if st.State == "BACKUP" && st.Master.IsValid() {
		d.say("Master router = %s", st.Master)
		d.say("Master priority = %d", st.MasterPriority)
		if v.Version == 3 {
			d.say("Master advert interval = %d milli-sec", st.Interval.Milliseconds())
		}
	}
	if v.Unicast {
		d.say("Flags:")
		d.line(5, "Using unicast")
	} else {
		d.say("Flags: none")
	}
	d.say("Wantstate = %s", st.State)
	d.say("Number of interface and track script faults = %d", len(st.Faults))
	d.say("Last transition = %.6f (%s)", epoch(st.Since), calendar(st.Since))
	d.say("Master down timer = %d usecs", st.DownInterval.Microseconds())
	d.timing(v)
	d.addresses(v)
	d.trackers(v)
	d.notify(&v.Notify, v.SMTPAlert, true)
	d.say("Notify priority changes = %t", v.Notify.PriorityChanges)
}

// calendar is a time as keepalived writes it.
func calendar(t time.Time) string {
	if t.IsZero() {
		t = time.Unix(0, 0)
	}
	return t.Local().Format("Mon Jan _2 15:04:05.000000 2006")
}

// timing writes what the protocol does for an instance.
func (d *data) timing(v *view) {
	if v.Interface != "" {
		d.say("Interface = %s", v.Interface)
	}
	if v.DontTrackPrimary {
		d.say("VRRP interface tracking disabled")
	}
	if v.SkipCheckAdvAddr {
		d.say("Skip checking advert IP addresses")
	}
	if v.Strict {
		d.say("Enforcing strict VRRP compliance")
	}
	source := "(none)"
	if v.status.Source.IsValid() {
		source = v.status.Source.String()
	}
	d.say("Using src_ip = %s%s", source, choose(v.UnicastSrc.IsValid() || v.McastSrc.IsValid(), " (from configuration)", ""))
	if v.McastDst.IsValid() {
		d.say("Multicast address %s", v.McastDst)
	}
	g := &v.Garp
	d.say("Gratuitous ARP delay = %d", whole(g.Delay))
	d.say("Gratuitous ARP repeat = %d", g.Repeat)
	d.say("Gratuitous ARP refresh = %d", whole(g.Refresh))
	d.say("Gratuitous ARP refresh repeat = %d", g.RefreshRepeat)
	d.say("Gratuitous ARP lower priority delay = %d", whole(g.LowerPrioDelay))
	d.say("Gratuitous ARP lower priority repeat = %d", g.LowerPrioRepeat)
	d.say("Down timer adverts = %d", v.DownTimerAdverts)
	d.say("Send advert after receive lower priority advert = %t", !v.LowerPrioNoAdvert)
	d.say("Send advert after receive higher priority advert = %t", v.HigherPrioSendAdvert)
	d.say("Virtual Router ID = %d", v.VRID)
	d.say("Priority = %d", v.Priority)
	d.say("Effective priority = %d", v.status.Priority)
	d.say("Total priority = %d", v.status.Priority)
	if v.Version == 2 {
		d.say("Advert interval = %d sec", whole(v.AdvertInt))
	} else {
		d.say("Advert interval = %d milli-sec", v.AdvertInt.Milliseconds())
	}
	d.say("Accept = %s", choose(v.Accept, "enabled", "disabled"))
	d.say("Preempt = %s", choose(v.Nopreempt, "disabled", "enabled"))
	if v.PreemptDelay > 0 {
		d.say("Preempt delay = %g secs", v.PreemptDelay.Seconds())
	}
	d.say("Promote_secondaries = %s", choose(v.PromoteSecondaries, "enabled", "disabled"))
	switch {
	case v.Version != 2:
	case v.Auth.Type == config.AuthPass:
		d.say("Authentication type = SIMPLE_PASSWORD")
		d.say("Password = %s", mask)
	default:
		d.say("Authentication type = none")
	}
}

func (d *data) addresses(v *view) {
	d.list(fmt.Sprintf("Virtual IP (%d):", len(v.Addresses)), v.addresses(v.Addresses))
	d.list("Virtual IP Excluded :", v.addresses(v.Excluded))
	if v.Unicast {
		d.say("Unicast TTL = %d", v.UnicastTTL)
		d.say("Check unicast src : %s", choose(v.CheckUnicastSrc, "yes", "no"))
		var peers []string
		for _, p := range v.UnicastPeers {
			peers = append(peers, fmt.Sprintf("%s min_ttl %d max_ttl %d", p.Addr, p.MinTTL, p.MaxTTL))
		}
		d.list("Unicast Peer :", peers)
	}
	d.list("Virtual Routes :", d.in.Routes[v.Name])
	d.list("Virtual Rules :", d.in.Rules[v.Name])
}

func (d *data) trackers(v *view) {
	all := func(list []config.Track) []string {
		var out []string
		for i := range list {
			out = append(out, tracked(&list[i]))
		}
		return out
	}
	d.list("Tracked interfaces :", all(v.Tracks.Interfaces))
	d.list("Tracked scripts :", all(v.Tracks.Scripts))
	d.list("Tracked files :", all(v.Tracks.Files))
	d.list("Tracked processes :", all(v.Tracks.Processes))
	d.list("Tracked checks :", all(v.Tracks.Checks)) // hakeep's own
}

// notify writes whom an instance or a group tells.
func (d *data) notify(n *config.Notify, mail, instance bool) {
	d.say("Using smtp notification = %s", choose(mail, "yes", "no"))
	if instance {
		d.say("Notify deleted = %s", choose(n.DeletedState, "Deleted", "Fault"))
	}
	for _, s := range []struct {
		what string
		c    *config.Command
	}{
		{"Backup", &n.Backup}, {"Master", &n.Master}, {"Fault", &n.Fault}, {"Stop", &n.Stop}, {"Deleted", &n.Deleted}, {"Generic", &n.Any},
		{"Master rx lower pri", &n.MasterRxLowerPri},
	} {
		if !s.c.IsZero() {
			d.say("%s state transition script = %s, user %s", s.what, command(*s.c), s.c.User)
		}
	}
}

func (d *data) groups() {
	if len(d.in.Config.Groups) == 0 {
		return
	}
	states := map[string]string{}
	for i := range d.views {
		states[d.views[i].Name] = d.views[i].status.State
	}
	d.line(0, "------< VRRP Sync groups >------")
	for i := range d.in.Config.Groups {
		g := &d.in.Config.Groups[i]
		var all []string
		faults, inits := 0, 0
		for _, name := range g.Instances {
			all = append(all, states[name])
			faults += number(states[name] == "FAULT")
			inits += number(states[name] == "INIT")
		}
		d.line(1, "VRRP Sync Group = %s, %s", g.Name, status.GroupState(all))
		d.say("Num member fault %d, num member init %d", faults, inits)
		d.list("VRRP member instances :", g.Instances)
		d.notify(&g.Notify, g.SMTPAlert, false)
	}
}

// followers writes which instances track an object, and with which weight.
func (d *data) followers(list func(*config.Tracks) []config.Track, name string) {
	var out []string
	for i := range d.views {
		for _, t := range list(&d.views[i].Tracks) {
			if t.Name == name {
				t.Name = d.views[i].Name + ","
				out = append(out, tracked(&t))
			}
		}
	}
	d.list("Tracking instances :", out)
}

func (d *data) scripts() {
	list := d.in.Config.Scripts
	if len(list) == 0 {
		return
	}
	d.line(0, "------< VRRP Scripts >------")
	for i := range list {
		s := &list[i]
		d.line(1, "VRRP Script = %s", s.Name)
		d.say("Command = %s", command(s.Command))
		d.say("Interval = %g sec", s.Interval.Seconds())
		d.say("Timeout = %g sec", s.Command.Timeout.Seconds())
		d.say("Weight = %d%s", s.Weight, choose(s.Reverse, " reverse", ""))
		d.say("Rise = %d", s.Rise)
		d.say("Fall = %d", s.Fall)
		result, state := "INIT", "idle"
		if st := d.in.state(track.KindScript, s.Name); st != nil {
			switch st.State {
			case track.StateOK:
				result = "GOOD"
			case track.StateFailed:
				result = "BAD"
			}
			state = choose(st.Running, "running", "idle")
		}
		d.say("Status = %s", result)
		d.say("Script user = %s", s.Command.User)
		d.followers(func(t *config.Tracks) []config.Track { return t.Scripts }, s.Name)
		d.say("State = %s", state)
	}
}

func (d *data) files() {
	list := d.in.Config.Files
	if len(list) == 0 {
		return
	}
	d.line(0, "------< VRRP Track files >------")
	for i := range list {
		f := &list[i]
		d.line(1, "Track file = %s", f.Name)
		d.say("File = %s", f.Path)
		value := 0
		if st := d.in.state(track.KindFile, f.Name); st != nil {
			value = st.Value
		}
		d.say("Status = %d", value)
		d.say("Weight = %d%s", f.Weight, choose(f.Reverse, " reverse", ""))
		d.followers(func(t *config.Tracks) []config.Track { return t.Files }, f.Name)
	}
}

func (d *data) processes() {
	list := d.in.Config.Processes
	if len(list) == 0 {
		return
	}
	d.line(0, "------< VRRP Track processes >------")
	for i := range list {
		p := &list[i]
		d.line(1, "VRRP Track process = %s", p.Name)
		d.say("Process = %s", p.Process)
		if len(p.Args) > 0 {
			d.say("Parameters = %s", parameters(p))
		}
		if m := match(p.Match); m != "" {
			d.say("Param match = %s", m)
		}
		d.say("Min processes = %d", p.Quorum)
		if p.QuorumMax != config.NoQuorumMax {
			d.say("Max processes = %d", p.QuorumMax)
		}
		st := d.in.state(track.KindProcess, p.Name)
		if st == nil {
			st = &track.Status{}
		}
		d.say("Current processes = %d", st.Value)
		d.say("Have quorum = %t", st.State == track.StateOK)
		d.say("Weight = %d%s", p.Weight, choose(p.Reverse, " reverse", ""))
		d.say("Terminate delay = %.6fs", p.TerminateDelay.Seconds())
		d.say("Fork delay = %.6fs", p.ForkDelay.Seconds())
		d.say("Full command = %t", p.FullCommand)
		d.followers(func(t *config.Tracks) []config.Track { return t.Processes }, p.Name)
	}
}

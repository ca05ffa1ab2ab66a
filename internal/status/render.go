package status

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// RenderOptions say how a document is shown.
type RenderOptions struct {
	// Color uses terminal colours.
	Color bool
	// Details shows the details of every instance. Otherwise those of instances
	// that need a look are shown, and of all when there are few.
	Details bool
}

// fewInstances is up to how many instances are shown with all details: what
// fits on a screen.
const fewInstances = 4

// Render writes a document for people. Times are shown in the location of
// d.Time.
func Render(w io.Writer, d *Document, o RenderOptions) error {
	r := &renderer{d: d, color: o.Color}
	r.head()
	r.summary()
	hidden := false
	for i := range d.Instances {
		in := &d.Instances[i]
		if o.Details || len(d.Instances) <= fewInstances || in.needsLook() {
			r.details(in)
		} else {
			hidden = true
		}
	}
	r.balancing(o.Details)
	r.around(o.Details)
	r.links()
	if hidden {
		r.line("\nMore about one of them: hakeep status INSTANCE")
	}
	_, err := io.WriteString(w, r.b.String())
	return err
}

// needsLook reports whether something about the instance is not as it should be.
func (in *Instance) needsLook() bool {
	return in.State == "FAULT" || len(in.Addresses.Missing) > 0 || in.Orphaned()
}

type renderer struct {
	d     *Document
	color bool
	b     strings.Builder
}

func (r *renderer) line(format string, args ...any) {
	fmt.Fprintf(&r.b, format, args...)
	r.b.WriteByte('\n')
}

// Terminal colours (ECMA-48, 8.3.117).
const (
	plain  = "\x1b[0m"
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
)

func (r *renderer) paint(color, s string) string {
	if !r.color || color == "" {
		return s
	}
	return color + s + plain
}

func stateColor(state string) string {
	switch state {
	case "MASTER":
		return green
	case "FAULT", StateUnknown:
		return red
	case "INIT":
		return yellow
	}
	return ""
}

// shownState is the state, with a mark while an operator holds the instance back.
func (in *Instance) shownState() string {
	if in.Standby != nil {
		return in.State + " (standby)"
	}
	return in.State
}

func (in *Instance) color() string {
	switch {
	case in.Orphaned():
		return red
	case in.Standby != nil && in.State == "BACKUP":
		return yellow
	}
	return stateColor(in.State)
}

// head is what concerns all instances.
func (r *renderer) head() {
	d := &r.d.Daemon
	name := ""
	if d.Name != "" {
		name = " (" + d.Name + ")"
	}
	r.line("%s %s on %s%s, pid %d, up %s", r.paint(bold, "hakeep"), d.Version, d.RouterID, name, d.PID, span(r.d.Time.Sub(d.Started)))
	r.line("config   %s, in force since %s", d.ConfigFile, r.when(d.ConfigLoaded))
	if rl := d.LastReload; rl != nil && !rl.OK {
		r.line("reload   %s", r.paint(red, fmt.Sprintf("refused %s: %s", r.when(rl.Time), rl.Summary())))
		for _, p := range rl.Problems {
			r.line("         %s", p.Text)
		}
	}
	r.elector()
	for _, w := range r.d.Warnings {
		r.line("%s  %s", r.paint(yellow, "warning"), w)
	}
}

func (r *renderer) elector() {
	e := &r.d.Elector
	if !e.Running {
		r.line("elector  %s", r.paint(red, "not answering: "+e.Error))
		return
	}
	r.line("elector  pid %d, up %s, %s", e.PID, span(r.d.Time.Sub(e.Started)), r.realtime())
	if e.Lateness.Count > 0 {
		relieved := ""
		if e.Relieved > 0 {
			relieved = fmt.Sprintf("; %d times sent from another CPU", e.Relieved)
		}
		r.line("adverts  late by %s (median), %s (99%%), %s (worst)%s", seconds(e.Lateness.P50), seconds(e.Lateness.P99), seconds(e.Lateness.Max), relieved)
	}
	if t := e.Takeovers; t.Announced.Count > 0 {
		r.line("takeover %s until the advert, %s until the addresses, %s until all are announced (median of %d; worst %s)",
			seconds(t.Advert.P50), seconds(t.Addresses.P50), seconds(t.Announced.P50), t.Announced.Count, seconds(t.Announced.Max))
	}
	if s := e.Sockets; s.Dropped > 0 || s.SendErrors > 0 {
		r.line("sockets  %s", r.paint(yellow, fmt.Sprintf("%d packets lost before they were read, %d not sent", s.Dropped, s.SendErrors)))
	}
}

func (r *renderer) realtime() string {
	if r.d.Elector.Realtime {
		return "real-time"
	}
	return r.paint(yellow, "not real-time: "+r.d.Elector.RealtimeReason)
}

// summary is one line for each instance.
func (r *renderer) summary() {
	if len(r.d.Instances) == 0 {
		r.line("\nno instances")
		return
	}
	rows := make([][]string, 0, len(r.d.Instances))
	for i := range r.d.Instances {
		in := &r.d.Instances[i]
		since, why := "", in.Why
		if !in.Since.IsZero() {
			since = r.when(in.Since)
		}
		if len(in.Faults) > 0 {
			why = strings.Join(in.Faults, ", ")
		}
		link := in.Interface
		if link == "" {
			link = "unicast"
		}
		rows = append(rows, []string{
			in.Name, in.shownState(), since, why, fmt.Sprintf("priority %d", in.Priority.Effective),
			fmt.Sprintf("%s %s vrid %d", link, in.Family, in.VRID),
		})
	}
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	r.line("")
	for n, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)+2)
			if i == len(row)-1 {
				pad = ""
			}
			if i == 1 {
				cell = r.paint(r.d.Instances[n].color(), cell)
			}
			r.b.WriteString(cell + pad)
		}
		r.b.WriteByte('\n')
	}
}

// details is a paragraph about one instance.
func (r *renderer) details(in *Instance) {
	item := func(name, format string, args ...any) { r.line("  %-10s %s", name, fmt.Sprintf(format, args...)) }
	r.line("\n%s", r.paint(bold, in.Name))
	state := r.paint(in.color(), in.shownState())
	if !in.Since.IsZero() {
		state += fmt.Sprintf(" since %s (%s), because %s", r.when(in.Since), span(r.d.Time.Sub(in.Since)), in.Why)
	}
	item("state", "%s", state)
	if s := in.Standby; s != nil {
		text := "held back since " + r.when(s.Since)
		switch {
		case !s.Until.IsZero():
			text += ", until " + r.when(s.Until)
		default:
			text += ", until hakeep resume"
		}
		if s.Persist {
			text += ", also through restarts"
		}
		if s.NoMaster {
			text += r.paint(red, "; no master is heard")
		}
		item("standby", "%s", text)
	}
	if len(in.Faults) > 0 {
		item("faults", "%s", r.paint(red, strings.Join(in.Faults, ", ")))
	}
	item("router", "%s", in.router())
	item("priority", "%s", in.Priority.describe())
	if len(in.Priority.Parts) > 0 {
		item("tracks", "%s", r.tracks(in.Priority.Parts))
	}
	if m := in.Master; m != nil {
		item("master", "%s, priority %d", m.Address, m.Priority)
	}
	if len(in.Peers) == 0 && in.State != StateUnknown {
		item("peers", "none heard yet; backups are silent")
	}
	for _, p := range in.Peers {
		item("peer", "%s, priority %d, every %s, heard %s ago, %d adverts",
			p.Address, p.Priority, seconds(p.Interval), span(r.d.Time.Sub(p.LastSeen)), p.Adverts)
	}
	if in.State == StateUnknown {
		r.addresses(in)
		return
	}
	iv := in.Intervals
	item("intervals", "advert %s (configured %s), down %s, skew %s", seconds(iv.Advert), seconds(iv.Configured), seconds(iv.Down), seconds(iv.Skew))
	r.addresses(in)
	c := in.Counters
	item("adverts", "sent %d (priority 0: %d), received %d (priority 0: %d)", c.AdvertsSent, c.PriorityZeroSent, c.AdvertsReceived, c.PriorityZeroReceived)
	item("moves", "became master %s, left %s", times(c.BecameMaster), times(c.ReleasedMaster))
	if len(c.Reasons) > 0 {
		item("odd", "%s", r.paint(yellow, counts(c.Reasons)))
	}
	for _, k := range in.Conflicts {
		item("conflict", "%s", r.paint(red, fmt.Sprintf("%s uses %s, too (%s), seen %s ago, %d packets",
			k.MAC, k.Address, k.By, span(r.d.Time.Sub(k.LastSeen)), k.Packets)))
	}
	if dm := in.DoubleMaster; dm.Count > 0 {
		item("doubles", "%s", r.paint(yellow, fmt.Sprintf("%s, %s in all", times(dm.Count), seconds(dm.Seconds))))
	}
}

func (r *renderer) addresses(in *Instance) {
	for i, a := range in.Addresses.Configured {
		name := ""
		if i == 0 {
			name = "addresses"
		}
		note := ""
		switch {
		case slices.Contains(in.Addresses.Missing, a.Address):
			note = ", " + r.paint(red, "missing")
		case slices.Contains(in.Addresses.Installed, a.Address):
			note = ", " + r.paint(green, "installed")
		}
		if a.Excluded {
			note = ", not advertised" + note
		}
		r.line("  %-10s %s dev %s%s", name, a.Address, a.Interface, note)
	}
}

func (r *renderer) links() {
	for _, l := range r.d.Links {
		r.line("\n%s: packets that belong to no instance: %s", l.Interface, counts(l.Reasons))
	}
}

// router says where and how an instance speaks.
func (in *Instance) router() string {
	s := fmt.Sprintf("vrid %d, %s, VRRP version %d", in.VRID, in.Family, in.Version)
	if in.Interface != "" {
		s += ", " + in.Interface
	}
	if in.Group.IsValid() {
		s += ", multicast " + in.Group.String()
	} else {
		s += ", unicast to " + joinAddrs(in.UnicastPeers)
	}
	if in.Source.IsValid() {
		s += " from " + in.Source.String()
	}
	return s
}

func joinAddrs(addrs []netip.Addr) string {
	if len(addrs) == 0 {
		return "nobody"
	}
	s := make([]string, len(addrs))
	for i, a := range addrs {
		s[i] = a.String()
	}
	return strings.Join(s, " ")
}

func (p Priority) describe() string {
	s := fmt.Sprint(p.Effective)
	switch {
	case p.Owner:
		s += " (address owner)"
	case p.Effective != p.Configured || slices.ContainsFunc(p.Parts, func(part PriorityPart) bool { return part.Weight != 0 }):
		s += fmt.Sprintf(" (configured %d", p.Configured)
		for _, part := range p.Parts {
			if part.Weight == 0 {
				continue
			}
			s += fmt.Sprintf(", %s %+d", part.Source, part.Weight)
		}
		s += ")"
	}
	return s
}

// Summary is the outcome of a reload in one line.
func (rl *Reload) Summary() string {
	if rl.OK {
		return fmt.Sprintf("%d added, %d changed, %d removed, %d unchanged", len(rl.Added), len(rl.Changed), len(rl.Removed), rl.Unchanged)
	}
	if rl.Error != "" {
		return rl.Error
	}
	errors := 0
	for _, p := range rl.Problems {
		if p.Severity == "error" {
			errors++
		}
	}
	if errors == 1 {
		return "the configuration has an error"
	}
	return fmt.Sprintf("the configuration has %d errors", errors)
}

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// counts shows counters by name.
func counts(m map[string]uint64) string {
	parts := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(parts, ", ")
}

// when shows a time, with its date if that is another day.
func (r *renderer) when(t time.Time) string {
	now := r.d.Time
	t = t.In(now.Location())
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}

// span shows a time span in its two largest units.
func span(d time.Duration) string {
	d = max(d, 0)
	day := 24 * time.Hour
	switch {
	case d >= day:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d >= time.Second:
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return seconds(d.Round(100 * time.Microsecond).Seconds())
}

// seconds shows a short time span to three digits or so.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d >= time.Second:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(100 * time.Nanosecond).String()
}

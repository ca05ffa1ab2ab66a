package config

import (
	"maps"
	"slices"
	"strings"
)

// SyncGroup binds instances together: all of them are master or none is, and a
// fault of one is a fault of all (keyword vrrp_sync_group).
type SyncGroup struct {
	// Name is unique among the sync groups.
	Name string
	// Line is where the block begins in the file.
	Line int `json:"-"`
	// Instances are the names of the members, in the order of the file, at
	// least one. Each instance is in one group only; its SyncGroup says which.
	Instances []string
	// Tracks is what the group watches, as the file says. The Tracks of the
	// members already contain it.
	Tracks Tracks
	// TrackingWeight keeps the weights of what the members watch themselves
	// (sync_group_tracking_weight). Without it they count as 0; the Tracks of
	// the members already say so.
	TrackingWeight bool
	// Notify is whom to tell of transitions of the group. Its Deleted and
	// MasterRxLowerPri are always empty.
	Notify Notify
	// SMTPAlert sends mails on transitions of the group.
	SMTPAlert bool
}

// TrackGroup names the instances that follow static addresses, routes and rules:
// they are in fault while such an item of the group is gone and cannot be put
// back (keyword track_group).
type TrackGroup struct {
	// Name is unique among the track groups.
	Name string
	// Line is where the block begins in the file.
	Line int `json:"-"`
	// Instances are the names of the instances, at least one.
	Instances []string
}

// groupDraft is a sync group while it is read.
type groupDraft struct {
	SyncGroup

	b      *block
	tracks placedTracks
}

// groups reads the blocks [[vrrp_sync_group]] and ties the instances to them.
func (d *decoder) groups(top *block, drafts []*draft) []SyncGroup {
	var all []SyncGroup
	names := map[string]int{}
	member := map[string]string{}
	for _, b := range d.tables(top, BlockSync) {
		b.checkName()
		g := &groupDraft{b: b, SyncGroup: SyncGroup{Name: b.text("name"), Line: b.node.line, TrackingWeight: b.flag("sync_group_tracking_weight")}}
		if line, ok := names[g.Name]; ok && g.Name != "" {
			b.errorf("name", "%s is also the name of the group in line %d; every group needs its own", describe(g.Name), line)
		}
		names[g.Name] = g.Line
		g.tracks = b.tracks()
		g.Tracks = g.tracks.plain()
		g.Notify = b.notify(d.notifyPriority)
		g.SMTPAlert = b.flagOr("smtp_alert", d.alertVRRP)
		for _, in := range b.members(drafts) {
			if other, ok := member[in.Name]; ok {
				b.errorf("group", "%s is already in the group %s; an instance can be in one group only", in.Name, other)
				continue
			}
			member[in.Name] = g.Name
			g.Instances = append(g.Instances, in.Name)
			g.take(in)
		}
		if len(g.Instances) == 1 && len(b.items("group")) == 1 {
			b.warnf("group", "has one instance only, so there is nothing to keep together; add another one")
		}
		all = append(all, g.SyncGroup)
	}
	return all
}

// members returns the instances of the list group, each once.
func (b *block) members(drafts []*draft) []*draft {
	byName := map[string]*draft{}
	for _, in := range drafts {
		byName[in.Name] = in
	}
	var out []*draft
	list := b.texts("group")
	for _, t := range list {
		in := byName[t.text]
		switch {
		case in == nil:
			_, hint := b.d.didYouMean(t.text, slices.Sorted(maps.Keys(byName)))
			b.d.add(Error, t.line, b.join("group"), "%s is no instance of this file%s", describe(t.text), hint)
		case slices.Contains(out, in):
			b.d.add(Warning, t.line, b.join("group"), "%s is listed twice; the second one is dropped", describe(t.text))
		default:
			out = append(out, in)
		}
	}
	if b.has("group") && len(b.items("group")) == 0 {
		b.errorf("group", "is empty; write for example group = %s", b.row("group").example())
	}
	return out
}

// take makes an instance a member: it watches what the group watches, and its
// own weights count as 0, so that all members stay in step.
func (g *groupDraft) take(in *draft) {
	in.SyncGroup = g.Name
	if !in.b.has("notify_priority_changes") {
		in.Notify.PriorityChanges = g.Notify.PriorityChanges
	}
	for _, kind := range trackKinds() {
		list := slices.Clone(g.tracks[kind.key])
		for _, t := range in.tracks[kind.key] {
			at := slices.IndexFunc(list, func(o placedTrack) bool { return o.Name == t.Name })
			switch {
			case at >= 0 && list[at].Track != t.Track:
				t.warnf("does not count as it stands here, because the sync group %s tracks it too, in line %d", g.Name, list[at].line)
			case at >= 0:
			case t.Weight != 0 && !g.TrackingWeight:
				t.warnf("is tracked with weight 0 instead of %d, so a failure is a fault, because %s is in the sync group %s; write weight 0, or sync_group_tracking_weight = true in the group",
					t.Weight, in.Name, g.Name)
				t.Weight = 0
				list = append(list, t)
			default:
				list = append(list, t)
			}
		}
		in.tracks[kind.key] = list
	}
}

// trackGroups reads the blocks [[track_group]]. Their instances are checked by
// trackMembers, when these are known.
func (d *decoder) trackGroups(top *block) []*block {
	blocks := d.tables(top, BlockTrackGroup)
	d.trackGroupNames = map[string]bool{}
	for _, b := range blocks {
		b.checkName()
		name := b.text("name")
		if d.trackGroupNames[name] {
			b.errorf("name", "%s is also the name of another group; every group needs its own", describe(name))
		}
		d.trackGroupNames[name] = true
	}
	return blocks
}

// trackMembers finishes the blocks [[track_group]].
func (d *decoder) trackMembers(blocks []*block, drafts []*draft) []TrackGroup {
	var all []TrackGroup
	for _, b := range blocks {
		g := TrackGroup{Name: b.text("name"), Line: b.node.line}
		for _, in := range b.members(drafts) {
			g.Instances = append(g.Instances, in.Name)
		}
		if !d.trackGroupUsed[g.Name] && g.Name != "" {
			b.warnf("name", "nothing static has track_group = %s, so this group does nothing", describe(g.Name))
		}
		all = append(all, g)
	}
	return all
}

// trackGroup checks the track_group of a static item.
func (s *spot) trackGroup(name string) string {
	if name == "" {
		return ""
	}
	if !s.d.trackGroupNames[name] {
		near, hint := s.d.didYouMean(name, slices.Sorted(maps.Keys(s.d.trackGroupNames)))
		s.d.trackGroupUsed[near] = true
		s.errorf("has the track_group %s, which is not in this file%s", describe(name), hint)
	}
	s.d.trackGroupUsed[name] = true
	return name
}

// groupKeywords are those of sync groups, track groups and groups of
// interfaces.
func groupKeywords() []Keyword {
	members := Keyword{
		Name: "group", Kind: KindStrings, Required: true, Range: "names of instances", Example: `["VI_1", "VI_2"]`,
		Doc: "The instances of the group.",
	}
	sync := fill(BlockSync, Done, "", []Keyword{
		objectName(`"G1"`, "Name of the group in status, logs and notifications."), members,
		{
			Name: "sync_group_tracking_weight", Kind: KindBool, Default: "false",
			Doc: "Keep the weights of what the members track themselves; otherwise they count as 0, which means fault.",
		},
		{
			Name: "smtp_alert", Kind: KindBool, Default: "<smtp_alert_vrrp, else smtp_alert, else false>", Example: "false",
			Doc: "Send mails on transitions of the group.",
		},
		{
			Name: "global_tracking", Kind: KindBool, Fate: Warned,
			Reason: "keepalived ignores it too; what the group tracks counts for all its members",
		},
		{
			Name: "notify_deleted", Kind: KindBoolOrCommand, Fate: Refused,
			Reason: "keepalived has no such notification for groups; write it into the instances",
		},
		{
			Name: "notify_master_rx_lower_pri", Kind: KindCommand, Fate: Refused,
			Reason: "keepalived has no such notification for groups; write it into the instances",
		},
	}, trackListRows("all members"), notifyRows("the group"))
	track := fill(BlockTrackGroup, Done, "", []Keyword{
		objectName(`"T1"`, "Name of the group in track_group of static addresses, routes and rules."), members,
	})
	garp := later(blockGarpGrp, "pacing of announcements by groups of interfaces", []Keyword{
		row("garp_interval", KindDuration, "", `"1us" or more`),
		row("gna_interval", KindDuration, "", `"1us" or more`),
		row("interface", KindLink, "", ""),
		row("interfaces", KindStrings, "", ""),
	})
	bfd := later(BlockSync, "BFD", []Keyword{row("track_bfd", KindEntries, "", "")})
	return slices.Concat(sync, bfd, track, garp, linkKeywords())
}

// trackListRows are the lists of trackers of an instance or a sync group.
func trackListRows(whom string) []Keyword {
	entry := func(key, example, doc string) Keyword {
		return Keyword{
			Name: key, Kind: KindEntries, Entries: BlockTrack, Example: example,
			Range: "names, each with [weight N] [reverse|noreverse], or tables", Doc: strings.ReplaceAll(doc, "WHOM", whom),
		}
	}
	check := entry("track_check", `["gateway"]`, "Checks of this file whose failure is a fault of WHOM, or changes its priority.")
	check.Source = sourceHakeep
	return []Keyword{
		entry("track_interface", `["eth1", "eth2 weight -20"]`, "Interfaces; one that is down is a fault of WHOM, or changes its priority."),
		entry("track_script", `["chk_haproxy", "chk_disk weight -20"]`, "Scripts of this file whose failure is a fault of WHOM, or changes its priority."),
		entry("track_file", `["maintenance"]`, "Files of this file whose number is added to the priority of WHOM."),
		entry("track_process", `["haproxy"]`, "Processes of this file whose absence is a fault of WHOM, or changes its priority."),
		check,
	}
}

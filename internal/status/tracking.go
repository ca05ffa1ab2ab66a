package status

import (
	"slices"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/track"
	"hakeep/internal/wire"
)

// Tracked is a script, file, process or check that instances track. Interfaces
// are in the priority's parts only.
type Tracked struct {
	// Kind is "script", "file", "process" or "check"; names are unique within one.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// State is "init" before the first result, "ok" or "failed". A file is ok while
	// its number is 0.
	State string    `json:"state"`
	Since time.Time `json:"since,omitzero"`
	// Value is the number in a file, or of processes.
	Value *int `json:"value,omitempty"`
	// Result is the last result in words.
	Result string `json:"result,omitempty"`
	// Run is about the runs of a script.
	Run *TrackedRun `json:"run,omitempty"`
	// Error says why the object cannot be watched as it should be, Notes what
	// should be known of it, Source how changes are found out.
	Error  string   `json:"error,omitempty"`
	Notes  []string `json:"notes,omitempty"`
	Source string   `json:"source,omitempty"`
	// Instances are those that track it.
	Instances []string `json:"instances"`
}

// TrackedRun is about the runs of a script.
type TrackedRun struct {
	// Running says that one is going on.
	Running bool `json:"running,omitempty"`
	// Last is when the last one started; the rest is about the last that ended.
	Last time.Time `json:"last,omitzero"`
	// ExitCode is -1 without an exit: it was ended by Signal, or did not start.
	ExitCode int     `json:"exit_code"`
	Signal   string  `json:"signal,omitempty"`
	Duration float64 `json:"duration_seconds"`
	// Stderr is the end of what it wrote to standard error.
	Stderr string `json:"stderr,omitempty"`
	// Runs, Failures, Timeouts and Skipped count: failures are among the runs,
	// timeouts among the failures; skipped are the ticks at which the run before was
	// still going on.
	Runs     uint64 `json:"runs"`
	Failures uint64 `json:"failures"`
	Timeouts uint64 `json:"timeouts"`
	Skipped  uint64 `json:"skipped"`
}

// Group is a sync group.
type Group struct {
	Name string `json:"name"`
	// State is FAULT if a member is, MASTER if all are, INIT if all are, UNKNOWN if
	// one is, else BACKUP.
	State   string        `json:"state"`
	Members []GroupMember `json:"members"`
}

// GroupMember is an instance of a sync group.
type GroupMember struct {
	Name  string `json:"name"`
	State string `json:"state"`
}

// addTracking adds what is tracked, and what the priorities are made of.
func (d *Document) addTracking(in *Input) {
	for i := range in.Tracked {
		d.Tracked = append(d.Tracked, tracked(&in.Tracked[i]))
	}
	states := map[track.ID]string{}
	for i := range in.Tracked {
		t := &in.Tracked[i]
		states[track.ID{Kind: t.Kind, Name: t.Name}] = t.State.String()
	}
	for i := range d.Instances {
		inst := &d.Instances[i]
		for _, p := range in.Parts[inst.Name] {
			inst.Priority.add(p.Ref.ID.Kind.String(), p.Ref.ID.Name, PriorityPart{
				Weight: p.Weight, Configured: p.Ref.Weight, Reverse: p.Ref.Reverse, Fault: p.Fault, State: states[p.Ref.ID],
			})
		}
	}
}

// linkParts are what tracked interfaces add to a priority.
func (p *Priority) linkParts(c []config.Track, links []wire.TrackedLink) {
	for _, l := range links {
		part := PriorityPart{Weight: l.Weight, Fault: l.Fault, State: "down"}
		if l.Up {
			part.State = "up"
		}
		if i := slices.IndexFunc(c, func(t config.Track) bool { return t.Name == l.Name }); i >= 0 {
			part.Configured, part.Reverse = c[i].Weight, c[i].Reverse
		}
		p.add("interface", l.Name, part)
	}
}

func (p *Priority) add(kind, name string, part PriorityPart) {
	part.Source, part.Kind, part.Name = kind+" "+name, kind, name
	p.Parts = append(p.Parts, part)
}

func tracked(s *track.Status) Tracked {
	t := Tracked{
		Kind: s.Kind.String(), Name: s.Name, State: s.State.String(), Since: s.Since, Result: s.Result,
		Error: s.Error, Notes: s.Notes, Source: s.Source, Instances: append([]string{}, s.Instances...),
	}
	switch s.Kind {
	case track.KindScript:
		t.Run = &TrackedRun{
			Running: s.Running, Last: s.LastRun, ExitCode: s.ExitCode, Signal: s.Signal, Duration: s.Duration.Seconds(),
			Stderr: s.Stderr, Runs: s.Runs, Failures: s.Failures, Timeouts: s.Timeouts, Skipped: s.Skipped,
		}
	case track.KindFile, track.KindProcess:
		if s.State != track.StateInit {
			value := s.Value
			t.Value = &value
		}
	}
	return t
}

// addGroups adds the sync groups; the instances are there already.
func (d *Document) addGroups(groups []config.SyncGroup) {
	states := make(map[string]string, len(d.Instances))
	for i := range d.Instances {
		states[d.Instances[i].Name] = d.Instances[i].State
	}
	for i := range groups {
		g := Group{Name: groups[i].Name, Members: []GroupMember{}}
		var all []string
		for _, name := range groups[i].Instances {
			g.Members = append(g.Members, GroupMember{Name: name, State: states[name]})
			all = append(all, states[name])
		}
		g.State = GroupState(all)
		d.Groups = append(d.Groups, g)
	}
}

// GroupState is the state of a sync group, by the elector's rule, from those of
// its members at one moment.
func GroupState(members []string) string {
	count := map[string]int{}
	for _, state := range members {
		count[state]++
	}
	switch {
	case count[StateUnknown] > 0:
		return StateUnknown
	case count["FAULT"] > 0:
		return "FAULT"
	case count["MASTER"] == len(members):
		return "MASTER"
	case count["INIT"] == len(members):
		return "INIT"
	}
	return "BACKUP"
}

// onlyAround leaves what concerns one instance.
func (d *Document) onlyAround(name string) {
	group := ""
	d.Groups = slices.DeleteFunc(slices.Clone(d.Groups), func(g Group) bool {
		if !slices.ContainsFunc(g.Members, func(m GroupMember) bool { return m.Name == name }) {
			return true
		}
		group = g.Name
		return false
	})
	d.Tracked = slices.DeleteFunc(slices.Clone(d.Tracked), func(t Tracked) bool { return !slices.Contains(t.Instances, name) })
	d.Notify.Targets = slices.DeleteFunc(slices.Clone(d.Notify.Targets), func(t NotifyTarget) bool {
		return !(t.Kind == kindInstance && t.Name == name || t.Kind == kindGroup && t.Name == group)
	})
	d.Balancing = Balancing{VirtualServers: []VirtualServer{}}
}

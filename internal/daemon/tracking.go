package daemon

import (
	"slices"

	"hakeep/internal/config"
	"hakeep/internal/script"
	"hakeep/internal/track"
	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// trackSpecs translates what instances track, other than interfaces, which are
// the elector's.
func trackSpecs(cfg *config.Config) track.Specs {
	g := &cfg.Global
	var s track.Specs
	for i := range cfg.Scripts {
		c := &cfg.Scripts[i]
		s.Scripts = append(s.Scripts, track.Script{
			Name: c.Name, Command: scriptCommand(c.Command), DefaultUser: scriptUser(g), Security: g.ScriptSecurity,
			Interval: c.Interval, Timeout: c.Command.Timeout, Rise: c.Rise, Fall: c.Fall, InitFail: c.InitFail,
		})
	}
	for i := range cfg.Files {
		c := &cfg.Files[i]
		f := track.File{Name: c.Name, Path: c.Path}
		if c.Init {
			f.Init = &track.InitFile{Value: c.InitValue, Overwrite: c.Overwrite}
		}
		s.Files = append(s.Files, f)
	}
	for i := range cfg.Processes {
		s.Processes = append(s.Processes, trackProcess(&cfg.Processes[i]))
	}
	for i := range cfg.Checks {
		s.Checks = append(s.Checks, track.Check{Name: cfg.Checks[i].Name})
	}
	s.KeepFiles = checkedFiles(cfg)
	for i := range cfg.Instances {
		in := &cfg.Instances[i]
		s.Instances = append(s.Instances, track.Instance{Name: in.Name, Track: trackRefs(in.Tracks)})
	}
	return s
}

func trackProcess(c *config.TrackProcess) track.Process {
	p := track.Process{
		Name: c.Name, Argv: append([]string{c.Process}, c.Args...), FullCommand: c.FullCommand,
		Quorum: c.Quorum, QuorumMax: c.QuorumMax, ForkDelay: c.ForkDelay, TerminateDelay: c.TerminateDelay,
	}
	switch c.Match {
	case config.MatchInitial:
		p.Match = track.MatchInitial
	case config.MatchPartial:
		p.Match = track.MatchPartial
	}
	switch c.QuorumMax {
	case config.NoQuorumMax:
		p.QuorumMax = 0
	case 0:
		p.QuorumMax = track.NoProcess
	}
	return p
}

func trackRefs(t config.Tracks) (refs []track.Ref) {
	for _, list := range []struct {
		kind   track.Kind
		tracks []config.Track
	}{
		{track.KindScript, t.Scripts}, {track.KindFile, t.Files},
		{track.KindProcess, t.Processes}, {track.KindCheck, t.Checks},
	} {
		for _, c := range list.tracks {
			refs = append(refs, track.Ref{ID: track.ID{Kind: list.kind, Name: c.Name}, Weight: c.Weight, Reverse: c.Reverse})
		}
	}
	return refs
}

// compileTracking is what the Router has to know: tracked interfaces, and whether
// the instance is held back until what is tracked with weight 0 is known.
func compileTracking(in *config.Instance, p *vrrp.Params) {
	p.SyncGroup = in.SyncGroup
	for _, c := range in.Tracks.Interfaces {
		p.TrackLinks = append(p.TrackLinks, vrrp.TrackLink{Name: c.Name, Weight: c.Weight, Reverse: c.Reverse})
	}
	p.AwaitTracking = slices.ContainsFunc(trackRefs(in.Tracks), func(r track.Ref) bool { return r.Weight == 0 })
}

// scriptCommand translates a command; its time limit goes elsewhere.
func scriptCommand(c config.Command) script.Command {
	return script.Command{Argv: c.Argv, User: c.User, Group: c.Group}
}

// scriptUser is script_user as the script package has it.
func scriptUser(g *config.Global) string {
	if g.ScriptGroup != "" {
		return g.ScriptUser + " " + g.ScriptGroup
	}
	return g.ScriptUser
}

// tracked is called by the tracker when the sum for an instance has changed.
func (d *daemon) tracked(instance string, weight int, fault, ready bool) {
	if ready {
		d.supervisor.totals.set(wire.Tracked{Instance: instance, Weight: weight, Fault: fault})
	}
}

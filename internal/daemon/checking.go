package daemon

import (
	"hakeep/checks"
	"hakeep/internal/config"
)

// checkSpecs translates the built-in checks that something tracks (track_check).
func checkSpecs(cfg *config.Config) (specs []checks.Spec) {
	tracked := map[string]bool{}
	for i := range cfg.Instances {
		for _, t := range cfg.Instances[i].Tracks.Checks {
			tracked[t.Name] = true
		}
	}
	for i := range cfg.Checks {
		c := &cfg.Checks[i]
		if !tracked[c.Name] {
			continue
		}
		specs = append(specs, checks.Spec{
			Name: c.Name, Target: checkTarget(c),
			Policy: checks.Policy{
				Interval: c.Interval, Timeout: c.Timeout, Rise: c.Rise, Fall: c.Fall, Dampen: c.Dampen,
				Start: checks.StartUnknown,
			},
		})
	}
	return specs
}

func checkTarget(c *config.Check) checks.Target {
	via := checks.Via{Source: c.Bind, Interface: c.BindLink}
	if c.Kind == config.CheckPing {
		p := checks.Ping{Need: c.Quorum, Source: c.Bind, Interface: c.BindLink}
		for _, t := range c.Targets {
			p.Targets = append(p.Targets, t.Addr.Addr())
		}
		return p
	}
	var targets []checks.Target
	for _, t := range c.Targets {
		switch c.Kind {
		case config.CheckTCP:
			targets = append(targets, checks.TCP{Address: t.Addr, Via: via})
		case config.CheckHTTP:
			targets = append(targets, checkHTTP(c, t, via))
		case config.CheckDNS:
			targets = append(targets, checks.DNS{Server: t.Addr, Name: c.Query, Type: c.Type.String(), Via: via})
		}
	}
	if len(targets) == 1 {
		return targets[0]
	}
	return checks.Several{Targets: targets, Need: c.Quorum}
}

func checkHTTP(c *config.Check, t config.Target, via checks.Via) checks.HTTP {
	scheme := "http://"
	if t.TLS {
		scheme = "https://"
	}
	h := checks.HTTP{
		URL: scheme + t.Addr.String() + t.Path, Connect: t.Addr, Host: c.Host, SkipVerify: !c.TLSVerify, Via: via,
	}
	for _, s := range c.Status {
		h.Status = append(h.Status, checks.StatusRange{First: int(s.First), Last: int(s.Last)})
	}
	return h
}

// checked hands the outcome of a check to the tracker.
func (d *daemon) checked(ev checks.Event) { d.tracker.Report(ev.Name, ev.Up, ev.Result.String()) }

package sim

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"hakeep/vrrp"
)

// verb is one command of a scenario.
type verb struct {
	args int // at least
	run  func(*Scenario, []string) error
}

// scenarioVerbs are the commands after the description of the network.
var scenarioVerbs = map[string]verb{
	"trace":   {0, func(s *Scenario, _ []string) error { s.trace.lines = nil; return nil }},
	"run":     {1, (*Scenario).run},
	"start":   {1, eachHost(func(s *Scenario, h *Host) { h.config = s.next[h.spec.Name]; h.boot() })},
	"kill":    {1, eachHost(func(_ *Scenario, h *Host) { h.kill() })},
	"power":   {1, eachHost(func(_ *Scenario, h *Host) { h.cutPower() })},
	"leave":   {1, eachHost(func(_ *Scenario, h *Host) { h.proc.post(func() { h.proc.shutdown() }) })},
	"reload":  {1, eachHost(func(s *Scenario, h *Host) { h.Reload(s.next[h.spec.Name]) })},
	"stall":   {2, fault(FaultStall)},
	"pause":   {2, fault(FaultPause)},
	"freeze":  {2, fault(FaultFreeze)},
	"port":    {3, (*Scenario).port},
	"address": {2, (*Scenario).address},
	"cut":     {2, stations((*network).cut)},
	"join":    {2, stations((*network).join)},
	"lose":    {3, (*Scenario).lose},
	"loss":    {1, (*Scenario).loss},
	"echo":    {1, func(s *Scenario, args []string) error { s.w.net.echo = args[0] == "on"; return nil }},
	"steal":   {2, (*Scenario).steal},
	"taken": {2, onInstance(func(h *Host, name, _ string) {
		h.each(name, func(id vrrp.ID) vrrp.Event { return vrrp.AddressTaken{ID: id} })
	})},
	"standby": {2, onInstance(func(h *Host, name, _ string) { h.setStandby(name, true) })},
	"resume":  {2, onInstance(func(h *Host, name, _ string) { h.setStandby(name, false) })},
	"track":   {3, onInstance(trackCommand)},
	"set":     {2, (*Scenario).change},
	"drop":    {2, (*Scenario).drop},
	"add":     {2, (*Scenario).instance},
	"ask":     {2, (*Scenario).ask},
	"advert":  {5, (*Scenario).advert},
	"expect":  {2, (*Scenario).expect},
	"expect-cache": {
		3, (*Scenario).expectCache,
	},
}

func (s *Scenario) run(args []string) error {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	if d < 0 {
		return errors.New("time does not run back")
	}
	return s.w.Run(d)
}

func (s *Scenario) find(name string) (*Host, error) {
	for _, h := range s.w.hosts {
		if h.spec.Name == name {
			return h, nil
		}
	}
	return nil, fmt.Errorf("no host %q", name)
}

func (s *Scenario) station(name string) (node, error) {
	if h, err := s.find(name); err == nil {
		return h.node(), nil
	}
	for i, c := range s.w.clients {
		if c.spec.Name == name {
			return clientNode(i), nil
		}
	}
	return 0, fmt.Errorf("no station %q", name)
}

func eachHost(do func(*Scenario, *Host)) func(*Scenario, []string) error {
	return func(s *Scenario, args []string) error {
		for _, name := range args {
			h, err := s.find(name)
			if err != nil {
				return err
			}
			do(s, h)
		}
		return nil
	}
}

func onInstance(do func(h *Host, name, arg string)) func(*Scenario, []string) error {
	return func(s *Scenario, args []string) error {
		h, err := s.find(args[0])
		if err != nil {
			return err
		}
		do(h, args[1], args[len(args)-1])
		return nil
	}
}

func trackCommand(h *Host, name, arg string) {
	weight, _ := strconv.Atoi(arg)
	h.track(name, weight, arg == "fault")
}

func fault(kind FaultKind) func(*Scenario, []string) error {
	return func(s *Scenario, args []string) error {
		h, err := s.find(args[0])
		if err != nil {
			return err
		}
		d, err := time.ParseDuration(args[1])
		s.w.Inject(&Fault{Kind: kind, Host: h.index, For: d})
		return err
	}
}

// stations cuts or joins "A B" in both directions, "A > B" in one.
func stations(do func(n *network, a, b node)) func(*Scenario, []string) error {
	return func(s *Scenario, args []string) error {
		a, err := s.station(args[0])
		if err != nil {
			return err
		}
		b, err := s.station(args[len(args)-1])
		if err != nil {
			return err
		}
		do(&s.w.net, a, b)
		if args[1] != ">" {
			do(&s.w.net, b, a)
		}
		s.w.mon.quietSince = s.w.now
		return nil
	}
}

func (s *Scenario) port(args []string) error {
	h, err := s.find(args[0])
	if err != nil {
		return err
	}
	i := slices.Index(h.spec.Ports, args[1])
	if i < 0 {
		return fmt.Errorf("no port %q", args[1])
	}
	h.setCarrier(i, args[2] == "up")
	return nil
}

func (s *Scenario) address(args []string) error {
	h, err := s.find(args[0])
	if err != nil {
		return err
	}
	i := slices.Index(h.spec.Ports, args[1])
	if i < 0 {
		return fmt.Errorf("no port %q", args[1])
	}
	var own []netip.Addr
	for _, text := range args[2:] {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return err
		}
		own = append(own, a)
	}
	h.setOwn(i, own)
	return nil
}

func (s *Scenario) lose(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	from, err := s.station(args[1])
	if err != nil {
		return err
	}
	to, err := s.station(args[2])
	s.w.net.drops = append(s.w.net.drops, drop{from, to, n})
	return err
}

func (s *Scenario) loss(args []string) error {
	p, err := strconv.ParseFloat(args[0], 64)
	s.w.net.loss = p
	s.w.mon.quietSince = s.w.now
	return err
}

func (s *Scenario) steal(args []string) error {
	h, err := s.find(args[0])
	if err != nil {
		return err
	}
	a, err := netip.ParseAddr(args[1])
	if err != nil {
		return err
	}
	h.steal(a)
	return nil
}

func (s *Scenario) drop(args []string) error {
	s.next[args[0]] = slices.DeleteFunc(slices.Clone(s.next[args[0]]), func(in *Instance) bool { return in.Params.Name == args[1] })
	return nil
}

func (s *Scenario) ask(args []string) error {
	a, err := netip.ParseAddr(args[1])
	if err != nil {
		return err
	}
	n, err := s.station(args[0])
	if err != nil {
		return err
	}
	s.w.clients[n-firstClient].ask(a)
	return nil
}

// advert lets a stranger send what looks like an advert of an instance of a host.
func (s *Scenario) advert(args []string) error {
	src, err := netip.ParseAddr(args[0])
	if err != nil {
		return err
	}
	priority, err := strconv.ParseUint(args[1], 10, 8)
	if err != nil {
		return err
	}
	interval, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	for _, in := range s.next[args[4]] {
		if p := in.Params; p.Name == args[3] {
			a := vrrp.Advert{Version: p.Version, VRID: p.VRID, Priority: uint8(priority), Interval: interval, Addrs: p.Addrs, Auth: p.Auth, Password: p.Password, Form: p.Form}
			s.w.log(PlanePackets, "%v > %v: vrid %d priority %d every %v", src, p.Group, p.VRID, priority, interval)
			s.w.transmit(&frame{kind: frameAdvert, from: stranger, to: nobodySpecial, lan: p.Link, src: src, dst: p.Group, payload: a.Append(nil, src, p.Group)})
			return nil
		}
	}
	return fmt.Errorf("no instance %q", args[3])
}

// expect compares who is in a state.
func (s *Scenario) expect(args []string) error {
	var got []string
	for _, h := range s.w.hosts {
		if h.proc == nil {
			continue
		}
		for _, is := range h.proc.router.Snapshot(nil) {
			if is.Name == args[0] && is.State.String() == args[1] {
				got = append(got, h.spec.Name)
			}
		}
	}
	if want := args[2:]; !slices.Equal(got, want) {
		return fmt.Errorf("in %s are %v, expected %v", args[1], got, want)
	}
	return nil
}

func (s *Scenario) expectCache(args []string) error {
	n, err := s.station(args[0])
	if err != nil {
		return err
	}
	a, err := netip.ParseAddr(args[1])
	if err != nil {
		return err
	}
	got := "nobody"
	if e := s.w.clients[n-firstClient].cache[a]; e != nil {
		got = s.w.hosts[e.mac[5]].spec.Name
	}
	if got != args[2] {
		return fmt.Errorf("it looks at %s, expected %s", got, args[2])
	}
	return nil
}

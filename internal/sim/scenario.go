package sim

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"hakeep/arp"
	"hakeep/vrrp"
)

// Scenario is a written run. Its language has one command a line; # begins a
// comment. Before the first start the network is described:
//
//	lan delay=100us lateness=0 install=2ms
//	host NAME ADDR [ADDR6] [ports=eth0,eth1] [startup=5s]
//	instance HOST NAME KEY=VALUE ...
//	client NAME [port=eth0] [locktime]
//	allow INVARIANT            the scenario violates it, which is its point
//
// Keys of an instance are keepalived's keywords: virtual_router_id, priority,
// virtual_ipaddress=A,B, advert_int, version, state, interface, nopreempt,
// preempt_delay, down_timer_adverts, unicast_peer=A,B, mcast_src_ip,
// unicast_src_ip, higher_prio_send_advert, lower_prio_no_advert,
// owner_ignore_adverts, garp_master_delay, garp_master_repeat,
// garp_master_refresh, garp_lower_prio_delay, garp_lower_prio_repeat,
// virtual_ipaddress_excluded, auth_pass, sync_group, track_interface=NAME:WEIGHT,
// fast_leave, fast_leave_interval. A flag stands alone.
//
// Then things happen:
//
//	start HOST ...             boots; removes what an earlier process left
//	run DURATION
//	trace                      what was traced so far is forgotten
//	kill | power | leave HOST  the process dies, the machine, the planned stop
//	stall | pause | freeze HOST DURATION
//	port HOST NAME up|down
//	address HOST NAME [ADDR ...]   the host's own addresses
//	cut A B, cut A > B, join A B, join A > B    stations are hosts and clients
//	lose N A B                 the next N adverts from A to B
//	loss P                     of all packets, 0 to 1
//	echo on|off                adverts come back to their sender
//	steal HOST ADDR            another program removes it, once
//	taken HOST INSTANCE        another program removes it again and again
//	standby | resume HOST INSTANCE
//	track HOST INSTANCE WEIGHT|fault|ok
//	set HOST NAME KEY=VALUE ..., drop HOST NAME     the file is changed ...
//	reload HOST ...            ... and read
//	ask CLIENT ADDR
//	advert FROM PRIORITY INTERVAL INSTANCE HOST     a stranger sends it to all
//	expect INSTANCE STATE HOST ...                  and nobody else is in it
//	expect-cache CLIENT ADDR HOST
type Scenario struct {
	spec    Spec
	w       *World
	trace   *Trace
	allowed map[string]bool
	next    map[string][]*Instance // configurations that the hosts will read
}

// RunScenario runs the commands and returns the trace.
func RunScenario(text string) (string, error) {
	s := &Scenario{trace: new(Trace), allowed: make(map[string]bool), next: make(map[string][]*Instance)}
	s.spec.Bounds = Bounds{MinDelay: 100 * time.Microsecond, MaxDelay: 100 * time.Microsecond, MinInstall: 2 * time.Millisecond, Install: 2 * time.Millisecond}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if err := s.command(words[0], words[1:]); err != nil {
			return "", fmt.Errorf("line %d: %s: %w\n%s", i+1, line, err, s.trace.Planes())
		}
	}
	return s.trace.Planes(), nil
}

func (s *Scenario) command(verb string, args []string) error {
	if s.w == nil {
		switch verb {
		case "lan":
			return s.lan(args)
		case "host":
			return s.host(args)
		case "instance":
			return s.instance(args)
		case "client":
			return s.client(args)
		case "allow":
			s.allowed[args[0]] = true
			return nil
		}
		for i := range s.spec.Hosts {
			h := &s.spec.Hosts[i]
			h.Instances = s.next[h.Name]
		}
		s.w = NewWorld(&s.spec, 1, s.trace)
		s.w.mon.allow = s.allowed
	}
	do, ok := scenarioVerbs[verb]
	if !ok {
		return fmt.Errorf("unknown command %q", verb)
	}
	if len(args) < do.args {
		return fmt.Errorf("%q needs %d arguments", verb, do.args)
	}
	return do.run(s, args)
}

// option splits KEY=VALUE.
func option(word string) (key, value string) {
	key, value, _ = strings.Cut(word, "=")
	return key, value
}

func (s *Scenario) lan(args []string) error {
	for _, word := range args {
		key, value := option(word)
		d, err := time.ParseDuration(value)
		if err != nil && value != "0" {
			return err
		}
		switch key {
		case "delay":
			s.spec.Bounds.MinDelay, s.spec.Bounds.MaxDelay = d, d
		case "lateness":
			s.spec.Bounds.Lateness = d
		case "install":
			s.spec.Bounds.MinInstall, s.spec.Bounds.Install = d, d
		default:
			return fmt.Errorf("unknown key %q", key)
		}
	}
	return nil
}

func (s *Scenario) host(args []string) error {
	h := HostSpec{Name: args[0], Ports: []string{"eth0"}, ClockBase: time.Second}
	for _, word := range args[1:] {
		switch key, value := option(word); key {
		case "ports":
			h.Ports = strings.Split(value, ",")
		case "startup":
			d, err := time.ParseDuration(value)
			if err != nil {
				return err
			}
			h.StartupDelay = d
		default:
			a, err := netip.ParseAddr(word)
			if err != nil {
				return err
			}
			if a.Is4() {
				h.Addr4 = a
			} else {
				h.Addr6 = a
			}
		}
	}
	s.spec.Hosts = append(s.spec.Hosts, h)
	return nil
}

func (s *Scenario) client(args []string) error {
	c := ClientSpec{Name: args[0], Port: "eth0"}
	for _, word := range args[1:] {
		switch key, value := option(word); key {
		case "port":
			c.Port = value
		case "locktime":
			c.Locktime = true
		default:
			return fmt.Errorf("unknown key %q", key)
		}
	}
	s.spec.Clients = append(s.spec.Clients, c)
	return nil
}

// instance adds an instance to the file of a host.
func (s *Scenario) instance(args []string) error {
	p := &vrrp.Params{
		Name: args[1], Family: vrrp.IPv4, Version: vrrp.V3, Link: "eth0", Group: netip.AddrFrom4([4]byte{224, 0, 0, 18}),
		Priority: 100, Interval: time.Second, DownAdverts: vrrp.DefaultDownAdverts, Auth: vrrp.AuthNone, Form: vrrp.ChecksumPseudo,
		CheckUnicastSource: true,
	}
	in := &Instance{Params: p, Announce: arp.DefaultSettings()}
	s.next[args[0]] = append(s.next[args[0]], in)
	return set(in, args[2:])
}

// change changes an instance in the file of a host.
func (s *Scenario) change(args []string) error {
	list := slices.Clone(s.next[args[0]])
	i := slices.IndexFunc(list, func(in *Instance) bool { return in.Params.Name == args[1] })
	if i < 0 {
		return fmt.Errorf("no instance %q", args[1])
	}
	list[i] = list[i].clone()
	s.next[args[0]] = list
	return set(list[i], args[2:])
}

// set sets the keys of an instance.
func set(in *Instance, words []string) error {
	for _, word := range words {
		key, value := option(word)
		do, ok := scenarioKeys[key]
		if !ok {
			return fmt.Errorf("unknown key %q", key)
		}
		if err := do(in, value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// key is what sets one keyword.
type key func(in *Instance, value string) error

func number[T int | uint8](to func(*Instance) *T) key {
	return func(in *Instance, value string) error {
		n, err := strconv.Atoi(value)
		*to(in) = T(n)
		return err
	}
}

func duration(to func(*Instance) *time.Duration) key {
	return func(in *Instance, value string) error {
		d, err := time.ParseDuration(value)
		*to(in) = d
		return err
	}
}

// toggle is a keyword that stands alone or is true or false.
func toggle(to func(*Instance) *bool) key {
	return func(in *Instance, value string) error {
		*to(in) = value != "false"
		return nil
	}
}

func addrs(to func(*Instance) *[]netip.Addr) key {
	return func(in *Instance, value string) error {
		*to(in) = nil
		for _, text := range strings.Split(value, ",") {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return err
			}
			*to(in) = append(*to(in), a)
			if a.Is6() {
				in.Params.Family = vrrp.IPv6
				if !in.Params.Unicast {
					in.Params.Group = netip.MustParseAddr("ff02::12")
				}
			}
		}
		return nil
	}
}

// scenarioKeys are the keywords of an instance.
var scenarioKeys = map[string]key{
	"virtual_router_id":          number(func(in *Instance) *uint8 { return &in.Params.VRID }),
	"priority":                   number(func(in *Instance) *uint8 { return &in.Params.Priority }),
	"down_timer_adverts":         number(func(in *Instance) *int { return &in.Params.DownAdverts }),
	"garp_master_repeat":         number(func(in *Instance) *int { return &in.Announce.Repeat }),
	"garp_lower_prio_repeat":     number(func(in *Instance) *int { return &in.Announce.LowerPrioRepeat }),
	"advert_int":                 duration(func(in *Instance) *time.Duration { return &in.Params.Interval }),
	"preempt_delay":              duration(func(in *Instance) *time.Duration { return &in.Params.PreemptDelay }),
	"garp_master_delay":          duration(func(in *Instance) *time.Duration { return &in.Announce.Delay }),
	"garp_master_refresh":        duration(func(in *Instance) *time.Duration { return &in.Announce.Refresh }),
	"garp_lower_prio_delay":      duration(func(in *Instance) *time.Duration { return &in.Announce.LowerPrioDelay }),
	"fast_leave_interval":        duration(func(in *Instance) *time.Duration { return &in.Params.LeaveInterval }),
	"nopreempt":                  toggle(func(in *Instance) *bool { return &in.Params.Nopreempt }),
	"higher_prio_send_advert":    toggle(func(in *Instance) *bool { return &in.Params.HigherPrioSendAdvert }),
	"lower_prio_no_advert":       toggle(func(in *Instance) *bool { return &in.Params.LowerPrioNoAdvert }),
	"owner_ignore_adverts":       toggle(func(in *Instance) *bool { return &in.Params.OwnerIgnoreAdverts }),
	"fast_leave":                 toggle(func(in *Instance) *bool { return &in.Params.PlannedMoves }),
	"virtual_ipaddress":          addrs(func(in *Instance) *[]netip.Addr { return &in.Params.Addrs }),
	"virtual_ipaddress_excluded": addrs(func(in *Instance) *[]netip.Addr { return &in.Params.Excluded }),
	"interface":                  func(in *Instance, value string) error { in.Params.Link = value; return nil },
	"name":                       func(in *Instance, value string) error { in.Params.Name = value; return nil },
	"sync_group":                 func(in *Instance, value string) error { in.Params.SyncGroup = value; return nil },
	"state":                      func(in *Instance, value string) error { in.Params.StartMaster = value == "MASTER"; return nil },
	"track_interface": func(in *Instance, value string) error {
		name, weight, _ := strings.Cut(value, ":")
		n, err := strconv.Atoi(weight)
		in.Params.TrackLinks = append(in.Params.TrackLinks, vrrp.TrackLink{Name: name, Weight: n})
		return err
	},
	"version": func(in *Instance, value string) error {
		if value == "2" {
			in.Params.Version, in.Params.Form = vrrp.V2, vrrp.ChecksumPlain
		}
		return nil
	},
	"auth_pass": func(in *Instance, value string) error {
		in.Params.Auth, in.Params.Password = vrrp.AuthPass, vrrp.PasswordFrom(value)
		return nil
	},
	"mcast_src_ip":   source,
	"unicast_src_ip": source,
	"unicast_peer": func(in *Instance, value string) error {
		in.Params.Unicast, in.Params.Group, in.Params.Peers = true, netip.Addr{}, nil
		for _, text := range strings.Split(value, ",") {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return err
			}
			in.Params.Peers = append(in.Params.Peers, vrrp.Peer{Addr: a, MaxTTL: 255})
		}
		return nil
	},
}

func source(in *Instance, value string) (err error) {
	in.Params.Source, err = netip.ParseAddr(value)
	return err
}

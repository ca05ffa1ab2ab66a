package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hakeep/internal/lab"
)

// kind is one of the two programs that are compared.
type kind string

const (
	hakeep     kind = "hakeep"
	keepalived kind = "keepalived"
)

var kinds = []kind{hakeep, keepalived}

// daemon is either of them.
type daemon interface {
	WaitState(ctx context.Context, instance, state string) error
	State(instance string) string
	Log() []lab.LogLine
	LogText() string
	Pid() int
	Stop(ctx context.Context) error
	Kill()
}

var (
	_ daemon = (*lab.Hakeep)(nil)
	_ daemon = (*lab.Keepalived)(nil)
)

// pair is two routers with the same program and a client:
//
//	client .100      a .1 (priority 150)      b .2 (100)
//	====+==================+======================+====
type pair struct {
	kind         kind
	lan          *lab.LAN
	client, a, b *lab.Namespace
	portA, portB *lab.Port
	onA, onB     daemon
	dir          string
	// more are further links, eth1 and on, between the same hosts.
	more []*lab.LAN
}

func newPair(s settings, k kind) (*pair, error) {
	p := &pair{kind: k}
	var err error
	if p.dir, err = os.MkdirTemp(s.dir, "p"); err != nil {
		return nil, err
	}
	if p.lan, err = lab.NewLAN("lan"); err != nil {
		return nil, err
	}
	for _, h := range []struct {
		ns   **lab.Namespace
		port **lab.Port
		name string
		n    byte
	}{{&p.client, nil, "client", 100}, {&p.a, &p.portA, "a", 1}, {&p.b, &p.portB, "b", 2}} {
		if *h.ns, err = lab.NewNamespace(h.name); err != nil {
			return p, err
		}
		v6 := netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", h.n))
		port, err := p.lan.Attach(*h.ns, "eth0",
			netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, h.n}), 24), netip.PrefixFrom(v6, 64))
		if err != nil {
			return p, err
		}
		if h.port != nil {
			*h.port = port
		}
		if err := os.MkdirAll(p.sub(h.name), 0o700); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (p *pair) sub(name string) string { return filepath.Join(p.dir, name) }

func (p *pair) close() {
	for _, d := range []daemon{p.onA, p.onB} {
		if d != nil {
			d.Kill()
		}
	}
	for _, ns := range []*lab.Namespace{p.client, p.a, p.b} {
		if ns != nil {
			ns.Close()
		}
	}
	if p.lan != nil {
		p.lan.Close()
	}
	for _, l := range p.more {
		l.Close()
	}
}

// link is the name of an interface by number.
func link(n int) string { return fmt.Sprintf("eth%d", n) }

// addLinks makes further links until there are n; link i has 10.(200+i).0.0/16.
func (p *pair) addLinks(n int) error {
	for i := 1; i < n; i++ {
		lan, err := lab.NewLAN(fmt.Sprintf("lan%d", i))
		if err != nil {
			return err
		}
		p.more = append(p.more, lan)
		for _, h := range []struct {
			ns *lab.Namespace
			n  byte
		}{{p.client, 100}, {p.a, 1}, {p.b, 2}} {
			addr := netip.AddrFrom4([4]byte{10, 200 + byte(i), 0, h.n})
			if _, err := lan.Attach(h.ns, link(i), netip.PrefixFrom(addr, 16)); err != nil {
				return err
			}
		}
	}
	return nil
}

// vrouter is one virtual router of a configuration.
type vrouter struct {
	vrid  int
	addrs []string
	// link is the number of its interface, excluded are addresses that are not
	// advertised.
	link     int
	excluded []string
}

// name is that of the instance.
func (r *vrouter) name() string {
	if r.link == 0 {
		return fmt.Sprintf("VI_%d", r.vrid)
	}
	return fmt.Sprintf("VI_%d_%d", r.link, r.vrid)
}

// manyRouters are n virtual routers with an address each, 255 to a link.
func manyRouters(n int) (list []vrouter, links int) {
	for i := range n {
		r := vrouter{vrid: 1 + i%255, link: i / 255}
		r.addrs = []string{fmt.Sprintf("10.%d.1.%d/32", 100+r.link, r.vrid)}
		list = append(list, r)
		links = r.link + 1
	}
	return list, links
}

// start starts the program on both routers; router a is the better one.
func (p *pair) start(s settings, routers []vrouter, interval time.Duration) (err error) {
	if p.onA, err = p.launch(s, p.a, "a", 150, routers, interval); err != nil {
		return err
	}
	p.onB, err = p.launch(s, p.b, "b", 100, routers, interval)
	return err
}

func (p *pair) launch(s settings, ns *lab.Namespace, name string, priority int, routers []vrouter, interval time.Duration) (daemon, error) {
	if p.kind == hakeep {
		return lab.StartHakeep(ns, lab.HakeepOptions{Config: toml(routers, priority, interval), Dir: p.sub(name), Binary: s.binary})
	}
	return lab.StartKeepalived(ns, lab.KeepalivedOptions{Conf: conf(routers, priority, interval), Dir: p.sub(name), Args: []string{"-P"}, Terse: true})
}

func toml(routers []vrouter, priority int, interval time.Duration) string {
	var b strings.Builder
	for _, r := range routers {
		fmt.Fprintf(&b, "[[vrrp_instance]]\nname = %q\ninterface = %q\nvirtual_router_id = %d\npriority = %d\nadvert_int = \"%dms\"\nvirtual_ipaddress = [\"%s\"]\n",
			r.name(), link(r.link), r.vrid, priority, interval.Milliseconds(), strings.Join(r.addrs, `", "`))
		if len(r.excluded) > 0 {
			fmt.Fprintf(&b, "virtual_ipaddress_excluded = [\"%s\"]\n", strings.Join(r.excluded, `", "`))
		}
	}
	return b.String()
}

func conf(routers []vrouter, priority int, interval time.Duration) string {
	var b strings.Builder
	b.WriteString("global_defs {\n vrrp_version 3\n}\n")
	for _, r := range routers {
		fmt.Fprintf(&b, "vrrp_instance %s {\n interface %s\n virtual_router_id %d\n priority %d\n advert_int %g\n virtual_ipaddress {\n  %s\n }\n",
			r.name(), link(r.link), r.vrid, priority, interval.Seconds(), strings.Join(r.addrs, "\n  "))
		if len(r.excluded) > 0 {
			fmt.Fprintf(&b, " virtual_ipaddress_excluded {\n  %s\n }\n", strings.Join(r.excluded, "\n  "))
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// await waits until both routers are in their places.
func (p *pair) await(ctx context.Context, a, b string, routers []vrouter) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for _, r := range routers {
		name := r.name()
		if err := p.onA.WaitState(ctx, name, a); err != nil {
			return fmt.Errorf("router a: %w\n%s", err, tail(p.onA))
		}
		if err := p.onB.WaitState(ctx, name, b); err != nil {
			return fmt.Errorf("router b: %w\n%s", err, tail(p.onB))
		}
	}
	return nil
}

func tail(d daemon) string {
	text := d.LogText()
	return text[max(0, len(text)-2000):]
}

package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/lab"
)

// tcpRate is how fast the transfer goes: all of it is routed by this machine.
const tcpRate = 10 << 20 // bytes a second

// transfers measures what planned moves do to a TCP transfer whose gateway, on
// both sides, is a virtual address:
//
//	client .100 --- a, b .1 .2 (192.0.2.0/24 and 198.51.100.0/24) --- server .100
func transfers(ctx context.Context, s settings) error {
	fmt.Printf("\nA TCP transfer of %d MB/s through the virtual address as gateway, in both directions' way, at adverts of %v; %d runs each.\n", tcpRate>>20, plannedInterval, s.runs)
	fmt.Printf("The longest time without data at the receiver, and segments that were sent again (TCP_INFO): medians, worst.\n\n")
	fmt.Printf("| program | move | longest stall ms, median | worst | sent again, median | worst |\n|---|---|---|---|---|---|\n")
	for _, k := range kinds {
		if s.pairing != "" && s.pairing != string(k) {
			continue
		}
		if err := transfersOf(ctx, s, k); err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
	}
	return nil
}

// route is a pair that routes between two links.
type route struct {
	*site
	far    *lab.LAN
	server *lab.Namespace
	// cost is what each move has done.
	cost map[string][]stream
}

// stream is what one transfer has seen of a move.
type stream struct {
	stall time.Duration
	again int
}

func transfersOf(ctx context.Context, s settings, k kind) (err error) {
	t, err := newSite(s, pairing{k, k}, load{n: 1})
	if t != nil {
		defer t.close()
	}
	if err != nil {
		return err
	}
	r := &route{site: t, cost: map[string][]stream{}}
	if err := r.build(); err != nil {
		return err
	}
	defer r.far.Close()
	defer r.server.Close()
	if err := r.begin(ctx); err != nil {
		return err
	}
	var names []string
	for round := range s.runs {
		for _, m := range r.moves() {
			if strings.HasPrefix(m.name, "reload") || strings.HasPrefix(m.name, "script") {
				continue // a reload would change one side only; groups know no weights
			}
			if round == 0 {
				names = append(names, m.name)
			}
			if err := r.transfer(ctx, m); err != nil {
				return fmt.Errorf("run %d, %s: %w", round+1, m.name, err)
			}
		}
		if !s.until.IsZero() && time.Now().After(s.until) {
			break
		}
	}
	for _, name := range names {
		var stalls []time.Duration
		var again []int
		for _, c := range r.cost[name] {
			stalls, again = append(stalls, c.stall), append(again, c.again)
		}
		fmt.Printf("| %s | %s (%d runs) | %s | %s | %d | %d |\n", k, name, len(again), ms(median(stalls)), ms(slices.Max(stalls)), middle(again), slices.Max(again))
	}
	return nil
}

// build adds the second link.
func (r *route) build() (err error) {
	if r.far, err = lab.NewLAN("far"); err != nil {
		return err
	}
	if r.server, err = lab.NewNamespace("server"); err != nil {
		return err
	}
	for _, h := range []struct {
		ns *lab.Namespace
		n  byte
	}{{r.a, 1}, {r.b, 2}, {r.server, 100}} {
		if _, err := r.far.Attach(h.ns, "eth1", netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, h.n}), 24)); err != nil {
			return err
		}
		if h.n != 100 {
			if err := h.ns.Sysctl("net.ipv4.ip_forward", "1"); err != nil {
				return err
			}
		}
	}
	if err := r.client.AddRoute(netip.MustParsePrefix("198.51.100.0/24"), netip.MustParseAddr("10.9.0.1")); err != nil {
		return err
	}
	if err := r.server.AddRoute(netip.MustParsePrefix("10.9.0.0/24"), netip.MustParseAddr("198.51.100.10")); err != nil {
		return err
	}
	r.site.extra = func(k kind, text string) string {
		text = strings.Replace(strings.Replace(text, "track_script = [\"flag\"]\n", "", 1), " track_script {\n  flag\n }", "", 1)
		if k == hakeep {
			return strings.Replace(text, "[[vrrp_script]]", "[[vrrp_sync_group]]\nname = \"G\"\ngroup = [\"VI_51\", \"VI_60\"]\n\n[[vrrp_script]]", 1) +
				"[[vrrp_instance]]\nname = \"VI_60\"\ninterface = \"eth1\"\nvirtual_router_id = 60\npriority = PRIORITY\nadvert_int = \"1s\"\nvirtual_ipaddress = [\"198.51.100.10/24\"]\n"
		}
		at := strings.Index(text, "vrrp_instance VI_51")
		return text[:at] + "vrrp_sync_group G {\n group {\n  VI_51\n  VI_60\n }\n}\n" + text[at:] +
			"vrrp_instance VI_60 {\n interface eth1\n virtual_router_id 60\n priority PRIORITY\n advert_int 1\n virtual_ipaddress {\n  198.51.100.10/24\n }\n}\n"
	}
	return nil
}

// transfer sends during one move.
func (r *route) transfer(ctx context.Context, m move) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := sleep(ctx, max(300*time.Millisecond, time.Until(r.settled))); err != nil {
		return err
	}
	stall, again, stop, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := sleep(ctx, 500*time.Millisecond); err != nil {
		return err
	}
	if err := m.do(ctx); err != nil {
		return err
	}
	if err := sleep(ctx, 1500*time.Millisecond); err != nil {
		return err
	}
	n, err := again()
	if err != nil {
		return err
	}
	stop()
	r.cost[m.name] = append(r.cost[m.name], stream{stall(), n})
	return nil
}

// open starts a transfer from the client to the server. stall is the longest time
// without data so far, once stop was called; again is how many segments were sent
// again.
func (r *route) open(ctx context.Context) (stall func() time.Duration, again func() (int, error), stop func(), err error) {
	var l net.Listener
	if err := r.server.Do(func() (err error) { l, err = net.Listen("tcp4", "198.51.100.100:7000"); return err }); err != nil {
		return nil, nil, nil, err
	}
	longest := make(chan time.Duration, 1)
	go func() {
		var worst time.Duration
		defer func() { longest <- worst }()
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 64<<10)
		for last := time.Now(); ; {
			if _, err := c.Read(buf); err != nil {
				return
			}
			now := time.Now()
			worst = max(worst, now.Sub(last))
			last = now
		}
	}()
	var conn *net.TCPConn
	err = r.client.Do(func() error {
		d := net.Dialer{Timeout: 5 * time.Second}
		c, err := d.DialContext(ctx, "tcp4", "198.51.100.100:7000")
		if err == nil {
			conn = c.(*net.TCPConn)
		}
		return err
	})
	if err != nil {
		l.Close()
		return nil, nil, nil, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, nil, nil, err
	}
	var opt error
	if err := raw.Control(func(fd uintptr) {
		opt = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MAX_PACING_RATE, tcpRate)
	}); err != nil || opt != nil {
		return nil, nil, nil, fmt.Errorf("pace the transfer: %w %w", err, opt)
	}
	go func() {
		buf := make([]byte, 64<<10)
		for {
			if _, err := conn.Write(buf); err != nil {
				return
			}
		}
	}()
	again = func() (int, error) {
		var info *unix.TCPInfo
		var opt error
		if err := raw.Control(func(fd uintptr) { info, opt = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); err != nil || opt != nil {
			return 0, fmt.Errorf("read TCP_INFO: %w %w", err, opt)
		}
		return int(info.Total_retrans), nil
	}
	var worst time.Duration
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = conn.SetLinger(0)
			conn.Close()
			l.Close()
			worst = <-longest
		}
	}
	return func() time.Duration { return worst }, again, stop, nil
}

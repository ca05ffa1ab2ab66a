//go:build vm

package ipvs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	"hakeep/lvs"
)

// way is a way to a server, and how to see on the wire that packets take it.
type way struct {
	name    string
	forward lvs.Forward
	// proto is the IP protocol of the director's packets to the servers, for IPv4 and
	// for IPv6.
	proto4, proto6 uint8
	// link4 and link6 make the servers' interface t4 or t6, as arguments of `ip`.
	// ADDR is the server's address.
	link4, link6 string
	// more is what else the servers need.
	more4, more6 string
}

const guePort = 6080

func ways() []way {
	ipip4, ipip6 := "link add t4 type ipip local ADDR remote any", "link add t6 type ip6tnl mode any local ADDR remote any"
	gue := func(name string, sum lvs.Checksum) way {
		return way{
			name: name, forward: lvs.Forward{Method: lvs.TUN, Tunnel: lvs.GUE, Port: guePort, Checksum: sum}, proto4: unix.IPPROTO_UDP, proto6: unix.IPPROTO_UDP,
			link4: ipip4, link6: ipip6, more4: fmt.Sprintf("fou add port %d gue", guePort), more6: fmt.Sprintf("-6 fou add port %d gue", guePort),
		}
	}
	gre := func(name string, sum lvs.Checksum, option string) way {
		return way{
			name: name, forward: lvs.Forward{Method: lvs.TUN, Tunnel: lvs.GRE, Checksum: sum}, proto4: unix.IPPROTO_GRE, proto6: unix.IPPROTO_GRE,
			link4: "link add t4 type gre local ADDR remote any" + option, link6: "link add t6 type ip6gre local ADDR remote any" + option,
		}
	}
	return []way{
		{name: "DR", forward: lvs.Forward{Method: lvs.DR}, proto4: unix.IPPROTO_TCP, proto6: unix.IPPROTO_TCP},
		{name: "ipip", forward: lvs.Forward{Method: lvs.TUN}, proto4: unix.IPPROTO_IPIP, proto6: unix.IPPROTO_IPV6, link4: ipip4, link6: ipip6},
		gue("gue nocsum", lvs.NoChecksum), gue("gue csum", lvs.WithChecksum), gue("gue remcsum", lvs.RemoteChecksum),
		gre("gre nocsum", lvs.NoChecksum, ""), gre("gre csum", lvs.WithChecksum, " icsum"),
	}
}

// lines are the commands for a server.
func (w way) lines(family lvs.Family, addr netip.Addr) (up, down []string) {
	link, more, name := w.link4, w.more4, "t4"
	if family == lvs.IPv6 {
		link, more, name = w.link6, w.more6, "t6"
	}
	if link != "" {
		up = append(up, strings.ReplaceAll(link, "ADDR", addr.String()), "link set "+name+" up")
		down = append(down, "link del "+name)
	}
	if more != "" {
		up = append(up, more)
		down = append(down, strings.Replace(more, " add ", " del ", 1))
	}
	return up, down
}

// TestForwarding: connections arrive at the servers in turn, in packets of the kind
// that was asked for, and the answers come back on their own. When one server is
// taken out, the other one gets everything.
func TestForwarding(t *testing.T) {
	s := newSite(t, false)
	// These have no alias by which the kernel would load them.
	nstest.Run(t, s.director, "modprobe", "-a", "fou", "fou6")
	var last string
	var lastWire *lab.Capture
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s, at the director:\n%s", last, packets(lastWire))
		}
	})
	for _, w := range ways() {
		for _, family := range []lvs.Family{lvs.IPv4, lvs.IPv6} {
			what := w.name + " " + family.String()
			var downs []func()
			for _, srv := range s.servers {
				up, down := w.lines(family, srv.addr(family))
				for _, line := range up {
					nstest.Run(t, srv.Namespace, "ip", strings.Fields(line)...)
				}
				downs = append(downs, func() {
					for _, line := range down {
						nstest.Run(t, srv.Namespace, "ip", strings.Fields(line)...)
					}
				})
			}
			s.set(t, s.service(lvs.TCP, family, w.forward, 1, 1))
			wire := nstest.Capture(t, s.director, s.toServers, 0)
			last, lastWire = what, wire
			got := s.answers(t, "tcp", vip(family), 4)
			if diff := cmp.Diff(map[string]int{"s21": 2, "s22": 2}, got); diff != "" {
				t.Errorf("%s: answers (-want +got):\n%s", what, diff)
			}
			s.checkWire(t, what, w, family, wire)
			wire.Close()
			s.set(t, s.service(lvs.TCP, family, w.forward, -1, 1))
			if diff := cmp.Diff(map[string]int{"s22": 2}, s.answers(t, "tcp", vip(family), 2)); diff != "" {
				t.Errorf("%s, a server gone: answers (-want +got):\n%s", what, diff)
			}
			for _, down := range downs {
				down()
			}
			if t.Failed() {
				return
			}
		}
	}
}

// packets lists what was captured, a line each.
func packets(wire *lab.Capture) string {
	var b strings.Builder
	for _, f := range wire.Frames() {
		if p, ok := f.IP(); ok {
			fmt.Fprintf(&b, "%v > %v %v > %v protocol %d, %x\n", f.Source(), f.Destination(), p.Src, p.Dst, p.Proto, p.Payload[:min(len(p.Payload), 24)])
		}
	}
	return b.String()
}

// checkWire looks at the packets that the director has sent to the first server.
func (s *site) checkWire(t *testing.T, what string, w way, family lvs.Family, wire *lab.Capture) {
	t.Helper()
	link, err := s.servers[0].Netlink().LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	want, dst := w.proto4, s.servers[0].addr(family)
	if family == lvs.IPv6 {
		want = w.proto6
	}
	if w.forward.Method == lvs.DR {
		dst = vip(family)
	}
	seen := 0
	for _, f := range wire.Frames() {
		p, ok := f.IP()
		if !f.Outgoing || !ok || f.Destination().String() != link.Attrs().HardwareAddr.String() || p.Proto == unix.IPPROTO_ICMPV6 {
			continue
		}
		seen++
		if p.Proto != want || p.Dst != dst {
			t.Errorf("%s: a packet of protocol %d to %v, want %d to %v", what, p.Proto, p.Dst, want, dst)
		}
		if want == unix.IPPROTO_UDP && binary.BigEndian.Uint16(p.Payload[2:]) != guePort {
			t.Errorf("%s: UDP port %d", what, binary.BigEndian.Uint16(p.Payload[2:]))
		}
	}
	// At least SYN, ACK, request and FIN of both connections.
	if seen < 8 {
		t.Errorf("%s: %d packets to the server", what, seen)
	}
}

// TestNAT: both ways through the director, TCP and UDP; the counters are those of the
// traffic; a server that drains keeps its connections, one that is deleted does not.
func TestNAT(t *testing.T) {
	s := newSite(t, true)
	nat := lvs.Forward{Method: lvs.NAT}
	for _, family := range []lvs.Family{lvs.IPv4, lvs.IPv6} {
		s.set(t, s.service(lvs.TCP, family, nat, 1, 1), s.service(lvs.UDP, family, nat, 1, 1))
		for _, network := range []string{"tcp", "udp"} {
			if diff := cmp.Diff(map[string]int{"s21": 2, "s22": 2}, s.answers(t, network, vip(family), 4)); diff != "" {
				t.Errorf("%s %v: answers (-want +got):\n%s", network, family, diff)
			}
		}
		s.checkCounters(t)
		s.checkRemoval(t, family)
	}
}

// checkCounters waits for the sums that the kernel makes every two seconds.
func (s *site) checkCounters(t *testing.T) {
	t.Helper()
	nstest.Eventually(t, patience, func() error {
		services, err := s.ipvs.Counters(t.Context(), nil)
		if err != nil {
			return err
		}
		for _, c := range services {
			// A datagram of at least 3 bytes each way, or a whole TCP connection.
			packets, bytes := uint64(4), uint64(4*(20+8+3))
			if c.ID.Protocol == lvs.TCP {
				packets, bytes = 4*4, 4*4*40
			}
			if c.Connections != 4 || c.InPackets < packets || c.OutPackets < packets || c.InBytes < bytes || c.OutBytes < bytes {
				return fmt.Errorf("%v: %+v", c.ID, c.Counters)
			}
			for _, r := range c.Servers {
				if r.Connections != 2 || r.InPackets < packets/2 || r.InBytes > c.InBytes {
					return fmt.Errorf("%v: %+v", r.Server.Endpoint, r.Counters)
				}
			}
		}
		if len(services) != 2 {
			return errors.New("services are missing")
		}
		return nil
	})
}

// checkRemoval follows a connection to a server that is taken out.
func (s *site) checkRemoval(t *testing.T, family lvs.Family) {
	t.Helper()
	nat := lvs.Forward{Method: lvs.NAT}
	s.set(t, s.service(lvs.TCP, family, nat, 1, -1))
	old, err := s.dial(t, "tcp", vip(family))
	if err != nil {
		t.Fatal(err)
	}
	answers := func(want error) {
		t.Helper()
		wait := 5 * time.Second
		if want == os.ErrDeadlineExceeded {
			wait = 500 * time.Millisecond
		}
		if name, err := old.ask(wait); !errors.Is(err, want) || err == nil && name != "s21" {
			t.Fatalf("the old connection: %q and %v, want %v", name, err, want)
		}
	}
	answers(nil)
	drain := func(_ lvs.ID, c lvs.ServerCounters) bool { return c.Active > 0 }
	without := []lvs.Service{s.service(lvs.TCP, family, nat, -1, 1)}
	for range 2 {
		report, err := s.ipvs.Reconcile(t.Context(), without, func(lvs.ID) bool { return true }, drain)
		if err != nil || len(report.Draining) != 1 || report.Draining[0].Server.Active != 1 {
			t.Fatalf("draining: %+v, %v", report.Draining, err)
		}
		answers(nil)
		if diff := cmp.Diff(map[string]int{"s22": 3}, s.answers(t, "tcp", vip(family), 3)); diff != "" {
			t.Errorf("new connections while it drains (-want +got):\n%s", diff)
		}
	}
	// Without the setting, the packets of a deleted server's connections vanish; with
	// it, they are no longer known, and the director refuses them.
	s.set(t, without...)
	answers(os.ErrDeadlineExceeded)
	if err := s.ipvs.SetExpireNodest(true); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.ipvs.SetExpireNodest(false); err != nil {
			t.Error(err)
		}
	}()
	nstest.Eventually(t, patience, func() error {
		if _, err := old.ask(time.Second); !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.EPIPE) {
			return fmt.Errorf("the old connection: %w, want a reset", err)
		}
		return nil
	})
}

package checks

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer answers by a function, which may return several packets.
func nameServer(t *testing.T, answer func(q dnsmessage.Message) [][]byte) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			for _, b := range answer(m) {
				_, _ = conn.WriteTo(b, from)
			}
		}
	}()
	return addrPort(conn.LocalAddr())
}

func reply(q dnsmessage.Message, change func(*dnsmessage.Message)) []byte {
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true}, Questions: q.Questions}
	if change != nil {
		change(&m)
	}
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

func TestDNS(t *testing.T) {
	t.Parallel()
	code := func(c dnsmessage.RCode) func(dnsmessage.Message) [][]byte {
		return func(q dnsmessage.Message) [][]byte {
			return [][]byte{reply(q, func(m *dnsmessage.Message) { m.RCode = c })}
		}
	}
	for _, c := range []struct {
		name   string
		target DNS
		answer func(dnsmessage.Message) [][]byte
		ok     bool
		says   string
	}{
		{"well", DNS{Name: "www.example.org", Type: "A"}, func(q dnsmessage.Message) [][]byte {
			if qq := q.Questions[0]; qq.Name.String() != "www.example.org." || qq.Type != dnsmessage.TypeA || qq.Class != dnsmessage.ClassINET || !q.RecursionDesired {
				return nil
			}
			return [][]byte{reply(q, nil)}
		}, true, "NOERROR in "},
		{"root's SOA if nothing is said", DNS{}, func(q dnsmessage.Message) [][]byte {
			if qq := q.Questions[0]; qq.Name.String() != "." || qq.Type != dnsmessage.TypeSOA {
				return nil
			}
			return [][]byte{reply(q, nil)}
		}, true, "NOERROR"},
		{"DNSKEY", DNS{Name: "example.org.", Type: "dnskey"}, func(q dnsmessage.Message) [][]byte {
			if q.Questions[0].Type != 48 {
				return nil
			}
			return [][]byte{reply(q, nil)}
		}, true, "NOERROR"},
		{"no such name", DNS{Name: "x"}, code(dnsmessage.RCodeNameError), false, "NXDOMAIN"},
		{"server failure", DNS{Name: "x"}, code(dnsmessage.RCodeServerFailure), false, "SERVFAIL"},
		{"refused", DNS{Name: "x"}, code(dnsmessage.RCodeRefused), false, "REFUSED"},
		{"other letters", DNS{Name: "www.Example.org"}, func(q dnsmessage.Message) [][]byte {
			return [][]byte{reply(q, func(m *dnsmessage.Message) {
				m.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("WWW.eXAMPLE.ORG."), Type: q.Questions[0].Type, Class: q.Questions[0].Class}}
			})}
		}, true, "NOERROR"},
		{"error without question", DNS{}, func(q dnsmessage.Message) [][]byte {
			return [][]byte{reply(q, func(m *dnsmessage.Message) { m.Questions = nil; m.RCode = dnsmessage.RCodeFormatError })}
		}, false, "FORMERR"},
		{"others' answers before", DNS{Name: "x"}, func(q dnsmessage.Message) [][]byte {
			return [][]byte{
				{}, {1, 2, 3}, make([]byte, 12),
				reply(q, func(m *dnsmessage.Message) { m.ID++; m.RCode = dnsmessage.RCodeServerFailure }),
				reply(q, func(m *dnsmessage.Message) { m.Response = false }),
				reply(q, func(m *dnsmessage.Message) { m.Questions = nil }), // success without question
				reply(q, func(m *dnsmessage.Message) {
					m.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("y."), Type: q.Questions[0].Type, Class: q.Questions[0].Class}}
				}),
				reply(q, nil),
			}
		}, true, "NOERROR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.target.Server = nameServer(t, c.answer)
			if res := check(t, c.target, nil, 5*time.Second); res.OK != c.ok || !strings.Contains(res.String(), c.says) {
				t.Errorf("got %+v, want ok %v and %q", res, c.ok, c.says)
			}
		})
	}
}

func TestDNSNoAnswer(t *testing.T) {
	t.Parallel()
	silent := nameServer(t, func(dnsmessage.Message) [][]byte { return nil })
	if res := check(t, DNS{Server: silent}, nil, 100*time.Millisecond); res.OK || !strings.Contains(res.String(), "no answer from "+silent.String()) {
		t.Errorf("got %+v", res)
	}
	l := listen(t, "127.0.0.1:0") // a port where nobody speaks UDP
	if res := check(t, DNS{Server: addrPort(l.Addr())}, nil, 5*time.Second); res.OK || !strings.Contains(res.String(), "refused") {
		t.Errorf("got %+v", res)
	}
}

func TestDNSWrong(t *testing.T) {
	t.Parallel()
	server := netip.MustParseAddrPort("192.0.2.1:53")
	for want, c := range map[string]DNS{
		"no address":        {},
		`unknown type "AX"`: {Server: server, Type: "AX"},
		"name":              {Server: server, Name: strings.Repeat("x", 64) + ".org"},
		"dns: name":         {Server: server, Name: strings.Repeat("x.", 200)},
		"dns: name \"a..b":  {Server: server, Name: "a..b"},
	} {
		if _, err := c.Checker(nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	q := dnsmessage.Question{Name: dnsmessage.MustNewName("x."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{q}}
	f.Add(reply(m, nil), uint16(7))
	f.Add(reply(m, func(m *dnsmessage.Message) { m.Questions = nil; m.RCode = 5 }), uint16(7))
	f.Add([]byte{}, uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, id uint16) {
		code, ok := parseAnswer(b, id, q)
		if ok && (len(b) < 12 || b[2]&0x80 == 0 || dnsmessage.RCode(b[3]&15) != code) {
			t.Errorf("%x: %v", b, code)
		}
	})
}

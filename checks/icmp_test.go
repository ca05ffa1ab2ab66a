package checks

import (
	"net"
	"testing"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// TestEchoAgainstXNet reads our requests with another codec, and its replies
// with ours.
func TestEchoAgainstXNet(t *testing.T) {
	t.Parallel()
	want := echo{id: 0x1234, seq: 0xfffe, secret: 0x0102030405060708, number: 77}
	for _, v6 := range []bool{false, true} {
		b := want.append([]byte{}, v6)
		proto, kind, back := 1, icmp.Type(ipv4.ICMPTypeEcho), icmp.Type(ipv4.ICMPTypeEchoReply)
		if v6 {
			proto, kind, back = 58, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
		}
		m, err := icmp.ParseMessage(proto, b)
		if err != nil {
			t.Fatal(err)
		}
		e, ok := m.Body.(*icmp.Echo)
		if m.Type != kind || m.Code != 0 || !ok || e.ID != 0x1234 || e.Seq != 0xfffe || len(e.Data) != 56 {
			t.Errorf("v6 %v: %+v", v6, m)
		}
		if !v6 && checksum(b) != 0 {
			t.Errorf("checksum of the whole is %#x, want 0", checksum(b))
		}
		m.Type = back
		var pseudo []byte
		if v6 {
			pseudo = icmp.IPv6PseudoHeader(net.IPv6loopback, net.IPv6loopback)
		}
		reply, err := m.Marshal(pseudo)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := parseEcho(reply, v6)
		if !ok || got != want {
			t.Errorf("v6 %v: %+v, %v", v6, got, ok)
		}
		if _, ok := parseEcho(reply, !v6); ok {
			t.Errorf("v6 %v: a reply of the other family was taken", v6)
		}
		if _, ok := parseEcho(b, v6); ok {
			t.Errorf("v6 %v: a request was taken for a reply", v6)
		}
	}
}

func FuzzParseEcho(f *testing.F) {
	b := echo{id: 1, seq: 2, secret: 3, number: 4}.append([]byte{}, false)
	b[0] = echoReply4
	f.Add(b, false)
	b = echo{id: 1, seq: 2, secret: 3, number: 4}.append([]byte{}, true)
	b[0] = echoReply6
	f.Add(b, true)
	f.Add(append([]byte{0x45, 0, 0, 84, 0, 0, 0, 0, 64, 1, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1}, b...), false)
	f.Fuzz(func(t *testing.T, b []byte, v6 bool) {
		if m := skipIPv4(b); m != nil && len(b)-len(m) < 20 {
			t.Errorf("%x: header of %d bytes", b, len(b)-len(m))
		}
		e, ok := parseEcho(b, v6)
		if !ok {
			return
		}
		again := e.append(nil, v6)
		again[0] = b[0]
		if got, ok := parseEcho(again, v6); !ok || got != e {
			t.Errorf("%+v comes back as %+v, %v", e, got, ok)
		}
	})
}

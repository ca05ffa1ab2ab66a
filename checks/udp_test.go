package checks

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

// echoes answers every packet by what a function makes of it; nil is no answer.
func echoes(t *testing.T, answer func([]byte) []byte) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, maxDatagram)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if b := answer(buf[:n]); b != nil {
				_, _ = conn.WriteToUDPAddrPort(b, from)
			}
		}
	}()
	return addrPort(conn.LocalAddr())
}

func TestUDP(t *testing.T) {
	t.Parallel()
	same := echoes(t, func(b []byte) []byte { return b })
	mute := echoes(t, func([]byte) []byte { return nil })
	long := echoes(t, func([]byte) []byte { return make([]byte, 300) })
	gone := addrPort(func() net.Addr {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.LocalAddr()
	}())
	hello := []byte("\x01\x02\xab\xcd")
	outcome(t, "no ICMP error", UDP{Address: mute}, soon, true, "no ICMP error in ")
	outcome(t, "any answer", UDP{Address: same, Payload: hello}, enough, true, "answer in ")
	outcome(t, "nobody there", UDP{Address: gone, Payload: hello}, enough, false, "connection refused")
	outcome(t, "answer is wanted, none", UDP{Address: mute, Reply: &UDPReply{}}, soon, false, "no answer in time")
	outcome(t, "answer is wanted, any", UDP{Address: same, Reply: &UDPReply{}}, enough, true, "answer")
	outcome(t, "data", UDP{Address: same, Payload: hello, Reply: &UDPReply{Data: "0102ABcd"}}, enough, true, "")
	outcome(t, "data begins", UDP{Address: same, Payload: hello, Reply: &UDPReply{Data: "01"}}, enough, true, "")
	outcome(t, "wild digits", UDP{Address: same, Payload: hello, Reply: &UDPReply{Data: "XX0xaXcd"}}, enough, true, "")
	outcome(t, "other data", UDP{Address: same, Payload: hello, Reply: &UDPReply{Data: "0102aX0d"}}, enough, false, "answer 0102ABCD differs from require_reply in byte 3")
	outcome(t, "wild and other", UDP{Address: same, Payload: hello, Reply: &UDPReply{Data: "1X"}}, enough, false, "byte 0")
	outcome(t, "too short for the data", UDP{Address: same, Payload: hello, Reply: &UDPReply{Data: "0102abcdef"}}, enough, false, "answer of 4 bytes, require_reply has 5")
	outcome(t, "too short", UDP{Address: same, Payload: hello, Reply: &UDPReply{Data: "01", MinLength: 5}}, enough, false, "answer of 4 bytes, not 5 to 255")
	outcome(t, "too long", UDP{Address: long, Reply: &UDPReply{Data: "00"}}, enough, false, "answer of 256 bytes, not 0 to 255")
	outcome(t, "long is allowed", UDP{Address: long, Reply: &UDPReply{Data: "00", MaxLength: 300}}, enough, true, "")
	outcome(t, "length without data", UDP{Address: long, Reply: &UDPReply{MaxLength: 4}}, enough, true, "")
	for want, reply := range map[string]UDPReply{
		"odd number": {Data: "abc"}, "not made of": {Data: "0g"}, "no answer can": {MinLength: 300}, "max_reply_length is 1": {Data: "0000", MaxLength: 1},
	} {
		if _, err := (UDP{Address: same, Reply: &reply}).Checker(nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", reply, err)
		}
	}
}

// FuzzUDPReply: any pattern, any answer. One that was made of the pattern fits.
func FuzzUDPReply(f *testing.F) {
	f.Add("0X", []byte{5})
	f.Fuzz(func(t *testing.T, data string, answer []byte) {
		target, err := UDP{Address: netip.MustParseAddrPort("127.0.0.1:9"), Reply: &UDPReply{Data: data, MaxLength: maxDatagram}}.Checker(nil)
		if err != nil {
			return
		}
		c := target.(*udpChecker)
		_ = c.judge(answer)
		if err := c.judge(c.want); err != nil {
			t.Error(err)
		}
	})
}

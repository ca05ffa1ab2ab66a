package netif

import (
	"bytes"
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// messages cuts b into messages and fails the test if that does not work.
func messages(t *testing.T, b []byte) []message {
	t.Helper()
	var list []message
	for len(b) > 0 {
		var m message
		var err error
		if m, b, err = nextMessage(b); err != nil {
			t.Fatal(err)
		}
		list = append(list, m)
	}
	return list
}

// What is encoded for the kernel decodes to the same address; the kernel adds
// only that the lifetime is unlimited.
func TestAddrRoundTrip(t *testing.T) {
	t.Parallel()
	var b []byte
	var want []Addr
	for _, tt := range changes() {
		want = append(want, tt.from, tt.to)
		b = appendAddr(b, unix.RTM_NEWADDR, 0, 7, 42, tt.from, Protocol)
		b = appendAddr(b, unix.RTM_NEWADDR, 0, 8, 42, tt.to, Protocol)
	}
	for i, m := range messages(t, b) {
		in, ok, err := parseAddr(m.body)
		in.Link, in.Permanent = want[i].Link, true
		if err != nil || !ok || in.Index != 42 || in.Proto != Protocol || !want[i].same(in) {
			t.Errorf("%+v decodes to %+v, %v, %v", want[i], in, ok, err)
		}
	}
}

// A link that leaves a bridge is reported like one that is removed, but for
// the family.
func TestBridgePortMessagesAreNotLinks(t *testing.T) {
	t.Parallel()
	b := make([]byte, unix.SizeofIfInfomsg)
	b[0] = unix.AF_BRIDGE
	b = appendAttr(b, unix.IFLA_IFNAME, []byte("eth0\x00")...)
	if l, ok, err := parseLink(b); ok || err != nil {
		t.Errorf("parseLink = %+v, %v, %v", l, ok, err)
	}
}

func TestParseError(t *testing.T) {
	t.Parallel()
	request := appendAddr(nil, unix.RTM_NEWADDR, 0, 1, 2, addr("192.0.2.1/24"), Protocol)
	answer := func(code int, capped bool) message {
		b := binary.NativeEndian.AppendUint32(nil, uint32(int32(code)))
		m := message{kind: unix.NLMSG_ERROR, flags: unix.NLM_F_ACK_TLVS}
		if capped {
			m.flags |= unix.NLM_F_CAPPED
			b = append(b, request[:unix.NLMSG_HDRLEN]...)
		} else {
			b = append(b, request...)
		}
		m.body = appendAttr(b, unix.NLMSGERR_ATTR_MSG, []byte("because\x00")...)
		return m
	}
	for _, capped := range []bool{false, true} {
		if e, _, err := parseError(answer(0, capped)); e != nil || err != nil {
			t.Errorf("success decodes to %v, %v", e, err)
		}
		e, _, err := parseError(answer(-int(unix.EINVAL), capped))
		if err != nil || e == nil || e.errno != unix.EINVAL || e.text != "because" {
			t.Errorf("error decodes to %+v, %v", e, err)
		}
	}
}

// FuzzDecode gives the decoders what no kernel sends.
func FuzzDecode(f *testing.F) {
	f.Add(appendAddr(nil, unix.RTM_NEWADDR, 0, 1, 2, addr("192.0.2.1/24"), Protocol))
	f.Add(appendAddr(nil, unix.RTM_NEWADDR, 0, 1, 2, addr("2001:db8::1/128"), Protocol))
	link := appendHeader(nil, unix.RTM_NEWLINK, 0, 1)
	link = append(link, make([]byte, unix.SizeofIfInfomsg)...)
	link[unix.NLMSG_HDRLEN+4] = 3
	info := appendAttr(nil, unix.IFLA_INFO_KIND, []byte("veth\x00")...)
	link = appendAttr(appendAttr(link, unix.IFLA_IFNAME, []byte("eth0\x00")...), unix.IFLA_LINKINFO, info...)
	f.Add(endMessage(link, 0))
	f.Add(endMessage(append(appendHeader(nil, unix.NLMSG_ERROR, unix.NLM_F_ACK_TLVS, 1), 0xff, 0xff, 0xff, 0xff), 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := &Watch{names: map[int]string{2: "vip0", 3: "eth0"}}
		// Names are not looked up: unknown indices go to a socket.
		for rest := b; len(rest) > 0; {
			var m message
			var err error
			if m, rest, err = nextMessage(rest); err != nil {
				break
			}
			if in, ok, _ := parseAddr(m.body); ok {
				if !in.Prefix.IsValid() {
					t.Fatalf("decoded %+v", in)
				}
				w.names[in.Index] = "vip0"
				in.Link = "vip0"
				a := in.Addr
				_, _, _ = a.slot(), a.same(in), a.Check()
				again := appendAddr(nil, unix.RTM_DELADDR, 0, 1, in.Index, a, 0)
				if len(again)%4 != 0 || !bytes.Equal(again[:4], binary.NativeEndian.AppendUint32(nil, uint32(len(again)))) {
					t.Fatalf("bad encoding of %+v", a)
				}
			}
			if l, ok, _ := parseLink(m.body); ok && (l.Name == "" || l.Index <= 0) {
				t.Fatalf("decoded %+v", l)
			}
			_, _, _ = parseError(m)
		}
		w.decode(b, func(ev Event) {
			if ev.Kind < EventLink || ev.Kind > EventResync {
				t.Fatalf("event %+v", ev)
			}
		})
	})
}

package firewall

import (
	"encoding/binary"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

func message(t testing.TB, kind uint16, family byte, attrs ...netlink.Attribute) netlink.Message {
	t.Helper()
	b, err := netlink.MarshalAttributes(attrs)
	if err != nil {
		t.Fatal(err)
	}
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind)},
		Data:   append([]byte{family, 0, 0, 0}, b...),
	}
}

func named(table string) netlink.Attribute {
	return netlink.Attribute{Type: attrTable, Data: append([]byte(table), 0)}
}

func newGen(t testing.TB, gen uint32) netlink.Message {
	return message(t, unix.NFT_MSG_NEWGEN, 0,
		netlink.Attribute{Type: unix.NFTA_GEN_ID, Data: binary.BigEndian.AppendUint32(nil, gen)},
		netlink.Attribute{Type: unix.NFTA_GEN_PROC_PID, Data: binary.BigEndian.AppendUint32(nil, 77)},
		netlink.Attribute{Type: unix.NFTA_GEN_PROC_NAME, Data: []byte("nft\x00")})
}

func TestEventFilter(t *testing.T) {
	t.Parallel()
	ours := message(t, unix.NFT_MSG_DELTABLE, unix.NFPROTO_INET, named("hakeep"))
	tests := []struct {
		name string
		msgs []netlink.Message
		want []uint32
	}{
		{"ours", []netlink.Message{ours, newGen(t, 5)}, []uint32{5}},
		{"another table", []netlink.Message{message(t, unix.NFT_MSG_NEWRULE, unix.NFPROTO_INET, named("hakeep_b")), newGen(t, 5)}, nil},
		{"another family", []netlink.Message{message(t, unix.NFT_MSG_DELTABLE, unix.NFPROTO_IPV4, named("hakeep")), newGen(t, 5)}, nil},
		{"among others", []netlink.Message{
			message(t, unix.NFT_MSG_DELTABLE, unix.NFPROTO_INET, named("x")), ours,
			message(t, unix.NFT_MSG_DELTABLE, unix.NFPROTO_INET, named("y")), newGen(t, 6), newGen(t, 7),
		}, []uint32{6}},
		{"no generation yet", []netlink.Message{ours}, nil},
		{"another subsystem", []netlink.Message{{Header: netlink.Header{Type: 1}, Data: ours.Data}, newGen(t, 5)}, nil},
		{"short", []netlink.Message{{Header: ours.Header, Data: []byte{1}}, newGen(t, 5)}, nil},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := eventFilter{table: "hakeep", family: unix.NFPROTO_INET}
			var got []uint32
			for _, m := range tc.msgs {
				if c, ok := f.next(m); ok {
					got = append(got, c.gen)
					if c.pid != 77 || c.comm != "nft" {
						t.Errorf("got %+v", c)
					}
				}
			}
			if len(got) != len(tc.want) || len(got) > 0 && got[0] != tc.want[0] {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func FuzzEventFilter(f *testing.F) {
	f.Add(uint16(unix.NFT_MSG_NEWGEN), newGen(f, 5).Data)
	f.Add(uint16(unix.NFT_MSG_DELTABLE), message(f, 0, unix.NFPROTO_INET, named("hakeep")).Data)
	f.Fuzz(func(_ *testing.T, kind uint16, data []byte) {
		e := eventFilter{table: "hakeep", family: unix.NFPROTO_INET}
		e.next(netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind&0xff)}, Data: data})
	})
}

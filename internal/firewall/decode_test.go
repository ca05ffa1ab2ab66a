package firewall

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// answerWith is a message with an element, as the kernel sends it.
func answerWith(t testing.TB, e nftables.SetElement) []byte {
	t.Helper()
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	encodeElements(ae, "s", []nftables.SetElement{e}, true)
	data, err := ae.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return append(make([]byte, nfgenLen), data...)
}

func TestParseElement(t *testing.T) {
	t.Parallel()
	want := nftables.SetElement{Key: []byte{0, 0, 0, 1}, Val: []byte{10, 0, 0, 1, 0, 80, 0, 0}}
	got, err := parseElement(answerWith(t, want))
	if err != nil || !bytes.Equal(got.Key, want.Key) || !bytes.Equal(got.Val, want.Val) {
		t.Errorf("got %+v %v, want %+v", got, err, want)
	}
	for _, b := range [][]byte{nil, make([]byte, nfgenLen), {0, 0, 0, 0, 255, 255}} {
		if got, err := parseElement(b); err == nil {
			t.Errorf("%x: got %+v", b, got)
		}
	}
}

func FuzzParseElement(f *testing.F) {
	f.Add(answerWith(f, nftables.SetElement{Key: []byte{1}, Val: []byte{2}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := parseElement(b); err == nil && e.Key == nil {
			t.Error("element without a key")
		}
	})
}

func FuzzParseRule(f *testing.F) {
	ae := netlink.NewAttributeEncoder()
	ae.String(unix.NFTA_RULE_TABLE, "hakeep")
	ae.String(unix.NFTA_RULE_CHAIN, "lb")
	ae.Bytes(unix.NFTA_RULE_USERDATA, []byte{0, 3, 'a', 'b', 0})
	b, err := ae.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(make([]byte, nfgenLen), b...))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, chain, tag, err := parseRule(b)
		if err != nil && table+chain+tag != "" && len(b) < nfgenLen {
			t.Error("an answer from nothing")
		}
	})
}

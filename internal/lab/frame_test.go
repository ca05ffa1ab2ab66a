package lab

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/net/bpf"
)

func ether(proto uint16, payload ...byte) []byte {
	b := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	b = binary.BigEndian.AppendUint16(b, proto)
	return append(b, payload...)
}

func ipv4(proto byte, payload ...byte) []byte {
	h := make([]byte, 20)
	h[0], h[3], h[8], h[9] = 0x45, byte(20+len(payload)), 255, proto
	return ether(etherIPv4, append(h, payload...)...)
}

func ipv6(next byte, payload ...byte) []byte {
	h := make([]byte, 40)
	h[0], h[5], h[6], h[7] = 0x60, byte(len(payload)), next, 255
	return ether(etherIPv6, append(h, payload...)...)
}

func TestFilterPrograms(t *testing.T) {
	t.Parallel()
	frames := map[string][]byte{
		"arp":    ether(etherARP, make([]byte, 28)...),
		"vrrp4":  ipv4(112, 0x31),
		"vrrp6":  ipv6(112, 0x31),
		"icmp":   ipv4(1, 8),
		"ns":     ipv6(58, 135, 0),
		"rs":     ipv6(58, 133, 0),
		"redir":  ipv6(58, 137, 0),
		"echo6":  ipv6(58, 128, 0),
		"mld":    ipv6(58, 143, 0),
		"tcp6":   ipv6(6, 0),
		"lldp":   ether(0x88cc, 1, 2),
		"runt":   {1, 2, 3},
		"no-ip4": ether(etherIPv4),
	}
	tests := []struct {
		filter Filter
		want   []string
	}{
		{FilterVRRP, []string{"vrrp4", "vrrp6"}},
		{FilterARP, []string{"arp"}},
		{FilterND, []string{"ns", "rs", "redir"}},
		{FilterVRRP | FilterARP | FilterND, []string{"vrrp4", "vrrp6", "arp", "ns", "rs", "redir"}},
	}
	for _, tc := range tests {
		vm, err := bpf.NewVM(tc.filter.program())
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		for _, name := range tc.want {
			want[name] = true
		}
		for name, data := range frames {
			n, err := vm.Run(data)
			if err != nil {
				t.Fatal(err)
			}
			if (n > 0) != want[name] {
				t.Errorf("filter %b, frame %s: got %v", tc.filter, name, n > 0)
			}
		}
	}
}

func TestFrameDecoding(t *testing.T) {
	t.Parallel()
	f := Frame{Data: ipv6(112, 0x31, 51)}
	if p, ok := f.VRRP(); !ok || p.TTL != 255 || len(p.Payload) != 2 {
		t.Errorf("got %+v %v", p, ok)
	}
	if _, ok := (Frame{Data: ipv6(58, 136)}).ND(); !ok {
		t.Error("advertisement not seen")
	}
	padded := Frame{Data: append(ipv4(112, 0x21), make([]byte, 20)...)}
	if p, ok := padded.VRRP(); !ok || len(p.Payload) != 1 {
		t.Errorf("got %+v %v, want padding removed", p, ok)
	}
	if _, ok := (Frame{Data: ether(etherARP, make([]byte, 27)...)}).ARP(); ok {
		t.Error("short ARP decoded")
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(ipv4(112, 1))
	f.Add(ipv6(58, 135))
	f.Add(ether(etherARP, make([]byte, 28)...))
	f.Fuzz(func(_ *testing.T, data []byte) {
		fr := Frame{Data: data}
		fr.VRRP()
		fr.ND()
		fr.ARP()
		fr.Source()
	})
}

func TestWritePcap(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := WritePcap(&b, []Frame{{Time: time.Unix(5, 7), Data: []byte{1, 2, 3}}}); err != nil {
		t.Fatal(err)
	}
	if b.Len() != 24+16+3 {
		t.Fatalf("got %d bytes, want 43", b.Len())
	}
	rec := b.Bytes()[24:]
	if binary.LittleEndian.Uint32(rec) != 5 || binary.LittleEndian.Uint32(rec[4:]) != 7 || binary.LittleEndian.Uint32(rec[8:]) != 3 {
		t.Errorf("got record header %v", rec[:16])
	}
}

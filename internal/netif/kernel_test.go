package netif

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hakeep/internal/nstest"
)

// with returns a changed by fn.
func with(a Addr, fn func(*Addr)) Addr {
	fn(&a)
	return a
}

// changes are the ways in which an address can change and stay the same
// address to the kernel.
func changes() map[string]struct{ from, to Addr } {
	v4, v6 := addr("192.0.2.10/24"), addr("2001:db8::10/64")
	mc4 := addr("239.1.2.3/32")
	brd := netip.MustParseAddr("192.0.2.255")
	return map[string]struct{ from, to Addr }{
		"v4 label set":           {v4, with(v4, func(a *Addr) { a.Label = "vip0:1" })},
		"v4 label cleared":       {with(v4, func(a *Addr) { a.Label = "vip0:1" }), v4},
		"v4 label of 15 bytes":   {v4, with(v4, func(a *Addr) { a.Label = "vip0:0123456789" })},
		"v4 broadcast set":       {v4, with(v4, func(a *Addr) { a.Broadcast = brd })},
		"v4 broadcast cleared":   {with(v4, func(a *Addr) { a.Broadcast = brd }), v4},
		"v4 scope":               {v4, with(v4, func(a *Addr) { a.Scope = unix.RT_SCOPE_LINK })},
		"v4 peer, same network":  {v4, with(v4, func(a *Addr) { a.Peer = netip.MustParsePrefix("192.0.2.77/24") })},
		"v4 peer changed":        {with(v4, func(a *Addr) { a.Peer = netip.MustParsePrefix("192.0.2.76/24") }), with(v4, func(a *Addr) { a.Peer = netip.MustParsePrefix("192.0.2.77/24") })},
		"v4 deprecated":          {v4, with(v4, func(a *Addr) { a.PreferredLft = PreferredNever })},
		"v4 preferred again":     {with(v4, func(a *Addr) { a.PreferredLft = PreferredNever }), v4},
		"v4 noprefixroute":       {v4, with(v4, func(a *Addr) { a.NoPrefixRoute = true })},
		"v4 prefix route":        {with(v4, func(a *Addr) { a.NoPrefixRoute = true }), v4},
		"v6 prefix longer":       {v6, addr("2001:db8::10/96")},
		"v6 prefix to 128":       {v6, addr("2001:db8::10/128")},
		"v6 deprecated":          {v6, with(v6, func(a *Addr) { a.PreferredLft = PreferredNever })},
		"v6 preferred again":     {with(v6, func(a *Addr) { a.PreferredLft = PreferredNever }), v6},
		"v6 preferred for 100 s": {v6, with(v6, func(a *Addr) { a.PreferredLft = 100 * time.Second })},
		"v6 preferred for ever":  {with(v6, func(a *Addr) { a.PreferredLft = 100 * time.Second }), v6},
		"v6 noprefixroute":       {v6, with(v6, func(a *Addr) { a.NoPrefixRoute = true })},
		"v6 prefix route":        {with(v6, func(a *Addr) { a.NoPrefixRoute = true }), v6},
		"v6 home":                {v6, with(v6, func(a *Addr) { a.Home = true })},
		"v6 home cleared":        {with(v6, func(a *Addr) { a.Home = true }), v6},
		"v6 mngtmpaddr":          {v6, with(v6, func(a *Addr) { a.MngTmpAddr = true })},
		"v6 mngtmpaddr cleared":  {with(v6, func(a *Addr) { a.MngTmpAddr = true }), v6},
		"v6 dad":                 {v6, with(v6, func(a *Addr) { a.DAD = true })},
		"v6 dad cleared":         {with(v6, func(a *Addr) { a.DAD = true }), v6},
		"v6 peer set":            {v6, with(v6, func(a *Addr) { a.Peer = netip.MustParsePrefix("2001:db8::77/64") })},
		"v6 peer cleared":        {with(v6, func(a *Addr) { a.Peer = netip.MustParsePrefix("2001:db8::77/64") }), v6},
		"v4 autojoin":            {mc4, with(mc4, func(a *Addr) { a.Autojoin = true })},
		"v4 autojoin cleared":    {with(mc4, func(a *Addr) { a.Autojoin = true }), mc4},
	}
}

// Every change arrives at the kernel by one planned replacement, and what was
// planned without a delete really works in place (the table of doc.go).
func TestReplace(t *testing.T) {
	for name, tt := range changes() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(adds(tt.from)...)
			before := w.addrs()
			if ops := Plan([]Addr{tt.from}, before, ours); len(ops) != 0 {
				t.Fatalf("plan for what was just added: %v, kernel has %+v", ops, before)
			}
			ops := Plan([]Addr{tt.to}, before, ours)
			if len(ops) == 0 {
				t.Fatal("nothing planned")
			}
			w.apply(ops...)
			after := w.addrs()
			if ops := Plan([]Addr{tt.to}, after, ours); len(ops) != 0 {
				t.Errorf("still planned: %v, kernel has %+v", ops, after)
			}
			if len(after) != 1 || after[0].Proto != Protocol {
				t.Errorf("kernel has %+v", after)
			}
		})
	}
}

// What the kernel changes in an existing address when asked to (NLM_F_REPLACE).
// It answers success in each case.
func TestInPlace(t *testing.T) {
	for name, tt := range changes() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(adds(tt.from)...)
			w.k.seq++
			msg := appendAddr(nil, unix.RTM_NEWADDR, unix.NLM_F_REPLACE|unix.NLM_F_ACK, w.k.seq, w.link("vip0").Attrs().Index, tt.to, Protocol)
			w.do(w.k.send(msg))
			w.do(w.k.receive(func(m message) (bool, error) {
				e, _, err := parseError(m)
				if e != nil {
					t.Logf("refused: %v", e)
				}
				return true, err
			}))
			got := w.addrs()
			if len(got) != 1 {
				t.Fatalf("kernel has %+v", got)
			}
			changed := tt.to.same(got[0])
			expected := tt.to.sameFixed(installedFrom(tt.from))
			if strings.HasPrefix(name, "v6 peer") {
				// Set in place, never removed: replaced, to be the same both ways.
				expected = !strings.HasSuffix(name, "cleared")
			}
			if changed != expected {
				t.Errorf("changed in place: %v, expected %v; kernel has %+v", changed, expected, got[0])
			}
		})
	}
}

// A change by a program that knows no marks removes the mark; it can be put
// back in place.
func TestMarkInPlace(t *testing.T) {
	w := newWorld(t)
	list := []Addr{addr("192.0.2.10/24"), addr("2001:db8::10/64")}
	w.apply(adds(list...)...)
	w.ip("addr change 192.0.2.10/24 dev vip0 preferred_lft 0 valid_lft forever")
	w.ip("addr change 2001:db8::10/64 dev vip0 nodad preferred_lft 0 valid_lft forever")
	for i, in := range w.addrs() {
		if in.Proto != 0 {
			t.Errorf("%s still has mark %d", in.Key(), in.Proto)
		}
		w.apply(Op{Kind: OpReplace, Addr: list[i], Old: in, Proto: Protocol})
	}
	for i, in := range w.addrs() {
		if in.Proto != Protocol || !list[i].same(in) {
			t.Errorf("kernel has %+v", in)
		}
	}
}

// installedFrom is what the kernel makes of a.
func installedFrom(a Addr) Installed {
	in := Installed{Addr: a, Proto: Protocol, Permanent: true}
	in.Label, in.PreferredLft = a.label(), a.preferred()
	return in
}

func TestAddrsReadBack(t *testing.T) {
	w := newWorld(t)
	if !w.k.MarksSupported() {
		t.Fatal("this kernel keeps no marks")
	}
	w.ip("addr add 192.0.2.1/24 dev vip0")
	all := with(addr("192.0.2.10/24"), func(a *Addr) {
		a.Label, a.Broadcast, a.NoPrefixRoute = "vip0:x", netip.MustParseAddr("192.0.2.255"), true
	})
	peer := with(addr("198.51.100.1/32"), func(a *Addr) { a.Peer = netip.MustParsePrefix("198.51.100.2/32") })
	v6 := with(addr("2001:db8::10/128"), func(a *Addr) { a.Link = "vip1" })
	w.apply(adds(all, peer, v6)...)
	vip0, vip1 := w.link("vip0").Attrs().Index, w.link("vip1").Attrs().Index
	read := func(index int, proto uint8, secondary bool, a Addr) Installed {
		in := installedFrom(a)
		in.Index, in.Proto, in.Secondary = index, proto, secondary
		return in
	}
	want := []Installed{
		read(vip0, 0, false, addr("192.0.2.1/24")),
		read(vip0, Protocol, true, all),
		read(vip0, Protocol, false, peer),
		read(vip1, Protocol, false, with(v6, func(a *Addr) { a.PreferredLft = PreferredNever })),
	}
	if diff := cmp.Diff(want, w.addrs(), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

// The probe tells attributes that this kernel knows from those it does not,
// as an older kernel would not know the mark.
func TestKnowsAttr(t *testing.T) {
	w := newWorld(t)
	for attr, want := range map[uint16]bool{unix.IFA_LABEL: true, attrProto: true, 200: false} {
		got, err := w.k.knowsAttr(attr)
		if err != nil || got != want {
			t.Errorf("knowsAttr(%d) = %v, %v; want %v", attr, got, err, want)
		}
	}
	if _, err := w.k.Addrs(); err != nil {
		t.Errorf("after the probe: %v", err)
	}
}

func TestApplyOutcomes(t *testing.T) {
	w := newWorld(t)
	v4, v6 := addr("192.0.2.10/24"), addr("2001:db8::10/64")
	labelled := with(v4, func(a *Addr) { a.Label = "vip0:1" })
	w.apply(adds(v4, v6)...)
	there := w.addrs()
	gone := there[0]
	gone.Prefix = netip.MustParsePrefix("192.0.2.99/24")
	noLink := there[0]
	noLink.Index = 4711
	tests := []struct {
		name string
		op   Op
		want error
	}{
		{"add what is there", Op{Kind: OpAdd, Addr: v4, Proto: Protocol}, nil},
		{"probe what is there", Op{Kind: OpAdd, Addr: v4, Proto: Protocol, Probe: true}, ErrExists},
		{"add with another label", Op{Kind: OpAdd, Addr: labelled, Proto: Protocol}, ErrExists},
		{"add with another IPv6 prefix length", Op{Kind: OpAdd, Addr: addr("2001:db8::10/96"), Proto: Protocol}, ErrExists},
		{"add to no interface", Op{Kind: OpAdd, Addr: with(v4, func(a *Addr) { a.Link = "none" })}, ErrNoLink},
		{"add nonsense", Op{Kind: OpAdd, Addr: Addr{Link: "vip0"}}, ErrInvalid},
		{"add with another scope", Op{Kind: OpAdd, Addr: with(addr("192.0.2.11/24"), func(a *Addr) { a.Scope = unix.RT_SCOPE_HOST })}, unix.EINVAL},
		{"delete what is not there", Op{Kind: OpDelete, Addr: gone.Addr, Old: gone}, nil},
		{"delete from no interface", Op{Kind: OpDelete, Addr: noLink.Addr, Old: noLink}, nil},
		{"replace what went", Op{Kind: OpReplace, Addr: with(gone.Addr, func(a *Addr) { a.Label = "vip0:2" }), Old: gone}, nil},
	}
	// All in one batch: the outcomes arrive in order, each with its operation.
	var ops []Op
	for _, tt := range tests {
		ops = append(ops, tt.op)
	}
	i := 0
	err := w.k.Apply(ops, func(op Op, err error) {
		tt := tests[i]
		i++
		if op != tt.op {
			t.Errorf("%s: reported for %v", tt.name, op)
		}
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if err != nil && tt.want == unix.EINVAL && !strings.Contains(err.Error(), "scope") {
			t.Errorf("%s: %v does not carry the kernel's explanation", tt.name, err)
		}
	})
	if err != nil || i != len(tests) {
		t.Errorf("Apply: %v after %d of %d", err, i, len(tests))
	}
}

// IPv4 addresses with other prefix lengths are others, also for a delete.
func TestDeleteMeetsThePrefixLength(t *testing.T) {
	w := newWorld(t)
	w.apply(adds(addr("192.0.2.10/24"), addr("192.0.2.10/32"))...)
	w.apply(Plan([]Addr{addr("192.0.2.10/24")}, w.addrs(), ours)...)
	if got := w.addrs(); len(got) != 1 || got[0].Prefix.Bits() != 24 {
		t.Errorf("kernel has %+v", got)
	}
}

func TestLinks(t *testing.T) {
	w := newWorld(t)
	w.do(netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}))
	w.ip("link set peer0 master br0")
	w.ip("link add link vip0 name mac0 type macvlan mode private")
	w.ip("link set vip1 mtu 1400 arp off")
	w.ip("link set peer1 down")
	read := func() map[string]Link {
		list, err := w.k.Links()
		w.do(err)
		links := map[string]Link{}
		for _, l := range list {
			links[l.Name] = l
		}
		return links
	}
	nstest.Eventually(t, 5*time.Second, func() error { // the kernel tells of carrier a little later
		if read()["vip1"].Up {
			return errors.New("vip1 is up without a peer")
		}
		return nil
	})
	links := read()
	index := func(name string) int { return w.link(name).Attrs().Index }
	mac := func(name string) [6]byte { return [6]byte(w.link(name).Attrs().HardwareAddr) }
	want := map[string]Link{
		"lo":    {Index: 1, Name: "lo", Up: true, AdminUp: true, MTU: 65536, Loopback: true},
		"vip0":  {Index: index("vip0"), Name: "vip0", Kind: "veth", Up: true, AdminUp: true, MTU: 1500, MAC: mac("vip0"), Ethernet: true, Multicast: true},
		"peer0": {Index: index("peer0"), Name: "peer0", Kind: "veth", Up: true, AdminUp: true, MTU: 1500, MAC: mac("peer0"), Ethernet: true, Multicast: true, Master: index("br0")},
		"vip1":  {Index: index("vip1"), Name: "vip1", Kind: "veth", AdminUp: true, MTU: 1400, MAC: mac("vip1"), Ethernet: true, Multicast: true, NoARP: true},
		"peer1": {Index: index("peer1"), Name: "peer1", Kind: "veth", MTU: 1500, MAC: mac("peer1"), Ethernet: true, Multicast: true},
		"br0":   {Index: index("br0"), Name: "br0", Kind: "bridge", MTU: 1500, MAC: mac("br0"), Ethernet: true, Multicast: true},
		"mac0":  {Index: index("mac0"), Name: "mac0", Kind: "macvlan", MTU: 1500, MAC: mac("mac0"), Ethernet: true, Multicast: true, Parent: index("vip0")},
	}
	for name := range links {
		if _, known := want[name]; !known {
			delete(links, name) // tunnels that some kernels make in each namespace
		}
	}
	if diff := cmp.Diff(want, links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

func promote(t *testing.T, link, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+link+"/promote_secondaries", []byte(value), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSetPromoteSecondaries(t *testing.T) {
	w := newWorld(t)
	promote(t, "all", "0")
	promote(t, "vip0", "0")
	w.do(w.k.SetPromoteSecondaries("vip0"))
	w.do(w.k.SetPromoteSecondaries("vip0"))
	w.apply(adds(addr("192.0.2.10/24"), addr("192.0.2.11/24"), addr("192.0.2.12/24"))...)
	w.apply(Plan([]Addr{addr("192.0.2.11/24"), addr("192.0.2.12/24")}, w.addrs(), ours)...)
	if got := w.addrs(); len(got) != 2 {
		t.Errorf("kernel has %+v", got)
	}
	for _, name := range []string{"none", "", "..", "a/b", "sixteen-bytes-xx"} {
		if err := SetPromoteSecondaries(name); !errors.Is(err, ErrNoLink) {
			t.Errorf("SetPromoteSecondaries(%q) = %v, want ErrNoLink", name, err)
		}
	}
	value, err := os.ReadFile("/proc/sys/net/ipv4/conf/vip0/promote_secondaries")
	if err != nil || strings.TrimSpace(string(value)) != "1" {
		t.Errorf("promote_secondaries of vip0 is %q, %v", value, err)
	}
}

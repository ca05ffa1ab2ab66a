package sim

import (
	"net/netip"
	"time"

	"hakeep/arp"
)

// locktime is how long Linux protects a neighbour entry that has just changed
// against another answer (sysctl net.ipv4.neigh.*.locktime).
const locktime = time.Second

// client is a host of the LAN that remembers where the addresses are. It never
// finds out by itself that it is wrong, like the routers with four hours of ARP
// cache of keepalived's issue 20.
type client struct {
	w     *World
	index int
	spec  *ClientSpec
	cache map[netip.Addr]*neighbour
}

// neighbour is an entry of the cache.
type neighbour struct {
	mac     [6]byte
	changed time.Duration
	// missed is when an announcement did not get here.
	missed time.Duration
}

func (c *client) receive(f *frame) {
	switch f.kind {
	case frameAnnounce:
		addr, mac, ok := arp.ParseGratuitous(f.payload)
		if !ok {
			addr, mac, _, ok = arp.ParseUnsolicitedNA(f.payload)
		}
		if !ok {
			c.w.mon.fail(InvCodec, nil, "client cannot read an announcement of %v: %x", f.addr, f.payload)
			return
		}
		if c.cache[addr] != nil {
			c.learn(addr, mac, true)
		}
	case frameAnswer:
		c.learn(f.addr, f.mac, false)
	}
}

func (c *client) learn(addr netip.Addr, mac [6]byte, gratuitous bool) {
	n := c.cache[addr]
	now := c.w.now
	switch {
	case n == nil:
		n = &neighbour{missed: -1}
		c.cache[addr] = n
	case !gratuitous && c.spec.Locktime && now < n.changed+locktime:
		return
	}
	if n.mac != mac {
		c.w.log(PlaneClients, "%s: %v is at %s", c.spec.Name, addr, c.w.hosts[mac[5]].spec.Name)
	}
	n.mac, n.changed = mac, now
}

// ask asks for an address, as if the entry had expired.
func (c *client) ask(addr netip.Addr) {
	c.w.stats.Asks++
	c.w.log(PlanePackets, "%s asks for %v", c.spec.Name, addr)
	delete(c.cache, addr)
	c.w.transmit(&frame{kind: frameAsk, from: clientNode(c.index), to: nobodySpecial, lan: c.spec.Port, addr: addr})
}

package sim

import (
	"net/netip"
	"time"
)

type frameKind uint8

const (
	frameAdvert   frameKind = iota + 1
	frameAnnounce           // gratuitous ARP, unsolicited NA
	frameAsk                // ARP request, neighbour solicitation
	frameAnswer
)

// node is a station of the network: host i is i, client i is clientNode(i).
type node int

const (
	firstClient   node = 1000
	stranger      node = 5000 // sends what no router of ours would
	nobodySpecial node = -1
)

func clientNode(i int) node { return firstClient + node(i) }

// frame is one packet on a LAN. It is not changed after it was sent.
type frame struct {
	kind     frameKind
	from     node
	to       node // nobodySpecial: everybody
	lan      string
	src, dst netip.Addr // of an advert
	payload  []byte     // VRRP message, or whole Ethernet frame of an announcement
	addr     netip.Addr // that is announced, asked for or answered
	mac      [6]byte    // of an answer
}

// network are the LANs. Two stations are on one when they have a port of the
// same name. Its zero value delivers everything.
type network struct {
	loss, dup, hold float64   // probabilities
	losses          []float64 // those that go on; loss is the greatest
	holdMax         time.Duration
	cuts            map[[2]node]int // one way; counts the faults that cut it
	drops           []drop
	last            map[[2]node]time.Duration // arrival of the last packet of a pair
	echo            bool                      // adverts come back to their sender
}

// drop loses the next n adverts of a host on the way to another.
type drop struct {
	from, to node
	n        int
}

// perfect reports whether nothing is lost, doubled or held.
func (n *network) perfect() bool {
	return n.loss == 0 && n.dup == 0 && n.hold == 0 && len(n.cuts) == 0 && len(n.drops) == 0 && !n.echo
}

// cut stops everything from a to b; join undoes it.
func (n *network) cut(a, b node) {
	if n.cuts == nil {
		n.cuts = make(map[[2]node]int)
	}
	n.cuts[[2]node{a, b}]++
}

func (n *network) join(a, b node) {
	k := [2]node{a, b}
	if n.cuts[k]--; n.cuts[k] <= 0 {
		delete(n.cuts, k)
	}
}

// transmit puts a frame on its LAN.
func (w *World) transmit(f *frame) {
	for i, h := range w.hosts {
		if node(i) != f.from && h.port(f.lan) != nil || w.net.echo && node(i) == f.from && f.kind == frameAdvert {
			w.carry(f, node(i))
		}
	}
	if f.kind == frameAdvert {
		return
	}
	for i, c := range w.clients {
		if clientNode(i) != f.from && c.spec.Port == f.lan {
			w.carry(f, clientNode(i))
		}
	}
}

// carry brings a frame to one station, or not.
func (w *World) carry(f *frame, to node) {
	if f.to != nobodySpecial && f.to != to {
		return
	}
	n := &w.net
	if n.cuts[[2]node{f.from, to}] > 0 || n.dropped(f, to) || n.loss > 0 && w.rng.Float64() < n.loss {
		w.stats.Lost++
		w.mon.lost(f, to)
		return
	}
	// A LAN keeps the order of what one station sends to another.
	pair := [2]node{f.from, to}
	arrives := max(w.now+w.within(w.bounds.MinDelay, w.bounds.MaxDelay), n.last[pair])
	if n.hold > 0 && w.rng.Float64() < n.hold {
		arrives += w.within(0, n.holdMax)
	} else {
		n.last[pair] = arrives
	}
	w.at(arrives, func() { w.deliver(f, to) })
	if n.dup > 0 && w.rng.Float64() < n.dup {
		w.at(arrives+w.within(0, n.holdMax), func() { w.deliver(f, to) })
	}
}

// dropped uses up one of the planned losses.
func (n *network) dropped(f *frame, to node) bool {
	if f.kind != frameAdvert {
		return false
	}
	for i := range n.drops {
		d := &n.drops[i]
		if d.from == f.from && d.to == to {
			if d.n--; d.n == 0 {
				n.drops = append(n.drops[:i], n.drops[i+1:]...)
			}
			return true
		}
	}
	return false
}

func (w *World) deliver(f *frame, to node) {
	if to >= firstClient {
		w.clients[to-firstClient].receive(f)
		return
	}
	w.hosts[to].receive(f)
}

package sim

import (
	"net/netip"
	"slices"
	"time"

	"hakeep/vrrp"
)

// socketPackets is how many packets a raw socket with the default buffer keeps
// (pitfalls.md 7).
const socketPackets = 256

// power says what of a host works.
type power uint8

const (
	powerOn  power = iota // the process runs
	stalled               // the process does not run: its socket and the kernel do
	paused                // the whole machine does not run: packets are lost
	replaced              // another program is about to go on in its place: no socket
	dead                  // the process is gone, the kernel works on
	powerOff              // the machine is off
)

func (p power) String() string {
	return [...]string{"running", "stalled", "paused", "replaced", "dead", "off"}[p]
}

// Host is one machine: its clock, ports, kernel, and the process if one runs.
type Host struct {
	w      *World
	index  int
	spec   *HostSpec
	config []*Instance // what the process reads when it starts
	clock  clock
	power  power
	ports  []port
	kernel kernel
	proc   *process

	// marks are until when the host may go on as master after the death of its
	// process, in its own time; a boot forgets them.
	marks map[wireKey]time.Duration

	frozen time.Duration // when a pause that stops the clock began, in world time
	// woke is when the process could run again after a stall or pause, in its own
	// time; wokeBefore is the time before that.
	woke, wokeBefore time.Duration
}

// port is an interface with a cable to the LAN of its name.
type port struct {
	name  string
	index int
	up    bool
	mac   [6]byte
	own   []netip.Addr
}

// port returns the port on a LAN; nil if there is none.
func (h *Host) port(lan string) *port {
	for i := range h.ports {
		if h.ports[i].name == lan {
			return &h.ports[i]
		}
	}
	return nil
}

func (h *Host) portAt(index int) int { return index - 2 }

// local is the host's time now.
func (h *Host) local() time.Duration { return h.clock.local(h.w.now) }

func (h *Host) node() node { return node(h.index) }

// boot starts the process. Its first configuration removes the addresses that an
// earlier one left, or goes on with them.
func (h *Host) boot() {
	h.w.log(PlaneState, "%s: starts", h.spec.Name)
	h.power = powerOn
	h.proc = newProcess(h)
	h.proc.found, h.marks = h.marks, make(map[wireKey]time.Duration)
	h.woke, h.wokeBefore = h.local(), h.local()
	for i := range h.ports {
		h.announcePort(i)
	}
	h.Reload(h.config)
}

// kill ends the process at once. The kernel keeps its addresses.
func (h *Host) kill() {
	h.w.log(PlaneState, "%s: process killed", h.spec.Name)
	h.w.mon.killed(h)
	h.w.mon.gone(h)
	h.power, h.proc = dead, nil
}

// cutPower ends everything.
func (h *Host) cutPower() {
	h.w.log(PlaneState, "%s: power off", h.spec.Name)
	h.w.mon.gone(h)
	h.power, h.proc = powerOff, nil
	h.kernel.addrs, h.marks = nil, nil
}

// sleep stops the process (stalled) or the machine (paused). With frozen also
// the machine's clock stands still, as that of a virtual machine that is
// restored.
func (h *Host) sleep(how power, freeze bool) {
	if h.power != powerOn {
		return
	}
	h.w.log(PlaneState, "%s: %v", h.spec.Name, how)
	h.power, h.frozen = how, -1
	if freeze {
		h.frozen = h.w.now
	}
	h.proc.wakeAt = -1
	h.proc.wakeTurn++
}

// resume ends sleep.
func (h *Host) resume() {
	if h.power != stalled && h.power != paused {
		return
	}
	if h.frozen >= 0 {
		h.clock.base -= h.w.now - h.frozen
	}
	h.power = powerOn
	h.wokeBefore, h.woke = h.woke, h.local()
	h.w.log(PlaneState, "%s: runs again", h.spec.Name)
	h.w.mon.resumed(h)
	if h.proc.applyMissed {
		h.proc.applyMissed, h.proc.applying = false, false
		h.proc.bringAbout()
	}
	h.proc.wake(h.w.now + h.w.within(0, h.w.bounds.Lateness))
}

// Reload hands the process a configuration.
func (h *Host) Reload(config []*Instance) {
	h.config = config
	if h.proc != nil {
		h.proc.post(func() { h.proc.reconfigure(config) })
	}
}

// announcePort tells the process how a port is now.
func (h *Host) announcePort(i int) {
	if h.proc == nil {
		return
	}
	p := &h.ports[i]
	l := vrrp.Link{Name: p.name, Index: p.index, Up: p.up, Addrs: slices.Clone(p.own)}
	for _, a := range h.kernel.addrs {
		if a.port == i && !slices.Contains(l.Addrs, a.addr) {
			l.Addrs = append(l.Addrs, a.addr)
		}
	}
	h.proc.post(func() { h.proc.step(vrrp.LinkChanged{Link: l}) })
}

// setCarrier connects or disconnects the cable of a port.
func (h *Host) setCarrier(i int, up bool) {
	if h.ports[i].up == up {
		return
	}
	h.ports[i].up = up
	word := "down"
	if up {
		word = "up"
	}
	h.w.log(PlaneKernel, "%s: %s is %s", h.spec.Name, h.ports[i].name, word)
	h.announcePort(i)
}

// setOwn replaces the addresses of the host itself on a port.
func (h *Host) setOwn(i int, own []netip.Addr) {
	h.ports[i].own = own
	h.w.log(PlaneKernel, "%s: %s has %v", h.spec.Name, h.ports[i].name, own)
	h.announcePort(i)
}

// steal removes a virtual address behind the process's back. Its watch of the
// kernel notices.
func (h *Host) steal(addr netip.Addr) {
	h.kernel.addrs = slices.DeleteFunc(h.kernel.addrs, func(a kernelAddr) bool {
		if a.addr != addr {
			return false
		}
		h.w.log(PlaneKernel, "%s: somebody removes %v", h.spec.Name, addr)
		return true
	})
	if h.proc != nil {
		h.proc.bringAbout()
	}
}

// apply makes the kernel have exactly these addresses and tells what changed.
func (h *Host) apply(want []kernelAddr) (added, removed []kernelAddr) {
	added, removed = h.kernel.differ(want)
	for _, a := range added {
		h.w.log(PlaneKernel, "%s: + %v", h.spec.Name, a.addr)
	}
	for _, a := range removed {
		h.w.mon.removing(h, a.addr)
		h.w.log(PlaneKernel, "%s: - %v", h.spec.Name, a.addr)
	}
	h.kernel.addrs = want
	return added, removed
}

// receive is what the kernel does with a frame.
func (h *Host) receive(f *frame) {
	p := h.port(f.lan)
	if h.power == paused || h.power == powerOff || !p.up {
		h.w.mon.lost(f, h.node())
		return
	}
	switch f.kind {
	case frameAsk:
		i := h.portAt(p.index)
		if h.kernel.has(i, f.addr) {
			h.w.log(PlanePackets, "%s answers for %v", h.spec.Name, f.addr)
			h.w.transmit(&frame{kind: frameAnswer, from: h.node(), to: f.from, lan: f.lan, addr: f.addr, mac: p.mac})
		}
	case frameAnnounce:
		if port := h.portAt(p.index); h.proc != nil && h.power == powerOn && h.proc.waitsFor(port, f.addr) {
			proc := h.proc
			proc.post(func() { proc.claimed(port, f.addr) })
		}
	case frameAdvert:
		if h.proc == nil || !f.dst.IsMulticast() && !slices.Contains(p.own, f.dst) && !h.kernel.hasAddr(f.dst) {
			return
		}
		if len(h.proc.socket) == socketPackets || h.power == replaced {
			h.w.mon.lost(f, h.node())
			return
		}
		h.w.stats.Adverts++
		h.proc.socket = append(h.proc.socket, received{p.index, f})
		if h.power == powerOn {
			h.proc.wake(h.w.now + h.w.within(0, h.w.bounds.Lateness))
		}
	}
}

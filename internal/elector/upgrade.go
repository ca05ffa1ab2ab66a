package elector

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/arp"
	"hakeep/internal/cpus"
	"hakeep/internal/netif"
	"hakeep/internal/version"
	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// An upgrade executes another binary in this process. Its process id, its
// priorities and the socket that main connects to stay; sockets for adverts are
// opened anew, and addresses are not touched: the first Sync of the new image
// finds them as they shall be.
const (
	stateVar  = "HAKEEP_ELECTOR_STATE"  // descriptor of the state
	listenVar = "HAKEEP_ELECTOR_LISTEN" // descriptor of the listening socket

	// handedEvents is how many of the latest events are handed over: encoding
	// them is time in which no advert leaves.
	handedEvents = 512
)

// handover is what the elector hands to its successor.
type handover struct {
	Version int
	Program string
	// At is the moment of the last look at the sockets.
	At          time.Duration
	Started     time.Time
	MainTimeout time.Duration
	Config      *wire.Config
	Router      *vrrp.RouterState
	Members     []memberData
	Events      []wire.Event
	LastEvent   uint64
}

// memberData is what the loop keeps of an instance.
type memberData struct {
	ID vrrp.ID
	// Instance is of one that the configuration has no more.
	Instance *wire.Instance `json:",omitempty"`
	Install  bool
	Counters wire.Counters
	Reasons  []uint64
	Told     []uint64
	Peers    []peerData
	Doubles  uint64
	Double   time.Duration
}

type peerData struct {
	Peer wire.Peer
	Seen time.Duration
}

// upgradeMsg asks the loop to execute another binary. There is an answer only if
// that fails.
type upgradeMsg struct {
	executable  string
	listener    *os.File // duplicate of the listening socket
	mainTimeout time.Duration
	reply       chan<- error
}

// upgrade prepares the successor's descriptors and lets the loop execute it. It
// returns why that was not possible.
func (c *control) upgrade(u *wire.Upgrade) error {
	if u.State != wire.StateVersion {
		return fmt.Errorf("its state has version %d, and this is version %d", u.State, wire.StateVersion)
	}
	if err := unix.Access(u.Executable, unix.X_OK); err != nil {
		return fmt.Errorf("execute %s: %w", u.Executable, err)
	}
	f, err := c.listener.File()
	if err != nil {
		return fmt.Errorf("hand the socket over: %w", err)
	}
	defer f.Close()
	c.mu.Lock()
	timeout := c.mainTimeout
	c.mu.Unlock()
	reply := make(chan error, 1)
	c.inbox.post(upgradeMsg{executable: u.Executable, listener: f, mainTimeout: timeout, reply: reply})
	return <-reply
}

// upgrade executes the successor. It returns only on failure, after which
// everything goes on.
func (l *loop) upgrade(m upgradeMsg) error {
	if l.stopping {
		return fmt.Errorf("it is leaving")
	}
	l.drain()
	l.flush()
	h := l.handOver()
	h.MainTimeout = m.mainTimeout
	state, err := unix.MemfdCreate("hakeep-state", 0) // inherited
	if err != nil {
		return fmt.Errorf("hand the state over: %w", err)
	}
	defer unix.Close(state)
	text, err := json.Marshal(h)
	if err == nil {
		_, err = unix.Write(state, text)
	}
	if err == nil {
		_, err = unix.Seek(state, 0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("hand the state over: %w", err)
	}
	if _, err := unix.FcntlInt(m.listener.Fd(), unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("hand the socket over: %w", err)
	}
	env := append(os.Environ(), stateVar+"="+strconv.Itoa(state), listenVar+"="+strconv.Itoa(int(m.listener.Fd())))
	if l.rt.wanted {
		env = append(env, stageVar+"=2", reasonVar+"="+l.rt.reason)
	}
	if l.rt.granted { // the new image's threads inherit this one's priority and CPUs
		if err := errors.Join(setRR(priorityRest), cpus.Release()); err != nil {
			return fmt.Errorf("set priority of the new image: %w", err)
		}
	}
	err = syscall.Exec(m.executable, os.Args, env)
	if l.rt.granted {
		_, _ = setFIFO(priorityLoop), cpus.Adverts() // as it was
	}
	_, _ = unix.FcntlInt(m.listener.Fd(), unix.F_SETFD, unix.FD_CLOEXEC)
	return fmt.Errorf("execute %s: %w", m.executable, err)
}

// handOver is the state of the loop.
func (l *loop) handOver() *handover {
	h := &handover{
		Version: wire.StateVersion, Program: version.String(), At: l.clock.now(),
		Started: l.started, Config: l.config, Router: l.router.Export(),
	}
	for i := range h.Router.Instances {
		in := &h.Router.Instances[i]
		m := l.members[in.ID]
		d := memberData{
			ID: in.ID, Install: m.install, Counters: m.counters, Reasons: m.reasons[:], Told: m.told[:],
			Doubles: m.doubles, Double: m.doubleTime,
		}
		if in.Gone {
			d.Instance = m.inst
		}
		for _, p := range m.peers {
			d.Peers = append(d.Peers, peerData{wire.Peer{Addr: p.addr, Priority: p.priority, Interval: p.interval, Adverts: p.adverts}, p.seen})
		}
		h.Members = append(h.Members, d)
	}
	h.LastEvent = l.journal.lastSeq()
	h.Events = l.journal.after(max(h.LastEvent, handedEvents)-handedEvents, handedEvents)
	return h
}

// inherited returns the state and the socket that an earlier image of this
// process has left, nil if there is none.
func inherited() (*handover, *net.UnixListener, error) {
	state, socket := os.Getenv(stateVar), os.Getenv(listenVar)
	if state == "" || socket == "" {
		return nil, nil, nil
	}
	os.Unsetenv(stateVar)
	os.Unsetenv(listenVar)
	file := func(number, name string) (*os.File, error) {
		fd, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("take over %s: %w", name, err)
		}
		return os.NewFile(uintptr(fd), name), nil
	}
	sf, err := file(socket, "socket")
	if err != nil {
		return nil, nil, err
	}
	defer sf.Close()
	l, err := net.FileListener(sf)
	if err != nil {
		return nil, nil, fmt.Errorf("take over socket: %w", err)
	}
	mf, err := file(state, "state")
	if err != nil {
		return nil, nil, err
	}
	defer mf.Close()
	h := new(handover)
	if err := json.NewDecoder(mf).Decode(h); err != nil {
		return nil, nil, fmt.Errorf("take over state: %w", err)
	}
	if h.Version != wire.StateVersion {
		return nil, nil, fmt.Errorf("take over state: it has version %d, and this is version %d", h.Version, wire.StateVersion)
	}
	listener := l.(*net.UnixListener)
	listener.SetUnlinkOnClose(true) // as if this image had made it
	return h, listener, nil
}

// takeOver goes on where the earlier image has stopped.
func (l *loop) takeOver(h *handover) {
	l.started, l.config, l.delays.delays = h.Started, h.Config, h.Config.LinkDelays
	l.journal.restore(h.Events, h.LastEvent)
	configured := map[string]*wire.Instance{}
	for _, in := range h.Config.Instances {
		configured[in.Params.Name] = in
	}
	for i := range h.Router.Instances {
		in, d := &h.Router.Instances[i], &h.Members[i]
		silent := in.LingerUntil != vrrp.Forever || in.State == vrrp.Master && in.Graced
		m := &member{inst: d.Instance, install: d.Install, silent: silent, installed: map[netif.Key]arp.Target{}}
		if m.inst == nil {
			m.inst = configured[in.Params.Name]
		}
		in.Params = &m.inst.Params
		m.restore(d)
		l.members[in.ID] = m
		if m.install {
			l.installing[in.ID] = true
		}
		if in.Gone {
			for _, a := range m.inst.Addresses {
				l.byKey[a.Key()] = in.ID
			}
		}
	}
	for id, m := range l.members {
		if configured[m.inst.Params.Name] == m.inst {
			for _, a := range m.inst.Addresses {
				l.byKey[a.Key()] = id
			}
		}
	}
	for _, m := range l.members {
		m.until = l.found[identityOf(&m.inst.Params)]
	}
	l.found = nil
	l.layoutMarks()
	l.touchInstalling()
	l.router = vrrp.Restore(h.Router)
	l.addrs.own(h.Config)
	l.addrs.put(l.desired())
	l.syncSockets()
	now := l.clock.now()
	deaf := now - h.At
	l.act(now, l.router.Step(now, vrrp.Deaf{For: deaf}))
	l.log("info", fmt.Sprintf("goes on as %s, was %s; no sockets for %v", version.String(), h.Program, deaf.Round(10*time.Microsecond)))
}

// restore takes over what was counted.
func (r *record) restore(d *memberData) {
	r.counters, r.doubles, r.doubleTime = d.Counters, d.Doubles, d.Double
	copy(r.reasons[:], d.Reasons)
	copy(r.told[:], d.Told)
	for _, p := range d.Peers {
		r.peers = append(r.peers, peer{addr: p.Peer.Addr, priority: p.Peer.Priority, interval: p.Peer.Interval, seen: p.Seen, adverts: p.Peer.Adverts})
	}
}

// restore takes over events that end with the number last.
func (j *journal) restore(events []wire.Event, last uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(events) > 0 {
		events[0].Lost = 0 // it is counted anew
	}
	j.events, j.last = slices.Clone(events), last
	j.first = last - uint64(len(events)) + 1
}

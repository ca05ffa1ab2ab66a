package vrrp

import (
	"net/netip"
	"time"
)

// ID names an instance within one router. It is given when the instance is
// added, survives every reconfiguration that keeps the instance, and is never
// used again.
type ID uint32

// Event is something that happened: the input of [Router.Step].
type Event interface{ event() }

// AdvertReceived is a packet of IP protocol 112 as it came from the network.
// It is stepped by pointer, so that the caller can use one value for all.
type AdvertReceived struct {
	// Link is the index of the interface that it arrived on.
	Link     int
	Src, Dst netip.Addr
	// TTL is the TTL or hop limit, -1 if the socket did not tell.
	TTL int
	// Payload is the VRRP message. The router does not keep it.
	Payload []byte
}

// Timeout lets the deadlines that have passed act. It may be stepped only when
// all adverts that had arrived before were stepped.
type Timeout struct {
	// Limit bounds how many instances act, 0 for all: a peer's socket takes
	// bursts only up to a point. The others stay due.
	Limit int
	// Paced says that what is due now was held back by the limit of a Timeout
	// before. A master's next advert is then counted from now, so that instances
	// whose adverts coincide spread out once and stay apart.
	Paced bool
	// Adverts lets nobody act but masters that are not so late that another one may
	// have taken over, and do nothing but advertise: it may be stepped although
	// adverts may have arrived that were not.
	Adverts bool
}

// LinkChanged is an interface that appeared or changed, or one of its addresses.
type LinkChanged struct{ Link Link }

// LinkGone is an interface that vanished, or has another name now.
type LinkGone struct{ Name string }

// Link is an interface of the host.
type Link struct {
	Name  string
	Index int
	// Up is administratively up with carrier.
	Up bool
	// Addrs are the usable (not tentative) addresses in the kernel's order.
	Addrs []netip.Addr
}

// Reconfigure replaces the configuration as a whole.
type Reconfigure struct {
	// Start is when vrrp_startup_delay and vrrp_delay_after_boot are over for
	// instances that are added now. A time in the past means no delay.
	Start     time.Duration
	Instances []*Params
	// Standby names instances that are held back from their start on; those that
	// go on are not concerned.
	Standby []string
	// Resume names instances that go on as master if they are new to this router
	// and nobody can have taken over yet.
	Resume []Resumed
}

// AddressTaken says that another program keeps removing an address of this
// instance.
type AddressTaken struct{ ID ID }

// Tracked says what the tracked scripts, files, processes and checks of an
// instance add up to.
type Tracked struct {
	ID ID
	// Weight is added to the priority.
	Weight int
	// Fault says that one with weight 0 has failed.
	Fault bool
}

// Installed says that all addresses of an instance are in the kernel.
type Installed struct{ ID ID }

// WinnerAnnounced says that another host has announced all addresses of an instance
// that it has given up, and that are kept for the winner.
type WinnerAnnounced struct{ ID ID }

// Standby makes an instance stay back although it is well, or take part again.
// A master leaves in a planned way.
type Standby struct {
	ID ID
	On bool
}

// Shutdown is the orderly stop: masters say that they leave.
type Shutdown struct{}

func (*AdvertReceived) event() {}
func (Timeout) event()         {}
func (LinkChanged) event()     {}
func (LinkGone) event()        {}
func (Reconfigure) event()     {}
func (AddressTaken) event()    {}
func (Tracked) event()         {}
func (Installed) event()       {}
func (WinnerAnnounced) event() {}
func (Standby) event()         {}
func (Shutdown) event()        {}

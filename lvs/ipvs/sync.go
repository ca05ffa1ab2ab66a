package ipvs

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// SyncState is what a synchronisation daemon does. The numbers are the kernel's
// (IP_VS_STATE_MASTER and IP_VS_STATE_BACKUP).
type SyncState uint8

// The states: the master sends its connections, the backup receives them.
const (
	SyncMaster SyncState = 1
	SyncBackup SyncState = 2
)

// String is ipvsadm's word.
func (s SyncState) String() string {
	switch s {
	case SyncMaster:
		return "master"
	case SyncBackup:
		return "backup"
	}
	return fmt.Sprintf("SyncState(%d)", uint8(s))
}

// Sync is a synchronisation daemon of the kernel (lvs_sync_daemon). 0 stands for the
// kernel's default.
type Sync struct {
	State SyncState
	// Interface is where the messages are sent and received; at most 15 bytes.
	Interface string
	// ID is the group of directors; both need the same.
	ID uint8
	// MaxLen is the largest payload of a message: by default, what fits into the
	// interface's MTU.
	MaxLen uint16
	// Group is the multicast address, 224.0.0.81 unless it is valid.
	Group netip.Addr
	// Port is 8848 by default, TTL is 1.
	Port uint16
	TTL  uint8
}

// The kernel's defaults (net/netfilter/ipvs/ip_vs_sync.c).
var syncGroup = netip.AddrFrom4([4]byte{224, 0, 0, 81})

const (
	syncPort = 8848
	syncTTL  = 1
)

// withDefaults has everything filled in but MaxLen.
func (s Sync) withDefaults() Sync {
	if !s.Group.IsValid() {
		s.Group = syncGroup
	}
	if s.Port == 0 {
		s.Port = syncPort
	}
	if s.TTL == 0 {
		s.TTL = syncTTL
	}
	return s
}

// same tells whether a daemon that runs is the one that is wanted.
func (s Sync) same(running Sync) bool {
	want := s.withDefaults()
	if want.MaxLen == 0 {
		want.MaxLen = running.MaxLen
	}
	return want == running.withDefaults()
}

// SyncDaemons returns those that run: none, a master, a backup, or one of each.
func (c *Client) SyncDaemons(ctx context.Context) ([]Sync, error) {
	var daemons []Sync
	err := c.ask(ctx, cmdGetDaemon, netlink.Dump, nil, func(b []byte) error {
		s, err := decodeSync(b)
		daemons = append(daemons, s)
		return err
	})
	return daemons, wrap("read the IPVS synchronisation daemons", err)
}

// SetSyncDaemons makes these the only daemons that run: none, a master, a backup, or
// one of each. One that runs as wanted is left alone; a new one is started before that
// of the other state ends. The interface has to be up.
func (c *Client) SetSyncDaemons(ctx context.Context, want ...Sync) error {
	running, err := c.SyncDaemons(ctx)
	if err != nil {
		return err
	}
	var start []Sync
	for _, w := range want {
		i := slices.IndexFunc(running, func(r Sync) bool { return r.State == w.State })
		if i >= 0 && w.same(running[i]) {
			continue
		}
		if i >= 0 {
			// One of the same state has to end first.
			if err := c.stopSync(ctx, w.State); err != nil {
				return err
			}
		}
		start = append(start, w)
	}
	for _, w := range start {
		if err := c.startSync(ctx, w); err != nil {
			return err
		}
	}
	for _, r := range running {
		if !slices.ContainsFunc(want, func(w Sync) bool { return w.State == r.State }) {
			if err := c.stopSync(ctx, r.State); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Client) startSync(ctx context.Context, s Sync) error {
	attrs := func(b []byte) []byte { return appendSync(b, s) }
	err := c.ask(ctx, cmdNewDaemon, netlink.Acknowledge, attrs, nil)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return wrap(fmt.Sprintf("start the IPVS synchronisation daemon (%v, %s)", s.State, s.Interface), err)
}

func (c *Client) stopSync(ctx context.Context, state SyncState) error {
	attrs := func(b []byte) []byte {
		return appendNested(b, attrDaemon, func(b []byte) []byte { return appendUint32(b, daemonState, uint32(state)) })
	}
	err := c.ask(ctx, cmdDelDaemon, netlink.Acknowledge, attrs, nil)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return wrap(fmt.Sprintf("stop the IPVS synchronisation daemon (%v)", state), err)
}

func appendSync(b []byte, s Sync) []byte {
	return appendNested(b, attrDaemon, func(b []byte) []byte {
		b = appendUint32(b, daemonState, uint32(s.State))
		b = appendString(b, daemonInterface, s.Interface)
		b = appendUint32(b, daemonID, uint32(s.ID))
		// The others are unknown to kernels before 4.3, which ignore them.
		if s.MaxLen != 0 {
			b = appendUint16(b, daemonMaxLen, s.MaxLen)
		}
		switch {
		case s.Group.Is4():
			b = appendAttr(b, daemonGroup, s.Group.AsSlice())
		case s.Group.Is6():
			b = appendAttr(b, daemonGroup6, s.Group.AsSlice())
		}
		if s.Port != 0 {
			b = appendUint16(b, daemonPort, s.Port)
		}
		if s.TTL != 0 {
			b = appendUint8(b, daemonTTL, s.TTL)
		}
		return b
	})
}

func decodeSync(b []byte) (Sync, error) {
	var s Sync
	var bad error
	err := nested(b, attrDaemon, func(d *netlink.AttributeDecoder) error {
		switch d.Type() {
		case daemonState:
			s.State = SyncState(d.Uint32())
		case daemonInterface:
			s.Interface = d.String()
		case daemonID:
			s.ID = uint8(d.Uint32())
		case daemonMaxLen:
			s.MaxLen = d.Uint16()
		case daemonGroup:
			s.Group, bad = address(d.Bytes(), unix.AF_INET)
		case daemonGroup6:
			s.Group, bad = address(d.Bytes(), unix.AF_INET6)
		case daemonPort:
			s.Port = d.Uint16()
		case daemonTTL:
			s.TTL = d.Uint8()
		}
		return bad
	})
	return s, err
}

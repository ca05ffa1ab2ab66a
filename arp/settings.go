package arp

import (
	"fmt"
	"net/netip"
	"time"
)

// Target is one address to be announced on one link. An address that is to be
// announced on several links is several targets.
type Target struct {
	// Addr is the address: IPv4 is announced by gratuitous ARP, IPv6 by
	// unsolicited neighbour advertisement. An IPv4-mapped address counts as
	// IPv4, a zone is ignored.
	Addr netip.Addr
	// Link is the index of the interface by which the announcement leaves,
	// at least 1.
	Link int
	// MAC is the hardware address to announce; it is the source of the frame
	// as well.
	MAC [6]byte
	// Router is the Router flag of an IPv6 announcement: whether this host
	// forwards IPv6. It means nothing for IPv4.
	Router bool
	// Group names the pacing budget that the target draws on. Targets with
	// the same number share one budget for each family, whatever their
	// links: the members of a garp_group, or all the macvlans above one
	// physical interface. Zero means the budget of Link itself.
	Group uint32
}

// Settings are keepalived's garp_* keywords of an instance (vrrp_garp_* in
// global_defs). The zero value is usable but not the default; that is
// [DefaultSettings].
type Settings struct {
	// Repeat is the number of rounds in each burst of a new master:
	// garp_master_repeat, default 5. Values below 1 count as 1: a master
	// that does not announce itself gets no traffic.
	Repeat int
	// Delay is the time from the begin of the first burst to the second:
	// garp_master_delay, default 5 s. Zero means no second burst.
	Delay time.Duration
	// Refresh is the period of the announcements repeated for as long as the
	// instance is master: garp_master_refresh, default 0, which means none.
	Refresh time.Duration
	// RefreshRepeat is the number of rounds of each of those:
	// garp_master_refresh_repeat, default 1. With 0 there are none.
	RefreshRepeat int
	// LowerPrioRepeat is the number of rounds in each burst after a master
	// of lower priority was heard: garp_lower_prio_repeat, default 5
	// (keepalived: the value of Repeat). With 0 there is no burst.
	LowerPrioRepeat int
	// LowerPrioDelay is the time from that burst to its second:
	// garp_lower_prio_delay, default 5 s (keepalived: the value of Delay).
	// Zero means no second burst.
	LowerPrioDelay time.Duration
	// Interval is the least time between two gratuitous ARPs of one budget,
	// which is a link unless [Target.Group] says otherwise:
	// vrrp_garp_interval, default 0, which means no pacing. Where the
	// instances of a budget differ, the instance that has sent decides how
	// long the next one waits.
	Interval time.Duration
	// NAInterval is the same for unsolicited neighbour advertisements:
	// vrrp_gna_interval, default 0.
	NAInterval time.Duration
}

// DefaultSettings returns keepalived's defaults: five rounds, five more after
// five seconds, the same after a master of lower priority was heard, no
// refresh, no pacing.
func DefaultSettings() Settings {
	return Settings{
		Repeat:          5,
		Delay:           5 * time.Second,
		RefreshRepeat:   1,
		LowerPrioRepeat: 5,
		LowerPrioDelay:  5 * time.Second,
	}
}

// Group is the pacing of a set of links: keepalived's garp_group block. Its
// intervals are in force for the targets with that [Target.Group] instead of
// those of the instances' settings.
type Group struct {
	// ID is what the targets name. It is not zero.
	ID uint32
	// Interval is the least time between two gratuitous ARPs of the group:
	// garp_interval. Zero means no pacing.
	Interval time.Duration
	// NAInterval is the least time between two unsolicited neighbour
	// advertisements of the group: gna_interval. Zero means no pacing.
	NAInterval time.Duration
}

// Cause says why announcements begin.
type Cause uint8

const (
	// CauseMaster: the instance became master. Settings.Repeat rounds, and
	// as many again after Settings.Delay.
	CauseMaster Cause = iota + 1
	// CauseLowerPriority: a master of lower priority (or of equal priority
	// and lower address) was heard and has announced the addresses as its
	// own. Settings.LowerPrioRepeat rounds over all addresses of the
	// instance, and as many again after Settings.LowerPrioDelay.
	//
	// This is the one cause that peers control, so it is limited, which
	// keepalived does not do: the first burst leaves at once, the next at
	// least 100 ms after it began, then 200 ms and so on up to one second.
	// After two quiet seconds the first is at once again. A burst that comes
	// too early is put off, not lost.
	CauseLowerPriority
	// CauseRefresh: one refresh out of turn. Settings.RefreshRepeat rounds,
	// at least one, and nothing later.
	CauseRefresh
	// CauseAdded: addresses were added by a reload, or put back after
	// somebody had removed them, or have another hardware address or Router
	// flag. As CauseMaster.
	CauseAdded
)

// String returns the name of the cause as it is used in logs.
func (c Cause) String() string {
	switch c {
	case CauseMaster:
		return "master"
	case CauseLowerPriority:
		return "lower-priority"
	case CauseRefresh:
		return "refresh"
	case CauseAdded:
		return "added"
	default:
		return fmt.Sprintf("cause(%d)", uint8(c))
	}
}

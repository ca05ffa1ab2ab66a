package vrrp

import "time"

const (
	// Forever is later than any deadline.
	Forever = time.Duration(1<<63 - 1)

	// longAgo is before everything that bounds how often something may happen.
	longAgo = -Forever / 2

	// DefaultDownAdverts is the number of missed adverts after which a backup
	// takes over (RFC 9568, 6.1: 3; keepalived: down_timer_adverts).
	DefaultDownAdverts = 3

	// OwnerPriority is the priority of the router that owns the addresses
	// (RFC 9568, 5.2.4).
	OwnerPriority = 255

	// takenQuiet is how long an instance stays in Fault after other programs
	// took one of its addresses away again and again.
	takenQuiet = 30 * time.Second

	// minAnnounceGap bounds how often a master announces its addresses anew
	// because it hears a master of lower priority.
	minAnnounceGap = 100 * time.Millisecond
)

// SkewTime is the time that a backup of this priority waits beyond the missed
// adverts, so that the best one is first. Version 3: (256 - priority) / 256 of
// the interval (RFC 9568, 6.1), kept in nanoseconds: in centiseconds it would
// be 0 at 10 ms, and all backups would take over together. Version 2:
// (256 - priority) / 256 seconds (RFC 3768, 6.1).
func SkewTime(v Version, priority uint8, interval time.Duration) time.Duration {
	if v == V2 {
		interval = time.Second
	}
	return time.Duration(256-int(priority)) * interval / 256
}

// MasterDownInterval is the silence of the master after which a backup takes
// over: adverts times interval plus skew (RFC 9568, 6.1; keepalived:
// down_timer_adverts).
func MasterDownInterval(v Version, priority uint8, interval time.Duration, adverts int) time.Duration {
	return time.Duration(adverts)*interval + SkewTime(v, priority, interval)
}

// startMasterInterval is how long an instance with state MASTER waits before
// its first advert unless a better one arrives: one interval and the smallest
// skew (keepalived).
func startMasterInterval(v Version, interval time.Duration) time.Duration {
	return interval + SkewTime(v, OwnerPriority, interval)
}

// graceInterval is how late a timer may be stepped before the router assumes
// that it was not running, and therefore cannot know what it missed: one
// interval.
func graceInterval(interval time.Duration) time.Duration { return interval }

// listenInterval is how long it then listens before it acts: long enough for
// one advert of the master, which may be late by some part of an interval.
func listenInterval(interval time.Duration) time.Duration { return interval * 3 / 2 }

// replyGap is the least time between two adverts that a master sends at once in
// answer to a peer's. RFC 9568, 6.4.3 asks for an advert for each one heard;
// without a bound, two routers that see each other's as lower would answer
// each other at wire speed.
func replyGap(interval time.Duration) time.Duration { return interval / 2 }

// announceGap is the least time between two announcements that are provoked by
// masters of lower priority.
func announceGap(interval time.Duration) time.Duration { return max(interval, minAnnounceGap) }

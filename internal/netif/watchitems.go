package netif

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// Offsets in a notification: struct nlmsghdr, then struct rtmsg.
const (
	offsetKind          = 4
	offsetFlags         = 6
	offsetRouteProtocol = unix.NLMSG_HDRLEN + 5
)

// FollowItems makes a Watch tell of routes and rules too, or no longer. Of
// routes it tells of those that carry the mark Protocol and of those that took
// the place of another: the kernel drops the rest before they are queued, so
// that a router with a full table is not disturbed. It may be called while Run
// works, in any thread.
func (w *Watch) FollowItems(on bool) error {
	option := unix.NETLINK_DROP_MEMBERSHIP
	if on {
		option = unix.NETLINK_ADD_MEMBERSHIP
	}
	var err error
	controlErr := w.conn.Control(func(fd uintptr) {
		if err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, itemFilter()); err != nil {
			return
		}
		for _, group := range []int{unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE} {
			err = errors.Join(err, unix.SetsockoptInt(int(fd), unix.SOL_NETLINK, option, group))
		}
	})
	if err = errors.Join(controlErr, err); err != nil {
		return fmt.Errorf("watch routes and rules: %w", err)
	}
	return nil
}

// itemFilter passes everything but the routes of others.
func itemFilter() *unix.SockFprog {
	// The filter loads in network order what the kernel wrote in its own.
	swapped := func(v uint16) uint32 {
		return uint32(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, v)))
	}
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: offsetKind},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: swapped(unix.RTM_NEWROUTE), Jt: 1},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: swapped(unix.RTM_DELROUTE), Jf: 4}, // to pass
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: offsetFlags},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: swapped(unix.NLM_F_REPLACE), Jt: 2}, // to pass
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: offsetRouteProtocol},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: Protocol, Jf: 1}, // to drop
		{Code: unix.BPF_RET | unix.BPF_K, K: math.MaxUint32},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	return &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
}

// itemEvent decodes a notification about a route or rule.
func (w *Watch) itemEvent(m message) (ev Event, ok bool, err error) {
	ev.Kind = EventItem
	switch m.kind {
	case unix.RTM_DELROUTE, unix.RTM_DELRULE:
		ev.Kind = EventItemGone
	}
	if m.kind == unix.RTM_NEWRULE || m.kind == unix.RTM_DELRULE {
		rule, ok, err := parseRule(m.body)
		ev.Item = Item{Rule: &rule}
		return ev, ok, err
	}
	route, ok, err := parseRoute(m.body, w.itemName)
	ev.Item = Item{Route: &route}
	return ev, ok, err
}

// itemName is the name of a route's interface.
func (w *Watch) itemName(index int) string {
	if index == 0 {
		return ""
	}
	return w.name(index)
}

package netif

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// watchBuffer is asked for a Watch. A notification counts with about 1 kB, so
// it holds what happens while 4,000 addresses come or go.
const watchBuffer = 8 << 20

// EventKind says what happened.
type EventKind uint8

// The kinds of events.
const (
	// EventLink says that an interface appeared or changed.
	EventLink EventKind = iota + 1
	// EventLinkGone says that an interface was removed.
	EventLinkGone
	// EventAddr says that an address appeared or changed.
	EventAddr
	// EventAddrGone says that an address was removed.
	EventAddrGone
	// EventItem says that a route or rule appeared or changed; see
	// Watch.FollowItems.
	EventItem
	// EventItemGone says that a route or rule was removed.
	EventItemGone
	// EventResync says that events were lost: everything must be read again.
	EventResync
)

// String returns a name for logs.
func (k EventKind) String() string {
	switch k {
	case EventLink:
		return "link"
	case EventLinkGone:
		return "link gone"
	case EventAddr:
		return "address"
	case EventAddrGone:
		return "address gone"
	case EventItem:
		return "route or rule"
	case EventItemGone:
		return "route or rule gone"
	case EventResync:
		return "resync"
	}
	return fmt.Sprintf("EventKind(%d)", uint8(k))
}

// Event is something that happened to a link or an address. It tells of the
// past: the kernel may be in another state by the time that it is read.
type Event struct {
	// Kind says what happened.
	Kind EventKind
	// Link is the link of EventLink and EventLinkGone.
	Link Link
	// Addr is the address of EventAddr and EventAddrGone.
	Addr Installed
	// Item is the route or rule of EventItem and EventItemGone.
	Item Item
}

// Watch receives the kernel's notifications about the links and addresses of
// one network namespace.
type Watch struct {
	file  *os.File
	conn  syscall.RawConn
	names map[int]string // of interfaces, owned by Run
	in    []byte
}

// OpenWatch opens a Watch on the network namespace of the calling thread. What
// happens from now on is kept until Run reads it, so a caller that opens the
// Watch first and reads links and addresses then misses nothing.
func OpenWatch() (*Watch, error) { return openWatch(watchBuffer) }

func openWatch(buffer int) (*Watch, error) {
	groups := uint32(0)
	for _, group := range []int{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR} {
		groups |= 1 << (group - 1)
	}
	fd, err := openSocket(groups, buffer, unix.SOCK_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch links and addresses: %w", err)
	}
	w := &Watch{file: os.NewFile(uintptr(fd), "rtnetlink"), in: make([]byte, inBytes)}
	if w.conn, err = w.file.SyscallConn(); err == nil {
		err = w.readNames()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch links and addresses: %w", err), w.Close())
	}
	return w, nil
}

// Close closes the socket; a Run that is under way returns os.ErrClosed.
func (w *Watch) Close() error {
	if err := w.file.Close(); err != nil {
		return fmt.Errorf("close watch: %w", err)
	}
	return nil
}

// readNames reads the names of all interfaces, since addresses are reported
// with the index only and an interface that is being removed cannot be asked.
func (w *Watch) readNames() error {
	k, err := OpenKernel()
	if err != nil {
		return err
	}
	links, err := k.Links()
	if err = errors.Join(err, k.Close()); err != nil {
		return err
	}
	w.names = make(map[int]string, len(links))
	for _, l := range links {
		w.names[l.Index] = l.Name
	}
	return nil
}

// Run calls emit for each event, in the kernel's order, until ctx is done (it
// returns its error) or the socket fails. When emit blocks for so long that
// the kernel drops notifications, or one cannot be understood, an EventResync
// takes their place. Run is called once.
func (w *Watch) Run(ctx context.Context, emit func(Event)) error {
	stop := context.AfterFunc(ctx, func() {
		// Ends a read that waits; on a closed file there is none.
		_ = w.file.SetReadDeadline(time.Unix(1, 0))
	})
	defer stop()
	for {
		var n int
		var from unix.Sockaddr
		var readErr error
		err := w.conn.Read(func(fd uintptr) bool {
			n, from, readErr = unix.Recvfrom(int(fd), w.in, unix.MSG_TRUNC)
			return readErr != unix.EAGAIN
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			// Apart from the deadline only a closed file ends the wait.
			return fmt.Errorf("watch links and addresses: %w", os.ErrClosed)
		case readErr == unix.EINTR:
			continue
		case readErr == unix.ENOBUFS, readErr == nil && n > len(w.in):
			clear(w.names) // may have changed unseen
			emit(Event{Kind: EventResync})
			continue
		case readErr != nil:
			return fmt.Errorf("watch links and addresses: %w", os.NewSyscallError("recvfrom", readErr))
		}
		if sa, ok := from.(*unix.SockaddrNetlink); ok && sa.Pid == 0 {
			w.decode(w.in[:n], emit)
		}
	}
}

// decode calls emit for each notification of a datagram.
func (w *Watch) decode(b []byte, emit func(Event)) {
	for len(b) > 0 {
		var m message
		var err error
		if m, b, err = nextMessage(b); err != nil {
			emit(Event{Kind: EventResync})
			return
		}
		ev, ok, err := w.event(m)
		switch {
		case err != nil:
			emit(Event{Kind: EventResync})
		case ok:
			emit(ev)
		}
	}
}

// event decodes one notification; ok is false if it is about something else.
func (w *Watch) event(m message) (ev Event, ok bool, err error) {
	switch m.kind {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		ev.Kind = EventLink
		if ev.Link, ok, err = parseLink(m.body); !ok {
			return ev, false, err
		}
		w.names[ev.Link.Index] = ev.Link.Name
		if m.kind == unix.RTM_DELLINK {
			ev.Kind = EventLinkGone
			delete(w.names, ev.Link.Index)
		}
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		ev.Kind = EventAddr
		if m.kind == unix.RTM_DELADDR {
			ev.Kind = EventAddrGone
		}
		if ev.Addr, ok, err = parseAddr(m.body); !ok {
			return ev, false, err
		}
		ev.Addr.Link = w.name(ev.Addr.Index)
		ok = ev.Addr.Link != ""
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE, unix.RTM_NEWRULE, unix.RTM_DELRULE:
		return w.itemEvent(m)
	}
	return ev, ok, nil
}

// name is the name of an interface. One that is not known appeared in events
// that were lost.
func (w *Watch) name(index int) string {
	if name, known := w.names[index]; known {
		return name
	}
	var name string
	var nameErr error
	err := w.conn.Control(func(fd uintptr) { name, nameErr = linkName(int(fd), index) })
	if err != nil || nameErr != nil {
		return "" // gone, with its addresses
	}
	w.names[index] = name
	return name
}

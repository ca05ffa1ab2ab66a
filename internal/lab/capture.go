package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// maxFrames bounds the memory of a capture; later frames are counted as
// dropped. Follow still sees them.
const maxFrames = 1 << 20

// CaptureOptions are the settings of a capture; the zero value captures
// everything.
type CaptureOptions struct {
	// Filter selects frames; 0 means all.
	Filter Filter
	// Follow, if set, is called for every frame in order, on the capture's
	// own goroutine.
	Follow func(Frame)
}

// Capture records frames that an interface sends and receives.
type Capture struct {
	file   *os.File
	ifname string
	follow func(Frame)

	mu      sync.Mutex
	frames  []Frame
	dropped int
	changed chan struct{} // closed and renewed at every frame

	done       chan struct{}
	closeOnce  sync.Once
	unregister func()
}

// StartCapture begins to capture on an interface of the namespace. Frames
// are recorded from the moment it returns. The caller ends it with Close.
func StartCapture(ns *Namespace, ifname string, opts CaptureOptions) (*Capture, error) {
	c := &Capture{ifname: ifname, follow: opts.Follow, changed: make(chan struct{}), done: make(chan struct{})}
	var fd int
	err := ns.Do(func() (err error) {
		fd, err = openPacketSocket(ifname, opts.Filter)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("capture on %s in %s: %w", ifname, ns.name, err)
	}
	c.file = os.NewFile(uintptr(fd), "capture "+ifname)
	unregister, ok := ns.onClose(c.Close)
	if !ok {
		c.file.Close()
		return nil, fmt.Errorf("capture on %s in %s: %w", ifname, ns.name, net.ErrClosed)
	}
	c.unregister = unregister
	go c.loop()
	return c, nil
}

// openPacketSocket returns a non-blocking socket bound to the interface,
// holding no frame that the filter does not let pass.
func openPacketSocket(ifname string, filter Filter) (fd int, err error) {
	ifi, err := net.InterfaceByName(ifname)
	if err != nil {
		return -1, err
	}
	// Protocol 0 receives nothing until bind.
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("open packet socket: %w", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return -1, fmt.Errorf("ask for timestamps: %w", err)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 32<<20)
	}
	if err := attachFilter(fd, filter); err != nil {
		return -1, err
	}
	sa := &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: ifi.Index}
	if err := unix.Bind(fd, sa); err != nil {
		return -1, fmt.Errorf("bind to %s: %w", ifname, err)
	}
	mreq := unix.PacketMreq{Ifindex: int32(ifi.Index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq); err != nil {
		return -1, fmt.Errorf("set %s promiscuous: %w", ifname, err)
	}
	return fd, nil
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

func attachFilter(fd int, filter Filter) error {
	raw, err := bpf.Assemble(filter.program())
	if err != nil {
		return fmt.Errorf("assemble filter: %w", err)
	}
	prog := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		prog[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &fprog); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	return nil
}

func (c *Capture) loop() {
	defer close(c.done)
	conn, err := c.file.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 1<<16)
	oob := make([]byte, 128)
	for {
		var f Frame
		var rerr error
		err := conn.Read(func(fd uintptr) bool {
			f, rerr = readFrame(int(fd), buf, oob)
			return !errors.Is(rerr, unix.EAGAIN)
		})
		switch {
		case err != nil:
			return // closed
		case errors.Is(rerr, syscall.EINTR), errors.Is(rerr, unix.ENETDOWN):
			continue // the interface went down: it may come back
		case rerr != nil:
			return
		}
		c.add(f)
	}
}

func readFrame(fd int, buf, oob []byte) (Frame, error) {
	n, oobn, _, from, err := unix.Recvmsg(fd, buf, oob, unix.MSG_DONTWAIT)
	if err != nil {
		return Frame{}, err
	}
	f := Frame{Data: append([]byte(nil), buf[:n]...)}
	var ok bool
	if f.Time, ok = kernelTime(oob[:oobn]); !ok {
		f.Time = time.Now().Round(0)
	}
	if ll, ok := from.(*unix.SockaddrLinklayer); ok {
		f.Outgoing = ll.Pkttype == unix.PACKET_OUTGOING
	}
	return f, nil
}

func (c *Capture) add(f Frame) {
	c.mu.Lock()
	if len(c.frames) < maxFrames {
		c.frames = append(c.frames, f)
	} else {
		c.dropped++
	}
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
	if c.follow != nil {
		c.follow(f)
	}
}

// Frames are the frames so far, in order. Their data is shared: it must not
// be changed.
func (c *Capture) Frames() []Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frames[:len(c.frames):len(c.frames)]
}

// Dropped counts frames that the kernel or the memory bound took from the
// record.
func (c *Capture) Dropped() int {
	n := 0
	if conn, err := c.file.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) {
			if st, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
				n = int(st.Drops)
			}
		})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped += n // reading resets the kernel's counter
	return c.dropped
}

// Wait returns the first frame, recorded already or to come, for which match
// is true.
func (c *Capture) Wait(ctx context.Context, match func(Frame) bool) (Frame, error) {
	for i := 0; ; {
		c.mu.Lock()
		frames, changed := c.frames, c.changed
		c.mu.Unlock()
		for ; i < len(frames); i++ {
			if match(frames[i]) {
				return frames[i], nil
			}
		}
		select {
		case <-changed:
		case <-c.done:
			return Frame{}, fmt.Errorf("await frame on %s: %w", c.ifname, net.ErrClosed)
		case <-ctx.Done():
			return Frame{}, fmt.Errorf("await frame on %s (%d frames seen): %w", c.ifname, i, ctx.Err())
		}
	}
}

// WaitAfter is Wait for frames later than t.
func (c *Capture) WaitAfter(ctx context.Context, t time.Time, match func(Frame) bool) (Frame, error) {
	return c.Wait(ctx, func(f Frame) bool { return f.Time.After(t) && match(f) })
}

// Close ends the capture. Frames stays usable.
func (c *Capture) Close() {
	c.closeOnce.Do(func() {
		c.Dropped()
		c.file.Close()
		<-c.done
		c.unregister()
	})
}

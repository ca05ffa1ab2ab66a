package ipvs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"hakeep/lvs"
)

const (
	// batch is how many requests are sent before their answers are read. Their
	// answers, about 1 KiB each as the kernel accounts for them, have to fit into
	// the receive buffer even where that cannot be made larger (net.core.rmem_default
	// is 212,992 bytes): what does not fit is lost.
	batch = 128
	// readBuffer is what is asked for.
	readBuffer = 1 << 20
	// messageSize is more than the kernel puts into one datagram of a dump (32 KiB
	// since Linux 4.5, or what the last read had room for).
	messageSize = 64 << 10
	// quiet is how long nothing must come before an interrupted request is over.
	quiet = 10 * time.Millisecond
)

// Client is a connection to the IPVS of one network namespace, whatever thread uses it
// later. It is used by one goroutine at a time. After an error of the connection itself
// (such as a context that ended while the kernel had not answered) the next request
// first reads what has come meanwhile.
type Client struct {
	link   *netlink.Conn
	family uint16
	// requests and data are those of one batch, kept for the next.
	requests []netlink.Message
	data     [][]byte
	// expire is the sysctl of [Client.SetExpireNodest], or why there is none.
	expire    *os.File
	expireErr error
	// broken is the error after which requests and answers may no longer fit together.
	broken error
}

// Open connects to IPVS in the network namespace of the calling thread, and lets the
// kernel load the module if it is not there. An error that is [ErrUnavailable] means
// that this kernel has none.
func Open() (*Client, error) {
	link, err := netlink.Dial(unix.NETLINK_GENERIC, &netlink.Config{MessageBufferSize: messageSize})
	if err != nil {
		return nil, fmt.Errorf("open a generic netlink socket: %w", err)
	}
	// Refused without CAP_NET_ADMIN; batch is small enough for what there is then.
	_ = link.SetReadBuffer(readBuffer)
	// The connection of genetlink only wraps link, it needs no closing of its own.
	family, err := genetlink.NewConn(link).GetFamily(familyName)
	if err != nil {
		_ = link.Close()
		if errors.Is(err, os.ErrNotExist) {
			return nil, unavailable(err)
		}
		return nil, fmt.Errorf("ask for the netlink family %s: %w", familyName, err)
	}
	c := &Client{link: link, family: family.ID}
	c.openSysctl()
	return c, nil
}

// Close ends the connection. The table stays as it is.
func (c *Client) Close() error {
	if c.expire != nil {
		_ = c.expire.Close()
	}
	return c.link.Close()
}

// Info is about the kernel's IPVS as a whole.
type Info struct {
	// Version is IPVS's own, such as 1.2.1.
	Version string
	// ConnTable is the number of rows of the table of connections.
	ConnTable int
}

// Info asks for the version.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var info Info
	err := c.ask(ctx, cmdGetInfo, 0, nil, func(b []byte) error {
		d, err := netlink.NewAttributeDecoder(b)
		if err != nil {
			return err
		}
		for d.Next() {
			switch d.Type() {
			case infoVersion:
				v := d.Uint32()
				info.Version = fmt.Sprintf("%d.%d.%d", v>>16&0xff, v>>8&0xff, v&0xff)
			case infoConnTab:
				info.ConnTable = int(d.Uint32())
			}
		}
		return d.Err()
	})
	return info, wrap("read IPVS's version", err)
}

// Counters returns all services that owned accepts, with their servers and the
// counters of both, ordered by identity. Owned may be nil, for all. The kernel sums
// packets and bytes up every two seconds; connections are exact.
//
// It is one request for each service, and should not be asked for more often than
// somebody looks.
func (c *Client) Counters(ctx context.Context, owned func(lvs.ID) bool) ([]lvs.ServiceCounters, error) {
	_, counters, err := c.read(ctx, owned)
	return counters, err
}

// Services returns all services that owned accepts, with their servers, in canonical
// form and ordered by identity. Owned may be nil, for all.
func (c *Client) Services(ctx context.Context, owned func(lvs.ID) bool) ([]lvs.Service, error) {
	services, _, err := c.read(ctx, owned)
	return services, err
}

// read returns the table in both forms, with the same order of services and servers.
func (c *Client) read(ctx context.Context, owned func(lvs.ID) bool) ([]lvs.Service, []lvs.ServiceCounters, error) {
	var services []lvs.Service
	var counters []lvs.ServiceCounters
	err := c.ask(ctx, cmdGetService, netlink.Dump, nil, func(b []byte) error {
		s, n, err := decodeService(b)
		if err == nil && (owned == nil || owned(s.ID)) {
			services = append(services, s)
			counters = append(counters, lvs.ServiceCounters{ID: s.ID, Counters: n})
		}
		return err
	})
	if err != nil {
		return nil, nil, wrap("read the IPVS services", err)
	}
	slices.SortFunc(services, func(a, b lvs.Service) int { return a.ID.Compare(b.ID) })
	slices.SortFunc(counters, func(a, b lvs.ServiceCounters) int { return a.ID.Compare(b.ID) })
	for i := range services {
		s, n := &services[i], &counters[i]
		id := func(b []byte) []byte { return appendID(b, s.ID) }
		err := c.ask(ctx, cmdGetDest, netlink.Dump, id, func(b []byte) error {
			r, err := decodeServer(b, s.ID.Family)
			n.Servers = append(n.Servers, r)
			return err
		})
		if err != nil {
			return nil, nil, wrap("read the servers of "+s.ID.String(), err)
		}
		slices.SortFunc(n.Servers, func(a, b lvs.ServerCounters) int { return a.Server.Endpoint.Compare(b.Server.Endpoint) })
		s.Servers = make([]lvs.Server, len(n.Servers))
		for j := range n.Servers {
			s.Servers[j] = n.Servers[j].Server
		}
	}
	return services, counters, nil
}

// Flush deletes all services of the namespace, whoever owns them (lvs_flush).
func (c *Client) Flush(ctx context.Context) error {
	return wrap("flush the IPVS table", c.ask(ctx, cmdFlush, netlink.Acknowledge, nil, nil))
}

// Timeouts are how long the kernel remembers a connection without packets
// (lvs_timeouts); whole seconds.
type Timeouts struct {
	TCP, TCPFin, UDP time.Duration
}

// Timeouts asks for those in force.
func (c *Client) Timeouts(ctx context.Context) (Timeouts, error) {
	var t Timeouts
	err := c.ask(ctx, cmdGetConfig, 0, nil, func(b []byte) error {
		d, err := netlink.NewAttributeDecoder(b)
		if err != nil {
			return err
		}
		for d.Next() {
			switch d.Type() {
			case attrTimeoutTCP:
				t.TCP = time.Duration(d.Uint32()) * time.Second
			case attrTimeoutTCPFin:
				t.TCPFin = time.Duration(d.Uint32()) * time.Second
			case attrTimeoutUDP:
				t.UDP = time.Duration(d.Uint32()) * time.Second
			}
		}
		return d.Err()
	})
	return t, wrap("read the IPVS timeouts", err)
}

// SetTimeouts changes those that are not 0, for connections to come and the next
// packet of those there are.
func (c *Client) SetTimeouts(ctx context.Context, t Timeouts) error {
	attrs := func(b []byte) []byte {
		b = appendUint32(b, attrTimeoutTCP, uint32(t.TCP/time.Second))
		b = appendUint32(b, attrTimeoutTCPFin, uint32(t.TCPFin/time.Second))
		return appendUint32(b, attrTimeoutUDP, uint32(t.UDP/time.Second))
	}
	return wrap("set the IPVS timeouts", c.ask(ctx, cmdSetConfig, netlink.Acknowledge, attrs, nil))
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// message makes one request. It uses data's memory.
func (c *Client) message(data []byte, cmd uint8, flags netlink.HeaderFlags, attrs func([]byte) []byte) netlink.Message {
	data = append(data[:0], cmd, familyVersion, 0, 0)
	if attrs != nil {
		data = attrs(data)
	}
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(c.family), Flags: netlink.Request | flags},
		Data:   data,
	}
}

// ask sends one request and hands every answer to each. Attrs appends the request's
// attributes; both may be nil.
func (c *Client) ask(ctx context.Context, cmd uint8, flags netlink.HeaderFlags, attrs func([]byte) []byte, each func([]byte) error) error {
	done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	answers, err := c.link.Execute(c.message(nil, cmd, flags, attrs))
	if err != nil {
		return c.failed(ctx, err)
	}
	for _, m := range answers {
		if m.Header.Type != netlink.HeaderType(c.family) || each == nil {
			continue
		}
		if len(m.Data) < unix.GENL_HDRLEN {
			return fmt.Errorf("%w: %d bytes", errAnswer, len(m.Data))
		}
		if err := each(m.Data[unix.GENL_HDRLEN:]); err != nil {
			return err
		}
	}
	return nil
}

// change is one request that changes something.
type change struct {
	cmd   uint8
	attrs func([]byte) []byte
}

// pipeline sends at most [batch] changes at once, and calls refused for each that the
// kernel refuses. Only the last one is acknowledged: the kernel works them off in
// order, and reports a refusal in any case, by the number of the request.
func (c *Client) pipeline(ctx context.Context, changes []change, refused func(i int, err error)) error {
	if len(changes) == 0 {
		return nil
	}
	done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	c.requests = c.requests[:0]
	for i, ch := range changes {
		if i == len(c.data) {
			c.data = append(c.data, nil)
		}
		m := c.message(c.data[i], ch.cmd, 0, ch.attrs)
		c.data[i] = m.Data
		c.requests = append(c.requests, m)
	}
	c.requests[len(changes)-1].Header.Flags |= netlink.Acknowledge
	sent, err := c.link.SendMessages(c.requests)
	if err != nil {
		return c.failed(ctx, err)
	}
	first, last := sent[0].Header.Sequence, sent[len(sent)-1].Header.Sequence
	for {
		answers, err := c.link.Receive()
		var sequence uint32
		switch {
		case err != nil:
			answer := c.failed(ctx, err)
			if c.broken != nil {
				return answer
			}
			var op *netlink.OpError
			errors.As(err, &op)
			sequence = op.Sequence
			// The numbers may have wrapped around.
			i := sequence - first
			if i >= uint32(len(changes)) {
				return c.failed(ctx, fmt.Errorf("%w: number %d in %d to %d", errAnswer, sequence, first, last))
			}
			refused(int(i), answer)
		case len(answers) == 0:
			continue
		default:
			sequence = answers[len(answers)-1].Header.Sequence
		}
		if sequence == last {
			return nil
		}
	}
}

// begin makes the connection usable again if it has to be, and lets ctx end a request
// that waits. The function that it returns must be called after the request.
func (c *Client) begin(ctx context.Context) (func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c.broken != nil {
		if err := c.resume(); err != nil {
			return nil, err
		}
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_ = c.link.SetDeadline(time.Unix(1, 0))
	})
	return func() {
		if !stop() {
			<-ended
			c.broken = ctx.Err()
		}
	}, nil
}

// resume reads away what still comes for an earlier request. The kernel works a request
// off while it is sent, and the rest of a dump while it is read: so all of it has come
// when there is nothing to read. (A new socket would be simpler, but would belong to
// the namespace of the thread that happens to run now.)
func (c *Client) resume() error {
	for {
		if err := c.link.SetDeadline(time.Now().Add(quiet)); err != nil {
			return fmt.Errorf("IPVS connection: %w", err)
		}
		_, err := c.link.Receive()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		var op *netlink.OpError
		if err != nil && (!errors.As(err, &op) || op.Sequence == 0) && !errors.Is(err, unix.ENOBUFS) {
			return fmt.Errorf("IPVS connection: %w", err)
		}
	}
	c.broken = nil
	return c.link.SetDeadline(time.Time{})
}

// failed tells the kernel's answers, which it returns as a [unix.Errno], from errors of
// the socket, after which an answer may be lost or come late.
func (c *Client) failed(ctx context.Context, err error) error {
	var op *netlink.OpError
	var errno unix.Errno
	if errors.As(err, &op) && op.Sequence != 0 && errors.As(err, &errno) {
		return errno
	}
	c.broken = err
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("IPVS connection: %w", err)
}

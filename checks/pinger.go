package checks

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// Pinger sends the echo requests of all pings by one socket for each family
// (and mark), and hands over the replies. Sockets are opened by the first ping that needs them.
type Pinger struct {
	secret uint64
	id     uint16
	opened chan struct{} // to Run: there is a new socket

	mu      sync.Mutex
	closed  bool
	sockets map[pingKey]*pingSocket
	fresh   []*pingSocket // nobody reads them yet
	number  uint64
	waiting map[uint64]waiter
}

// pingKey is what a socket is for: pings with different marks have their own.
type pingKey struct {
	v6   bool
	mark uint32
}

// pingWay is by which way a request goes; see Ping.
type pingWay struct {
	source netip.Addr
	ifname string
	mark   uint32
}

// waiter is a request without a reply.
type waiter struct {
	to     netip.Addr
	sent   time.Time
	answer chan<- answer
}

// answer is a reply.
type answer struct {
	from netip.Addr
	took time.Duration
}

// errPingerClosed says that Run has ended.
var errPingerClosed = errors.New("pings have ended")

// NewPinger makes a Pinger. It opens and starts nothing: replies are read by
// Run.
func NewPinger() *Pinger {
	return &Pinger{
		secret: rand.Uint64(), id: uint16(rand.Uint32()),
		opened: make(chan struct{}, 1), sockets: map[pingKey]*pingSocket{}, waiting: map[uint64]waiter{},
	}
}

// Run reads replies until ctx is done, and returns nil then. It is called once;
// its end closes the sockets.
func (p *Pinger) Run(ctx context.Context) error {
	var readers sync.WaitGroup
	defer readers.Wait()
	defer p.close()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.opened:
			p.mu.Lock()
			fresh := p.fresh
			p.fresh = nil
			p.mu.Unlock()
			for _, s := range fresh {
				readers.Go(func() { p.read(s) })
			}
		}
	}
}

func (p *Pinger) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, s := range p.sockets {
		_ = s.file.Close()
	}
}

// socket is the one for a family and a mark.
func (p *Pinger) socket(key pingKey) (*pingSocket, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errPingerClosed
	}
	if s := p.sockets[key]; s != nil {
		return s, nil
	}
	s, err := openPing(key)
	if err != nil {
		return nil, err
	}
	p.sockets[key] = s
	p.fresh = append(p.fresh, s)
	select {
	case p.opened <- struct{}{}:
	default: // it will look anyway
	}
	return s, nil
}

// read hands over the replies of one socket until it is closed.
func (p *Pinger) read(s *pingSocket) {
	buf := make([]byte, 2048)
	for {
		e, from, ok, err := s.receive(buf)
		if err != nil {
			return
		}
		if ok && e.secret == p.secret && (!s.raw || e.id == p.id) {
			p.deliver(e, from)
		}
	}
}

func (p *Pinger) deliver(e echo, from netip.Addr) {
	p.mu.Lock()
	w, ok := p.waiting[e.number]
	if !ok || w.to.WithZone("") != from {
		p.mu.Unlock()
		return
	}
	delete(p.waiting, e.number)
	p.mu.Unlock()
	w.answer <- answer{w.to, time.Since(w.sent)} // there is room: one for each request
}

// request sends an echo request. Its reply goes to answers, which must have room
// for it. number is for forget.
func (p *Pinger) request(to netip.Addr, way pingWay, answers chan<- answer) (number uint64, err error) {
	s, err := p.socket(pingKey{to.Is6(), way.mark})
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	p.number++
	number = p.number
	p.waiting[number] = waiter{to, time.Now(), answers}
	p.mu.Unlock()
	m := echo{id: p.id, seq: uint16(number), secret: p.secret, number: number}.append(nil, s.v6)
	if err := s.send(m, to, way.source, way.ifname); err != nil {
		p.forget(number)
		return 0, err
	}
	return number, nil
}

// forget ends the wait for a reply.
func (p *Pinger) forget(number uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waiting, number)
}

package checks

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// Pinger sends the echo requests of all pings by one socket for each family, and
// hands over the replies. Sockets are opened by the first ping that needs them.
type Pinger struct {
	secret uint64
	id     uint16
	opened chan *pingSocket // to Run; room for both

	mu      sync.Mutex
	closed  bool
	sockets [2]*pingSocket // IPv4, IPv6
	number  uint64
	waiting map[uint64]waiter
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
		opened: make(chan *pingSocket, 2), waiting: map[uint64]waiter{},
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
		case s := <-p.opened:
			readers.Go(func() { p.read(s) })
		}
	}
}

func (p *Pinger) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, s := range p.sockets {
		if s != nil {
			_ = s.file.Close()
		}
	}
}

// socket is the one for an address.
func (p *Pinger) socket(v6 bool) (*pingSocket, error) {
	i := 0
	if v6 {
		i = 1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errPingerClosed
	}
	if p.sockets[i] == nil {
		s, err := openPing(v6)
		if err != nil {
			return nil, err
		}
		p.sockets[i] = s
		p.opened <- s
	}
	return p.sockets[i], nil
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
func (p *Pinger) request(to, source netip.Addr, ifname string, answers chan<- answer) (number uint64, err error) {
	s, err := p.socket(to.Is6())
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	p.number++
	number = p.number
	p.waiting[number] = waiter{to, time.Now(), answers}
	p.mu.Unlock()
	m := echo{id: p.id, seq: uint16(number), secret: p.secret, number: number}.append(nil, s.v6)
	if err := s.send(m, to, source, ifname); err != nil {
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

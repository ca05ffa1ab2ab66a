package lab

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Backend is a set of servers to be balanced. Each tells those who ask which
// server it is, and from which address it was asked. By TCP, the line
// "SERVER CLIENT" comes at once, and then the client chooses with two bytes what
// goes on and how fast ([Flow]); by UDP the line answers each datagram.
type Backend struct {
	mu      sync.Mutex
	closers map[io.Closer]struct{} // nil when closed
	wg      sync.WaitGroup
}

// What a client asks for after the greeting. A second byte is the pace, in paceUnits.
const (
	askEcho     = 'e' // send back what comes, at the client's pace
	askDownload = 'd' // send downloadChunk each time
)

// A download is a stream that lasts, not one that fills the link.
const (
	downloadChunk = 1024
	paceUnit      = 10 * time.Millisecond
)

// StartBackend serves TCP and UDP on the addresses, which must be the
// namespace's.
func StartBackend(ns *Namespace, addrs ...netip.AddrPort) (*Backend, error) {
	b := &Backend{closers: map[io.Closer]struct{}{}}
	err := ns.Do(func() error {
		for _, a := range addrs {
			l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(a))
			if err != nil {
				return err
			}
			b.hold(l)
			u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
			if err != nil {
				return err
			}
			b.hold(u)
			b.wg.Go(func() { b.accept(l) })
			b.wg.Go(func() { answerUDP(u, a) })
		}
		return nil
	})
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("start servers in %s: %w", ns.name, err)
	}
	if _, ok := ns.onClose(b.Close); !ok {
		b.Close()
		return nil, fmt.Errorf("start servers in %s: namespace is closed", ns.name)
	}
	return b, nil
}

// Close ends the servers and their connections. A second call does nothing.
func (b *Backend) Close() {
	b.mu.Lock()
	closers := b.closers
	b.closers = nil
	b.mu.Unlock()
	for c := range closers {
		c.Close()
	}
	b.wg.Wait()
}

// hold registers what is to be closed; it reports false if all is closed already.
func (b *Backend) hold(c io.Closer) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closers == nil {
		c.Close()
		return false
	}
	b.closers[c] = struct{}{}
	return true
}

func (b *Backend) drop(c io.Closer) {
	c.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.closers, c)
}

func (b *Backend) accept(l *net.TCPListener) {
	for {
		c, err := l.AcceptTCP()
		if err != nil {
			return
		}
		if b.hold(c) {
			b.wg.Go(func() {
				defer b.drop(c)
				serveTCP(c)
			})
		}
	}
}

func serveTCP(c *net.TCPConn) {
	if _, err := io.WriteString(c, greeting(c.LocalAddr(), c.RemoteAddr())); err != nil {
		return
	}
	var ask [2]byte
	if _, err := io.ReadFull(c, ask[:]); err != nil {
		return
	}
	switch ask[0] {
	case askEcho:
		_, _ = io.Copy(c, c)
	case askDownload:
		tick := time.NewTicker(max(time.Duration(ask[1]), 1) * paceUnit)
		defer tick.Stop()
		for chunk := make([]byte, downloadChunk); ; <-tick.C {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	}
}

func greeting(server, client net.Addr) string { return server.String() + " " + client.String() + "\n" }

func answerUDP(u *net.UDPConn, server netip.AddrPort) {
	buf := make([]byte, 2048)
	for {
		_, from, err := u.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		_, _ = u.WriteToUDPAddrPort([]byte(server.String()+" "+from.String()+"\n"), from)
	}
}

// Answer is what a server of a [Backend] said.
type Answer struct {
	// Server is the server's own address, Client where it was asked from.
	Server, Client netip.AddrPort
}

// parseAnswer reads a greeting.
func parseAnswer(line string) (Answer, error) {
	server, client, ok := strings.Cut(strings.TrimSpace(line), " ")
	if !ok {
		return Answer{}, fmt.Errorf("odd answer %q", line)
	}
	var a Answer
	var err error
	if a.Server, err = netip.ParseAddrPort(server); err != nil {
		return Answer{}, err
	}
	a.Client, err = netip.ParseAddrPort(client)
	return a, err
}

// readAnswer reads a greeting.
func readAnswer(r *bufio.Reader) (Answer, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return Answer{}, err
	}
	return parseAnswer(line)
}

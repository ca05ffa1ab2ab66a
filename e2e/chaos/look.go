package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/lab"
	hakeepstatus "hakeep/internal/status"
)

// sight is who adverts what, as the client sees it.
type sight struct {
	capture *lab.Capture

	mu   sync.Mutex
	last map[speaker]time.Time
}

// speaker is a source of adverts for a virtual router.
type speaker struct {
	vrid uint8
	v6   bool
	mac  string
}

func watch(client *lab.Namespace) (*sight, error) {
	s := &sight{last: map[speaker]time.Time{}}
	var err error
	s.capture, err = lab.StartCapture(client, "eth0", lab.CaptureOptions{Filter: lab.FilterVRRP, Follow: s.see})
	return s, err
}

func (s *sight) see(f lab.Frame) {
	p, ok := f.VRRP()
	if !ok || len(p.Payload) < 3 || p.Payload[2] == 0 {
		return // priority 0 says that somebody leaves
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last[speaker{p.Payload[1], p.Src.Is6(), f.Source().String()}] = f.Time
}

// since lists who has sent adverts for a virtual router after a time.
func (s *sight) since(v *virtual, t time.Time) (macs []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, at := range s.last {
		if int(k.vrid) == v.vrid && at.After(t) {
			macs = append(macs, k.mac)
		}
	}
	return macs
}

// settle waits until the network is as it should be and stays so for longer than
// the longest interval. It returns what is still wrong. As long as the machine
// stands still again and again, the routers move, and it waits for longer.
func (w *world) settle(ctx context.Context) []string {
	deadline, last := time.Now().Add(patience), time.Now().Add(stormPatience)
	for {
		beat, err := lab.StartBeat(time.Millisecond)
		if err != nil {
			return []string{err.Error()}
		}
		bad := w.calm(ctx)
		now := time.Now()
		if beat.Stop().Max >= excused {
			deadline = now.Add(patience)
		}
		if len(bad) == 0 || ctx.Err() != nil || now.After(deadline) || now.After(last) {
			return bad
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// calm says what is wrong now or in a moment.
func (w *world) calm(ctx context.Context) []string {
	if bad := w.look(ctx); len(bad) > 0 {
		return bad
	}
	since := time.Now()
	select {
	case <-time.After(1200 * time.Millisecond):
	case <-ctx.Done():
	}
	return append(w.look(ctx), w.listen(since)...)
}

// listen says who adverts that should not, or does not that should.
func (w *world) listen(since time.Time) (bad []string) {
	want := w.best().mac
	for i := range virtuals {
		v := &virtuals[i]
		if v.unicast {
			continue // the client does not see them
		}
		if got := w.capture.since(v, since); !slices.Equal(got, []string{want}) {
			bad = append(bad, fmt.Sprintf("%s: adverts come from %v, want %s", v.name, w.names(got), w.best().name))
		}
	}
	return bad
}

func (w *world) names(macs []string) (names []string) {
	for _, mac := range macs {
		name := mac
		for _, r := range w.routers {
			if r.mac == mac {
				name = r.name
			}
		}
		names = append(names, name)
	}
	return names
}

// look says what is not as it should be now: who holds which address and route,
// whose MAC the client has, what the daemons say.
func (w *world) look(ctx context.Context) (bad []string) {
	best := w.best()
	for _, r := range w.routers {
		if r.died {
			continue // its kernel is as dead as it
		}
		have, err := r.held()
		if err != nil {
			bad = append(bad, err.Error())
			continue
		}
		for i := range virtuals {
			for _, a := range virtuals[i].addrs {
				if have[a] != (r == best) {
					bad = append(bad, fmt.Sprintf("%s has %s: %v, want %v", r.name, a, have[a], r == best))
				}
			}
			if route := virtuals[i].route; route != "" && have[route] != (r == best) {
				bad = append(bad, fmt.Sprintf("%s has the route %s: %v, want %v", r.name, route, have[route], r == best))
			}
		}
		if !r.out {
			bad = append(bad, r.ask(ctx)...)
		}
	}
	for i := range virtuals {
		mac, err := w.neighbour(&virtuals[i])
		if err != nil {
			bad = append(bad, err.Error())
		} else if mac != best.mac {
			bad = append(bad, fmt.Sprintf("the client has %v at %v, want %s", virtuals[i].target(), w.names([]string{mac}), best.name))
		}
	}
	if len(bad) == 0 && !best.isKeepalived {
		if err := w.balanced(); err != nil {
			bad = append(bad, err.Error())
		}
	}
	return bad
}

// held are the addresses and marked routes of a router.
func (r *router) held() (map[string]bool, error) {
	have := map[string]bool{}
	addrs, err := r.ns.Addrs("eth0")
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		have[a.String()] = true
	}
	out, err := r.ns.Run("ip", "route", "show")
	if err != nil {
		return nil, err
	}
	for i := range virtuals {
		if route := virtuals[i].route; route != "" {
			have[route] = strings.Contains(out, route)
		}
	}
	return have, nil
}

// ask asks a daemon whether it is well.
func (r *router) ask(ctx context.Context) []string {
	if !r.running() {
		return []string{r.name + " has ended"}
	}
	if r.isKeepalived {
		return nil
	}
	doc, err := r.status(ctx)
	if err != nil {
		return []string{err.Error()}
	}
	var bad []string
	if !doc.OK {
		bad = append(bad, r.name+": status is not ok")
	}
	if rules, err := r.ns.Run("nft", "list", "table", "inet", "hakeep"); err != nil || !strings.Contains(rules, "192.0.2.20") {
		bad = append(bad, r.name+": the rules of no_accept are missing")
	}
	return bad
}

func (r *router) status(ctx context.Context) (*hakeepstatus.Document, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, stderr, _, err := r.hakeep.CLI(ctx, "status", "--json")
	if err != nil {
		return nil, fmt.Errorf("%s: status: %w", r.name, err)
	}
	doc := new(hakeepstatus.Document)
	if err := json.Unmarshal([]byte(out), doc); err != nil {
		return nil, fmt.Errorf("%s: status: %w (%s)", r.name, err, strings.TrimSpace(stderr))
	}
	return doc, nil
}

// neighbour is the MAC that the client has for an address, which it speaks to
// before: an address that does not answer is resolved all the same.
func (w *world) neighbour(v *virtual) (string, error) {
	target := v.target()
	if err := w.client.Do(func() error {
		conn, err := net.Dial("udp", netip.AddrPortFrom(target, 9).String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte("x"))
		if errors.Is(err, unix.ECONNREFUSED) {
			err = nil
		}
		return err
	}); err != nil {
		return "", fmt.Errorf("ask %v: %w", target, err)
	}
	if !v.silent {
		args := []string{"-c", "1", "-W", "1", "-n", target.String()}
		if _, err := w.client.Run("ping", args...); err != nil {
			return "", fmt.Errorf("no answer from %v", target)
		}
	}
	list, err := w.client.Netlink().NeighList(0, map[bool]int{true: unix.AF_INET6, false: unix.AF_INET}[target.Is6()])
	if err != nil {
		return "", err
	}
	for _, n := range list {
		if a, ok := netip.AddrFromSlice(n.IP); ok && a.Unmap() == target && n.HardwareAddr != nil {
			return n.HardwareAddr.String(), nil
		}
	}
	return "", fmt.Errorf("the client does not know where %v is", target)
}

// leftovers are things of ours in the kernel and on disk after an orderly stop.
func (r *router) leftovers() (left []string) {
	have, err := r.held()
	if err != nil {
		return []string{err.Error()}
	}
	for i := range virtuals {
		for _, what := range append([]string{virtuals[i].route, extraAddr}, virtuals[i].addrs...) {
			if have[what] {
				left = append(left, fmt.Sprintf("%s still has %s", r.name, what))
			}
		}
	}
	if out, err := r.ns.Run("ip", "route", "show", "table", "all", "proto", "112"); err != nil || strings.TrimSpace(out) != "" {
		left = append(left, fmt.Sprintf("%s has routes: %s (%v)", r.name, out, err))
	}
	if out, err := r.ns.Run("nft", "list", "tables"); err != nil || strings.Contains(out, "hakeep") {
		left = append(left, fmt.Sprintf("%s has nftables: %s (%v)", r.name, out, err))
	}
	if r.isKeepalived {
		return left
	}
	files, err := filepath.Glob(filepath.Join(r.dir, "*"))
	if err != nil {
		return append(left, err.Error())
	}
	for _, f := range files {
		if fi, err := os.Lstat(f); err == nil && fi.Mode()&os.ModeSocket != 0 {
			left = append(left, fmt.Sprintf("%s has a socket: %s", r.name, filepath.Base(f)))
		}
	}
	return left
}

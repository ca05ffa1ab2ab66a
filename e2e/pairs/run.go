package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/lab"
)

// patience is how long a state may take to be reached: the longest master down time
// of a file that is chosen is 12 s.
const patience = 25 * time.Second

// host says what is run.
type host struct{ hakeep, id string }

// result is what came out for one file.
type result struct {
	file, addresses, adverts, calls, link string
	problems                              []string
	idle                                  bool // neither gets all addresses, alone
	logs                                  string
}

func (r *result) problem(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// router is one daemon in its namespace.
type router struct {
	name   string
	ns     *lab.Namespace
	args   []string
	setup  string
	dir    string // for the calls
	base   map[string]bool
	links  []string
	cmd    *lab.Cmd
	log    syncBuffer
	frames map[string]*lab.Capture
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// compare runs one file alone and as a pair.
func (h *host) compare(s subject) *result {
	r := &result{file: filepath.Base(s.path), addresses: "-", adverts: "-", calls: "-", link: "-"}
	dir, err := os.MkdirTemp("/var/tmp", "hakeep-pairs-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		r.problem("%v", err)
		return r
	}
	if err := h.alone(s, dir, r); err != nil {
		r.problem("alone: %v", err)
	}
	if r.idle {
		return r
	}
	if err := h.together(s, dir, r); err != nil {
		r.link = "fails"
		r.problem("on one link: %v", err)
	}
	return r
}

// alone compares the daemons with links of their own.
func (h *host) alone(s subject, dir string, r *result) error {
	var world world
	defer world.close()
	hk, err := h.router(&world, s, "hakeep", dir, 1, nil)
	if err != nil {
		return err
	}
	kd, err := h.router(&world, s, "keepalived", dir, 1, nil)
	if err != nil {
		return err
	}
	both := []*router{hk, kd}
	defer func() { r.logs += hk.log.String() + kd.log.String() }()
	for _, x := range both {
		if err := x.start(); err != nil {
			return err
		}
		defer x.stop()
	}
	// All addresses, and two adverts of each instance more.
	err = await(func() error {
		for _, x := range both {
			if got, want := len(x.added()), virtual(s.cfg); got < want {
				return fmt.Errorf("%s has %d of %d addresses", x.name, got, want)
			}
			if got, want := len(x.adverts()), len(s.cfg.Instances); got < want {
				return fmt.Errorf("%s: adverts of %d of %d instances", x.name, got, want)
			}
		}
		return nil
	})
	if err != nil {
		// A tracked thing that this host does not have, for example.
		if a, b := hk.added(), kd.added(); len(b) < virtual(s.cfg) && slices.Equal(a, b) {
			r.idle, r.addresses = true, fmt.Sprintf("both have %d of %d addresses", len(b), virtual(s.cfg))
			return nil
		}
		return err
	}
	r.addresses, r.adverts, r.calls = "same", "same", "none"
	if a, b := hk.added(), kd.added(); !slices.Equal(a, b) {
		r.addresses = "differ"
		r.problem("addresses: hakeep %v, keepalived %v", a, b)
	}
	a, b := hk.adverts(), kd.adverts()
	for key := range b {
		if !bytes.Equal(a[key], b[key]) {
			r.adverts = "differ"
			r.problem("advert %s: hakeep %x, keepalived %x", key, a[key], b[key])
		}
	}
	for _, x := range both {
		x.quiet()
	}
	for _, x := range both {
		x.stop()
	}
	ours, theirs := hk.calls(), kd.calls()
	if len(theirs) > 0 {
		r.calls = strconv.Itoa(len(theirs))
	}
	if !slices.Equal(ours, theirs) {
		r.calls = "differ"
		r.problem("calls: hakeep %q, keepalived %q", ours, theirs)
	}
	return nil
}

// together lets them take over from each other on the same links.
func (h *host) together(s subject, dir string, r *result) error {
	var world world
	defer world.close()
	lans := map[string]*lab.LAN{}
	hk, err := h.router(&world, s, "hakeep", dir, 1, lans)
	if err != nil {
		return err
	}
	kd, err := h.router(&world, s, "keepalived", dir, 2, lans)
	if err != nil {
		return err
	}
	defer func() { r.logs += hk.log.String() + kd.log.String() }()
	all := virtual(s.cfg)
	holds := func(x, other *router) error {
		return await(func() error {
			if a, b := len(x.added()), len(other.added()); a < all || b > 0 {
				return fmt.Errorf("%s has %d of %d addresses, %s %d", x.name, a, all, other.name, b)
			}
			return nil
		})
	}
	if err := kd.start(); err != nil {
		return err
	}
	defer kd.stop()
	if err := holds(kd, hk); err != nil {
		return fmt.Errorf("keepalived alone: %w", err)
	}
	if err := hk.start(); err != nil {
		return err
	}
	defer hk.stop()
	one := func() error { // one of them, whoever it is
		return await(func() error {
			if a, b := len(kd.added()), len(hk.added()); a+b != max(a, b) || max(a, b) < all {
				return fmt.Errorf("keepalived has %d, hakeep %d of %d addresses", a, b, all)
			}
			return nil
		})
	}
	if err := one(); err != nil {
		return fmt.Errorf("hakeep started: %w", err)
	}
	kd.stop()
	if err := holds(hk, kd); err != nil {
		return fmt.Errorf("keepalived stopped: %w", err)
	}
	if err := kd.start(); err != nil {
		return err
	}
	if err := one(); err != nil {
		return fmt.Errorf("keepalived started again: %w", err)
	}
	hk.stop()
	if err := holds(kd, hk); err != nil {
		return fmt.Errorf("hakeep stopped: %w", err)
	}
	r.link = "good"
	return nil
}

// virtual counts the different virtual addresses of a file.
func virtual(c *config.Config) int {
	seen := map[string]bool{}
	for i := range c.Instances {
		for _, list := range [][]config.Address{c.Instances[i].Addresses, c.Instances[i].Excluded} {
			for j := range list {
				seen[list[j].Dev+" "+list[j].Prefix.String()] = true
			}
		}
	}
	return len(seen)
}

// await polls until a state is reached.
func await(fn func() error) error {
	end := time.Now().Add(patience)
	for {
		err := fn()
		if err == nil || time.Now().After(end) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// world is what has to be taken away.
type world struct{ closers []func() }

func (w *world) close() {
	for _, fn := range slices.Backward(w.closers) {
		fn()
	}
}

// router makes a namespace with the links of a file: new ones, or those of lans.
func (h *host) router(w *world, s subject, name, dir string, number int, lans map[string]*lab.LAN) (*router, error) {
	ns, err := lab.NewNamespace(name)
	if err != nil {
		return nil, err
	}
	w.closers = append(w.closers, ns.Close)
	x := &router{name: name, ns: ns, links: links(s.cfg), base: map[string]bool{}, frames: map[string]*lab.Capture{}}
	x.dir = filepath.Join(dir, fmt.Sprintf("%s-%d-%t", name, number, lans != nil))
	if err := os.Mkdir(x.dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(x.callsPath(), nil, 0o600); err != nil {
		return nil, err
	}
	if err := os.Chmod(x.callsPath(), 0o666); err != nil {
		return nil, err
	}
	for i, link := range x.links {
		lan := lans[link]
		if lan == nil {
			if lan, err = lab.NewLAN("lan"); err != nil {
				return nil, err
			}
			w.closers = append(w.closers, lan.Close)
			if lans != nil {
				lans[link] = lan
			}
		}
		if _, err := lan.Attach(ns, link, addresses(s.cfg, link, i, number)...); err != nil {
			return nil, err
		}
		if x.frames[link], err = lab.StartCapture(ns, link, lab.CaptureOptions{Filter: lab.FilterVRRP}); err != nil {
			return nil, err
		}
		w.closers = append(w.closers, x.frames[link].Close)
	}
	if err := x.settle(); err != nil {
		return nil, err
	}
	x.args = []string{"-n", "-l", "-G", "-f", s.path, "-i", h.id, "-p", "/run/k.pid", "-r", "/run/v.pid"}
	if name == "hakeep" {
		x.args = append([]string{h.hakeep, "keepalived", "--runtime-dir", "/run/hakeep"}, x.args...)
	} else {
		x.args = append([]string{"keepalived", "-D"}, x.args...)
	}
	x.setup = setup(s.cfg, x.callsPath())
	return x, nil
}

// settle waits for the links' own IPv6 addresses and remembers what is there.
func (x *router) settle() error {
	return await(func() error {
		for _, link := range x.links {
			addrs, err := x.ns.Addrs(link)
			if err != nil {
				return err
			}
			local := false
			for _, a := range addrs {
				local = local || a.Addr().IsLinkLocalUnicast()
				x.base[link+" "+a.String()] = true
			}
			if !local {
				return fmt.Errorf("%s has no link-local address", link)
			}
		}
		return nil
	})
}

// addresses are those of a host on a link: of a network of the link, those that the
// file wants to send from, and one beside each gateway.
func addresses(c *config.Config, link string, i, number int) []netip.Prefix {
	out := []netip.Prefix{
		netip.MustParsePrefix(fmt.Sprintf("10.200.%d.%d/24", i, number)),
		netip.MustParsePrefix(fmt.Sprintf("fd00:%x::%d/64", i+1, number)),
	}
	add := func(p netip.Prefix) {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	beside := func(a netip.Addr) {
		if b := a.As4(); a.Is4() {
			b[3] = byte(240 + number)
			add(netip.PrefixFrom(netip.AddrFrom4(b), 24))
		}
	}
	for j := range c.Instances {
		in := &c.Instances[j]
		if in.McastSrc.IsValid() && in.Interface == link {
			add(netip.PrefixFrom(in.McastSrc, in.McastSrc.BitLen()))
		}
		for _, r := range in.Routes {
			if r.Via.Is4() && (r.Dev == link || r.Dev == "" && in.Interface == link) {
				beside(r.Via)
			}
		}
	}
	return out
}

// start starts the daemon behind the overlays.
func (x *router) start() error {
	x.cmd = x.ns.Command("sh", append([]string{"-c", x.setup + "\nexec \"$@\"", "sh"}, x.args...)...)
	x.cmd.Private = []string{"/run", "/tmp"}
	x.cmd.Stdout, x.cmd.Stderr = &x.log, &x.log
	return x.cmd.Start()
}

// stop stops it in order, once.
func (x *router) stop() {
	if x.cmd == nil {
		return
	}
	_ = x.cmd.Signal(syscall.SIGTERM)
	_ = x.cmd.Wait()
	x.cmd = nil
}

// added are the addresses that were not there before, sorted.
func (x *router) added() []string {
	var out []string
	for _, link := range x.links {
		addrs, err := x.ns.Addrs(link)
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if key := link + " " + a.String(); !x.base[key] {
				out = append(out, key)
			}
		}
	}
	slices.Sort(out)
	return out
}

// adverts are the last ones that this host has sent, by link, virtual router and
// family: source, destination, TTL and message.
func (x *router) adverts() map[string][]byte {
	out := map[string][]byte{}
	for link, c := range x.frames {
		for _, f := range c.Frames() {
			ip, ok := f.VRRP()
			if !ok || len(ip.Payload) < 8 || ip.Payload[2] == 0 {
				continue
			}
			key := fmt.Sprintf("%s vrid %d ipv6 %t", link, ip.Payload[1], ip.Src.Is6())
			text := ip.Dst.AsSlice()
			if ip.Src.Is4() { // an own link-local address differs, and with it the checksum
				text = append(text, ip.Src.AsSlice()...)
				text = append(text, ip.Payload...)
			} else {
				text = append(append(text, ip.Payload[:6]...), ip.Payload[8:]...)
			}
			out[key] = append(text, ip.TTL)
		}
	}
	return out
}

func (x *router) callsPath() string { return filepath.Join(x.dir, "calls") }

// quiet waits until no call has been added for a while: hakeep leaves out those that
// a stop overtakes, keepalived does not.
func (x *router) quiet() {
	const long = 500 * time.Millisecond
	n, since := -1, time.Now()
	_ = await(func() error { // a daemon that calls for ever is compared as it is
		if got := len(x.calls()); got != n {
			n, since = got, time.Now()
		}
		if time.Since(since) < long {
			return errors.New("calls go on")
		}
		return nil
	})
}

// calls are those of stand-ins, sorted: those of different instances have no order.
func (x *router) calls() []string {
	text, err := os.ReadFile(x.callsPath())
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for l := range strings.Lines(string(text)) {
		out = append(out, strings.TrimSpace(l))
	}
	slices.Sort(out)
	return out
}

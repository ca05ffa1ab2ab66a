package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"time"

	"hakeep/internal/lab"
)

const (
	vip      = "192.0.2.10"
	interval = 100 * time.Millisecond
	// patience bounds each step; a step takes a second at most.
	patience = 10 * time.Second
	// insideVar is set in the copy that runs in a user namespace.
	insideVar = "HAKEEP_DEMO_INSIDE"
)

// Run shows the demo on w. It needs root, or a system on which users may make
// user namespaces; it says so otherwise. When ctx ends, everything is cleaned
// up and ctx's error is returned.
func Run(ctx context.Context, w io.Writer, colour bool) error {
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own binary: %w", err)
	}
	if err := lab.Supported(); err != nil {
		if os.Geteuid() == 0 || os.Getenv(insideVar) != "" {
			return fmt.Errorf("network namespaces cannot be made here: %w", err)
		}
		return runInUserNamespace(ctx, binary, w)
	}
	dir, err := os.MkdirTemp(os.Getenv("XDG_RUNTIME_DIR"), "hakeep-demo")
	if err != nil {
		return fmt.Errorf("make runtime directory: %w", err)
	}
	defer os.RemoveAll(dir)
	s := &stage{ctx: ctx, out: printer{w: w, colour: colour}, binary: binary, dir: dir}
	defer s.close()
	err = s.play()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// runInUserNamespace runs the demo again as root of a user namespace.
func runInUserNamespace(ctx context.Context, binary string, w io.Writer) error {
	cmd := lab.UserNamespaceCommand(binary, "demo")
	cmd.Env = append(os.Environ(), insideVar+"=1")
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("not root, and no user namespace can be made here: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(os.Interrupt) })
	defer stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("the demo in a user namespace ended with code %d", exit.ExitCode())
	}
	return err
}

// stage is the network with its actors.
type stage struct {
	ctx    context.Context
	out    printer
	binary string
	dir    string

	lan    *lab.LAN
	a, b   *router
	client *lab.Namespace
	probe  *lab.Probe
	acts   []act
}

// router is one of the two hosts.
type router struct {
	name     string
	priority int
	ns       *lab.Namespace
	port     *lab.Port
	daemon   *lab.Hakeep
	dir      string
}

// act is one thing that happens to the pair.
type act struct {
	title string
	at    time.Time
	// bound is what the protocol allows: 0 for a planned move.
	bound time.Duration
}

func (s *stage) close() {
	for _, r := range []*router{s.a, s.b} {
		if r != nil && r.daemon != nil {
			r.daemon.Kill()
		}
	}
	for _, ns := range []*lab.Namespace{s.client} {
		if ns != nil {
			ns.Close()
		}
	}
	for _, r := range []*router{s.a, s.b} {
		if r != nil && r.ns != nil {
			r.ns.Close()
		}
	}
	if s.lan != nil {
		s.lan.Close()
	}
}

// play is the whole show.
func (s *stage) play() error {
	s.out.title("hakeep demo: two routers, one address, and a client that asks every millisecond")
	if err := s.build(); err != nil {
		return err
	}
	s.out.drawing()
	for _, step := range []func() error{s.start, s.stopMaster, s.bringBack, s.machineGone, s.machineBack} {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		if err := step(); err != nil {
			return err
		}
	}
	s.out.results(s.acts, s.probe.Stop())
	return nil
}

func (s *stage) build() (err error) {
	if s.lan, err = lab.NewLAN("switch"); err != nil {
		return err
	}
	if s.client, err = s.host("client", 100); err != nil {
		return err
	}
	if s.a, err = s.router("router-1", 1, 150); err != nil {
		return err
	}
	s.b, err = s.router("router-2", 2, 100)
	return err
}

func (s *stage) host(name string, n int) (*lab.Namespace, error) {
	ns, err := lab.NewNamespace(name)
	if err != nil {
		return nil, err
	}
	_, err = s.lan.Attach(ns, "eth0", prefix(n))
	return ns, err
}

func prefix(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 24)
}

func (s *stage) router(name string, n, priority int) (*router, error) {
	ns, err := lab.NewNamespace(name)
	if err != nil {
		return nil, err
	}
	r := &router{name: name, priority: priority, ns: ns, dir: s.dir + "/" + name}
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		return r, err
	}
	r.port, err = s.lan.Attach(ns, "eth0", prefix(n))
	return r, err
}

// launch starts a router's daemon.
func (s *stage) launch(r *router) (err error) {
	config := fmt.Sprintf(`[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
priority = %d
advert_int = "%s"
virtual_ipaddress = ["%s/24"]
`, r.priority, interval, vip)
	r.daemon, err = lab.StartHakeep(r.ns, lab.HakeepOptions{Config: config, Dir: r.dir, Binary: s.binary})
	return err
}

// await waits until a router is in a state.
func (s *stage) await(r *router, state string) error {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	if err := r.daemon.WaitState(ctx, "VI_1", state); err != nil {
		return fmt.Errorf("%s: %w\n%s", r.name, err, r.daemon.LogText())
	}
	return nil
}

// settle waits until the client has had answers for a while.
func (s *stage) settle() error {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	return s.probe.AwaitAnswers(ctx, 300)
}

// begin notes what happens now.
func (s *stage) begin(title, story string, bound time.Duration) {
	at := s.probe.Mark(title)
	s.acts = append(s.acts, act{title: title, at: at, bound: bound})
	s.out.event(at, story)
}

func (s *stage) start() (err error) {
	if err := s.launch(s.a); err != nil {
		return err
	}
	if err := s.launch(s.b); err != nil {
		return err
	}
	if err := s.await(s.a, "MASTER"); err != nil {
		return err
	}
	if err := s.await(s.b, "BACKUP"); err != nil {
		return err
	}
	if s.probe, err = lab.StartProbe(s.client, netip.MustParseAddr(vip), lab.ProbeOptions{}); err != nil {
		return err
	}
	s.out.event(time.Now(), "both are up: router-1 (priority 150) is master, router-2 (100) waits, adverts every "+interval.String())
	return s.settle()
}

func (s *stage) stopMaster() error {
	s.begin("master stopped (SIGTERM)", "router-1's hakeep is told to stop: it says so with priority 0", 0)
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	if err := s.a.daemon.Stop(ctx); err != nil {
		return err
	}
	if err := s.await(s.b, "MASTER"); err != nil {
		return err
	}
	s.out.event(time.Now(), "router-2 is master")
	return s.settle()
}

func (s *stage) bringBack() error {
	s.begin("fail-back", "router-1's hakeep is started again", 0)
	if err := s.launch(s.a); err != nil {
		return err
	}
	if err := s.await(s.a, "MASTER"); err != nil {
		return err
	}
	s.out.event(time.Now(), "router-1 is master again: its priority is better")
	return s.settle()
}

func (s *stage) machineGone() error {
	s.begin("machine gone", "router-1 dies: its switch port is dead, nobody says goodbye", 3*interval+156*interval/256)
	if err := s.a.port.Cut(); err != nil {
		return err
	}
	if err := s.await(s.b, "MASTER"); err != nil {
		return err
	}
	s.out.event(time.Now(), "router-2 has heard nothing for three adverts and its skew time: it is master")
	s.a.daemon.Kill()
	return s.settle()
}

func (s *stage) machineBack() error {
	s.begin("machine back", "router-1 is repaired and starts again; what the dead one left behind is removed first", 0)
	if err := s.a.port.Restore(); err != nil {
		return err
	}
	if err := s.launch(s.a); err != nil {
		return err
	}
	if err := s.await(s.a, "MASTER"); err != nil {
		return err
	}
	s.out.event(time.Now(), "router-1 is master")
	return s.settle()
}

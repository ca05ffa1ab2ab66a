package checks

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Ping sends an echo request to each of several hosts, and wants some of them to
// answer (keepalived: PING_CHECK, of one host).
type Ping struct {
	// Targets are the hosts, of either family; link-local ones have their interface
	// as zone.
	Targets []netip.Addr
	// Need is how many must answer; 0 means one.
	Need int
	// Source is the local address, Interface the interface to send by; both may be
	// empty.
	Source    netip.Addr
	Interface string
	// Mark is the firewall mark of the requests, 0 for none (keepalived: fwmark).
	Mark uint32
}

var _ Target = Ping{}

// Checker makes the check on the sockets of a Pinger, whose Run must be running
// for replies to come.
func (c Ping) Checker(p *Pinger) (Checker, error) {
	if len(c.Targets) == 0 {
		return nil, errors.New("ping: no targets")
	}
	if c.Need < 0 || c.Need > len(c.Targets) {
		return nil, fmt.Errorf("ping: %d of %d targets cannot answer", c.Need, len(c.Targets))
	}
	c.Targets = slices.Clone(c.Targets)
	for i, a := range c.Targets {
		if !a.IsValid() {
			return nil, errors.New("ping: not an address")
		}
		c.Targets[i] = a.Unmap()
		if c.Source.IsValid() && c.Source.Unmap().Is4() != a.Unmap().Is4() {
			return nil, fmt.Errorf("ping: source %s and target %s are of different families", c.Source, a)
		}
	}
	c.Source = c.Source.Unmap()
	c.Need = max(c.Need, 1)
	return &pingChecker{Ping: c, pinger: p}, nil
}

// pingChecker is a Ping with its sockets.
type pingChecker struct {
	Ping
	pinger *Pinger
}

var _ Checker = (*pingChecker)(nil)

// Check asks all targets at once, and ends when enough have answered or no longer
// can.
func (c *pingChecker) Check(ctx context.Context) Result {
	answers := make(chan answer, len(c.Targets))
	var errs []error
	open := 0
	for _, to := range c.Targets {
		number, err := c.pinger.request(to, pingWay{c.Source, c.Interface, c.Mark}, answers)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		defer c.pinger.forget(number)
		open++
	}
	var got []answer
	for len(got) < c.Need && len(got)+open >= c.Need {
		select {
		case <-ctx.Done():
			return c.failed(got, errors.Join(errs...))
		case a := <-answers:
			got = append(got, a)
			open--
		}
	}
	if len(got) < c.Need {
		return c.failed(got, errors.Join(errs...))
	}
	var says []string
	for _, a := range got {
		says = append(says, fmt.Sprintf("%s in %s", a.from, short(a.took)))
	}
	return Result{OK: true, Detail: "answer of " + strings.Join(says, ", ")}
}

func (c *pingChecker) failed(got []answer, err error) Result {
	detail := fmt.Sprintf("%d of %d answered, %d needed", len(got), len(c.Targets), c.Need)
	if len(c.Targets) == 1 {
		detail = "no answer of " + c.Targets[0].String()
	}
	if err != nil {
		detail += ": " + strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return Result{Detail: detail, Err: err}
}

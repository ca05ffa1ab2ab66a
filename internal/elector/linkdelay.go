package elector

import (
	"time"

	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// linkDelays keeps changes of links back that may be too short to count
// (interface_up_down_delays). It is pure; the loop owns it.
type linkDelays struct {
	delays map[string]wire.LinkDelay
	// up is what the Router was told last.
	up map[string]bool
	// held are links whose change is kept back, and until when.
	held map[string]heldLink
}

type heldLink struct {
	link vrrp.Link
	due  time.Duration
}

func newLinkDelays() linkDelays {
	return linkDelays{up: map[string]bool{}, held: map[string]heldLink{}}
}

// changed returns the link as the Router is to see it now. A link that is new
// counts at once.
func (d *linkDelays) changed(now time.Duration, l vrrp.Link) vrrp.Link {
	told, known := d.up[l.Name]
	delay := d.delays[l.Name].Down
	if l.Up {
		delay = d.delays[l.Name].Up
	}
	if !known || l.Up == told || delay == 0 {
		d.up[l.Name] = l.Up
		delete(d.held, l.Name)
		return l
	}
	if h, waiting := d.held[l.Name]; waiting {
		d.held[l.Name] = heldLink{l, h.due}
	} else {
		d.held[l.Name] = heldLink{l, now + delay}
	}
	l.Up = told
	return l
}

// gone forgets a link.
func (d *linkDelays) gone(name string) {
	delete(d.up, name)
	delete(d.held, name)
}

// next is when a change that was kept back counts; Forever for never.
func (d *linkDelays) next() time.Duration {
	at := vrrp.Forever
	for _, h := range d.held {
		at = min(at, h.due)
	}
	return at
}

// due returns the links whose change has lasted for long enough.
func (d *linkDelays) due(now time.Duration) (links []vrrp.Link) {
	for name, h := range d.held {
		if now >= h.due {
			delete(d.held, name)
			d.up[name] = h.link.Up
			links = append(links, h.link)
		}
	}
	return links
}

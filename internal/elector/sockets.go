package elector

import (
	"slices"

	"hakeep/vrrp/vrrpnet"
)

// syncSockets opens and closes sockets as the instances want them now.
func (l *loop) syncSockets() []string {
	l.guardLater()
	ends := l.endpoints()
	if !l.socketsDue && l.ends != nil && slices.Equal(ends, l.ends) {
		return nil
	}
	l.socketsDue = false
	err := l.sockets.Sync(ends)
	if err == nil {
		l.ends = ends
		return nil
	}
	l.ends = nil
	var problems []string
	for _, e := range joined(err) {
		problems = append(problems, e.Error())
		l.log("error", e.Error())
	}
	return problems
}

// endpoints are what the instances receive at.
func (l *loop) endpoints() []vrrpnet.Endpoint {
	ends := make([]vrrpnet.Endpoint, 0, len(l.members))
	for _, s := range l.snapshots() {
		p := l.members[s.ID].inst.Params
		e := vrrpnet.Endpoint{Family: p.Family, Link: s.Link, Local: s.Source}
		if !p.Unicast {
			e.Group = p.Group
		}
		if p.Link != "" && s.Link == 0 || !e.Group.IsValid() && !e.Local.IsValid() {
			continue // nothing to listen on until the link or its address appears
		}
		ends = append(ends, e)
	}
	return ends
}

func joined(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return []error{err}
}

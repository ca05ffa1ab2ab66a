package nft

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"hakeep/lvs"
)

// The schedulers of this back end.
const (
	rr     = "rr"
	wrr    = "wrr"
	random = "random"
	sh     = "sh"
	mh     = "mh"
)

// Schedulers are the names of the schedulers that this back end has. All but
// random are IPVS's.
func Schedulers() []string { return []string{rr, wrr, random, sh, mh} }

// Persistence is bounded by what fits in the kernel's milliseconds (and by
// IPVS's 31 bits of seconds).
const maxPersistence = 30 * 24 * time.Hour

// Refuse says everything that a service asks for and that this back end cannot
// do; nil if it can do all. The errors are joined.
func Refuse(s *lvs.Service) error {
	errs := slices.Concat(refuseID(s.ID), refuseAttr(&s.Attr), refuseServers(s))
	if len(errs) == 0 {
		return nil
	}
	for i, err := range errs {
		errs[i] = fmt.Errorf("%v: %w", s.ID, err)
	}
	return errors.Join(errs...)
}

func refuseID(id lvs.ID) (errs []error) {
	switch {
	case id.Mark != 0:
		return []error{errors.New("a service by firewall mark needs IPVS")}
	case !id.Addr.IsValid() || id.Addr.Zone() != "" || id.Addr.Is4In6() || lvs.FamilyOf(id.Addr) != id.Family:
		return []error{fmt.Errorf("bad address %v", id.Addr)}
	}
	if id.Port == 0 {
		errs = append(errs, errors.New("a service of all ports needs IPVS"))
	}
	if !slices.Contains([]lvs.Protocol{lvs.TCP, lvs.UDP, lvs.SCTP}, id.Protocol) {
		errs = append(errs, fmt.Errorf("bad protocol %v", id.Protocol))
	}
	return errs
}

func refuseAttr(a *lvs.Attr) (errs []error) {
	if !slices.Contains(Schedulers(), a.Scheduler) {
		errs = append(errs, fmt.Errorf("scheduler %q needs IPVS; nftables has %s", a.Scheduler, strings.Join(Schedulers(), ", ")))
	}
	if a.Flags&lvs.OnePacket != 0 {
		errs = append(errs, errors.New("ops (one-packet scheduling) needs IPVS"))
	}
	// Hashed does nothing in IPVS either. What sh and mh mean by flag-1, fallback to
	// another server, is always so here: a table has no server that is not up.
	known := lvs.Hashed | lvs.OnePacket
	if a.Scheduler == sh || a.Scheduler == mh {
		known |= lvs.Sched1 | lvs.Sched2
	}
	if a.Flags&^known != 0 {
		errs = append(errs, fmt.Errorf("flags %#x have no meaning for %s", uint32(a.Flags&^known), a.Scheduler))
	}
	if a.Engine != "" {
		errs = append(errs, fmt.Errorf("persistence_engine %s needs IPVS", a.Engine))
	}
	if a.Persistence < 0 || a.Persistence > maxPersistence || a.Persistence%time.Second != 0 {
		errs = append(errs, fmt.Errorf("persistence_timeout %v: allowed are whole seconds up to %v", a.Persistence, maxPersistence))
	}
	return errs
}

func refuseServers(s *lvs.Service) (errs []error) {
	if int(s.Attr.PersistenceBits) > s.ID.Addr.BitLen() {
		errs = append(errs, fmt.Errorf("persistence_granularity /%d: at most /%d", s.Attr.PersistenceBits, s.ID.Addr.BitLen()))
	}
	seen := make(map[lvs.Endpoint]bool, len(s.Servers))
	sum := 0
	for _, srv := range s.Servers {
		e := srv.Endpoint
		if seen[e] {
			errs = append(errs, fmt.Errorf("server %v twice", e))
		}
		seen[e] = true
		sum += srv.Weight
		switch {
		case !e.Addr.IsValid() || e.Addr.Zone() != "" || e.Addr.Is4In6() || e.Port == 0:
			errs = append(errs, fmt.Errorf("server %v: bad address or port", e))
		case lvs.FamilyOf(e.Addr) != s.ID.Family:
			errs = append(errs, fmt.Errorf("server %v: NAT needs a server of the service's address family", e))
		}
		if srv.Forward.Method != lvs.NAT {
			errs = append(errs, fmt.Errorf("server %v: lvs_method %v needs IPVS; nftables has NAT", e, srv.Forward.Method))
		}
		if srv.Weight < 0 || srv.Weight > lvs.MaxWeight {
			errs = append(errs, fmt.Errorf("server %v: weight %d: allowed are 0 to %d", e, srv.Weight, lvs.MaxWeight))
		}
		if srv.UThreshold != 0 || srv.LThreshold != 0 {
			errs = append(errs, fmt.Errorf("server %v: uthreshold and lthreshold need IPVS", e))
		}
	}
	if sum > math.MaxUint32 {
		errs = append(errs, fmt.Errorf("weights add up to %d: allowed are %d", sum, uint32(math.MaxUint32)))
	}
	return errs
}

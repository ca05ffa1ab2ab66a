package vrrp

// Cause says why an instance changed its state. The words are those of the
// last-event identities of RFC 8347 where it has one; the others are ours and
// marked so.
type Cause uint8

const (
	// CauseStartup is the start of the instance, or of the daemon.
	CauseStartup Cause = iota + 1
	// CauseResumed is a start so soon after the death of both processes that the
	// instance goes on as master (ours).
	CauseResumed
	// CauseShutdown is the orderly stop of the daemon.
	CauseShutdown
	// CauseHigherPriority is an advert with a better priority, or with an equal
	// one from a higher address.
	CauseHigherPriority
	// CauseMasterTimeout is the silence of the master for the master down time.
	CauseMasterTimeout
	// CauseMasterLeft is the end of the skew time after a priority 0 advert
	// (ours: RFC 8347 has no word for it).
	CauseMasterLeft
	// CauseLowerPriority is the pre-emption of a master of lower priority.
	CauseLowerPriority
	// CauseOwner is the pre-emption of a master by the address owner.
	CauseOwner
	// CausePreemptDelay is a pre-emption after preempt_delay.
	CausePreemptDelay
	// CauseInterfaceUp is the end of the fault CauseInterfaceDown.
	CauseInterfaceUp
	// CauseInterfaceDown is an interface that is down or missing.
	CauseInterfaceDown
	// CauseNoAddress is a link without an address to send adverts from.
	CauseNoAddress
	// CauseAddress is the end of the fault CauseNoAddress.
	CauseAddress
	// CauseNoPeers is unicast without a peer, by unicast_fault_no_peer (ours).
	CauseNoPeers
	// CauseAddressTaken is a virtual address that another program removes again
	// and again (ours).
	CauseAddressTaken
	// CauseAddressQuiet is the end of the fault CauseAddressTaken (ours).
	CauseAddressQuiet
	// CauseLate is a master that was not scheduled for so long that another one
	// took over (ours).
	CauseLate
	// CauseReconfigured is a changed configuration (ours).
	CauseReconfigured
	// CauseTracking is a tracked object with weight 0 that failed (ours).
	CauseTracking
	// CauseTrackingOver is the end of the fault CauseTracking (ours).
	CauseTrackingOver
	// CauseGroup is what another member of the sync group does (ours).
	CauseGroup
	// CauseStandby is an operator's `hakeep standby` (ours).
	CauseStandby
	// CauseRemoved is an instance that the configuration no longer has (ours).
	CauseRemoved

	numCauses
)

var causeNames = [numCauses]string{
	CauseStartup:        "startup",
	CauseResumed:        "resumed",
	CauseShutdown:       "shutdown",
	CauseHigherPriority: "higher-priority-backup",
	CauseMasterTimeout:  "master-timeout",
	CauseMasterLeft:     "master-left",
	CauseLowerPriority:  "lower-priority-master",
	CauseOwner:          "owner-preempt",
	CausePreemptDelay:   "preempt-hold-timeout",
	CauseInterfaceUp:    "interface-up",
	CauseInterfaceDown:  "interface-down",
	CauseNoAddress:      "no-primary-ip-address",
	CauseAddress:        "primary-ip-address",
	CauseNoPeers:        "no-unicast-peers",
	CauseAddressTaken:   "address-taken",
	CauseAddressQuiet:   "address-quiet",
	CauseLate:           "late",
	CauseReconfigured:   "reconfigured",
	CauseTracking:       "tracking",
	CauseTrackingOver:   "tracking-recovered",
	CauseGroup:          "sync-group",
	CauseStandby:        "standby",
	CauseRemoved:        "removed",
}

func (c Cause) String() string {
	if c > 0 && c < numCauses {
		return causeNames[c]
	}
	return "unknown"
}

// State is the state of an instance (RFC 9568, 6.4), plus keepalived's FAULT.
type State uint8

const (
	// Init is an instance that does not take part yet or any more.
	Init State = iota + 1
	// Backup waits for the master's silence.
	Backup
	// Master answers for the addresses (RFC 9568: Active).
	Master
	// Fault may not take part: see [Faults].
	Fault
)

func (s State) String() string {
	switch s {
	case Init:
		return "INIT"
	case Backup:
		return "BACKUP"
	case Master:
		return "MASTER"
	case Fault:
		return "FAULT"
	}
	return "unknown"
}

// Faults is the set of what keeps an instance in [Fault]. It ends when the set
// is empty (keepalived counts its sources the same way).
type Faults uint16

const (
	// FaultNoLink is an interface that does not exist.
	FaultNoLink Faults = 1 << iota
	// FaultLinkDown is an interface that is down or has no carrier.
	FaultLinkDown
	// FaultNoAddress is a link without a source address for adverts.
	FaultNoAddress
	// FaultNoPeers is unicast without peers under unicast_fault_no_peer.
	FaultNoPeers
	// FaultAddressTaken is a virtual address that others keep removing.
	FaultAddressTaken
	// FaultTracking is a tracked script, file, process or check with weight 0
	// that failed.
	FaultTracking
	// FaultTrackedLink is a tracked interface with weight 0 that is down.
	FaultTrackedLink
	// FaultGroup is another member of the sync group in fault.
	FaultGroup
)

var faultCauses = [...]struct {
	fault       Faults
	name        string
	begin, over Cause
}{
	{FaultNoLink, "interface-missing", CauseInterfaceDown, CauseInterfaceUp},
	{FaultLinkDown, "interface-down", CauseInterfaceDown, CauseInterfaceUp},
	{FaultNoAddress, "no-primary-ip-address", CauseNoAddress, CauseAddress},
	{FaultNoPeers, "no-unicast-peers", CauseNoPeers, CauseReconfigured},
	{FaultAddressTaken, "address-taken", CauseAddressTaken, CauseAddressQuiet},
	{FaultTracking, "tracking", CauseTracking, CauseTrackingOver},
	{FaultTrackedLink, "tracked-interface-down", CauseInterfaceDown, CauseInterfaceUp},
	{FaultGroup, "sync-group", CauseGroup, CauseGroup},
}

// Names lists the faults of the set, most basic first.
func (f Faults) Names() []string {
	var names []string
	for _, c := range faultCauses {
		if f&c.fault != 0 {
			names = append(names, c.name)
		}
	}
	return names
}

// beginCause is the cause of the transition to Fault by the most basic fault.
func (f Faults) beginCause() Cause {
	for _, c := range faultCauses {
		if f&c.fault != 0 {
			return c.begin
		}
	}
	return CauseReconfigured
}

// overCause is the cause of the transition out of Fault when f was what was
// left of the set.
func (f Faults) overCause() Cause {
	for _, c := range faultCauses {
		if f&c.fault != 0 {
			return c.over
		}
	}
	return CauseReconfigured
}

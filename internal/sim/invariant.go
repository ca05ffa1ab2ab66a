package sim

import (
	"fmt"
	"time"
)

// Inv names an invariant.
type Inv uint8

// The invariants; see the table.
const (
	InvOneMaster Inv = iota + 1
	InvRightMaster
	InvAddresses
	InvCaches
	InvGap
	InvDouble
	InvYield
	InvEarly
	InvLate
	InvLateWaker
	InvStill
	InvUnchanged
	InvPeriod
	InvRate
	InvAnswer
	InvAnnounceRate
	InvTransition
	InvStartup
	InvDeadline
	InvCodec
	InvOwnAdvert
	InvDrift
	InvStandby
	InvLinger
	InvSeamless
	InvGroup
	InvFault
	InvResume
)

// Invariant is a statement that holds in every run.
type Invariant struct {
	Name string
	// Rule is what holds, Given under which preconditions, Source who says so.
	Rule, Given, Source string
}

// invariants is the table of all of them. "Quiet" means: no fault is going on,
// and the last one ended so long ago that every timer that it touched has run
// out (monitor.settleTime).
var invariants = [...]Invariant{
	InvOneMaster: {
		Name:   "one-master",
		Rule:   "A virtual router has exactly one master, and nobody is in INIT or FAULT.",
		Given:  "Quiet; at least one router runs it. Not for two routers that share their address, nor for two owners of which one ignores adverts.",
		Source: "RFC 9568, 1.2 and 6.4",
	},
	InvRightMaster: {
		Name:   "right-master",
		Rule:   "No backup would have to be master instead: none has a better priority, unless it has nopreempt and is no owner.",
		Given:  "Quiet, which includes preempt_delay.",
		Source: "RFC 9568, 6.1 Preempt_Mode and 6.4.2; keepalived.md 3.3 nopreempt",
	},
	InvAddresses: {
		Name:   "addresses",
		Rule:   "The kernel of the master has every address of the instance, and the master knows it, and that of no other router has any.",
		Given:  "Quiet. Kernels of killed processes are left out: nobody is there to clean up.",
		Source: "RFC 9568, 6.4.2 (a backup MUST NOT accept packets) and 6.4.3; design.md 4",
	},
	InvCaches: {
		Name:   "caches",
		Rule:   "Every client that remembers a virtual address remembers the master.",
		Given:  "Quiet. Either garp_master_refresh is on, or the master could know that the entry was spoilt (afterwards it took over, heard the culprit's advert, or woke up from a stall in which another one must have taken over) and its announcements reached the client since.",
		Source: "RFC 9568, 8.1.2 and 8.2.2; keepalived.md 5.1 (issues 20, 166, 542, 1927)",
	},
	InvGap: {
		Name:   "gap",
		Rule:   "After the master fails there is another one within down_timer_adverts intervals plus the skew of the best backup; after it leaves, within that skew. Lateness, delay and pacing are added.",
		Given:  "A single fault after a quiet time; somebody is left.",
		Source: "RFC 9568, 6.1 Active_Down_Interval and 6.4.2",
	},
	InvDouble: {
		Name:   "double",
		Rule:   "Two masters of one virtual router do not both last longer than the longer of their intervals plus one delay: the next advert ends it.",
		Given:  "They hear each other, and neither has just slept so long that it must listen for one and a half intervals. Not for shared addresses, nor for owners that ignore adverts.",
		Source: "RFC 9568, 6.4.3",
	},
	InvYield: {
		Name:   "yield",
		Rule:   "A master that accepts a better advert (priority, then address) is backup after that step; one that accepts a worse one is still master.",
		Given:  "A worse one may also end a master that did not run for so long that another had to take over, or that of two owners (keepalived.md 3.3).",
		Source: "RFC 9568, 6.4.3",
	},
	InvEarly: {
		Name:   "early",
		Rule:   "A backup takes over no earlier than a master down time after the last advert that it had to follow: any of at least its own priority, any at all with nopreempt, any during preempt_delay. After a priority 0 advert: no earlier than the skew time.",
		Given:  "Always, in the router's own clock; state MASTER at the start shortens it to one interval.",
		Source: "RFC 9568, 6.4.2; keepalived.md 3.1, 3.2, preempt_delay",
	},
	InvLate: {
		Name:   "late",
		Rule:   "And no later than that plus lateness and pacing.",
		Given:  "The process ran all the time. If it did not: no later than two intervals after it runs again.",
		Source: "RFC 9568, 6.4.2",
	},
	InvLateWaker: {
		Name:   "late-waker",
		Rule:   "A router that was not running listens for at least one interval before it takes over, or before it goes on as master. A master announces nothing meanwhile, and steps down when it hears another one.",
		Given:  "A backup: its timer ended more than an interval before it ran again. A master: its last advert is so old that even the best backup must have taken over, and two intervals old; an answer to what it hears is no going on. Not a planned take-over that had begun before. Either: that was its only stall since it heard or sent something; who is late again and again must go on at last.",
		Source: "pitfalls.md 6; keepalived.md 5.1 (issues 542, 1927, 2066)",
	},
	InvStill: {
		Name:   "still",
		Rule:   "What does not concern the master changes no state anywhere: an advert lost, packets doubled or out of order, a backup that restarts, stalls, comes back or loses its link, a reload that changes nothing.",
		Given:  "A single fault after a quiet time. A backup that starts anew knows its own interval only: not if the master is so much slower that this one ends first (RFC 9568, 5.2.7, says that it may).",
		Source: "RFC 9568, 6.1 (three adverts may miss); keepalived.md 5.1, 5.2 (issues 754, 349)",
	},
	InvUnchanged: {
		Name:   "unchanged",
		Rule:   "A reload does nothing at all to an instance whose parameters stay, and does not change the state of one whose wire identity stays.",
		Given:  "The host has an address of its own. What is in FAULT may leave it.",
		Source: "design.md 6; keepalived.md 5.2",
	},
	InvPeriod: {
		Name:   "period",
		Rule:   "A master's next advert follows within its interval plus lateness and pacing.",
		Given:  "The process ran all the time.",
		Source: "RFC 9568, 6.4.3; design.md 3",
	},
	InvRate: {
		Name:   "rate",
		Rule:   "Four adverts in a row of one mastership take at least an interval, less lateness.",
		Given:  "Whatever peers send; the process ran. Reloads, taking over, installed addresses and leaving add one each.",
		Source: "vrrp-facts.md 1.4: answers must be bounded",
	},
	InvAnswer: {
		Name:   "answer",
		Rule:   "A master that stays master sends an advert within half an interval of a lower or priority 0 advert, and announces its addresses anew within a full one (at least 100 ms).",
		Given:  "The process runs. Not the advert with lower_prio_no_advert.",
		Source: "RFC 9568, 6.4.3; keepalived.md 3.3, 5.8 no. 2",
	},
	InvAnnounceRate: {
		Name:   "announce-rate",
		Rule:   "Masters of lower priority provoke at most one round of announcements an interval (at least 100 ms). An address is announced at most eight bursts a second, and two more for each time in that second that the router becomes master or the address is installed; refreshes come on top.",
		Given:  "Whatever peers send.",
		Source: "arp: what peers can provoke",
	},
	InvTransition: {
		Name:   "transition",
		Rule:   "States change only along the arrows of vrrp's diagram. A new master sends its advert, then has its addresses installed and announced (a planned take-over has them before); a former one has them removed, now or after its linger, and sends priority 0 if it leaves for INIT, FAULT or standby and only then. Nobody else sends.",
		Given:  "Always.",
		Source: "RFC 9568, 6.4; keepalived.md 3.3",
	},
	InvStartup: {
		Name:   "startup",
		Rule:   "Nothing is sent and no state left before vrrp_startup_delay is over.",
		Given:  "Always.",
		Source: "keepalived.md 3.2",
	},
	InvDeadline: {
		Name:   "deadline",
		Rule:   "After a Timeout no deadline is due, unless the limit held some back.",
		Given:  "Always.",
		Source: "vrrp: Step",
	},
	InvCodec: {
		Name:   "codec",
		Rule:   "What a router sends is never malformed to another, and announcements can be read.",
		Given:  "Always.",
		Source: "RFC 9568, 5.2",
	},
	InvOwnAdvert: {
		Name:   "own-advert",
		Rule:   "A router never accepts an advert with its own source address.",
		Given:  "Always.",
		Source: "vrrp-facts.md 1.4: a looped or cloned advert must not be answered",
	},
	InvDrift: {
		Name:   "drift",
		Rule:   "The adverts of an undisturbed master keep the beat of its clock: lateness does not add up.",
		Given:  "A quiet time, in which it heard nothing.",
		Source: "RFC 9568, 6.4.3 (Adver_Timer); keepalived.md 3.1",
	},
	InvStandby: {
		Name:   "standby",
		Rule:   "An instance in standby is not master.",
		Given:  "Always.",
		Source: "design.md 8: hakeep standby",
	},
	InvLinger: {
		Name:   "linger",
		Rule:   "A former master that keeps its addresses for the winner announces nothing, and gives them up when that has announced them, or advertised twice, and within the time in which the slowest backup must have advertised, also one that has missed an advert if that is within 2 s (version 3), and 200 ms.",
		Given:  "fast_leave; the process ran.",
		Source: "pitfalls.md 11",
	},
	InvSeamless: {
		Name:   "seamless",
		Rule:   "While mastership moves in a planned way (leave, standby, and the pre-emption when it is over) there is always a kernel that has each address.",
		Given:  "fast_leave on all routers, a quiet time before, somebody to take over; not with state MASTER, which may start without having heard anybody. The model checker loses any one advert of the move, too.",
		Source: "pitfalls.md 11 and 12",
	},
	InvGroup: {
		Name:   "group",
		Rule:   "The members of a sync group on one host are master together, and in FAULT together.",
		Given:  "After every step; not those that have not started, are in standby or have their addresses installed for a planned take-over; not after a reload until they are.",
		Source: "keepalived.md 3.11",
	},
	InvFault: {
		Name:   "fault",
		Rule:   "An instance whose link is down or has no address, or with a failed check of weight 0, is in FAULT.",
		Given:  "After the step that tells of it, unless it has not started.",
		Source: "keepalived.md 3.7",
	},
	InvResume: {
		Name:   "resume",
		Rule:   "Who starts goes on as master only if it was master when its process was killed, the machine has not booted since, and nobody can have taken over: no later than down_timer_adverts intervals after its last advert. Then it changes no state anywhere else.",
		Given:  "The second part: nothing else happens.",
		Source: "RFC 9568, 6.1 Active_Down_Interval; operation.md, when hakeep dies",
	},
}

func (i Inv) String() string {
	if i > 0 && int(i) < len(invariants) {
		return invariants[i].Name
	}
	return "unknown"
}

// Violation is an invariant that did not hold.
type Violation struct {
	Inv  Inv
	At   time.Duration
	Text string
}

func (v *Violation) Error() string {
	return fmt.Sprintf("%s violated at %s: %s (%s Source: %s.)", v.Inv, moment(v.At), v.Text, invariants[v.Inv].Rule, invariants[v.Inv].Source)
}

// fail records the first violation.
func (m *monitor) fail(inv Inv, s *seat, format string, args ...any) {
	if m.violation != nil || m.allow[inv.String()] {
		return
	}
	text := fmt.Sprintf(format, args...)
	if s != nil {
		text = s.host.spec.Name + " " + s.p.Name + ": " + text
	}
	m.violation = &Violation{inv, m.w.now, text}
}

package vrrp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// grouped are n instances on eth0 in one sync group, with the names A, B, C.
func grouped(n int, priority uint8) (params []*Params) {
	for i := range n {
		params = append(params, with(testParams(priority), func(p *Params) {
			p.Name, p.VRID, p.SyncGroup = string(rune('A'+i)), uint8(51+i), "G"
		}))
	}
	return params
}

// groupLine tells all states, as in "MASTER BACKUP".
func (h *host) groupLine() string {
	var s []string
	for _, in := range h.r.Snapshot(nil) {
		s = append(s, in.State.String())
	}
	return strings.Join(s, " ")
}

func (h *host) expectStates(want string) {
	h.t.Helper()
	h.expect(h.groupLine(), want)
}

// transitions counts the transitions of groups in the actions of one step.
func (h *host) transitions(ev Event) (n int) {
	for _, a := range h.r.Step(h.now, ev) {
		if a.Kind == GroupTransition {
			n++
		}
	}
	return n
}

// TestGroupTellsEachChangeOnce, and none for what does not change it.
func TestGroupTellsEachChangeOnce(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	params := grouped(2, 100)
	if n := h.transitions(Reconfigure{Instances: params}); n != 1 {
		t.Errorf("the start was told %d times", n)
	}
	h.until(20 * second)
	h.expectStates("MASTER MASTER")
	renamed := with(params[0], func(p *Params) { p.Name = "NEW" })
	for _, ev := range []Event{
		Timeout{}, Reconfigure{Instances: params}, Reconfigure{Instances: []*Params{renamed, params[1]}},
		packet(params[0], lowerAddr, 50, nil), Tracked{ID: 1, Weight: 10},
	} {
		if n := h.transitions(ev); n != 0 {
			t.Errorf("%T was told as a change of the group", ev)
		}
	}
	if n := h.transitions(Tracked{ID: 1, Fault: true}); n != 1 {
		t.Errorf("the fault was told %d times", n)
	}
}

// TestGroupFaultsOverlap: the group is well when all its members are.
func TestGroupFaultsOverlap(t *testing.T) {
	t.Parallel()
	h := newHost(t, grouped(3, 100)...)
	h.until(30 * second)
	h.expectStates("MASTER MASTER MASTER")
	faults := func(want ...string) {
		t.Helper()
		for i, in := range h.r.Snapshot(nil) {
			if got := strings.Join(in.Faults.Names(), " "); got != want[i] {
				t.Errorf("%s has the faults %q, want %q", in.Name, got, want[i])
			}
		}
	}
	h.step(h.now, Tracked{ID: 1, Fault: true})
	h.expectStates("FAULT FAULT FAULT")
	faults("tracking", "sync-group", "sync-group")
	h.step(h.now, Tracked{ID: 2, Fault: true})
	faults("tracking sync-group", "tracking sync-group", "sync-group")
	// A link that changes meanwhile moves nobody, not even for a moment.
	h.expect(h.link(h.now, true, ownAddr, ownAddr6, higherAddr), "")
	h.step(h.now, Tracked{ID: 1})
	h.expectStates("FAULT FAULT FAULT")
	faults("sync-group", "tracking", "sync-group")
	h.step(h.now, Tracked{ID: 2})
	h.expectStates("BACKUP BACKUP BACKUP")
	faults("", "", "")
}

// TestGroupOfOwnersStartsTogether: not even an owner is master alone.
func TestGroupOfOwnersStartsTogether(t *testing.T) {
	t.Parallel()
	owners := grouped(2, 255)
	for _, p := range owners {
		p.StartMaster = true
	}
	owners[1].Link = "eth9"
	h := newHost(t)
	if got := h.reload(0, owners...); strings.Contains(got, "MASTER") {
		t.Errorf("an owner was master for a moment: %s", got)
	}
	h.expectStates("FAULT FAULT")
	owners[1] = with(owners[1], func(p *Params) { p.Link = "eth0" })
	h.reload(0, owners...)
	h.until(10 * second)
	h.expectStates("MASTER MASTER")
}

// TestGroupForgetsWhoWanted: a member whose timer had ended and that hears a
// master again does not want to become one any more.
func TestGroupForgetsWhoWanted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		revive func(h *host, a *Params)
	}{
		{"a master is heard", func(h *host, a *Params) { h.hearFrom(h.now, a, lowerAddr, 200) }},
		{"fault and back", func(h *host, _ *Params) {
			h.link(h.now, false, ownAddr)
			h.link(h.now, true, ownAddr)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			params := grouped(2, 100)
			params[1].Priority = 150
			h := newHost(t, params...)
			h.hearFrom(2*second, params[1], lowerAddr, 200)
			h.until(4 * second) // A's timer has ended, B follows a master
			h.expectStates("BACKUP BACKUP")
			c.revive(h, params[0])
			at := h.now
			// B's ends before A's: only B wants now.
			h.until(at + MasterDownInterval(V3, 150, second, 3))
			h.expectStates("BACKUP BACKUP")
			h.until(at + 3*down100)
			h.expectStates("MASTER MASTER")
		})
	}
}

// TestGroupFollowsALateMember back when it finds another master.
func TestGroupFollowsALateMember(t *testing.T) {
	t.Parallel()
	params := grouped(2, 100)
	h := newHost(t, params...)
	h.until(20 * second)
	h.expectStates("MASTER MASTER")
	h.hearFrom(h.now+60*second, params[0], lowerAddr, 50)
	h.expectStates("BACKUP BACKUP")
}

// TestGroupWithAMemberThatHasNotStarted is in fault when another one is.
func TestGroupWithAMemberThatHasNotStarted(t *testing.T) {
	t.Parallel()
	params := grouped(2, 100)
	h := newHost(t, params[0])
	h.step(0, Reconfigure{Start: 5 * second, Instances: params})
	h.expectStates("BACKUP INIT")
	h.step(0, Tracked{ID: 1, Fault: true})
	h.expectStates("FAULT INIT")
	if got := h.r.groups[0].state; got != Fault {
		t.Errorf("the group is %v", got)
	}
	h.until(5 * second)
	h.expectStates("FAULT FAULT")
}

// TestGroupsInTheHeap: what moves the siblings moves their deadlines.
func TestGroupsInTheHeap(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	var params []*Params
	for i := range 60 {
		params = append(params, with(testParams(uint8(50+random.IntN(200))), func(p *Params) {
			p.Name, p.VRID, p.SyncGroup = fmt.Sprint(i), uint8(i+1), fmt.Sprint("G", i/3)
		}))
	}
	h := newHost(t, params...)
	masters := 0
	for range 5000 {
		p := params[random.IntN(60)]
		id := ID(p.VRID)
		switch random.IntN(10) {
		case 0:
			h.hearFrom(h.now, p, higherAddr, uint8(random.IntN(256)))
		case 1:
			h.step(h.now, Tracked{ID: id, Fault: random.IntN(4) == 0})
		default:
			d, ok := h.r.NextDeadline()
			if !ok {
				h.step(h.now+second, Tracked{ID: id})
				continue
			}
			masters += strings.Count(h.step(max(d, h.now), Timeout{}), ">MASTER")
		}
		if d, ok := h.r.NextDeadline(); ok && d != earliest(h.r) {
			t.Fatalf("at %v the next deadline is %v, want %v", h.now, d, earliest(h.r))
		}
	}
	if masters < 50 {
		t.Errorf("only %d take-overs: the test does not test much", masters)
	}
}

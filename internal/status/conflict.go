package status

import (
	"fmt"
	"time"
)

// conflictFresh is how long a conflict is warned of after it was seen last. Two
// hosts with one address need not speak often.
const conflictFresh = 10 * time.Minute

// conflicts warns of other hosts that use addresses of an instance.
func conflicts(now time.Time, in *Instance) (warnings []string) {
	for _, c := range in.Conflicts {
		if now.Sub(c.LastSeen) > conflictFresh {
			continue
		}
		text := fmt.Sprintf("%s: another host, %s, uses %s, too (%s)", in.Name, c.MAC, c.Address, c.By)
		if in.State == "MASTER" && len(in.Peers) == 0 {
			text += "; no other router was heard: both may be master and not hear each other"
		}
		warnings = append(warnings, text)
	}
	return warnings
}

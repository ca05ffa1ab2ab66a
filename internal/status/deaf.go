package status

import (
	"fmt"
	"slices"
)

// deafReasons are those by which all adverts of a peer are thrown away: the two
// configurations do not fit, and both routers become master.
var deafReasons = []string{"version", "auth-type", "auth", "interval-mismatch", "checksum", "unicast-source", "destination"}

// deaf warns of a master that discards the adverts of others.
func deaf(in *Instance) (warnings []string) {
	if in.State != "MASTER" {
		return nil
	}
	for reason, n := range in.Counters.Reasons {
		if slices.Contains(deafReasons, reason) && n > in.Counters.AdvertsReceived {
			warnings = append(warnings, fmt.Sprintf("%s: adverts of another router are discarded, so both may be master: %s (%d times); %s",
				in.Name, reason, n, Explain(reason)))
		}
	}
	slices.Sort(warnings)
	return warnings
}

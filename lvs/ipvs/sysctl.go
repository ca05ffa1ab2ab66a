package ipvs

import (
	"fmt"
	"os"
)

// expireNodest is a setting of the network namespace of the thread that opens it.
const expireNodest = "/proc/sys/net/ipv4/vs/expire_nodest_conn"

// SetExpireNodest says what becomes of the connections of servers that are deleted:
// with on, the kernel forgets them (since Linux 5.9 at once, before at the next packet of
// each), so that the client's next packet is given to another server, where UDP goes
// on and TCP is reset; without, which is the kernel's default, their packets are
// dropped until the entry times out. It holds for all services of the network
// namespace, whoever owns them. IPVS must be there ([Open]).
func SetExpireNodest(on bool) error {
	value := "0\n"
	if on {
		value = "1\n"
	}
	if err := os.WriteFile(expireNodest, []byte(value), 0o644); err != nil {
		return fmt.Errorf("set expire_nodest_conn: %w", err)
	}
	return nil
}

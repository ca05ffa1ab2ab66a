package ipvs

import (
	"fmt"
	"os"
)

// expireNodest is a setting of the network namespace of the thread that opens it, and
// the open file stays that namespace's.
const expireNodest = "/proc/sys/net/ipv4/vs/expire_nodest_conn"

// SetExpireNodest says what becomes of the connections of servers that are deleted:
// with on, the kernel forgets them (since Linux 5.9 at once, before at the next packet of
// each), so that the client's next packet is given to another server, where UDP goes
// on and TCP is reset; without, which is the kernel's default, their packets are
// dropped until the entry times out. It holds for all services of the network
// namespace, whoever owns them.
func (c *Client) SetExpireNodest(on bool) error {
	if c.expireErr != nil {
		return fmt.Errorf("set expire_nodest_conn: %w", c.expireErr)
	}
	value := "0\n"
	if on {
		value = "1\n"
	}
	if _, err := c.expire.WriteAt([]byte(value), 0); err != nil {
		return fmt.Errorf("set expire_nodest_conn: %w", err)
	}
	return nil
}

// openSysctl is part of Open, which runs in the client's namespace.
func (c *Client) openSysctl() {
	c.expire, c.expireErr = os.OpenFile(expireNodest, os.O_WRONLY, 0)
}

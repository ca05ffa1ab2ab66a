//go:build vm

// Package systemd holds the tests of packaging/hakeep.service and of hakeep
// under it. They run in a virtual machine of their own, where systemd is PID 1
// and hakeep is installed as a package would do it (see ../test.sh):
//
//	client and peer          the machine itself
//	       |.2, .10 as backup  eth0 |.1, .10 as master     192.0.2.0/24, 2001:db8::/64
//	=======+========================+==== LAN
//
// The service is the machine's one, so the tests run one after the other, and
// each begins with a stopped service.
package systemd

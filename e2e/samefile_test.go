package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// sharedConf is one keepalived.conf for both routers: definitions, conditions,
// repetitions and whole blocks. %[1]s is the directory of the script, %[2]s what
// the variants add.
const sharedConf = `! both routers
@one $PRIO=200
@two $PRIO=100
$VIP= \
    virtual_ipaddress { \
        192.0.2.10/24 dev eth0 # the first one \
        ~SEQ(N,11,13) 192.0.2.${N}/32 \
    }
global_defs
{
` + realtimePeer + `    script_user root
}
vrrp_script chk {
    script "/bin/sh -c 'exit 0'"
    interval 1
    weight 5
}
vrrp_instance VI_1 {
    interface eth0
    state BACKUP
    virtual_router_id 51
    priority $PRIO
    %[2]s
    track_script { chk }
    notify "%[1]s/notify.sh ${PRIO}"
$VIP
}
`

// TestSameFile lets hakeep and keepalived run one and the same keepalived.conf
// as a pair: each is master once, and what they send and tell their scripts is
// the same but for the priority.
func TestSameFile(t *testing.T) {
	for _, tt := range []struct{ name, lines string }{
		{"version 2 with a password", "authentication {\n auth_type PASS\n auth_pass s3cret-and-long\n }"},
		{"version 3", "version 3\n advert_int 0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			nstest.RequireTool(t, "keepalived")
			p := newPair(t)
			dir := nstest.ShortDir(t)
			script := "#!/bin/sh\necho \"$@\" >> " + dir + "/calls.$1\n"
			if err := os.WriteFile(filepath.Join(dir, "notify.sh"), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			conf := fmt.Sprintf(sharedConf, dir, tt.lines)
			c := nstest.Capture(t, p.client, "eth0", lab.FilterVRRP)

			kd := nstest.Keepalived(t, p.b, conf, "-i", "two")
			awaitState(t, kd, "MASTER") // alone
			awaitAdverts(t, c, "192.0.2.2", 2)
			p.awaitHolder(t, "192.0.2.13", "b")
			hk := nstest.Hakeep(t, p.a, conf, "--config-id", "one")
			awaitState(t, hk, "MASTER")
			awaitState(t, kd, "BACKUP")
			awaitAdverts(t, c, "192.0.2.1", 4)
			for _, vip := range []string{vip4, "192.0.2.11", "192.0.2.13"} {
				p.awaitHolder(t, vip, "a")
			}
			if err := hk.Stop(nstest.Context(t, patience)); err != nil {
				t.Fatal(err)
			}
			awaitState(t, kd, "MASTER")
			p.awaitHolder(t, "192.0.2.12", "b")

			ours, theirs := payload(t, c, "192.0.2.1"), payload(t, c, "192.0.2.2")
			if !bytes.Equal(ours, theirs) {
				t.Errorf("adverts differ:\nhakeep     %x\nkeepalived %x", ours, theirs)
			}
			nstest.Eventually(t, patience, func() error {
				a, b := calls(dir, "200"), calls(dir, "100")
				if !slices.Contains(a, "INSTANCE VI_1 MASTER 205") || !slices.Contains(b, "INSTANCE VI_1 MASTER 105") {
					return fmt.Errorf("calls of hakeep %q, of keepalived %q", a, b)
				}
				return nil
			})
		})
	}
}

// payload is the last ordinary advert of a router without priority and checksum,
// in which the two of a pair differ.
func payload(t *testing.T, c *lab.Capture, src string) []byte {
	t.Helper()
	var last []byte
	for _, f := range c.Frames() {
		if ip, ok := f.VRRP(); ok && ip.Src.String() == src && len(ip.Payload) > 8 && ip.Payload[2] != 0 {
			last = bytes.Clone(ip.Payload)
		}
	}
	if last == nil {
		t.Fatalf("no advert of %s", src)
	}
	last[2], last[6], last[7] = 0, 0, 0
	return last
}

// calls lists what a router's notify script was called with, without the first
// argument.
func calls(dir, prio string) []string {
	text, err := os.ReadFile(filepath.Join(dir, "calls."+prio))
	if err != nil {
		return nil
	}
	var out []string
	for l := range strings.Lines(string(text)) {
		out = append(out, strings.TrimSpace(strings.TrimPrefix(l, prio)))
	}
	return out
}

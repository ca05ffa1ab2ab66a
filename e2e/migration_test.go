package e2e

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// migrationConf is a file as many have it; each router has its condition.
const migrationConf = `! keepalived.conf of both routers
global_defs {
    router_id web
` + realtimePeer + `    script_user root
    enable_script_security
}
vrrp_script chk_web {
    script "/bin/true"
    interval 2
    weight -20
}
vrrp_instance VI_1 {
@one state MASTER
@two state BACKUP
    interface eth0
    virtual_router_id 51
@one priority 150
@two priority 100
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass migrate
    }
    virtual_ipaddress {
        192.0.2.10/24
    }
    track_script {
        chk_web
    }
}
`

// guide follows docs/migrating.md.
type guide struct {
	*pair
	dir string
}

// daemonUnderGuide is one of both.
type daemonUnderGuide interface {
	WaitState(ctx context.Context, instance, state string) error
	Stop(ctx context.Context) error
}

func (g *guide) keepalived(t *testing.T, ns *lab.Namespace, id string) daemonUnderGuide {
	t.Helper()
	return nstest.Keepalived(t, ns, migrationConf, "-i", id)
}

// hakeep converts the file, as the guide's first step does, and runs the result.
func (g *guide) hakeep(t *testing.T, ns *lab.Namespace, id string) daemonUnderGuide {
	t.Helper()
	conf, out := filepath.Join(g.dir, "keepalived.conf"), filepath.Join(g.dir, id+".toml")
	if err := os.WriteFile(conf, []byte(migrationConf), 0o600); err != nil {
		t.Fatal(err)
	}
	nstest.Run(t, ns, nstest.Binary(t), "import", conf, "--config-id", id, "-o", out)
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return nstest.Hakeep(t, ns, string(text))
}

// step does one step of the guide while a client asks the address every
// millisecond, and reports how many answers were lost.
func (g *guide) step(t *testing.T, what string, most int, do func()) {
	t.Helper()
	probe := nstest.Probe(t, g.client, vip4)
	if err := probe.AwaitAnswers(nstest.Context(t, patience), 500); err != nil {
		t.Fatal(err)
	}
	do()
	if err := probe.AwaitAnswers(nstest.Context(t, patience), 1500); err != nil {
		t.Fatal(err)
	}
	r := probe.Stop()
	t.Logf("%-60s lost %4d of %d", what, r.Lost, r.Sent)
	if r.Lost > most {
		t.Errorf("%s: %d answers lost, at most %d", what, r.Lost, most)
	}
}

// TestMigration follows docs/migrating.md word by word with one file: a pair of
// keepalived, a mixed one, a pair of hakeep, and back.
func TestMigration(t *testing.T) {
	nstest.RequireTool(t, "keepalived")
	g := &guide{pair: newPair(t), dir: nstest.ShortDir(t)}
	stop := func(d daemonUnderGuide) {
		t.Helper()
		if err := d.Stop(nstest.Context(t, patience)); err != nil {
			t.Fatal(err)
		}
	}
	// A master that leaves without a word to the address's users is out for the
	// skew time of the other, (256 - 100) / 256 s, and a little.
	const none, leave = allowedLost, 1500
	a, b := g.keepalived(t, g.a, "one"), g.keepalived(t, g.b, "two")
	awaitState(t, a, "MASTER")
	awaitState(t, b, "BACKUP")
	g.awaitHolder(t, vip4, "a")
	g.step(t, "backup: keepalived stopped, hakeep started", none, func() {
		stop(b)
		b = g.hakeep(t, g.b, "two")
		awaitState(t, b, "BACKUP")
	})
	g.step(t, "master: keepalived stopped, hakeep takes over", leave, func() {
		stop(a)
		awaitState(t, b, "MASTER")
		g.awaitHolder(t, vip4, "b")
	})
	g.step(t, "hakeep started where keepalived was master", none, func() {
		a = g.hakeep(t, g.a, "one")
		awaitState(t, a, "MASTER")
		g.awaitHolder(t, vip4, "a")
	})
	g.step(t, "back, backup: hakeep stopped, keepalived started", none, func() {
		stop(b)
		b = g.keepalived(t, g.b, "two")
		awaitState(t, b, "BACKUP")
	})
	g.step(t, "back, master: hakeep stopped, keepalived takes over", none, func() {
		stop(a)
		awaitState(t, b, "MASTER")
		g.awaitHolder(t, vip4, "b")
	})
	g.step(t, "keepalived started where hakeep was master", leave, func() {
		a = g.keepalived(t, g.a, "one")
		awaitState(t, a, "MASTER")
		g.awaitHolder(t, vip4, "a")
	})
}

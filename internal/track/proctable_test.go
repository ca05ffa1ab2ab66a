package track

import (
	"maps"
	"testing"

	"pgregory.net/rapid"
)

func TestProcessMatches(t *testing.T) {
	t.Parallel()
	cmd := func(words ...string) (line string) {
		for _, w := range words {
			line += w + "\x00"
		}
		return line
	}
	argv := func(words ...string) []string { return words }
	for _, c := range []struct {
		name string
		p    Process
		comm string
		line string
		want bool
	}{
		{"name only", Process{Argv: argv("nginx")}, "nginx", "", true},
		{"another name", Process{Argv: argv("nginx")}, "nginx2", "", false},
		{"path of the program", Process{Argv: argv("/usr/sbin/nginx")}, "nginx", "", true},
		{"the kernel's 15 characters", Process{Argv: argv("keepalived_longname")}, "keepalived_long", "", true},
		{"all arguments", Process{Argv: argv("a", "-x", "y")}, "a", cmd("a", "-x", "y"), true},
		{"one more", Process{Argv: argv("a", "-x")}, "a", cmd("a", "-x", "y"), false},
		{"one less", Process{Argv: argv("a", "-x", "y")}, "a", cmd("a", "-x"), false},
		{"partial: more may follow", Process{Argv: argv("a", "-x"), Match: MatchPartial}, "a", cmd("a", "-x", "y"), true},
		{"partial: whole arguments", Process{Argv: argv("a", "-x"), Match: MatchPartial}, "a", cmd("a", "-xy"), false},
		{"initial: the last may be longer", Process{Argv: argv("a", "-x"), Match: MatchInitial}, "a", cmd("a", "-xy"), true},
		{"initial: the first may not", Process{Argv: argv("a", "-x", "y"), Match: MatchInitial}, "a", cmd("a", "-xx", "y"), false},
		{"no arguments wanted, none there", Process{Argv: argv("a"), Match: MatchPartial}, "a", cmd("a"), true},
		{"no arguments wanted, some there", Process{Argv: argv("a"), Match: MatchInitial}, "a", cmd("a", "b"), false},
		{"full command", Process{Argv: argv("/usr/bin/python3", "/x.py"), FullCommand: true}, "python3.11", cmd("/usr/bin/python3", "/x.py"), true},
		{"full command, name differs", Process{Argv: argv("python3"), FullCommand: true}, "python3", cmd("/usr/bin/python3"), false},
		{"full command with a title", Process{Argv: argv("nginx: master process"), FullCommand: true}, "nginx", "nginx: master process\x00\x00\x00\x00", true},
		{"thread of the kernel", Process{Argv: argv("kworker"), FullCommand: true}, "kworker", "", false},
	} {
		if got := c.p.Matches(c.comm, c.line); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestProcTable: counts are those of a model whatever events come.
func TestProcTable(t *testing.T) {
	t.Parallel()
	want := []Process{{Name: "a", Argv: []string{"a"}}, {Name: "b", Argv: []string{"b"}}, {Name: "a2", Argv: []string{"/bin/a"}}}
	rapid.Check(t, func(t *rapid.T) {
		table := newProcTable(want)
		model := map[int]string{}
		pid := rapid.IntRange(1, 6)
		for range 60 {
			p := pid.Draw(t, "pid")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				child := pid.Draw(t, "child")
				table.fork(p, child)
				model[child] = model[p]
			case 1:
				name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
				table.set(p, table.matched(name, func() string { t.Fatal("command line not needed"); return "" }))
				model[p] = name
			case 2:
				table.exit(p)
				delete(model, p)
			case 3:
				alive := map[int]bool{1: true, 2: true, p: true}
				table.keep(alive)
				maps.DeleteFunc(model, func(k int, _ string) bool { return !alive[k] })
			}
			var a, b int
			for _, name := range model {
				switch name {
				case "a":
					a++
				case "b":
					b++
				}
			}
			if table.count[0] != a || table.count[1] != b || table.count[2] != a {
				t.Fatalf("counts %v, want %d, %d, %d", table.count, a, b, a)
			}
		}
	})
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, comm string
		ok         bool
	}{
		{"12 (nginx) S 1 12 12", "nginx", true},
		{"12 (a) b) (c) R 1", "a) b) (c", true},
		{"12 (dead) Z 1", "dead", false},
		{"12 (gone) X 1", "gone", false},
		{"", "", false}, {"12 (", "", false}, {"12 )(", "", false}, {"12 (x)", "", false},
	} {
		if comm, ok := parseStat(c.text); comm != c.comm || ok != c.ok {
			t.Errorf("%q: %q, %v; want %q, %v", c.text, comm, ok, c.comm, c.ok)
		}
	}
}

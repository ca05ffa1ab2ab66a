package keepalived

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// files makes a file system of texts; the names have no first slash.
func files(texts map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range texts {
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return fsys
}

// lines reads etc/k.conf and returns its lines as "line: text".
func lines(t *testing.T, o Options) ([]string, []Issue) {
	t.Helper()
	is := &issues{}
	r := newReader(o, is)
	if err := r.open("etc/k.conf", "k.conf"); err != nil {
		t.Fatal(err)
	}
	var out []string
	for {
		l, ok := r.next()
		if !ok {
			return out, is.all
		}
		if l.text == "" {
			continue
		}
		at := fmt.Sprint(l.pos.Line)
		if l.pos.File != "k.conf" {
			at = l.pos.File + ":" + at
		}
		if l.pos.Used != 0 {
			at += "<" + fmt.Sprint(l.pos.Used)
		}
		out = append(out, at+": "+l.text)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	// What is wanted was tried out with keepalived 2.2.7 where it has the word.
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"comments", "a # b\n! c\n\"x # y\" z!w\n\\#d \\!e\n", []string{"1: a", `3: "x # y" z`, "4: #d !e"}},
		{"conditions", "@one a\n@two b\n@^one c\n@^two d\n@one @^two e\n", []string{"1: a", "4: d", "5: e"}},
		{"carriage returns", "a b\r\nc\r\n", []string{"1: a b", "2: c"}},
		{"definition", "$X=1\n$Y = v$X w\na $X,${X}b $Y\nc $XY $Z ${Z}\n", []string{"3: a 1,1b v1 w", "4: c $XY $Z ${Z}"}},
		{"definition is put in late", "$B=x$A\n$A=1\na ${B}\n$A=2\na ${B}\n", []string{"3: a x1", "5: a x2"}},
		{
			"definition of several lines", "$X= \\\n a \\\n# c \\\n@one b \\\n@two c \\\n d\n$X\n",
			[]string{"2<7: a", "4<7: b", "6<7: d"},
		},
		{"text behind several lines", "$X= \\\n a { \\\n b\n$X c }\n", []string{"2<4: a {", "3<4: b c }"}},
		{
			"definition within one", "$V= \\\n v ${N} { \\\n$R=1 \\\n$W \\\n$R=2 \\\n$W \\\n}\n$W=w ${N}.${R}\n$N=7\n$V\n",
			[]string{"2<10: v 7 {", "4<10: w 7.1", "6<10: w 7.2", "7<10: }"},
		},
		{"sequence", "~SEQ(A,2) a${A}\n~SEQ(A, 4 , -2, 1) b${A}\n~SEQx(A, 0x8, 0x3, 0xe) c${A}\n", []string{
			"1: a1", "1: a2", "2: b4", "2: b2", "3: c8", "3: cb", "3: ce",
		}},
		{"nested sequences", "~SEQ ( A , 0 , 1 ) ~SEQ(B,1,2) a $A $B\n", []string{"1: a 0 1", "1: a 0 2", "1: a 1 1", "1: a 1 2"}},
		{"sequence of a block", "$X= \\\n a ${N} \\\n b\n~SEQ(N,1,2) $X\n", []string{"2<4: a 1", "3<4: b", "2<4: a 2", "3<4: b"}},
		{"sequence behind a brace", "x { ~SEQ(A,1,2) a${A}\n}\n", []string{"1: x {", "1: a1", "1: a2", "2: }"}},
		{"list", "~LST(A, x, y) a$A\n~LST({A,B},{1,2},{3}) b${A}$B c\n~LST({A,B},{,2}) d${A}e${B}\n", []string{
			"1: ax", "1: ay", "2: b12 c", "2: b3 c", "3: de2",
		}},
		{"comments by a definition", "$OFF=${_HASH}\n$OFF a\n${OFF} b\n$OFF=\n$OFF c\nd ${_BANG} e\n\"${_HASH}\"\n", []string{"5: c", "6: d", "7: \"#\""}},
		{"built-ins", "${_PWD}/x \"${_HASH}${_BANG}\" ${_ENV HOME} ${_INSTANCE}\ninstance blue\n${_INSTANCE}\n$_HASH=h\n${_HASH}\n", []string{
			"1: /etc/x \"#!\" /home/u", "2: instance blue", "3: blue", "5: h",
		}},
		{"random", "${_RANDOM 3 3} ${_RANDOM 9 9}\n", []string{"1: 3 9"}},
		{"include", "a\ninclude d/*.conf\nb\n", []string{"1: a", "/etc/d/1.conf:1: one /etc/d", "/etc/d/sub/s.conf:1: sub", "/etc/d/2.conf:1: two", "3: b"}},
		{"include with braces", "include d/{2,sub/s}.conf\n", []string{"/etc/d/2.conf:1: two", "/etc/d/sub/s.conf:1: sub"}},
		{"include by a definition", "$D=d\ninclude ${_PWD}/$D/2.conf\ninclude /etc/${D}/2.conf\n", []string{"/etc/d/2.conf:1: two"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fsys := files(map[string]string{
				"etc/k.conf": tt.text, "etc/d/1.conf": "one ${_PWD}\ninclude sub/s.conf\n", "etc/d/2.conf": "two\n", "etc/d/sub/s.conf": "sub\n",
			})
			env := func(name string) string { return map[string]string{"HOME": "/home/u"}[name] }
			got, _ := lines(t, Options{Root: fsys, ConfigID: "one", Env: env})
			if !slices.Equal(got, tt.want) {
				t.Errorf("got:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
		})
	}
}

func TestBadLines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text, want string
		kind             Kind
	}{
		{"endless include", "include k.conf\n", "does one include itself?", Broken},
		{"endless definition", "$A=x $B\n$B=y $A\n$A\n", "does $A use itself?", Broken},
		{"doubling definition", "$A=${B}${B}\n$B=${A}${A}\n$A\n", "put in too often", Broken},
		{"definition of itself in lines", "$A= \\\n x \\\n$A\n$A\n", "too often", Broken},
		{"huge sequence", "~SEQ(A,1,1000000000) a\n", "these are 1000000000 lines", Lost},
		{"nested sequences", "~SEQ(A,1,1000) ~SEQ(B,1,1000) ~SEQ(C,1,1000) a\n", "60000 lines of definitions and repetitions", Broken},
		{"endless sequence", "~SEQ(A,1,0,5) a\n", "it never ends", Lost},
		{"wrong way", "~SEQ(A,5,1,1) a\n", "it never ends", Lost},
		{"no number", "~SEQ(A,b) a\n", `"b" is not a number`, Lost},
		{"no parenthesis", "~SEQ(A,1 a\n", "without ( and )", Lost},
		{"too many values", "~LST(A,{1,2}) a\n", "more values than names", Lost},
		{"long line", strings.Repeat("a ", 600) + "\n", "longer than 1024", Lost},
		{"long by a definition", "$A=" + strings.Repeat("a", 900) + "\nb $A $A\n", "longer than 1024", Lost},
		{"NUL", "a\x00b\n", "NUL", Lost},
		{"no file", "include nothing.conf\n", "there is no such file", Lost},
		{"no file that is needed", "includer nothing.conf\n", "there is no such file", Broken},
		{"no match that is needed", "includem nothing*\n", "there is no such file", Broken},
		{"no wildcard match", "include nothing*\n", "matches no file", Note},
		{"directory", "include /etc\n", "not a regular file", Broken},
		{"braces", "include {a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}\n", "too many alternatives", Lost},
		{"a \\ of nothing", "a\n\\\nb\n", "continues no definition", Changed},
		{"condition without id", "@ a\n", "without an id", Lost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, got := lines(t, Options{Root: files(map[string]string{"etc/k.conf": tt.text})})
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			for _, i := range got {
				if i.Kind == tt.kind && strings.Contains(i.Message, tt.want) {
					return
				}
			}
			t.Errorf("got %v, want %v %q", got, tt.kind, tt.want)
		})
	}
}

// With AllIncludes each include is one that must be there.
func TestAllIncludes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Kind{"include nothing.conf\n": Lost, "include nothing*\n": Note} {
		for _, all := range []bool{false, true} {
			_, got := lines(t, Options{Root: files(map[string]string{"etc/k.conf": text}), AllIncludes: all})
			if all {
				want = Broken
			}
			if len(got) != 1 || got[0].Kind != want {
				t.Errorf("%q, all %v: %v, want %v", text, all, got, want)
			}
		}
	}
}

func TestTree(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want, issue string }{
		{"brace on the same line", "a b {\n c\n}\n", "[a b {[c]}]", ""},
		{"brace on the next line", "a b\n# x\n{\n c\n}\n", "[a b {[# x][c]}]", ""},
		{"one line", "a { b { c } d }\ne{ f}\n", "[a {[b {[c]}][d]}][e {[f]}]", ""},
		{"quotes", `a "b { c" d"e f"` + "\n", `[a b { c d"e f"]`, ""},
		{"a } too many", "a {\n}}\nb\n", "[a {}][b]", "without a block"},
		{"a } too few", "a {\n b {\n", "[a {[b {}]}]", "not closed"},
		{"a { alone", "{\n a\n}\n", "[ {[a]}]", "without a keyword"},
		{"open quote", "a \"b c\n", "[a b c]", "not closed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			is := &issues{}
			r := newReader(Options{Root: files(map[string]string{"k.conf": tt.text})}, is)
			if err := r.open("k.conf", "k.conf"); err != nil {
				t.Fatal(err)
			}
			tree := r.parse()
			if got := show(tree); got != tt.want && !strings.HasPrefix(tt.name, "brace on the next") {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if tt.issue == "" && len(is.all) > 0 || tt.issue != "" && (len(is.all) == 0 || !strings.Contains(is.all[0].Message, tt.issue)) {
				t.Errorf("issues %v, want %q", is.all, tt.issue)
			}
		})
	}
}

// show writes the children of a node.
func show(n *node) string {
	s := ""
	for _, c := range n.children {
		s += "[" + c.text(0)
		if len(c.words) == 0 && !c.block {
			s += "# " + c.comment
		}
		if c.block {
			s += " {" + show(c) + "}"
		}
		s += "]"
	}
	return s
}

// FuzzConvert also takes the files of the folder HAKEEP_CORPUS as seeds.
func FuzzConvert(f *testing.F) {
	if dir := os.Getenv("HAKEEP_CORPUS"); dir != "" {
		names, err := filepath.Glob(filepath.Join(dir, "*.conf"))
		if err != nil || len(names) == 0 {
			f.Fatalf("no files in %s: %v", dir, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	for _, s := range []string{
		"vrrp_instance V {\n interface eth0\n virtual_router_id 5\n virtual_ipaddress { 192.0.2.1/24 dev eth1 label eth1:1\n }\n}\n",
		"$A= \\\n a ${N} { \\\n b \\\n }\n~SEQ(N,1,3) $A\n~LST({A,B},{1,2},{3,4}) $A $B\n@x y\n@^x z\n",
		"include *.conf\nincludea {a,b}\n${_PWD} ${_RANDOM 1 2} ${_ENV X}\n",
		"vrrp_script c { script \"/bin/true 'a b'\" interval 0.5 weight -2 reverse\n}\nvrrp_sync_group G { group { V W } notify \"/x\" u g\n}\n",
		"global_defs {\n notification_email {\n a@b.c\n }\n router_id \"x\\\"y\"\n vrrp_strict\n}\nstatic_routes { 192.0.2.0/24 via 192.0.2.1\n}\n",
		"vrrp_instance V { virtual_router_id 5 authentication { auth_type PASS auth_pass 123456789\n}}}\nx \"y",
		balanced,
		"virtual_server fwmark 1 {\n quorum 9 hysteresis 9\n real_server 10.0.0.1 80 { HTTP_GET { url { path / regex \"a(\" } }\n SMTP_CHECK { host { connect_port 1\n}\n host { bindto ::1\n}}}}\nSSL { key k\n}\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		res := Convert("/k.conf", "k.conf", Options{Root: fstest.MapFS{"k.conf": {Data: text, Mode: 0o644}}, ConfigID: "x"})
		for _, i := range res.Issues {
			if i.Kind == Broken && (strings.Contains(i.Message, "does not mean the same") || strings.Contains(i.Message, "rounds of")) {
				t.Errorf("%v", i)
			}
		}
		if res.Config == nil && res.Worst != Broken {
			t.Errorf("no configuration and nothing broken: %v", res.Issues)
		}
	})
}

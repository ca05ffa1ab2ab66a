package keepalived

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Hostile files end with a message, in less than a second and in bounded memory
// (both with room for a busy machine and for the race detector).
func TestHostile(t *testing.T) {
	const most, mostMemory = 10 * time.Second, 400 << 20
	noise := make([]byte, 4<<20)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(noise)
	instance := func(body string) string {
		return "vrrp_instance V {\n interface eth0\n virtual_router_id 5\n" + body + "}\n"
	}
	for _, tt := range []struct {
		name, text string
		fine       bool // there may be nothing to say
	}{
		{"includes itself", "include k.conf\n", false},
		{"includes itself twice", "include k.conf\ninclude k.conf\n", false},
		{"includes by a pattern", "include *\ninclude *.conf\n", false},
		{"deep blocks", strings.Repeat("a {\n", 200_000), false},
		{"deep blocks on one line", strings.Repeat("a { ", 200_000), false},
		{"closed only", strings.Repeat("}\n", 200_000), false},
		{"binary", string(noise), false},
		{"zeros", strings.Repeat("\x00", 4<<20), false},
		{"one line", strings.Repeat("x", 8<<20-1), false},
		{"too large", strings.Repeat("x\n", 9<<20), false},
		{"many lines", strings.Repeat("vrrp_script s {\n script \"/x\"\n}\n", 19_000), false},
		{"huge sequence", "~SEQ(A,1,2000000000) vrrp_instance V$A {\n}\n", false},
		{"sequences in sequences", "~SEQ(A,1,200) ~SEQ(B,1,200) ~SEQ(C,1,200) a$A$B$C\n", false},
		{"sequence that overflows", "~SEQ(A,9223372036854775800,1,9223372036854775807) a$A\n", false},
		{"lists in lists", strings.Repeat("~LST(A,1,2,3,4,5,6,7,8,9) ", 12) + "a\n", false},
		{"doubling definitions", "$A=x\n" + strings.Repeat("$A=${A}${A}\n", 60) + "$A\n", false},
		{"definitions of definitions", "$A=${B}${B}${B}\n$B=${C}${C}${C}\n$C=${A}${A}${A}\n$A\n", false},
		{"many definitions", func() string {
			var b strings.Builder
			for i := range 50_000 {
				b.WriteString("$V" + strings.Repeat("x", i%40) + "=" + strings.Repeat("y", i%100) + "\n")
			}
			return b.String()
		}(), true},
		{"braces", "include " + strings.Repeat("{a,b}", 100) + "\n", false},
		{"patterns", "include " + strings.Repeat("*", 500) + "\n", true},
		{"quotes", strings.Repeat("\"", 999) + "\n" + strings.Repeat("a \"b", 200_000), false},
		{"backslashes", "$A=" + strings.Repeat("\\\n", 100_000), false},
		{"many addresses", instance(" virtual_ipaddress {\n~SEQ(A,1,250) ~SEQ(B,1,200) 10.0.$A.$B\n}\n"), false},
		{"conditions", strings.Repeat("@x ", 300) + "a\n" + strings.Repeat("@^x ", 300) + "b\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			res := Convert("/etc/k.conf", "k.conf", Options{Root: files(map[string]string{"etc/k.conf": tt.text}), ConfigID: "x"})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			t.Logf("%v, %d MiB in all, %d issues", took.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20, len(res.Issues))
			if took > most {
				t.Errorf("took %v", took)
			}
			if after.HeapSys > before.HeapSys+mostMemory {
				t.Errorf("the heap has grown by %d MiB", (after.HeapSys-before.HeapSys)>>20)
			}
			if len(res.Issues) == 0 && !tt.fine {
				t.Error("there is no message")
			}
			for _, i := range res.Issues {
				if len(i.Message) > 4<<10 {
					t.Errorf("a message has %d bytes", len(i.Message))
				}
			}
		})
	}
}

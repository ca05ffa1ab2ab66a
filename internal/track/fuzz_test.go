package track

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// procMessage makes a datagram as the kernel's.
func procMessage(what uint32, data ...uint32) []byte {
	b := make([]byte, procOffset+16+24)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.NLMSG_DONE)
	binary.NativeEndian.PutUint32(b[nlHeader:], cnIdxProc)
	binary.NativeEndian.PutUint32(b[nlHeader+4:], cnValProc)
	binary.NativeEndian.PutUint32(b[procOffset:], what)
	for i, v := range data {
		binary.NativeEndian.PutUint32(b[dataOffset+4*i:], v)
	}
	return b
}

func TestParseProcEvents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		b    []byte
		want []procEvent
	}{
		{"answer", procMessage(procNone, 0), []procEvent{{what: procNone}}},
		{"refusal", procMessage(procNone, 1), []procEvent{{what: procNone, err: 1}}},
		{"fork", procMessage(procFork, 10, 11, 20, 20), []procEvent{{what: procFork, parent: 11, pid: 20}}},
		{"thread", procMessage(procFork, 10, 10, 21, 20), nil},
		{"exec", procMessage(procExec, 20, 20), []procEvent{{what: procExec, pid: 20}}},
		{"end of a thread", procMessage(procExit, 21, 20), nil},
		{"end", procMessage(procExit, 20, 20), []procEvent{{what: procExit, pid: 20}}},
		{"another user", procMessage(4, 20, 20), nil},
		{"two", slices.Concat(procMessage(procExec, 2, 2), procMessage(procComm, 3, 3)), []procEvent{{what: procExec, pid: 2}, {what: procComm, pid: 3}}},
		{"cut", procMessage(procExec, 2, 2)[:60], nil},
	} {
		if got := parseProcEvents(c.b); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func FuzzParseProcEvents(f *testing.F) {
	f.Add(procMessage(procFork, 1, 1, 2, 2))
	f.Add(slices.Concat(procMessage(procExit, 1, 1), procMessage(procNone, 0)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := len(parseProcEvents(b)); n > len(b)/dataOffset {
			t.Errorf("%d events in %d bytes", n, len(b))
		}
	})
}

// inotifyMessage makes an event as the kernel's.
func inotifyMessage(wd int32, mask uint32, name string) []byte {
	padded := (len(name) + 16) &^ 15
	if name == "" {
		padded = 0
	}
	b := make([]byte, unix.SizeofInotifyEvent+padded)
	binary.NativeEndian.PutUint32(b, uint32(wd))
	binary.NativeEndian.PutUint32(b[4:], mask)
	binary.NativeEndian.PutUint32(b[12:], uint32(padded))
	copy(b[unix.SizeofInotifyEvent:], name)
	return b
}

func TestParseInotify(t *testing.T) {
	t.Parallel()
	b := slices.Concat(inotifyMessage(1, unix.IN_CLOSE_WRITE, "value"), inotifyMessage(-1, unix.IN_Q_OVERFLOW, ""))
	want := []inEvent{{1, unix.IN_CLOSE_WRITE, "value"}, {-1, unix.IN_Q_OVERFLOW, ""}}
	if got := parseInotify(b); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := parseInotify(b[:20]); len(got) != 0 {
		t.Errorf("cut: %+v", got)
	}
}

func FuzzParseInotify(f *testing.F) {
	f.Add(inotifyMessage(1, unix.IN_CREATE, "x"))
	f.Add(inotifyMessage(-1, unix.IN_Q_OVERFLOW, ""))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := len(parseInotify(b)); n > len(b)/unix.SizeofInotifyEvent {
			t.Errorf("%d events in %d bytes", n, len(b))
		}
	})
}

func TestParseValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    string
		want    int
		problem bool
	}{
		{"", 0, false}, {"0\n", 0, false}, {"12\n", 12, false}, {" -254 \n\n", -254, false}, {"+7", 7, false},
		{"99999999999999999999", math.MaxInt32, false}, {"-99999999999999999999", math.MinInt32, false},
		{"up", 0, true}, {"12 13", 0, true}, {"0x10", 0, true}, {"1.5", 0, true}, {"12\x00", 0, true},
	} {
		got, problem := parseValue(c.text)
		if got != c.want || (problem != "") != c.problem {
			t.Errorf("%q: %d, %q; want %d", c.text, got, problem, c.want)
		}
	}
}

func FuzzParseValue(f *testing.F) {
	f.Add("12")
	f.Add("-99999999999")
	f.Fuzz(func(t *testing.T, text string) {
		v, problem := parseValue(text)
		if v < math.MinInt32 || v > math.MaxInt32 || problem != "" && v != 0 || strings.Contains(problem, "\n") {
			t.Errorf("%q: %d, %q", text, v, problem)
		}
	})
}

func FuzzParseStat(f *testing.F) {
	f.Add("1 (x) S 1")
	f.Fuzz(func(t *testing.T, text string) {
		if comm, _ := parseStat(text); !strings.Contains(text, comm) {
			t.Errorf("%q: %q", text, comm)
		}
	})
}

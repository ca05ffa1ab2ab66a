package config

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// LinkDelay makes changes of a link that are shorter than it go unnoticed
// (keyword interface_up_down_delays). Values can be compared with ==, but for
// Line.
type LinkDelay struct {
	// Link is the interface; each is in the list once.
	Link string
	// Line is where it stands in the file.
	Line int `json:"-"`
	// Down is how long the link has to be down, Up how long it has to be up
	// again, before that counts: 0 to 255 s. Both are already cut so that they
	// end before another router takes over, as keepalived does.
	Down, Up time.Duration
}

// linkDelays reads [interface_up_down_delays], whose keys are interfaces.
func (d *decoder) linkDelays(top *block) []LinkDelay {
	b := top.table(string(blockUpDown))
	if b == nil {
		return nil
	}
	var out []LinkDelay
	for _, link := range slices.Sorted(maps.Keys(b.vals)) {
		e := b.vals[link]
		at := spot{d: d, line: e.node.line, key: b.join(link)}
		if wrong := wrongLink(link); wrong != "" {
			at.errorf("%s %s", describe(link), wrong)
			continue
		}
		if f := b.fields(link, "down", "up"); f != nil {
			out = append(out, LinkDelay{Link: link, Line: at.line, Down: f.delay("down"), Up: f.delay("up")})
			d.links = append(d.links, linkRef{link, at.line, at.key, "the delay has no effect until it appears"})
		}
	}
	slices.SortFunc(out, func(a, b LinkDelay) int { return cmp.Or(a.Line-b.Line, strings.Compare(a.Link, b.Link)) })
	return out
}

// delay reads one of the two durations. A number without unit is one of
// seconds, as in keepalived's lines.
func (f *fields) delay(name string) time.Duration {
	text := f.get(name)
	if text == "" {
		return 0
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil && f.shown != "" {
		text += "s"
	}
	const longest = 255 * time.Second
	v, wrong := parseDuration(text)
	switch {
	case wrong != "":
		f.errorf("has the delay %s, which %s", describe(text), wrong)
	case v > longest:
		f.errorf(`has the delay %s; allowed: "0s" to "255s"`, describe(text))
	}
	return v
}

// cutDelays shortens delays so that a change of a link is noticed before other
// routers take over: keepalived's rule.
func (d *decoder) cutDelays(delays []LinkDelay, drafts []*draft) {
	for i := range delays {
		l := &delays[i]
		for _, in := range drafts {
			if in.Interface != l.Link {
				continue
			}
			most := time.Duration(in.DownTimerAdverts-1)*in.AdvertInt - in.AdvertInt/256
			if in.DownTimerAdverts == 1 {
				most = 0
			}
			most = most.Truncate(time.Millisecond)
			if l.Down <= most && l.Up <= most {
				continue
			}
			d.add(Warning, l.Line, string(blockUpDown)+"."+l.Link,
				"is cut to %s, because routers of %s would otherwise take over before the change counts (%d adverts of %s)",
				formatDuration(most), in.Name, in.DownTimerAdverts, formatDuration(in.AdvertInt))
			l.Down, l.Up = min(l.Down, most), min(l.Up, most)
		}
	}
}

// anyLink stands in the keyword table for keys that are interfaces.
const anyLink = "<interface>"

// linkKeywords are those of interface_up_down_delays and linkbeat_interfaces.
func linkKeywords() []Keyword {
	delays := fill(blockUpDown, Done, "", []Keyword{{
		Name: anyLink, Kind: KindEntry, Entries: BlockDelay, Default: "<0s for both>", Example: `"500ms 1s"`, Source: sourceArgument,
		Range: `a delay for down and one for up, such as "500ms 1s", from "0s" to "255s"`,
		Doc:   "Changes of this interface that do not last so long are not noticed; one delay alone is that for down.",
	}})
	delay := fill(BlockDelay, Done, "", []Keyword{
		{Name: "down", Kind: KindDuration, Default: `"0s"`, Source: sourceArgument, Max: 255 * sec, Step: msec, Doc: "How long it has to be down."},
		{Name: "up", Kind: KindDuration, Default: `"0s"`, Source: sourceArgument, Max: 255 * sec, Step: msec, Doc: "How long it has to be up again."},
	})
	beat := fill(blockLinkbeat, Warned, "hakeep learns of link changes from the kernel and never polls", []Keyword{row(anyLink, KindEnum, "", `"MII", "ETHTOOL" or "IOCTL"`)})
	return append(append(delays, delay...), beat...)
}

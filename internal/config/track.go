package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Track is one thing that an instance watches. Values can be compared with ==.
type Track struct {
	// Name is the name of the script, file, process or check in the lists of
	// Config, or that of an interface.
	Name string
	// Weight is what counts in the end: -253 to 253, for files and processes
	// -254 to 254. 0 means that the instance is in fault while the thing is not
	// well.
	Weight int
	// Reverse turns the sign of the weight around; with weight 0 the instance
	// is in fault while the thing is well.
	Reverse bool
}

// Tracks are the things that an instance or a sync group watches, each at most
// once in its list.
type Tracks struct {
	// Interfaces are links (track_interface). The Interface of an instance is
	// tracked besides, unless DontTrackPrimary says otherwise.
	Interfaces []Track
	// Scripts, Files, Processes and Checks name entries of the lists of Config
	// (track_script, track_file, track_process, track_check).
	Scripts, Files, Processes, Checks []Track
}

// IsZero reports whether nothing is watched.
func (t Tracks) IsZero() bool {
	return len(t.Interfaces)+len(t.Scripts)+len(t.Files)+len(t.Processes)+len(t.Checks) == 0
}

// trackKind is what a list of trackers is about.
type trackKind struct {
	key   string // of the list
	block Block  // of the objects; empty for interfaces
	noun  string
	most  int // of the weight
}

// trackKinds are the lists of trackers.
func trackKinds() []trackKind {
	return []trackKind{
		{"track_interface", "", "interface", 253},
		{"track_script", BlockScript, "script", 253},
		{"track_file", BlockFile, "file", 254},
		{"track_process", BlockProcess, "process", 254},
		{"track_check", BlockCheck, "check", 253},
	}
}

// list returns the list of a kind.
func (t *Tracks) list(key string) *[]Track {
	switch key {
	case "track_interface":
		return &t.Interfaces
	case "track_script":
		return &t.Scripts
	case "track_file":
		return &t.Files
	case "track_process":
		return &t.Processes
	}
	return &t.Checks
}

// object is something that can be tracked.
type object struct {
	weight  int
	reverse bool
	line    int
	key     string
	used    bool
}

// objects are all that can be tracked, by block and name.
type objects map[Block]map[string]*object

// add takes in an object. A name that is already there is reported.
func (o objects) add(b *block, name string, weight int, reverse bool) {
	if name == "" {
		return
	}
	if o[b.kind] == nil {
		o[b.kind] = map[string]*object{}
	}
	if other := o[b.kind][name]; other != nil {
		b.errorf("name", "%s is also the name of the one in line %d; every one needs its own", describe(name), other.line)
		return
	}
	o[b.kind][name] = &object{weight: weight, reverse: reverse, line: b.node.line, key: b.path}
}

// placedTrack is a tracker of the file with its place.
type placedTrack struct {
	Track
	spot
}

// placedTracks are trackers by the key of their list.
type placedTracks map[string][]placedTrack

// plain returns the trackers without their places.
func (p placedTracks) plain() Tracks {
	var t Tracks
	for _, kind := range trackKinds() {
		for _, one := range p[kind.key] {
			list := t.list(kind.key)
			*list = append(*list, one.Track)
		}
	}
	return t
}

// tracks reads all lists of trackers of an instance or a group.
func (b *block) tracks() placedTracks {
	all := placedTracks{}
	for _, kind := range trackKinds() {
		seen := map[string]int{}
		for _, it := range b.items(kind.key) {
			t := placedTrack{spot: spot{d: b.d, line: it.node.line, key: b.join(kind.key)}}
			t.read(&kind, it)
			if t.failed {
				continue
			}
			if line, ok := seen[t.Name]; ok {
				t.warnf("is already in line %d; the second one is dropped", line)
				continue
			}
			seen[t.Name] = t.line
			all[kind.key] = append(all[kind.key], t)
		}
	}
	return all
}

// read reads one tracker and looks up what it names.
func (t *placedTrack) read(kind *trackKind, it item) {
	t.shown = describe(it.raw)
	var name string
	var weight *weightVal
	var reverse *bool
	switch v := it.raw.(type) {
	case string:
		name, weight, reverse = t.parse(v)
	case map[string]any:
		t.shown = describe(v["name"])
		before := t.d.errors
		b := t.d.block(BlockTrack, t.key, v, it.node)
		name = b.text("name")
		if e, ok := b.vals["weight"]; ok {
			w := e.val.(weightVal)
			weight = &w
		}
		if b.has("reverse") {
			r := b.flagOr("reverse", false)
			reverse = &r
		}
		t.failed = t.d.errors > before
	default:
		t.errorf("is neither text nor a table; write for example %s", `"chk weight -20"`)
	}
	if t.failed {
		return
	}
	t.resolve(kind, name)
	if weight != nil {
		t.Weight = weight.n
		if weight.reverse {
			t.Reverse = true
		}
	}
	if reverse != nil {
		t.Reverse = *reverse
	}
	if t.Weight < -kind.most || t.Weight > kind.most {
		t.Weight = max(-kind.most, min(kind.most, t.Weight))
		t.warnf("has a weight beyond -%d to %d, so %d is used", kind.most, kind.most, t.Weight)
	}
}

// parse reads keepalived's notation: NAME [weight N] [reverse|noreverse].
func (t *placedTrack) parse(line string) (name string, weight *weightVal, reverse *bool) {
	words := strings.Fields(line)
	if len(words) == 0 {
		t.errorf(`is empty; write for example "chk weight -20"`)
		return "", nil, nil
	}
	name = words[0]
	for words = words[1:]; len(words) > 0 && !t.failed; words = words[1:] {
		switch word := words[0]; {
		case word == "reverse" || word == "noreverse":
			if reverse != nil {
				t.errorf("has reverse or noreverse twice")
			}
			r := word == "reverse"
			reverse = &r
		case word != "weight":
			t.errorf("has the unknown word %s; known ones are weight, reverse, noreverse", describe(word))
		case weight != nil:
			t.errorf("has weight twice")
		case len(words) == 1:
			t.errorf("ends after weight; its value is missing")
		default:
			n, err := strconv.Atoi(words[1])
			if err != nil || n < -254 || n > 254 {
				t.errorf("has the weight %s; allowed: %s", describe(words[1]), t.d.schema.must(BlockTrack, "weight").Allowed())
			}
			weight = &weightVal{n: n}
			words = words[1:]
		}
	}
	return name, weight, reverse
}

// resolve looks up what is tracked, and takes over its weight.
func (t *placedTrack) resolve(kind *trackKind, name string) {
	t.Name = name
	if kind.block == "" {
		if wrong := wrongLink(name); wrong != "" {
			t.errorf("names the interface %s, which %s", describe(name), wrong)
			return
		}
		t.d.links = append(t.d.links, linkRef{name, t.line, t.key, ""})
		return
	}
	o := t.d.objects[kind.block][name]
	if o == nil {
		t.errorf("names the %s %s, which is not in this file%s", kind.noun, describe(name), t.d.suggest(kind, name))
		return
	}
	o.used = true
	t.Weight, t.Reverse = o.weight, o.reverse
}

// suggest says what may have been meant by the name of an object.
func (d *decoder) suggest(kind *trackKind, name string) string {
	if near, hint := d.didYouMean(name, slices.Sorted(maps.Keys(d.objects[kind.block]))); near != "" {
		d.objects[kind.block][near].used = true // as far as messages go
		return hint
	}
	for _, other := range trackKinds() {
		if o := d.objects[other.block][name]; o != nil {
			o.used = true
			return "; it is the name of a " + other.noun + ", so put it into " + other.key
		}
	}
	return "; add [[" + string(kind.block) + "]] with name = " + describe(name)
}

// didYouMean returns the name that is spelled most alike and what to say about
// it, or two empty strings. There are only so many of them in one file, because
// looking for them takes its time.
func (d *decoder) didYouMean(name string, names []string) (near, hint string) {
	const most, longest = 100, 64
	if d.hints == most || len(name) > longest {
		return "", ""
	}
	d.hints++
	bestDist := 2 + len(name)/6
	for _, n := range names {
		if len(n) > len(name)+bestDist || len(name) > len(n)+bestDist {
			continue
		}
		if dist := editDistance(strings.ToLower(name), strings.ToLower(n)); dist < bestDist && dist < len(name) {
			near, bestDist = n, dist
		}
	}
	if near == "" {
		return "", ""
	}
	return near, "; did you mean " + near + "?"
}

// unused warns about objects that nobody tracks.
func (d *decoder) unused() {
	for _, kind := range trackKinds() {
		for _, name := range slices.Sorted(maps.Keys(d.objects[kind.block])) {
			if o := d.objects[kind.block][name]; !o.used {
				d.add(Warning, o.line, o.key, "is tracked by no instance, so it does nothing; write for example %s = [%s] in a [[vrrp_instance]]", kind.key, describe(name))
			}
		}
	}
}

// ownerTracks drops weighted trackers of the address owner, whose priority is
// always 255, as keepalived does.
func (d *draft) ownerTracks() {
	if d.Priority != 255 {
		return
	}
	for _, kind := range trackKinds() {
		d.tracks[kind.key] = slices.DeleteFunc(d.tracks[kind.key], func(t placedTrack) bool {
			if t.Weight == 0 {
				return false
			}
			t.warnf("is not tracked by %s: its weight of %d cannot change the priority of the address owner, which is always 255; write weight 0 for a fault", d.Name, t.Weight)
			return true
		})
	}
}

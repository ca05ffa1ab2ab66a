package config

import (
	"fmt"
	"strings"
)

// schema finds rows of the keyword table.
type schema struct {
	rows     []Keyword
	blocks   map[Block]map[string]*Keyword
	required map[Block][]*Keyword
	checkers []Block
}

func newSchema() *schema {
	s := &schema{rows: Keywords(), blocks: make(map[Block]map[string]*Keyword), required: make(map[Block][]*Keyword)}
	for i := range s.rows {
		k := &s.rows[i]
		m := s.blocks[k.Block]
		if m == nil {
			m = make(map[string]*Keyword)
			s.blocks[k.Block] = m
		}
		m[k.Name] = k
		if k.Required && k.Fate == Done {
			s.required[k.Block] = append(s.required[k.Block], k)
		}
	}
	for _, c := range checkerDocs() {
		s.checkers = append(s.checkers, Block(c[0]))
	}
	return s
}

// Common is the block of further keywords that may stand in this one, or the
// block itself.
func (b Block) Common() Block {
	if b.isChecker() {
		return BlockChecker
	}
	return b
}

// in reports whether a keyword may stand in a block.
func (k *Keyword) in(b Block) bool { return k.Block == b || k.Block == b.Common() }

// lookup returns the row of a keyword, or nil. In a block whose keys are
// interfaces, every key has the same row.
func (s *schema) lookup(b Block, name string) *Keyword {
	if k := s.blocks[b][name]; k != nil {
		return k
	}
	if common := b.Common(); common != b {
		return s.blocks[common][name]
	}
	return s.blocks[b][anyLink]
}

// must returns the row of a keyword that this package itself names.
func (s *schema) must(b Block, name string) *Keyword {
	k := s.lookup(b, name)
	if k == nil {
		panic(fmt.Sprintf("config: keyword %s of block %q is not in the table", name, b))
	}
	return k
}

// unknown says what an unknown key may have been meant to be.
func (s *schema) unknown(b Block, key string) string {
	if near := s.nearest(b, key); near != "" {
		return "unknown key; did you mean " + near + "?"
	}
	for i := range s.rows {
		k := &s.rows[i]
		if k.Name == key && k.Fate == Done {
			return "unknown key here; it belongs " + k.Block.place()
		}
	}
	if len(s.blocks[b]) <= 16 {
		var names []string
		for i := range s.rows {
			if k := &s.rows[i]; k.in(b) && k.Fate == Done {
				names = append(names, k.Name)
			}
		}
		if len(names) > 0 {
			return "unknown key; known ones are " + strings.Join(names, ", ")
		}
	}
	return "unknown key; " + b.describe() + " has no such keyword"
}

// nearest returns the keyword of the block that is spelled most alike, or the
// empty string if none is near.
func (s *schema) nearest(b Block, key string) string {
	const longest = 64
	if len(key) > longest {
		return ""
	}
	plain := strings.ReplaceAll(strings.ToLower(key), "-", "_")
	best, bestDist := "", 2+len(plain)/6
	if len(plain) <= 4 {
		bestDist = 2
	}
	for i := range s.rows {
		k := &s.rows[i]
		if !k.in(b) {
			continue
		}
		if d := editDistance(plain, strings.ToLower(k.Name)); d < bestDist {
			best, bestDist = k.Name, d
		}
	}
	if best == "" {
		return s.sameStart(b, plain)
	}
	return best
}

// sameStart returns the longest keyword of the block that begins the key, such
// as advert_int for advert_interval.
func (s *schema) sameStart(b Block, key string) string {
	const shortest = 5
	best := ""
	for i := range s.rows {
		if k := &s.rows[i]; k.in(b) && len(k.Name) >= max(shortest, len(best)) && strings.HasPrefix(key, k.Name) {
			best = k.Name
		}
	}
	return best
}

// editDistance counts insertions, deletions, substitutions and swaps of
// neighbours that turn a into b.
func editDistance(a, b string) int {
	before, prev := make([]int, len(b)+1), make([]int, len(b)+1)
	cur := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}

// place says where a keyword of the block is written.
func (b Block) place() string {
	switch b {
	case BlockRoot:
		return "before the first table"
	case BlockGlobal, blockUpDown:
		return "under " + b.describe()
	case BlockSSL:
		return "under " + b.describe()
	case BlockURL:
		return "into url = [{ … }] of HTTP_GET or SSL_GET"
	case BlockAuth:
		return "into authentication = { … } of a [[vrrp_instance]]"
	}
	if b.repeats() {
		return "under " + b.describe()
	}
	return "into " + b.describe()
}

// describe names the block in a sentence.
func (b Block) describe() string {
	switch b {
	case BlockRoot:
		return "this file"
	case BlockGlobal, blockUpDown, BlockSSL:
		return "[" + string(b) + "]"
	case BlockRS:
		return "[[virtual_server.real_server]]"
	case BlockAuth:
		return "authentication"
	}
	if b.repeats() {
		return "[[" + string(b) + "]]"
	}
	article := "a "
	if strings.ContainsRune("aeiou", rune(b[0])) {
		article = "an "
	}
	return article + string(b)
}

// repeats reports whether the block is an array of tables.
func (b Block) repeats() bool {
	switch b {
	case BlockInstance, BlockScript, BlockFile, BlockProcess, BlockCheck, BlockSync, BlockTrackGroup, BlockVS, BlockVSGroup:
		return true
	}
	return false
}

package keepalived

// node is a statement, a block or a comment.
type node struct {
	words    []word
	pos      Pos
	comment  string // of the same line, or the whole node if there are no words
	block    bool
	children []*node
}

// name returns the first word.
func (n *node) name() string {
	if len(n.words) == 0 {
		return ""
	}
	return n.words[0].text
}

// args returns the other words.
func (n *node) args() []word {
	if len(n.words) < 2 {
		return nil
	}
	return n.words[1:]
}

// arg returns word i behind the name, or the empty string.
func (n *node) arg(i int) string {
	if a := n.args(); i < len(a) {
		return a[i].text
	}
	return ""
}

// text returns the words from number from on with one blank between them.
func (n *node) text(from int) string {
	s := ""
	for i, w := range n.words {
		if i < from {
			continue
		}
		if s != "" {
			s += " "
		}
		s += w.text
	}
	return s
}

// parser builds the tree from lines.
type parser struct {
	r     *reader
	stack []*node
}

// parse reads all lines. The root has no words.
func (r *reader) parse() *node {
	p := &parser{r: r, stack: []*node{{block: true}}}
	for !r.stopped {
		l, ok := r.next()
		if !ok {
			break
		}
		p.line(l)
	}
	for _, n := range p.stack[1:] {
		r.add(Lost, n.pos, n.name(), "the block is not closed by a }; it ends where the file ends")
	}
	return p.stack[0]
}

func (p *parser) top() *node { return p.stack[len(p.stack)-1] }

func (p *parser) line(l line) {
	words, wrong := splitWords(l.text)
	if wrong != "" {
		p.r.add(Lost, l.pos, "", "%s", wrong)
	}
	var last *node
	for len(words) > 0 {
		switch {
		case words[0].brace("}"):
			p.close(l)
			words, last = words[1:], nil
		case words[0].brace("{"):
			p.open(l)
			words = words[1:]
		default:
			n := 0
			for n < len(words) && !words[n].brace("{") && !words[n].brace("}") {
				n++
			}
			last = &node{words: words[:n:n], pos: l.pos}
			p.top().children = append(p.top().children, last)
			words = words[n:]
		}
	}
	if l.comment == "" {
		return
	}
	if last != nil {
		last.comment = l.comment
		return
	}
	p.top().children = append(p.top().children, &node{comment: l.comment, pos: l.pos})
}

// open makes a block of the statement before the brace.
func (p *parser) open(l line) {
	var n *node
	kids := p.top().children
	for i := len(kids) - 1; i >= 0; i-- {
		if len(kids[i].words) > 0 {
			n = kids[i]
			break
		}
	}
	if n == nil || n.block {
		p.r.add(Lost, l.pos, "", "a { without a keyword before it; its block is left out")
		n = &node{pos: l.pos}
		p.top().children = append(p.top().children, n)
	}
	n.block = true
	if len(p.stack) > maxBlocks {
		p.r.stop(l.pos, "blocks are nested more than %d levels deep", maxBlocks)
		return
	}
	p.stack = append(p.stack, n)
}

func (p *parser) close(l line) {
	if len(p.stack) == 1 {
		p.r.add(Lost, l.pos, "", "a } without a block that it closes")
		return
	}
	p.stack = p.stack[:len(p.stack)-1]
}

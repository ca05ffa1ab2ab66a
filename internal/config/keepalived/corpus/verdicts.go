package main

import (
	"fmt"
	"slices"

	"hakeep/internal/config/keepalived"
)

// disagreement is a file about which only one side has something to say.
type disagreement struct {
	*outcome
	said []string
}

// verdicts prints how the two judge the files, every disagreement file by file, and
// returns how many of them, and of keepalived's messages about lines of which
// hakeep says nothing, have no explanation.
func verdicts(all []outcome) (unexplained int) {
	var ours, theirs, lines []disagreement
	both, neither := 0, 0
	for i := range all {
		o := &all[i]
		judged := o.judged()
		switch about := o.theirs.about; {
		case len(about) > 0 && slices.ContainsFunc(o.messages, func(m keepalived.Issue) bool { return !m.Own }):
			both++
			if alone := slices.DeleteFunc(slices.Clone(about), o.hasLine); len(alone) > 0 {
				lines = append(lines, disagreement{o, alone})
			}
		case len(about) > 0:
			theirs = append(theirs, disagreement{o, about})
		case len(judged) > 0:
			ours = append(ours, disagreement{o, judged})
		default:
			neither++
		}
	}
	fmt.Printf("%5d  both have something to say\n%5d  neither has\n%5d  only hakeep has\n%5d  only keepalived has\n",
		both, neither, len(ours), len(theirs))
	unexplained = explain("files about which only hakeep has something to say", "keepalived", ours, ourClasses)
	unexplained += explain("files about which only keepalived has something to say", "hakeep", theirs, theirClasses)
	return unexplained + explain("files about which both have, with lines about which only keepalived has", "hakeep", lines, theirClasses)
}

// judged are hakeep's messages that say that something is wrong, with their keys.
func (o *outcome) judged() []string {
	var out []string
	for _, m := range o.messages {
		if judges(m) {
			out = append(out, m.Key+": "+m.Message)
		}
	}
	return out
}

// explain prints the messages file by file, each with the class that explains the
// other side's silence, and the table of classes: files, each under the first class
// that one of its messages has, and messages. It returns the files with a message
// that no class explains.
func explain(title, silent string, files []disagreement, classes []class) (unexplained int) {
	fmt.Printf("\n%s:\n", title)
	byFile, byMessage := map[string]int{}, map[string]int{}
	for _, f := range files {
		fmt.Println(f.name)
		whole, first := "", len(classes)
		known := true
		for _, m := range f.said {
			c := find(classes, f.outcome, m)
			if c == nil {
				known = false
				fmt.Printf("    %s\n        NOT EXPLAINED\n", m)
				continue
			}
			byMessage[c.name]++
			if i := slices.IndexFunc(classes, func(d class) bool { return d.name == c.name }); i < first {
				first, whole = i, c.name
			}
			fmt.Printf("    %s\n        %s\n", m, c.name)
		}
		if !known {
			unexplained++
			continue
		}
		byFile[whole]++
	}
	fmt.Printf("\n%5s %8s  why %s says nothing\n", "files", "messages", silent)
	for _, c := range classes {
		if byMessage[c.name] > 0 {
			fmt.Printf("%5d %8d  %s: it %s\n", byFile[c.name], byMessage[c.name], c.name, c.why)
		}
	}
	fmt.Printf("%5d %8s  not explained\n%5d %8s  in all\n", unexplained, "", len(files), "")
	return unexplained
}

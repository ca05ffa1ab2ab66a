package track

import (
	"os"
	"path/filepath"
	"strings"
)

// maxLinks is how many symbolic links a path may contain (the kernel's
// MAXSYMLINKS).
const maxLinks = 40

// hop is a name in a directory on the way to a file: when it changes, the path
// may lead to something else.
type hop struct{ dir, name string }

// hops are the symbolic links on the way to a file and the file itself. Where
// something is missing on the way, it ends with that.
func hops(path string) []hop {
	var list []hop
	done, links := "/", 0
	todo := strings.Split(path, "/")
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			done = filepath.Dir(done)
			continue
		}
		next := filepath.Join(done, part)
		info, err := os.Lstat(next)
		if err != nil {
			return append(list, hop{done, part})
		}
		if info.Mode()&os.ModeSymlink == 0 {
			if len(todo) == 0 {
				list = append(list, hop{done, part})
			}
			done = next
			continue
		}
		list = append(list, hop{done, part})
		target, err := os.Readlink(next)
		if links++; err != nil || links > maxLinks {
			return list
		}
		if filepath.IsAbs(target) {
			done = "/"
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return list
}

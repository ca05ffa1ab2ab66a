package config

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// reloadFileName is the file of reload_file = true.
const reloadFileName = "hakeep.reload"

// modeNames are the rights by the names that C has for them, without S_.
var modeNames = map[string]fs.FileMode{
	"IRUSR": 0o400, "IWUSR": 0o200, "IXUSR": 0o100,
	"IRGRP": 0o040, "IWGRP": 0o020, "IXGRP": 0o010,
	"IROTH": 0o004, "IWOTH": 0o002, "IXOTH": 0o001,
}

// umask reads rights: a number as in C, or names.
func (b *block) umask(key string) fs.FileMode {
	text := b.text(key)
	mode, ok := parseUmask(text)
	if !ok {
		b.errorf(key, "%s is not a umask; allowed: %s", describe(text), b.row(key).Allowed())
	}
	return mode
}

func parseUmask(text string) (mode fs.FileMode, ok bool) {
	if strings.HasPrefix(text, "0") {
		// A number without a leading 0 would be decimal in keepalived and octal to
		// everybody who reads it.
		v, err := strconv.ParseUint(text, 0, 32)
		return fs.FileMode(v), err == nil && v <= 0o777 && !strings.ContainsAny(text, "_oObB")
	}
	for _, name := range strings.Split(text, "|") {
		bit, known := modeNames[strings.TrimPrefix(strings.TrimSpace(name), "S_")]
		if !known {
			return 0, false
		}
		mode |= bit
	}
	return mode, true
}

// reloadFile reads the path of reload_file.
func (b *block) reloadFile(key string) string {
	switch v := b.vals[key].val.(type) {
	case bool:
		if v {
			return reloadFileName
		}
	case string:
		if wrong := wrongPath(v); wrong != "" {
			b.errorf(key, "%s %s; allowed: %s", describe(v), wrong, b.row(key).Allowed())
			return ""
		}
		return path.Clean(v)
	}
	return ""
}

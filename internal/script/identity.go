package script

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// identity is whom a command runs as.
type identity struct {
	name     string
	uid, gid uint32
	groups   []uint32
	home     string
}

// users is the user database; tests have their own.
type users struct {
	euid  int
	byN   func(string) (*user.User, error)
	byID  func(string) (*user.User, error)
	group func(string) (*user.Group, error)
	ids   func(*user.User) ([]string, error)
}

func systemUsers() users {
	return users{
		euid: os.Geteuid(), byN: user.Lookup, byID: user.LookupId,
		group: user.LookupGroup, ids: (*user.User).GroupIds,
	}
}

// choose finds whom a command runs as: its own user, else the configured
// default, else DefaultUser. A daemon without root's rights cannot change its
// user, so there the last step is the daemon's own.
func (u users) choose(cmd Command, defaultUser string) (identity, error) {
	name := cmd.User
	if name == "" {
		name = defaultUser
	}
	name, group, _ := strings.Cut(strings.TrimSpace(name), " ")
	group = strings.TrimSpace(group)
	if cmd.Group != "" {
		group = cmd.Group
	}
	if name != "" {
		return u.lookup(name, group)
	}
	id, err := u.lookup(DefaultUser, group)
	if err == nil {
		return id, nil
	}
	if u.euid != 0 {
		return u.lookup(strconv.Itoa(u.euid), group)
	}
	return identity{}, fmt.Errorf("no user to run as: neither user nor script_user is set, and %w", err)
}

// lookup finds a user, and a group other than the user's if one is named.
func (u users) lookup(name, group string) (identity, error) {
	id := identity{name: name}
	acct, err := u.byN(name)
	if err != nil {
		if _, numErr := strconv.ParseUint(name, 10, 32); numErr == nil {
			acct, err = u.byID(name)
		}
	}
	if err != nil {
		return u.numeric(name, group)
	}
	id.name, id.home = acct.Username, acct.HomeDir
	if id.uid, err = number(acct.Uid); err != nil {
		return id, fmt.Errorf("user %s: %w", name, err)
	}
	if id.gid, err = number(acct.Gid); err != nil {
		return id, fmt.Errorf("user %s: %w", name, err)
	}
	more, err := u.ids(acct)
	if err != nil {
		return id, fmt.Errorf("groups of user %s: %w", name, err)
	}
	for _, text := range more {
		if gid, err := number(text); err == nil {
			id.groups = append(id.groups, gid)
		}
	}
	if group != "" {
		id.gid, err = u.gid(group)
	}
	return id, err
}

// numeric is a user that is in no database: it needs a group beside its number.
func (u users) numeric(name, group string) (identity, error) {
	uid, err := number(name)
	if err != nil {
		return identity{}, fmt.Errorf("user %s does not exist", name)
	}
	if group == "" && int(uid) == u.euid {
		gid := uint32(os.Getegid())
		return identity{name: name, uid: uid, gid: gid, groups: []uint32{gid}, home: "/"}, nil
	}
	if group == "" {
		return identity{}, fmt.Errorf("user %s does not exist and has no group: name one", name)
	}
	gid, err := u.gid(group)
	return identity{name: name, uid: uid, gid: gid, groups: []uint32{gid}, home: "/"}, err
}

func (u users) gid(group string) (uint32, error) {
	if g, err := u.group(group); err == nil {
		return number(g.Gid)
	}
	gid, err := number(group)
	if err != nil {
		return 0, fmt.Errorf("group %s does not exist", group)
	}
	return gid, nil
}

func number(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return uint32(n), nil
}

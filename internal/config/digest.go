package config

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// digestKey is chosen once a process. With a key that nobody knows, a digest
// that is printed somewhere gives no way to try passwords against it.
var digestKey = sync.OnceValue(func() []byte {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never returns an error (crypto/rand)
	return key
})

// Digest returns a hash of everything that the configuration says, passwords
// included: two configurations of one process have the same digest exactly if
// they mean the same. Comments, the order of keys, line numbers, the file's
// name and defaults that are written out do not change it. It cannot be
// compared with a digest of another process, and it does not help to guess a
// password.
func (c *Config) Digest() string {
	plain := struct {
		Config
		Instances []Instance
		// Bytes, because a cut password and an argument need not be UTF-8.
		Passwords [][]byte
		Arguments [][]byte
	}{Config: *c, Instances: slices.Clone(c.Instances)}
	plain.File = ""
	for _, ref := range c.commands {
		for _, arg := range ref.command.Argv {
			plain.Arguments = append(plain.Arguments, []byte(arg))
		}
	}
	for i := range plain.Instances {
		in := &plain.Instances[i]
		plain.Passwords = append(plain.Passwords, []byte(in.Auth.Password))
		in.Line = 0
	}
	for i := range c.VirtualServers {
		for j := range c.VirtualServers[i].Servers {
			for _, l := range c.VirtualServers[i].Servers[j].Checkers.logins() {
				plain.Passwords = append(plain.Passwords, []byte(l.Password))
			}
		}
	}
	text, err := json.Marshal(plain)
	if err != nil {
		panic(fmt.Sprintf("config: digest: %v", err))
	}
	h := hmac.New(sha256.New, digestKey())
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}

package wire

import (
	"fmt"
	"reflect"
)

// Kept are Count instances of the base from index From on, which are at index At and
// following of the Config that keeps them.
type Kept struct{ At, From, Count int }

// Since returns c as what changes from base: in a Config of thousands, of which a
// reload changes three, everything else need not be sent, parsed and compared. c
// itself has no Base.
func (c *Config) Since(base *Config) *Config {
	was := make(map[string]int, len(base.Instances))
	for i, in := range base.Instances {
		was[in.Params.Name] = i
	}
	d := *c
	d.Base, d.Instances = base.Digest, nil
	for i, in := range c.Instances {
		from, ok := was[in.Params.Name]
		if !ok || !reflect.DeepEqual(base.Instances[from], in) {
			d.Instances = append(d.Instances, in)
			continue
		}
		if n := len(d.Kept); n > 0 {
			if k := &d.Kept[n-1]; k.At+k.Count == i && k.From+k.Count == from {
				k.Count++
				continue
			}
		}
		d.Kept = append(d.Kept, Kept{At: i, From: from, Count: 1})
	}
	return &d
}

// On is the reverse of Since: the whole Config, which shares the instances that are
// kept with base. A c without a Base is returned as it is. It is an error if base,
// which may be nil, is not the Base, or does not have what is kept.
func (c *Config) On(base *Config) (*Config, error) {
	for _, in := range c.Instances {
		if in == nil {
			return nil, fmt.Errorf("configuration %.12s has an instance that is null", c.Digest)
		}
	}
	if c.Base == "" {
		return c, nil
	}
	if base == nil || base.Digest != c.Base {
		return nil, fmt.Errorf("configuration %.12s builds on %.12s, which is not in force", c.Digest, c.Base)
	}
	whole := *c
	whole.Base, whole.Kept, whole.Instances = "", nil, nil
	fresh := c.Instances
	for _, k := range c.Kept {
		between := k.At - len(whole.Instances)
		if between < 0 || between > len(fresh) || k.From < 0 || k.Count < 0 || k.Count > len(base.Instances) || k.From > len(base.Instances)-k.Count {
			return nil, fmt.Errorf("configuration %.12s keeps instances that configuration %.12s does not have", c.Digest, c.Base)
		}
		whole.Instances = append(whole.Instances, fresh[:between]...)
		whole.Instances = append(whole.Instances, base.Instances[k.From:k.From+k.Count]...)
		fresh = fresh[between:]
	}
	whole.Instances = append(whole.Instances, fresh...)
	return &whole, nil
}

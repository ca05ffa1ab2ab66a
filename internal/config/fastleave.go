package config

import "time"

const (
	fastLeaveRange = `"auto", or "10ms" to "10s" in steps of 10ms`
	fastLeaveMax   = 10 * time.Second
	fastLeaveStep  = 10 * time.Millisecond
)

// fastLeaveInterval reads fast_leave_interval: 0 is auto.
func (b *block) fastLeaveInterval(def time.Duration) time.Duration {
	const key = "fast_leave_interval"
	if !b.has(key) {
		return def
	}
	text := b.text(key)
	if text == "auto" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < fastLeaveStep || d > fastLeaveMax || d%fastLeaveStep != 0 {
		b.errorf(key, "%q is not allowed; allowed: %s", text, fastLeaveRange)
		return def
	}
	return d
}

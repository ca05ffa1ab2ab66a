package elector

import (
	"testing"

	"golang.org/x/sys/unix"

	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// TestConfigureOnBase: a configuration that builds on the one in force reaches the
// loop in whole, with the very instances that stay; one that builds on another does
// not reach it, and main is told so.
func TestConfigureOnBase(t *testing.T) {
	t.Parallel()
	box, err := newInbox()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(box.bell.fd) })
	c := newControl(box, newJournal(), nil, &waits{})
	configure := func(part *wire.Config) (*wire.Applied, *wire.Config) {
		t.Helper()
		got := make(chan *wire.Config, 1)
		go func() {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(box.bell.fd), Events: unix.POLLIN}}, -1)
			for _, m := range box.take(nil) {
				got <- m.(configMsg).config
				m.(configMsg).reply <- &wire.Applied{Digest: m.(configMsg).config.Digest}
			}
		}()
		return c.configure(part), <-got
	}
	instance := func(name string) *wire.Instance { return &wire.Instance{Params: vrrp.Params{Name: name}} }
	first := &wire.Config{Digest: "first", Instances: []*wire.Instance{instance("a"), instance("b")}}
	if a, whole := configure(first); a.OtherBase || whole != first {
		t.Errorf("first: %+v, %+v", a, whole)
	}
	second := &wire.Config{Digest: "second", Instances: []*wire.Instance{instance("c"), instance("b")}}
	a, whole := configure(second.Since(first))
	if a.Digest != "second" || len(whole.Instances) != 2 || whole.Instances[1] != first.Instances[1] {
		t.Errorf("second: %+v, %+v", a, whole)
	}
	if a := c.configure(second.Since(first)); !a.OtherBase || a.Digest != "second" || len(box.take(nil)) > 0 {
		t.Errorf("on a base that is not in force: %+v", a)
	}
}

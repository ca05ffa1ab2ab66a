package main

import (
	"slices"
	"testing"

	"hakeep/internal/config"
	"hakeep/internal/daemon"
)

// TestPIDFiles: the pid files of hakeep keepalived are where keepalived has them.
func TestPIDFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		given  asKeepalived
		global config.Global
		want   []string
	}{
		{"as it is", asKeepalived{}, config.Global{}, []string{"/run/keepalived.pid", "/run/vrrp.pid"}},
		{"use_pid_dir", asKeepalived{}, config.Global{PIDDir: true}, []string{"/run/keepalived/keepalived.pid", "/run/keepalived/vrrp.pid"}},
		{"instance", asKeepalived{}, config.Global{Name: "a"}, []string{"/run/keepalived/keepalived_a.pid", "/run/keepalived/vrrp_a.pid"}},
		{"net_namespace", asKeepalived{}, config.Global{NetNamespace: "/run/netns/blue", PIDDir: true},
			[]string{"/run/keepalived/keepalived_blue.pid", "/run/keepalived/vrrp_blue.pid"}},
		{"options", asKeepalived{pid: "/run/k"}, config.Global{PIDDir: true}, []string{"/run/k", "/run/keepalived/vrrp.pid"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var o daemon.Options
			tt.given.places(&o, &config.Config{Global: tt.global})
			if !slices.Equal(o.PIDFiles, tt.want) {
				t.Errorf("pid files %q, want %q", o.PIDFiles, tt.want)
			}
		})
	}
}

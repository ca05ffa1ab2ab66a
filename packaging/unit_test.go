// Package packaging tests what is installed beside the program: the unit, the
// users, the installation, the container, the dashboard and the alerts.
package packaging

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hakeep/internal/config"
)

// root is the repository.
const root = ".."

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// parseUnit reads a unit file: section, key, values.
func parseUnit(t *testing.T, text string) map[string]map[string][]string {
	t.Helper()
	unit := map[string]map[string][]string{}
	section := ""
	for i, line := range strings.Split(text, "\n") {
		switch line = strings.TrimSpace(line); {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
			unit[section] = map[string][]string{}
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok || section == "" || strings.HasSuffix(value, `\`) {
				t.Fatalf("line %d: %s", i+1, line)
			}
			unit[section][key] = append(unit[section][key], value)
		}
	}
	return unit
}

// TestUnit: what the daemon depends on is there, with the reason in the unit's
// comments, and what would be in its way is not.
func TestUnit(t *testing.T) {
	t.Parallel()
	unit := parseUnit(t, read(t, "hakeep.service"))
	want := map[string]map[string]string{
		"Unit": {
			// At shutdown the order is reversed: the network goes after hakeep.
			"After": "network.target", "Wants": "network.target", "StartLimitIntervalSec": "0",
		},
		"Service": {
			"Type": "notify", "NotifyAccess": "main", "ExecStart": "/usr/sbin/hakeep run", "ExecReload": "/usr/sbin/hakeep reload",
			"KillMode": "process", "Restart": "on-failure", "RestartPreventExitStatus": "3 4 5", "RestartSec": "1s",
			"WatchdogSec": "10s", "TimeoutAbortSec": "3s",
			"RuntimeDirectory": "hakeep", "RuntimeDirectoryPreserve": "restart", "StateDirectory": "hakeep",
			"LimitRTPRIO": "50", "LimitMEMLOCK": "infinity", "LimitNOFILE": "1024:524288",
			"CapabilityBoundingSet":   "CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_NICE CAP_IPC_LOCK CAP_CHOWN CAP_SETUID CAP_SETGID CAP_KILL CAP_DAC_READ_SEARCH",
			"RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET",
		},
		"Install": {"WantedBy": "multi-user.target", "Also": "hakeep-sleep.service"},
	}
	for section, keys := range want {
		for key, value := range keys {
			if got := unit[section][key]; !slices.Equal(got, []string{value}) {
				t.Errorf("[%s] %s is %q, want %q", section, key, got, value)
			}
		}
	}
	for _, key := range []string{
		"User", "RestrictRealtime", "ProtectKernelTunables", "NoNewPrivileges", "ProtectProc", "PrivateTmp", "ProtectHome",
		"PrivateNetwork", "PrivateUsers", "PrivateDevices", "MemoryDenyWriteExecute", "SystemCallFilter", "RestrictNamespaces", "DynamicUser",
	} {
		if got := unit["Service"][key]; got != nil {
			t.Errorf("[Service] %s is %q: it keeps the elector or users' hooks from their work", key, got)
		}
	}
	if v := unit["Service"]["ProtectSystem"]; slices.Contains(v, "strict") || slices.Contains(v, "full") {
		t.Errorf("ProtectSystem=%q keeps hooks from writing to /etc", v)
	}
}

// TestSleepUnit: it leaves before the machine sleeps, comes back afterwards, and
// keeps nobody awake.
func TestSleepUnit(t *testing.T) {
	t.Parallel()
	unit := parseUnit(t, read(t, "hakeep-sleep.service"))
	for section, keys := range map[string]map[string]string{
		"Unit": {"After": "hakeep.service", "Before": "sleep.target", "StopWhenUnneeded": "yes"},
		"Service": {
			"Type": "oneshot", "RemainAfterExit": "yes", "TimeoutStartSec": "15s",
			"ExecStart": "-/usr/sbin/hakeep standby --sleep", "ExecStop": "-/usr/sbin/hakeep resume --sleep",
		},
		"Install": {"WantedBy": "sleep.target"},
	} {
		for key, value := range keys {
			if got := unit[section][key]; !slices.Equal(got, []string{value}) {
				t.Errorf("[%s] %s is %q, want %q", section, key, got, value)
			}
		}
	}
}

// TestSysusers: the group of the control socket and the user of scripts.
func TestSysusers(t *testing.T) {
	t.Parallel()
	var got []string
	for line := range strings.Lines(read(t, "sysusers.d", "hakeep.conf")) {
		if f := strings.Fields(line); len(f) > 1 && f[0] != "#" {
			got = append(got, f[0]+" "+f[1])
		}
	}
	if want := []string{"g hakeep", "u " + config.DefaultScriptUser}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestDockerfile: the image has nothing but the program, built without cgo.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	text := read(t, "Dockerfile")
	stages := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(text, -1)
	if len(stages) != 2 || !strings.HasPrefix(stages[0][1], "golang:") || stages[1][1] != "scratch" {
		t.Errorf("stages: %q", stages)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, root, "go.mod"))
	if len(version) != 2 || !strings.Contains(text, "FROM golang:"+version[1]) {
		t.Errorf("the build stage is not of the Go version of go.mod (%q)", version)
	}
	for _, line := range []string{
		"CGO_ENABLED=0", `ENTRYPOINT ["/usr/sbin/hakeep"]`, `CMD ["run"]`, `"status", "--probe"]`, "hakeep/internal/version.version=",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no %s", line)
		}
	}
}

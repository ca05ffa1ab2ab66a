package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hakeep/internal/config"
	"hakeep/internal/config/keepalived"
	"hakeep/internal/daemon"
	"hakeep/internal/version"
)

// The exit codes of keepalived since 2.2.5.
const (
	keepalivedFatal      = 1
	keepalivedConfig     = 2
	keepalivedPermission = 4
	keepalivedNoFile     = 6
	keepalivedSoftware   = 70
	keepalivedCannotRun  = 4 // of -t
)

// keepalivedName is the name under which the program takes keepalived's command
// line without a further word, through a link for example.
const keepalivedName = "keepalived"

// keepalivedVersion is the version of keepalived whose command line, exit codes
// and dumps are followed; programs parse it from the output of -v.
const keepalivedVersion = "v2.2.7"

// asKeepalived is a command line of keepalived.
type asKeepalived struct {
	file, configID, namespace string
	pid, vrrpPID              string
	foreground, console       bool
	noSyslog, ignoreInterrupt bool
	vrrpOnly, checkersOnly    bool
	detail                    int
	facility, logFile, umask  string
	signum, test              string
	version, allIncludes      bool
	runtimeDir                string
	keepAddresses, keepIPVS   bool
	genhash, toStderr         bool
}

func newKeepalivedCommand() *cobra.Command {
	var k asKeepalived
	cmd := &cobra.Command{
		Use:   "keepalived [OPTION]...",
		Short: "Run as keepalived would, with its command line",
		Long: `Run the daemon with keepalived's command line, so that in a unit or a script that
starts keepalived one word changes. A program called "keepalived" that is a link
to hakeep needs not even that.

What differs from "hakeep run": the configuration is /etc/keepalived/keepalived.conf,
the log goes to syslog, without -n the daemon goes to the background once it is
ready, there are pid files in keepalived's places, and the exit codes are
keepalived's. vrrp.pid has the main process, too, for signals.

Options that have no effect here are accepted with a line in the log; those whose
promise would be broken are refused.

Exit codes (keepalived 2.2.7): 0 stopped in order, or already running; 1 failure;
2 the configuration is refused; 4 not permitted; 6 there is no configuration. With
-t: 0 fine, 4 it cannot run, 5 something is wrong, 6 no script security.`,
		Example: `  ExecStart=/usr/sbin/hakeep keepalived --dont-fork $DAEMON_ARGS
  hakeep keepalived -t -f /etc/keepalived/new.conf
  kill -s $(hakeep keepalived --signum=DATA) $(cat /run/keepalived.pid)`,
		// keepalived takes no notice of further words.
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return k.run(cmd) },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &codeError{code: keepalivedFatal, err: err} })
	k.flags(cmd.Flags())
	return cmd
}

// flags are keepalived's options. hakeep's own is --runtime-dir.
func (k *asKeepalived) flags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVarP(&k.file, "use-file", "f", "/etc/keepalived/keepalived.conf", "configuration file")
	f.BoolVarP(&k.foreground, "dont-fork", "n", false, "stay in the foreground")
	f.BoolVarP(&k.console, "log-console", "l", false, "log to standard error, too")
	f.CountVarP(&k.detail, "log-detail", "D", "twice: log debug messages; once: no effect")
	f.StringVarP(&k.facility, "log-facility", "S", "daemon", "0-7, local0-local7, user or daemon")
	f.StringVarP(&k.logFile, "log-file", "g", "", "log to this file, too")
	f.BoolVarP(&k.noSyslog, "no-syslog", "G", false, "do not log to syslog")
	f.StringVarP(&k.umask, "umask", "u", "", "umask, such as 022")
	f.StringVarP(&k.configID, "config-id", "i", "", "for the conditions (@ID) of the file")
	f.StringVarP(&k.pid, "pid", "p", "", "pid file of the main process")
	f.StringVarP(&k.vrrpPID, "vrrp_pid", "r", "", "second pid file, of the main process too")
	f.StringVarP(&k.namespace, "namespace", "s", "", "network namespace to run in")
	f.BoolVarP(&k.vrrpOnly, "vrrp", "P", false, "refused if there are virtual servers")
	f.BoolVarP(&k.checkersOnly, "check", "C", false, "refused if there are instances")
	f.StringVarP(&k.test, "config-test", "t", "", "check the file; =FILE for where to say it")
	f.Lookup("config-test").NoOptDefVal = "-"
	f.StringVar(&k.signum, "signum", "", "print the number of STOP, RELOAD, DATA, STATS, STATS_CLEAR or JSON")
	f.BoolVarP(&k.allIncludes, "all-config", "e", false, "every file that is included must be there")
	f.BoolVar(&k.ignoreInterrupt, "ignore-sigint", false, "take no notice of SIGINT")
	f.BoolVarP(&k.version, "version", "v", false, "print the version")
	f.StringVar(&k.runtimeDir, "runtime-dir", "", "runtime directory (hakeep's own option)")

	f.BoolVarP(&k.keepAddresses, "dont-release-vrrp", "V", false, "refused")
	f.BoolVarP(&k.keepIPVS, "dont-release-ipvs", "I", false, "refused if there are virtual servers")
	f.BoolVarP(&k.genhash, "genhash", "T", false, "refused")
	k.without(f)
}

// without are the options that change nothing here; each is told in the log when it
// is given.
func (k *asKeepalived) without(f *pflag.FlagSet) {
	for _, o := range withoutEffect {
		if !o.value {
			f.BoolP(o.name, o.short, false, "no effect")
			continue
		}
		f.StringP(o.name, o.short, "", "no effect")
		if o.optional {
			f.Lookup(o.name).NoOptDefVal = "-"
		}
	}
}

// withoutEffect are these options, and why they have none.
var withoutEffect = []struct {
	name, short     string
	value, optional bool
	why             string
}{
	{"no_bfd", "B", false, false, "there is no BFD"},
	{"all", "", false, false, "there are no child processes to leave out"},
	{"release-vips", "X", false, false, "addresses are removed when the instance is no longer master"},
	{"dont-respawn", "R", false, false, "the elector is always started again"},
	{"dump-conf", "d", false, false, "hakeep import shows the configuration, SIGUSR1 writes it"},
	{"address-monitoring", "a", false, false, "hakeep events shows what becomes of its addresses"},
	{"snmp", "x", false, false, "there is no SNMP; http_listen serves metrics"},
	{"snmp-agent-socket", "A", true, false, "there is no SNMP; http_listen serves metrics"},
	{"core-dump", "m", false, false, "a crash leaves its stacks in the log"},
	{"core-dump-pattern", "M", true, true, "a crash leaves its stacks in the log"},
	{"checkers_pid", "c", true, false, "there is no process for checkers"},
	{"bfd_pid", "b", true, false, "there is no BFD"},
	{"flush-log-file", "", false, false, "each line is written at once"},
	{"perf", "", true, true, "hakeep records no profiles"},
	{"debug", "", true, true, "-DD logs debug messages"},
	{"no-mem-check", "", false, false, "there is no memory check"},
	{"mem-check-log", "", false, false, "there is no memory check"},
}

// run does what the command line says.
func (k *asKeepalived) run(cmd *cobra.Command) error {
	switch {
	case k.version:
		return k.printVersion(cmd.ErrOrStderr())
	case cmd.Flags().Changed("signum"):
		return printSignal(cmd.OutOrStdout(), k.signum)
	case k.genhash:
		return refusedOption("-T: hakeep has no genhash; use the one of keepalived")
	case k.test != "":
		return k.check(cmd)
	case k.keepAddresses:
		return refusedOption("-V: hakeep removes its addresses when it stops; systemctl restart and hakeep upgrade keep them, and mastership")
	}
	if !k.foreground && !inBackground() {
		return k.fork(cmd)
	}
	err := k.daemon(cmd)
	return keepalivedExit(err)
}

func refusedOption(text string) error {
	return &codeError{code: keepalivedFatal, err: errors.New(text)}
}

// printVersion is read by programs: the second word of the first line is the
// version.
func (k *asKeepalived) printVersion(w io.Writer) error {
	_, err := fmt.Fprintf(w, "Keepalived %s\n\nThis is hakeep %s with keepalived's command line, files and exit codes.\n", keepalivedVersion, version.String())
	return err
}

// printSignal prints the number of a signal.
func printSignal(w io.Writer, word string) error {
	signals := map[string]syscall.Signal{
		"STOP": syscall.SIGTERM, "RELOAD": syscall.SIGHUP, "DATA": daemon.SignalData, "STATS": daemon.SignalStats,
		"STATS_CLEAR": daemon.SignalStatsClear, "JSON": daemon.SignalJSON,
	}
	sig, ok := signals[word]
	if !ok {
		return refusedOption(fmt.Sprintf("--signum=%s: allowed are STOP, RELOAD, DATA, STATS, STATS_CLEAR and JSON", word))
	}
	_, err := fmt.Fprintln(w, int(sig))
	return err
}

// check is -t.
func (k *asKeepalived) check(cmd *cobra.Command) error {
	w := cmd.ErrOrStderr()
	if k.test != "-" {
		f, err := os.OpenFile(k.test, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return &codeError{code: keepalivedFatal, err: fmt.Errorf("-t: %w", err)}
		}
		defer f.Close()
		w = f
	}
	return checkAsKeepalived(w, k.file, k.options())
}

func (k *asKeepalived) options() keepalived.LoadOptions {
	return keepalived.LoadOptions{ConfigID: k.configID, AllIncludes: k.allIncludes}
}

// daemon runs the daemon in this process.
func (k *asKeepalived) daemon(cmd *cobra.Command) error {
	if err := k.setUmask(); err != nil {
		return err
	}
	if _, err := os.Stat(k.file); err != nil {
		return &codeError{code: keepalivedNoFile, err: fmt.Errorf("read configuration: %w", err)}
	}
	cfg, _, err := keepalived.LoadWith(k.file, k.options())
	if err != nil {
		return &daemon.ConfigError{Err: err}
	}
	if cfg != nil { // otherwise daemon.Run says what is wrong
		if err := k.suits(cfg); err != nil {
			return err
		}
	}
	level := slog.LevelInfo
	if k.detail > 1 {
		level = slog.LevelDebug
	}
	log, done, err := k.logger(cmd.ErrOrStderr(), level)
	if err != nil {
		return err
	}
	defer done()
	for _, o := range withoutEffect {
		if cmd.Flags().Changed(o.name) {
			log.Warn("option has no effect", "option", "--"+o.name, "why", o.why)
		}
	}
	o := daemon.Options{
		ConfigFile: k.file, ConfigID: k.configID, AllIncludes: k.allIncludes, Namespace: k.namespacePath(), Logger: log,
		IgnoreInterrupt: k.ignoreInterrupt, Ready: k.tellParent,
	}
	k.places(&o, cfg)
	return daemon.Run(context.WithoutCancel(cmd.Context()), o)
}

// suits refuses options whose promise would be broken.
func (k *asKeepalived) suits(cfg *config.Config) error {
	switch servers := len(cfg.VirtualServers) > 0; {
	case k.vrrpOnly && servers:
		return refusedOption("-P: the configuration has virtual servers, which hakeep does not leave out; move them to another file")
	case k.checkersOnly && len(cfg.Instances) > 0:
		return refusedOption("-C: the configuration has instances, which hakeep does not leave out; move them to another file")
	case k.keepIPVS && servers:
		return refusedOption("-I: hakeep removes its virtual servers when it stops")
	}
	return nil
}

// setUmask sets what -u says; the number is octal with a leading 0, as in C.
func (k *asKeepalived) setUmask() error {
	if k.umask == "" {
		return nil
	}
	mask, err := strconv.ParseUint(k.umask, 0, 32)
	if err != nil || mask > 0o777 {
		return refusedOption(fmt.Sprintf("-u %s: allowed are numbers up to 0777", k.umask))
	}
	syscall.Umask(int(mask))
	return nil
}

func (k *asKeepalived) namespacePath() string {
	if k.namespace == "" || strings.HasPrefix(k.namespace, "/") {
		return k.namespace
	}
	return path.Join("/run/netns", k.namespace)
}

// places sets the runtime directory and the files in keepalived's places. Daemons
// with a name or a namespace of their own have directories of their own.
func (k *asKeepalived) places(o *daemon.Options, cfg *config.Config) {
	suffix, dir, pidDir := "", defaultRuntime, false
	if ns := o.Namespace; cfg != nil {
		if ns == "" {
			ns = cfg.Global.NetNamespace
		}
		if cfg.Global.Name != "" {
			suffix = "_" + cfg.Global.Name
			dir += suffix
		}
		if ns != "" {
			dir += "_" + path.Base(ns)
			pidDir = true
			suffix += "_" + path.Base(ns)
		}
		pidDir = pidDir || cfg.Global.Name != "" || cfg.Global.PIDDir
	}
	o.RuntimeDir = dir
	if k.runtimeDir != "" {
		o.RuntimeDir = k.runtimeDir
	}
	if tmp := os.Getenv("TMPDIR"); tmp != "" {
		if info, err := os.Stat(tmp); err == nil && info.IsDir() {
			o.DumpDir = tmp
		}
	}
	place := func(given, name string) string {
		switch {
		case given != "":
			return given
		case pidDir:
			return "/run/keepalived/" + name + suffix + ".pid"
		}
		return "/run/" + name + ".pid"
	}
	o.PIDFiles = []string{place(k.pid, "keepalived"), place(k.vrrpPID, "vrrp")}
}

// keepalivedExit gives an error the code that keepalived would exit with.
func keepalivedExit(err error) error {
	var (
		own        *codeError
		configErr  *daemon.ConfigError
		running    *daemon.RunningError
		permission *daemon.PermissionError
	)
	code := keepalivedFatal
	switch {
	case err == nil || errors.As(err, &own):
		return err
	case errors.As(err, &configErr):
		code = keepalivedConfig
	case errors.As(err, &running):
		code = 0 // keepalived says so and exits with 0
	case errors.As(err, &permission):
		code = keepalivedPermission
	}
	return &codeError{code: code, err: err}
}

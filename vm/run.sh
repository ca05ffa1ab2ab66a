#!/bin/bash
# Runs a program in a virtual machine with a kernel that has what the host's may
# lack (VLAN, bonds, VRF, IPVS, nftables), and comes back with its output and
# exit status. Needs build.sh to have run, but neither root nor /dev/kvm.
#
#   vm/run.sh PROGRAM ARGS…              a file of this machine, or a tool of the VM
#   go test -exec $PWD/vm/run.sh ./pkg   a package's tests; -cover and -race work
#
# The program runs as root in /job of a machine that has only a loopback interface and
# is thrown away. Settings, all by environment:
#
#   ADD      files and directories to put beside the program, separated by blanks;
#            FROM:/TO puts one at an absolute path of the VM
#   SYSTEMD  1: systemd is PID 1 and the program a service after multi-user.target
#   OUT      directory that receives what the program leaves in /out
#   LOG      file that receives the kernel's (and systemd's) messages
#   TIMEOUT  seconds until the machine is stopped (600, as go test)
#   MEM      megabytes (1024); SMP: processors (2)
#   HAKEEP_… are handed on to the program; nothing else is
#
# Exit status: the program's; 124 after TIMEOUT and 125 when the machine died, with its
# last messages; 126 when it could not be started.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=$(dirname "$here")/cache

die() {
	echo "run.sh: $*" >&2
	exit 126
}
[ $# -gt 0 ] || die "no program given"
qemu=$(command -v qemu-system-x86_64) || die "qemu-system-x86_64 is missing: run packaging/test-vm-deps.sh as root"
[ -s "$cache/base.cpio" ] && [ -s "$cache/vmlinuz" ] || die "no image: run vm/build.sh"

# A run that was killed leaves its directory behind.
for old in "${TMPDIR:-/tmp}"/hakeep-vm.*.*; do
	owner=${old##*/hakeep-vm.}
	[ ! -O "$old" ] || [ -d "/proc/${owner%%.*}" ] || rm -rf "$old"
done
tmp=$(mktemp -d "${TMPDIR:-/tmp}/hakeep-vm.$$.XXXXXX")
pid=
finish() {
	# The machine ends with its parent, see below.
	[ -z "$pid" ] || { kill -TERM "$pid" 2>/dev/null && wait "$pid"; } || true
	rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 143' INT TERM HUP QUIT

# The job: a second archive behind the base, which the kernel unpacks over it.
mkdir -p "$tmp/root/job" "$tmp/root/out" "$tmp/root/etc/systemd/system"
cp "$here/guest/init" "$here/guest/job.sh" "$tmp/root/"
cp "$here/guest/vm-job.service" "$tmp/root/etc/systemd/system/"
add() {
	local from=${1%%:/*} to=/job/
	[ "$from" = "$1" ] || to=/${1#*:/}
	[ -e "$from" ] || die "no $from to add"
	case $to in */) mkdir -p "$tmp/root$to" ;; *) mkdir -p "$(dirname "$tmp/root$to")" ;; esac
	cp -rL "$from" "$tmp/root$to"
}
for f in ${ADD:-}; do add "$f"; done

program=$1
shift
if [ -f "$program" ]; then
	add "$program"
	program=./${program##*/}
	chmod 755 "$tmp/root/job/$program"
fi
# Paths that `go test` hands to the program for results are of this machine.
declare -A results=()
args=()
for arg in "$@"; do
	case $arg in
	-test.testlogfile=*) continue ;;
	-test.*profile=/* | -test.trace=/*)
		file=results/${#results[@]}
		results[$file]=${arg#*=}
		arg=${arg%%=*}=/out/$file
		;;
	-test.outputdir=* | -test.gocoverdir=*) arg=${arg%%=*}=/out ;;
	esac
	args+=("$arg")
done
[ ${#results[@]} -eq 0 ] || mkdir -p "$tmp/root/out/results"
# A package's test data lie beside it: go test runs this script there.
case $program in *.test) [ ! -d testdata ] || add testdata ;; esac
{
	for name in "${!HAKEEP_@}"; do printf 'export %s=%q\n' "$name" "${!name}"; done
	printf 'exec'
	printf ' %q' "$program" ${args[@]+"${args[@]}"}
	echo
} >"$tmp/root/job/.command"
(cd "$tmp/root" && find . -print0 | cpio -0 -o -H newc -R 0:0 --quiet) >"$tmp/job.cpio"
cat "$cache/base.cpio" "$tmp/job.cpio" >"$tmp/initrd"
rm -rf "$tmp/root"

init=/init
[ "${SYSTEMD:-}" != 1 ] || init="/lib/systemd/systemd systemd.unit=vm-job.service systemd.show_status=error"
# TCG is named, since a /dev/kvm that opens may still not run this kernel. Without
# rdrand the first random number waits a second; the self-tests of the kernel's
# cryptography would take another.
machine=(-M pc -accel tcg -cpu "qemu64,+rdrand" -smp "${SMP:-2}" -m "${MEM:-1024}"
	-nodefaults -no-user-config -no-reboot -display none -kernel "$cache/vmlinuz" -initrd "$tmp/initrd"
	-append "console=ttyS1 rdinit=$init panic=-1 oops=panic loglevel=${LOGLEVEL:-4} cryptomgr.notests no_timer_check mitigations=off"
	-chardev "stdio,id=out,signal=off" -serial chardev:out -serial "file:$tmp/log" -serial "file:$tmp/out.tar")
# timeout ends with this script, and qemu with timeout, however they end.
setpriv --pdeathsig TERM timeout -k 5 "${TIMEOUT:-600}" setpriv --pdeathsig KILL "$qemu" "${machine[@]}" </dev/null &
pid=$!
code=0
wait "$pid" || code=$?
pid=

[ -z "${LOG:-}" ] || cp "$tmp/log" "$LOG"
[ "$code" -ne 124 ] || { tail -n 40 "$tmp/log" >&2; echo "run.sh: stopped after ${TIMEOUT:-600} s" >&2; exit 124; }
mkdir "$tmp/out"
if ! tar -C "$tmp/out" --no-same-owner -xf "$tmp/out.tar" 2>/dev/null || [ ! -s "$tmp/out/.status" ]; then
	tail -n 40 "$tmp/log" >&2
	echo "run.sh: the machine died (qemu: $code)" >&2
	exit 125
fi
status=$(cat "$tmp/out/.status")
for file in "${!results[@]}"; do
	[ ! -f "$tmp/out/$file" ] || cp "$tmp/out/$file" "${results[$file]}"
done
rm -rf "$tmp/out/.status" "$tmp/out/results"
[ -z "${OUT:-}" ] || { mkdir -p "$OUT" && cp -r "$tmp/out/." "$OUT/"; }
exit "$status"

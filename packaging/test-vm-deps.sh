#!/bin/sh
# Installs the Debian packages that the VM of `make test-vm` needs on this
# machine: an emulator and the tools that make its image. Nothing of them runs as
# a service. As another user than root it says what is missing and fails, since
# without them there is no VM.
set -eu
packages="qemu-system-x86 cpio kmod"
missing=""
for p in $packages; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "missing for the VM, install them as root:$missing" >&2
	exit 1
fi
echo "installing:$missing"
apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null

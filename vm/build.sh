#!/bin/bash
# Makes the image that run.sh boots: cache/vmlinuz, Debian's cloud kernel, and
# cache/base.cpio, a small Debian with that kernel's network modules, systemd,
# and the tools to look with. Packages are downloaded with apt's usual checks and
# unpacked into a directory; nothing is installed or started on this machine, and
# root is not needed. Does nothing when the image is there and made by this very
# script; `build.sh -f` makes it anew with today's packages.
set -euo pipefail
umask 022
here=$(cd "$(dirname "$0")" && pwd)
cache=$(dirname "$here")/cache

# What a test may use in the VM. usr-is-merged keeps perl's usrmerge out.
packages="usr-is-merged base-files base-passwd bash busybox-static coreutils dash grep hostname iproute2 ipvsadm
	iputils-ping keepalived kmod libc-bin mount nftables passwd procps sed systemd systemd-sysv tcpdump util-linux"

# Modules outside of net/, by directory below kernel/: links, and what IPVS,
# nftables and VRF ask for by alias. Disks, sound and the like stay out.
modules="arch/x86/crypto crypto lib net drivers/net"

stamp=$(sha256sum "$here/build.sh" | cut -d' ' -f1)
[ "${1:-}" = -f ] && rm -f "$cache/stamp"
if [ -s "$cache/vmlinuz" ] && [ -s "$cache/base.cpio" ] && [ "$(cat "$cache/stamp" 2>/dev/null)" = "$stamp" ]; then
	exit 0
fi
for tool in apt-get dpkg-deb cpio depmod; do
	command -v "$tool" >/dev/null || PATH=$PATH:/usr/sbin:/sbin
	command -v "$tool" >/dev/null || { echo "build.sh: $tool is missing: run packaging/test-vm-deps.sh as root" >&2; exit 1; }
done
mkdir -p "$cache"
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
# Signals end the script by its EXIT trap.
trap 'exit 130' INT TERM HUP
root=$work/root
mkdir -p "$work/debs/partial" "$root"
# apt believes that nothing is installed, so it names every package that is
# needed; with /dev/null as its status it would leave lock files in /dev.
: >"$work/status"
apt() {
	apt-get -qq -y -o Dir::State::status="$work/status" -o Dir::Cache::archives="$work/debs" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
		-o APT::Install-Recommends=0 "$@"
}

download() {
	local kernel
	# The metapackage's only dependency is the kernel itself, whose own
	# dependencies (an initramfs generator) are of no use here.
	kernel=$(apt-cache depends --important linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
	[ -n "$kernel" ] || { echo "build.sh: apt knows no linux-image-cloud-amd64: run apt-get update" >&2; return 1; }
	# shellcheck disable=SC2086
	apt --download-only install $packages >/dev/null
	(cd "$work" && apt download "$kernel" >/dev/null)
}
download || {
	[ "$(id -u)" -eq 0 ] || { echo "build.sh: download refused; if the lists are old, run apt-get update as root" >&2; exit 1; }
	# Lists older than the archive name files that are gone.
	apt-get update -qq
	download
}

mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root"/{dev,proc,sys,run,root,var/log,job,out}
for d in bin sbin lib lib64; do ln -s "usr/$d" "$root/$d"; done
for deb in "$work"/debs/*.deb; do
	# Documentation and translations only cost time at boot; perl and dpkg are
	# dependencies of maintainer scripts, which do not run here.
	case ${deb##*/} in perl* | dpkg_* | debconf_* | adduser_* | pci.ids_* | libsnmp-base_*) continue ;; esac
	dpkg-deb --fsys-tarfile "$deb" | tar -C "$root" --keep-directory-symlink --no-same-owner -xf - \
		--exclude='./usr/share/doc*' --exclude='./usr/share/man*' --exclude='./usr/share/info*' \
		--exclude='./usr/share/locale*' --exclude='./usr/share/lintian*' --exclude='./usr/share/bash-completion*' \
		--exclude='./usr/share/zsh*' --exclude='./usr/share/perl*' --exclude='./usr/share/i18n*' \
		--exclude='./usr/lib/*/gconv*' --exclude='./usr/lib/*/perl*' --exclude='./usr/lib/udev*'
done

mkdir "$work/kernel"
dpkg-deb --fsys-tarfile "$work"/linux-image-*.deb | tar -C "$work/kernel" --no-same-owner -xf - ./boot ./lib
cp "$work"/kernel/boot/vmlinuz-* "$work/vmlinuz"
version=$(basename "$work"/kernel/lib/modules/*)
from=$work/kernel/lib/modules/$version
to=$root/lib/modules/$version
mkdir -p "$to"
cp "$from"/modules.{builtin,builtin.modinfo,order} "$to"
# The modules of these directories, and what they depend on anywhere. Left out is
# hardware that this VM does not have.
depmod -b "$work/kernel" "$version"
awk -v dirs="$modules" '
	BEGIN { n = split(dirs, dir) }
	/^kernel\/drivers\/net\/(ethernet|wireless|wwan|usb|hyperv|can|phy|mdio|fddi|hippi|arcnet|xen)/ { next }
	/^kernel\/net\/(9p|batman-adv|ceph|mac80211|rds|rxrpc|smc|sunrpc|tipc|vmw_vsock|wireless)/ { next }
	{ for (i = 1; i <= n; i++) if (index($1, "kernel/" dir[i] "/") == 1) { gsub(":", ""); gsub(" ", "\n"); print; next } }
' "$from/modules.dep" | sort -u | (cd "$from" && cpio -pdm --quiet "$to")
depmod -b "$root" "$version"

# What the maintainer scripts of these packages would do.
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files\n' >"$root/etc/nsswitch.conf"
sed 's/^\([^:]*\):.*/\1:*:19000:0:99999:7:::/' "$root/etc/passwd" >"$root/etc/shadow"
chmod 640 "$root/etc/shadow"
echo vm >"$root/etc/hostname"
printf '127.0.0.1 localhost vm\n::1 localhost\n' >"$root/etc/hosts"
# A fixed identity: without one systemd takes every boot for the first.
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
ln -sf dash "$root/bin/sh"
mkdir -p "$root"/etc/systemd/system "$root"/tmp && chmod 1777 "$root/tmp"
ln -sfn /run "$root/var/run"
ln -sfn /run/lock "$root/var/lock"
# No terminals, no logins, no D-Bus.
for unit in getty.target systemd-logind.service systemd-networkd.service systemd-resolved.service \
	systemd-timesyncd.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
	proc-sys-fs-binfmt_misc.automount keepalived.service ipvsadm.service nftables.service apt-daily.timer e2scrub_all.timer fstrim.timer; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
# busybox stands in for what has no package of its own here.
for applet in $("$root/bin/busybox" --list); do
	[ -e "$root/usr/bin/$applet" ] || [ -L "$root/usr/bin/$applet" ] || [ -e "$root/usr/sbin/$applet" ] ||
		[ -L "$root/usr/sbin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"
done

(cd "$root" && find . -print0 | LC_ALL=C sort -z | cpio -0 -o -H newc -R 0:0 --quiet) >"$work/base.cpio"
mv "$work/vmlinuz" "$work/base.cpio" "$cache/"
echo "$stamp" >"$cache/stamp"
echo "made $(du -h "$cache/vmlinuz" | cut -f1) vmlinuz ($version) and $(du -h "$cache/base.cpio" | cut -f1) base.cpio in cache/"

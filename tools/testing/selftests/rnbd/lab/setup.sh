#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes a Debian 12 machine ready for "make check", "make demo" and "make bench": installs the
# packages that are missing, then fills the lab's cache (guest userland, fio, kernel images).
# Everything that is already there costs nothing. Root is needed only when packages are missing.
#
#	setup.sh [lab] [uml] [static] [rt]	default: lab uml static
#
#	lab	QEMU, compiler, kernel headers of 6.12 and 6.1, what guests boot from
#	uml	what the User Mode Linux kernel is built from (kernel-build.sh builds it)
#	static	programs of the static checks
#	rt	kernel headers of 6.12-rt
set -eu

here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- lab uml static

LAB="python3 gcc libc6-dev make binutils cpio kmod xz-utils qemu-system-x86 mmdebstrap libaio-dev
	zlib1g-dev libibverbs-dev librdmacm-dev linux-headers-6.12-amd64 linux-headers-amd64"
UML="gcc make patch flex bison bc libelf-dev libssl-dev xz-utils kmod linux-source-6.12"
STATIC="gcc make patch clang libclang-rt-14-dev lld llvm sparse shellcheck codespell python3 git perl
	flex bison bc cpio python3-docutils libelf-dev linux-source-6.12 mandoc groff-base systemd
	build-essential debhelper dh-dkms coccinelle clang-tidy"

want=""
for part; do
	case $part in
	lab)	want="$want $LAB" ;;
	uml)	want="$want $UML" ;;
	static)	want="$want $STATIC" ;;
	rt)	want="$want linux-headers-6.12-rt-amd64" ;;
	*)	sed -n '3,15s/^# \{0,1\}//p' "$0" >&2
		exit 2 ;;
	esac
done

missing=""
for package in $want; do
	dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed' ||
		missing="$missing $package"
done
if [ -n "$missing" ]; then
	echo "setup: installing$missing" >&2
	if [ "$(id -u)" != 0 ]; then
		echo "setup: run this as root, or install them yourself" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q -o DPkg::Lock::Timeout=300 update >&2
	# shellcheck disable=SC2086 # a list
	apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing >&2
fi

case " $* " in
*" lab "*)
	PYTHONDONTWRITEBYTECODE=1 exec python3 - "$here" <<-'END'
		import sys
		sys.path.insert(0, sys.argv[1])
		import images
		images.prepare(["6.12", "6.1"])
	END
	;;
esac

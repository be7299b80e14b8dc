# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the static checks share. A check is an executable below static.d/: exit status 0 passed,
# 4 skipped (the reason is its last line), anything else failed. It never writes below the
# source tree. RNBD_LAB_CACHE or XDG_CACHE_HOME moves the cache.
set -uo pipefail

# shellcheck disable=SC2034 # for the checks
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$tests/../../../.." && pwd)
# shellcheck disable=SC2034
cache=${RNBD_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rnbd-lab}

skip() { echo "SKIP: $*" >&2; exit 4; }
die() { echo "$*"; exit 1; }

# need PROGRAM... - skip the check when one is missing
need() {
	local prog
	for prog; do
		command -v "$prog" >/dev/null || skip "$prog is not installed"
	done
}

# files [GLOB...] - the project's files that match, relative to the root. What git ignores is
# not ours; a checkout without git is taken as it is.
files() {
	local all
	if git -C "$root" rev-parse --git-dir >/dev/null 2>&1; then
		all=$(git -C "$root" ls-files --cached --others --exclude-standard -- "$@" | sort -u)
	else
		all=$(cd "$root" && find . -type f | sed 's,^\./,,' | match "$@" | sort)
	fi
	while read -r file; do
		[ -f "$root/$file" ] && echo "$file"
	done <<<"$all"
	return 0
}

# match [GLOB...] - lines of stdin whose path or name matches one of the globs
match() {
	local file glob
	while read -r file; do
		[ $# -gt 0 ] || echo "$file"
		for glob; do
			# shellcheck disable=SC2254 # a pattern
			case $file in $glob) echo "$file"; break ;; esac
		done
	done
}

# what kbuild compiles: everything but the test programs of user space
kernel_sources() { files '*.c' '*.h' | grep -v '^tools/'; }

# header_dirs - build directories of the kernels that we promise to build for, one a line as
# "VERSION DIRECTORY"; DIRECTORY is "-" when its headers are not installed
header_dirs() {
	local want dir
	for want in 6.12 6.1; do
		dir=$(find /usr/src -maxdepth 1 -name "linux-headers-$want.[0-9]*-amd64" \
			-not -name '*-rt-amd64' -not -name '*-cloud-amd64' | sort -V | tail -n 1)
		echo "$want ${dir:--}"
	done
}

# copy_tree DIR - a private copy of what kbuild reads
copy_tree() {
	mkdir -p "$1"
	(cd "$root" && files '*.c' '*.h' '*Makefile' '*Kconfig' 'compat/*' | grep -v '^tools/' |
		tar -cf - -T -) | tar -xf - -C "$1"
}

# For every kernel: run "$@ LOG KDIR DIR" in a fresh copy; it must print nothing but what kbuild
# prints when all is well.
for_each_kernel() {
	local version kdir work log failed=0 missing=""
	work=$(mktemp -d)
	# shellcheck disable=SC2064 # now
	trap "rm -rf '$work'" EXIT
	while read -r version kdir; do
		if [ "$kdir" = - ]; then
			missing+=" linux-headers-$version"
			continue
		fi
		rm -rf "$work/tree"
		copy_tree "$work/tree"
		log=$work/log-$version
		if "$@" "$kdir" "$work/tree" >"$log" 2>&1 </dev/null && ! noise "$log"; then
			echo "ok: $version ($(basename "$kdir"))"
		else
			echo "failed: $version ($(basename "$kdir"))"
			noise "$log" | head -n 60
			failed=1
		fi
	done < <(header_dirs)
	[ $failed = 0 ] || exit 1
	[ -z "$missing" ] || skip "not installed:$missing"
}

# noise LOG - the lines of a build that should not be there; status 0 if there are any
noise() {
	grep -vE '^(make(\[[0-9]+\])?: (Entering|Leaving)|  [A-Z]+ |Skipping BTF|$)' "$1"
}

# kernel_source - an unpacked kernel source without the drivers that this project implements
kernel_source() {
	[ -e /usr/src/linux-source-6.12.tar.xz ] || skip "linux-source-6.12 is not installed"
	"$tests/lab/kernel-build.sh" source
}

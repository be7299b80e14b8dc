#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds test kernels from Debian's linux-source-6.12 and keeps them in the lab cache.
#
#	kernel-build.sh FLAVOUR...	build (or find) each; print its directory, one a line
#	kernel-build.sh source		only unpack the source; print its directory
#
# Flavours: uml (User Mode Linux, one CPU, native speed: home of KUnit), uml-kasan, and the
# QEMU kernels base, kasan and kcsan. Each directory holds
#	build/		the build tree; out-of-tree modules: make -C build [ARCH=um] M=...
#	root/		installed modules (lib/modules/RELEASE)
#	kernel		the image: the UML program or a bzImage
#	release		the kernel release, one line
#
# A directory is named by a hash of the source package version, the patches, the fragments and this
# script, so a change of any of them builds afresh and an unchanged one costs nothing. On failure the
# last lines of the build log go to stderr and nothing is left that looks finished.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${RNBD_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rnbd-lab}
tarball=/usr/src/linux-source-6.12.tar.xz
patches=("$here"/kernels/*.patch)

say() { echo "kernel-build: $*" >&2; }

# The two drivers this project implements are deleted before anything else can look at them:
# the project is written from its specification alone.
unpack() {
	local dir=$1 part patch
	part=$dir.part
	rm -rf "$part"
	mkdir -p "$part"
	say "unpacking $tarball"
	tar -xf "$tarball" -C "$part" --strip-components=1 \
		--exclude='*/drivers/block/rnbd' --exclude='*/drivers/infiniband/ulp/rtrs'
	rm -rf "$part/drivers/block/rnbd" "$part/drivers/infiniband/ulp/rtrs"
	sed -i '\#drivers/block/rnbd/Kconfig#d' "$part/drivers/block/Kconfig"
	sed -i '/BLK_DEV_RNBD/d' "$part/drivers/block/Makefile"
	sed -i '\#drivers/infiniband/ulp/rtrs/Kconfig#d' "$part/drivers/infiniband/Kconfig"
	sed -i '/RTRS/d' "$part/drivers/infiniband/ulp/Makefile"
	# UML 6.12 keeps the host's XSAVE area in a buffer too small for hosts with AMX; the
	# first PTRACE_SETREGSET then fails. A larger number harms nobody.
	sed -i 's/HOST_FP_SIZE, 2696/HOST_FP_SIZE, 11008/' "$part/arch/x86/um/user-offsets.c"
	# defects of other modules that a run would meet; each patch says which
	for patch in "${patches[@]}"; do
		patch -s -d "$part" -p1 <"$patch"
	done
	mv "$part" "$dir"
}

# Lists the lines of the fragments that the final .config does not grant: read it (it goes to
# "not-granted" in the result) after changing a fragment, else a test may silently run without
# the checker it was meant to have.
check_config() {
	local config=$1
	shift
	cat "$@" | awk -v cfg="$config" '
	BEGIN {
		while ((getline line < cfg) > 0)
			if (line ~ /^CONFIG_/) {
				i = index(line, "=")
				have[substr(line, 1, i - 1)] = substr(line, i + 1)
			}
	}
	/^CONFIG_/ { i = index($0, "="); want[substr($0, 1, i - 1)] = substr($0, i + 1) }
	/^# CONFIG_.* is not set/ { want[$2] = "n" }
	END {
		for (s in want) {
			h = (s in have) ? have[s] : "n"
			if (h != want[s])
				print "not granted: " s " wanted " want[s] ", got " h
		}
	}' | sort
}

fragments() {
	case $1 in
	uml)		echo "$here/kernels/uml.config" ;;
	uml-kasan)	echo "$here/kernels/uml.config $here/kernels/uml-kasan.config" ;;
	base)		echo "$here/kernels/base.config" ;;
	kasan | kcsan)	echo "$here/kernels/base.config $here/kernels/$1.config" ;;
	*)		say "unknown flavour $1"; exit 2 ;;
	esac
}

build() {
	local flavour=$1 src=$2 dir=$3 arch=x86_64 frags
	local targets=(bzImage modules) image=arch/x86/boot/bzImage
	read -ra frags <<<"$(fragments "$flavour")"
	if [[ $flavour == uml* ]]; then
		arch=um targets=(linux modules) image=linux
	fi
	rm -rf "$dir"
	mkdir -p "$dir/build"
	local mk=(nice -n "${NICE:-10}" make -s -C "$src" "O=$dir/build" "ARCH=$arch"
		-j"${JOBS:-$(nproc)}")
	"${mk[@]}" tinyconfig
	(cd "$src" && scripts/kconfig/merge_config.sh -m -O "$dir/build" \
		"$dir/build/.config" "${frags[@]}")
	"${mk[@]}" olddefconfig
	check_config "$dir/build/.config" "${frags[@]}" | tee "$dir/not-granted"
	"${mk[@]}" "${targets[@]}"
	"${mk[@]}" INSTALL_MOD_PATH="$dir/root" INSTALL_MOD_STRIP=1 modules_install
	ln -sf "build/$image" "$dir/kernel"
	cp "$dir/build/include/config/kernel.release" "$dir/release"
	touch "$dir/done"
}

# Finds a flavour in the cache or builds it; prints its directory. The lock is the flavour's own,
# and what is ready is found without waiting for anybody.
provide() {
	local flavour=$1 version=$2 frags key dir log
	frags=$(fragments "$flavour")
	# shellcheck disable=SC2086 # a list of files
	key=$(cat "$0" $frags "${patches[@]}" <(echo "$version") | sha256sum | cut -c1-12)
	dir=$cache/kernels/$flavour-$key
	log=$cache/kernels/$flavour.log
	if [ ! -e "$dir/done" ]; then
		exec 9>"$cache/kernels/.$flavour.lock"
		flock 9
	fi
	if [ ! -e "$dir/done" ]; then
		say "building $flavour, log in $log"
		# not as a condition: that would switch set -e off inside
		set +e
		(set -e; build "$flavour" "$(source_tree "$version")" "$dir") >"$log" 2>&1 9>&-
		set -e
		[ -e "$dir/done" ] || { tail -n 30 "$log" >&2; exit 1; }
		say "built $flavour in $SECONDS s"
	fi
	echo "$dir"
}

# Prints the directory of the unpacked source, unpacking it first if it is not there.
source_tree() {
	local src
	src=$cache/source/linux-$1-$(cat "${patches[@]}" | sha256sum | cut -c1-8)
	(
		flock 8
		[ -d "$src" ] || unpack "$src"
	) 8>"$cache/source/.lock" >&2
	echo "$src"
}

main() {
	local version flavour
	[ $# -gt 0 ] || { sed -n '3,19s/^# \{0,1\}//p' "$0" >&2; exit 2; }
	[ -e "$tarball" ] || { say "$tarball is missing: run setup.sh uml"; exit 1; }
	version=$(dpkg-query -W -f='${Version}' linux-source-6.12)
	mkdir -p "$cache/source" "$cache/kernels"
	for flavour; do
		case $flavour in
		source)	source_tree "$version" ;;
		*)	provide "$flavour" "$version" ;;
		esac
	done
}

main "$@"

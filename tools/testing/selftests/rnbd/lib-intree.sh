# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# shellcheck disable=SC2154 # cache is from lib-static.sh, how from the check
#
# The tree inside a kernel: copied to drivers/block/rnbd of a 6.12 source, without compat/, with one
# line added to each of the two parent files. Sourced by a check behind lib-static.sh; one check
# at a time. The prepared kernel trees stay in the cache. The kernel itself is not built.
#
#	how		name of the configuration: directory, and what configure() is about
#	make_flags	for every make
need make bc flex bison cpio tar

original=$(kernel_source) || exit
top=$cache/intree-$(basename "$original")
src=$top/src
ours=$src/drivers/block/rnbd
make_flags=()
mkdir -p "$cache"
exec 9>"$cache/.intree.lock"
flock 9

# fragment y|m: what the tree needs, and the tree built in or as modules
fragment() {
	cat <<-'EOF'
	CONFIG_64BIT=y
	CONFIG_SMP=y
	CONFIG_EXPERT=y
	CONFIG_MULTIUSER=y
	CONFIG_PRINTK=y
	CONFIG_BUG=y
	CONFIG_MODULES=y
	CONFIG_MODULE_UNLOAD=y
	CONFIG_SYSFS=y
	CONFIG_PROC_FS=y
	CONFIG_DEBUG_FS=y
	CONFIG_FTRACE=y
	CONFIG_ENABLE_DEFAULT_TRACERS=y
	CONFIG_BLOCK=y
	CONFIG_BLK_DEV=y
	CONFIG_PCI=y
	CONFIG_NET=y
	CONFIG_INET=y
	CONFIG_IPV6=y
	CONFIG_INFINIBAND=y
	CONFIG_INFINIBAND_ADDR_TRANS=y
	CONFIG_KUNIT=y
	CONFIG_WERROR=y
	EOF
	local symbol
	# the knobs and the fault points in one of the two
	[ "$1" = y ] || cat <<-'EOF'
	CONFIG_DEBUG_KERNEL=y
	CONFIG_FAULT_INJECTION=y
	CONFIG_FAULT_INJECTION_DEBUG_FS=y
	CONFIG_INFINIBAND_RTRS_DEBUG=y
	EOF
	for symbol in INFINIBAND_RTRS_CLIENT INFINIBAND_RTRS_SERVER INFINIBAND_RTRS_KUNIT_TEST \
		BLK_DEV_RNBD_CLIENT BLK_DEV_RNBD_SERVER BLK_DEV_RNBD_KUNIT_TEST; do
		echo "CONFIG_$symbol=$1"
	done
}

# A hard-linked copy of the shared source: the two files that change are replaced, not written.
make_source() {
	rm -rf "$top"
	mkdir -p "$top"
	cp -al "$original" "$src.part"
	if [ -e "$src.part/drivers/block/rnbd" ] || [ -e "$src.part/drivers/infiniband/ulp/rtrs" ]; then
		die "the kernel source still has the drivers of the same name"
	fi
	sed -i '/^if BLK_DEV$/a source "drivers/block/rnbd/Kconfig"' "$src.part/drivers/block/Kconfig"
	sed -i '$a obj-y += rnbd/' "$src.part/drivers/block/Makefile"
	mv "$src.part" "$src"
}

insert_tree() {
	rm -rf "$ours"
	copy_tree "$ours"
	rm -rf "$ours/compat"
}

mk() { make -s -C "$src" O="$top/$how" -j"$(nproc)" "${make_flags[@]}" "$@" </dev/null; }

make_config() {
	mk tinyconfig && cd "$src" &&
		scripts/kconfig/merge_config.sh -m -O "$top/$how" "$top/$how/.config" "$top/$how.config" &&
		mk olddefconfig
}

# configure y|m
configure() {
	mkdir -p "$top/$how"
	fragment "$1" >"$top/$how.config"
	local line
	if ! make_config >"$top/$how.log" 2>&1; then
		die "no configuration for =$how: $(tail -n 5 "$top/$how.log")"
	fi
	while read -r line; do
		grep -qx "$line" "$top/$how/.config" || die "Kconfig does not grant $line"
	done <"$top/$how.config"
}

# compile y|m: configure and build the tree
compile() {
	configure "$1"
	mk prepare modules_prepare || die "=$how: the kernel cannot be prepared"
	mk drivers/block/rnbd/ || die "=$how: does not build"
}

[ -e "$src" ] || make_source
insert_tree

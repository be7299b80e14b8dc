#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=2 roles=server,client links=2 timeout=300 kernel=any tier=full
#
#	server: null_blk ====== two cables, rxe at all ends ====== client: swap on rnbd0
#
# A mapped disk as swap: the memory of a group of tasks that may have a third of what it needs goes
# there and comes back, while paths go one by one and, for a moment, all at once.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

# both guests leave: neither would find the other one
if ! grep -qw memory /proc/cgroups; then skip_all "this kernel has no memory cgroups"; fi
SIZE=48 LIMIT=16 # MiB
group=$LAB_TMP/cgroup/swap
hog=$LAB_TMP/hog

server() { serve_disk; }

# in_group CMD...: as a task of the group.
in_group() {
	(
		echo "$BASHPID" >"$group/cgroup.procs"
		"$@"
	)
}
fill() { head -c ${SIZE}M /dev/urandom | tee "$hog/file" | sha256sum | cut -d' ' -f1; }
sum() { sha256sum <"$hog/file" | cut -d' ' -f1; }
swapped() { echo $(($(<"$group/memory.swap.current") / 1048576)); }

# group_up: swap is for what lies in a tmpfs that the group fills.
group_up() {
	mkdir -p "$group" "$hog"
	echo ${LIMIT}M >"$group/memory.max"
	mount -t tmpfs -o size=$((SIZE + 1))m none "$hog"
	defer umount "$hog"
}

flaps() {
	local link=0
	while [ ! -e "$LAB_TMP/stop" ]; do
		[ "$(path_do $link disconnect)" = OK ] && [ "$(path_up $link)" = OK ] || return 1
		wait_for 30 paths_are 2 || return 1
		link=$((1 - link)) n=$((${n:-0} + 1))
	done
	echo "$n flaps"
}

client() {
	local sum flapper rc=0
	mkdir "$LAB_TMP/cgroup"
	mount -t cgroup2 none "$LAB_TMP/cgroup"
	defer umount "$LAB_TMP/cgroup"
	echo +memory >"$LAB_TMP/cgroup/cgroup.subtree_control"
	load_rnbd_client
	rxe_up
	await server-ready 60
	disk=$(rnbd_map device_path=/dev/nullb0 "$(path_args 0 1)")
	sess_attr hold_time_ms 120000
	mkswap "/dev/$disk" >/dev/null
	require "swapon" swapon "/dev/$disk"
	defer swapoff "/dev/$disk"
	group_up

	test_start "out and in"
	sum=$(in_group fill)
	note "$(swapped) MiB are swapped out"
	check "most-is-swapped-out" test "$(swapped)" -ge $((SIZE - LIMIT - 4))
	check_equal "data-right" "$sum" "$(in_group sum)"

	test_start "while paths go one by one"
	flaps >"$LAB_TMP/flaps" 2>&1 &
	flapper=$!
	sum=$(in_group fill)
	check_equal "data-right-while-paths-flap" "$sum" "$(in_group sum)"
	: >"$LAB_TMP/stop"
	wait $flapper || rc=$?
	check_equal "paths-flap" 0 $rc
	note "$(<"$LAB_TMP/flaps")"

	test_start "while the server is away"
	in_group sum >"$LAB_TMP/sum" &
	rc=0
	order server reload
	wait $! || rc=$?
	check_equal "data-right-over-a-reload" "0 $sum" "$rc $(<"$LAB_TMP/sum")"
	check "open-again" wait_for 60 state_is "$disk" open
	check_equal "unmap-refused" EBUSY "$(errno_of write "/sys/block/$disk/rnbd/unmap_device" normal)"

	test_start "no swap any more"
	echo max >"$group/memory.max"
	check "swapoff" swapoff "/dev/$disk"
	check_equal "data-right-after-swapoff" "$sum" "$(sum)"
	umount "$hog"
	rmdir "$group"
	check "unmap" rnbd_unmap "$disk"
	check "nothing-left" wait_for 20 nothing_mapped
	check "no-line-that-alarms" log_is_calm
	order server quit
}

on_reload() {
	unload rnbd_server 30
	sleep 2
	load_rnbd_server
}

"$LAB_ROLE"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Chaos: whatever can happen to a machine, at random and one after the other, under I/O with time to
# hold. Sourced by a scenario behind lib-abi.sh and lib-path.sh, for the client. Each chaos_* does one
# thing and fails if that cannot be done; chaos_run waits for what must come of it: all paths
# are back, the disk is open, I/O goes on and has not failed.
#
# The seed is printed; SEED=... in the environment repeats a run, CHAOS_SECONDS=... is for how long.

: "${SEED:=$((RANDOM * 32768 + RANDOM))}" "${CHAOS_SECONDS:=75}"
RANDOM=$SEED
HOLD_MS=200000
EVENT=0 # number of the present one

# --- events of the client -------------------------------------------------------------------------

is_ok() { [ "$1" = OK ] || { note "$1" && return 1; }; }
chaos_reconnect() { is_ok "$(path_up $((RANDOM % 2)))"; }
chaos_disconnect() {
	local link=$((RANDOM % 2))
	is_ok "$(path_do $link disconnect)"
	sleep 0.$((RANDOM % 10))
	is_ok "$(path_up $link)"
}

# The RDMA device of one link goes and comes, or both at once.
chaos_device() {
	local dev
	dev=$(link_dev $((RANDOM % 2)))
	rxe_del "$dev"
	sleep 0.$((RANDOM % 10))
	rxe_add "$dev"
}
chaos_all_devices() {
	rxe_del "$(link_dev 0)"
	rxe_del "$(link_dev 1)"
	sleep $((RANDOM % 3))
	rxe_add "$(link_dev 1)"
	rxe_add "$(link_dev 0)"
}

# The modules are loaded again; without I/O, as the disk goes. Its content stays.
chaos_client() {
	local sum
	load_end "data-is-right-before-event-$EVENT"
	sum=$(sum_of "/dev/$disk")
	rnbd_unmap "$disk" || return 1
	wait_for 20 nothing_mapped || return 1
	[ "$(nproc)" != 1 ] || check_path_pairs "paths-are-freed-before-event-$EVENT" 2
	unload rnbd_client 30 && unload rtrs_client 30 || return 1
	chaos_up "$chaos_backing"
	check_equal "content-after-event-$EVENT" "$sum" "$(sum_of "/dev/$disk")"
	chaos_load
}

# All that is free but 64 MiB is taken, for two seconds.
chaos_memory() {
	local mib hog=$LAB_TMP/hog
	echo 3 >/proc/sys/vm/drop_caches
	mib=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) - 64 }' /proc/meminfo)
	mkdir -p "$hog"
	mount -t tmpfs -o "size=${mib}m" none "$hog"
	dd if=/dev/zero "of=$hog/file" bs=1M count="$mib" status=none 2>/dev/null || :
	sleep 2
	umount "$hog"
}

# The second half of the disk by way of its page cache, and little memory for that.
chaos_cgroup() {
	local group=$LAB_TMP/cgroup/chaos rc=0
	mkdir -p "$group"
	echo 24M >"$group/memory.max"
	(
		echo "$BASHPID" >"$group/cgroup.procs"
		dd if=/dev/zero "of=/dev/$disk" bs=1M seek=32 count=32 conv=fsync status=none
	) || rc=1
	wait_for 10 rmdir "$group" || rc=1
	return $rc
}

# An hour forwards or back, for a second.
chaos_clock() {
	local jump=3600
	[ $((RANDOM % 2)) = 0 ] || jump=-3600
	date -s "@$(($(date +%s) + jump))" >/dev/null
	sleep 1
	date -s "@$(($(date +%s) - jump))" >/dev/null
}

chaos_cpu() {
	echo 0 >"$CPU1/online"
	sleep 1
	[ $((RANDOM % 2)) = 0 ] || chaos_reconnect || return 1
	echo 1 >"$CPU1/online"
}

chaos_policy() { is_ok "$(errno_of write "$RTRS_CLT/$RNBD_SESS/mpath_policy" $((RANDOM % 3)))"; }

# chaos_events: those that this machine can have, of all that are above.
CPU1=/sys/devices/system/cpu/cpu1
chaos_events() {
	events=(reconnect disconnect device all_devices client memory clock policy)
	[ ! -w $CPU1/online ] || events+=(cpu)
	grep -qw memory /proc/cgroups 2>/dev/null || return 0
	mkdir "$LAB_TMP/cgroup"
	mount -t cgroup2 none "$LAB_TMP/cgroup"
	defer umount "$LAB_TMP/cgroup"
	echo +memory >"$LAB_TMP/cgroup/cgroup.subtree_control"
	events+=(cgroup)
}

# --- how it goes ----------------------------------------------------------------------------------

# chaos_up DISK: the client maps that disk of the server.
chaos_up() {
	chaos_backing=$1
	modprobe rtrs_client reconnect_delay_ms=1000
	path_pairs_start
	load_rnbd_client
	disk=$(rnbd_map device_path="$chaos_backing" "$(path_args 0 1)")
	sess_attr hold_time_ms $HOLD_MS
}

# chaos_load: I/O in the first half of the disk.
chaos_load() { load_start "$disk" --size=32m; }

_ios() { awk '{ print $1 + $5 }' "/sys/block/$disk/stat"; }
_goes_on() { [ "$(_ios)" -gt "$1" ]; }
_is_well() {
	wait_for 60 paths_are 2 || return 1
	wait_for 30 state_is "$disk" open || return 1
	wait_for 60 _goes_on "$(_ios)" || return 1
	load_runs
}

# chaos_run: all events in random order, then again in another one, until the time is over.
chaos_run() {
	local start left=() good=1 pick
	note "SEED=$SEED CHAOS_SECONDS=$CHAOS_SECONDS: ${events[*]}"
	chaos_load
	start=$(now_ms)
	while [ $good ] && [ "$(since "$start")" -lt $((CHAOS_SECONDS * 1000)) ]; do
		[ ${#left[@]} -gt 0 ] || left=("${events[@]}")
		pick=$((RANDOM % ${#left[@]})) EVENT=$((EVENT + 1))
		test_start "$EVENT: ${left[pick]}"
		"chaos_${left[pick]}" || { good='' && note "${left[pick]} cannot be done"; }
		_is_well || good=''
		left=("${left[@]:0:pick}" "${left[@]:pick + 1}")
	done
	check "all-comes-back-after-each-event" test -n "$good"
	note "$EVENT events"
	load_end "no-failed-io-and-data-right"
}

# chaos_end [BACKING]: all is well and nothing is left; if the server's disk is here, it has the data.
chaos_end() {
	[ $# = 0 ] || check_equal "the-same-on-both-sides" "$(sum_of "$1")" "$(sum_of "/dev/$disk")"
	check "fio-afterwards" fio_verify "/dev/$disk" randwrite 4k-32k 16 1 200
	check "unmap" rnbd_unmap "$disk"
	check "nothing-left" wait_for 20 nothing_mapped
	check_path_pairs "every-path-object-was-freed" 2
	check "no-line-that-alarms" log_is_calm
}

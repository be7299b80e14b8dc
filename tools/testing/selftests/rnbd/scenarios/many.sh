#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=600 kernel=any,uml full=any mem=2G
#
# 200 devices on one session, mapped and unmapped by 8 writers at once; each is the device that its
# name says. The server goes and comes back under them. Looking at each of them takes an emulated
# machine a minute.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

count=200 writers=8
rxe_up
modprobe -q null_blk nr_devices=0 || :
mapfile -t disks < <(brd_up $count 1)
modprobe rtrs_server sess_queue_depth=128
load_rnbd_server
load_rnbd_client

label() { printf 'disk %08d' "$1" | dd "of=$2" bs=512 count=1 conv=sync,fsync status=none; }
for ((n = 0; n < count; n++)); do label $n "${disks[n]}"; done

# in_parallel CMD: run "CMD FIRST STEP" in 8 writers; fails if any of them fails.
in_parallel() {
	local pids=() pid rc=0 w
	for ((w = 0; w < writers; w++)); do
		"$1" $w $writers &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid" || rc=1; done
	return $rc
}
map_some() {
	local n
	for ((n = $1; n < count; n += $2)); do
		echo "sessname=$RNBD_SESS path=ip:10.0.0.1 device_path=${disks[n]}" >"$MAP_DEVICE" || return 1
	done
}
unmap_some() {
	local n
	for ((n = $1; n < count; n += $2)); do
		echo normal >"/sys/block/rnbd$n/rnbd/unmap_device" || return 1
	done
}
right_ones() { # each disk leads to the device of its name
	local d path want got bad=0
	for d in $(rnbd_disks); do
		read -r path <"/sys/block/$d/rnbd/mapping_path"
		want=$(printf 'disk %08d' "${path#/dev/ram}")
		read -r -N 13 got < <(dd "if=/dev/$d" bs=512 count=1 iflag=direct status=none)
		[ "$got" = "$want" ] || { echo "$d: $path: '$got'" && bad=1; }
	done
	return $bad
}
all_are() { # STATE
	local file state
	for file in /sys/block/rnbd*/rnbd/state; do
		read -r state <"$file"
		[ "$state" = "$1" ] || return 1
	done
}

before=$(now_ms)
check "map-200-by-8-writers" in_parallel map_some
note "mapped in $(($(now_ms) - before)) ms"
check_equal "200-disks" $count "$(rnbd_disks | wc -l)"
check_equal "200-links" $count "$(find "$RNBD_CTL/devices" -type l | wc -l)"
check_equal "200-numbers-from-0" "rnbd$((count - 1))" "$(rnbd_disks | sort -V | tail -n 1)"
check_equal "200-on-the-server" $count "$(find "$RNBD_SRV_CTL/devices" -mindepth 1 -maxdepth 1 | wc -l)"
check_equal "one-session" "$RNBD_SESS" "$(entries "$RTRS_CLT")"
check_equal "one-path" 1 "$(entries "$RTRS_CLT/$RNBD_SESS/paths" | wc -w)"
check "each-is-the-right-one" right_ones

test_start "I/O on many at once"
some_io() {
	local n=$(($1 * 24))
	fio_verify "/dev/rnbd$n" randwrite 4k-32k 8 1 60
}
check "fio-on-8-of-them" in_parallel some_io
for ((n = 0; n < count; n++)); do label $n "${disks[n]}"; done

test_start "the server goes and comes back"
check "unload-server" unload rnbd_server 60
check "all-closed" wait_for 30 all_are closed
load_rnbd_server
before=$(now_ms)
check "all-open-again" wait_for 90 all_are open
note "opened within $(($(now_ms) - before)) ms"
check "each-is-still-the-right-one" right_ones

test_start "unmap"
before=$(now_ms)
check "unmap-200-by-8-writers" in_parallel unmap_some
note "unmapped in $(($(now_ms) - before)) ms"
check "nothing-left" wait_for 10 nothing_mapped
check "all-gone" wait_for 10 server_idle
check "map-200-again" in_parallel map_some
check "unload-with-200-mapped" unload rnbd_client 30
check "all-gone-again" wait_for 20 server_idle

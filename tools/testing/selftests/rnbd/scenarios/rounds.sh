#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml
#
# The same again and again: 100 rounds of map and unmap, maps that overlap with unmaps, parallel
# maps, 20 rounds of loading and unloading. Nothing may be left, at the end or in between.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

rxe_up
mapfile -t ram < <(brd_up 2 16)
modprobe rtrs_server sess_queue_depth=32
load_rnbd_server
load_rnbd_client

test_start "100 rounds of map and unmap"
text=$(map_text "device_path=${ram[0]}")
disk=$RNBD_CTL/devices/${ram[0]//\//!} # the link that leads to it
# map and unmap with as little beside it as the shell can do
round() {
	local state
	echo "$text" >"$MAP_DEVICE" || return 1
	read -r state <"$disk/rnbd/state" || return 1
	if [ "$state" != open ]; then
		echo "the disk is $state"
		return 1
	fi
	echo normal 2>/dev/null >"$disk/rnbd/unmap_device" ||
		rnbd_unmap "$(rnbd_disk_of "$RNBD_SESS" "${ram[0]}")"
}
rounds() { # COUNT
	local n
	for ((n = 0; n < $1; n++)); do
		if ! round; then
			echo "round $n of $1"
			return 1
		fi
	done
}
check "20-rounds-with-new-sessions" rounds 20
check "rounds-leave-nothing" wait_for 10 nothing_mapped
check "rounds-leave-nothing-on-the-server" wait_for 10 server_idle
keeper=$(map_again "device_path=${ram[1]}")
check_equal "no-number-is-lost" rnbd0 "$keeper"
check "80-rounds-on-one-session" rounds 80
check_equal "the-other-disk-stays" "$keeper" "$(rnbd_disks)"
check "the-other-disk-works" fio_verify "/dev/$keeper" randwrite 4k-32k 8 1 60
rnbd_unmap "$keeper"
check "rounds-leave-nothing-again" wait_for 10 nothing_mapped

test_start "maps that overlap with unmaps" # one that surely does: peer-server
overlap() {
	local n first
	for ((n = 0; n < 6; n++)); do
		first=$(rnbd_map "device_path=${ram[0]}") || return 1
		rnbd_unmap "$first" &
		rnbd_map "device_path=${ram[1]}" >/dev/null || return 1
		wait $! || return 1
		rnbd_unmap "$(rnbd_disk_of "$RNBD_SESS" "${ram[1]}")" || return 1
	done
}
check "maps-that-overlap-with-unmaps" overlap

test_start "parallel maps share one new session"
parallel() {
	local one two rc=0
	rnbd_map "device_path=${ram[0]}" >"$LAB_TMP/one" &
	one=$!
	rnbd_map "device_path=${ram[1]}" >"$LAB_TMP/two" &
	two=$!
	wait $one || rc=1
	wait $two || rc=1
	[ "$(entries "$RTRS_CLT")" = "$RNBD_SESS" ] || rc=1
	rnbd_unmap "$(<"$LAB_TMP/one")" &
	one=$!
	rnbd_unmap "$(<"$LAB_TMP/two")" || rc=1
	wait $one || rc=1
	return $rc
}
check "two-maps-one-session" parallel

test_start "20 rounds of load and unload"
loads() {
	local n
	for ((n = 0; n < 20; n++)); do
		unload_all || return 1
		load_rnbd_client || return 1
		load_rnbd_server || return 1
		# every fifth with a mapping that the unloading has to take down
		if [ $((n % 5)) = 4 ]; then
			rnbd_map "device_path=${ram[0]}" >/dev/null || return 1
			unload rnbd_client || return 1
			[ -z "$(rnbd_disks)" ] || return 1
		fi
	done
}
check "20-loads" loads

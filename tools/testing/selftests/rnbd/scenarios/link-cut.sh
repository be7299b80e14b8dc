#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=2 roles=server,client links=2 timeout=400 kernel=any
#
#	server: null_blk ===== two virtual cables, rxe at all ends ===== client: rnbd0
#
# Cables are cut without a word, at both ends. One of two: I/O goes on over the other one. All: the
# device goes closed, I/O fails, and everything is back by itself when the cables are. Unmapping
# over silent paths takes one time-out, not one for each. The times are noted, not judged.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

# Both guests do the same to a link, the server when it is told.
both() { # cut|restore LINK...
	local l
	for l in "${@:2}"; do
		"link_$1" "$l"
	done
}

ORDERS=(cut-0 restore-0 cut-all restore-all cut-last)

server() {
	local order
	null_blk_up 64 irqmode=2 completion_nsec=1000000 >/dev/null
	load_rnbd_server
	rxe_up
	signal server-ready
	for order in "${ORDERS[@]}"; do
		await "$order" 240
		case $order in
		cut-0) both cut 0 ;;
		restore-0) both restore 0 ;;
		cut-all | cut-last) both cut 0 1 ;;
		restore-all) both restore 0 1 ;;
		esac
		signal "$order-done"
	done
	await client-done 120
	check "server-gives-up-silent-clients" wait_for 40 server_idle
}

tell() { # ORDER: the server does it, too
	signal "$1"
	await "$1-done" 30
}

path_dir() { # LINK
	echo "$RTRS_CLT/$RNBD_SESS/paths/ip:$(addr_of 2 "$1")@ip:$(addr_of 1 "$1")"
}
path_is() { file_is "$(path_dir "$1")/state" "$2"; } # LINK STATE
ios() { awk '{ print $1 + $5 }' "/sys/block/$disk/stat"; }
more_than() { [ "$(ios)" -gt "$1" ]; }

fio_bg() { # status in fio.rc
	local rc=0
	fio_verify "/dev/$disk" randwrite 4k-16k 8 1 4000 >"$LAB_TMP/fio.out" 2>&1 || rc=$?
	echo $rc >"$LAB_TMP/fio.rc"
}

client() {
	local before start l
	load_rnbd_client
	rxe_up
	await server-ready 60
	disk=$(rnbd_map device_path=/dev/nullb0 "path=ip:$(addr_of 2 0)@ip:$(addr_of 1 0)" \
		"path=ip:$(addr_of 2 1)@ip:$(addr_of 1 1)")

	test_start "one of two cables"
	fio_bg &
	check "io-is-running" wait_for 20 more_than 200
	both cut 0
	before=$(now_ms)
	tell cut-0
	check "path-is-lost" wait_for 30 path_is 0 disconnected
	note "a silent path was noticed after $(($(now_ms) - before)) ms"
	start=$(ios)
	check "io-goes-on" wait_for 20 more_than "$start"
	note "first I/O over the other path $(($(now_ms) - before)) ms after the cut"
	check "still-open" state_is "$disk" open
	check "fio-ends" wait_for 60 test -s "$LAB_TMP/fio.rc"
	check_equal "fio-verified" 0 "$(cat "$LAB_TMP/fio.rc")"
	both restore 0
	before=$(now_ms)
	tell restore-0
	check "path-is-back" wait_for 60 path_is 0 connected
	note "connected $(($(now_ms) - before)) ms after the cable was back"

	test_start "all cables"
	both cut 0 1
	before=$(now_ms)
	tell cut-all
	check "abi56-closed" wait_for 40 state_is "$disk" closed
	note "closed $(($(now_ms) - before)) ms after the cut"
	before=$(now_ms)
	expect_errno EIO pread "/dev/$disk" 0 4096 direct
	check "abi55-within-a-second" test $(($(now_ms) - before)) -lt 1000
	both restore 0 1
	before=$(now_ms)
	tell restore-all
	check "abi53-open-again" wait_for 60 state_is "$disk" open
	note "open $(($(now_ms) - before)) ms after the cables were back"
	for l in 0 1; do
		check "path-$l-is-back" wait_for 60 path_is $l connected
	done
	check "fio-after-all" fio_verify "/dev/$disk" randwrite 4k-64k 16 1 200

	test_start "unmapped over silent paths"
	both cut 0 1
	tell cut-last
	before=$(now_ms)
	check "unmap" timeout 100 errno-op write "/sys/block/$disk/rnbd/unmap_device" normal
	check "nothing-left" wait_for 20 nothing_mapped
	before=$(($(now_ms) - before))
	note "unmapped after $before ms"
	# the message that closes the device may wait for the heartbeat, the two paths together
	check "one-time-out-for-both" test "$before" -lt 35000
	signal client-done
}

"$LAB_ROLE"

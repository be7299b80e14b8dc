#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=3 roles=server,one,two links=1 timeout=300 kernel=any
#
#	                              .------ one: nullb1 rw, nullb0 rw
#	server: nullb0, nullb1, nullb2
#	                              '------ two: nullb2 rw, nullb0 ro
#
# Two clients of one server: each has a disk of its own and both have one in common. What one of
# them does, and that it is killed, costs the other one nothing; then the other one may write.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

NOTICE=40

RNBD_SESS=$LAB_ROLE
common() { echo "path=$(path_name 0) device_path=/dev/nullb0"; }
text() { echo "sessname=$RNBD_SESS $(common)"; }
sessions() { cat "$RNBD_SRV_CTL/devices/$1/sessions/$2/access_mode"; }

server() {
	local start
	for _ in 0 1 2; do null_blk_up 64 >/dev/null; done
	modprobe rtrs_server sess_queue_depth=64
	load_rnbd_server
	rxe_up
	signal server-ready
	await one-ready 150
	await two-ready 150
	check_equal "both-have-it-one" rw "$(sessions nullb0 one)"
	check_equal "both-have-it-two" ro "$(sessions nullb0 two)"
	check_equal "three-exported-devices" "nullb0 nullb1 nullb2 " \
		"$(find "$RNBD_SRV_CTL/devices" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | tr '\n' ' ')"

	test_start "one is killed"
	guest_kill one
	start=$(now_ms)
	signal one-is-killed
	check "one-is-gone" wait_for $NOTICE gone "$RTRS_SRV/one"
	note "client killed -> all of it gone: $(since "$start") ms"
	check "two-is-there" sess_up two
	signal one-is-gone
	await client-done 120
	check "server-idle" wait_for 20 server_idle
}

one() {
	local own
	load_rnbd_client
	rxe_up
	await server-ready 60
	own=$(rnbd_map "path=$(path_name 0)" device_path=/dev/nullb1)
	rnbd_map "$(common)" >/dev/null
	check "one-fio" fio_verify "/dev/$own" randwrite 4k-32k 16 1 100
	stamp "/dev/$(rnbd_disk_of one /dev/nullb0)" 3 "written by one"
	load_start "$own"
	signal one-ready
	await never 300
}

two() {
	local own both
	load_rnbd_client
	rxe_up
	await one-ready 90
	own=$(rnbd_map "path=$(path_name 0)" device_path=/dev/nullb2)
	map_gives "two-may-not-write" EPERM "$(text)"
	both=$(rnbd_map "$(common)" access_mode=ro)
	check "two-reads-what-one-wrote" stamp_is "/dev/$both" 3 "written by one"
	load_start "$own"
	signal two-ready
	await one-is-killed 90
	await one-is-gone 90
	load_end "two-no-failed-io-and-data-right"
	check_equal "two-no-path-was-lost" "0 0" "$(cat "$(clt_path 0)/stats/reconnects")"

	test_start "two may write now"
	check "two-unmap-ro" rnbd_unmap "$both"
	both=$(rnbd_map "$(common)")
	check "two-has-what-one-wrote" stamp_is "/dev/$both" 3 "written by one"
	check "two-fio" fio_verify "/dev/$both" randwrite 4k-32k 16 1 100
	check "unmap" rnbd_unmap "$both"
	check "unmap-own" rnbd_unmap "$own"
	check "nothing-left" wait_for 20 nothing_mapped
	signal client-done
}

"$LAB_ROLE"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=2 roles=server,client links=2 timeout=240 kernel=any
#
#	server: null_blk ===== two virtual cables, rxe at all ends ===== client: rnbd0
#
# Both cables are cut without a word, then the device is unmapped: it takes the time-out of one path,
# not the sum of both. The server gives the silent client up, too.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

server() {
	null_blk_up 64 >/dev/null
	load_rnbd_server
	rxe_up
	signal server-ready
	await cut 120
	link_cut 0
	link_cut 1
	signal cut-done
	await client-done 120
	check "server-gives-the-silent-client-up" wait_for 40 server_idle
}

client() {
	local before took
	load_rnbd_client
	rxe_up
	await server-ready 60
	disk=$(rnbd_map device_path=/dev/nullb0 "path=ip:$(addr_of 2 0)@ip:$(addr_of 1 0)" \
		"path=ip:$(addr_of 2 1)@ip:$(addr_of 1 1)")
	check "fio" fio_verify "/dev/$disk" randwrite 4k-64k 16 1 200
	link_cut 0
	link_cut 1
	signal cut
	await cut-done 30
	before=$(now_ms)
	check "unmap" timeout 100 errno-op write "/sys/block/$disk/rnbd/unmap_device" normal
	check "nothing-left" wait_for 20 nothing_mapped
	took=$(($(now_ms) - before))
	note "unmapped after $took ms"
	# the message that closes the device waits for the heartbeats, the two paths together: 14 s
	check "one-time-out-for-both" test "$took" -lt $((25000 * LAB_SLOW))
	signal client-done
}

"$LAB_ROLE"

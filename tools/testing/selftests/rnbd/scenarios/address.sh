#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=2 roles=server,client links=1 timeout=300 kernel=any
#
#	server: null_blk ------- virtual cable, rxe at both ends ------- client: rnbd0
#
# The address of a path is taken away, at the client and then at the server: the device goes
# closed, and is open again, without a hand, when the address is back.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

dev=
address() { # del|add
	ip addr "$1" "$(addr_of "$LAB_N")/24" dev "$dev"
}

server() {
	null_blk_up 64 >/dev/null
	load_rnbd_server
	rxe_up
	dev=$(link_dev)
	signal server-ready

	await client-tested 150
	address del
	signal server-address-gone
	await client-saw-it 60
	address add
	signal server-address-back
	await client-done 120
	check "server-idle" wait_for 10 server_idle
}

io() { errno_of pread "/dev/$disk" "$(((RANDOM % 8000) * 4096))" 4096 direct; }

# back_open NAME: the device comes back, and works
back_open() {
	local before
	before=$(now_ms)
	check "$1-open-again" wait_for 60 state_is "$disk" open
	note "$1: open $(($(now_ms) - before)) ms after the address was back"
	check "$1-fio" fio_verify "/dev/$disk" randwrite 4k-64k 16 1 100
}

client() {
	local path
	load_rnbd_client
	rxe_up
	dev=$(link_dev)
	await server-ready 60
	disk=$(rnbd_map device_path=/dev/nullb0)
	path=$(echo "$RTRS_CLT/$RNBD_SESS"/paths/*)
	check "fio-before" fio_verify "/dev/$disk" randwrite 4k-64k 16 1 100

	test_start "the client's address"
	address del
	check_equal "client-io-fails" EIO "$(io)"
	check "client-closed" wait_for 30 state_is "$disk" closed
	check "client-path-stays-listed" file_is "$path/state" disconnected
	address add
	back_open client
	signal client-tested

	test_start "the server's address"
	await server-address-gone 60
	check_equal "server-io-fails" EIO "$(io)"
	check "server-closed" wait_for 30 state_is "$disk" closed
	signal client-saw-it
	await server-address-back 60
	back_open server
	check "unmap" rnbd_unmap "$disk"
	check "nothing-left" wait_for 10 nothing_mapped
	signal client-done
}

"$LAB_ROLE"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=2 roles=server,client links=1 timeout=300 kernel=any
#
#	server: null_blk ------- virtual cable, rxe at both ends ------- client: rnbd0
#
# Mapping over a real network: data is verified, the server's modules are reloaded under the
# client, which comes back by itself; a second host cannot take the session's name.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

server() {
	local null
	null=$(null_blk_up 64 cache_size=16 discard=1)
	load_rnbd_server
	rxe_up
	signal server-ready

	await client-mapped 120
	check "server-sees-the-session" sess_up "$RNBD_SESS"
	check "server-path-name" test -d \
		"$RTRS_SRV/$RNBD_SESS/paths/ip:$(addr_of 2)@ip:$(addr_of 1)"

	test_start "the same session name from another host"
	load_rnbd_client
	check_equal "abi29-name-in-use" ECONNRESET "$(errno_of write "$MAP_DEVICE" \
		"$(map_text "path=ip:$(addr_of 1)" "device_path=$null" access_mode=ro)")"
	check "abi29-nothing-left" wait_for 10 nothing_mapped
	check "abi29-first-is-untouched" sess_up "$RNBD_SESS"
	unload rnbd_client
	signal name-tried

	await client-verified 300
	test_start "reload"
	check "server-unload" unload rnbd_server 30
	signal server-gone
	await client-closed 60
	load_rnbd_server
	signal server-back
	await client-done 150
	check "server-idle" wait_for 10 server_idle
}

client() {
	local disk dir
	load_rnbd_client
	rxe_up
	await server-ready 60
	disk=$(rnbd_map device_path=/dev/nullb0)
	dir=$RTRS_CLT/$RNBD_SESS/paths
	check_equal "client-path-name" "ip:$(addr_of 2)@ip:$(addr_of 1)" "$(entries "$dir")"
	signal client-mapped
	await name-tried 60
	test_start "data over the network"
	check "fio-4k-depth-32" fio_verify "/dev/$disk" randwrite 4k 32 1 500
	check "fio-mixed" fio_verify "/dev/$disk" randwrite 512-124k 32 1 200 --blockalign=512
	check "fio-largest" fio_verify "/dev/$disk" write 124k 8 1 100
	check "fio-read-write-mixed" fio_verify "/dev/$disk" randrw 4k-32k 16 1 200
	dd if=/dev/urandom of="$LAB_TMP/data" bs=1M count=4 status=none
	dd if="$LAB_TMP/data" "of=/dev/$disk" bs=1M oflag=direct status=none
	signal client-verified

	await server-gone 60
	test_start "the server went away"
	check "abi68-closed" wait_for 40 state_is "$disk" closed
	expect_errno EIO pread "/dev/$disk" 0 4096 direct
	signal client-closed
	await server-back 60
	check "abi68-open-again" wait_for 60 state_is "$disk" open
	check "abi68-content" cmp -n 4194304 "/dev/$disk" "$LAB_TMP/data"
	check "abi68-fio" fio_verify "/dev/$disk" randwrite 4k-64k 16 1 100
	check "unmap" rnbd_unmap "$disk"
	check "nothing-left" wait_for 10 nothing_mapped
	signal client-done
}

"$LAB_ROLE"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=2 roles=server,client links=2 timeout=420 kernel=any disks=server:64M
#
#	server: /dev/vda ====== two cables, rxe at all ends ====== client: rnbd0 over two paths
#
# A server that goes away: its modules are loaded again, its machine is killed and boots again, with I/O
# on both paths and on one only. The device goes closed, comes back by itself, and has its data.
# Times are printed; the bounds are those of the interface, with room.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

NOTICE=40 # seconds until the loss of a silent peer must be noticed (abi56)
RETURN=60 # until a device is open again

on_unload() { unload rnbd_server 30 && unload rtrs_server 10; }
on_load() {
	modprobe rtrs_server sess_queue_depth=64
	load_rnbd_server
}

server() {
	modprobe virtio_blk
	wait_for 10 test -b /dev/vda
	rxe_up
	on_load
	test_ok "server-up-$LAB_BOOT"
	signal "server-up-$LAB_BOOT"
	serve_orders 400
	check "server-idle" wait_for 20 server_idle
}

# Open, with all paths, and I/O works.
well() {
	state_is "$disk" open && paths_are 2 && [ "$(errno_of pread "/dev/$disk" 0 4096 direct)" = OK ]
}

# returned NAME START: wait for the device, tell the times, verify.
returned() {
	check "$1-open" wait_for $RETURN state_is "$disk" open
	note "$1: server back -> open: $(since "$2") ms"
	check "$1-all-is-well" wait_for $RETURN well
	note "$1: server back -> both paths: $(since "$2") ms"
	check_equal "$1-content" "$sum" "$(sum_of "/dev/$disk")"
	check "$1-fio" fio_verify "/dev/$disk" randwrite 4k-64k 16 1 100
}

reload() {
	local start
	test_start "the modules of the server are loaded again"
	sum=$(fill_random "/dev/$disk")
	order server unload
	check "abi68-closed" wait_for $NOTICE state_is "$disk" closed
	check_equal "abi68-io-EIO" EIO "$(errno_of pread "/dev/$disk" 0 4096 direct)"
	start=$(now_ms)
	order server load
	returned "abi68-reload" "$start"
	check "abi68-no-path-was-added" test "$(find "$RTRS_CLT/$RNBD_SESS/paths" -mindepth 1 \
		-maxdepth 1 | wc -l)" = 2
}

# reboot NAME LIFE: kill the server under whatever I/O runs; it boots its LIFE-th time.
reboot() {
	local start
	sum=$(fill_random "/dev/$disk")
	"$1"
	start=$(now_ms)
	guest_reboot server
	await "server-up-$2" 120
	note "$1: the server was away for $(since "$start") ms"
	start=$(now_ms)
	returned "$1" "$start"
}

busy_paths() {
	expect_errno OK write "$RTRS_CLT/$RNBD_SESS/mpath_policy" rr
	fio_run "/dev/$disk" randread 4k 16 1 1000000 --time_based --runtime=300 >/dev/null 2>&1 &
}

# Requests one at a time all take the first path, so that only heartbeats notice the loss of the
# other one. It is still connected when the first one is back at a server that knows no devices.
one_busy_path() {
	expect_errno OK write "$RTRS_CLT/$RNBD_SESS/mpath_policy" mi
	reader_start "$disk"
}

# The server has a new life that knows no devices before the client has noticed that its second
# path is dead, so that the client was never without a path.
behind_a_dead_link() {
	local start
	sum=$(fill_random "/dev/$disk")
	order server cut 1
	link_cut 1
	order server unload
	start=$(now_ms)
	order server load
	check "dead-link-path-0-is-back" wait_for $RETURN path_is 0 connected
	check "dead-link-io-works" wait_for $RETURN reads
	note "dead link: server back -> I/O: $(since "$start") ms"
	link_restore 1
	order server restore 1
	returned dead-link "$start"
}
reads() { [ "$(errno_of pread "/dev/$disk" 0 4096 direct)" = OK ]; }

client() {
	load_rnbd_client
	rxe_up
	await server-up-1 60
	disk=$(rnbd_map "$(path_args 0 1)" device_path=/dev/vda)
	reload
	test_start "the server restarts behind a link that died unnoticed"
	behind_a_dead_link
	test_start "the server is killed, I/O on both paths"
	reboot busy_paths 2
	test_start "the server is killed, I/O on one path"
	reboot one_busy_path 3
	reader_end
	note "$(reader_failed) reads failed, the longest took $(reader_longest) ms"
	check "unmap" rnbd_unmap "$disk"
	check "nothing-left" wait_for 20 nothing_mapped
	order server quit
}

"$LAB_ROLE"

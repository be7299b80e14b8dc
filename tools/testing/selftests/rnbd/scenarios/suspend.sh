#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=2 roles=server,client links=2 timeout=400 kernel=any tier=full
#
#	server: null_blk ====== two cables, rxe at all ends ====== client: rnbd0, written and verified
#
# One end is stopped, as a virtual machine is that gets suspended: until the other end has noticed,
# and longer than all time-outs. It goes on without knowing; then all comes back by itself, I/O that
# was held meanwhile has not failed, and all data is right.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

NOTICE=60   # seconds until the loss of a silent peer must be noticed
RETURN=90   # until all is as before
LONGER=35   # seconds to stay away: longer than heartbeats, connection set-up and requests may take

passed() { [ "$(since "$1")" -ge "$2" ]; } # condition: START MS
no_paths() { [ -z "$(ls -A "$RTRS_SRV/$RNBD_SESS/paths" 2>/dev/null)" ]; }

server() {
	local start
	server_disk
	await client-is-busy 120
	test_start "the client is stopped"
	guest_pause client
	start=$(now_ms)
	check "client-is-missed" wait_for $NOTICE no_paths
	note "stopped -> all its paths are gone: $(since "$start") ms"
	wait_for 60 passed "$start" $((LONGER * 1000))
	guest_resume client
	signal client-was-stopped
	serve_orders 400
	check "server-idle" wait_for 20 server_idle
}
server_disk() {
	null_blk_up 64 >/dev/null
	modprobe rtrs_server sess_queue_depth=64
	load_rnbd_server
	rxe_up
	signal server-ready
}

all_back() {
	check "$1-paths-are-back" wait_for $RETURN paths_are 2
	check "$1-open" wait_for 30 state_is "$disk" open
	load_end "$1-no-failed-io-and-data-right"
	check "$1-stamp" stamp_is "/dev/$disk" 16383 "$1"
}

# busy: I/O is under way, and has been for a while.
busy() { [ "$(awk '{ print $1 + $5 }' "/sys/block/$disk/stat")" -gt 300 ]; }

client() {
	local start
	load_rnbd_client
	rxe_up
	await server-ready 60
	disk=$(rnbd_map device_path=/dev/nullb0 "$(path_args 0 1)")
	sess_attr hold_time_ms 300000

	stamp "/dev/$disk" 16383 client
	load_start "$disk" --size=32m
	wait_for 60 busy
	signal client-is-busy
	await client-was-stopped 200
	all_back client

	test_start "the server is stopped"
	stamp "/dev/$disk" 16383 server
	load_start "$disk" --size=32m
	guest_pause server
	start=$(now_ms)
	check "server-is-missed" wait_for $NOTICE state_is "$disk" closed
	note "stopped -> closed: $(since "$start") ms"
	wait_for 60 passed "$start" $((LONGER * 1000))
	check "io-is-held" load_runs
	guest_resume server
	all_back server

	check "unmap" rnbd_unmap "$disk"
	check "nothing-left" wait_for 20 nothing_mapped
	check "no-line-that-alarms" log_is_calm
	order server quit
}

"$LAB_ROLE"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml
#
# The smallest queues and the smallest and largest buffers: sessions of depth 1, 2 and 3, chunks
# of 8 KiB and 1 MiB. Data is verified in each; control messages must get through beside it, also when
# I/O that waits for a lost link has all slots.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

rxe_up
null=$(null_blk_up 64 cache_size=16 discard=1)
mapfile -t ram < <(brd_up 1 8)
load_rnbd_client

# with PARAMETER... -- MAX_KB DEPTH: load the server so, look at the limits, verify, unload.
with() {
	local params=() name disk second
	while [ "$1" != -- ]; do
		params+=("$1")
		shift
	done
	name=${params[*]}
	name=${name// /,}
	test_start "$name"
	modprobe rtrs_server "${params[@]}"
	load_rnbd_server
	disk=$(rnbd_map "device_path=$null")
	check_equal "$name-max_hw_sectors_kb" "$2" "$(queue_attr "$disk" max_hw_sectors_kb)"
	check_equal "$name-optimal_io_size" "$(($2 * 1024))" "$(queue_attr "$disk" optimal_io_size)"
	check "$name-fio-4k" fio_verify "/dev/$disk" randwrite 4k 32 2 100
	check "$name-fio-mixed" fio_verify "/dev/$disk" randwrite 512-64k 16 1 100 --blockalign=512
	check "$name-fio-largest" fio_verify "/dev/$disk" write "$2k" 4 1 30
	check "$name-flush" dd if=/dev/zero "of=/dev/$disk" bs=4k count=4 oflag=direct,dsync
	check "$name-discard" blkdiscard -o 0 -l 1M "/dev/$disk"
	busy_map "$disk" "$name"
	busy_link "$disk" "$name"
	check "$name-unmap" rnbd_unmap "$disk"
	wait_for 10 nothing_mapped
	unload rnbd_server
	unload rtrs_server
}

# busy_map DISK NAME: open and close another device while all slots are wanted by I/O.
busy_map() {
	local fio second rc=0
	fio_run "/dev/$1" randrw 4k 32 2 100000 --time_based --runtime=2 &
	fio=$!
	check "$2-map-under-load" rnbd_map "device_path=${ram[0]}"
	second=$(rnbd_disk_of "$RNBD_SESS" "${ram[0]}") || return 0
	check "$2-second-fio" fio_verify "/dev/$second" randwrite 4k 4 1 30
	check "$2-unmap-under-load" rnbd_unmap "$second"
	wait "$fio" || rc=$?
	check_equal "$2-load-ends-well" 0 "$rc"
}

# busy_link DISK NAME: the link is lost and comes back while I/O that is held has all slots it can get. A
# queue of one holds nothing: the device needs it to be opened again.
busy_link() {
	local fio rc=0 path=$RTRS_CLT/$RNBD_SESS/paths/ip:10.0.0.1@ip:10.0.0.1
	echo 60000 >"$RTRS_CLT/$RNBD_SESS/hold_time_ms"
	fio_run "/dev/$1" randrw 4k 32 2 100000 --time_based --runtime=3 &
	fio=$!
	sleep 1
	check_equal "$2-disconnect" OK "$(errno_of write "$path/disconnect" 1)"
	check_equal "$2-reconnect" OK "$(errno_of write "$path/reconnect" 1)"
	check "$2-open-again" wait_for $((15 * LAB_SLOW)) state_is "$1" open
	wait "$fio" || rc=$?
	[[ $2 == sess_queue_depth=1,* || $2 == sess_queue_depth=1 ]] ||
		check_equal "$2-held-io-ends-well" 0 "$rc"
	echo 0 >"$RTRS_CLT/$RNBD_SESS/hold_time_ms"
}

with sess_queue_depth=1 -- 124
with sess_queue_depth=2 -- 124
with sess_queue_depth=3 -- 124
with sess_queue_depth=16 max_chunk_size=8192 -- 4
with sess_queue_depth=16 max_chunk_size=1048576 -- 512
with sess_queue_depth=1 max_chunk_size=8192 always_invalidate=N -- 4

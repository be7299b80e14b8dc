#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml
#
# Reads and writes verified by fio in the two other ways of the server to treat its buffers:
# keys never revoked (always_invalidate=N), and keys revoked for every request (invalidate=always).
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

rxe_up
null=$(null_blk_up 64 cache_size=16 discard=1)
loop=$(loop_up 32)
load_rnbd_client

# one_way PARAMETER...: load the server with these, verify, unload.
one_way() {
	local name=$1 a b sum param
	modprobe rtrs_server "$@"
	load_rnbd_server
	for param; do
		check "$param-is-set" attr_is "/sys/module/rtrs_server/parameters/${param%=*}" \
			"${param#*=}"
	done
	a=$(rnbd_map "device_path=$null")
	b=$(rnbd_map "device_path=$loop")
	sum=$(fill_random "/dev/$b")
	check_equal "$name-written-here-read-there" "$sum" "$(sum_of "$loop")"
	check_equal "$name-read-back" "$sum" "$(sum_of "/dev/$b")"
	check "$name-fio-4k-depth-32" fio_verify "/dev/$a" randwrite 4k 32 2 500
	check "$name-fio-mixed-depth-128" fio_verify "/dev/$a" randwrite 512-124k 128 1 300 \
		--blockalign=512
	check "$name-fio-largest" fio_verify "/dev/$a" write \
		"$(queue_attr "$a" max_hw_sectors_kb)k" 16 1 100
	check "$name-fio-random-reads" fio_run "/dev/$a" randread 4k-64k 64 2 400
	check "$name-fio-io_uring" fio_verify "/dev/$b" randwrite 4k-64k 32 1 200 \
		--ioengine=io_uring
	check "$name-flush" dd if=/dev/zero "of=/dev/$a" bs=4k count=4 oflag=direct,dsync
	check "$name-discard" blkdiscard -o 1M -l 8M "/dev/$a"
	check "$name-write-zeroes" blkdiscard -z -o 1M -l 8M "/dev/$b"
	check "$name-unmap" rnbd_unmap "$a"
	rnbd_unmap "$b"
	wait_for 10 nothing_mapped
	unload rnbd_server
	unload rtrs_server
}

test_start "keys are never revoked"
one_way always_invalidate=N

test_start "keys are revoked for every request"
one_way invalidate=always

test_start "bad values"
check_fails "invalidate=nonsense-refused" modprobe rtrs_server invalidate=nonsense

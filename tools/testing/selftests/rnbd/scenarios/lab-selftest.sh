#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=60 kernel=any,uml tier=quick modules=no
#
# Proves the lab itself: Soft-RoCE carries data, disks can be made, fio verifies, errnos are
# told apart. Uses none of the project's modules.
. "${0%/*}/../lib.sh"

test_start "Soft-RoCE on two links"
rxe_up 2
check "two RDMA devices" test -e /sys/class/infiniband/rxe_rnl0 -a -e /sys/class/infiniband/rxe_rnl1
rping -s -a "$(addr_of 1)" -C 5 >/dev/null 2>&1 &
server=$!
check "rping over link 0" wait_for 20 rping -c -a "$(addr_of 1)" -C 5
wait "$server"

test_start "backing disks"
null=$(null_blk_up 64 blocksize=4096)
check_equal "null_blk has 64 MiB" 131072 "$(sectors "$null")"
check_equal "null_blk has 4 KiB blocks" 4096 "$(queue_attr "$null" logical_block_size)"
loop=$(loop_up 16)
check_equal "loop has 16 MiB" 32768 "$(sectors "$loop")"
check "fio writes and verifies" fio_verify "$null" randwrite 4k-64k 8 2 100
sum=$(fill_random "$loop")
check_equal "content comes back" "$sum" "$(sum_of "$loop")"

test_start "errno names"
expect_errno ENOENT write /nowhere x
expect_errno OK open "$loop" rw
expect_errno EINVAL write /proc/self/oom_score_adj nonsense

test_start "signals"
signal hello
check "a signal reaches its sender" await hello 1

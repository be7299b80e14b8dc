#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=200 kernel=any,uml full=6.1
#
# A disk that wants stable writes (one that computes checksums, say) gets data that the client can
# change no more: the server revokes the key first. Here that the data is right, with many writes at
# once and while paths come and go. That the key is dead in time is shown by peer, what it costs by
# io-costs, and that it works without room in the send queue by fault-points.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

ROUNDS=8
rxe_up 2
backing=$(null_blk_up 64)
want_stable_writes "$backing"
load_rnbd_server
load_rnbd_client
path_pairs_start
disk=$(rnbd_map "$(path_args 0 1)" "device_path=$backing")

test_start "data is right"
sum=$(fill_random "/dev/$disk")
check_equal "written-here-read-there" "$sum" "$(sum_of "$backing")"
check "fio-4k-depth-128" fio_verify "/dev/$disk" randwrite 4k 128 2 800
check "fio-mixed-512-to-124k" fio_verify "/dev/$disk" randwrite 512-124k 128 1 300 --blockalign=512
check "fio-read-write-mixed" fio_verify "/dev/$disk" randrw 4k-32k 32 2 300

test_start "paths come and go"
cut_and_return() { # LINK
	[ "$(path_do "$1" disconnect)" = OK ] && path_is "$1" disconnected && sleep 0.3 &&
		[ "$(path_up "$1")" = OK ] && path_is "$1" connected
}
load_start "$disk"
for ((n = 0; n < ROUNDS; n++)); do
	check "client-cuts-$n" cut_and_return $((n % 2))
	check "server-cuts-$n" cut_by_server $((n % 2))
done
load_end "no-failed-io-and-data-right"

test_start "the disk changes its mind"
want_stable_writes "$backing" 0
check "fio-unstable" fio_verify "/dev/$disk" randwrite 4k-32k 32 1 200
want_stable_writes "$backing"
check "fio-stable-again" fio_verify "/dev/$disk" randwrite 4k-32k 32 1 200
check "unmap" rnbd_unmap "$disk"
check "nothing-left" wait_for 20 nothing_mapped
check "server-idle" wait_for 20 server_idle
check_path_pairs "every-path-object-was-freed" 2

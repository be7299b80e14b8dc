#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml mem=2G
#
# Coming and going: modules without RDMA, devices that appear later and vanish under a mapping,
# unloading under I/O, a hung server disk. Repetition is in rounds.sh.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

mapfile -t ram < <(brd_up 2 16)

test_start "no RDMA device"
links_up
check "abi3-load-server" load_rnbd_server
check "abi3-load-client" load_rnbd_client
check_equal "abi3-no-address" EHOSTUNREACH \
	"$(errno_of write "$MAP_DEVICE" "$(map_text "device_path=${ram[0]}")")"
check "abi32-nothing-left" wait_for 10 nothing_mapped
check "abi3-unload" unload_all
load_rnbd_server
load_rnbd_client

test_start "a link that comes later"
rxe_up
disk=$(rnbd_map "device_path=${ram[0]}")
check "fio-over-the-late-link" fio_verify "/dev/$disk" randwrite 4k-64k 16 1 100
rnbd_unmap "$disk"

test_start "a link that goes away under a mapping"
disk=$(rnbd_map "device_path=${ram[0]}")
check "abi100-link-del-finishes" timeout 60 rdma link delete rxe_rnl0
check "abi100-closed" wait_for 10 state_is "$disk" closed
check_equal "abi100-io-EIO" EIO "$(errno_of pread "/dev/$disk" 0 4096 direct)"
attempts_fail() { # not only one: each must be followed by another
	[ "$(cut -d' ' -f2 "$RTRS_CLT/$RNBD_SESS"/paths/*/stats/reconnects)" -gt 1 ]
}
check "attempts-without-the-link" wait_for 30 attempts_fail
rxe_up
check "link-is-back-open-by-itself" wait_for 20 state_is "$disk" open
check "fio-after-the-link-is-back" fio_verify "/dev/$disk" randwrite 4k-64k 16 1 50
check "abi100-link-del-again" timeout 60 rdma link delete rxe_rnl0
check "abi100-closed-again" wait_for 10 state_is "$disk" closed
check "abi100-unmap" rnbd_unmap "$disk"
check "abi100-unload" unload_all
load_rnbd_server
rxe_up
load_rnbd_client

test_start "unload under I/O"
disk=$(rnbd_map "device_path=${ram[0]}")
endless_fio() { # leaves its status in fio.rc
	local rc=0
	FIO_TIMEOUT=60 fio_run "/dev/$disk" randrw 4k-16k 16 1 1000000 --time_based \
		--runtime=40 >"$LAB_TMP/fio.out" 2>&1 || rc=$?
	echo $rc >"$LAB_TMP/fio.rc"
}
endless_fio &
busy() { [ "$(awk '{ print $1 + $5 }' "/sys/block/$disk/stat")" -gt 50 ]; }
check "io-is-running" wait_for 10 busy
check_fails "client-unload-refused" rmmod rnbd_client
check "client-still-open" state_is "$disk" open
check "server-unload" timeout 30 rmmod rnbd_server
check "device-closed" wait_for 10 state_is "$disk" closed
check "fio-does-not-hang" wait_for 20 test -s "$LAB_TMP/fio.rc"
check_equal "fio-failed" 1 "$(cat "$LAB_TMP/fio.rc")"
check "fio-saw-EIO" file_has "$LAB_TMP/fio.out" "Input/output error"
load_rnbd_server
check "open-again" wait_for 60 state_is "$disk" open
check "fio-after-recovery" fio_verify "/dev/$disk" randwrite 4k-64k 16 1 100
rnbd_unmap "$disk"

test_start "a server disk that hangs"
slow=$(dm_up rnbd-slow "0 16384 linear ${ram[1]} 0")
disk=$(rnbd_map "device_path=$slow")
dmsetup suspend --nolockfs --noflush rnbd-slow
defer dmsetup resume rnbd-slow
errno-op pread "/dev/$disk" 0 4096 direct >"$LAB_TMP/hung" &
reader=$!
check "request-in-flight" wait_for 5 under_way "$disk" 1
before=$(now_ms)
check "abi45-forced-unmap" timeout 60 errno-op write "/sys/block/$disk/rnbd/unmap_device" force
check "abi45-bounded" test $(($(now_ms) - before)) -lt $((45000 * LAB_SLOW))
wait "$reader" || :
check_equal "abi45-EIO" EIO "$(<"$LAB_TMP/hung")"
dmsetup resume rnbd-slow
check "abi45-nothing-left" wait_for 10 nothing_mapped
check "abi45-server-lets-go" wait_for 20 server_idle
disk=$(rnbd_map "device_path=$slow")
expect_errno OK pread "/dev/$disk" 0 4096 direct
rnbd_unmap "$disk"

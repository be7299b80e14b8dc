#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml
#
#	server ---- two links, rxe on each ---- client: rnbd0
#
# What a user sees of the link: nothing while one path of two is left; closed and open, with
# uevents, when all go and come back; and a disk that comes back with another size or other blocks.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

rxe_up 2
null=$(null_blk_up 32 irqmode=2 completion_nsec=2000000)
modprobe -q loop || :
truncate -s 16M "$LAB_TMP/disk"
loop=$(losetup -f --show "$LAB_TMP/disk")
_undo_later losetup -d "$loop"
modprobe rtrs_server sess_queue_depth=64
load_rnbd_server
load_rnbd_client
paths="path=ip:10.0.0.1@ip:10.0.0.1 path=ip:10.0.1.1@ip:10.0.1.1"
sess=$RTRS_CLT/$RNBD_SESS
path_dir() { echo "$sess/paths/ip:10.0.$1.1@ip:10.0.$1.1"; }
path_is() { file_is "$(path_dir "$1")/state" "$2"; }
ios() { awk '{ print $1 + $5 }' "/sys/block/$a/stat"; }
busy() { [ "$(ios)" -gt "$1" ]; }
events=$LAB_TMP/uevents
uevents_start "$events" || skip_all "busybox has no uevent reader"
events_of() { # DISK: its uevents so far, without those of partitions
	uevents_sync "$events" >/dev/null
	uevents_of "$events" "block/$1 "
}
events_are() { [ "$(events_of "$1")" = "$2" ]; } # condition
resizes_are() { [ "$(grep -c "^change .*block/$b RESIZE=1" "$events")" = "$1" ]; } # condition

a=$(rnbd_map "device_path=$null" "$paths")
b=$(rnbd_map "device_path=$loop")
check_match "abi52-add-then-online" "^add online " "$(events_of "$a")"
: >"$events"

test_start "one path of two is lost, and the other, and so on, under I/O"
verify() { # leaves its status in fio.rc
	local rc=0
	fio_verify "/dev/$a" randwrite 4k-32k 16 1 1500 >"$LAB_TMP/fio.out" 2>&1 || rc=$?
	echo $rc >"$LAB_TMP/fio.rc"
}
verify &
start=$(ios)
check "io-is-running" wait_for 10 busy $((start + 50))
for n in 0 1 0 1; do
	errno-op write "$(path_dir $n)/disconnect" 1 >/dev/null
	path_is $n disconnected || test_fail "path-$n-disconnected"
	state_is "$a" open || test_fail "abi54-state-with-one-path"
	errno-op write "$(path_dir $n)/reconnect" 1 >/dev/null || : # or soon after
	wait_for 20 path_is $n connected || test_fail "path-$n-connected"
done
check "fio-ends" wait_for 120 test -s "$LAB_TMP/fio.rc"
check_equal "abi54-no-failed-I/O" 0 "$(<"$LAB_TMP/fio.rc")"
check "abi54-state" state_is "$a" open
check_equal "abi54-no-uevent" "" "$(events_of "$a")$(events_of "$b")"

test_start "the last path is lost and comes back"
for n in 0 1; do errno-op write "$(path_dir $n)/disconnect" 1 >/dev/null; done
check "abi53-closed" wait_for 10 state_is "$a" closed
check "abi53-both-closed" wait_for 10 state_is "$b" closed
check "abi53-offline" wait_for 10 events_are "$a" "offline "
check "abi55-EIO-within-a-second" fails_at_once EIO pread "/dev/$a" 0 4096 direct
errno-op write "$(path_dir 1)/reconnect" 1 >/dev/null || : # or soon after
check "abi53-open" wait_for 30 state_is "$a" open
check "abi53-both-open" wait_for 30 state_is "$b" open
check "abi53-online" wait_for 10 events_are "$a" "offline online "
check "abi53-online-of-the-other" wait_for 10 events_are "$b" "offline online "
expect_errno OK pread "/dev/$a" 0 4096 direct

test_start "another size when the device is opened again"
: >"$events"
errno-op write "$(path_dir 1)/disconnect" 1 >/dev/null
wait_for 10 state_is "$b" closed
truncate -s 24M "$LAB_TMP/disk"
losetup -c "$loop"
errno-op write "$(path_dir 0)/reconnect" 1 >/dev/null || : # or soon after
check "grown-open" wait_for 30 state_is "$b" open
check "abi57-size" wait_for 5 _has_sectors "/dev/$b" 49152
check "abi57-change-RESIZE=1" wait_for 10 resizes_are 1
uevents_sync "$events"
check "abi57-change-RESIZE=1-and-no-more" resizes_are 1
check_equal "abi57-none-for-the-other" 0 "$(grep -c "^change .*block/$a " "$events")"
check "abi57-is-logged" log_has "<$loop@$RNBD_SESS> grown on the server"
expect_errno OK pwrite "/dev/$b" $((20 * 1048576)) 4096 direct
errno-op write "$(path_dir 0)/disconnect" 1 >/dev/null
wait_for 10 state_is "$b" closed
truncate -s 8M "$LAB_TMP/disk"
losetup -c "$loop"
errno-op write "$(path_dir 0)/reconnect" 1 >/dev/null || : # or soon after
check "shrunk-open" wait_for 30 state_is "$b" open
check "abi57-shrunk-size" wait_for 5 _has_sectors "/dev/$b" 16384
check "abi57-shrunk-is-logged" log_has "<$loop@$RNBD_SESS> shrunk on the server"

test_start "a disk that comes back with other blocks stays closed"
errno-op write "$(path_dir 0)/disconnect" 1 >/dev/null
wait_for 10 state_is "$b" closed
losetup -b 4096 "$loop" 2>/dev/null || { losetup -d "$loop" && losetup -b 4096 "$loop" "$LAB_TMP/disk"; }
check_equal "blocks-of-the-server's-disk" 4096 "$(queue_attr "${loop#/dev/}" logical_block_size)"
errno-op write "$(path_dir 0)/reconnect" 1 >/dev/null || : # or soon after
check "the-other-is-open" wait_for 30 state_is "$a" open
check "other-blocks-logged" wait_for 10 log_has "block sizes 4096/4096 .*stays closed"
check "other-blocks-stays-closed" state_is "$b" closed
check_equal "other-blocks-remap" EINVAL "$(errno_of write "/sys/block/$b/rnbd/remap_device" 1)"
check "server-was-told-to-close" wait_for 5 gone "$RNBD_SRV_CTL/devices/${loop#/dev/}"
rnbd_unmap "$b"
b=$(rnbd_map "device_path=$loop")
check_equal "mapped-anew" 4096 "$(queue_attr "$b" logical_block_size)"
rnbd_unmap "$b"
rnbd_unmap "$a"
check "all-gone" wait_for 10 server_idle

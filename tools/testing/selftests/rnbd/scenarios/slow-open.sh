#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=240 kernel=any,uml
#
#	server: two null_blk, a loop device over one of them ---- one link ---- client: rnbd0, rnbd1
#
# A device that the server takes long to open when the link is back: what waits for it still ends in
# its time when the link is lost again.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

# slow: who opens the loop device from now on waits until it is quick again.
slow() {
	dmsetup suspend --nolockfs --noflush rnbd-slow
	# holds the mutex of the disk that every open takes, and waits for the partition table
	blockdev --rereadpt "$loop" &
	rereader=$!
	wait_for 10 waits $rereader
}
quick() {
	dmsetup resume rnbd-slow
	wait $rereader || :
}
waits() { file_has "/proc/$1/status" '^State:.D'; } # condition
# reading DISK: a read in the background; its errno and milliseconds go to $LAB_TMP/DISK.
reading() {
	local start
	start=$(now_ms)
	rm -f "$LAB_TMP/$1"
	{ errno_of pread "/dev/$1" 0 4096 direct; since "$start"; } >"$LAB_TMP/.$1"
	mv "$LAB_TMP/.$1" "$LAB_TMP/$1"
}
both_are_open() { state_is "$a" open && state_is "$b" open; } # condition

rxe_up
load_rnbd_server
load_rnbd_client
disk=$(null_blk_up 16)
dm=$(dm_up rnbd-slow "0 16384 linear $(null_blk_up 16) 0")
modprobe -q loop || :
# direct I/O: no page cache may answer while the disk below hangs
loop=$(losetup -P -f --direct-io=on --show "$dm")
_undo_later losetup -d "$loop"
a=$(rnbd_map "device_path=$disk" "$(path_args 0)")
b=$(rnbd_map "device_path=$loop" "$(path_args 0)")

test_start "each device has its own hold time"
hold=$((8000 * LAB_SLOW))
sess_attr hold_time_ms $hold
check_equal "hold-link-lost" OK "$(path_do 0 disconnect)"
check "hold-closed" wait_for 10 state_is "$b" closed
slow
reading "$b" &
check_equal "hold-link-back" OK "$(path_do 0 reconnect)"
check "hold-the-other-is-open-again" wait_for 10 state_is "$a" open
sleep $((hold * 5 / 8000)) # most of the time is over
check "hold-it-waits-still" test ! -e "$LAB_TMP/$b"
check_equal "hold-link-lost-again" OK "$(path_do 0 disconnect)"
check "hold-the-other-is-closed" wait_for 10 state_is "$a" closed
check "hold-ends" wait_for $((hold / 400)) test -e "$LAB_TMP/$b"
{ read -r errno; read -r took; } <"$LAB_TMP/$b"
note "$errno after $took ms"
check_equal "hold-errno" EIO "$errno"
check "hold-not-too-early" test "$took" -ge $((hold * 7 / 8))
check "hold-in-its-own-time" test "$took" -lt $((hold * 3 / 2))
quick
check_equal "hold-link-back-again" OK "$(path_do 0 reconnect)"
check "hold-both-are-open" wait_for 30 both_are_open

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml debug=yes
#
#	server: null_blks, a loop device over one of them --- links 0, 1 --- client: rnbd0 to rnbd2
#
# A device that the server takes long to open when the link is back: what waits for another device
# still ends in its time, and the session does not lose its link again and again for it; with a
# second path it does not lose it at all, unless others wait behind that device at the server.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"
. "${0%/*}/../lib-fault-points.sh"

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
# reading DISK START: a read in the background; its errno, and when it ended, in milliseconds since
# START, go to $LAB_TMP/DISK.
reading() {
	rm -f "$LAB_TMP/$1"
	{ errno_of pread "/dev/$1" 0 4096 direct; since "$2"; } >"$LAB_TMP/.$1"
	mv "$LAB_TMP/.$1" "$LAB_TMP/$1"
}
lost() { cut -d' ' -f1 "$(clt_path 0)/stats/reconnects"; }
# all_are STATE DISK...: condition. given_up DEVICE TIMES: condition; it was not opened in time.
all_are() { local d; for d in "${@:2}"; do state_is "$d" "$1" || return; done; }
given_up() { [ "$(log_count "<$1@$RNBD_SESS> not opened again: -110")" = "$2" ]; }
# closings: how often the disk that is never slow was closed
closings() { log_count "<$disk@$RNBD_SESS> disconnected"; }

rxe_up 2
load_rnbd_server
load_rnbd_client
disk=$(null_blk_up 16)
third=$(null_blk_up 16)
dm=$(dm_up rnbd-slow "0 16384 linear $(null_blk_up 16) 0")
modprobe -q loop || :
# direct I/O: no page cache may answer while the disk below hangs
loop=$(losetup -P -f --direct-io=on --show "$dm")
_undo_later losetup -d "$loop"
a=$(rnbd_map "device_path=$disk" "$(path_args 0)")
b=$(rnbd_map "device_path=$loop" "$(path_args 0)")

test_start "each device has its own hold time"
hold=$((4000 + 8000 * LAB_SLOW))
sess_attr hold_time_ms $hold
start=$(now_ms)
check_equal "hold-link-lost" OK "$(path_do 0 disconnect)"
check "hold-closed" wait_for 10 state_is "$b" closed
check "hold-at-the-server-too" wait_for 10 server_idle
slow
reading "$b" "$start" &
check_equal "hold-link-back" OK "$(path_up 0)"
check "hold-the-other-is-open-again" wait_for 10 state_is "$a" open
early=$((hold * 5 / 8 - $(since "$start"))) # then most of the time is over
[ $early -lt 0 ] || sleep $((early / 1000))
check "hold-it-waits-still" test ! -e "$LAB_TMP/$b"
check_equal "hold-link-lost-again" OK "$(path_do 0 disconnect)"
check "hold-the-other-is-closed" wait_for 10 state_is "$a" closed
check "hold-ends" wait_for $((hold / 400)) test -e "$LAB_TMP/$b"
{ read -r errno; read -r took; } <"$LAB_TMP/$b"
note "$errno $took ms after the loss"
check_equal "hold-errno" EIO "$errno"
check "hold-not-too-early" test "$took" -ge $((hold - 10)) # a tick
check "hold-in-its-own-time" test "$took" -lt $((hold * 3 / 2))
quick
check_equal "hold-link-back-again" OK "$(path_up 0)"
check "hold-both-are-open" wait_for 30 all_are open "$a" "$b"
sess_attr hold_time_ms 0

test_start "over two paths only one of them is lost for it"
seconds=$((LAB_SLOW > 1 ? 3 * LAB_SLOW : 8))
before=$(sess_attr request_timeout_ms)
sess_attr request_timeout_ms $((seconds * 1000))
check_equal "two-second-path" OK "$(add_path 1)"
check_equal "two-first-lost" OK "$(path_do 0 disconnect)"
check_equal "two-second-lost" OK "$(path_do 1 disconnect)"
check "two-both-are-closed" wait_for 10 all_are closed "$a" "$b"
check "two-at-the-server-too" wait_for 10 server_idle
slow
check_equal "two-first-back" OK "$(path_up 0)"
check_equal "two-second-back" OK "$(path_up 1)"
check "two-both-are-back" wait_for "$seconds" paths_are 2
check "two-the-other-is-open" wait_for 10 state_is "$a" open
closed=$(closings)
check "two-one-is-lost-for-it" wait_for $((seconds + 5)) paths_are 1
check "two-is-logged" wait_for 5 given_up "$loop" 1
sleep $((seconds + 1)) # a second attempt would cost the other path
check_equal "two-one-is-still-there" 1 "$(paths_connected)"
check_equal "two-the-other-works" OK "$(errno_of pread "/dev/$a" 0 4096 direct)"
check "two-stays-closed" state_is "$b" closed
quick
check "two-are-back-again" wait_for $((30 * LAB_SLOW)) paths_are 2
check "two-is-still-closed" state_is "$b" closed
check_equal "two-open-by-hand" OK "$(errno_of write "/sys/block/$b/rnbd/remap_device" 1)"
check "two-is-open" state_is "$b" open
check_equal "two-the-other-was-never-closed" "$closed" "$(closings)"

test_start "what waits behind it at the server is not taken for slow"
c=$(rnbd_map "device_path=$third")
check_equal "behind-first-lost" OK "$(path_do 0 disconnect)"
check_equal "behind-second-lost" OK "$(path_do 1 disconnect)"
check "behind-all-are-closed" wait_for 10 all_are closed "$a" "$b" "$c"
check "behind-at-the-server-too" wait_for 10 server_idle
slow
check_equal "behind-first-back" OK "$(path_up 0)"
check_equal "behind-second-back" OK "$(path_up 1)"
check "behind-both-are-lost-for-it" wait_for $((3 * seconds + 5)) paths_are 0
quick
check "behind-are-back" wait_for $((30 * LAB_SLOW)) paths_are 2
check "behind-was-late-too" given_up "$third" 1
check "behind-is-open" wait_for 10 all_are open "$a" "$c"
check "behind-slow-is-closed" state_is "$b" closed
check_equal "behind-open-by-hand" OK "$(errno_of write "/sys/block/$b/rnbd/remap_device" 1)"
rnbd_unmap "$c"
check_equal "behind-second-path-taken-away" OK "$(path_do 1 remove_path)"
sess_attr request_timeout_ms "$before"

test_start "a device that is never opened in time"
if [ ! -e "$FAULTS" ]; then
	test_skip "slow" "this kernel has no fault injection in debugfs"
	exit 0
fi
sess_attr request_timeout_ms $((4000 * LAB_SLOW))
check_equal "slow-link-lost" OK "$(path_do 0 disconnect)"
check "slow-closed" wait_for 10 state_is "$b" closed
# the third of three messages: SESS_INFO, OPEN of the one device, OPEN of the other
echo $((10000 * LAB_SLOW)) >"$FAULTS/delay_ms"
echo 3 >"$FAULTS/delay/interval"
fault delay -1
before=$(lost)
check_equal "slow-link-back" OK "$(path_up 0)"
check "slow-the-other-is-open" wait_for 10 state_is "$a" open
check "slow-link-lost-for-it" wait_for 20 state_is "$a" closed
check "slow-the-other-is-open-again" wait_for $((30 * LAB_SLOW)) state_is "$a" open
sleep $((8 * LAB_SLOW)) # twice the time after which it would cost the path again
check "slow-the-other-stays-open" state_is "$a" open
check "slow-stays-closed" state_is "$b" closed
check_equal "slow-link-lost-once" $((before + 2)) "$(lost)"
check "slow-is-logged" given_up "$loop" 3
fault_end delay
check_equal "slow-the-other-works" OK "$(errno_of pread "/dev/$a" 0 4096 direct)"
check "slow-is-still-closed" state_is "$b" closed
check_equal "slow-link-lost-for-another-cause" OK "$(path_do 0 disconnect)"
check "slow-the-other-is-closed" wait_for 10 state_is "$a" closed
check_equal "slow-link-back-again" OK "$(path_up 0)"
check "slow-both-are-open" wait_for 10 all_are open "$a" "$b"
check "slow-fio" fio_verify "/dev/$b" randwrite 4k-32k 16 1 100

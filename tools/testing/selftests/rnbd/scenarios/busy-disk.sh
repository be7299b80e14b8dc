#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=240 kernel=any,uml
#
#	server: null_blk; a loop device with room for four requests, over a disk that
#	can be stopped --- links 0, 1 --- client: fast, slow
#
# A disk that has no room for more requests holds up nothing else of its session: neither another
# disk nor the end of a path. What waits for room is done in the end.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

nr=8 # requests, twice as many as there is room for
stop() { dmsetup suspend --nolockfs --noflush rnbd-busy; }
go_on() { dmsetup resume rnbd-busy; }

# begin NAME OP DISK OFFSET: a request in the background; its errno goes to $LAB_TMP/NAME.
begin() {
	rm -f "$LAB_TMP/$1"
	{ errno_of "$2" "/dev/$3" "$4" 4096 direct >"$LAB_TMP/.$1" &&
		mv "$LAB_TMP/.$1" "$LAB_TMP/$1"; } &
}
# fill NAME OP: the slow disk stops, and gets more than it has room for.
fill() {
	local n
	stop
	rm -f "$LAB_TMP"/slow.*
	for ((n = 0; n < nr; n++)); do begin "slow.$n" "$2" "$slow" $((n * 65536)); done
	check "$1-all-are-under-way" wait_for 20 under_way "$slow" "$nr"
	check "$1-disk-is-full" wait_for 10 under_way "${loop#/dev/}" 4
}
ended() { find "$LAB_TMP" -name 'slow.*' | wc -l; }
all_ended() { [ "$(ended)" = $nr ]; } # condition
errnos() { cat "$LAB_TMP"/slow.* | sort | uniq -c | xargs; }
fast_io() { # NAME OP: one result
	begin fast "$2" "$fast" 0
	check "$1" wait_for 10 file_has "$LAB_TMP/fast" '^OK$'
}

rxe_up 2
load_rnbd_server
load_rnbd_client
# a file can be written with zeros, so a loop device over it knows discard, and one over that, too
dm=$(dm_up rnbd-busy "0 32768 linear $(loop_up 16) 0")
# direct I/O: no page cache may answer while the disk below stands still
loop=$(losetup -f --direct-io=on --show "$dm")
_undo_later losetup -d "$loop"
echo none >"/sys/block/${loop#/dev/}/queue/scheduler"
echo 4 >"/sys/block/${loop#/dev/}/queue/nr_requests"
check_equal "room-for-four" 4 "$(<"/sys/block/${loop#/dev/}/queue/nr_requests")"
slow=$(rnbd_map "device_path=$loop" "$(path_args 0 1)")
fast=$(rnbd_map "device_path=$(null_blk_up 16)")
defer go_on
sess_attr request_timeout_ms $((60000 * LAB_SLOW))

for op in pread pwrite; do
	test_start "another disk: $op"
	fill $op $op
	for n in 1 2 3 4; do # over both paths
		fast_io "$op-other-disk-$n" $op
	done
	check_equal "$op-none-has-ended" 0 "$(ended)"
	go_on
	check "$op-all-end" wait_for 20 all_ended
	check_equal "$op-all-are-done" "$nr OK" "$(errnos)"
done

test_start "what may be split: discard"
check_equal "discard-one-path" OK "$(path_do 1 disconnect)"
nr=4 fill discard pread
# by force, that is without looking at the disk first
blkdiscard -f -o 8M -l 4M "/dev/$slow" && touch "$LAB_TMP/discarded" &
check "discard-is-under-way" wait_for 10 under_way "$slow" 5
fast_io "discard-other-disk" pread
check_equal "discard-none-has-ended" 0 "$(ended)"
check "discard-has-not-ended" test ! -e "$LAB_TMP/discarded"
go_on
check "discard-ends" wait_for 20 test -e "$LAB_TMP/discarded"
check_equal "discard-all-are-done" "4 OK" "$(errnos)"
check_equal "discard-other-path-again" OK "$(path_up 1)"

test_start "the end of a path"
fill path pread
check_equal "path-goes" OK "$(path_do 0 disconnect)"
fast_io "path-other-disk" pread
check_equal "path-none-has-ended" 0 "$(ended)"
go_on
check "path-all-end" wait_for 20 all_ended
check_equal "path-all-are-done" "$nr OK" "$(errnos)"
check "path-is-gone-on-the-server" wait_for 20 gone "$(srv_path 0)"
check_equal "path-comes-back" OK "$(path_up 0)"

test_start "closed by the server's administrator"
fill close pread
errno-op write "$RNBD_SRV_CTL/devices/${loop#/dev/}/sessions/$RNBD_SESS/force_close" 1 >/dev/null &
closer=$!
check "close-waits" wait_for 10 file_has "/proc/$closer/status" '^State:.D'
begin more pread "$slow" 0
check "close-is-heard-of" wait_for 10 file_has "$LAB_TMP/more" '^EIO$'
check "close-closed" wait_for 10 state_is "$slow" closed
check_equal "close-not-yet-free" EBUSY "$(errno_of write "/sys/block/$slow/rnbd/remap_device" 1)"
check_equal "close-none-has-ended" 0 "$(ended)"
go_on
check "close-all-end" wait_for 20 all_ended
check_equal "close-all-are-done" "$nr OK" "$(errnos)"
check "close-is-done" wait_for 20 gone "$RNBD_SRV_CTL/devices/${loop#/dev/}"
check_equal "close-open-again" OK "$(errno_of write "/sys/block/$slow/rnbd/remap_device" 1)"

test_start "the end of a mapping"
fill unmap pwrite
errno_of write "/sys/block/$slow/rnbd/unmap_device" force >"$LAB_TMP/unmapped" &
check "unmap-all-end" wait_for 20 all_ended
go_on
wait
check_equal "unmap-by-force" OK "$(<"$LAB_TMP/unmapped")"
check "unmap-server-closes" wait_for 20 gone "$RNBD_SRV_CTL/devices/${loop#/dev/}"
check "unmap-session-is-back" wait_for 30 state_is "$fast" open # by force costs paths
fast_io "unmap-other-disk" pread
rnbd_unmap "$fast"
check "nothing-left" wait_for 20 nothing_mapped

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=360 kernel=any,uml mem=2G
#
#	server: null_blk, dm over it ---- two links, rxe on each ---- client: rnbd0
#
# What becomes of I/O when paths go: it moves to another one; with none left it fails at once, or
# waits as long as the administrator allows; a request that is never answered fails in bounded
# time. Corruption is the business of failover-proof.sh.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

sess=$RTRS_CLT/$RNBD_SESS
path_of() { echo "$sess/paths/ip:10.0.$1.1@ip:10.0.$1.1"; }
path_is() { file_is "$(path_of "$1")/state" "$2"; }
set_time() { errno-op write "$sess/$1" "$2" >/dev/null; }

fio_bg() { # NAME FIO_VERIFY ARGS...: run in the background, status in NAME.rc
	local name=$1 rc=0
	shift
	fio_verify "$@" >"$LAB_TMP/$name.out" 2>&1 || rc=$?
	echo $rc >"$LAB_TMP/$name.rc"
}
fio_status() { wait_for "$2" test -s "$LAB_TMP/$1.rc" && cat "$LAB_TMP/$1.rc"; }
busy() { [ "$(awk '{ print $1 + $5 }' "/sys/block/$disk/stat")" -gt "$1" ]; }
ios() { awk '{ print $1 + $5 }' "/sys/block/$disk/stat"; }
failed_over() { cat "$sess"/paths/*/stats/rdma | awk '{ n += $6 } END { print n }'; }

backing=$(null_blk_up 64 irqmode=2 completion_nsec=3000000) # so that requests are under way
dm=$(dm_up rnbd-failover "0 $(sectors "$backing") linear $backing 0")
other=$(null_blk_up 16)
slow=$(dm_up rnbd-slow "0 $(sectors "$other") linear $other 0")
defer dmsetup resume rnbd-slow
rxe_up 2
load_rnbd_server
load_rnbd_client
disk=$(rnbd_map "device_path=$dm" path=ip:10.0.0.1@ip:10.0.0.1 path=ip:10.0.1.1@ip:10.0.1.1)

test_start "one of two paths goes, again and again"
errno-op write "$sess/mpath_policy" round-robin >/dev/null
fio_bg verify "/dev/$disk" randwrite 4k-16k 16 1 10000 &
start=$(ios)
check "io-is-running" wait_for 10 busy $((start + 50))
for round in 1 2 3 4; do
	link=$((round % 2))
	check "disconnect-$round" errno-op write "$(path_of $link)/disconnect" 1
	errno-op write "$(path_of $link)/reconnect" 1 >/dev/null || : # or soon after
	check "connected-$round" wait_for 30 path_is $link connected
done
check_equal "fio-verified" 0 "$(fio_status verify 120)"
check "requests-moved" test "$(failed_over)" -gt 0
check "still-open" state_is "$disk" open

test_start "times of a session"
for name in heartbeat_interval_ms heartbeat_missed_max reconnect_delay_ms hold_time_ms \
	request_timeout_ms; do
	check_equal "$name-default" "$(cat /sys/module/rtrs_client/parameters/$name)" \
		"$(cat "$sess/$name")"
	expect_errno EINVAL write "$sess/$name" x
	expect_errno EINVAL write "$sess/$name" -1
	expect_errno EINVAL write "$sess/$name" 9999999
	expect_errno ERANGE write "$sess/$name" 99999999999
done
expect_errno EINVAL write /sys/module/rtrs_client/parameters/heartbeat_interval_ms 5
check "io-timeout-follows" set_time request_timeout_ms 20000
check_equal "io-timeout-is" 20000 "$(queue_attr "$disk" io_timeout)"

test_start "times of a session while a disk is being mapped"
# its partition table cannot be read as long as the disk is suspended at the server
dmsetup suspend --nolockfs --noflush rnbd-slow
errno_of write "$MAP_DEVICE" "$(map_text "device_path=$slow")" >"$LAB_TMP/mapped" &
mapper=$!
check "mapping-reads" wait_for 20 under_way rnbd1 1
check "time-changes-while-mapping" timeout 10 errno-op write "$sess/request_timeout_ms" 25000
check "mapping-goes-on" kill -0 $mapper
dmsetup resume rnbd-slow
wait $mapper
check_equal "mapped-with-another-time" OK "$(<"$LAB_TMP/mapped")"
check_equal "io-timeout-of-the-new-disk" 25000 "$(queue_attr rnbd1 io_timeout)"
check "fio-on-the-new-disk" fio_verify /dev/rnbd1 randwrite 4k 8 1 50
rnbd_unmap rnbd1
set_time request_timeout_ms 20000

test_start "no path left: fails at once"
errno-op write "$(path_of 0)/disconnect" 1 >/dev/null
errno-op write "$(path_of 1)/disconnect" 1 >/dev/null
check "closed" wait_for 10 state_is "$disk" closed
check "at-once" fails_at_once EIO pread "/dev/$disk" 0 4096 direct
set_time hold_time_ms 120000 # is for the next loss
check "still-at-once" fails_at_once EIO pread "/dev/$disk" 0 4096 direct
for n in 0 1; do errno-op write "$(path_of $n)/reconnect" 1 >/dev/null || :; done # or soon after
check "open-again" wait_for 30 state_is "$disk" open

test_start "no path left: I/O waits"
set_time hold_time_ms 120000
fio_bg hold "/dev/$disk" randwrite 4k-64k 16 1 2000 --rate_iops=200 & # does not end too early
start=$(ios)
check "hold-io-is-running" wait_for 10 busy $((start + 50))
check "server-goes" unload rnbd_server 30
check "hold-closed" wait_for 20 state_is "$disk" closed
start=$(ios)
sleep 2 # time in which I/O that does not wait would have failed
check_equal "nothing-done-meanwhile" "$start" "$(ios)"
check "fio-waits" test ! -e "$LAB_TMP/hold.rc"
load_rnbd_server
before=$(now_ms)
check "hold-open-again" wait_for 30 state_is "$disk" open
note "open $(($(now_ms) - before)) ms after the server's modules were back"
check_equal "fio-saw-no-error" 0 "$(fio_status hold 120)"

test_start "no path left: the time is over"
set_time hold_time_ms $((7000 * LAB_SLOW))
unload rnbd_server 30 & # with the last of what it does after the paths it is slower than we are
unloading=$!
check "over-closed" wait_for 20 state_is "$disk" closed
before=$(now_ms)
expect_errno EIO pread "/dev/$disk" 0 4096 direct
took=$(($(now_ms) - before))
wait "$unloading"
note "failed after $took ms"
check "not-before-its-time" test "$took" -gt 1000
check "soon-after" test "$took" -lt $((30000 * LAB_SLOW))
check "from-then-on-at-once" fails_at_once EIO pread "/dev/$disk" 4096 4096 direct
load_rnbd_server
before=$(now_ms)
check "over-open-again" wait_for 30 state_is "$disk" open
note "open $(($(now_ms) - before)) ms after the server's modules were back"

test_start "unmapped while I/O waits"
set_time hold_time_ms 120000
unload rnbd_server 30
check "unmap-closed" wait_for 20 state_is "$disk" closed
errno-op pread "/dev/$disk" 0 4096 direct >"$LAB_TMP/waiting" &
reader=$!
check "reader-waits" wait_for 5 file_has "/proc/$reader/status" '^State:.D'
check "force-returns" timeout 30 errno-op write "/sys/block/$disk/rnbd/unmap_device" force
check "reader-ends" wait_for 10 test -s "$LAB_TMP/waiting"
wait "$reader" || :
check_equal "reader-EIO" EIO "$(<"$LAB_TMP/waiting")"
check "nothing-left" wait_for 20 nothing_mapped

test_start "a request that is never answered"
load_rnbd_server
disk=$(rnbd_map "device_path=$dm" path=ip:10.0.0.1@ip:10.0.0.1 path=ip:10.0.1.1@ip:10.0.1.1)
set_time request_timeout_ms $((3000 * LAB_SLOW))
dmsetup suspend --nolockfs --noflush rnbd-failover
defer dmsetup resume rnbd-failover
before=$(now_ms)
got=$(errno_of pread "/dev/$disk" 0 4096 direct)
took=$(($(now_ms) - before))
note "ended with $got after $took ms"
check_equal "never-answered-errno" ETIMEDOUT "$got"
check "not-at-the-first-time-out" test "$took" -gt $((5000 * LAB_SLOW))
check "bounded" test "$took" -lt $((30000 * LAB_SLOW))
dmsetup resume rnbd-failover
check "all-is-well-again" wait_for 60 state_is "$disk" open
check "paths-are-back" wait_for 60 eval 'path_is 0 connected && path_is 1 connected'
set_time request_timeout_ms 30000
check "fio-after-all" fio_verify "/dev/$disk" randwrite 4k-64k 16 1 200
check "unmap" rnbd_unmap "$disk"

# Each time it is sent it takes too long, and the link is lost with the only path.
test_start "answered too late every time, one path, with a hold time"
disk=$(rnbd_map "device_path=$dm" path=ip:10.0.0.1@ip:10.0.0.1)
set_time request_timeout_ms $((4000 * LAB_SLOW))
set_time hold_time_ms 120000
dmsetup suspend --noflush rnbd-failover
dmsetup load rnbd-failover --table "0 $(sectors "$backing") delay $backing 0 $((12000 * LAB_SLOW))"
dmsetup resume rnbd-failover
before=$(now_ms)
errno_of pread "/dev/$disk" 0 4096 direct >"$LAB_TMP/late" &
check "late-ends" wait_for 90 test -s "$LAB_TMP/late"
note "ended after $(($(now_ms) - before)) ms"
check_equal "late-errno" ETIMEDOUT "$(<"$LAB_TMP/late")"
dmsetup suspend --noflush rnbd-failover
dmsetup load rnbd-failover --table "0 $(sectors "$backing") linear $backing 0"
dmsetup resume rnbd-failover
check "late-open-again" wait_for 60 state_is "$disk" open
set_time request_timeout_ms 30000
check "late-fio" fio_verify "/dev/$disk" randwrite 4k-64k 16 1 100
check "late-unmap" rnbd_unmap "$disk"

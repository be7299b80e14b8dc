#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml
#
# What a path and its session tell in sysfs, on both ends: state, which can be watched with
# poll(2), the last error, latency, and the names of the hosts.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

RNBD_SESS=box-1@store-2
rxe_up
modprobe rtrs_server sess_queue_depth=32
load_rnbd_server
load_rnbd_client
disk=$(rnbd_map "device_path=$(null_blk_up 16)")
clt=$RTRS_CLT/$RNBD_SESS srv=$RTRS_SRV/$RNBD_SESS
cpath=$(clt_path 0) spath=$(srv_path 0)

test_start "what is new"
check "client-state" attr_is "$cpath/state" connected
check "server-state" attr_is "$spath/state" connected
check "last_error" attr_is "$cpath/last_error" none
for file in "$cpath/last_error" "$spath/state" "$spath/cur_latency"; do
	check "${file##*/}-mode" mode_is "$file" 444
	check "${file##*/}-text" ends_in_newline "$file"
done

test_start "host names"
check "srv_hostname" attr_is "$clt/srv_hostname" store-2
check "clt_hostname" attr_is "$srv/clt_hostname" box-1
check "srv_hostname-mode" mode_is "$clt/srv_hostname" 444
check "clt_hostname-mode" mode_is "$srv/clt_hostname" 444
for name in plain a@b@c @x; do
	other=$(rnbd_map "sessname=$name" "device_path=$(null_blk_up 16)")
	check "no-srv_hostname-in-$name" gone "$RTRS_CLT/$name/srv_hostname"
	check "no-clt_hostname-in-$name" gone "$RTRS_SRV/$name/clt_hostname"
	check "other-files-in-$name" test -e "$RTRS_SRV/$name/heartbeat_interval_ms"
	rnbd_unmap "$other"
done

test_start "latency"
expect_errno OK write "$srv/heartbeat_interval_ms" 100
expect_errno OK write "$clt/heartbeat_interval_ms" 100
for end in "$srv" "$clt"; do expect_errno OK write "$end/heartbeat_missed_max" 100; done
check_match "abi87-format" "^[0-9]+ ns$" "$(<"$cpath/cur_latency")"
check_match "server-latency-format" "^[0-9]+ ns$" "$(<"$spath/cur_latency")"
check "abi87-not-zero" wait_for 20 file_has "$cpath/cur_latency" "^[1-9]"
check "server-latency-not-zero" wait_for 20 file_has "$spath/cur_latency" "^[1-9]"
for value in 99 60001 -1 often; do
	for end in "$srv" "$clt"; do
		expect_errno EINVAL write "$end/heartbeat_interval_ms" "$value"
	done
done
expect_errno OK write "$srv/heartbeat_interval_ms" 2000
expect_errno OK write "$clt/heartbeat_interval_ms" 2000
for end in "$srv" "$clt"; do expect_errno OK write "$end/heartbeat_missed_max" 5; done

# watch FILE SECONDS: begin to poll; watched NAME WANT: one result, how that ended.
watch() {
	rm -f "$LAB_TMP/watching" # of the one before
	errno-op poll "$1" "$2" >"$LAB_TMP/polled" 2>"$LAB_TMP/watching" &
	watcher=$!
	wait_for 10 test -s "$LAB_TMP/watching"
}

watched() {
	wait "$watcher" || :
	check_equal "$1" "$2" "$(<"$LAB_TMP/polled")"
}

test_start "poll"
watch "$cpath/state" 1
watched "poll-client-nothing-happens" ETIMEDOUT
watch "$spath/state" 1
watched "poll-server-nothing-happens" ETIMEDOUT
watch "$cpath/state" 60
expect_errno OK write "$cpath/disconnect" 1
watched "poll-client-disconnect" OK
check "poll-client-disconnected" attr_is "$cpath/state" disconnected
check "disconnect-is-no-error" attr_is "$cpath/last_error" none
watch "$cpath/state" 60
expect_errno OK write "$cpath/reconnect" 1
watched "poll-client-reconnect" OK
check "poll-client-connected" attr_is "$cpath/state" connected
watch "$spath/state" 60
expect_errno OK write "$spath/disconnect" 1
watched "poll-server-disconnect" OK
check "poll-client-back" wait_for 30 file_has "$cpath/stats/reconnects" "^2 "
check "server-is-back" wait_for 10 attr_is "$spath/state" connected

# error_is NAME: condition. Some kernels have no names.
error_is() {
	case $(<"$cpath/last_error") in
	"-$1" | "-$(errno_number "$1")") ;;
	*) return 1 ;;
	esac
}

errno_number() {
	case $1 in
	ECONNRESET) echo 104 ;;
	ECONNABORTED) echo 103 ;;
	EHOSTUNREACH) echo 113 ;;
	esac
}

test_start "last error"
check "last_error-of-the-server-that-left" error_is ECONNRESET
watch "$cpath/state" 60
timeout 60 rdma link delete rxe_rnl0
watched "poll-device-removal" OK
check "last_error-of-the-attempts" wait_for 30 error_is EHOSTUNREACH
rxe_up
check "connected-again" wait_for 30 attr_is "$cpath/state" connected
check "last_error-stays" error_is EHOSTUNREACH
check "io" fio_verify "/dev/$disk" randwrite 4k-64k 8 1 50
rnbd_unmap "$disk"
check "nothing-left" wait_for 10 server_idle

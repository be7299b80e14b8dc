#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml mem=2G
#
# Coming and going: modules without RDMA, devices that appear later and vanish under a mapping,
# many rounds of map and unmap and of load and unload, unloading under I/O, a hung server disk.
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
check "abi100-unmap" rnbd_unmap "$disk"
check "abi100-unload" unload_all
load_rnbd_server
rxe_up
load_rnbd_client

test_start "100 rounds of map and unmap"
rounds() { # COUNT: each with a session of its own
	local n disk
	for ((n = 0; n < $1; n++)); do
		disk=$(rnbd_map "device_path=${ram[0]}") || return 1
		[ "$disk" = rnbd0 ] || return 1
		rnbd_unmap "$disk" || return 1
	done
}
modprobe -r rnbd_server rtrs_server
modprobe rtrs_server sess_queue_depth=32
load_rnbd_server
check "100-rounds" rounds 100
check "rounds-leave-nothing" wait_for 10 nothing_mapped
check "rounds-leave-nothing-on-the-server" wait_for 10 server_idle

test_start "map while the session goes away"
overlap() {
	local n
	for ((n = 0; n < 10; n++)); do
		rnbd_map "device_path=${ram[0]}" >/dev/null || return 1
		rnbd_unmap rnbd0 &
		rnbd_map "device_path=${ram[1]}" >/dev/null || return 1
		wait $! || return 1
		rnbd_unmap "$(rnbd_disk_of "$RNBD_SESS" "${ram[1]}")" || return 1
	done
}
check "abi31-map-during-tear-down" overlap

test_start "parallel maps share one new session"
parallel() {
	local one two rc=0
	rnbd_map "device_path=${ram[0]}" >"$LAB_TMP/one" &
	one=$!
	rnbd_map "device_path=${ram[1]}" >"$LAB_TMP/two" &
	two=$!
	wait $one || rc=1
	wait $two || rc=1
	[ "$(entries "$RTRS_CLT")" = "$RNBD_SESS" ] || rc=1
	rnbd_unmap "$(<"$LAB_TMP/one")" &
	one=$!
	rnbd_unmap "$(<"$LAB_TMP/two")" || rc=1
	wait $one || rc=1
	return $rc
}
check "two-maps-one-session" parallel

test_start "20 rounds of load and unload"
loads() {
	local n
	for ((n = 0; n < 20; n++)); do
		unload_all || return 1
		load_rnbd_client || return 1
		load_rnbd_server || return 1
		# every fifth with a mapping that the unloading has to take down
		if [ $((n % 5)) = 4 ]; then
			rnbd_map "device_path=${ram[0]}" >/dev/null || return 1
			unload rnbd_client || return 1
			[ -z "$(rnbd_disks)" ] || return 1
		fi
	done
}
check "20-loads" loads
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
in_flight() { [ "$(awk '{ print $9 }' "/sys/block/$disk/stat")" -gt 0 ]; }
check "request-in-flight" wait_for 5 in_flight
before=$(now_ms)
check "abi45-forced-unmap" timeout 60 errno-op write "/sys/block/$disk/rnbd/unmap_device" force
check "abi45-bounded" test $(($(now_ms) - before)) -lt 45000
wait "$reader" || :
check_equal "abi45-EIO" EIO "$(<"$LAB_TMP/hung")"
dmsetup resume rnbd-slow
check "abi45-nothing-left" wait_for 10 nothing_mapped
check "abi45-server-lets-go" wait_for 20 server_idle
disk=$(rnbd_map "device_path=$slow")
expect_errno OK pread "/dev/$disk" 0 4096 direct
rnbd_unmap "$disk"
